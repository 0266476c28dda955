//! A Python environment of our own with the packages of `requirements`, made once per folder.
use crate::setup;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
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
    let make = || setup::done(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    if make().is_err() {
        setup::packages(&["python3", "python3-venv"])?;
        make()?;
    }
    let pip = programs.join("pip");
    setup::again(&format!("the installation of {}", packages.join(", ")), || {
        setup::done(Command::new(&pip).args(["install", "-q", "--disable-pip-version-check"]).args(packages))
    })?;
    fs::write(&mark, wanted).map_err(|error| format!("{}: {error}", mark.display()))?;
    Ok(programs)
}
