//! The simulator: by itself, or against a hub that is started for it.
use crate::{cargo::cargo, conform::hub::Hub};

const SIM: &[&str] = &["run", "-q", "--profile", "sim", "-p", "michub-sim", "--"];

/// Runs the simulator with these words behind it.
pub fn run(args: &[String]) -> Result<(), String> {
    let args: Vec<&str> = SIM.iter().copied().chain(args.iter().map(String::as_str)).collect();
    cargo("sim", &args, [])
}

/// Plays 60 seeds over sockets against a hub with an empty store.
pub fn on_a_hub() -> Result<(), String> {
    let hub = Hub::start("sim", &[])?;
    let address = format!("http://{}", hub.address);
    run(&["--seeds", "60", "--hub", &address].map(str::to_owned))
}
