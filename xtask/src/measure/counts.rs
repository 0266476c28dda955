//! Counts that a busy machine does not touch: instructions of the hub's own code, and its system calls.
//!
//! Each is the difference of two loads on one hub that differ in nothing but their length: what connecting costs falls out.
use super::{
    hub::{Folder, Hub},
    row::{Goal, Row},
};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};
use xtask::bed;

const ONE_SHARD: &[(&str, &str)] = &[("SERVER__SHARDS", "1")];

/// One update for each of 1,000 subscribers, again and again.
const FANOUT: &str = "fanout --subscribers 1000 --rate 0 --seconds 300 --count";
/// Heartbeats one by one, each of which wakes the hub, as those of real clients do.
const HEARTBEATS: &str = "heartbeat --clients 50 --rate 20 --seconds 300 --count";

/// User instructions per delivered frame, those of the command itself included.
pub fn frame_instructions() -> Result<Vec<Row>, String> {
    let value = instructions(FANOUT, (20, 220), "/counts/frames delivered")?;
    Ok(vec![Row {
        key: "frame_instructions",
        what: "user instructions per delivered frame, 1,000 subscribers",
        value,
        unit: "",
        goal: Goal::AtMost(400.0),
    }])
}

/// User instructions per heartbeat.
pub fn heartbeat_instructions() -> Result<Vec<Row>, String> {
    let value = instructions(HEARTBEATS, (10, 210), "/counts/heartbeats acked")?;
    Ok(vec![Row {
        key: "heartbeat_instructions",
        what: "user instructions per heartbeat, answer included",
        value,
        unit: "",
        goal: Goal::AtMost(6_000.0),
    }])
}

/// User instructions to read a frame, over frames that are as hard to read as can be.
pub fn parse() -> Result<Vec<Row>, String> {
    crate::setup::program("valgrind", "valgrind")?;
    let built = Command::new("cargo").args(["build", "--release", "--no-default-features", "--example", "parse"]).status();
    if !built.as_ref().is_ok_and(std::process::ExitStatus::success) {
        return Err(format!("cargo build: {built:?}"));
    }
    let program = xtask::built("release/examples/parse");
    let names = Command::new(&program).output().map_err(|error| format!("{}: {error}", program.display()))?;
    let folder = Folder::new()?;
    let mut hardest = 0.0;
    for (number, name) in String::from_utf8_lossy(&names.stdout).lines().enumerate() {
        let mut counted = Vec::new();
        for times in [1, 11] {
            let out = folder.path().join("out");
            let file = format!("--callgrind-out-file={}", out.display());
            let mut run = Command::new("valgrind");
            run.args(["--tool=callgrind", &file]).arg(&program).args([number.to_string(), times.to_string()]);
            let status = run.stderr(Stdio::null()).status().map_err(|error| format!("valgrind cannot be started: {error}"))?;
            if !status.success() {
                return Err(format!("valgrind: {status}"));
            }
            counted.push((collected(&out)?, f64::from(times)));
        }
        let instructions = slope(&counted)?;
        eprintln!("   {instructions:>9.0}  {name}");
        hardest = instructions.max(hardest);
    }
    Ok(vec![Row {
        key: "parse_instructions",
        what: "user instructions to read a frame of 16 KiB, the hardest of 21 kinds (1 ms is 6,000,000 at 3 GHz and two per cycle)",
        value: hardest,
        unit: "",
        goal: Goal::AtMost(6_000_000.0),
    }])
}

fn instructions(load: &str, (short, long): (u64, u64), unit: &str) -> Result<f64, String> {
    crate::setup::program("valgrind", "valgrind")?;
    let folder = Folder::new()?;
    let out = folder.path().join("out");
    let file = format!("--callgrind-out-file={}", out.display());
    let hub = Hub::start(ONE_SHARD, &["valgrind", "--tool=callgrind", "--instr-atstart=no", &file])?;
    let pid = hub.pid().to_string();
    let control = |args: &[&str]| -> Result<(), String> {
        let status = Command::new("callgrind_control").args(args).arg(&pid).stdout(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("callgrind_control: {status}")),
            Err(error) => Err(format!("callgrind_control cannot be started: {error}")),
        }
    };
    hub.load(&format!("{load} 2"))?;
    control(&["-i", "on"])?;
    hub.load(&format!("{load} 2"))?;
    control(&["--dump"])?;
    let mut counted = Vec::new();
    for (count, part) in [(short, 2), (long, 3)] {
        let units = hub.load(&format!("{load} {count}"))?.number(unit)?;
        control(&["--dump"])?;
        counted.push((collected(&out.with_extension(part.to_string()))?, units));
    }
    slope(&counted)
}

/// Reads how many instructions a dump counts.
fn collected(dump: &Path) -> Result<f64, String> {
    let text = std::fs::read_to_string(dump).map_err(|error| format!("{}: {error}", dump.display()))?;
    let total = text.lines().rev().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    total.and_then(|total| total.trim().parse().ok()).ok_or_else(|| format!("{}: no total", dump.display()))
}

fn slope(counted: &[(f64, f64)]) -> Result<f64, String> {
    match counted {
        [(short, few), (long, many)] if many > few => Ok((long - short) / (many - few)),
        _ => Err("the longer load has not done more".to_owned()),
    }
}

/// System calls per delivered frame, and writes per message where eight commands come at once.
pub fn syscalls() -> Result<Vec<Row>, String> {
    crate::setup::program("strace", "strace")?;
    let hub = Hub::start(ONE_SHARD, &[])?;
    let (mut all, mut writes) = (Vec::new(), Vec::new());
    for count in [20, 220] {
        let (calls, _, units) = traced(&hub, &format!("{FANOUT} {count}"))?;
        all.push((calls, units));
    }
    for count in [80, 880] {
        let (_, calls, units) = traced(&hub, &format!("{FANOUT} {count} --burst 8"))?;
        writes.push((calls, units));
    }
    Ok(vec![
        Row {
            key: "frame_syscalls",
            what: "system calls per delivered frame, 1,000 subscribers",
            value: slope(&all)?,
            unit: "",
            goal: Goal::None,
        },
        Row {
            key: "burst_writes",
            what: "writes per delivered message, bursts of 8",
            value: slope(&writes)?,
            unit: "",
            goal: Goal::AtMost(0.13),
        },
    ])
}

/// Returns all system calls of a load, the writes to sockets among them, and how many messages were delivered.
fn traced(hub: &Hub, load: &str) -> Result<(f64, f64, f64), String> {
    let folder = Folder::new()?;
    let out = folder.path().join("calls");
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-p", &hub.pid().to_string(), "-o"])
        .arg(&out)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("strace cannot be started: {error}"))?;
    let mut said = String::new();
    let attached = strace.stderr.take().map(|stderr| BufReader::new(stderr).read_line(&mut said));
    if !said.contains("attached") {
        bed::kill(&mut strace);
        return Err(format!("strace cannot attach ({attached:?}): {said}"));
    }
    let report = hub.load(load);
    bed::signal(&strace, "INT").map_err(|error| error.to_string())?;
    strace.wait().map_err(|error| error.to_string())?;
    let units = report?.number("/counts/messages delivered")?;
    let text = std::fs::read_to_string(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    let (mut all, mut writes) = (0.0, 0.0);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(name), Some(Ok(calls))) = (words.last(), words.get(3).map(|calls| calls.parse::<f64>())) else { continue };
        match *name {
            "total" => all = calls,
            "sendto" | "sendmsg" | "write" | "writev" => writes += calls,
            _ => {}
        }
    }
    Ok((all, writes, units))
}
