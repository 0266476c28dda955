//! How soon a media server hears whether somebody may publish: the whole question over HTTP, ticket and seat looked at each time.
use super::{
    hub::Hub,
    row::{Goal, Row},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Instant,
};

const QUESTIONS: usize = 10_000;
/// So many servers ask at once.
const ASKERS: usize = 4;

const SETTINGS: &[(&str, &str)] = &[
    ("MEDIA__M__KIND", "srs"),
    ("MEDIA__M__SECRET_PATH", "\"0123456789abcdef\""),
    ("MEDIA__M__GATE", "enforce"),
    ("ROOM__RULES__QUEUE_MODE", "free"),
];

/// A connection that stays open.
struct Line {
    stream: BufReader<TcpStream>,
    address: String,
}

impl Line {
    fn open(address: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream: BufReader::new(stream), address: address.to_owned() })
    }

    /// Asks, and reads the whole answer.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        let said = |error: std::io::Error| format!("{path}: {error}");
        let (address, length) = (&self.address, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes()).map_err(said)?;
        let mut left = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).map_err(said)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                left = value.trim().parse().map_err(|_| format!("{path}: {line}"))?;
            }
        }
        let mut body = vec![0; left];
        self.stream.read_exact(&mut body).map_err(said)?;
        serde_json::from_slice(&body).map_err(|error| format!("{path}: {error}"))
    }
}

/// Asks as SRS does, each time for another client of the stream; returns the microseconds until each answer.
#[expect(clippy::disallowed_methods, reason = "a measurement has a clock of its own")]
fn asker(address: &str, ticket: &str, number: usize) -> Result<Vec<u128>, String> {
    let mut line = Line::open(address)?;
    let mut times = Vec::with_capacity(QUESTIONS / ASKERS);
    for question in 0..QUESTIONS / ASKERS {
        // Every other one is refused.
        let (allowed, ticket) = (question % 2 == 0, if question % 2 == 0 { ticket } else { "none" });
        let body = json!({"server_id": "s", "service_id": "k", "action": "on_publish", "client_id": format!("c{number}"), "vhost": "v",
            "app": "live", "tcUrl": "rtmp://h/live", "stream": "r1_u_main", "param": format!("?t={ticket}")});
        let body = body.to_string();
        let from = Instant::now();
        let answer = line.ask("POST", "/api/hooks/m/0123456789abcdef/on_publish", &body)?;
        times.push(from.elapsed().as_micros());
        if (answer["code"] == 0) != allowed {
            return Err(format!("a question was answered with {answer}"));
        }
    }
    Ok(times)
}

/// The gate's answer, p50 and p99.
pub fn gate() -> Result<Vec<Row>, String> {
    let hub = Hub::start(SETTINGS, &[])?;
    let address = hub.address().to_owned();
    let mut line = Line::open(&address)?;
    line.ask("POST", "/api/poll/heartbeat", &json!({"user_id": "u", "rooms": [{"room_id": "r1"}]}).to_string())?;
    let seated = line.ask("POST", "/api/rooms/r1/commands", &json!({"type": "seat_take", "act_as": "u"}).to_string())?;
    let ticket = line.ask("GET", "/api/rooms/r1/publish-ticket?user_id=u", "")?;
    let ticket = ticket["ticket"].as_str().ok_or_else(|| format!("no ticket: {seated} {ticket}"))?;
    let all: Result<Vec<Vec<u128>>, String> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..ASKERS)
            .map(|number| {
                scope.spawn({
                    let address = &address;
                    move || asker(address, ticket, number)
                })
            })
            .collect();
        started.into_iter().map(|asker| asker.join().unwrap_or_else(|_| Err("an asker panicked".to_owned()))).collect()
    });
    let mut times = all?.concat();
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default() as f64 / 1000.0;
    eprintln!("   {} questions, the slowest {} µs", times.len(), times.last().copied().unwrap_or_default());
    Ok(vec![
        Row {
            key: "gate_p50",
            what: "a media server asks whether somebody may publish, and has the answer, p50",
            value: at(50),
            unit: "ms",
            goal: Goal::None,
        },
        Row {
            key: "gate_p99",
            what: "the same, p99 of 10,000 questions of 4 servers at once",
            value: at(99),
            unit: "ms",
            goal: Goal::AtMost(5.0),
        },
    ])
}
