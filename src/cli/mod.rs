//! What belongs to the binary alone: its command line, its log, and one function per command.
pub mod args;
mod log;
mod report;
mod store;

use self::args::{Args, HistoryWhat, What};
use michub::{
    hub::id::{RoleId, RoomId, UserId},
    server::{
        auth::{Auth, AuthError, AuthSetupError, Claims},
        clock::Clock,
        config::{Config, ConfigError, Loaded},
        history::{
            HistoryError,
            report::{Ask, RoomText, UserText},
        },
        load::{self, LoadError},
        media::simulate::{self, SimulateError},
        run::{self, reload::Reload},
        store::StoreFault,
        webhooks::admin as webhooks,
    },
    wire::spec,
};
use std::{io::Write, net::SocketAddr, path::PathBuf};
use tracing_subscriber::filter::ParseError;

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
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

    /// Reads the configuration for a command that ends soon, and says what in the environment is ignored.
    fn read(&self) -> Result<Config, ConfigError> {
        let Loaded { config, ignored } = self.load()?;
        ignored.iter().for_each(|variable| eprintln!("michub: ignored: {variable}"));
        Ok(config)
    }
}

/// Does what the command line asks for.
pub fn run(args: Args) -> Result<(), Failure> {
    let Args { command, config, listen, data, demo } = args;
    let flags = Flags { config, listen, data, demo };
    match command.unwrap_or(What::Serve) {
        What::Serve => serve(flags),
        What::Spec { which } => print_spec(&which),
        What::Load(load) => Ok(load::run(load)?),
        What::SimulateMedia(what) => Ok(simulate::run_here(what)?),
        What::CheckConfig => {
            run::check(&flags.read()?)?;
            println!("the configuration is good");
            Ok(())
        }
        What::PrintConfig => {
            print!("{}", toml::to_string(&flags.read()?)?);
            Ok(())
        }
        What::Token { user_id, room, role, ttl } => print_token(&flags.read()?, user_id, room.zip(role), ttl),
        What::History { what: HistoryWhat::Export { room, user_id, from, to } } => {
            let (room, user) = (room.map(RoomText), user_id.map(UserText));
            let (from_ms, to_ms) = (from.unwrap_or(0), to.unwrap_or(u64::MAX));
            report::print(&flags.read()?, Ask::Export { room, user, from_ms, to_ms }).map(drop)
        }
        What::Replay { room, until, state } => report::replay(&flags.read()?, room, until, state),
        What::Why { room, user } => {
            report::print(&flags.read()?, Ask::Why { room: RoomText(room), user: UserText(user) }).map(drop)
        }
        What::Health => report::health(&flags.read()?),
        What::Webhooks { what } => {
            let text = webhooks::ask(flags.read()?.admin.listen, &what.into())?;
            std::io::stdout().write_all(text.as_bytes()).map_err(Failure::Output)
        }
        What::Repair { accept_empty } => store::repair(&flags.read()?, accept_empty),
    }
}

fn serve(flags: Flags) -> Result<(), Failure> {
    let Loaded { config, ignored } = flags.load()?;
    let level = log::start(&config)?;
    for variable in &ignored {
        tracing::warn!("ignored: {variable}");
    }
    let read = move || flags.load().map(|loaded| loaded.config);
    Ok(run::run(config, Reload { read: Box::new(read), level })?)
}

fn print_token(config: &Config, user: UserId, role: Option<(RoomId, RoleId)>, seconds: u64) -> Result<(), Failure> {
    let rooms = role.into_iter().collect();
    let claims = Claims { user, user_type: None, rooms, expires_at: 0, issued_at: 0, issued_ms: 0 };
    let auth = Auth::new(&config.auth, &config.data.dir, Clock::new())?;
    println!("{}", auth.mint(&claims, seconds)?.0);
    Ok(())
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
