//! The simulator: by itself, or against a hub that is started for it.
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

const SIM: &[&str] = &["run", "-q", "--profile", "sim", "-p", "michub-sim", "--"];

/// Runs the simulator with these words behind it.
pub fn run(args: &[String]) -> Result<(), String> {
    let status = Command::new("cargo").args(SIM).args(args).status().map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("sim: {status}")) }
}

/// Plays 60 seeds over sockets against a hub with an empty store.
pub fn on_a_hub() -> Result<(), String> {
    let data = std::env::temp_dir().join(format!("michub-sim-{}", std::process::id()));
    std::fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    let mut hub = start(&data)?;
    let played = address(&mut hub).and_then(|address| {
        let words = ["--seeds", "60", "--hub", &address];
        run(&words.map(str::to_owned))
    });
    // It has nothing to lose.
    let _ = hub.kill();
    let _ = hub.wait();
    let _ = std::fs::remove_dir_all(&data);
    played
}

fn start(data: &std::path::Path) -> Result<Child, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "-q", "--message-format=json-render-diagnostics", "--bin", "michub"]);
    let built = cargo.stderr(Stdio::inherit()).output().map_err(|error| format!("cargo: {error}"))?;
    let lines = String::from_utf8_lossy(&built.stdout).into_owned();
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let binary = messages.filter_map(|message| message["executable"].as_str().map(str::to_owned)).next_back();
    let binary = binary.ok_or("the hub cannot be built")?;
    let mut hub = Command::new(binary);
    hub.args(["--listen", "127.0.0.1:0", "--data"]).arg(data).current_dir(data).env("MICHUB_ADMIN__LISTEN", "127.0.0.1:0");
    hub.stdout(Stdio::piped()).spawn().map_err(|error| format!("the hub: {error}"))
}

fn address(hub: &mut Child) -> Result<String, String> {
    let mut line = String::new();
    let stdout = hub.stdout.take().ok_or("the hub has no stdout")?;
    BufReader::new(stdout).read_line(&mut line).map_err(|error| format!("the hub: {error}"))?;
    let url = line.split_whitespace().find(|word| word.starts_with("http://"));
    url.map(str::to_owned).ok_or_else(|| format!("the hub says {line:?}"))
}
