//! What a clock measures, as a ratio or per second of processor time where that is possible; latencies hold for the machine they were taken on.
use super::{
    hub::{self, Folder, Hub, Report},
    row::{Goal, Row},
};
use std::time::Instant;

const ONE_SHARD: &[(&str, &str)] = &[("SERVER__SHARDS", "1")];
/// How often a rate is taken; the median counts.
const ROUNDS: usize = 3;
/// How often a ratio is.
const TURNS: usize = 11;

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What a delivered frame costs, in processor time, compared with a loop that only writes.
pub fn fanout() -> Result<Vec<Row>, String> {
    let hub = Hub::start(ONE_SHARD, &[])?;
    let (mut ratios, mut costs, mut lates) = (Vec::new(), Vec::new(), Vec::new());
    // Many short turns: what else the machine does changes within seconds.
    for _ in 0..TURNS {
        let run = hub.load("fanout --subscribers 1000 --rate 50 --seconds 2")?;
        let bound = hub.load("bound --subscribers 1000 --rate 50 --seconds 2")?;
        let cost = run.number("/cost_ns")?;
        ratios.push(cost / bound.number("/counts/writer ns")? * bound.number("/counts/messages delivered")?);
        costs.push(cost / 1000.0);
        lates.push(run.ms("last subscriber", "p99")?);
    }
    Ok(vec![
        Row {
            key: "fanout_ratio",
            what: "processor time per delivered frame, 1,000 subscribers, as a multiple of a loop that only writes",
            value: median(ratios),
            unit: "",
            goal: Goal::AtMost(1.25),
        },
        Row {
            key: "fanout_cost",
            what: "processor time per delivered frame, kernel included",
            value: median(costs),
            unit: "µs",
            goal: Goal::None,
        },
        Row {
            key: "fanout_p99",
            what: "an update reaches the last of 1,000 subscribers, p99, 50 updates per second",
            value: median(lates),
            unit: "ms",
            goal: Goal::AtMost(100.0),
        },
    ])
}

/// Heartbeats that one core answers in a second.
pub fn heartbeats() -> Result<Vec<Row>, String> {
    let hub = Hub::start(ONE_SHARD, &[])?;
    let run = hub.load("heartbeat --clients 200 --rate 0 --seconds 6")?;
    let seconds = run.number("/hub/cpu_ns")? / 1e9;
    Ok(vec![Row {
        key: "heartbeats",
        what: "heartbeats per second of one core",
        value: run.number("/counts/heartbeats acked")? / seconds,
        unit: "",
        goal: Goal::None,
    }])
}

/// Memory of clients who are only there.
pub fn idle() -> Result<Vec<Row>, String> {
    let hub = Hub::start(&[], &[])?;
    let run = hub.load("idle --clients 10000 --sources 100 --seconds 3")?;
    Ok(vec![Row {
        key: "idle_kb",
        what: "resident memory per idle connection, presence included, 10,000 connections",
        value: run.number("/hub/rss_kb_per_client")?,
        unit: "KB",
        goal: Goal::AtMost(4.0),
    }])
}

/// Time from the start of the process to its line, and the binary's size.
#[expect(clippy::disallowed_methods, reason = "the start of a process is timed from outside")]
pub fn start() -> Result<Vec<Row>, String> {
    let mut starts = Vec::new();
    for _ in 0..21 {
        let folder = Folder::in_memory()?;
        let begin = Instant::now();
        let hub = Hub::start_in(folder, &[], &[])?;
        starts.push(begin.elapsed().as_secs_f64() * 1000.0);
        drop(hub);
    }
    let bytes = std::fs::metadata(hub::binary()?).map_err(|error| error.to_string())?.len();
    Ok(vec![
        Row {
            key: "start_ms",
            what: "start: from exec to the line that says it listens, empty data folder in memory, the quickest of 21",
            value: starts.into_iter().fold(f64::INFINITY, f64::min),
            unit: "ms",
            goal: Goal::AtMost(100.0),
        },
        Row {
            key: "binary_mb",
            what: "size of the release binary",
            value: bytes as f64 / 1e6,
            unit: "MB",
            goal: Goal::AtMost(20.0),
        },
    ])
}

fn acks(run: &Report) -> Result<f64, String> {
    Ok(run.number("/counts/commands acked")? / run.number("/seconds")?)
}

/// Many admins in one room.
pub fn queue() -> Result<Vec<Row>, String> {
    let hub = Hub::start(&[], &[])?;
    let one = hub.load("queue --admins 1 --queued 20 --depth 1 --seconds 3")?;
    let (mut rates, mut lates) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let run = hub.load("queue --admins 64 --queued 20 --depth 4 --seconds 5")?;
        rates.push(acks(&run)?);
        lates.push(run.ms("ack", "p99")?);
    }
    Ok(vec![
        Row {
            key: "queue_rate",
            what: "moves per second that 64 admins get acked in one room, embedded store",
            value: median(rates),
            unit: "",
            goal: Goal::AtLeast(20_000.0),
        },
        Row {
            key: "queue_p99",
            what: "ack of a move among 64 admins with 4 moves open each, p99",
            value: median(lates),
            unit: "ms",
            goal: Goal::None,
        },
        Row {
            key: "ack_p50",
            what: "command to ack of one admin alone, p50",
            value: one.ms("ack", "p50")?,
            unit: "ms",
            goal: Goal::AtMost(1.0),
        },
    ])
}

