//! One lean HTTP/1.1 client: a connection that is kept, one request at a time, answers with a length.
use super::{
    client::{Failure, dial, io},
    frames,
};
use serde_json::Value;
use std::{io::ErrorKind, net::SocketAddr};
use tokio::{net::TcpStream, time::timeout};

/// How long an answer may take: longer than the hub lets a request wait.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(60);
/// The largest answer that is read.
const ANSWER_BYTES: usize = 4 << 20;

/// A connected client.
pub(super) struct Http {
    stream: TcpStream,
    target: SocketAddr,
}

impl Http {
    /// Connects from the `source`-th address of the loopback net.
    pub async fn connect(target: SocketAddr, source: u32) -> Result<Self, Failure> {
        let stream = timeout(ANSWER, dial(target, source, None)).await.map_err(|_| Failure::NoAnswer)??;
        Ok(Self { stream, target })
    }

    /// Sends a request and reads its answer. Errors: also every status but 200, by the error's name.
    pub async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Value, Failure> {
        let (host, length) = (self.target, body.len());
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}");
        let mut bytes = request.as_bytes();
        while !bytes.is_empty() {
            self.stream.writable().await.map_err(io("write"))?;
            match self.stream.try_write(bytes) {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(io("write")(error)),
            }
        }
        timeout(ANSWER, self.answer()).await.map_err(|_| Failure::NoAnswer)?
    }

    async fn answer(&mut self) -> Result<Value, Failure> {
        let mut read = Vec::new();
        loop {
            self.stream.readable().await.map_err(io("read"))?;
            let mut piece = [0; 4096];
            match self.stream.try_read(&mut piece) {
                Ok(0) => return Err(Failure::Ended),
                Ok(n) => read.extend_from_slice(piece.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(io("read")(error)),
            }
            let Some(body) = frames::after(&read, b"\r\n\r\n") else { continue };
            let head = read.get(..read.len() - body.len()).unwrap_or_default();
            let length = length_in(head).ok_or_else(|| Failure::Refused("an answer without a length".to_owned()))?;
            if length > ANSWER_BYTES {
                return Err(Failure::Refused("an answer that is too long".to_owned()));
            }
            if body.len() < length {
                continue;
            }
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            if head.starts_with(b"HTTP/1.1 200 ") {
                return Ok(value);
            }
            let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let name = value["name"].as_str().map_or_else(|| String::from_utf8_lossy(line).into_owned(), str::to_owned);
            return Err(Failure::Answered(name));
        }
    }
}

fn length_in(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_found_whatever_its_case() {
        assert_eq!(length_in(b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-LENGTH: 17\r\n\r\n"), Some(17));
        assert_eq!(length_in(b"HTTP/1.1 200 OK\r\n\r\n"), None);
        assert_eq!(length_in(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"), None);
    }
}
