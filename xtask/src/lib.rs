//! What tests and people need to see many nodes at work on one machine: servers, hubs, a balancer and a line that can be broken.
pub mod bed;
pub mod said;
pub mod types;

/// Returns where cargo puts something that it builds, `debug/michub` say; the folder is asked for where the project's root is.
#[must_use]
pub fn built(what: &str) -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), std::path::PathBuf::from).join(what)
}