/// A few who read at a hundredth of the speed.
pub fn slow_readers() -> Result<Vec<Row>, String> {
    const LOAD: &str = "slow-readers --rooms 20 --subscribers 50 --rate 100 --seconds 45 --sources 50 --slow-percent";
    let run = |percent: u32| Hub::start(&[], &[])?.load(&format!("{LOAD} {percent}"));
    let (none, some) = (run(0)?, run(1)?);
    let more = some.number("/hub/rss_kb_most")? - none.number("/hub/rss_kb_most")?;
    Ok(vec![
        Row {
            key: "slow_p99",
            what: "1 % of 1,000 clients read at 1 % speed under 2,000 messages per second: p99 of the others",
            value: some.ms("delivery", "p99")?,
            unit: "ms",
            goal: Goal::AtMost(100.0),
        },
        Row {
            key: "slow_p99_none",
            what: "p99 under 2,000 messages per second without slow clients",
            value: none.ms("delivery", "p99")?,
            unit: "ms",
            goal: Goal::None,
        },
        Row {
            key: "slow_kb",
            what: "memory that one of the slow clients costs the hub",
            value: (more / some.number("/counts/slow clients")?).max(0.0),
            unit: "KB",
            goal: Goal::AtMost(512.0),
        },
        Row {
            key: "slow_droppable",
            what: "of the 18,000 droppable messages for the 10 slow clients: dropped",
            value: some.number("/counts/droppable dropped for slow clients")?,
            unit: "",
            goal: Goal::None,
        },
        Row {
            key: "slow_normal",
            what: "of the 9,000 normal messages: dropped for the slow clients",
            value: some.number("/counts/normal dropped for slow clients")?,
            unit: "",
            goal: Goal::None,
        },
        Row {
            key: "slow_away",
            what: "times that a slow client had no room left for what may not be lost: closed with 4102, and resumed",
            value: some.number("/counts/slow clients sent away")?,
            unit: "",
            goal: Goal::AtLeast(1.0),
        },
        Row {
            key: "slow_others",
            what: "messages of any class dropped for the other 990 clients",
            value: some.number("/counts/normal dropped").unwrap_or(0.0) + some.number("/counts/droppable dropped").unwrap_or(0.0),
            unit: "",
            goal: Goal::AtMost(0.0),
        },
        Row {
            key: "slow_behind",
            what: "clients, slow ones included, that lack at the end a message which may not be lost and of which they were not told that it is skipped",
            value: 1_000.0
                - some.number("/counts/clients with everything")?
                - some.number("/counts/slow clients with everything")?,
            unit: "",
            goal: Goal::AtMost(0.0),
        },
    ])
}

/// People who are watched.
pub fn watch() -> Result<Vec<Row>, String> {
    let hub = Hub::start(&[], &[])?;
    let run = hub.load("watch --clients 1000 --people 10 --rate 20 --seconds 8")?;
    Ok(vec![Row {
        key: "status_p99",
        what: "a status change reaches each of 1,000 watchers, p99, 20 changes per second",
        value: run.ms("status", "p99")?,
        unit: "ms",
        goal: Goal::AtMost(50.0),
    }])
}

/// Everybody cut at the same moment.
pub fn reconnect() -> Result<Vec<Row>, String> {
    let hub = Hub::start(&[], &[])?;
    let run = hub.load("reconnect --clients 15000 --rooms 100 --sources 100 --seconds 1")?;
    Ok(vec![Row {
        key: "reconnect_s",
        what: "15,000 clients cut at once: all resumed, nobody shown offline, no place lost",
        value: run.ms("all back", "max")? / 1000.0,
        unit: "s",
        goal: Goal::AtMost(10.0),
    }])
}

/// Clients who cannot hold a socket.
pub fn poll() -> Result<Vec<Row>, String> {
    let hub = Hub::start(&[], &[])?;
    let run = hub.load("poll --clients 10000 --rate 1 --sources 100 --seconds 8")?;
    Ok(vec![
        Row {
            key: "poll_p99",
            what: "an update reaches each of 10,000 long-polling clients of one room, p99, 1 update per second",
            value: run.ms("update to a poller", "p99")?,
            unit: "ms",
            goal: Goal::None,
        },
        Row {
            key: "poll_kb",
            what: "resident memory per long-polling client",
            value: run.number("/hub/rss_kb_per_client")?,
            unit: "KB",
            goal: Goal::None,
        },
    ])
}
