//! Texts of the configuration that no log, page or error may show.
use serde::{Deserialize, Serialize};

/// A text that is never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "\"(redacted)\"" })
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { "(redacted)" })
    }
}

/// An address of a server; a name and password in it are never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Address(pub String);

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://(redacted)@{host}"),
            _ => url.to_owned(),
        };
        f.write_str(&self.0.split(',').map(shown).collect::<Vec<_>>().join(","))
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Secret {
    /// Reads `env:NAME` from the environment. Errors: the variable's name, if it is not set.
    pub(in crate::server) fn resolve(&mut self) -> Result<(), String> {
        let Some(variable) = self.0.strip_prefix("env:").map(str::to_owned) else { return Ok(()) };
        self.0 = std::env::var(&variable).map_err(|_| variable)?;
        Ok(())
    }
}
