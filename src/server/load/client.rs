//! One lean client: a socket, a handshake, frames in and out. Reading shares one buffer per thread; a client keeps only a frame's torn rest.
use super::{dialect::Dialect, frames};
use std::{
    cell::RefCell,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// How long an answer may take.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// The largest response head that is read.
const HEAD_BYTES: usize = 8_192;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

/// Why a client cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}: {1:?}")]
    Io(&'static str, ErrorKind),
    #[error("no answer within {} s", ANSWER.as_secs())]
    NoAnswer,
    #[error("the handshake was refused: {0}")]
    Refused(String),
    #[error("closed by the hub with {0}")]
    Closed(u16),
    #[error("the hub ended the connection")]
    Ended,
    #[error("the hub answered {0}")]
    Answered(String),
}

pub(super) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Failure {
    move |error| Failure::Io(what, error.kind())
}

/// Connects from the `source`-th address of the loopback net, with a receive buffer of its own size if one is given.
pub(super) async fn dial(target: SocketAddr, source: u32, receive: Option<u32>) -> Result<TcpStream, Failure> {
    let stream = if let (true, IpAddr::V4(_)) = (target.ip().is_loopback(), target.ip()) {
        let socket = TcpSocket::new_v4().map_err(io("socket"))?;
        let [.., last] = (2 + source % 250).to_be_bytes();
        if let Some(bytes) = receive {
            socket.set_recv_buffer_size(bytes).map_err(io("receive buffer"))?;
        }
        socket.bind(SocketAddr::new(Ipv4Addr::new(127, 0, 0, last).into(), 0)).map_err(io("bind"))?;
        socket.connect(target).await.map_err(io("connect"))?
    } else {
        TcpStream::connect(target).await.map_err(io("connect"))?
    };
    stream.set_nodelay(true).map_err(io("nodelay"))?;
    Ok(stream)
}

/// A connected client.
pub(super) struct Client {
    stream: TcpStream,
    torn: Vec<u8>,
    /// How many bytes are read at once.
    most: usize,
    /// How many bytes came in.
    pub bytes: u64,
    /// How the server is spoken to.
    pub dialect: Dialect,
}

impl Client {
    /// Connects from the `source`-th address of the loopback net, and upgrades.
    pub async fn connect(target: SocketAddr, source: u32) -> Result<Self, Failure> {
        Self::connect_as(Dialect::Hub, target, source, None).await
    }

    /// As `connect`, in a dialect, and with a receive buffer of its own size.
    pub async fn connect_as(dialect: Dialect, target: SocketAddr, source: u32, receive: Option<u32>) -> Result<Self, Failure> {
        let stream = timeout(ANSWER, dial(target, source, receive)).await.map_err(|_| Failure::NoAnswer)??;
        let mut client = Self { stream, torn: Vec::new(), most: usize::MAX, bytes: 0, dialect };
        let (path, headers) = dialect.door();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {target}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: bWljaHViIGxvYWQgdGVzdA==\r\n{headers}\r\n"
        );
        client.write(request.as_bytes()).await?;
        timeout(ANSWER, client.read_head()).await.map_err(|_| Failure::NoAnswer)??;
        Ok(client)
    }

    /// From now on so many bytes are read at once, at most.
    pub const fn at_most(&mut self, bytes: usize) {
        self.most = bytes;
    }

    async fn read_head(&mut self) -> Result<(), Failure> {
        let mut head = Vec::new();
        loop {
            self.stream.readable().await.map_err(io("read"))?;
            let mut piece = [0; 1024];
            match self.stream.try_read(&mut piece) {
                Ok(0) => return Err(Failure::Ended),
                Ok(n) => head.extend_from_slice(piece.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(io("read")(error)),
            }
            if let Some(rest) = frames::after(&head, b"\r\n\r\n") {
                if !head.starts_with(b"HTTP/1.1 101") {
                    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
                    return Err(Failure::Refused(String::from_utf8_lossy(line).into_owned()));
                }
                self.torn = rest.to_vec();
                return Ok(());
            }
            if head.len() > HEAD_BYTES {
                return Err(Failure::Refused("a head without end".to_owned()));
            }
        }
    }

    /// Sends one text frame.
    pub async fn send(&self, text: &str) -> Result<(), Failure> {
        let mut frame = Vec::with_capacity(text.len() + 14);
        frames::put(&mut frame, 1, text.as_bytes());
        self.write(&frame).await
    }

    /// Sends bytes that are frames already.
    pub async fn write(&self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.stream.writable().await.map_err(io("write"))?;
                }
                Err(error) => return Err(io("write")(error)),
            }
        }
        Ok(())
    }

    /// Waits for input, once, and hands over the payload of every text frame in it. Pings are answered. Cancel-safe.
    pub async fn read(&mut self, mut each: impl FnMut(&[u8])) -> Result<(), Failure> {
        let pings = match self.take(&mut each)? {
            Some(pings) => pings,
            None => {
                self.stream.readable().await.map_err(io("read"))?;
                self.pull(&mut each)?
            }
        };
        for _ in 0..pings {
            let mut pong = Vec::new();
            self.dialect.pong(&mut pong);
            self.write(&pong).await?;
        }
        Ok(())
    }

    /// Takes whole frames that came together with the handshake.
    fn take(&mut self, each: &mut impl FnMut(&[u8])) -> Result<Option<u32>, Failure> {
        if frames::split(&self.torn).is_none() {
            return Ok(None);
        }
        let torn = std::mem::take(&mut self.torn);
        let (rest, pings) = walk(self.dialect, &torn, each)?;
        self.torn = rest.to_vec();
        Ok(Some(pings))
    }

    /// Reads what is there, once. Returns how many pings came.
    fn pull(&mut self, each: &mut impl FnMut(&[u8])) -> Result<u32, Failure> {
        BUFFER.with_borrow_mut(|buffer| {
            let kept = self.torn.len();
            if buffer.len() < kept + 65_536 {
                buffer.resize(kept + 65_536, 0);
            }
            if let Some(front) = buffer.get_mut(..kept) {
                front.copy_from_slice(&self.torn);
            }
            let end = buffer.len().min(kept.saturating_add(self.most));
            match self.stream.try_read(buffer.get_mut(kept..end).unwrap_or_default()) {
                Ok(0) => Err(Failure::Ended),
                Ok(n) => {
                    self.bytes += n as u64;
                    let (rest, pings) = walk(self.dialect, buffer.get(..kept + n).unwrap_or_default(), each)?;
                    self.torn = rest.to_vec();
                    Ok(pings)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
                Err(error) => Err(io("read")(error)),
            }
        })
    }

    /// Reads until `pick` returns something, within [`ANSWER`]; it sees every frame that was read until then.
    pub async fn wait<R>(&mut self, mut pick: impl FnMut(&[u8]) -> Option<R>) -> Result<R, Failure> {
        let mut found = None;
        let reading = async {
            loop {
                self.read(|payload| {
                    let picked = pick(payload);
                    found = found.take().or(picked);
                })
                .await?;
                if let Some(found) = found.take() {
                    return Ok(found);
                }
            }
        };
        timeout(ANSWER, reading).await.map_err(|_| Failure::NoAnswer)?
    }

    /// Sends a request and waits for its answer; everything else that comes is passed over. Errors: also what the hub refuses.
    pub async fn ask(&mut self, id: u64, text: &str) -> Result<Vec<u8>, Failure> {
        let dialect = self.dialect;
        self.send(text).await?;
        let answer = self.wait(|payload| (dialect.answer_id(payload) == Some(id)).then(|| payload.to_vec())).await?;
        match dialect.refusal(&answer) {
            Some(name) => Err(Failure::Answered(name)),
            None => Ok(answer),
        }
    }

    /// Says hello. Returns the welcome.
    pub async fn hello(&mut self, user: &str, more: &str) -> Result<Vec<u8>, Failure> {
        let dialect = self.dialect;
        self.send(&dialect.hello(user, more)).await?;
        let is_answer = |payload: &[u8]| dialect.is_welcome(payload) || dialect.refusal(payload).is_some();
        let answer = self.wait(|payload| is_answer(payload).then(|| payload.to_vec())).await?;
        match dialect.refusal(&answer) {
            Some(name) => Err(Failure::Answered(name)),
            None => Ok(answer),
        }
    }
}

/// Returns the `id` of an ack or error of the hub.
pub(super) fn answer_id(payload: &[u8]) -> Option<u64> {
    Dialect::Hub.answer_id(payload)
}

/// Returns the name of an error of the hub.
pub(super) fn refusal(payload: &[u8]) -> Option<String> {
    Dialect::Hub.refusal(payload)
}

/// Goes through whole frames. Returns what is left, and how many pings there were.
fn walk<'a>(dialect: Dialect, mut input: &'a [u8], each: &mut impl FnMut(&[u8])) -> Result<(&'a [u8], u32), Failure> {
    let mut pings = 0;
    while let Some((opcode, payload, rest)) = frames::split(input) {
        match opcode {
            1 => pings += dialect.each(payload, each),
            8 => {
                let code = payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code));
                return Err(Failure::Closed(code));
            }
            9 => pings += 1,
            _ => {}
        }
        input = rest;
    }
    Ok((input, pings))
}
