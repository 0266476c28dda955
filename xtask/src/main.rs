//! The project's own commands: `cargo xtask test` runs every check and test there is; `load`, `measure` and `bench` are in `measure/`.
use cargo::cargo;
use std::{process::ExitCode, time::Instant};

mod cargo;
mod cluster;
mod conform;
mod lossy;
mod measure;
mod setup;
mod sim;
mod web;

/// A part of `cargo xtask test`: its name, and what it does.
type Step = (&'static str, fn() -> Result<(), String>);

const STEPS: &[Step] = &[
    ("programs of the system", setup::servers),
    ("licences, bans and sources of the dependencies", deny_what_is_certain),
    ("format", || cargo("format", &["fmt", "--all", "--check"], [])),
    ("hub and wire build without a runtime", || cargo("check", &["check", "--lib", "--no-default-features"], [])),
    ("lints", || cargo("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], [])),
    // What one of them says of a failure, others may say, too: all are played.
    ("tests", || cargo("tests", &["test", "--workspace", "--no-fail-fast"], [])),
    ("1,000 simulated rooms", || sim::run(&["--seeds", "1000"].map(str::to_owned))),
    ("1,000 simulated clusters", || sim::run(&["--cluster", "--seeds", "1000"].map(str::to_owned))),
    // Fewer made-up requests than by command.
    ("schemathesis", || conform::conform(&["schemathesis", "--", "--max-examples", "10"].map(str::to_owned))),
    ("simulated rooms on a running hub", sim::on_a_hub),
    ("foreign clients", conform::quick),
    ("browsers and the web client", web::test),
];

fn main() -> ExitCode {
    let rest: Vec<String> = std::env::args().skip(2).collect();
    match std::env::args().nth(1).as_deref() {
        Some("test") => done(all()),
        Some("deny") => done(deny()),
        Some("web") => done(web::test()),
        Some("picture") => done(web::picture()),
        Some("types") => done(xtask::types::write()),
        Some("load") => done(measure::load(&rest)),
        Some("measure") => done(measure::measure(&rest)),
        Some("bench") => done(measure::bench()),
        Some("beside") => done(measure::beside::beside(&rest)),
        Some("sim") if rest == ["--own-hub"] => done(sim::on_a_hub()),
        Some("sim") => done(sim::run(&rest)),
        Some("cluster") => done(cluster::run(&rest)),
        Some("faults") => done(faults(&rest)),
        Some("rolling") => done(measure::rolling::restart(rest.first().map_or("5000", String::as_str), None)),
        Some("lossy") => done(lossy::lossy()),
        Some("conform") => done(conform::conform(&rest)),
        Some("srs") => done(srs(rest.first())),
        Some("webhooks") => done(webhooks(rest.first().map_or("120000", String::as_str))),
        _ => {
            eprintln!(
                "usage: cargo xtask test | deny | web | picture | webhooks [EVENTS] | srs BINARY | faults [SEED [MS [NAME]]] | rolling [PEOPLE] | lossy"
            );
            eprintln!("       cargo xtask cluster [HUBS] [standalone|cluster|sentinel]");
            eprintln!("       cargo xtask sim [--seed S] [--seeds N] [--steps K] [--cluster] [--hub URL] | --own-hub");
            eprintln!("       cargo xtask load SCENARIO... | measure [--json] [--write] [NAME...] | bench | beside BINARY");
            eprintln!("       cargo xtask conform [--write] [SUITE]... [-- ARGUMENTS]    lets foreign programs try the hub");
            eprintln!("       cargo xtask types    writes the client's frame types");
            ExitCode::from(2)
        }
    }
}

/// Everything, in every language; the first step that fails ends it. The end says which that was, and how long each has taken.
#[expect(clippy::disallowed_methods, reason = "programs outside the hub are waited for, in real time")]
fn all() -> Result<(), String> {
    let mut times = Vec::new();
    for (name, step) in STEPS {
        println!("== {name}");
        let begun = Instant::now();
        let outcome = step();
        times.push(format!("{:>5} s  {name}", begun.elapsed().as_secs()));
        if let Err(why) = outcome {
            println!("{}", times.join("\n"));
            return Err(format!("FAILED in the step \"{name}\": {why}"));
        }
    }
    println!("{}\nall is well", times.join("\n"));
    Ok(())
}

/// Checks licences, bans, sources and known weaknesses of all dependencies; installs cargo-deny if it is missing (some minutes).
fn deny() -> Result<(), String> {
    deny_what_is_certain()?;
    println!("== known weaknesses of the dependencies");
    setup::again("the fetch of known weaknesses", || cargo("fetch", &["deny", "fetch", "db"], []))?;
    cargo("a dependency has a known weakness", &["deny", "check", "advisories"], [])
}

/// Checks licences, bans and sources: what changes with the project alone, and not with what somebody has found out today.
fn deny_what_is_certain() -> Result<(), String> {
    if cargo("deny", &["deny", "--version"], []).is_err() {
        setup::again("the installation of cargo-deny", || cargo("install", &["install", "cargo-deny", "--locked"], []))?;
    }
    cargo("cargo deny refuses", &["deny", "check", "licenses", "bans", "sources"], [])
}

/// Breaks what three hubs on one Redis live on, and checks the history: `[SEED [MILLISECONDS [NAME]]]`.
fn faults(rest: &[String]) -> Result<(), String> {
    setup::redis()?;
    let number = |index: usize, default: &'static str| rest.get(index).map_or(default, String::as_str).to_owned();
    let (seed, ms) = (number(0, "1"), rest.get(1));
    // Histories under faults; lost tails; updates that flow again; what goes on without Redis; dead nodes; a clock that is off.
    let all = ["faults::", "lost::", "flow::", "outage::", "offline::", "clock::"];
    let names = rest.get(2).map_or(all.to_vec(), |name| vec![name.as_str()]);
    match ms {
        Some(ms) => println!("seed {seed}; what can last lasts {ms} ms"),
        None => println!("seed {seed}; each fault lasts as long as it says itself"),
    }
    let args = [&["test", "--test", "cluster", "--", "--nocapture"], &names[..]].concat();
    let env = ms.map(|ms| ("MICHUB_FAULT_MS", ms.as_str()));
    // Nobody else is at work: what is promised within a time comes within that.
    let own = [("MICHUB_SEED", seed.as_str()), ("MICHUB_PATIENCE", "1")];
    cargo("faults", &args, env.into_iter().chain(own))
}

/// Lets a real SRS ask the hub who may publish. `binary`: SRS, built from its sources (7.0.18 was).
fn srs(binary: Option<&String>) -> Result<(), String> {
    let binary = binary.ok_or("usage: cargo xtask srs BINARY")?;
    cargo("srs", &["test", "--test", "srs", "--", "--nocapture"], [("SRS", binary.as_str())])
}

/// Delivers so many events to a receiver that fails, hangs and dies, from a hub that dies.
fn webhooks(events: &str) -> Result<(), String> {
    cargo("webhooks", &["test", "--test", "webhooks", "storm::", "--", "--nocapture"], [("WEBHOOK_EVENTS", events)])
}

fn done(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
