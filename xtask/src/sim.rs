//! The simulator: by itself, or against a hub that is started for it.
use crate::conform::hub::Hub;
use std::process::Command;

const SIM: &[&str] = &["run", "-q", "--profile", "sim", "-p", "michub-sim", "--"];

/// Runs the simulator with these words behind it.
pub fn run(args: &[String]) -> Result<(), String> {
    let status = Command::new("cargo").args(SIM).args(args).status().map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("sim: {status}")) }
}

/// Plays 60 seeds over sockets against a hub with an empty store.
pub fn on_a_hub() -> Result<(), String> {
    let hub = Hub::start("sim", &[])?;
    let address = format!("http://{}", hub.address);
    run(&["--seeds", "60", "--hub", &address].map(str::to_owned))
}
