//! The michub binary: arguments, configuration, logging, then the hub.
mod cli;

use clap::Parser;
use cli::{
    args::{Args, HistoryWhat, What},
    log,
};
use michub::{
    server::{
        auth::{Auth, AuthError, AuthSetupError, Claims},
        clock::Clock,
        config::{Config, ConfigError, Loaded, StoreKind},
        history::{
            HistoryError, remote,
            report::{Ask, NOTHING_DIFFERS, RoomText, UserText},
        },
        load::{self, LoadError},
        media::simulate::{self, SimulateError},
        run::{self, reload::Reload},
        store::{StoreFault, fjall::Repair},
        webhooks::admin as webhooks,
    },
    wire::spec,
};
use std::{io::Write, net::SocketAddr, path::PathBuf, process::ExitCode};
use tracing_subscriber::filter::ParseError;

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
            // A closed stderr changes nothing about it.
            let _ = writeln!(std::io::stderr(), "michub: {failure}");
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
    fn load(&self) -> Result<Loaded, ConfigError> {
        Config::load(self.config.as_deref(), |config| {
            config.server.listen = self.listen.unwrap_or(config.server.listen);
            if let Some(dir) = &self.data {
                config.data.dir.clone_from(dir);
            }
            config.demo.enabled |= self.demo;
            config.demo.faults |= self.demo;
        })
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
    let Loaded { config, ignored } = flags.load()?;
    let command = args.command.as_ref().unwrap_or(&What::Serve);
    if !matches!(command, What::Serve) {
        ignored.iter().for_each(|variable| eprintln!("michub: ignored: {variable}"));
    }
    match command {
        What::Serve => {
            let level = log::start(&config)?;
            for variable in &ignored {
                tracing::warn!("ignored: {variable}");
            }
            let read = move || flags.load().map(|loaded| loaded.config);
            Ok(run::run(config, Reload { read: Box::new(read), level })?)
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
