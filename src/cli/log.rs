//! Log lines on stderr, and their level while the hub runs.
use michub::server::{
    config::{Config, LogFormat},
    run::reload::SetLevel,
};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, filter::ParseError, reload};

/// Makes the filter of a `log.level`: a bare level is that of michub, and everything else says only its warnings.
fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    let plain = level.bytes().all(|byte| byte.is_ascii_alphabetic());
    EnvFilter::try_new(if plain { format!("warn,michub={level}") } else { level.to_owned() })
}

/// Starts logging. Returns how its level is changed later. Errors: a level that is none.
pub fn start(config: &Config) -> Result<SetLevel, ParseError> {
    fn change<S>(handle: &reload::Handle<EnvFilter, S>, level: &str) -> Result<(), String> {
        let filter = filter(level).map_err(|error| error.to_string())?;
        handle.reload(filter).map_err(|error| error.to_string())
    }
    let first = filter(&config.log.level)?;
    // A log that is full takes no complaint about that either: trying it would end whoever tries.
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false);
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
