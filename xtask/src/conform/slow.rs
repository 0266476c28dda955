//! Clients that are slow on purpose: `slowhttptest` sends half headers, half bodies and reads next to nothing, and connections without a byte are held beside it.
//! All of them are gone in their time, and others are served meanwhile.
use super::{Row, hub::Hub};
use crate::setup;
use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// How many connections each attack holds.
const CONNECTIONS: usize = 200;
/// How long each attack lasts: longer than anything slow is borne.
const SECONDS: &str = "30";
/// By then everything slow is gone: the last has come after some seconds, and has `limits.message_timeout_ms` from there.
const GONE_AFTER: Duration = Duration::from_secs(24);
/// Sockets that may be open at any time: listeners, the admin, a probe.
const OWN: usize = 8;

/// An attack: its name, and the words for `slowhttptest` in front of the address; `None` = connections without a byte.
const ATTACKS: &[(&str, Option<&[&str]>, &str)] = &[
    ("slow headers", Some(&["-H", "-i", "1"]), "/"),
    ("slow body", Some(&["-B", "-i", "1", "-s", "200000", "-t", "POST"]), "/api/online-status"),
    ("slow reading", Some(&["-X", "-w", "256", "-y", "512", "-n", "1", "-z", "32"]), "/api/openapi.json"),
    ("no byte at all", None, ""),
];

/// Plays every attack against a hub of its own.
pub fn run(_: &[String]) -> Result<Vec<Row>, String> {
    // It has no --version.
    let is_there = || Command::new("slowhttptest").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !is_there() {
        let _ = setup::program("slowhttptest", "slowhttptest");
    }
    if !is_there() {
        return Err("slowhttptest is missing and cannot be installed".to_owned());
    }
    ATTACKS.iter().map(|(what, words, path)| attack(what, *words, path)).collect()
}

fn attack(what: &str, words: Option<&[&str]>, path: &str) -> Result<Row, String> {
    let hub = Hub::start("slow", &[])?;
    let before = sockets(&hub)?;
    let statistics = hub.folder().join("slow");
    let mut held = Vec::new();
    let mut attacker = None;
    match words {
        Some(words) => {
            let mut command = Command::new("slowhttptest");
            let (count, url) = (CONNECTIONS.to_string(), format!("http://{}{path}", hub.address));
            command.args(words).args(["-c", &count, "-r", "100", "-l", SECONDS, "-p", "2", "-g", "-o"]).arg(&statistics);
            command.args(["-u", &url]).stdin(Stdio::null()).stdout(Stdio::null());
            attacker = Some(command.spawn().map_err(|error| format!("slowhttptest: {error}"))?);
        }
        None => {
            for _ in 0..CONNECTIONS {
                held.push(TcpStream::connect(&hub.address).map_err(|error| format!("{}: {error}", hub.address))?);
            }
        }
    }
    let mut most = before;
    for _ in 0..GONE_AFTER.as_millis() / 250 {
        std::thread::park_timeout(Duration::from_millis(250));
        most = most.max(sockets(&hub)?);
    }
    let left = sockets(&hub)?;
    let mut served = true;
    if let Some(mut attacker) = attacker {
        attacker.wait().map_err(|error| format!("slowhttptest: {error}"))?;
        served = was_served(&statistics.with_extension("csv"))?;
    }
    let seen = format!(
        "{} sockets at most, {} left after {} s; others {}",
        most - before,
        left.saturating_sub(before),
        GONE_AFTER.as_secs(),
        if served { "served all the time" } else { "not always served" }
    );
    Ok(Row::new(what, seen, served && most > before + CONNECTIONS / 2 && left <= before + OWN))
}

/// Counts the hub's sockets.
fn sockets(hub: &Hub) -> Result<usize, String> {
    let folder = format!("/proc/{}/fd", hub.pid());
    let entries = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
    let is_socket = |path: &Path| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
    Ok(entries.flatten().filter(|entry| is_socket(&entry.path())).count())
}

/// Tells whether the attacker's own probe found the hub in every second: the last column is not 0.
fn was_served(statistics: &Path) -> Result<bool, String> {
    let text = fs::read_to_string(statistics).map_err(|error| format!("{}: {error}", statistics.display()))?;
    let mut seconds = text.lines().skip(1).filter_map(|line| line.rsplit(',').next()).peekable();
    Ok(seconds.peek().is_some() && seconds.all(|available| available.trim() != "0"))
}
