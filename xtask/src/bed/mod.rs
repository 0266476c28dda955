//! The test bed: processes on free ports with folders of their own, ended by their own handle and by nothing else.
mod postgres;
mod proxy;
mod redis;
mod shapes;

pub use postgres::Postgres;
pub use proxy::Proxy;
pub use redis::{Redis, RedisOptions};
pub use shapes::{RedisCluster, Sentinels};

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a process has for being ready.
pub const READY: Duration = Duration::from_secs(60);

/// Where ports are looked for: below those that the system gives to outgoing connections, as the port of a server that is down for a while
/// must not become anybody else's; and so that a Redis Cluster's own port, 10,000 above, is below them, too.
const PORTS: std::ops::Range<u16> = 10_240..22_768;

/// Returns a port that nobody uses now, and that this process was not given before.
pub fn free_port() -> io::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Every hasher has keys of its own: processes begin at different places.
    let mut tries = (0..u64::from(PORTS.end - PORTS.start)).map(|number| RandomState::new().hash_one(number));
    tries
        .find_map(|number| {
            let port = PORTS.start + u16::try_from(number % u64::from(PORTS.end - PORTS.start)).ok()?;
            let free = !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
            (free && given.insert(port)).then_some(port)
        })
        .ok_or_else(|| io::Error::other("no port is free"))
}

/// Returns a loopback address.
#[must_use]
pub const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Sends a signal by its name to one process.
pub fn signal(child: &Child, name: &str) -> io::Result<()> {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("kill -{name}: {status}"))) }
}

/// Ends a process at once.
pub fn kill(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// Tries something until it works or the time is over.
#[expect(clippy::disallowed_methods, reason = "a process outside the hub is waited for, in real time")]
pub fn until<T>(within: Duration, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let end = Instant::now() + within;
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) if Instant::now() >= end => return Err(error),
            Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
        }
    }
}
