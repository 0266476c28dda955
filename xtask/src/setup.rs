//! What the tests need from the system: installed if it is missing, or the run fails. A network that fails now and then fails nothing.
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// How often something is tried that needs the network.
const TRIES: u64 = 4;
/// How long the first wait between two tries is; each further one is that much longer.
const PAUSE: Duration = Duration::from_secs(5);

/// Makes sure that there is what the tests start themselves: Redis, PostgreSQL, the tools of Prometheus and systemd, and what fakes the time.
pub fn servers() -> Result<(), String> {
    redis()?;
    if postgres().is_none() {
        packages(&["postgresql"])?;
        postgres().ok_or("postgresql is installed, but has no initdb in /usr/lib/postgresql")?;
    }
    program("promtool", "prometheus")?;
    program("systemd-analyze", "systemd")?;
    program("prlimit", "util-linux")?;
    program("faketime", "faketime")
}

/// Makes sure that there is a redis-server.
pub fn redis() -> Result<(), String> {
    program("redis-server", "redis-server")?;
    program("redis-cli", "redis-tools")
}

/// Makes sure that there is a program, of a Debian package. Errors: it is missing and cannot be installed.
pub fn program(name: &str, package: &str) -> Result<(), String> {
    if !runs(name) {
        packages(&[package])?;
    }
    if runs(name) { Ok(()) } else { Err(format!("{name} is missing, although {package} is installed")) }
}

/// Installs Debian packages. Errors: there is no apt-get, or it fails again and again.
pub fn packages(names: &[&str]) -> Result<(), String> {
    let wanted = names.join(", ");
    if !runs("apt-get") {
        return Err(format!("{wanted} must be installed, and this system has no apt-get"));
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let apt = |args: &[&str]| {
        let mut command = if is_root { Command::new("apt-get") } else { Command::new("sudo") };
        if !is_root {
            command.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        }
        done(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    again(&format!("the installation of {wanted}"), || {
        // An old list names packages that are not there any more. Of several sources, one may be away: what is missing decides.
        let _ = apt(&["update", "-qq"]);
        apt(&[&["install", "-y", "-qq", "--no-install-recommends"], names].concat())
    })
}

/// Does something that needs the network until it works, a few times. Errors: that of the last try.
pub fn again(what: &str, mut attempt: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    println!("== {what}");
    for tries in 1..TRIES {
        let Err(why) = attempt() else { return Ok(()) };
        let pause = PAUSE * u32::try_from(tries).unwrap_or(1);
        println!("{what} has failed ({why}); once more in {} s", pause.as_secs());
        std::thread::sleep(pause);
    }
    attempt().map_err(|why| format!("{what} has failed {TRIES} times: {why}"))
}

/// Runs a command to its end. Errors: it cannot be started, or says that it has failed.
pub fn done(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name} cannot be started: {error}")),
    }
}

fn runs(program: &str) -> bool {
    let status = Command::new(program).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Finds a PostgreSQL server; its client alone is not enough.
fn postgres() -> Option<()> {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).ok()?.flatten();
    let has = |bin: &Path| ["initdb", "postgres", "psql"].iter().all(|name| bin.join(name).is_file());
    versions.into_iter().any(|version| has(&version.path().join("bin"))).then_some(())
}
