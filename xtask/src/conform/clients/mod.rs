//! WebSocket clients of other people, who know nothing of michub, play one scenario against a hub that wants tokens.
mod client;
mod http;
mod install;
mod scenario;

use super::Row;
use client::Client;
use scenario::{STEPS, Stage};

/// Every client, in the order of the table.
pub const NAMES: &[&str] = &["websockets", "aiohttp", "ws", "java", "gorilla", "websocat"];
/// Those that are installed in seconds and everywhere.
pub const QUICK: &[&str] = &["websockets", "aiohttp", "ws"];

/// Plays the scenario with the clients that are named, or all. Errors: a client is unknown, or cannot be installed.
pub fn run(names: &[String]) -> Result<Vec<Row>, String> {
    if let Some(name) = names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(format!("{name} is unknown; there are {}", NAMES.join(", ")));
    }
    let mut versions = Vec::new();
    let mut outcomes: Vec<Vec<Option<Result<(), String>>>> = vec![Vec::new(); STEPS.len()];
    for name in NAMES {
        let is_wanted = names.is_empty() || names.iter().any(|wanted| wanted == name);
        let mut stage = if is_wanted {
            let program = install::client(name).map_err(|why| format!("{name}: {why}"))?;
            versions.push(program.version);
            Some(Stage::new(Client::start(program.command)?)?)
        } else {
            versions.push("not played".to_owned());
            None
        };
        for ((_, play), outcomes) in STEPS.iter().zip(&mut outcomes) {
            outcomes.push(stage.as_mut().map(play));
        }
    }
    let mut rows = vec![Row::new("version", versions.join(" | "), true)];
    for ((what, _), outcomes) in STEPS.iter().zip(outcomes) {
        let good = outcomes.iter().flatten().all(Result::is_ok);
        let cells: Vec<String> = outcomes.into_iter().map(cell).collect();
        rows.push(Row::new(*what, cells.join(" | "), good));
    }
    Ok(rows)
}

fn cell(outcome: Option<Result<(), String>>) -> String {
    match outcome {
        None => String::new(),
        Some(Ok(())) => "yes".to_owned(),
        Some(Err(why)) => why,
    }
}
