//! Clients without a socket that take everything a socket would get: in answers that wait, and in one stream.
use crate::{
    client::Client,
    hub::{DEADLINE, Hub, JWT},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

const BEAT: &str = "/api/poll/heartbeat";

/// A client that names where it is in each request, and goes on from what it has heard.
struct Listener<'a> {
    hub: &'a Hub,
    body: Value,
    frames: Vec<Value>,
}

impl<'a> Listener<'a> {
    async fn new(hub: &'a Hub, body: Value) -> Self {
        let mut own = Self { hub, body, frames: Vec::new() };
        own.ask(json!({"wait_ms": 0, "own_session": true})).await;
        own
    }

    async fn ask(&mut self, more: Value) -> Value {
        let mut body = self.body.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = self.hub.post(BEAT, body).await;
        assert_eq!((status, &answer["messages"]), (200, &json!([])), "{answer}");
        self.body["session_token"] = answer["session_token"].clone();
        if let Some(heard) = answer.get("heard") {
            self.body["heard"] = heard.clone();
        }
        for room in answer["rooms"].as_array().unwrap() {
            self.moves(room, &["msg_cursor"]);
        }
        for frame in answer["frames"].as_array().into_iter().flatten() {
            self.moves(frame, &["cursor", "msg_cursor"]);
            self.frames.push(frame.clone());
        }
        answer
    }

    /// Notes where it is in a room from here on.
    fn moves(&mut self, said: &Value, keys: &[&str]) {
        for room in self.body["rooms"].as_array_mut().into_iter().flatten().filter(|room| room["room_id"] == said["room_id"]) {
            for key in keys.iter().filter(|key| said.get(key).is_some()) {
                room[*key] = said[*key].clone();
            }
        }
    }

    /// Takes what has come up to the frame that fits, waiting for it.
    async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        timeout(DEADLINE, async {
            loop {
                if let Some(at) = self.frames.iter().position(&fits) {
                    return self.frames.drain(..=at).next_back().unwrap();
                }
                self.ask(json!({"wait_ms": 25_000})).await;
            }
        })
        .await
        .expect("the frame in time")
    }

    async fn kind(&mut self, kind: &str) -> Value {
        self.until(|frame| frame["type"] == kind).await
    }
}

#[tokio::test]
async fn a_listener_hears_what_a_socket_hears() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let mut p = Listener::new(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}]})).await;
    assert_eq!(p.kind("room_snapshot").await["state"]["owner_user_id"], "own");
    let joined = p.kind("room_presence").await;
    assert_eq!(joined["online"], 2);
    own.ok("message", json!({"to_user_id": "p", "message": "hi"})).await;
    assert_eq!(p.kind("message").await["message"], "hi");
    own.ok("queue_join", json!({})).await;
    assert_eq!(p.kind("room_update").await["events"][0]["event"], "queue_joined");
    for class in ["must", "normal", "droppable"] {
        own.ok("room_message", json!({"class": class, "kind": "text", "body": class})).await;
        assert_eq!(p.kind("room_message").await["body"], class);
    }
    let watched = p.ask(json!({"watch": ["own", "nobody"]})).await;
    assert_eq!(watched["user_status"][0]["status"], "online");
    own.ok("status_change", json!({"status": "busy"})).await;
    let told = p.until(|frame| frame["type"] == "userOnlineStatus").await;
    assert_eq!((&told["user_status"][0]["user_id"], &told["user_status"][0]["status"]), (&json!("own"), &json!("busy")));
    p.ask(json!({"watch": []})).await;
    own.ok("status_change", json!({"status": "away"})).await;
    own.ok("message", json!({"to_user_id": "p", "message": "after"})).await;
    let after = p.until(|frame| matches!(frame["type"].as_str(), Some("userOnlineStatus" | "message"))).await;
    assert_eq!(after["message"], "after", "nobody is watched any more");
}

