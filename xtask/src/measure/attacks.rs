//! What attacks do to everybody else, with the limits that a hub has on the open network.
use super::{
    hub::{Hub, Report},
    row::{Goal, Row},
};

/// The limits of `auth.mode = "jwt"`; the load generator speaks without tokens.
const LIMITS: &[(&str, &str)] = &[
    ("LIMITS__FRAMES_PER_SECOND", "10"),
    ("LIMITS__FRAMES_BURST", "20"),
    ("LIMITS__FRAMES_PER_SECOND_PER_USER", "20"),
    ("LIMITS__COMMANDS_PER_SECOND_PER_ROOM", "50"),
    ("LIMITS__CONNECTIONS_PER_ADDRESS", "200"),
    ("LIMITS__NEW_CONNECTIONS_PER_SECOND_PER_ADDRESS", "20"),
];
/// A hub that may have so much memory.
const MEMORY_MB: f64 = 100.0;

/// Quiet people, from many addresses, so that none of them is held for an attacker.
fn attack(hub: &Hub, what: &str) -> Result<Report, String> {
    let quiet = "--clients 200 --rate 4 --sources 100 --seconds 10";
    hub.load(&format!("attack {quiet} --admin {} {what}", hub.admin()))
}

fn p99(run: &Report) -> Result<f64, String> {
    run.ms("answer to the others", "p99")
}

/// People who send as fast as they can, and come back whenever they are sent away.
pub fn floods() -> Result<Vec<Row>, String> {
    let hub = Hub::start(LIMITS, &[])?;
    let (none, some) = (attack(&hub, "--attackers 0")?, attack(&hub, "--attack flood --attackers 20")?);
    let sent = some.number("/counts/frames of the flood")? / some.number("/seconds")?;
    Ok(vec![
        Row {
            key: "flood_p99",
            what: "by how much 20 flooding clients delay the answers to 200 others, p99 against p99 without them",
            value: p99(&some)? - p99(&none)?,
            unit: "ms",
            goal: Goal::AtMost(10.0),
        },
        Row {
            key: "flood_rate",
            what: "frames per second that they sent before they were closed with 4129, again and again",
            value: sent,
            unit: "",
            goal: Goal::None,
        },
    ])
}

/// Many connections with half a request, and many sockets with a message that never ends.
pub fn hostile() -> Result<Vec<Row>, String> {
    let hub = Hub::start(LIMITS, &[])?;
    let half = attack(&hub, "--attack open --attackers 4000")?;
    drop(hub);
    let bytes = format!("{}", MEMORY_MB * 1e6);
    let hub = Hub::start(&[("LIMITS__MEMORY_BYTES", &bytes)], &[])?;
    let memory = attack(&hub, "--attack unfinished --attackers 15000")?;
    Ok(vec![
        Row {
            key: "half_healthz",
            what: "`/healthz` while 4,000 clients of 8 addresses open connections with half a request, slowest answer",
            value: half.ms("healthz", "max")?,
            unit: "ms",
            goal: Goal::AtMost(100.0),
        },
        Row {
            key: "half_p99",
            what: "answers to 200 others meanwhile, p99",
            value: p99(&half)?,
            unit: "ms",
            goal: Goal::AtMost(100.0),
        },
        Row {
            key: "hostile_mb",
            what: "most memory of a hub with `limits.memory_bytes` = 100 MB under 15,000 clients with a message that never ends",
            value: memory.number("/hub/rss_kb_most")? * 1024.0 / 1e6,
            unit: "MB",
            goal: Goal::AtMost(MEMORY_MB),
        },
        Row {
            key: "hostile_p99",
            what: "answers to 200 others meanwhile, p99",
            value: p99(&memory)?,
            unit: "ms",
            goal: Goal::AtMost(100.0),
        },
    ])
}

/// One person who joins one room after the other.
pub fn joins() -> Result<Vec<Row>, String> {
    let hub = Hub::start(&[], &[])?;
    let run = hub.load("attack --clients 1 --rate 1 --attack join --attackers 1 --count 1000000 --seconds 40 --threads 1")?;
    let more = run.number("/hub/rss_kb_end")? - run.number("/hub/rss_kb_with_clients")?;
    Ok(vec![
        Row {
            key: "joins_mb",
            what: "memory after 1,000,000 attempts of one client to join as many rooms",
            value: more * 1024.0 / 1e6,
            unit: "MB",
            goal: Goal::AtMost(10.0),
        },
        Row {
            key: "joins_tried",
            what: "of these attempts: made, all but the first 64 refused",
            value: run.number("/counts/joins tried")?,
            unit: "",
            goal: Goal::AtLeast(1_000_000.0),
        },
    ])
}
