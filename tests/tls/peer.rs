//! A client over TLS, and the certificates that both sides need.
use crate::hub::{DEADLINE, Hub};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::{path::Path, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::ring, pki_types::ServerName, version},
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// A certificate for `localhost` that is its own authority.
pub struct Signed(rcgen::CertifiedKey<rcgen::KeyPair>);

impl Signed {
    pub fn new() -> Self {
        Self(rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap())
    }

    /// Writes certificate and key where [`settings`] says.
    pub fn write(&self, dir: &Path) {
        std::fs::write(dir.join("cert.pem"), self.0.cert.pem()).unwrap();
        std::fs::write(dir.join("key.pem"), self.0.signing_key.serialize_pem()).unwrap();
    }

    /// What a client needs that trusts this one only, and speaks these versions.
    pub fn trusted(&self, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.cert.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    /// As [`Self::trusted`], with both versions.
    pub fn trust(&self) -> TlsConnector {
        self.trusted(&[&version::TLS12, &version::TLS13])
    }
}

/// Starts a hub with a certificate, and further settings.
pub fn hub(dir: &Path, signed: &Signed, settings: &[(&str, &str)]) -> Hub {
    signed.write(dir);
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let own = [("SERVER__TLS_CERT_FILE", cert.to_str().unwrap()), ("SERVER__TLS_KEY_FILE", key.to_str().unwrap())];
    Hub::with(dir, &[&own, settings].concat())
}

/// Opens a TLS line.
pub async fn dial(address: &str, tls: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tls.connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

/// One HTTP request on a line of its own: the whole answer, read to a clean end.
pub async fn http(address: &str, tls: &TlsConnector, path: &str, headers: &str) -> String {
    let mut line = dial(address, tls).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    line.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, line.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

pub struct Peer {
    pub socket: WebSocketStream<TlsStream<TcpStream>>,
    next: i64,
}

impl Peer {
    pub async fn connect(address: &str, tls: &TlsConnector) -> Self {
        let (socket, _) = client_async("wss://localhost/ws", dial(address, tls).await.unwrap()).await.unwrap();
        Self { socket, next: 1 }
    }

    /// Opens a socket and says who it is.
    pub async fn enter(address: &str, tls: &TlsConnector, user: &str) -> Self {
        let mut peer = Self::connect(address, tls).await;
        peer.say(serde_json::json!({"type": "user_online", "user_id": user})).await;
        peer.until(|frame| frame["type"] == "welcome").await;
        peer
    }

    pub async fn say(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            match timeout(DEADLINE, self.socket.next()).await.expect("a frame in time").expect("an open socket").unwrap() {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if wanted(&frame) {
                        return frame;
                    }
                }
                Message::Close(close) => panic!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    /// Asks in room `r1`, and returns the ack.
    pub async fn ok(&mut self, kind: &str, fields: Value) -> Value {
        let id = self.next;
        self.next += 1;
        let mut frame = serde_json::json!({"type": kind, "id": id, "room_id": "r1"});
        frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.say(frame).await;
        let answer = self.until(|frame| frame["id"] == id).await;
        assert_eq!(answer["type"], "ack", "{kind}: {answer}");
        answer
    }

    /// Reads to the end: the code of the close frame, and whether TLS was ended as it should be.
    pub async fn closed(&mut self) -> (u16, bool) {
        let mut code = 0;
        loop {
            match timeout(DEADLINE, self.socket.next()).await.expect("an end in time") {
                Some(Ok(Message::Close(close))) => code = close.map_or(1005, |close| close.code.into()),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    panic!("not a clean end after {code}: {error}")
                }
                None => break,
            }
        }
        let mut rest = Vec::new();
        (code, timeout(DEADLINE, self.socket.get_mut().read_to_end(&mut rest)).await.unwrap().is_ok())
    }
}
