//! Traces for an OpenTelemetry collector, off unless an endpoint is configured: where the time of a room's commands went, as OTLP over HTTP in JSON.
//! A trace that finds the queue full is dropped and counted; nothing ever waits for the collector.
use crate::server::{
    clock::Clock,
    outgoing::{Outgoing, OutgoingError, OutgoingSettings, Target},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{sync::mpsc, time::timeout};

/// Where a collector takes traces, if its address names no path.
const PATH: &str = "/v1/traces";
/// How much of an answer is read: nothing in it matters.
const ANSWER_BYTES: usize = 4096;

/// How traces are told.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "config.toml documents the keys")]
pub struct TraceSettings {
    pub endpoint: Target,
    pub sample_percent: u32,
    pub queue_max: usize,
    pub batch_max: usize,
    pub interval: Duration,
    pub timeout: Duration,
}

/// One batch of a room's commands, in microseconds since the start of the process.
#[derive(Clone, Debug)]
pub struct BatchTrace {
    /// Which room.
    pub room: String,
    /// How many commands there were.
    pub commands: usize,
    /// Where the room stands afterwards.
    pub rev: u64,
    /// What became of it: `done`, `failed` or `moved`.
    pub outcome: &'static str,
    /// When the oldest command came.
    pub arrived: u64,
    /// When the batch was taken up.
    pub begun: u64,
    /// When the last attempt to commit began and ended; `None` = there was nothing to commit.
    pub commit: Option<(u64, u64)>,
    /// When everything was decided and settled.
    pub settled: u64,
    /// When everybody had been told.
    pub told: u64,
}

/// Takes traces. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Traces {
    queue: mpsc::Sender<BatchTrace>,
    sample_percent: u32,
}

impl Traces {
    /// Starts telling. Needs a runtime. Errors: TLS cannot be set up on this machine.
    pub fn start(settings: TraceSettings, clock: Clock, node: &str) -> Result<Self, OutgoingError> {
        let (queue, waiting) = mpsc::channel(settings.queue_max.max(1));
        let sample_percent = settings.sample_percent;
        let mut target = settings.endpoint.clone();
        if target.path == "/" {
            PATH.clone_into(&mut target.path);
        }
        let outgoing = OutgoingSettings {
            // Whoever names a collector means that one; it usually runs beside the hub.
            allow_private: true,
            connect_timeout: settings.timeout,
            timeout: settings.timeout,
            answer_bytes: ANSWER_BYTES,
            idle_max: 1,
        };
        let collector = Outgoing::new(target, outgoing)?;
        tokio::spawn(Teller { waiting, collector, settings, clock, node: node.to_owned(), is_well: true }.run());
        Ok(Self { queue, sample_percent })
    }

    /// Tells whether the next batch is to be looked at.
    #[must_use]
    pub fn picks(&self) -> bool {
        self.sample_percent >= 100 || rand::random_range(0..100) < self.sample_percent
    }

    /// Takes a trace, or drops it if too many wait.
    pub fn take(&self, trace: BatchTrace) {
        if self.queue.try_send(trace).is_err() {
            metrics::counter!("michub_traces_dropped_total").increment(1);
        }
    }
}

struct Teller {
    waiting: mpsc::Receiver<BatchTrace>,
    collector: Outgoing,
    settings: TraceSettings,
    clock: Clock,
    node: String,
    /// Whether the collector took the last ones: the log hears of changes only.
    is_well: bool,
}

impl Teller {
    async fn run(mut self) {
        let mut batch = Vec::new();
        while self.waiting.recv_many(&mut batch, self.settings.batch_max).await > 0 {
            // What comes soon goes along.
            let _ = timeout(self.settings.interval, self.fill(&mut batch)).await;
            self.tell(&batch).await;
            batch.clear();
        }
    }

    async fn fill(&mut self, batch: &mut Vec<BatchTrace>) {
        while batch.len() < self.settings.batch_max {
            let room = self.settings.batch_max - batch.len();
            if self.waiting.recv_many(batch, room).await == 0 {
                return;
            }
        }
    }

