//! What the tests need from the system: installed if it is missing, or the run fails.
use std::process::{Command, Stdio};

/// Makes sure that there is what the tests start themselves: Redis, PostgreSQL, the tools of Prometheus and systemd, and what fakes the time.
pub fn servers() -> Result<(), String> {
    redis()?;
    program("psql", "postgresql")?;
    program("promtool", "prometheus")?;
    program("systemd-analyze", "systemd")?;
    program("prlimit", "util-linux")?;
    program("faketime", "faketime")
}

/// Makes sure that there is a redis-server.
pub fn redis() -> Result<(), String> {
    program("redis-server", "redis-server")
}

/// Makes sure that there is a program, of a Debian package. Errors: it is missing and cannot be installed.
pub fn program(name: &str, package: &str) -> Result<(), String> {
    if runs(name, &["--version"]) {
        return Ok(());
    }
    println!("== {package}");
    let install = |args: &[&str]| {
        let status = Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").status();
        status.is_ok_and(|status| status.success())
    };
    if !install(&["install", "-y", "--no-install-recommends", package]) {
        install(&["update"]);
        install(&["install", "-y", "--no-install-recommends", package]);
    }
    if runs(name, &["--version"]) { Ok(()) } else { Err(format!("{name} is missing and cannot be installed")) }
}

fn runs(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
