//! `cargo xtask lossy`: people behind lines of the kernel that lose packets, 1, 5 and 20 of a hundred, and behind one that is gone without a
//! word. Each line is a pair of interfaces into a network namespace, with a rule of nftables: without root it is refused.
use crate::{measure::hub, setup};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use xtask::bed;

/// How many packets of a hundred are lost.
const LOSSES: [u32; 3] = [1, 5, 20];
const PEOPLE: u64 = 50;
/// Longer than a silent line is borne.
const SECONDS: u64 = 75;
/// When a silent line must be over, by `presence.heartbeat_timeout_ms` and what a busy machine needs.
const FOUND: Duration = Duration::from_secs(65);

fn run(command: &str) -> Result<(), String> {
    let mut words = command.split_whitespace();
    let output =
        Command::new(words.next().unwrap_or_default()).args(words).output().map_err(|error| format!("{command}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command}: {}", said.trim())) }
}

/// A namespace at the end of a line of its own; both are gone with this value.
struct Line {
    name: String,
    /// The hub's end.
    address: String,
}

impl Line {
    fn new(number: u32) -> Result<Self, String> {
        let id = std::process::id();
        let name = format!("mh{}n{number}", id % 100_000);
        let net = format!("10.213.{}", (id + number) % 256);
        run(&format!("ip netns add {name}")).map_err(|why| format!("this wants root and network namespaces: {why}"))?;
        let line = Self { address: format!("{net}.1"), name };
        let name = &line.name;
        run(&format!("ip link add {name} type veth peer name inside netns {name}"))?;
        run(&format!("ip addr add {net}.1/30 dev {name}"))?;
        run(&format!("ip link set {name} up"))?;
        run(&format!("ip -n {name} addr add {net}.2/30 dev inside"))?;
        run(&format!("ip -n {name} link set inside up"))?;
        run(&format!("ip netns exec {name} nft add table inet loss"))?;
        for way in ["input", "output"] {
            run(&format!("ip netns exec {name} nft add chain inet loss {way} {{ type filter hook {way} priority 0 ; }}"))?;
        }
        Ok(line)
    }

    /// Loses so many packets of a hundred, both ways.
    fn lose(&self, percent: u32) -> Result<(), String> {
        let name = &self.name;
        let which = if percent < 100 { format!("numgen random mod 100 < {percent}") } else { String::new() };
        for way in ["input", "output"] {
            run(&format!("ip netns exec {name} nft add rule inet loss {way} {which} drop"))?;
        }
        Ok(())
    }

    /// Lets people live at its other end: connected, with a heartbeat every 2 s.
    fn people(&self, port: &str, seconds: u64) -> Result<Child, String> {
        let load = format!("load idle --clients {PEOPLE} --interval-ms 2000 --seconds {seconds} --json --target");
        Command::new("ip")
            .args(["netns", "exec", &self.name])
            .arg(hub::binary()?)
            .args(load.split_whitespace())
            .arg(format!("{}:{port}", self.address))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("michub load: {error}"))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = run(&format!("ip netns del {}", self.name));
    }
}

/// A child that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        bed::kill(&mut self.0);
    }
}

/// Reads a number of the hub's metrics.
fn metric(admin: &str, name: &str) -> Result<f64, String> {
    let said = |error: std::io::Error| format!("{admin}: {error}");
    let mut stream = TcpStream::connect(admin).map_err(said)?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").map_err(said)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(said)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.ok_or_else(|| format!("no metric {name}"))
}

/// Waits until a number of the hub's metrics is what it shall be. Returns how long that took.
#[expect(clippy::disallowed_methods, reason = "seen from outside")]
fn until(admin: &str, name: &str, wanted: f64, within: Duration) -> Result<Duration, String> {
    let begin = Instant::now();
    loop {
        let value = metric(admin, name)?;
        if value.to_bits() == wanted.to_bits() {
            return Ok(begin.elapsed());
        }
        if begin.elapsed() > within {
            return Err(format!("{name} is {value} and not {wanted} after {} s", within.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs it all, in about two and a half minutes. Errors: also where the machine cannot do it.
pub fn lossy() -> Result<(), String> {
    run("ip -V").map_err(|why| format!("Debian's iproute2 is needed: {why}"))?;
    setup::program("nft", "nftables")?;
    hub::build()?;
    let folder = hub::Folder::new()?;
    let mut child = Command::new(hub::binary()?)
        .args(["--listen", "0.0.0.0:0", "--data"])
        .arg(folder.path().join("data"))
        .current_dir(folder.path())
        .envs([
            ("MICHUB_AUTH__DEV_ALLOW_REMOTE", "true"),
            ("MICHUB_ADMIN__LISTEN", "127.0.0.1:0"),
            ("MICHUB_LOG__LEVEL", "error"),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the hub cannot be started: {error}"))?;
    let mut line = String::new();
    let _ = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
    let _hub = Running(child);
    let mut addresses = line.split("http://").skip(1).filter_map(|rest| rest.split([' ', ')']).next());
    let (Some(Some((_, port))), Some(admin)) = (addresses.next().map(|address| address.rsplit_once(':')), addresses.next())
    else {
        return Err(format!("the hub did not come up: {line}"));
    };

    let lines: Vec<Line> = (0..).take(LOSSES.len()).map(Line::new).collect::<Result<_, _>>()?;
    let mut living = Vec::new();
    for (line, percent) in lines.iter().zip(LOSSES) {
        living.push((percent, line.people(port, SECONDS)?));
        // Who comes in has 5 s for his first frame, which is little on such a line: they are in when it gets bad.
        until(admin, "michub_connections", (PEOPLE * living.len() as u64) as f64, FOUND)?;
        line.lose(percent)?;
    }
    for (percent, people) in living {
        let output = people.wait_with_output().map_err(|error| error.to_string())?;
        let report: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("michub load: {error}"))?;
        let acked = report.pointer("/counts/heartbeats acked").and_then(Value::as_u64).unwrap_or(0);
        println!(
            "{percent} % of the packets lost: {PEOPLE} people, {acked} heartbeats acked in {SECONDS} s, errors: {}",
            report["errors"]
        );
        if !output.status.success() || acked < PEOPLE * SECONDS / 4 {
            return Err(format!("{percent} % lost: {report}"));
        }
    }
    // Whoever is gone by now said so, over a line that may lose even that.
    until(admin, "michub_connections", 0.0, FOUND)?;

    let gone = Line::new(9)?;
    let _people = Running(gone.people(port, 3 * SECONDS)?);
    until(admin, "michub_connections", PEOPLE as f64, FOUND)?;
    gone.lose(100)?;
    let found = until(admin, "michub_connections", 0.0, FOUND)?;
    println!("a line that is gone without a word: found after {:.1} s", found.as_secs_f64());
    let offline = until(admin, "michub_sessions", 0.0, FOUND)?;
    println!("its people are offline {:.1} s later, and no ghost is left", offline.as_secs_f64());
    Ok(())
}
