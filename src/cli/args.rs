//! The command line: commands, their arguments, and what their help says.
use clap::{Parser, Subcommand};
use michub::{
    hub::id::{RoleId, RoomId, UserId},
    server::{load::LoadArgs, media::simulate::SimulateArgs, webhooks::admin as webhooks},
};
use std::{net::SocketAddr, path::PathBuf};

/// What every command knows about the configuration.
const CONFIGURATION: &str = "Configuration";
const AFTER_HELP: &str = "\
Configuration: built-in defaults < config.toml < MICHUB_<SECTION>__<KEY> < flags.
  MICHUB_SERVER__LISTEN=127.0.0.1:9000 michub     the same as --listen
  michub print-config                             what is in force, secrets redacted

Signals: SIGTERM and SIGINT drain and end it, SIGHUP reads the configuration again (a bad one changes nothing).
Exit codes: 0 well, 1 it failed and stderr says why, 2 the command line is wrong.";

const REPAIR_HELP: &str = r#"Repairs the embedded store after a start was refused: "the store is damaged", "has lost its tail", "is broken at rev".
The hub must not run. What it does, in this order:
  1. copies the store to <data.dir>/store.before-repair-<unix seconds>
  2. cuts the journal behind its last whole write, if it cannot be read
  3. reads every room as the hub would; a log that cannot be followed is cut there, a room without a readable snapshot is removed
  4. writes a new watermark: what is there now counts
Everything that was wrong is printed, one line each. If nothing was wrong, nothing is changed and the copy is removed.
Clients whose position was cut off get a room_reset and a snapshot when they come back.
With store.kind = "redis" hubs may run: rooms whose log cannot be followed are cut where it breaks, one without a readable snapshot is
removed, and with --accept-empty a Redis that came back empty is taken as it is: rooms that no hub has in memory are lost then."#;

const REPLAY_HELP: &str = "\
Starts from the oldest state that the history has of this room, applies every commit, and compares with each state that was kept on the
way and with the stored room. Exit code 0: nothing differs; 1: the differences are printed, by rev and path.";

/// The signalling hub of a voice room: who is here, who is free, who speaks next.
#[derive(Parser)]
#[command(name = "michub", version, after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<What>,
    /// The configuration file [default: config.toml, if it is there]
    #[arg(long, global = true, help_heading = CONFIGURATION, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where clients connect; overrides server.listen
    #[arg(long, global = true, help_heading = CONFIGURATION, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The folder of the embedded store; overrides data.dir
    #[arg(long, global = true, help_heading = CONFIGURATION, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The demo page may ask the hub for a drain; sets demo.enabled and demo.faults
    #[arg(long, global = true, help_heading = CONFIGURATION)]
    pub demo: bool,
}

/// What is to be done.
#[derive(Subcommand)]
pub enum What {
    /// Runs the hub (the default)
    Serve,
    /// Checks the configuration and says what is wrong
    CheckConfig,
    /// Prints the configuration in force, secrets redacted
    PrintConfig,
    /// Prints a client token, for a try
    Token {
        /// For whom
        #[arg(long, value_parser = UserId::parse)]
        user_id: UserId,
        /// The room of the role
        #[arg(long, requires = "role", value_parser = RoomId::parse)]
        room: Option<RoomId>,
        /// The role in that room: host, admin, or another one of the room's rules
        #[arg(long, requires = "room", value_parser = RoleId::parse)]
        role: Option<RoleId>,
        /// How long it lives, in seconds
        #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
        ttl: u64,
    },
    /// Puts load on a running hub and measures it
    Load(LoadArgs),
    /// Plays the callbacks of a media server against a running hub, and checks what it makes of them
    SimulateMedia(SimulateArgs),
    /// Shows and exports what happened in rooms, also while the hub runs
    History {
        #[command(subcommand)]
        what: HistoryWhat,
    },
    /// Replays a room from its history, and says where the result differs from what is stored
    #[command(after_help = REPLAY_HELP)]
    Replay {
        /// Which room
        #[arg(value_parser = RoomId::parse)]
        room: RoomId,
        /// Stop at this time: Unix milliseconds, or like 2026-01-31T20:00:00Z
        #[arg(long, value_parser = time, value_name = "TIME")]
        until: Option<u64>,
        /// Print the replayed state as JSON instead
        #[arg(long)]
        state: bool,
    },
    /// Prints the commits that explain where somebody stands in a room
    Why {
        /// Which room
        #[arg(value_parser = RoomId::parse)]
        room: RoomId,
        /// Who
        #[arg(value_parser = UserId::parse)]
        user: UserId,
    },
    /// Prints the protocol for machines
    Spec {
        /// asyncapi: the socket; openapi: HTTP; schema: every frame as JSON Schema
        #[arg(value_parser = ["asyncapi", "openapi", "schema"])]
        which: String,
    },
    /// Asks the running hub whether it is ready to serve; exit code 1 = it is not
    Health,
    /// Shows webhooks of the hub that runs, and sends dead letters again
    Webhooks {
        #[command(subcommand)]
        what: WebhooksWhat,
    },
    /// Repairs a store that the hub refuses to start with, or to make rooms in
    #[command(after_help = REPAIR_HELP)]
    Repair {
        /// Start with an empty store if nothing can be read, or if the store is gone; take a Redis that came back empty as it is
        #[arg(long)]
        accept_empty: bool,
    },
}

/// What of the history is wanted.
#[derive(Subcommand)]
pub enum HistoryWhat {
    /// Prints events as JSON lines, oldest first, room after room
    Export {
        /// Only this room
        #[arg(long, value_parser = RoomId::parse)]
        room: Option<RoomId>,
        /// Only events about this person
        #[arg(long, value_parser = UserId::parse)]
        user_id: Option<UserId>,
        /// From this time on: Unix milliseconds, or like 2026-01-31T20:00:00Z
        #[arg(long, value_parser = time, value_name = "TIME")]
        from: Option<u64>,
        /// Up to this time
        #[arg(long, value_parser = time, value_name = "TIME")]
        to: Option<u64>,
    },
}

/// What is to be done with webhooks.
#[derive(Subcommand)]
pub enum WebhooksWhat {
    /// Prints how every endpoint is doing
    List,
    /// Prints the dead letters of an endpoint as JSON lines, oldest first
    Dead {
        /// The endpoint
        name: String,
        /// How many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Sends dead letters again, under their own ids; those that arrive are forgotten
    Replay {
        /// The endpoint
        name: String,
        /// Only the one with this key
        #[arg(long)]
        key: Option<String>,
    },
    /// Takes an endpoint into use again that has answered 410
    Enable {
        /// The endpoint
        name: String,
    },
}

impl From<WebhooksWhat> for webhooks::Ask {
    fn from(what: WebhooksWhat) -> Self {
        match what {
            WebhooksWhat::List => Self::List,
            WebhooksWhat::Dead { name, limit } => Self::Dead { name, limit: limit.into() },
            WebhooksWhat::Replay { name, key } => Self::Replay { name, key },
            WebhooksWhat::Enable { name } => Self::Enable { name },
        }
    }
}

/// Reads a point in time as Unix milliseconds.
fn time(text: &str) -> Result<u64, String> {
    let stamp = |text: &str| u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()).ok();
    let read = text.parse().ok().or_else(|| stamp(text));
    read.ok_or_else(|| "Unix milliseconds, or like 2026-01-31T20:00:00Z".to_owned())
}
