//! The michub binary: arguments, configuration, logging, then the hub.
use clap::{Parser, Subcommand};
use michub::{
    hub::id::{RoleId, RoomId, UserId},
    server::{
        auth::{Auth, AuthError, AuthSetupError, Claims},
        clock::Clock,
        config::{Config, ConfigError, LogFormat, StoreKind},
        history::{
            HistoryError, remote,
            report::{Ask, NOTHING_DIFFERS, RoomText, UserText},
        },
        load::{self, LoadArgs, LoadError},
        media::simulate::{self, SimulateArgs, SimulateError},
        reload::{Reload, SetLevel},
        run,
        store::{StoreFault, fjall::Repair},
        webhooks::admin as webhooks,
    },
    wire::spec,
};
use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};
use tracing_subscriber::{EnvFilter, filter::ParseError, reload};

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
struct Args {
    #[command(subcommand)]
    command: Option<What>,
    /// The configuration file [default: config.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where clients connect; overrides server.listen
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The folder of the embedded store; overrides data.dir
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The demo page may ask the hub for a drain; sets demo.enabled and demo.faults
    #[arg(long, global = true)]
    demo: bool,
}

#[derive(Subcommand)]
enum What {
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

#[derive(Subcommand)]
enum HistoryWhat {
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

#[derive(Clone, Subcommand)]
enum WebhooksWhat {
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

impl From<&WebhooksWhat> for webhooks::Ask {
    fn from(what: &WebhooksWhat) -> Self {
        match what.clone() {
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

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("simulate-media: {0}")]
    Simulate(#[from] SimulateError),
    #[error(transparent)]
    Start(#[from] run::StartError),
    #[error("data.dir: {0}")]
    Store(#[from] StoreFault),
    #[error(transparent)]
    Keys(#[from] AuthSetupError),
    #[error(transparent)]
    Token(#[from] AuthError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Webhooks(#[from] webhooks::AskError),
    #[error("the output cannot be written: {0}")]
    Output(std::io::Error),
    #[error("the replay differs from what is stored")]
    Differs,
    #[error("log.level: {0}")]
    LogLevel(#[from] ParseError),
    #[error("the configuration cannot be written down: {0}")]
    Print(#[from] toml::ser::Error),
}

fn main() -> ExitCode {
    let args = Args::parse();
    match begin(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("michub: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line says about the configuration; it stays in force over every reload.
struct Flags {
    config: Option<PathBuf>,
    listen: Option<SocketAddr>,
    data: Option<PathBuf>,
    demo: bool,
}

impl Flags {
    fn load(&self) -> Result<Config, ConfigError> {
        let mut config = Config::load(self.config.as_deref())?;
        config.server.listen = self.listen.unwrap_or(config.server.listen);
        config.data.dir = self.data.clone().unwrap_or(config.data.dir);
        config.demo.enabled |= self.demo;
        config.demo.faults |= self.demo;
        config.check()?;
        Ok(config)
    }
}

fn begin(args: &Args) -> Result<(), Failure> {
    if let Some(What::Spec { which }) = &args.command {
        return print_spec(which);
    }
    if let Some(What::Load(load)) = &args.command {
        return Ok(load::run(load.clone())?);
    }
    if let Some(What::SimulateMedia(what)) = &args.command {
        return Ok(simulate::run_here(what.clone())?);
    }
    let flags = Flags { config: args.config.clone(), listen: args.listen, data: args.data.clone(), demo: args.demo };
    let config = flags.load()?;
    match args.command.as_ref().unwrap_or(&What::Serve) {
        What::Serve => {
            let level = log(&config)?;
            Ok(run::run(config, Reload { read: Box::new(move || flags.load()), level })?)
        }
        What::CheckConfig => {
            run::check(&config)?;
            println!("the configuration is good");
            Ok(())
        }
        What::PrintConfig => {
            print!("{}", toml::to_string(&config)?);
            Ok(())
        }
        What::Load(_) | What::Spec { .. } | What::SimulateMedia(_) => Ok(()),
        What::Token { user_id, room, role, ttl } => {
            let rooms = room.clone().zip(role.clone()).into_iter().collect();
            let claims = Claims { user: user_id.clone(), user_type: None, rooms, expires_at: 0, issued_at: 0, issued_ms: 0 };
            let auth = Auth::new(&config.auth, &config.data.dir, Clock::new())?;
            println!("{}", auth.mint(&claims, *ttl)?.0);
            Ok(())
        }
        What::History { what: HistoryWhat::Export { room, user_id, from, to } } => {
            let (room, user) = (room.clone().map(RoomText), user_id.clone().map(UserText));
            let (from_ms, to_ms) = (from.unwrap_or(0), to.unwrap_or(u64::MAX));
            report(&config, Ask::Export { room, user, from_ms, to_ms }).map(drop)
        }
        What::Replay { room, until, state } => {
            let ask = Ask::Replay { room: RoomText(room.clone()), until_ms: until.unwrap_or(u64::MAX), state: *state };
            let tail = report(&config, ask)?;
            let good = *state || String::from_utf8_lossy(&tail).trim_end().ends_with(NOTHING_DIFFERS);
            if good { Ok(()) } else { Err(Failure::Differs) }
        }
        What::Why { room, user } => {
            report(&config, Ask::Why { room: RoomText(room.clone()), user: UserText(user.clone()) }).map(drop)
        }
        What::Health => health(&config),
        What::Webhooks { what } => {
            let text = webhooks::ask(config.admin.listen, &what.into())?;
            std::io::stdout().write_all(text.as_bytes()).map_err(Failure::Output)
        }
        What::Repair { accept_empty } => repair(&config, *accept_empty),
    }
}

fn print_spec(which: &str) -> Result<(), Failure> {
    let document = match which {
        "asyncapi" => spec::asyncapi(),
        "openapi" => spec::openapi(&spec::Facts::default()),
        _ => spec::schema(),
    };
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &document).map_err(|error| Failure::Output(error.into()))?;
    stdout.write_all(b"\n").map_err(Failure::Output)
}

fn health(config: &Config) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Output)?;
    println!("{}", runtime.block_on(remote::health(config.admin.listen))?);
    Ok(())
}

/// Prints a report: from the store if no hub has it, else from the hub that runs. Returns its last piece.
fn report(config: &Config, ask: Ask) -> Result<Vec<u8>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Output)?;
    runtime.block_on(async {
        let (out, mut pieces) = tokio::sync::mpsc::channel(4);
        let opened = run::open_history(config).await;
        let admin = config.admin.listen;
        let writing = async move {
            match opened {
                Ok(history) => history.report(ask, out).await,
                Err(StoreFault::Locked) => remote::fetch(admin, &ask, out).await,
                Err(fault) => drop(out.send(Err(fault.into())).await),
            }
        };
        let printing = async {
            let mut last = Vec::new();
            let mut stdout = std::io::stdout().lock();
            while let Some(piece) = pieces.recv().await {
                let piece = piece?;
                match stdout.write_all(&piece) {
                    // Whoever reads has enough.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(last),
                    written => written.map_err(Failure::Output)?,
                }
                last = piece.to_vec();
            }
            stdout.flush().map_err(Failure::Output)?;
            Ok(last)
        };
        tokio::join!(writing, printing).1
    })
}

fn repair(config: &Config, accept_empty: bool) -> Result<(), Failure> {
    if config.store.kind == StoreKind::Redis {
        let report = run::repair_redis(config, accept_empty)?;
        for finding in &report.findings {
            println!("{finding}");
        }
        println!("{} rooms are whole", report.rooms);
        return Ok(());
    }
    let stamp = Clock::new().wall_seconds().to_string();
    let report = Repair { dir: config.data.dir.clone(), accept_empty, stamp }.run()?;
    for finding in &report.findings {
        println!("{finding}");
    }
    match &report.copy {
        Some(copy) => println!("repaired; {} rooms were whole; the store as it was: {}", report.rooms, copy.display()),
        None => println!("nothing was wrong; {} rooms are whole", report.rooms),
    }
    Ok(())
}

/// Makes the filter of a `log.level`: a bare level is that of michub, and everything else says only its warnings.
fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    let plain = level.bytes().all(|byte| byte.is_ascii_alphabetic());
    EnvFilter::try_new(if plain { format!("warn,michub={level}") } else { level.to_owned() })
}

/// Starts logging. Returns how its level is changed later.
fn log(config: &Config) -> Result<SetLevel, Failure> {
    fn change<S>(handle: &reload::Handle<EnvFilter, S>, level: &str) -> Result<(), String> {
        let filter = filter(level).map_err(|error| error.to_string())?;
        handle.reload(filter).map_err(|error| error.to_string())
    }
    let first = filter(&config.log.level)?;
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    Ok(match config.log.format {
        LogFormat::Pretty => {
            let lines = lines.with_env_filter(first).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            Box::new(move |level| change(&handle, level))
        }
        LogFormat::Json => {
            let lines = lines.json().with_env_filter(first).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            Box::new(move |level| change(&handle, level))
        }
    })
}
