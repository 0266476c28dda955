//! What a Redis of one's own has to do for the hub: commits per second of its core, how long an ack takes, what idle people cost it.
use super::{
    hub::{self, Folder, Hub},
    row::{Goal, Row},
};
use xtask::bed::{self, Redis, RedisOptions};

/// A server, its replica if it has one, and their folders.
struct Bed {
    master: Redis,
    _replica: Option<Redis>,
    _folders: Vec<Folder>,
}

impl Bed {
    fn start(args: &[&str], with_replica: bool) -> Result<Self, String> {
        crate::setup::redis()?;
        let mut folders = Vec::new();
        let mut start = |args: Vec<String>| {
            let folder = Folder::new()?;
            let server =
                Redis::start(folder.path(), RedisOptions { args, sentinel: false }).map_err(|error| error.to_string())?;
            folders.push(folder);
            Ok::<_, String>(server)
        };
        let master = start(args.iter().map(|arg| (*arg).to_owned()).collect())?;
        let port = master.port().to_string();
        let replica = with_replica.then(|| start(vec!["--replicaof".to_owned(), "127.0.0.1".to_owned(), port])).transpose()?;
        if with_replica {
            bed::until(bed::READY, || match master.ask("INFO replication")? {
                info if info.contains("state=online") => Ok(()),
                _ => Err(std::io::Error::other("the replica is not online")),
            })
            .map_err(|error| error.to_string())?;
        }
        Ok(Self { master, _replica: replica, _folders: folders })
    }

    fn hub(&self, durability: &str) -> Result<Hub, String> {
        self.hub_with(&[("STORE__REDIS__DURABILITY", durability)])
    }

    fn hub_with(&self, more: &[(&str, &str)]) -> Result<Hub, String> {
        let url = self.master.url();
        let settings = [&[("STORE__KIND", "redis"), ("STORE__REDIS__URL", url.as_str())], more].concat();
        Hub::start(&settings, &[])
    }

    /// Reads a number of `INFO`.
    fn info(&self, name: &str) -> Result<f64, String> {
        let info = self.master.ask("INFO").map_err(|error| error.to_string())?;
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok()).ok_or_else(|| format!("Redis does not tell its {name}"))
    }

    fn counted(&self) -> Result<Rates, String> {
        let (commands, trips) = (self.info("total_commands_processed")?, self.info("total_reads_processed")?);
        Ok(Rates { commands, trips, core: self.cpu()? })
    }

    /// Returns the seconds of processor time that the server has used, its own threads for persistence not among them.
    fn cpu(&self) -> Result<f64, String> {
        Ok(self.info("used_cpu_sys_main_thread")? + self.info("used_cpu_user_main_thread")?)
    }
}

/// Commits per second of a Redis core, over many rooms and in one.
pub fn commits() -> Result<Vec<Row>, String> {
    let bed = Bed::start(&[], false)?;
    let hub = bed.hub("async")?;
    let before = bed.cpu()?;
    let many = hub.load("fanout --rooms 1000 --subscribers 1 --rate 0 --seconds 8 --sources 50")?;
    let cpu = bed.cpu()? - before;
    let hot = hub.load("queue --admins 64 --queued 20 --depth 4 --seconds 5")?;
    let (second, third) = (bed.hub("async")?, bed.hub("async")?);
    let shared = hub::load(&[&hub, &second, &third], "queue --admins 63 --queued 21 --depth 4 --seconds 5")?;
    Ok(vec![
        Row {
            key: "redis_commits",
            what: "commits per second of one Redis core, 1,000 rooms, one node",
            value: many.number("/counts/commands answered")? / cpu,
            unit: "",
            goal: Goal::AtLeast(40_000.0),
        },
        Row {
            key: "redis_commits_wall",
            what: "commits per second of the clock to one Redis, 1,000 rooms, hub and load generator beside it",
            value: many.number("/counts/commands answered")? / many.number("/seconds")?,
            unit: "",
            goal: Goal::None,
        },
        Row {
            key: "redis_hot",
            what: "moves per second that 64 admins get acked in one room, Redis, one node",
            value: hot.number("/counts/commands acked")? / hot.number("/seconds")?,
            unit: "",
            goal: Goal::None,
        },
        Row {
            key: "redis_hot_nodes",
            what: "moves per second that 63 admins on three nodes get acked in one room, Redis",
            value: shared.number("/counts/commands acked")? / shared.number("/seconds")?,
            unit: "",
            goal: Goal::None,
        },
        Row {
            key: "redis_hot_p99",
            what: "ack of a move among 63 admins on three nodes, 4 moves open each, p99",
            value: shared.ms("ack", "p99")?,
            unit: "ms",
            goal: Goal::None,
        },
    ])
}

