//! Cargo as the other commands use it: one call, and whether it went well.
use std::process::Command;

/// Runs cargo. Errors: it cannot be started, or ends with another status than 0.
pub fn cargo<'a>(what: &str, args: &[&str], env: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), String> {
    let status = Command::new("cargo").args(args).envs(env).status().map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{what}: {status}")) }
}
