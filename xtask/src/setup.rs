//! What the tests need from the system: installed if it is missing, or the run fails.
use std::process::{Command, Stdio};

/// Makes sure that there is a redis-server.
pub fn redis() -> Result<(), String> {
    if runs("redis-server", &["--version"]) {
        return Ok(());
    }
    println!("== redis-server");
    let install = |args: &[&str]| {
        let status = Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").status();
        status.is_ok_and(|status| status.success())
    };
    if !install(&["install", "-y", "--no-install-recommends", "redis-server"]) {
        install(&["update"]);
        install(&["install", "-y", "--no-install-recommends", "redis-server"]);
    }
    if runs("redis-server", &["--version"]) { Ok(()) } else { Err("redis-server is missing and cannot be installed".to_owned()) }
}

fn runs(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