/// Command to ack of one admin alone, by durability.
pub fn acks() -> Result<Vec<Row>, String> {
    let async_ = (
        "async",
        &[][..],
        false,
        ["redis_async_p50", "redis_async_p99"],
        ["Redis, durability async: command to ack, p50", "Redis, durability async: command to ack, p99"],
    );
    let replica = (
        "replica",
        &[][..],
        true,
        ["redis_replica_p50", "redis_replica_p99"],
        ["Redis, durability replica: command to ack, p50", "Redis, durability replica: command to ack, p99"],
    );
    let disk_args = &["--appendonly", "yes", "--appendfsync", "always"][..];
    let disk = (
        "disk",
        disk_args,
        false,
        ["redis_disk_p50", "redis_disk_p99"],
        ["Redis, durability disk: command to ack, p50", "Redis, durability disk: command to ack, p99"],
    );
    let mut rows = Vec::new();
    for (durability, args, with_replica, keys, whats) in [async_, replica, disk] {
        let bed = Bed::start(args, with_replica)?;
        let hub = bed.hub(durability)?;
        let run = hub.load("queue --admins 1 --queued 20 --depth 1 --seconds 4")?;
        for ((key, what), quantile) in keys.into_iter().zip(whats).zip(["p50", "p99"]) {
            rows.push(Row { key, what, value: run.ms("ack", quantile)?, unit: "ms", goal: Goal::None });
        }
    }
    Ok(rows)
}

/// What people cost Redis who are only there, and what it costs to show them to other tools.
pub fn idle() -> Result<Vec<Row>, String> {
    let (alone, shown) = (idle_rates("0")?, idle_rates("120")?);
    let row = |key, what, value, goal| Row { key, what, value, unit: "", goal };
    Ok(vec![
        row(
            "redis_idle",
            "Redis commands per second with 20,000 idle people on two nodes, inside scripts included, not shown to other tools",
            alone.commands,
            Goal::AtMost(10.0),
        ),
        row("redis_idle_trips", "the same, times per second that Redis reads from a line", alone.trips, Goal::None),
        row(
            "redis_idle_shown",
            "Redis commands per second with everybody shown to other tools, a SET per person and 120 s",
            shown.commands,
            Goal::None,
        ),
        row("redis_idle_shown_trips", "the same, times per second that Redis reads from a line", shown.trips, Goal::None),
        row("redis_idle_shown_cpu", "the same, part of one Redis core, in thousandths", shown.core * 1_000.0, Goal::None),
    ])
}

/// What Redis has had to do, by its own counters, or has to do in a second.
struct Rates {
    commands: f64,
    /// Reads from lines: what is sent at once is read at once.
    trips: f64,
    /// Seconds of its main thread.
    core: f64,
}

#[expect(clippy::disallowed_methods, reason = "a rate is counted over real time")]
fn idle_rates(projection_seconds: &str) -> Result<Rates, String> {
    let bed = Bed::start(&[], false)?;
    let hub = || bed.hub_with(&[("STORE__REDIS__PROJECTION_SECONDS", projection_seconds)]);
    let hubs = [hub()?, hub()?];
    std::thread::scope(|scope| {
        let loads: Vec<_> =
            hubs.iter().map(|hub| scope.spawn(|| hub.load("idle --clients 10000 --sources 100 --seconds 45"))).collect();
        // Long enough for everybody to be in and for what follows an opening to be over.
        std::thread::sleep(std::time::Duration::from_secs(25));
        let (begin, from) = (std::time::Instant::now(), bed.counted()?);
        std::thread::sleep(std::time::Duration::from_secs(15));
        let (to, seconds) = (bed.counted()?, begin.elapsed().as_secs_f64());
        for load in loads {
            load.join().map_err(|_| "a load panicked".to_owned())??;
        }
        Ok(Rates {
            commands: (to.commands - from.commands) / seconds,
            trips: (to.trips - from.trips) / seconds,
            core: (to.core - from.core) / seconds,
        })
    })
}
