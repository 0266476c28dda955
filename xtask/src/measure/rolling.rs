//! What it takes to replace three nodes one after the other under many people.
use super::{
    hub::Folder,
    row::{Goal, Row},
};
use serde_json::Value;
use std::{fs, path::Path, process::Command};

const PEOPLE: &str = "5000";

/// Replaces the nodes, and writes what was counted into `report`: hubs and clients share this machine, so both are optimised builds.
/// Errors: somebody was shown offline, lost his place or was away for longer than 10 s.
pub fn restart(people: &str, report: Option<&Path>) -> Result<(), String> {
    crate::setup::redis()?;
    let mut run = Command::new("cargo");
    run.args(["test", "--profile", "sim", "--test", "cluster", "rolling::", "--", "--nocapture"]).env("MICHUB_PEOPLE", people);
    if let Some(report) = report {
        run.env("MICHUB_REPORT", report);
    }
    let status = run.status().map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("rolling: {status}")) }
}

/// The longest absence, and what Redis was asked.
pub fn counts() -> Result<Vec<Row>, String> {
    let folder = Folder::new()?;
    let report = folder.path().join("report.json");
    restart(PEOPLE, Some(&report))?;
    let text = fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let counts: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let number = |name: &str| counts[name].as_f64().ok_or_else(|| format!("the report has no {name}"));
    let moves = number("sent_away")?;
    Ok(vec![
        Row {
            key: "rolling_away",
            what: "three nodes replaced under 5,000 people in 100 rooms, nobody shown offline, no place lost: the longest absence of one",
            value: number("away_ms")? / 1_000.0,
            unit: "s",
            goal: Goal::AtMost(10.0),
        },
        Row {
            key: "rolling_reads",
            what: "reads of a room's log or people meanwhile, for each room and node replaced: per room, whatever the number of people",
            value: (number("logs_read")? + number("peoples_read")?) / number("rooms")? / 3.0,
            unit: "",
            goal: Goal::None,
        },
        Row {
            key: "rolling_scripts",
            what: "scripts that Redis ran meanwhile, for each time that somebody was sent away",
            value: number("scripts")? / moves,
            unit: "",
            goal: Goal::None,
        },
    ])
}
