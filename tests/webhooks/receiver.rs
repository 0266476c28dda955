//! A receiver: it checks signatures, keeps what it gets, and behaves as it is told.
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The secret of most tests, and another one.
pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
pub const OTHER: &str = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";

/// A message that has come in.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub path: String,
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub body: String,
}

/// What the receiver does with a message.
pub enum Reply {
    Status(u16),
    /// With a further header.
    With(u16, &'static str),
    /// It ends the connection.
    Drop,
    /// It says nothing until the hub has had enough.
    Hang,
}

impl Delivery {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    pub fn room(&self) -> String {
        self.json()["data"]["room_id"].as_str().unwrap_or_default().to_owned()
    }

    /// Tells whether one of the signatures is by this secret.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let secret = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.update(format!("{}.{}.{}", self.id, self.timestamp, self.body).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.signature.split(' ').any(|one| one == expected)
    }
}

pub struct Receiver {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Delivery>>>,
    news: Arc<Notify>,
}

impl Receiver {
    /// Starts on a free port.
    pub async fn start(behave: impl Fn(&Delivery) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), behave)
    }

    pub fn on(listener: TcpListener, behave: impl Fn(&Delivery) -> Reply + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let (got, news) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let behave = Arc::new(behave);
        let (keep, tell) = (got.clone(), news.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (behave, keep, tell) = (behave.clone(), keep.clone(), tell.clone());
                tokio::spawn(async move {
                    serve(stream, |delivery| {
                        let reply = behave(&delivery);
                        keep.lock().unwrap().push(delivery);
                        tell.notify_waiters();
                        reply
                    })
                    .await;
                });
            }
        });
        Self { address, got, news }
    }

    /// Serves until the process is killed.
    pub async fn wait_for_ever(&self) {
        std::future::pending::<()>().await;
    }

    pub fn got(&self) -> Vec<Delivery> {
        self.got.lock().unwrap().clone()
    }

    /// Waits until what has come satisfies, and returns it.
    pub async fn wait(&self, what: &str, enough: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
        let waiting = async {
            loop {
                let news = self.news.notified();
                let mut news = std::pin::pin!(news);
                news.as_mut().enable();
                let got = self.got();
                if enough(&got) {
                    return got;
                }
                news.await;
            }
        };
        timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{what}: {:#?}", self.got()))
    }
}

async fn serve(mut stream: TcpStream, take: impl Fn(Delivery) -> Reply) {
    let mut buffer = Vec::new();
    loop {
        let Some((delivery, used)) = read(&mut stream, &mut buffer).await else { return };
        buffer.drain(..used);
        let (status, header) = match take(delivery) {
            Reply::Status(status) => (status, ""),
            Reply::With(status, header) => (status, header),
            Reply::Drop => return,
            Reply::Hang => {
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
        };
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\n{header}\r\nok");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads one request; `None` = the connection is over.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(Delivery, usize)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let header = |name: &str| {
                let find = |line: &str| {
                    let (key, value) = line.split_once(": ")?;
                    key.eq_ignore_ascii_case(name).then(|| value.to_owned())
                };
                head.lines().find_map(find).unwrap_or_default()
            };
            let length: usize = header("content-length").parse().unwrap();
            if buffer.len() >= end + 4 + length {
                let delivery = Delivery {
                    path: head.split(' ').nth(1).unwrap().to_owned(),
                    id: header("webhook-id"),
                    timestamp: header("webhook-timestamp"),
                    signature: header("webhook-signature"),
                    body: String::from_utf8(buffer[end + 4..end + 4 + length].to_vec()).unwrap(),
                };
                return Some((delivery, end + 4 + length));
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
