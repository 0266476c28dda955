//! Where the foreign clients come from: each is installed below `target/conform` if it is not there, in a fixed version.
use crate::{conform::python, setup, web};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where the programs around the clients are.
const SOURCES: &str = "tests/clients";
const PYTHON: &[&str] = &["aiohttp==3.14.5", "websockets==17.4"];
const WEBSOCAT: &str = "1.14.1";

/// An installed client.
pub struct Program {
    /// How it is started.
    pub command: Command,
    /// What is run, with its version.
    pub version: String,
}

/// Installs a client, by its name in the table.
pub fn client(name: &str) -> Result<Program, String> {
    match name {
        "websockets" | "aiohttp" => python_client(name),
        "ws" => ws(),
        "java" => java(),
        "gorilla" => gorilla(),
        "websocat" => websocat(),
        _ => Err("unknown".to_owned()),
    }
}

fn folder() -> Result<PathBuf, String> {
    let folder = PathBuf::from("target/conform/clients");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

/// Returns the first line that a program says, on stdout or stderr.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().map(str::to_owned).ok_or_else(|| format!("{command:?} says nothing"))
}

fn python_client(package: &str) -> Result<Program, String> {
    let programs = python::environment("python-clients", PYTHON)?;
    let python = programs.join("python");
    let ask = format!("import importlib.metadata as m; print('{package}', m.version('{package}'))");
    let version = said(Command::new(&python).args(["-c", &ask]))?;
    let mut command = Command::new(python);
    command.arg(Path::new(SOURCES).join(format!("with_{package}.py")));
    Ok(Program { command, version })
}

fn ws() -> Result<Program, String> {
    setup::program("node", "nodejs")?;
    setup::program("npm", "npm")?;
    web::npm_ci(SOURCES)?;
    let ask = "process.stdout.write(`ws ${require('ws/package.json').version}, node ${process.version}`)";
    let version = said(Command::new("node").args(["--input-type=commonjs", "-e", ask]).current_dir(SOURCES))?;
    let mut command = Command::new("node");
    command.arg(Path::new(SOURCES).join("with_ws.js"));
    Ok(Program { command, version })
}

fn java() -> Result<Program, String> {
    setup::program("java", "default-jdk-headless")?;
    let version = said(Command::new("java").arg("--version"))?;
    let mut command = Command::new("java");
    command.arg(Path::new(SOURCES).join("WithHttpClient.java"));
    Ok(Program { command, version })
}

fn gorilla() -> Result<Program, String> {
    let go = if Path::new("/usr/local/go/bin/go").exists() { "/usr/local/go/bin/go" } else { "go" };
    if said(Command::new(go).arg("version")).is_err() {
        setup::program("go", "golang-go")?;
    }
    let sources = Path::new(SOURCES).join("go");
    let binary = folder()?.join("gorilla");
    setup::again("the build of the Go client", || {
        run(Command::new(go).args(["build", "-o"]).arg(&binary).arg(".").current_dir(&sources))
    })?;
    let module = said(Command::new(go).args(["list", "-m", "github.com/gorilla/websocket"]).current_dir(&sources))?;
    let version = module.rsplit('/').next().unwrap_or(&module).to_owned();
    Ok(Program { command: Command::new(binary), version })
}

fn websocat() -> Result<Program, String> {
    let root = folder()?.join("websocat");
    let binary = root.join("bin/websocat");
    if !binary.exists() {
        println!("   cargo install websocat (some minutes)");
        run(Command::new("cargo")
            .args(["install", "--quiet", "--locked", "websocat", "--version", WEBSOCAT, "--root"])
            .arg(&root))?;
    }
    let version = said(Command::new(&binary).arg("--version"))?;
    let mut command = Command::new("python3");
    command.arg(Path::new(SOURCES).join("with_websocat.py")).env("WEBSOCAT", binary);
    Ok(Program { command, version })
}
