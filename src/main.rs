//! The michub binary: arguments, configuration, logging, then the hub.
use clap::{Parser, Subcommand};
use michub::{
    hub::id::{RoleId, RoomId, UserId},
    server::{
        auth::{Auth, Claims},
        clock::Clock,
        config::{Config, LogFormat},
        load::{self, LoadArgs},
        run,
    },
};
use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode};

/// The signalling hub of a voice room: who is here, who is free, who speaks next.
#[derive(Parser)]
#[command(name = "michub", version)]
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
        #[arg(long)]
        user_id: String,
        /// The room of the role
        #[arg(long, requires = "role")]
        room: Option<String>,
        /// The role in that room
        #[arg(long, requires = "room")]
        role: Option<String>,
        /// How long it lives, in seconds
        #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
        ttl: u64,
    },
    /// Puts load on a running hub and measures it
    Load(LoadArgs),
}

fn main() -> ExitCode {
    let args = Args::parse();
    match begin(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("michub: {message}");
            ExitCode::FAILURE
        }
    }
}

fn begin(args: &Args) -> Result<(), String> {
    if let Some(What::Load(load)) = &args.command {
        return load::run(load.clone()).map_err(|error| error.to_string());
    }
    let mut config = Config::load(args.config.as_deref()).map_err(|error| error.to_string())?;
    config.server.listen = args.listen.unwrap_or(config.server.listen);
    config.data.dir = args.data.clone().unwrap_or(config.data.dir);
    config.check().map_err(|error| error.to_string())?;
    match args.command.as_ref().unwrap_or(&What::Serve) {
        What::Serve => {
            log(&config)?;
            run::run(config).map_err(|error| error.to_string())
        }
        What::CheckConfig => {
            println!("the configuration is good");
            Ok(())
        }
        What::PrintConfig => {
            print!("{}", toml::to_string(&config).map_err(|error| error.to_string())?);
            Ok(())
        }
        What::Load(_) => Ok(()),
        What::Token { user_id, room, role, ttl } => token(&config, user_id, room.as_deref().zip(role.as_deref()), *ttl),
    }
}

fn token(config: &Config, user_id: &str, role: Option<(&str, &str)>, ttl: u64) -> Result<(), String> {
    let user = UserId::parse(user_id).map_err(|error| format!("--user-id: {error}"))?;
    let mut rooms = std::collections::BTreeMap::new();
    if let Some((room, role)) = role {
        let room = RoomId::parse(room).map_err(|error| format!("--room: {error}"))?;
        rooms.insert(room, RoleId::parse(role).map_err(|error| format!("--role: {error}"))?);
    }
    let auth = Auth::new(&config.auth, &config.data.dir, Clock::new()).map_err(|error| error.to_string())?;
    let claims = Claims { user, user_type: None, rooms, expires_at: 0, issued_at: 0 };
    let (token, _) = auth.mint(&claims, ttl).map_err(|error| error.to_string())?;
    println!("{token}");
    Ok(())
}

fn log(config: &Config) -> Result<(), String> {
    let level = &config.log.level;
    let plain = level.bytes().all(|byte| byte.is_ascii_alphabetic());
    let filter = if plain { format!("warn,michub={level}") } else { level.clone() };
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| format!("log.level: {error}"))?;
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    match config.log.format {
        LogFormat::Pretty => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
