//! A PostgreSQL cluster of one's own. It does not run as root; there it is started as the package's own user.
use super::{READY, free_port, kill, signal, until};
use std::{
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A running cluster; it ends with this value.
pub struct Postgres {
    child: Child,
    port: u16,
    dir: PathBuf,
}

/// Returns the newest installed program of that name.
fn program(name: &str) -> io::Result<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop().ok_or_else(|| io::Error::other(format!("there is no {name} (apt-get install postgresql)")))
}

/// Makes a command that runs as a user who may run PostgreSQL.
fn command(name: &str) -> io::Result<Command> {
    let program = program(name)?;
    let is_root = Command::new("id").arg("-u").output()?.stdout.starts_with(b"0\n");
    let mut command = if is_root { Command::new("setpriv") } else { Command::new(&program) };
    if is_root {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(&program);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    Ok(command)
}

impl Postgres {
    /// Makes and starts a cluster in a folder of its own below `dir`. Errors: PostgreSQL is not there, or does not come up.
    pub fn start(dir: &Path) -> io::Result<Self> {
        let dir = dir.join("postgres");
        std::fs::create_dir_all(&dir)?;
        // Its own user must reach it, and own it; an error says that this is not root, and then it is the owner's already.
        let _ = Command::new("chmod").arg("a+rx").arg(dir.parent().unwrap_or(&dir)).status();
        let _ = Command::new("chown").arg("postgres:postgres").arg(&dir).stderr(Stdio::null()).status();
        let made = command("initdb")?
            .args(["--auth=trust", "--username=michub", "--no-sync", "--encoding=UTF8", "-D"])
            .arg(&dir)
            .status()?;
        if !made.success() {
            return Err(io::Error::other(format!("initdb: {made}")));
        }
        Self::on(free_port()?, dir)
    }

    fn on(port: u16, dir: PathBuf) -> io::Result<Self> {
        let start = || {
            let mut command = command("postgres")?;
            command.arg("-D").arg(&dir).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k"]).arg(&dir);
            command.args(["-c", "shared_buffers=32MB", "-c", "max_connections=30"]).spawn()
        };
        let mut server = Self { child: start()?, port, dir: dir.clone() };
        until(READY, || {
            // The children of one that was killed leave a moment later; until then a new one ends at once.
            if server.child.try_wait()?.is_some() {
                server.child = start()?;
            }
            server.sql("SELECT 1").map(|_| ())
        })?;
        Ok(server)
    }

    /// Returns the address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://michub@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs a statement by `psql` and returns its rows as lines, columns with `|` between them.
    pub fn sql(&self, statement: &str) -> io::Result<String> {
        let mut psql = Command::new(program("psql")?);
        let output = psql.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", statement]).output()?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    /// Ends it without a goodbye.
    pub fn kill(&mut self) {
        kill(&mut self.child);
    }

    /// Starts it again on the same port and folder.
    pub fn restart(&mut self) -> io::Result<()> {
        let fresh = Self::on(self.port, self.dir.clone())?;
        let old = std::mem::replace(self, fresh);
        drop(old);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT ends its children too; it is at its end anyway if this fails.
        let _ = signal(&self.child, "QUIT");
        let _ = self.child.wait();
    }
}
