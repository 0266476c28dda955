//! Schemathesis: makes requests from the hub's own OpenAPI document, good and bad ones, and holds every answer against it, with all its checks.
use super::{
    Row,
    hub::{self, Hub},
    python,
};
use std::{
    path::Path,
    process::{Command, Stdio},
};

const PACKAGE: &str = "schemathesis==4.32.5";
/// How many requests are made up per operation, on top of those that follow from the document one by one.
const EXAMPLES: &str = "60";
const SEED: &str = "7";

/// Runs it against a hub that needs no token and one that does; further arguments go to schemathesis.
pub fn run(args: &[String]) -> Result<Vec<Row>, String> {
    let programs = python::environment("schemathesis", &[PACKAGE])?;
    let dev = Hub::start("dev", &[])?;
    let mut rows = vec![one(&programs, "`auth.mode = \"dev\"`", &dev, None, args)?];
    drop(dev);
    let jwt = Hub::start_jwt("jwt", &[])?;
    rows.push(one(&programs, "`auth.mode = \"jwt\"`, with an API key", &jwt, Some(hub::KEY), args)?);
    Ok(rows)
}

fn one(programs: &Path, what: &str, hub: &Hub, key: Option<&str>, args: &[String]) -> Result<Row, String> {
    let mut command = Command::new(programs.join("schemathesis").canonicalize().map_err(|error| error.to_string())?);
    command.args(["run", "--checks", "all", "--seed", SEED, "--max-examples", EXAMPLES, "--no-color", "--workers", "2"]);
    command.args(["--generation-database", "none", "--continue-on-failure", "--suppress-health-check", "all"]);
    if let Some(key) = key {
        command.args(["--header", &format!("Authorization: Bearer {key}")]);
    }
    command.args(args).arg(format!("http://{}/api/openapi.json", hub.address));
    let output = command.current_dir(hub.folder()).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("schemathesis cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        println!("{text}");
    }
    let panics = hub.log().contains("panicked");
    let last = |wanted: &str| text.lines().rev().find(|line| line.contains(wanted)).map(str::trim).unwrap_or_default().to_owned();
    let seen = format!("{}{}", last(" generated"), if panics { "; a panic in the hub's log" } else { "" });
    Ok(Row::new(what, seen, output.status.success() && !panics))
}
