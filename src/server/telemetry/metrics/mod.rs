//! Every number of the hub, each name once, with what it says; the gauges that are read at a scrape are read here.
pub mod table;

use super::process;
use crate::{hub::code::Code, wire::close::Close};
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::{sync::LazyLock, time::Duration};

/// How often histograms are put into their buckets when nobody scrapes.
pub const UPKEEP: Duration = Duration::from_secs(2);
/// The buckets of what takes milliseconds.
const SECONDS: &[f64] = &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
/// The buckets of how long clients were away.
const AWAY: &[f64] = &[0.5, 1.0, 3.0, 6.0, 12.0, 24.0, 60.0, 120.0, 600.0];

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident $wire:literal)*) => {
        $(
            $(#[$doc])*
            pub static $name: LazyLock<Counter> = LazyLock::new(|| metrics::counter!($wire));
        )*
        /// Makes those without labels known before they count.
        fn begin_counters() {
            $($name.increment(0);)*
        }
    };
}

macro_rules! histograms {
    ($($(#[$doc:meta])* $name:ident $wire:literal)*) => {
        $(
            $(#[$doc])*
            pub static $name: LazyLock<Histogram> = LazyLock::new(|| metrics::histogram!($wire));
        )*
        fn begin_histograms() {
            $(LazyLock::force(&$name);)*
        }
    };
}

counters! {
    /// Heartbeats answered.
    HEARTBEATS "michub_heartbeats_total"
    /// Sessions resumed by their token.
    RESUMED "michub_sessions_resumed_total"
    /// Lines gone without a goodbye.
    LINES_LOST "michub_lines_lost_total"
    /// Room frames given to connections.
    FANNED_OUT "michub_fanout_frames_total"
    /// Upgrades refused because of a cap, a rate, memory or a drain.
    UPGRADES_REFUSED "michub_upgrades_refused_total"
    /// Connections refused before their request was read, because of a cap.
    CONNECTIONS_REFUSED "michub_connections_refused_total"
    /// Connections closed because their reader was too slow.
    SLOW_CONSUMERS "michub_slow_consumers_total"
}

histograms! {
    /// From a change of somebody's status to its watchers, coalescing included.
    STATUS_SECONDS "michub_status_seconds"
    /// How long the store takes for a commit.
    COMMIT_SECONDS "michub_commit_seconds"
    /// How long clients say they were away before they came back.
    AWAY_SECONDS "michub_reconnect_away_seconds"
}

/// What a message latency is about.
#[derive(Clone, Copy)]
pub enum Message {
    /// From the arrival of a room's oldest waiting command to its acks and updates on their way.
    Command,
    /// From a direct message to its receiver's sessions.
    Direct,
}

static COMMAND_SECONDS: LazyLock<Histogram> =
    LazyLock::new(|| metrics::histogram!("michub_message_seconds", "kind" => "command"));
static DIRECT_SECONDS: LazyLock<Histogram> = LazyLock::new(|| metrics::histogram!("michub_message_seconds", "kind" => "direct"));

/// Counts how long a message took, in microseconds.
pub fn message(kind: Message, micros: u64) {
    match kind {
        Message::Command => COMMAND_SECONDS.record(seconds(micros)),
        Message::Direct => DIRECT_SECONDS.record(seconds(micros)),
    }
}

/// Returns microseconds as seconds.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "285 years fit")]
pub fn seconds(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}

/// How a connect ended.
#[derive(Clone, Copy)]
pub enum Connect {
    /// A session is open.
    Ok,
    /// The client may not, or did not say who it is.
    Refused,
    /// The hub could not.
    Failed,
}

/// Counts a connect.
pub fn connect(outcome: Connect) {
    let outcome = match outcome {
        Connect::Ok => "ok",
        Connect::Refused => "refused",
        Connect::Failed => "failed",
    };
    metrics::counter!("michub_connects_total", "outcome" => outcome).increment(1);
}

/// Counts a client that has come back: its `attempt`-th try was the good one.
pub fn reconnect(attempt: u64, away_ms: Option<u64>) {
    metrics::counter!("michub_reconnects_total", "outcome" => "ok").increment(1);
    // A client says what it likes: the number is bounded, so that one cannot spoil the ratio.
    metrics::counter!("michub_reconnects_total", "outcome" => "failed").increment(attempt.saturating_sub(1).min(10));
    if let Some(ms) = away_ms {
        AWAY_SECONDS.record(seconds(ms.saturating_mul(1000)));
    }
}

/// Counts a connection that the hub closes.
pub fn close(close: Close) {
    metrics::counter!("michub_closes_total", "name" => close.name()).increment(1);
}

/// Counts a command by what became of it; `None` = it was accepted.
pub fn command(refused: Option<Code>) {
    match refused {
        None => metrics::counter!("michub_commands_total", "outcome" => "accepted").increment(1),
        Some(code) => {
            metrics::counter!("michub_commands_total", "outcome" => "refused").increment(1);
            metrics::counter!("michub_refusals_total", "name" => code.name()).increment(1);
        }
    }
}

/// How the store has answered a commit.
#[derive(Clone, Copy)]
pub enum Commit {
    /// It is written.
    Ok,
    /// Somebody else was first; it is decided again.
    Moved,
    /// It is not written.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// Counts a commit.
pub fn commit(outcome: Commit) {
    let outcome = match outcome {
        Commit::Ok => "ok",
        Commit::Moved => "moved",
        Commit::Refused => "refused",
        Commit::Unknown => "unknown",
    };
    metrics::counter!("michub_commits_total", "outcome" => outcome).increment(1);
}

/// Counts a reload of the configuration.
pub fn reload(is_good: bool) {
    let outcome = if is_good { "ok" } else { "refused" };
    metrics::counter!("michub_config_reloads_total", "outcome" => outcome).increment(1);
}

/// Counts an HTTP request by its route.
pub fn http(route: &str, status: u16, micros: u64) {
    let labels = [("route", route.to_owned()), ("status", status.to_string())];
    metrics::counter!("michub_http_requests_total", &labels).increment(1);
    metrics::histogram!("michub_http_seconds", "route" => route.to_owned()).record(seconds(micros));
}

/// Installs the recorder of this process, with every name known. Errors: there is one already.
pub fn install(started_ms: u64) -> Result<PrometheusHandle, BuildError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Full("michub_reconnect_away_seconds".to_owned()), AWAY)?;
    let handle = builder.install_recorder()?;
    begin_counters();
    begin_histograms();
    table::describe();
    // A ratio needs its parts from the first scrape on.
    for outcome in ["ok", "refused", "failed"] {
        metrics::counter!("michub_connects_total", "outcome" => outcome).increment(0);
    }
    for outcome in ["ok", "failed"] {
        metrics::counter!("michub_reconnects_total", "outcome" => outcome).increment(0);
    }
    for outcome in ["ok", "moved", "refused", "unknown"] {
        metrics::counter!("michub_commits_total", "outcome" => outcome).increment(0);
    }
    for outcome in ["ok", "refused"] {
        metrics::counter!("michub_config_reloads_total", "outcome" => outcome).increment(0);
    }
    metrics::counter!("michub_closes_total", "name" => Close::HeartbeatTimeout.name()).increment(0);
    LazyLock::force(&COMMAND_SECONDS);
    LazyLock::force(&DIRECT_SECONDS);
    gauge("michub_sessions", 0);
    gauge("michub_history_waiting", 0);
    metrics::counter!("michub_history_dropped_total").increment(0);
    metrics::gauge!("michub_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    gauge("process_start_time_seconds", started_ms / 1000);
    Ok(handle)
}

/// How many sessions there are; written by presence.
pub static SESSIONS: LazyLock<Gauge> = LazyLock::new(|| metrics::gauge!("michub_sessions"));

/// Sets a gauge to a whole number.
#[allow(clippy::cast_precision_loss, reason = "counts and bytes fit into 53 bits")]
pub fn gauge(name: &'static str, value: u64) {
    metrics::gauge!(name).set(value as f64);
}

/// Reads what the system says about the process.
pub fn read_process() {
    if let Some(bytes) = process::resident_bytes() {
        gauge("process_resident_memory_bytes", bytes);
    }
    if let Some((open, max)) = process::descriptors() {
        gauge("process_open_fds", open);
        gauge("process_max_fds", max);
    }
}
