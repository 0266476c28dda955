//! The simulator: `cargo xtask sim --seed S --seeds N [--steps K]`. Same seed, same trace, same result.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod check;
mod cluster;
mod diff;
mod generate;
mod judge;
mod line;
mod model;
mod play;
mod rng;
mod run;
mod shrink;
mod store;
mod sut;
#[cfg(test)]
mod tests;

use run::{Report, Trace, run};
use std::{
    collections::BTreeMap,
    path::Path,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

const USAGE: &str =
    "usage: sim [--seed S] [--seeds N] [--steps K] [--threads T] [--counts] [--trace FILE] [--hub URL] [--cluster]";

/// After how many seeds a long run says how far it is.
const PROGRESS: u64 = 5_000;

struct Args {
    seed: u64,
    seeds: u64,
    steps: usize,
    threads: u64,
    counts: bool,
    trace: Option<String>,
    hub: Option<String>,
    /// Three nodes and one Redis instead of one room beside the model.
    cluster: bool,
}

impl Args {
    fn make(&self, seed: u64) -> Trace {
        if self.cluster { cluster::trace(seed, self.steps) } else { generate::trace(seed, self.steps) }
    }

    fn run(&self, trace: &Trace) -> Report {
        if self.cluster { Report { failure: cluster::run(trace), ..Report::default() } } else { run(trace) }
    }
}

fn args() -> Option<Args> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(4);
    let mut args = Args { seed: 0, seeds: 1, steps: 120, threads, counts: false, trace: None, hub: None, cluster: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--counts" {
            args.counts = true;
            continue;
        }
        if word == "--cluster" {
            args.cluster = true;
            continue;
        }
        if word == "--trace" {
            args.trace = Some(words.next()?);
            continue;
        }
        if word == "--hub" {
            args.hub = Some(words.next()?);
            continue;
        }
        let number: u64 = words.next()?.parse().ok()?;
        match word.as_str() {
            "--seed" => args.seed = number,
            "--seeds" => args.seeds = number,
            "--steps" => args.steps = usize::try_from(number).ok()?,
            "--threads" => args.threads = number.max(1),
            _ => return None,
        }
    }
    Some(args)
}

fn main() -> ExitCode {
    let Some(args) = args() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if let Some(file) = &args.trace {
        return play_file(Path::new(file), &args);
    }
    if let Some(url) = &args.hub {
        return play_on(url, &args);
    }
    let next = AtomicU64::new(args.seed);
    let end = args.seed.saturating_add(args.seeds);
    let stop = AtomicBool::new(false);
    let failed: Mutex<Option<u64>> = Mutex::new(None);
    let counts: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..args.threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let Report { counts: seen, failure } = args.run(&args.make(seed));
                    let done = seed - args.seed + 1;
                    if done.is_multiple_of(PROGRESS) && done < args.seeds {
                        eprintln!("{done} of {} seeds", args.seeds);
                    }
                    let mut counts = counts.lock().unwrap();
                    for (name, count) in seen {
                        *counts.entry(name).or_default() += count;
                    }
                    if failure.is_some() {
                        stop.store(true, Ordering::Relaxed);
                        let mut failed = failed.lock().unwrap();
                        *failed = Some(failed.map_or(seed, |known| known.min(seed)));
                    }
                }
            });
        }
    });
    if args.counts {
        for (name, count) in counts.lock().unwrap().iter() {
            println!("{count:>10} {name}");
        }
    }
    let failed = *failed.lock().unwrap();
    match failed {
        None => {
            println!("{} seeds from {} with {} steps each: nothing found", args.seeds, args.seed, args.steps);
            ExitCode::SUCCESS
        }
        Some(seed) => {
            explain(seed, &args);
            ExitCode::FAILURE
        }
    }
}

/// Reads a trace as [`explain`] prints it.
fn read(file: &Path) -> Result<Trace, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut whole: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let steps = whole["steps"].as_array().cloned().ok_or_else(|| format!("{}: no steps", file.display()))?;
    Ok(Trace { rules: whole["rules"].take(), steps })
}

/// Plays one trace from a file.
fn play_file(file: &Path, args: &Args) -> ExitCode {
    match read(file).map(|trace| args.run(&trace).failure) {
        Ok(None) => {
            println!("{}: nothing found", file.display());
            ExitCode::SUCCESS
        }
        Ok(Some((at, why))) => {
            println!("{}: step {at}: {why}", file.display());
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// Plays the seeds, one after the other, each in a new room of a running hub.
fn play_on(url: &str, args: &Args) -> ExitCode {
    let address = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or(url);
    let began = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis());
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        match play::play(address, &format!("sim-{began}-{seed}"), &generate::trace(seed, args.steps)) {
            Ok(seen) => seen.into_iter().for_each(|(name, count)| *counts.entry(name).or_default() += count),
            Err(why) => {
                println!("seed {seed} fails on {address}: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    if args.counts {
        counts.iter().for_each(|(name, count)| println!("{count:>10} {name}"));
    }
    let commands: u64 = counts.values().sum();
    println!("{} seeds from {} on {address}, {commands} commands: nothing found", args.seeds, args.seed);
    ExitCode::SUCCESS
}

/// Prints the seed, the smallest trace that fails and why.
fn explain(seed: u64, args: &Args) {
    let trace = shrink::shrink(&args.make(seed), |trace| args.run(trace).failure);
    println!("seed {seed} fails. The smallest trace:");
    println!("{{\"rules\":{},\"steps\":[", trace.rules);
    for (index, step) in trace.steps.iter().enumerate() {
        println!("{step}{}", if index + 1 < trace.steps.len() { "," } else { "" });
    }
    println!("]}}");
    if let Some((at, why)) = args.run(&trace).failure {
        println!("step {at}: {why}");
    }
}
