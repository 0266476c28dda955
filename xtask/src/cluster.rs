//! `cargo xtask cluster [HUBS] [standalone|cluster|sentinel]`: a Redis of that shape, hubs on it and a balancer in front, to look at.
use crate::{cargo::cargo, measure::hub::Folder, setup};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
};
use tokio::signal::unix::{SignalKind, signal};
use xtask::bed::{Proxy, Redis, RedisCluster, RedisOptions, Sentinels, kill};

const USAGE: &str = "usage: cargo xtask cluster [HUBS] [standalone|cluster|sentinel]";
const SHAPES: [&str; 3] = ["standalone", "cluster", "sentinel"];
/// How many hubs are started unless something else is said.
const HUBS: usize = 3;
/// As many hubs as a machine shows well.
const HUBS_MAX: usize = 16;

/// The Redis of a cluster; it ends with this value.
enum Shape {
    One(Redis),
    Cluster(RedisCluster),
    Sentinel(Sentinels),
}

impl Shape {
    fn start(name: &str, dir: &Path) -> Result<Self, String> {
        let started = match name {
            "standalone" => Redis::start(dir, RedisOptions::default()).map(Self::One),
            "cluster" => RedisCluster::start(dir).map(Self::Cluster),
            "sentinel" => Sentinels::start(dir).map(Self::Sentinel),
            _ => return Err(USAGE.to_owned()),
        };
        started.map_err(|error| format!("Redis: {error}"))
    }

    fn urls(&self) -> String {
        match self {
            Self::One(redis) => redis.url(),
            Self::Cluster(cluster) => cluster.urls(),
            Self::Sentinel(sentinels) => sentinels.urls(),
        }
    }
}

/// The hubs; they end with this value.
struct Hubs(Vec<Child>);

impl Drop for Hubs {
    fn drop(&mut self) {
        for hub in &mut self.0 {
            kill(hub);
        }
    }
}

/// Starts everything, says where it is, and ends it when a line or a signal comes in.
pub fn run(rest: &[String]) -> Result<(), String> {
    let (count, rest) = match rest.split_first().and_then(|(first, rest)| Some((first.parse().ok()?, rest))) {
        Some((count, rest)) => (count, rest),
        None => (HUBS, rest),
    };
    if !(1..=HUBS_MAX).contains(&count) {
        return Err(format!("HUBS: 1 to {HUBS_MAX}"));
    }
    let shape = match rest {
        [] => "standalone",
        [one] if SHAPES.contains(&one.as_str()) => one,
        _ => return Err(USAGE.to_owned()),
    };
    setup::redis()?;
    cargo("the hub", &["build", "--bin", "michub"], [])?;
    let end = listen()?;
    let folder = Folder::new()?;
    let redis_dir = folder.path().join("redis");
    std::fs::create_dir_all(&redis_dir).map_err(|error| format!("{}: {error}", redis_dir.display()))?;
    let redis = Shape::start(shape, &redis_dir)?;
    println!("Redis ({shape}): {}", redis.urls());
    let mut hubs = Hubs(Vec::new());
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for number in 0..count {
        let (child, line) = start_hub(&folder.path().join(format!("hub{number}")), shape, &redis.urls())?;
        hubs.0.push(child);
        println!("{line}");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        addresses.push(address.ok_or_else(|| format!("hub {number} did not start: {line}"))?);
    }
    let balancer = Proxy::start(addresses, 1).map_err(|error| format!("balancer: {error}"))?;
    println!("balancer: http://{}  (its lines go to the hubs in turn)\nEnter ends everything.", balancer.address());
    if end.recv() == Ok(End::Closed) {
        println!("The input is closed, so everything ends. This stays: tail -f /dev/null | cargo xtask cluster");
    }
    Ok(())
}

/// Why everything ends.
#[derive(PartialEq, Eq)]
enum End {
    Line,
    Closed,
    Signal,
}

/// Listens for a line and for a signal, from before the first process is started.
fn listen() -> Result<Receiver<End>, String> {
    let (sender, end) = mpsc::channel();
    let line = sender.clone();
    std::thread::spawn(move || {
        let read = std::io::stdin().lock().read_line(&mut String::new());
        line.send(if read.is_ok_and(|read| read == 0) { End::Closed } else { End::Line })
    });
    let wrong = |error: std::io::Error| format!("signals: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(wrong)?;
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let (mut signals, sender) = (runtime.block_on(async { signal(kind) }).map_err(wrong)?, sender.clone());
        runtime.spawn(async move {
            signals.recv().await;
            sender.send(End::Signal)
        });
    }
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    Ok(end)
}

fn start_hub(data: &Path, shape: &str, urls: &str) -> Result<(Child, String), String> {
    let mut command = Command::new(xtask::built("debug/michub"));
    command.args(["--listen", "127.0.0.1:0", "--demo", "--data"]).arg(data).stdout(Stdio::piped());
    command.env("MICHUB_ADMIN__LISTEN", "127.0.0.1:0").env("MICHUB_SERVER__SHARDS", "1").env("MICHUB_STORE__KIND", "redis");
    command.env("MICHUB_STORE__REDIS__SHAPE", shape).env("MICHUB_STORE__REDIS__URL", urls);
    let mut child = command.spawn().map_err(|error| format!("the hub: {error}"))?;
    let mut line = String::new();
    let out = child.stdout.take().ok_or("the hub has no output")?;
    BufReader::new(out).read_line(&mut line).map_err(|error| format!("the hub: {error}"))?;
    Ok((child, line.trim_end().to_owned()))
}
