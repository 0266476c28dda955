//! The hub beside a Centrifugo that its user has: the same clients on the same machine, in turns, each server with its defaults.
//! It says what the two cost for what both can do; it does not say which of them somebody needs.
use super::{
    hub::{self, Folder, Report},
    times::median,
};
use serde_json::json;
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use xtask::bed;

const IDLE: &str = "idle --clients 10000 --sources 100 --interval-ms 60000 --seconds 10";
const FANOUT: &str = "--subscribers 1000 --rate 50 --seconds 6";
/// How often each server has its turn; the median counts.
const ROUNDS: usize = 3;
const STARTS: usize = 11;

/// A column of the table.
struct Server {
    name: String,
    binary: PathBuf,
    /// What it is configured with, if it is not the hub.
    kept: Option<bool>,
}

/// A running server; it ends with this value.
struct Running {
    child: Child,
    address: SocketAddr,
    /// From the start of the process to the first connection that it takes.
    start: Duration,
    _folder: Folder,
}

impl Drop for Running {
    fn drop(&mut self) {
        bed::kill(&mut self.child);
    }
}

impl Server {
    fn dialect(&self) -> &'static str {
        if self.kept.is_some() { "centrifugo" } else { "hub" }
    }

    #[expect(clippy::disallowed_methods, reason = "the start of a process is timed from outside")]
    fn start(&self) -> Result<Running, String> {
        let folder = Folder::in_memory()?;
        let address = bed::local(bed::free_port().map_err(|error| error.to_string())?);
        let mut command = Command::new(&self.binary);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(kept) = self.kept {
            let path = folder.path().join("config.json");
            fs::write(&path, settings(address, kept)).map_err(|error| format!("{}: {error}", path.display()))?;
            command.arg("-c").arg(&path);
        } else {
            command.args(["--listen", &address.to_string(), "--data"]).arg(folder.path().join("data"));
            command.env("MICHUB_ADMIN__LISTEN", "127.0.0.1:0").env("MICHUB_LOG__LEVEL", "error");
            command.env("MICHUB_LIMITS__CONNECTIONS_MAX", hub::CONNECTIONS);
            command.env("MICHUB_LIMITS__HTTP_CONNECTIONS_MAX", hub::CONNECTIONS);
        }
        let begin = Instant::now();
        let child = command.spawn().map_err(|error| format!("{}: {error}", self.binary.display()))?;
        let mut running = Running { child, address, start: Duration::ZERO, _folder: folder };
        while TcpStream::connect(address).is_err() {
            if begin.elapsed() > bed::READY {
                return Err(format!("{} takes no connections", self.name));
            }
        }
        running.start = begin.elapsed();
        Ok(running)
    }

    /// Starts it, and puts a load on it.
    fn load(&self, load: &str) -> Result<Report, String> {
        let running = self.start()?;
        let load = format!("{load} --dialect {}", self.dialect());
        hub::load_on(&running.address.to_string(), &running.child.id().to_string(), &load)
    }
}

/// Nobody needs a token, as with `auth.mode = "dev"`. `kept`: rooms can be continued after a drop, and tell who is in them, as the hub's.
fn settings(address: SocketAddr, kept: bool) -> String {
    let channels = if kept {
        json!({"history_size": 256, "history_ttl": "300s", "force_recovery": true, "presence": true})
    } else {
        json!({})
    };
    json!({
        "http_server": {"address": address.ip(), "port": address.port()},
        "client": {"insecure": true},
        "channel": {"without_namespace": channels},
        "log": {"level": "error"},
        "usage_stats": {"disabled": true},
    })
    .to_string()
}

fn megabytes(binary: &Path) -> Result<f64, String> {
    Ok(fs::metadata(binary).map_err(|error| format!("{}: {error}", binary.display()))?.len() as f64 / 1e6)
}

/// Returns what it calls itself.
fn version(binary: &Path, arg: &str) -> Result<String, String> {
    let output = Command::new(binary).arg(arg).output().map_err(|error| format!("{}: {error}", binary.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Measures, and prints the table.
pub fn beside(args: &[String]) -> Result<(), String> {
    let [other] = args else { return Err("usage: cargo xtask beside BINARY    (a Centrifugo 6)".to_owned()) };
    let other = fs::canonicalize(other).map_err(|error| format!("{other}: {error}"))?;
    hub::build()?;
    let (own, foreign) = (version(&hub::binary()?, "--version")?, version(&other, "version")?);
    let servers = [
        Server { name: own, binary: hub::binary()?, kept: None },
        Server { name: foreign.clone(), binary: other.clone(), kept: Some(false) },
        Server { name: format!("{foreign}, with history, recovery and presence"), binary: other, kept: Some(true) },
    ];
    let mut rows: Vec<(&str, Vec<f64>)> = Vec::new();
    rows.push(("size of the binary, MB", servers.iter().map(|one| megabytes(&one.binary)).collect::<Result<_, _>>()?));
    let mut starts = vec![f64::INFINITY; servers.len()];
    for _ in 0..STARTS {
        for (best, server) in starts.iter_mut().zip(&servers) {
            *best = best.min(server.start()?.start.as_secs_f64() * 1_000.0);
        }
    }
    rows.push(("start to the first connection taken, the quickest of 11, ms", starts));
    let idle = servers.iter().map(|one| one.load(IDLE)?.number("/hub/rss_kb_per_client"));
    rows.push(("resident memory per idle connection, 10,000 of them, KB", idle.collect::<Result<_, _>>()?));
    let (mut costs, mut lates) = (vec![Vec::new(); servers.len()], vec![Vec::new(); servers.len()]);
    let (mut sizes, mut bounds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        sizes.clear();
        for ((costs, lates), server) in costs.iter_mut().zip(&mut lates).zip(&servers) {
            let run = server.load(&format!("fanout {FANOUT}"))?;
            let frames = run.number("/counts/messages delivered")?;
            costs.push(run.number("/hub/cpu_ns")? / frames / 1_000.0);
            lates.push(run.ms("last subscriber", "p99")?);
            sizes.push(run.number("/counts/bytes delivered")? / frames);
        }
        let bound = hub::load_on("127.0.0.1:1", "", &format!("bound {FANOUT}"))?;
        bounds.push(bound.number("/counts/writer ns")? / bound.number("/counts/messages delivered")? / 1_000.0);
    }
    rows.push((
        "processor time per delivered message, 1,000 subscribers, 50 messages per second, µs",
        costs.into_iter().map(median).collect(),
    ));
    rows.push(("a message reaches the last of 1,000 subscribers, p99, ms", lates.into_iter().map(median).collect()));
    rows.push(("bytes of such a message on the wire", sizes));
    let names: Vec<&str> = servers.iter().map(|one| one.name.as_str()).collect();
    println!("| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    for (what, values) in rows {
        let values: Vec<String> = values.into_iter().map(|value| format!("{value:.2}")).collect();
        println!("| {what} | {} |", values.join(" | "));
    }
    println!("\nA loop that only writes: {:.2} µs per message.", median(bounds));
    Ok(())
}
