//! Every metric that the hub has: what scrapes say of it, and docs/OPERATIONS.md. `tests/metrics.rs` holds sources, table, page and a scrape together.
use metrics::Unit;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Counts up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution, in seconds.
    Histogram,
}

impl Kind {
    /// Returns the name that Prometheus has for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// Its labels, with spaces between them.
    pub labels: &'static str,
    pub help: &'static str,
}

macro_rules! metrics {
    ($($kind:ident $name:literal $labels:literal $help:literal)*) => {
        /// Every metric, by its name.
        pub const ALL: &[Metric] = &[$(Metric { name: $name, kind: Kind::$kind, labels: $labels, help: $help },)*];
    };
}

metrics! {
    Gauge "michub_clock_off_seconds" "" "By how much this node's time differs from that of Redis."
    Counter "michub_closes_total" "name" "Connections that the hub has closed, by the name of the close code."
    Counter "michub_commands_total" "outcome" "Room commands: accepted, refused."
    Histogram "michub_commit_seconds" "" "How long the store takes for a commit."
    Counter "michub_commits_total" "outcome" "Commits by what the store said: ok, moved (another node was first, decided again), refused (not written), unknown."
    Counter "michub_config_reloads_total" "outcome" "Reloads of the configuration: ok, refused."
    Gauge "michub_connections" "" "Open sockets."
    Counter "michub_connections_refused_total" "" "Connections refused before their request was read, because of a cap."
    Gauge "michub_connections_unauthenticated" "" "Open sockets that have not proved who they are."
    Counter "michub_connects_total" "outcome" "Sessions opened (ok), refused by the rules (refused), or not opened by the hub's fault (failed)."
    Counter "michub_fanout_frames_total" "" "Room frames given to connections."
    Counter "michub_frames_dropped_total" "class" "Frames dropped because their reader is slow, by their class."
    Counter "michub_heartbeats_total" "" "Heartbeats answered."
    Counter "michub_history_dropped_total" "" "Commits given up for PostgreSQL because too many waited."
    Counter "michub_history_failures_total" "" "Attempts to write to PostgreSQL that failed."
    Gauge "michub_history_waiting" "" "Commits that PostgreSQL does not have yet."
    Counter "michub_history_written_total" "" "Commits and states written to PostgreSQL."
    Counter "michub_http_requests_total" "route status" "HTTP requests by route and status."
    Histogram "michub_http_seconds" "route" "How long HTTP answers take, long polls included."
    Gauge "michub_info" "version" "1, with the version."
    Counter "michub_lines_lost_total" "" "Lines gone without a goodbye."
    Counter "michub_lives_total" "" "Names that this node has taken; more than one: others had taken it for dead."
    Counter "michub_media_callbacks_total" "outcome source" "Callbacks of media servers: heard, ignored, refused, forged, busy, allowed, denied."
    Counter "michub_media_denied_total" "source why" "Publish requests without the right to it, let in or not."
    Counter "michub_media_impostors_total" "source" "Streams of somebody who does not sit there, found by a poll."
    Counter "michub_media_polls_total" "outcome source" "Looks at a media server's own list of streams."
    Counter "michub_media_servers_lost_total" "source" "Media servers that fell silent, so that what they had on air is over."
    Counter "michub_media_strays_total" "source" "Streams that belong to nobody."
    Counter "michub_media_unkept_total" "" "What is known of a stream, not kept because too much waits for the store."
    Gauge "michub_memory_limit_bytes" "" "limits.memory_bytes; 0 = off."
    Histogram "michub_message_seconds" "kind" "From a message's arrival to its way out to everybody: commands of rooms, direct messages."
    Gauge "michub_nodes" "" "Nodes that live, as this one sees it."
    Counter "michub_nodes_dead_total" "" "Nodes dead without a goodbye that this one has cleared up after."
    Gauge "michub_ready" "" "1 = it can serve: the store takes writes, and it does not drain."
    Histogram "michub_reconnect_away_seconds" "" "How long clients say they were away before they came back."
    Counter "michub_reconnects_total" "outcome" "Attempts to come back, as the clients that came back tell them: ok, failed."
    Counter "michub_redis_live_lost_total" "" "Times that the lines for live messages of Redis broke."
    Counter "michub_redis_lost_total" "" "Times that Redis could not be reached any more."
    Counter "michub_redis_resubscribed_total" "" "Subscriptions opened anew."
    Counter "michub_redis_wiped_total" "" "Times that Redis came back empty."
    Counter "michub_refusals_total" "name" "Refused room commands by the name of their error."
    Counter "michub_room_gaps_total" "" "Gaps in what a node heard of a room, filled from the log."
    Counter "michub_room_messages_dropped_total" "at" "Room messages dropped under pressure, in the room or on the way to a shard."
    Counter "michub_room_messages_expired_total" "" "Kept room messages that became too old or too many."
    Counter "michub_room_messages_missed_total" "" "Kept room messages that a node missed and read afterwards."
    Counter "michub_room_messages_total" "class" "Room messages by their class."
    Counter "michub_room_quiet_asked_total" "" "How often other nodes were asked to let this one go first."
    Counter "michub_room_races_total" "" "Commits decided again because another node was first."
    Counter "michub_room_resets_total" "" "Rooms whose members were told to begin anew: another history, or more missed than the log keeps."
    Gauge "michub_rooms" "" "Rooms in memory."
    Counter "michub_rooms_given_back_total" "" "Rooms given back to a Redis that had lost their tail."
    Gauge "michub_sessions" "" "Sessions, the lost ones that may come back included."
    Counter "michub_sessions_resumed_total" "" "Sessions resumed by their token."
    Counter "michub_slow_consumers_total" "" "Connections closed because their reader was too slow."
    Histogram "michub_status_seconds" "" "From a change of somebody's status to its watchers, coalescing included."
    Counter "michub_tls_failed_total" "" "TLS lines that failed: no handshake, or not what was agreed."
    Counter "michub_traces_dropped_total" "" "Traces dropped: too many waited, or the collector did not take them."
    Counter "michub_upgrades_refused_total" "" "Upgrades refused because of a cap, a rate, memory or a drain."
    Gauge "michub_webhook_dead_letters" "endpoint" "Dead letters that wait for somebody."
    Counter "michub_webhook_dead_total" "endpoint" "Messages that became dead letters."
    Counter "michub_webhook_failed_total" "endpoint" "Attempts to deliver that failed."
    Gauge "michub_webhook_failing_rooms" "endpoint" "Rooms whose next message has failed at least once."
    Gauge "michub_webhook_oldest_ms" "endpoint" "How long the oldest message waits, in ms."
    Gauge "michub_webhook_pending_rooms" "endpoint" "Rooms that have something to send."
    Counter "michub_webhook_sent_total" "endpoint" "Messages delivered."
    Counter "michub_webhook_status_dropped_total" "endpoint" "Messages about people's status dropped because too many waited."
    Gauge "process_max_fds" "" "How many file descriptors may be open."
    Gauge "process_open_fds" "" "Open file descriptors."
    Gauge "process_resident_memory_bytes" "" "Resident memory."
    Gauge "process_start_time_seconds" "" "When the process began, Unix time."
}

/// Says of every metric what it is.
pub(super) fn describe() {
    for Metric { name, kind, help, .. } in ALL {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, Unit::Seconds, *help),
        }
    }
}
