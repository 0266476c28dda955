//! One foreign client: a process that is told what to do line by line and says what it sees (`tests/clients/README.md`).
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};
use xtask::bed;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a client has seen.
#[derive(Debug, PartialEq)]
pub enum Seen {
    /// Connected, with this subprotocol.
    Open(String),
    /// The upgrade was refused with this status.
    Refused(String),
    /// A frame came.
    Frame(Value),
    /// A pong came.
    Pong,
    /// The socket is closed, with this code.
    Closed(u16),
}

impl Seen {
    fn parse(line: &str) -> Result<Self, String> {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        let seen = match what {
            "open" => Some(Self::Open(rest.to_owned())),
            "refused" => Some(Self::Refused(rest.to_owned())),
            "text" => serde_json::from_str(rest).ok().map(Self::Frame),
            "pong" => Some(Self::Pong),
            "closed" => rest.parse().ok().map(Self::Closed),
            _ => None,
        };
        seen.ok_or_else(|| format!("the client says {line:?}"))
    }

    /// Tells whether it is of no interest unless asked for: it may come between any two others.
    fn is_aside(&self) -> bool {
        match self {
            Self::Pong => true,
            Self::Frame(frame) => frame["type"] == "room_presence",
            _ => false,
        }
    }
}

/// A foreign client; its process ends with this value.
pub struct Client {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Client {
    /// Starts the process.
    pub fn start(mut command: Command) -> Result<Self, String> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| format!("{command:?}: {error}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the client has no stdio".to_owned());
        };
        let (said, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, stdin, lines })
    }

    /// Tells it to do something.
    pub fn tell(&mut self, line: &str) -> Result<(), String> {
        let told = writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush());
        told.map_err(|error| format!("the client has gone: {error}"))
    }

    /// Sends a frame.
    pub fn send(&mut self, frame: &Value) -> Result<(), String> {
        self.tell(&format!("send {frame}"))
    }

    fn any(&mut self, within: Duration) -> Result<Option<Seen>, String> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Seen::parse(&line).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Waits for what it sees next. Pongs and `room_presence` are passed over.
    pub fn next(&mut self) -> Result<Seen, String> {
        loop {
            match self.any(DEADLINE)? {
                None => return Err("nothing came in time".to_owned()),
                Some(seen) if seen.is_aside() => {}
                Some(seen) => return Ok(seen),
            }
        }
    }

    /// Waits for a frame, which must be the next one and of this type.
    pub fn frame(&mut self, kind: &str) -> Result<Value, String> {
        match self.next()? {
            Seen::Frame(frame) if frame["type"] == kind => Ok(frame),
            other => Err(format!("{kind} expected, came {other:?}")),
        }
    }

    /// Waits for a pong; nothing but `room_presence` may come before it.
    pub fn pong(&mut self) -> Result<(), String> {
        loop {
            match self.any(DEADLINE)? {
                Some(Seen::Pong) => return Ok(()),
                Some(seen) if seen.is_aside() => {}
                other => return Err(format!("a pong expected, came {other:?}")),
            }
        }
    }

    /// Does nothing for a while. Errors: something else than a pong or `room_presence` came.
    pub fn silence(&mut self, rounds: u32) -> Result<(), String> {
        for _ in 0..rounds {
            match self.any(Duration::from_millis(100))? {
                Some(seen) if !seen.is_aside() => return Err(format!("silence expected, came {seen:?}")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits for the end, and for the frame `closing` that comes before it if the code is one of michub's own. Returns that frame.
    pub fn end(&mut self, code: u16) -> Result<Value, String> {
        let mut closing = Value::Null;
        loop {
            match self.next()? {
                Seen::Frame(frame) if frame["type"] == "closing" && frame["code"] == code => closing = frame,
                Seen::Closed(got) if got == code && (code < 4000 || !closing.is_null()) => return Ok(closing),
                other => return Err(format!("the end with {code} expected, came {other:?}")),
            }
        }
    }

    /// Closes the socket and waits for its end; the code is the client's affair.
    pub fn close(&mut self) -> Result<(), String> {
        self.tell("close")?;
        loop {
            if let Seen::Closed(_) = self.next()? {
                return Ok(());
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        bed::kill(&mut self.child);
    }
}
