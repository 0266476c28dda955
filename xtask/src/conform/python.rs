//! A Python environment of our own with the packages of `requirements`, made once per folder.
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Returns the folder with the programs of a virtual environment that holds these packages, `name==version` each.
///
/// Errors: no python3, no network on the first run.
pub fn environment(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let folder = Path::new("target/conform").join(name);
    let (mark, wanted) = (folder.join("packages"), packages.join("\n"));
    let programs = folder.join("bin");
    if fs::read_to_string(&mark).is_ok_and(|there| there == wanted) {
        return Ok(programs);
    }
    println!("== {}", packages.join(", "));
    let make = || run("python3", &["-m", "venv", "--clear", &folder.to_string_lossy()]);
    if make().is_err() {
        crate::setup::program("python3", "python3")?;
        let _ = run("apt-get", &["install", "-y", "-qq", "--no-install-recommends", "python3-venv"]);
        make()?;
    }
    let pip = programs.join("pip");
    run(&pip.to_string_lossy(), &[&["install", "-q", "--disable-pip-version-check"], packages].concat())?;
    fs::write(&mark, wanted).map_err(|error| format!("{}: {error}", mark.display()))?;
    Ok(programs)
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    match Command::new(program).args(args).stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} {}: {status}", args.join(" "))),
        Err(error) => Err(format!("{program} cannot be started: {error}")),
    }
}
