//! The hub that is measured: a release build, a process of its own on a free port with a folder of its own, and the loads that are put on it.
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use xtask::bed;

/// More than the load generator has sockets.
pub const CONNECTIONS: &str = "19900";

/// Returns what is measured: the release build, unless `XTASK_BINARY` names another one: an older build, say, to compare with.
pub fn binary() -> Result<PathBuf, String> {
    let path = std::env::var_os("XTASK_BINARY").map_or_else(|| xtask::built("release/michub"), PathBuf::from);
    std::fs::canonicalize(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Builds what is measured.
pub fn build() -> Result<(), String> {
    if std::env::var_os("XTASK_BINARY").is_some() {
        return binary().map(drop);
    }
    let status = Command::new("cargo").args(["build", "--release", "--bin", "michub"]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo build: {status}")),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
    }
}

/// A folder that is gone with this value.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder.
    pub fn new() -> Result<Self, String> {
        Self::inside(std::env::temp_dir())
    }

    /// Makes an empty folder in memory, where the system has a place for that.
    pub fn in_memory() -> Result<Self, String> {
        let memory = PathBuf::from("/dev/shm");
        Self::inside(if memory.is_dir() { memory } else { std::env::temp_dir() })
    }

    fn inside(place: PathBuf) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("michub-measure-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let path = place.join(name);
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running hub; it ends with this value.
pub struct Hub {
    child: Child,
    address: String,
    admin: String,
    _data: Folder,
}

impl Hub {
    /// Starts a hub with these settings, `("SERVER__SHARDS", "1")`, under a program such as valgrind if `under` names one.
    pub fn start(settings: &[(&str, &str)], under: &[&str]) -> Result<Self, String> {
        Self::start_in(Folder::new()?, settings, under)
    }

    /// As `start`, with its data in this folder.
    pub fn start_in(data: Folder, settings: &[(&str, &str)], under: &[&str]) -> Result<Self, String> {
        let binary = binary()?;
        let mut command = match under.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path().join("data"));
        // Not the project's own config.toml: the built-in defaults, which that one repeats.
        command.current_dir(data.path());
        command.env("MICHUB_ADMIN__LISTEN", "127.0.0.1:0").env("MICHUB_LOG__LEVEL", "error");
        command.env("MICHUB_LIMITS__CONNECTIONS_MAX", CONNECTIONS).env("MICHUB_LIMITS__HTTP_CONNECTIONS_MAX", CONNECTIONS);
        command.env("MICHUB_LIMITS__LONG_POLLS_PER_ROOM", CONNECTIONS);
        for (key, value) in settings {
            command.env(format!("MICHUB_{key}"), value);
        }
        let log = std::fs::File::create(data.path().join("log")).map_err(|error| error.to_string())?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("the hub cannot be started: {error}"))?;
        let mut line = String::new();
        let read = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let mut addresses = line.split("http://").skip(1).filter_map(|rest| rest.split([' ', ')']).next()).map(str::to_owned);
        let (Some(address), Some(admin)) = (addresses.next(), addresses.next()) else {
            bed::kill(&mut child);
            let log = std::fs::read_to_string(data.path().join("log")).unwrap_or_default();
            return Err(format!("the hub did not come up ({read:?}): {line}{log}"));
        };
        Ok(Self { child, address, admin, _data: data })
    }

    /// Returns where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns where its admin listener is.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Puts a load on it and shows what comes of it.
    pub fn show(&self, args: &[String]) -> Result<(), String> {
        match command(&self.address, &self.pid().to_string(), args)?.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("michub load: {status}")),
            Err(error) => Err(format!("michub load cannot be started: {error}")),
        }
    }

    /// Puts a load on it, shows the progress and returns the report. Errors: also errors that the load has met.
    pub fn load(&self, args: &str) -> Result<Report, String> {
        load(&[self], args)
    }
}

fn command(target: &str, pids: &str, args: &[String]) -> Result<Command, String> {
    let mut command = Command::new(binary()?);
    command.arg("load").args(args).args(["--target", target]);
    if !pids.is_empty() {
        command.args(["--hub-pid", pids]);
    }
    Ok(command)
}

/// Puts a load on several nodes, which share its clients, shows the progress and returns the report. Errors: also errors that the load has met.
pub fn load(hubs: &[&Hub], args: &str) -> Result<Report, String> {
    let list = |of: &dyn Fn(&Hub) -> String| hubs.iter().map(|hub| of(hub)).collect::<Vec<_>>().join(",");
    load_on(&list(&|hub| hub.address.clone()), &list(&|hub| hub.pid().to_string()), args)
}

/// As `load`, for whatever listens on these addresses and has these numbers; commas between them.
pub fn load_on(target: &str, pids: &str, args: &str) -> Result<Report, String> {
    let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
    eprintln!("   michub load {}", args.join(" "));
    let output = command(target, pids, &args)?
        .arg("--json")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("michub load cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str::<Value>(&text).map_err(|_| format!("michub load {}: no report", args.join(" ")))?;
    if output.status.success() {
        Ok(Report(report))
    } else {
        Err(format!("michub load {}: {}", args.join(" "), report["errors"]))
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        bed::kill(&mut self.child);
    }
}

/// What a load has measured.
pub struct Report(Value);

impl Report {
    /// Returns a number by its pointer, `/counts/frames delivered`.
    pub fn number(&self, pointer: &str) -> Result<f64, String> {
        self.0.pointer(pointer).and_then(Value::as_f64).ok_or_else(|| format!("the report has no {pointer}"))
    }

    /// Returns a latency in milliseconds.
    pub fn ms(&self, what: &str, quantile: &str) -> Result<f64, String> {
        Ok(self.number(&format!("/latency_us/{what}/{quantile}"))? / 1000.0)
    }
}