#[tokio::test]
async fn an_answer_that_is_lost_loses_nothing_and_none_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    let mut p = Listener::new(&hub, json!({"user_id": "p"})).await;
    for text in ["one", "two"] {
        own.ok("message", json!({"to_user_id": "p", "message": text})).await;
    }
    let texts = |frames: &[Value]| frames.iter().map(|frame| frame["message"].clone()).collect::<Vec<_>>();
    let before = p.body["heard"].clone();
    p.until(|frame| frame["message"] == "two").await;
    // As if that answer had not arrived: asked again from where the client was.
    p.frames.clear();
    let heard = std::mem::replace(&mut p.body["heard"], before);
    p.ask(json!({"wait_ms": 0})).await;
    assert_eq!(texts(&p.frames), ["one", "two"]);
    p.frames.clear();
    p.body["heard"] = heard;
    p.ask(json!({"wait_ms": 0})).await;
    assert!(p.frames.is_empty(), "{:?}", p.frames);
    // A heartbeat beside it takes nothing away.
    own.ok("message", json!({"to_user_id": "p", "message": "three"})).await;
    p.ask(json!({})).await;
    assert_eq!(p.kind("message").await["message"], "three");
    // What it has is not told once more by the socket that takes over; the rest is.
    own.ok("message", json!({"to_user_id": "p", "message": "four"})).await;
    let hello =
        json!({"type": "user_online", "user_id": "p", "session_token": p.body["session_token"], "heard": p.body["heard"]});
    let mut socket = hub.enter(hello).await;
    assert_eq!(socket.wait("message").await["message"], "four");
}

#[tokio::test]
async fn each_page_has_a_session_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    let mut pages = [Listener::new(&hub, json!({"user_id": "p"})).await, Listener::new(&hub, json!({"user_id": "p"})).await];
    assert_ne!(pages[0].body["session_token"], pages[1].body["session_token"]);
    assert_eq!(own.ok("message", json!({"to_user_id": "p", "message": "both"})).await["delivered"], 2);
    for page in &mut pages {
        assert_eq!(page.kind("message").await["message"], "both");
    }
}

#[tokio::test]
async fn who_is_kicked_hears_why_and_stays_out() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path());
    let mut own = hub.member("own").await;
    let mut p = Listener::new(&hub, json!({"user_id": "p", "rooms": [{"room_id": "r1"}]})).await;
    p.kind("room_presence").await;
    own.ok("user_kick", json!({"target_user_id": "p"})).await;
    let update = p.kind("room_update").await;
    assert_eq!(update["events"][0]["event"], "member_kicked");
    // He still names the room in the next request: that does not bring him back.
    p.ask(json!({"wait_ms": 1})).await;
    let (status, refused) = hub.post("/api/rooms/r1/commands", json!({"type": "queue_join", "act_as": "p"})).await;
    assert_eq!((status, &refused["name"]), (409, &json!("not_member")));
}

/// Waits until the owner has heard that somebody is in the room, or not any more.
async fn told(own: &mut Client, user: &str, joined: bool) {
    let is_it = |change: &Value| change["user_id"] == user && change["joined"] == joined;
    own.until(|frame| frame["changes"].as_array().is_some_and(|all| all.iter().any(is_it))).await;
}

/// Somebody who has heard everything of the room that he is in, and names it no more.
async fn inside<'a>(hub: &'a Hub, own: &mut Client, user: &str) -> Listener<'a> {
    let mut listener = Listener::new(hub, json!({"user_id": user, "rooms": [{"room_id": "r1"}]})).await;
    told(own, user, true).await;
    let is_it = |change: &Value| change["user_id"] == user;
    listener.until(|frame| frame["changes"].as_array().is_some_and(|all| all.iter().any(is_it))).await;
    listener.body.as_object_mut().unwrap().remove("rooms");
    listener
}

/// A request that leaves the room, so that others see when the hub has it, and then waits.
fn waiting_outside() -> Value {
    json!({"wait_ms": 25_000, "leave": ["r1"]})
}

