//! What a load is made of: the command line of `michub load`. Every count and time has a bound.
use super::dialect::Dialect;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;

/// How many sockets one process may hold: it has 20,000 descriptors.
const CLIENTS_MAX: i64 = 19_900;

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Connect, say user_online, and send a heartbeat now and then
    Idle,
    /// Heartbeats, each client's next one as soon as the last is answered
    Heartbeat,
    /// Rooms of many subscribers and a few writers
    Fanout,
    /// Admins who move people in the queue of one room
    Queue,
    /// People who change their status and send messages, and everybody watching them
    Watch,
    /// Rooms with changes and messages of every class, in which a few clients read far too slowly
    SlowReaders,
    /// A bit of everything in many rooms
    Mixed,
    /// Cut every client at once, and resume them all
    Reconnect,
    /// Clients without a socket: heartbeats and long polls over HTTP, in one room with one writer
    Poll,
    /// Quiet people, and attackers beside them
    Attack,
    /// No hub at all: a minimal writer that sends the fan-out's frames, the bound of what a hub can reach
    Bound,
}

/// What attackers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attack {
    /// Nothing: what the others have without them
    None,
    /// Commands in the room of the others, as fast as they go; who is sent away comes back at once
    Flood,
    /// Connections with half a request
    Open,
    /// Sockets with a message that never ends
    Unfinished,
    /// Joins of ever new rooms
    Join,
}

/// Puts load on a hub in auth.mode = "dev", and measures.
#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    /// What the clients do
    #[arg(value_enum)]
    pub scenario: Scenario,
    /// The hub's address; several nodes, with commas between them, share the clients
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS", value_delimiter = ',')]
    pub target: Vec<SocketAddr>,
    /// How long it is measured, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// Stop after so many operations per client or writer, if that is earlier; 0 = by time only
    #[arg(long, default_value_t = 0)]
    pub count: u64,
    /// idle, heartbeat, watch, reconnect, poll, attack (the quiet ones): how many clients
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub clients: u32,
    /// fanout, slow-readers, mixed, reconnect: how many rooms
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rooms: u32,
    /// fanout, slow-readers, mixed: how many subscribers each room has
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub subscribers: u32,
    /// fanout: how many writers each room has
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub writers: u32,
    /// fanout: commands that a writer sends at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub burst: u32,
    /// Per second: heartbeats of each client, requests of each quiet one (attack), commands of each writer (fanout, slow-readers) or room (mixed), changes
    /// in all (watch); 0 = as fast as the answers come
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub rate: u32,
    /// slow-readers: how many clients of a hundred read too slowly
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub slow_percent: u32,
    /// slow-readers: how fast they read, in percent of what comes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub slow_speed: u32,
    /// attack: what the attackers do
    #[arg(long, value_enum, default_value_t = Attack::None)]
    pub attack: Attack,
    /// attack: how many attackers
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=CLIENTS_MAX))]
    pub attackers: u32,
    /// attack: the hub's admin listener, whose /healthz is asked for all the time
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,
    /// queue: how many admins
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub admins: u32,
    /// queue: how many people wait
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=2_000))]
    pub queued: u32,
    /// heartbeat, queue: how many requests each client has open at a time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub depth: u32,
    /// watch: how many people are watched
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub people: u32,
    /// Milliseconds between two heartbeats of a client that is otherwise idle
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub interval_ms: u64,
    /// Threads of the load generator
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
    /// How many addresses 127.0.0.x the clients come from
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=250))]
    pub sources: u32,
    /// The hub's process, or those of several nodes: their processor time and memory are shown too
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub hub_pid: Vec<u32>,
    /// How the server is spoken to
    #[arg(long, value_enum, default_value_t = Dialect::Hub)]
    pub dialect: Dialect,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

impl LoadArgs {
    /// Returns how many sockets there will be.
    #[must_use]
    pub fn sockets(&self) -> u32 {
        match self.scenario {
            Scenario::Idle | Scenario::Heartbeat => self.clients,
            Scenario::Poll => self.clients.saturating_add(1),
            Scenario::Fanout | Scenario::Mixed => self.rooms.saturating_mul(self.subscribers.saturating_add(self.writers)),
            Scenario::SlowReaders => self.rooms.saturating_mul(self.subscribers.saturating_add(1)),
            // Both ends are in this process.
            Scenario::Bound => self.subscribers.saturating_mul(2),
            Scenario::Queue => self.admins.saturating_add(self.queued),
            Scenario::Attack => self.clients.saturating_add(self.attackers),
            Scenario::Watch => self.clients.saturating_add(self.people),
            Scenario::Reconnect => self.clients.saturating_add(self.rooms),
        }
    }

    /// Tells whether one process can hold the sockets.
    #[must_use]
    pub fn fits(&self) -> bool {
        i64::from(self.sockets()) <= CLIENTS_MAX
    }
}
