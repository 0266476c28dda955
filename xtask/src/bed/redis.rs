//! A Redis server of one's own.
use super::{READY, free_port, kill, local, signal, until};
use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// More arguments of redis-server, as in its configuration file with `--` in front.
    pub args: Vec<String>,
    /// Started as a Sentinel.
    pub sentinel: bool,
}

/// How long a server has for an answer.
const ANSWER: Duration = Duration::from_secs(20);

/// How often a server is tried on another port.
const TRIES: usize = 5;

/// How far from its port a server of a cluster has the one for its like, and the highest port that leaves room for that.
const BUS: u16 = 10_000;
const PORT_MAX: u16 = u16::MAX - BUS;

/// Returns a port that nobody uses now; with `bus`, nor the one that belongs to it in a cluster.
fn port(bus: bool) -> io::Result<u16> {
    loop {
        let port = free_port()?;
        if !bus || (port <= PORT_MAX && TcpListener::bind(local(port + BUS)).is_ok()) {
            return Ok(port);
        }
    }
}

/// A running server; it ends with this value.
pub struct Redis {
    child: Child,
    port: u16,
    dir: PathBuf,
    options: RedisOptions,
}

impl Redis {
    /// Starts a server in a folder that exists. Errors: there is no redis-server (`apt-get install redis-server`), or it does not come up.
    pub fn start(dir: &Path, options: RedisOptions) -> io::Result<Self> {
        let in_cluster = options.args.iter().any(|arg| arg == "--cluster-enabled");
        for _ in 1..TRIES {
            // Another process may take the port before the server does.
            match Self::on(port(in_cluster)?, dir, options.clone()) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                outcome => return outcome,
            }
        }
        Self::on(port(in_cluster)?, dir, options)
    }

    fn on(port: u16, dir: &Path, options: RedisOptions) -> io::Result<Self> {
        let mut command = Command::new("redis-server");
        if options.sentinel {
            command.arg(dir.join("sentinel.conf")).arg("--sentinel");
        }
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"]).arg("--dir").arg(dir);
        if !options.sentinel {
            command.args(["--save", ""]);
        }
        let child = command.args(&options.args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("redis-server cannot be started (apt-get install redis-server): {error}"))
        })?;
        let mut server = Self { child, port, dir: dir.to_owned(), options };
        until(READY, || match server.child.try_wait()? {
            Some(_) => Ok(()),
            None => server.ask("PING").map(drop),
        })?;
        // Whoever has answered may be another one.
        match server.child.try_wait()? {
            Some(status) => Err(io::Error::new(io::ErrorKind::AddrInUse, format!("redis-server on port {port} ended: {status}"))),
            None => Ok(server),
        }
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends one command, words separated by blanks, and returns the raw answer (up to 64 KiB of what comes at once).
    pub fn ask(&self, command: &str) -> io::Result<String> {
        self.ask_words(&command.split(' ').collect::<Vec<_>>())
    }

    /// Sends one command and returns the raw answer (up to 64 KiB of what comes at once).
    pub fn ask_words(&self, words: &[&str]) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&local(self.port), ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let mut line = format!("*{}\r\n", words.len());
        for word in words {
            line.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(line.as_bytes())?;
        let mut answer = vec![0; 65_536];
        let read = stream.read(&mut answer)?;
        answer.truncate(read);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if answer.starts_with('-') || answer.is_empty() { Err(io::Error::other(answer)) } else { Ok(answer) }
    }

    /// Ends it without a goodbye.
    pub fn kill(&mut self) {
        kill(&mut self.child);
    }

    /// Starts it again on the same port and folder.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let fresh = Self::on(self.port, &self.dir, self.options.clone())?;
        // The old value's process is gone; only the new one may be ended by a drop.
        let old = std::mem::replace(self, fresh);
        drop(old);
        Ok(())
    }

    /// Removes what it has written; for a server that is not running.
    pub fn wipe(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
        Ok(())
    }

    /// Stops the process without ending it.
    pub fn freeze(&self) -> io::Result<()> {
        signal(&self.child, "STOP")
    }

    /// Lets it go on.
    pub fn thaw(&self) -> io::Result<()> {
        signal(&self.child, "CONT")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}
