//! The binary under test: started with settings, asked over HTTP, stopped by signals.
use crate::client::Client;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long anything may take.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A secret for `auth.mode = "jwt"`, and an API key.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub const KEY: &str = "backend-key-1";

/// The settings of a hub that needs tokens.
pub const JWT: &[(&str, &str)] = &[
    ("AUTH__MODE", "jwt"),
    ("AUTH__JWT__SECRET", SECRET),
    ("AUTH__API_KEYS", "[\"backend-key-1\"]"),
    ("LIMITS__FRAMES_PER_SECOND", "0"),
    ("LIMITS__FRAMES_PER_SECOND_PER_USER", "0"),
    ("LIMITS__COMMANDS_PER_SECOND_PER_ROOM", "0"),
    ("LIMITS__NEW_CONNECTIONS_PER_SECOND_PER_ADDRESS", "0"),
];

/// Settings under which somebody silent is offline after [`SILENCE`]: soon, and yet longer than a busy machine keeps anybody waiting.
pub const QUICK: &[(&str, &str)] = &[
    ("PRESENCE__HEARTBEAT_INTERVAL_MS", "1200"),
    ("PRESENCE__HEARTBEAT_TIMEOUT_MS", "4000"),
    ("PRESENCE__PING_INTERVAL_MS", "800"),
];
pub const SILENCE: Duration = Duration::from_millis(4_000);

pub struct Hub {
    child: Child,
    pub address: String,
    pub admin: String,
}

impl Hub {
    pub fn start(data: &Path) -> Self {
        Self::with(data, &[])
    }

    /// Starts with further settings: names without `MICHUB_`, values as in the environment.
    pub fn with(data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::logging(data, settings, Stdio::inherit())
    }

    /// Makes the command that starts it.
    pub fn command(data: &Path, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_michub"));
        // What chooses a run of the tests is no setting of the hub.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MICHUB_")) {
            command.env_remove(name);
        }
        command
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .current_dir(data)
            .env("MICHUB_ADMIN__LISTEN", "127.0.0.1:0")
            .env("MICHUB_SERVER__SHARDS", "2")
            .stdout(Stdio::piped());
        for (name, value) in settings {
            command.env(format!("MICHUB_{name}"), value);
        }
        command
    }

    /// As [`Self::with`], with a log elsewhere.
    pub fn logging(data: &Path, settings: &[(&str, &str)], log: Stdio) -> Self {
        Self::of(Self::command(data, settings).stderr(log))
    }

    /// Starts it by a command of one's own.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut addresses = line.split("://").skip(1).map(|rest| rest.split([' ', ')']).next().unwrap().to_owned());
        let (address, admin) = (addresses.next().expect("a start line"), addresses.next().unwrap());
        Self { child, address, admin }
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM and does not wait.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status().unwrap().success());
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        assert!(Command::new("kill").arg("-HUP").arg(self.id().to_string()).status().unwrap().success());
    }

    /// Tells whether an upgrade is accepted now.
    pub async fn is_let_in(&self) -> bool {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        tokio_tungstenite::client_async(format!("ws://{}/ws", self.address), stream).await.is_ok()
    }

    /// Waits for the end.
    pub async fn ended(mut self) -> ExitStatus {
        let child = std::mem::replace(&mut self.child, Command::new("true").spawn().unwrap());
        tokio::task::spawn_blocking(move || { child }.wait().unwrap()).await.unwrap()
    }

    /// Opens a socket and sends its first frame.
    pub async fn enter(&self, hello: Value) -> Client {
        let mut client = self.connect().await;
        client.say(hello).await;
        client.welcome = client.wait("welcome").await;
        client
    }

    /// Opens a socket.
    pub async fn connect(&self) -> Client {
        Client::connect(&self.address).await
    }

    pub async fn user(&self, name: &str) -> Client {
        self.enter(json!({"type": "user_online", "user_id": name})).await
    }

    /// As `user`, in room `r1`.
    pub async fn member(&self, name: &str) -> Client {
        let mut client = self.user(name).await;
        let ack = client.ask("room_join", json!({})).await;
        assert_eq!(ack["type"], "ack", "{ack}");
        client.wait("room_snapshot").await;
        client
    }

    /// Comes back with a session token.
    pub async fn resume(&self, welcome: &Value, rooms: Value) -> Client {
        let (user, token) = (&welcome["user_id"], &welcome["session_token"]);
        self.enter(json!({"type": "user_online", "user_id": user, "session_token": token, "rooms": rooms})).await
    }

    /// As `http`, with the answer's head.
    pub async fn raw(&self, method: &str, path: &str, headers: &str, body: &str) -> (String, Value) {
        exchange(&self.address, method, path, headers, body).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        http(&self.address, "GET", path, "", "").await
    }

    pub async fn get_as(&self, bearer: &str, path: &str) -> (u16, Value) {
        http(&self.address, "GET", path, &format!("Authorization: Bearer {bearer}\r\n"), "").await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        http(&self.address, "POST", path, "", &body.to_string()).await
    }

    pub async fn post_as(&self, bearer: &str, path: &str, body: Value) -> (u16, Value) {
        http(&self.address, "POST", path, &format!("Authorization: Bearer {bearer}\r\n"), &body.to_string()).await
    }

    /// The metrics, as Prometheus reads them.
    pub async fn metrics(&self) -> String {
        http(&self.admin, "GET", "/metrics", "", "").await.1.as_str().unwrap().to_owned()
    }

    /// Mints a client token with the API key.
    pub async fn mint(&self, body: Value) -> String {
        let (status, minted) = self.post_as(KEY, "/api/online-status/rts-token", body).await;
        assert_eq!(status, 200, "{minted}");
        minted["token"].as_str().unwrap().to_owned()
    }

    /// The shown status of a person.
    pub async fn status_of(&self, user: &str) -> String {
        let (status, answer) = self.get(&format!("/api/online-status?user_ids={user}")).await;
        assert_eq!(status, 200, "{answer}");
        answer["user_status"][0]["status"].as_str().unwrap().to_owned()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A header of an answer's head, by its name in small letters.
pub fn header(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// One HTTP request on a connection of its own. A body that is not JSON is returned as a text.
pub async fn http(address: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
    let (head, body) = exchange(address, method, path, headers, body).await;
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), body)
}

async fn exchange(address: &str, method: &str, path: &str, headers: &str, body: &str) -> (String, Value) {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.to_owned(), serde_json::from_str(body).unwrap_or_else(|_| body.into()))
    };
    timeout(Duration::from_secs(40), ask).await.expect("an answer in time")
}
