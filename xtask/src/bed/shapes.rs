//! Larger Redis set-ups: a cluster of six servers, and a master with a replica watched by three Sentinels.
use super::{READY, Redis, RedisOptions, free_port, until};
use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

fn folder(dir: &Path, name: &str) -> io::Result<std::path::PathBuf> {
    let path = dir.join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

fn options(args: &[&str]) -> RedisOptions {
    RedisOptions { args: args.iter().map(ToString::to_string).collect(), sentinel: false }
}

/// A replica gets everything as soon as it asks, and not seconds later.
const AT_ONCE: &[&str] = &["--repl-diskless-sync-delay", "0"];

/// Checks that so many servers are replicas that have what their master has.
fn has_replicas(servers: &[Redis], count: usize) -> io::Result<()> {
    let mut synced = 0;
    for server in servers {
        synced += usize::from(server.ask("INFO replication")?.contains("master_link_status:up"));
    }
    if synced == count { Ok(()) } else { Err(io::Error::other("a replica has not got everything yet")) }
}

/// Three masters with a replica each; ends with this value.
pub struct RedisCluster {
    /// The servers, masters first.
    pub servers: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the servers and joins them. Errors: there is no redis-server or redis-cli.
    pub fn start(dir: &Path) -> io::Result<Self> {
        let mut servers = Vec::new();
        for number in 0..6 {
            let args = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--cluster-replica-validity-factor", "0"];
            let args = [&args[..], AT_ONCE].concat();
            servers.push(Redis::start(&folder(dir, &format!("node{number}"))?, options(&args))?);
        }
        let addresses = servers.iter().map(|server| format!("127.0.0.1:{}", server.port()));
        let mut join = Command::new("redis-cli");
        join.args(["--cluster", "create"]).args(addresses).args(["--cluster-replicas", "1", "--cluster-yes"]);
        let status = join.stdout(Stdio::null()).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("redis-cli --cluster create: {status}")));
        }
        let cluster = Self { servers };
        until(READY, || {
            for server in &cluster.servers {
                if !server.ask("CLUSTER INFO")?.contains("cluster_state:ok") {
                    return Err(io::Error::other("the cluster is not complete"));
                }
            }
            has_replicas(&cluster.servers, 3)
        })?;
        Ok(cluster)
    }

    /// Returns the addresses as URLs with commas between them.
    #[must_use]
    pub fn urls(&self) -> String {
        self.servers.iter().map(Redis::url).collect::<Vec<_>>().join(",")
    }

    /// Moves the first `slots` slots that the first master holds to the second.
    pub fn reshard(&self, slots: usize) -> io::Result<()> {
        let [first, second, ..] = self.servers.as_slice() else { return Err(io::Error::other("two masters are needed")) };
        let name = |server: &Redis| -> io::Result<String> {
            let answer = server.ask("CLUSTER MYID")?;
            answer.lines().nth(1).map(str::to_owned).ok_or_else(|| io::Error::other("no name"))
        };
        let mut reshard = Command::new("redis-cli");
        reshard.args(["--cluster", "reshard", &format!("127.0.0.1:{}", first.port()), "--cluster-from", &name(first)?]);
        reshard.args(["--cluster-to", &name(second)?, "--cluster-slots", &slots.to_string(), "--cluster-yes"]);
        let status = reshard.stdout(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("redis-cli --cluster reshard: {status}"))) }
    }
}

/// A master, a replica and three Sentinels; ends with this value.
pub struct Sentinels {
    /// The master and its replica.
    pub servers: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl Sentinels {
    /// Starts everything. Errors: there is no redis-server.
    pub fn start(dir: &Path) -> io::Result<Self> {
        let master = Redis::start(&folder(dir, "master")?, options(AT_ONCE))?;
        let port = master.port().to_string();
        let replica = Redis::start(&folder(dir, "replica")?, options(&["--replicaof", "127.0.0.1", &port]))?;
        let mut sentinels = Vec::new();
        for number in 0..3 {
            let path = folder(dir, &format!("sentinel{number}"))?;
            let watch = format!(
                "port {}\nsentinel monitor mymaster 127.0.0.1 {port} 2\nsentinel down-after-milliseconds mymaster 1000\n\
                 sentinel failover-timeout mymaster 5000\n",
                free_port()?
            );
            std::fs::write(path.join("sentinel.conf"), watch)?;
            sentinels.push(Redis::start(&path, RedisOptions { args: Vec::new(), sentinel: true })?);
        }
        let all = Self { servers: vec![master, replica], sentinels };
        until(READY, || {
            for sentinel in &all.sentinels {
                let answer = sentinel.ask("SENTINEL master mymaster")?;
                let words: Vec<&str> = answer.lines().collect();
                let knows = |key: &str, value: &str| {
                    words.iter().position(|word| *word == key).and_then(|at| words.get(at + 2)) == Some(&value)
                };
                if !knows("num-slaves", "1") || !knows("num-other-sentinels", "2") {
                    return Err(io::Error::other("the Sentinels do not know each other"));
                }
            }
            has_replicas(&all.servers, 1)
        })?;
        Ok(all)
    }

    /// Returns the Sentinels' addresses as URLs with commas between them.
    #[must_use]
    pub fn urls(&self) -> String {
        self.sentinels.iter().map(Redis::url).collect::<Vec<_>>().join(",")
    }
}
