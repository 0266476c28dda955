//! What the core costs without sockets and stores, by `cargo bench`.
use super::row::{Goal, Row};
use serde_json::Value;
use std::process::{Command, Stdio};

const ESTIMATES: &str = "criterion/queue_move in a queue of 2000/new/estimates.json";

/// A move in a long queue.
pub fn queue_move() -> Result<Vec<Row>, String> {
    let status = Command::new("cargo")
        .args([
            "bench",
            "--no-default-features",
            "--bench",
            "hub",
            "--",
            "--noplot",
            "--warm-up-time",
            "1",
            "--measurement-time",
            "3",
        ])
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !status.success() {
        return Err(format!("cargo bench: {status}"));
    }
    let text = std::fs::read_to_string(xtask::built(ESTIMATES)).map_err(|error| format!("{ESTIMATES}: {error}"))?;
    let estimates: Value = serde_json::from_str(&text).map_err(|error| format!("{ESTIMATES}: {error}"))?;
    let ns = estimates.pointer("/median/point_estimate").and_then(Value::as_f64).ok_or(format!("{ESTIMATES} has no median"))?;
    Ok(vec![Row {
        key: "move_us",
        what: "a move in a queue of 2,000, decided and applied",
        value: ns / 1000.0,
        unit: "µs",
        goal: Goal::AtMost(20.0),
    }])
}