#[tokio::test]
async fn listening_is_sent_away_as_a_socket_is() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("SERVER__DRAIN_TIMEOUT_MS", "30000")]);
    let mut own = hub.member("own").await;
    let mut taken = inside(&hub, &mut own, "p").await;
    let hello = json!({"type": "user_online", "user_id": "p", "session_token": taken.body["session_token"]});
    let (answer, socket) = tokio::join!(taken.ask(waiting_outside()), async {
        // The socket takes the session over while the request waits.
        told(&mut own, "p", false).await;
        hub.enter(hello).await
    });
    assert!(answer["frames"].as_array().unwrap().iter().any(|frame| frame["code"] == 4009), "{answer}");
    drop(socket);
    let mut q = inside(&hub, &mut own, "q").await;
    let (answer, ()) = tokio::join!(q.ask(waiting_outside()), async {
        told(&mut own, "q", false).await;
        hub.terminate();
    });
    assert_eq!(answer["frames"][0]["code"], 4101, "{answer}");
    own.close_code().await;
    drop((own, q));
    assert!(hub.ended().await.success());
}

/// Opens a stream of everything, and leaves the socket after the head.
async fn stream(hub: &Hub, token: &str, body: &Value) -> BufReader<TcpStream> {
    let body = body.to_string();
    let mut socket = TcpStream::connect(&hub.address).await.unwrap();
    let head = format!(
        "POST {BEAT} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
        hub.address,
        body.len()
    );
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    BufReader::new(socket)
}

async fn event(stream: &mut BufReader<TcpStream>) -> Value {
    loop {
        let mut line = String::new();
        timeout(DEADLINE, stream.read_line(&mut line)).await.expect("an event in time").unwrap();
        assert!(!line.is_empty(), "the stream has ended");
        if let Some(text) = line.strip_prefix("data: ") {
            return serde_json::from_str(text).unwrap();
        }
    }
}

#[tokio::test]
async fn a_stream_tells_everything_until_the_token_ends() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), JWT);
    let own = hub.mint(json!({"user_id": "own"})).await;
    let mut own = hub.enter(json!({"type": "user_online", "user_id": "own", "token": own})).await;
    own.ok("room_join", json!({})).await;
    let token = hub.mint(json!({"user_id": "p", "expire_time": 8})).await;
    let mut events = stream(&hub, &token, &json!({"own_session": true, "rooms": [{"room_id": "r1"}], "watch": ["own"]})).await;
    let welcome = event(&mut events).await;
    assert_eq!((&welcome["type"], &welcome["user_status"][0]["status"]), (&json!("welcome"), &json!("online")));
    assert_eq!(event(&mut events).await["type"], "room_snapshot");
    assert_eq!(event(&mut events).await["online"], 2);
    own.ok("message", json!({"to_user_id": "p", "message": "hi"})).await;
    assert_eq!(event(&mut events).await["message"], "hi");
    own.ok("room_message", json!({"class": "droppable", "kind": "gift", "body": "flower"})).await;
    assert_eq!(event(&mut events).await["kind"], "gift");
    own.ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    assert_eq!(event(&mut events).await["events"][0]["event"], "seat_updated");
    own.ok("status_change", json!({"status": "busy"})).await;
    let mut rest = Vec::new();
    while rest.last().is_none_or(|frame: &Value| frame["type"] != "closing") {
        rest.push(event(&mut events).await);
    }
    assert!(rest.iter().any(|frame| frame["user_status"][0]["status"] == "busy"), "{rest:?}");
    assert_eq!(rest.last().unwrap()["code"], 4301);
}

#[tokio::test]
async fn what_cannot_be_listened_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("LIMITS__WATCHES_PER_SESSION", "2")]);
    for (body, path) in [
        (json!({"user_id": "p", "wait_ms": -1}), "/wait_ms"),
        (json!({"user_id": "p", "wait_ms": "1"}), "/wait_ms"),
        (json!({"user_id": "p", "heard": 7}), "/heard"),
        (json!({"user_id": "p", "watch": "own"}), "/watch"),
        (json!({"user_id": "p", "watch": ["a b"]}), "/watch/0"),
        (json!({"user_id": "p", "own_session": 1}), "/own_session"),
    ] {
        let (status, refused) = hub.post(BEAT, body).await;
        assert_eq!((status, &refused["details"]["path"]), (400, &json!(path)));
    }
    let (status, refused) = hub.post(BEAT, json!({"user_id": "p", "watch": ["a", "b", "c"]})).await;
    assert_eq!((status, &refused["name"]), (429, &json!("too_many")));
    assert_eq!(hub.status_of("p").await, "offline", "nothing has changed");
}
