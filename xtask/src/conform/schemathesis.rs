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

/// Requests that no schema can rule out.
const HOOKS: &str = include_str!("schemathesis.py");
/// What the document cannot say. A long poll would only make the run long; a room that an earlier request closed refuses good and bad requests alike (410);
/// a text that is too long has a status of its own (413); and what a media server sends is the vendor's to say.
const SETTINGS: &str = r#"
[[operations]]
include-path-regex = "/(updates|messages)$"
parameters = { "query.wait_ms" = 0 }

[[operations]]
include-path-regex = "^/api/hooks/"
checks.positive_data_acceptance.enabled = false

[checks]
enabled = true

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "410", "429", "5xx"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "410", "413", "415", "422", "428", "429", "5xx"]
"#;
const PACKAGE: &str = "schemathesis==4.32.5";
/// A media server whose callbacks are listened to: that of the document's examples.
const SOURCE: [(&str, &str); 2] = [("MEDIA__SRS1__KIND", "srs"), ("MEDIA__SRS1__SECRET_PATH", "a-long-random-text")];
/// How many requests are made up per operation, on top of those that follow from the document one by one.
const EXAMPLES: &str = "60";
const SEED: &str = "7";

/// Runs it against a hub that needs no token and one that does; further arguments go to schemathesis.
pub fn run(args: &[String]) -> Result<Vec<Row>, String> {
    let programs = &python::environment("schemathesis", &[PACKAGE])?;
    let dev = &Hub::start("dev", &SOURCE)?;
    let jwt = &Hub::start_jwt("jwt", &SOURCE)?;
    // One beside the other: what takes the time is the making of requests.
    let (dev, jwt) = std::thread::scope(|scope| {
        let jwt = scope.spawn(|| one(programs, "`auth.mode = \"jwt\"`, with an API key", jwt, Some(hub::KEY), args));
        let dev = one(programs, "`auth.mode = \"dev\"`", dev, None, args);
        (dev, jwt.join().map_err(|_| "a run has panicked".to_owned()))
    });
    Ok(vec![dev?, jwt??])
}

fn one(programs: &Path, what: &str, hub: &Hub, key: Option<&str>, args: &[String]) -> Result<Row, String> {
    let mut command = Command::new(programs.join("schemathesis").canonicalize().map_err(|error| error.to_string())?);
    command.args(["run", "--seed", SEED, "--max-examples", EXAMPLES, "--no-color", "--workers", "1"]);
    command.args(["--generation-database", "none", "--continue-on-failure", "--suppress-health-check", "all"]);
    if let Some(key) = key {
        command.args(["--header", &format!("Authorization: Bearer {key}")]);
    }
    std::fs::write(hub.folder().join("schemathesis.toml"), SETTINGS).map_err(|error| error.to_string())?;
    std::fs::write(hub.folder().join("hooks.py"), HOOKS).map_err(|error| error.to_string())?;
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", hub.folder());
    command.args(args).arg(format!("http://{}/api/openapi.json", hub.address));
    let output = command.current_dir(hub.folder()).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("schemathesis cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        println!("{what}");
        println!("{text}");
    }
    let panics = hub.log().contains("panicked");
    let last = |wanted: &str| text.lines().rev().find(|line| line.contains(wanted)).map(str::trim).unwrap_or_default().to_owned();
    let seen = format!("{}{}", last(" generated"), if panics { "; a panic in the hub's log" } else { "" });
    Ok(Row::new(what, seen, output.status.success() && !panics))
}
