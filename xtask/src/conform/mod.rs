//! `cargo xtask conform`: what other people's programs say of a hub. Each check installs what it needs and starts a hub of its own.
pub mod clients;
pub mod http;

/// Runs one check. Errors: it is unknown, or it failed.
pub fn run(rest: &[String]) -> Result<(), String> {
    match rest.split_first() {
        Some((what, names)) if what == "clients" => clients::run(names),
        _ => Err("usage: cargo xtask conform clients [NAME...]".to_owned()),
    }
}
