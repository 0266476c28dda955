//! `cargo xtask load`, `measure` and `bench`: loads on a hub of one's own, the README's numbers, and the counts that must not grow.
mod attacks;
pub mod beside;
mod core;
mod counts;
mod gate;
pub mod hub;
mod redis;
pub mod rolling;
mod row;
mod times;

use row::Row;
use serde_json::{Map, Value};
use std::fs;

/// The counts that `cargo xtask bench` holds down.
const CEILINGS: &str = "benches/ceilings.json";

/// Something that is measured.
struct Measurement {
    name: &'static str,
    /// Whether noise cannot touch it: `cargo xtask bench` runs it.
    exact: bool,
    run: fn() -> Result<Vec<Row>, String>,
}

const ALL: &[Measurement] = &[
    Measurement { name: "frame", exact: true, run: counts::frame_instructions },
    Measurement { name: "heartbeat", exact: true, run: counts::heartbeat_instructions },
    Measurement { name: "syscalls", exact: true, run: counts::syscalls },
    Measurement { name: "parse", exact: true, run: counts::parse },
    Measurement { name: "start", exact: false, run: times::start },
    Measurement { name: "fanout", exact: false, run: times::fanout },
    Measurement { name: "heartbeats", exact: false, run: times::heartbeats },
    Measurement { name: "idle", exact: false, run: times::idle },
    Measurement { name: "queue", exact: false, run: times::queue },
    Measurement { name: "slow-readers", exact: false, run: times::slow_readers },
    Measurement { name: "watch", exact: false, run: times::watch },
    Measurement { name: "reconnect", exact: false, run: times::reconnect },
    Measurement { name: "poll", exact: false, run: times::poll },
    Measurement { name: "floods", exact: false, run: attacks::floods },
    Measurement { name: "hostile", exact: false, run: attacks::hostile },
    Measurement { name: "joins", exact: false, run: attacks::joins },
    Measurement { name: "gate", exact: false, run: gate::gate },
    Measurement { name: "redis", exact: false, run: redis::commits },
    Measurement { name: "redis-acks", exact: false, run: redis::acks },
    Measurement { name: "redis-idle", exact: false, run: redis::idle },
    Measurement { name: "rolling", exact: false, run: rolling::counts },
    Measurement { name: "move", exact: false, run: core::queue_move },
];

/// Puts a load on a hub of its own; with `--target` on one that runs already. The hub's settings come from the environment.
pub fn load(args: &[String]) -> Result<(), String> {
    hub::build()?;
    if args.iter().any(|arg| arg.starts_with("--target") || arg == "--help" || arg == "-h")
        || args.first().is_some_and(|arg| arg == "bound")
    {
        let status = std::process::Command::new(hub::binary()?).arg("load").args(args).status();
        return match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("michub load: {status}")),
            Err(error) => Err(format!("michub load cannot be started: {error}")),
        };
    }
    hub::Hub::start(&[], &[])?.show(args)
}

/// Measures what is named, or everything, and shows it; `--json` for programs, `--write` into the README.
pub fn measure(args: &[String]) -> Result<(), String> {
    let (flags, names): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| arg.starts_with("--"));
    if let Some(flag) = flags.iter().find(|flag| !["--json", "--write"].contains(&flag.as_str())) {
        return Err(format!("{flag} is unknown; usage: cargo xtask measure [--json] [--write] [NAME...]"));
    }
    let known: Vec<&str> = ALL.iter().map(|measurement| measurement.name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("{name} cannot be measured; there are {}", known.join(", ")));
    }
    hub::build()?;
    let mut measured = Map::new();
    let mut failed = Vec::new();
    for one in ALL.iter().filter(|one| names.is_empty() || names.iter().any(|name| *name == one.name)) {
        eprintln!("== {}", one.name);
        match (one.run)() {
            Ok(rows) => {
                for row in rows {
                    eprintln!("{}", row.line());
                    measured.insert(row.key.to_owned(), row.json(&format!("cargo xtask measure {}", one.name)));
                }
            }
            Err(why) => {
                eprintln!("   FAILED: {why}");
                failed.push(format!("{}: {why}", one.name));
            }
        }
    }
    if flags.iter().any(|flag| *flag == "--write") {
        row::write(&measured, &known)?;
    }
    if flags.iter().any(|flag| *flag == "--json") {
        println!("{}", serde_json::to_string_pretty(&measured).map_err(|error| error.to_string())?);
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Measures the exact counts and compares them with their ceilings. Errors: one is above.
pub fn bench() -> Result<(), String> {
    let text = fs::read_to_string(CEILINGS).map_err(|error| format!("{CEILINGS}: {error}"))?;
    let ceilings: Map<String, Value> = serde_json::from_str(&text).map_err(|error| format!("{CEILINGS}: {error}"))?;
    hub::build()?;
    let mut above = Vec::new();
    for one in ALL.iter().filter(|one| one.exact) {
        eprintln!("== {}", one.name);
        for row in (one.run)()? {
            let ceiling = ceilings.get(row.key).and_then(Value::as_f64).ok_or(format!("{CEILINGS} has no {}", row.key))?;
            println!("{:<24} {:>10.3} ceiling {ceiling:>10.3}", row.key, row.value);
            if row.value > ceiling {
                above.push(format!("{}: {:.3} is above its ceiling of {ceiling:.3}", row.what, row.value));
            }
        }
    }
    if above.is_empty() { Ok(()) } else { Err(above.join("\n")) }
}
