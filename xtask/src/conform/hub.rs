//! The hub that foreign programs meet: a debug build, a process of its own on free ports with a folder of its own. It ends with its value.
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use xtask::bed;

/// The secret and the API key of a hub that needs tokens.
pub const SECRET: &str = "conformance-secret-of-32-bytes-0";
/// See `SECRET`.
pub const KEY: &str = "conformance-backend-key";

/// A running hub.
pub struct Hub {
    child: Child,
    /// Where it listens, `127.0.0.1:PORT`.
    pub address: String,
    folder: PathBuf,
}

impl Hub {
    /// Builds a hub and starts it with these settings, `("SERVER__SHARDS", "1")`.
    pub fn start(name: &str, settings: &[(&str, &str)]) -> Result<Self, String> {
        let built = Command::new("cargo").args(["build", "-q", "--bin", "michub"]).status();
        if !built.is_ok_and(|status| status.success()) {
            return Err("the hub cannot be built".to_owned());
        }
        let folder = std::env::temp_dir().join(format!("michub-conform-{}-{name}", std::process::id()));
        let failed = |error: std::io::Error| format!("the hub cannot be started: {error}");
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let binary = std::fs::canonicalize(xtask::built("debug/michub")).map_err(failed)?;
        let mut command = Command::new(binary);
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(folder.join("data")).current_dir(&folder);
        command.env("MICHUB_ADMIN__LISTEN", "127.0.0.1:0").env("MICHUB_LOG__LEVEL", "warn");
        for (key, value) in settings {
            command.env(format!("MICHUB_{key}"), value);
        }
        let log = File::create(folder.join("log")).map_err(failed)?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(failed)?;
        }
        let address =
            line.split_once("http://").and_then(|(_, rest)| rest.split_once(' ')).map(|(address, _)| address.to_owned());
        let mut hub = Self { child, address: String::new(), folder };
        hub.address = address.ok_or_else(|| format!("the hub did not come up: {line}{}", hub.log()))?;
        Ok(hub)
    }

    /// Starts a hub that needs tokens and knows one API key, with further settings; rates are off, as they are without tokens.
    pub fn start_jwt(name: &str, more: &[(&str, &str)]) -> Result<Self, String> {
        let keys = format!("[\"{KEY}\"]");
        let own = [
            ("AUTH__MODE", "jwt"),
            ("AUTH__JWT__SECRET", SECRET),
            ("AUTH__API_KEYS", &keys),
            ("LIMITS__FRAMES_PER_SECOND", "0"),
            ("LIMITS__FRAMES_PER_SECOND_PER_USER", "0"),
            ("LIMITS__COMMANDS_PER_SECOND_PER_ROOM", "0"),
            ("LIMITS__NEW_CONNECTIONS_PER_SECOND_PER_ADDRESS", "0"),
        ];
        Self::start(name, &[&own, more].concat())
    }

    /// Returns the process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) -> Result<(), String> {
        bed::signal(&self.child, name).map_err(|error| error.to_string())
    }

    /// Returns what it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Returns a folder that is gone with the hub.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        bed::kill(&mut self.child);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
