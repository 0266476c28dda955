//! The browser tests' set-up and run: Node, Debian's headless Chromium, fonts, the packages. Refuses to skip: what is missing is installed, or the run fails.
use crate::setup;
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// The binary that pages and clients are tested against.
const HUB: &[&str] = &["build", "--bin", "michub"];
/// Folders with a `package.json`; each holds its own tests.
const FOLDERS: &[&str] = &["clients/web", "tests/web"];
const NODE_MIN: u32 = 20;

fn run(what: &str, program: &str, args: &[&str], dir: &str) -> Result<(), String> {
    println!("== {what}");
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    setup::done(&mut command).map_err(|why| format!("{what}: {why}"))
}

fn answers(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn missing_packages() -> Vec<&'static str> {
    let browser = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium", "/usr/bin/google-chrome"];
    let mut missing = Vec::new();
    if !browser.iter().any(|path| Path::new(path).exists()) && std::env::var_os("MICHUB_CHROMIUM").is_none() {
        missing.push("chromium-headless-shell");
    }
    for (file, package) in [
        ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", "fonts-noto-cjk"),
        ("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", "fonts-noto-color-emoji"),
    ] {
        if !Path::new(file).exists() {
            missing.push(package);
        }
    }
    if answers("node", &["--version"]).is_none() {
        missing.push("nodejs");
    }
    if answers("npm", &["--version"]).is_none() {
        missing.push("npm");
    }
    missing
}

/// Installs what the browser tests need and is not there yet.
///
/// Errors: no apt-get, a failed installation, a Node older than 20.
pub fn set_up() -> Result<(), String> {
    let missing = missing_packages();
    if !missing.is_empty() {
        setup::packages(&missing)?;
    }
    let version = answers("node", &["--version"]).ok_or("node cannot be started")?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|text| text.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MIN) {
        return Err(format!("the browser tests need Node {NODE_MIN} or newer, this is {}", version.trim()));
    }
    for folder in FOLDERS {
        npm_ci(folder)?;
    }
    Ok(())
}

/// Installs what a folder's `package-lock.json` names. Errors: the registry cannot be reached.
pub fn npm_ci(folder: &str) -> Result<(), String> {
    setup::again(&format!("the packages of {folder}"), || {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
        setup::done(npm.env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"))
    })
}

/// Builds the hub and runs every browser and client test against it.
pub fn test() -> Result<(), String> {
    set_up()?;
    run("the hub under test", "cargo", HUB, ".")?;
    for folder in FOLDERS {
        run(&format!("tests of {folder}"), "npm", &["test", "--silent"], folder)?;
    }
    Ok(())
}

/// Opens the page in a browser and writes the picture that the README shows.
pub fn picture() -> Result<(), String> {
    set_up()?;
    run("the hub under test", "cargo", HUB, ".")?;
    run("docs/demo.png", "npm", &["run", "--silent", "picture"], "tests/web")
}
