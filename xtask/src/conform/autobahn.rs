//! Autobahn's test suite against an echo server that is made of the hub's own connection code (`tests/net/echo.rs`): what is a frame, and what is not.
use super::{Row, python};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use xtask::bed;

const PACKAGE: &str = "autobahntestsuite==25.10.1";
/// Makes environments for interpreters as old as the suite's.
const VIRTUALENV: &str = "virtualenv==20.21.1";
/// A text that is not UTF-8 may be refused before its last fragment has come, but need not be.
const NON_STRICT: &[&str] = &["6.4.3", "6.4.4"];
const FOLDER: &str = "target/conform/autobahn";

/// An echo server; it ends with this value.
struct Echo {
    child: Child,
    url: String,
}

impl Echo {
    fn start() -> Result<Self, String> {
        let built = Command::new("cargo").args(["build", "-q", "--example", "echo"]).status();
        if !built.is_ok_and(|status| status.success()) {
            return Err("the echo server cannot be built".to_owned());
        }
        let started = Command::new(xtask::built("debug/examples/echo")).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut echo = Self { child: started.map_err(|error| format!("the echo server: {error}"))?, url: String::new() };
        let mut line = String::new();
        if let Some(out) = echo.child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|error| format!("the echo server: {error}"))?;
        }
        echo.url = line.trim_end().strip_prefix("echo on ").ok_or("the echo server did not come up")?.to_owned();
        Ok(echo)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        bed::kill(&mut self.child);
    }
}

/// Plays all cases, or those named (`6.*`), and says how many ended how.
pub fn run(cases: &[String]) -> Result<Vec<Row>, String> {
    let suite = suite()?;
    let echo = Echo::start()?;
    let folder = PathBuf::from(FOLDER);
    let cases = if cases.is_empty() { vec!["*".to_owned()] } else { cases.to_vec() };
    let spec = json!({
        "outdir": "reports",
        "servers": [{"agent": "michub", "url": echo.url}],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    fs::write(folder.join("spec.json"), spec.to_string()).map_err(|error| format!("{FOLDER}: {error}"))?;
    let log = fs::File::create(folder.join("log")).map_err(|error| format!("{FOLDER}: {error}"))?;
    let mut command = Command::new(suite);
    command.args(["-m", "fuzzingclient", "-s", "spec.json"]).current_dir(&folder).stdin(Stdio::null()).stdout(log);
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("wstest: {status}; see {FOLDER}/log")),
        Err(error) => return Err(format!("wstest: {error}")),
    }
    let index = fs::read_to_string(folder.join("reports/index.json")).map_err(|error| format!("{FOLDER}: {error}"))?;
    let index: Value = serde_json::from_str(&index).map_err(|error| format!("{FOLDER}: {error}"))?;
    let ended = index["michub"].as_object().ok_or("the report has no results")?;
    Ok(vec![rows("what is answered", ended, "behavior"), rows("how a connection is closed", ended, "behaviorClose")])
}

/// Counts the ends of cases; bad are failures, and what is not strict beyond the cases known for it.
fn rows(what: &str, ended: &Map<String, Value>, key: &str) -> Row {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut bad = Vec::new();
    for (case, end) in ended {
        let end = end[key].as_str().unwrap_or("nothing");
        *counts.entry(end).or_default() += 1;
        match end {
            "OK" | "INFORMATIONAL" | "UNIMPLEMENTED" => {}
            "NON-STRICT" if NON_STRICT.contains(&case.as_str()) => {}
            _ => bad.push(format!("{case} {end}")),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(end, count)| format!("{count} {}", end.to_lowercase())).collect();
    Row::new(format!("{what}, {} cases", ended.len()), [counts, bad.clone()].concat().join(", "), bad.is_empty())
}

/// Makes an environment with the suite, which needs CPython 2.7, and returns its program.
fn suite() -> Result<PathBuf, String> {
    fs::create_dir_all(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
    let folder = fs::canonicalize(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?.join("python");
    let program = folder.join("bin/wstest");
    if program.exists() {
        return Ok(program);
    }
    let old = old_python().ok_or("Autobahn's test suite needs CPython 2.7: `pyenv install 2.7.18`, or python2.7 on the PATH")?;
    let virtualenv = python::environment("virtualenv", &[VIRTUALENV])?.join("virtualenv");
    run_program(Command::new(virtualenv).args(["-q", "-p"]).arg(old).arg(&folder))?;
    run_program(Command::new(folder.join("bin/pip")).args(["install", "-q", PACKAGE]))?;
    Ok(program)
}

fn old_python() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let versions = home.and_then(|home| fs::read_dir(home.join(".pyenv/versions")).ok()).into_iter().flatten().flatten();
    let pyenv = versions.filter(|entry| entry.file_name().to_string_lossy().starts_with("2.7.")).map(|entry| entry.path());
    let places = pyenv.map(|path| path.join("bin/python2.7")).chain([Path::new("/usr/bin/python2.7").to_owned()]);
    places.into_iter().find(|path| path.exists())
}

fn run_program(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
