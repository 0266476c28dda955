//! `cargo xtask conform clients`: WebSocket clients of other people play one scenario against a hub, and a table says how each step went.
mod client;
mod install;
mod scenario;

use crate::measure::hub;
use client::Client;
use scenario::{STEPS, Stage};

/// The clients that are installed quickly and everywhere: `cargo xtask test` plays them.
pub const QUICK: [&str; 3] = ["websockets", "aiohttp", "ws"];

/// Plays the scenario with the clients named, or with all. Errors: a client is missing and cannot be installed, or a step failed.
pub fn run(names: &[String]) -> Result<(), String> {
    let known: Vec<&str> = install::ALL.iter().map(|kind| kind.name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("{name} is unknown; there are {}", known.join(", ")));
    }
    let binary = hub::debug_binary()?;
    let mut table = Vec::new();
    for kind in install::ALL.iter().filter(|kind| names.is_empty() || names.iter().any(|name| name == kind.name)) {
        println!("== {}", kind.name);
        let program = (kind.install)().map_err(|why| format!("{}: {why}", kind.name))?;
        println!("   {}", program.version);
        let mut stage = Stage::new(&binary, Client::start(program.command)?)?;
        let mut outcomes = Vec::new();
        for (what, play) in STEPS {
            let outcome = play(&mut stage);
            match &outcome {
                Ok(()) => println!("   {what}"),
                Err(why) => println!("   {what}: FAILED: {why}"),
            }
            outcomes.push(outcome.is_ok());
        }
        table.push((format!("{} ({})", kind.name, program.version), outcomes));
    }
    show(&table);
    let failed = table.iter().flat_map(|(_, outcomes)| outcomes).filter(|good| !**good).count();
    if failed == 0 { Ok(()) } else { Err(format!("{failed} steps failed")) }
}

/// Prints the table that docs/CONFORMANCE.md holds.
fn show(table: &[(String, Vec<bool>)]) {
    let heads: Vec<&str> = table.iter().map(|(name, _)| name.as_str()).collect();
    println!("\n| step | {} |\n|---|{}", heads.join(" | "), "---|".repeat(heads.len()));
    for (number, (what, _)) in STEPS.iter().enumerate() {
        let good = |(_, outcomes): &(String, Vec<bool>)| outcomes.get(number) == Some(&true);
        let cells: Vec<&str> = table.iter().map(|row| if good(row) { "ok" } else { "FAILED" }).collect();
        println!("| {what} | {} |", cells.join(" | "));
    }
}