    async fn tell(&mut self, batch: &[BatchTrace]) {
        let body = export(batch, self.clock.wall_ms().saturating_mul(1000).saturating_sub(self.clock.micros()), &self.node);
        let why = match self.collector.post(&[], body.to_string().into()).await {
            Ok(answer) if answer.status.is_success() => None,
            Ok(answer) => Some(answer.status.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if why.is_some() {
            metrics::counter!("michub_traces_dropped_total").increment(batch.len() as u64);
        }
        match &why {
            Some(why) if self.is_well => tracing::warn!(%why, "the collector takes no traces; they are dropped until it does"),
            None if !self.is_well => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        self.is_well = why.is_none();
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// Writes an export request; `started`: when the process began, in Unix microseconds.
fn export(batch: &[BatchTrace], started: u64, node: &str) -> Value {
    let spans: Vec<Value> = batch.iter().flat_map(|trace| spans(trace, started)).collect();
    let attributes =
        [text("service.name", "michub"), text("service.version", env!("CARGO_PKG_VERSION")), text("service.instance.id", node)];
    json!({"resourceSpans": [{
        "resource": {"attributes": attributes},
        "scopeSpans": [{"scope": {"name": "michub", "version": env!("CARGO_PKG_VERSION")}, "spans": spans}],
    }]})
}

/// The spans of a batch: all of it, its wait in the mailbox, decision, commit, and the way out to everybody.
fn spans(trace: &BatchTrace, started: u64) -> Vec<Value> {
    let trace_id = format!("{:032x}", rand::random::<u128>().max(1));
    let root = format!("{:016x}", rand::random::<u64>().max(1));
    let at = |micros: u64| started.saturating_add(micros).saturating_mul(1000).to_string();
    let span = |id: &str, parent: &str, name: &str, (from, to): (u64, u64)| {
        json!({
            "traceId": trace_id, "spanId": id, "parentSpanId": parent, "name": name, "kind": 1,
            "startTimeUnixNano": at(from), "endTimeUnixNano": at(to.max(from)),
        })
    };
    let mut whole = span(&root, "", "room.commands", (trace.arrived, trace.told));
    whole["attributes"] = json!([
        text("michub.room_id", &trace.room),
        number("michub.commands", trace.commands as u64),
        number("michub.rev", trace.rev),
        text("michub.outcome", trace.outcome),
    ]);
    whole["status"] = json!({"code": if trace.outcome == "done" { 1 } else { 2 }});
    let decided = trace.commit.map_or(trace.settled, |(from, _)| from);
    let parts = [
        Some(("wait", (trace.arrived, trace.begun))),
        Some(("decide", (trace.begun, decided))),
        trace.commit.map(|commit| ("commit", commit)),
        Some(("fan-out", (trace.settled, trace.told))),
    ];
    let part = |(name, times)| span(&format!("{:016x}", rand::random::<u64>().max(1)), &root, name, times);
    std::iter::once(whole).chain(parts.into_iter().flatten().map(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_lie_inside_the_whole() {
        let trace = BatchTrace {
            room: "r1".to_owned(),
            commands: 3,
            rev: 42,
            outcome: "done",
            arrived: 1_000,
            begun: 1_200,
            commit: Some((1_300, 1_900)),
            settled: 1_950,
            told: 2_000,
        };
        let whole = export(std::slice::from_ref(&trace), 1_700_000_000_000_000, "node1");
        let spans = whole["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
        let names: Vec<&str> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["room.commands", "wait", "decide", "commit", "fan-out"]);
        let time = |span: &Value, end: &str| span[end].as_str().unwrap().parse::<u64>().unwrap();
        assert_eq!(time(&spans[0], "startTimeUnixNano"), 1_700_000_000_001_000_000);
        for pair in spans[1..].windows(2) {
            assert!(time(&pair[0], "endTimeUnixNano") <= time(&pair[1], "startTimeUnixNano"));
        }
        assert!(spans[1..].iter().all(|span| span["parentSpanId"] == spans[0]["spanId"]));
        assert!(spans.iter().all(|span| span["traceId"] == spans[0]["traceId"]));
        let refused = export(&[BatchTrace { commit: None, ..trace }], 0, "node1");
        assert_eq!(refused["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len(), 4);
    }
}
