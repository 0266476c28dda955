//! Polling clients: each keeps a session by heartbeats and waits for the updates of one room, over one HTTP connection, while a writer acts.
use super::{
    client::{Client, Failure},
    crew::Crew,
    http::Http,
};
use futures_util::{StreamExt, future::join_all, stream};
use serde_json::Value;
use std::{cell::Cell, rc::Rc, sync::atomic::Ordering::Relaxed};

/// How many clients of a thread come in at the same time.
const AT_ONCE: usize = 64;
/// How long a request may wait at the hub.
const WAIT_MS: u64 = 25_000;

struct Poller {
    http: Http,
    user: String,
    cursor: String,
    rev: u64,
    beat_at: u64,
}

/// The share of one thread.
pub(super) async fn part(crew: Crew) {
    let room = crew.room(0);
    let mut writer = if crew.thread == 0 { crew.enter('w', 0).await } else { None };
    crew.step().await;
    if let Some(writer) = &mut writer {
        crew.join(writer, &room).await;
    }
    crew.together().await;
    let deadline = Rc::new(Cell::new(u64::MAX));
    let entering = crew.share(crew.args().clients).map(|number| {
        let (crew, room, deadline) = (crew.clone(), room.clone(), deadline.clone());
        async move {
            let entered = enter(&crew, &room, number).await;
            let poller = crew.checked(entered)?;
            // From its first moment on: the hub ends connections on which nobody asks for anything.
            Some(tokio::task::spawn_local(live(crew, room, poller, deadline)))
        }
    });
    let polling: Vec<_> = stream::iter(entering).buffer_unordered(AT_ONCE).collect().await;
    crew.together().await;
    crew.step().await;
    crew.step().await;
    deadline.set(crew.deadline());
    if let Some(writer) = &mut writer {
        let written = write(&crew, &room, writer, deadline.get()).await;
        crew.checked(written);
    }
    let pollers = join_all(polling.into_iter().flatten()).await;
    crew.step().await;
    let last = crew.written().first().copied().unwrap_or(0);
    let ending = pollers.into_iter().filter_map(|lived| lived.ok().flatten()).map(|mut poller| {
        let (crew, room) = (&crew, &room);
        async move {
            let caught_up = poller.poll(crew, room, 0).await;
            crew.checked(caught_up);
            if poller.rev != last {
                crew.tally.borrow_mut().error("clients that are not at the writer's rev".to_owned(), 1);
            }
        }
    });
    stream::iter(ending).buffer_unordered(AT_ONCE).collect::<()>().await;
    crew.step().await;
}

async fn enter(crew: &Crew, room: &str, number: u32) -> Result<Poller, Failure> {
    let mut http = Http::connect(crew.target(number), number % crew.args().sources).await?;
    let user = crew.user('p', number);
    http.ask("POST", "/api/poll/heartbeat", &format!(r#"{{"user_id":"{user}","rooms":[{{"room_id":"{room}"}}]}}"#)).await?;
    let snapshot = http.ask("GET", &format!("/api/rooms/{room}"), "").await?;
    crew.shared.open.fetch_add(1, Relaxed);
    let cursor = snapshot["cursor"].as_str().unwrap_or_default().to_owned();
    let rev = snapshot["rev"].as_u64().unwrap_or(0);
    let beat_at = crew.micros() + crew.args().interval_ms * 1000 * u64::from(number % 997) / 997;
    Ok(Poller { http, user, cursor, rev, beat_at })
}

async fn live(crew: Crew, room: String, mut poller: Poller, deadline: Rc<Cell<u64>>) -> Option<Poller> {
    while crew.micros() < deadline.get() {
        let lived = poller.turn(&crew, &room, deadline.get()).await;
        crew.checked(lived)?;
    }
    Some(poller)
}

impl Poller {
    async fn turn(&mut self, crew: &Crew, room: &str, deadline: u64) -> Result<(), Failure> {
        if crew.micros() >= self.beat_at {
            let asked = crew.micros();
            self.http.ask("POST", "/api/poll/heartbeat", &format!(r#"{{"user_id":"{}"}}"#, self.user)).await?;
            crew.tally.borrow_mut().took("polling heartbeat", crew.micros() - asked);
            crew.tally.borrow_mut().add("heartbeats acked", 1);
            self.beat_at += crew.args().interval_ms * 1000;
        }
        let until = deadline.min(self.beat_at).saturating_sub(crew.micros());
        self.poll(crew, room, (until / 1000).clamp(1, WAIT_MS)).await
    }

    /// Asks for what follows, and checks that it does follow.
    async fn poll(&mut self, crew: &Crew, room: &str, wait_ms: u64) -> Result<(), Failure> {
        let path = format!("/api/rooms/{room}/updates?cursor={}&wait_ms={wait_ms}", self.cursor);
        let answer = self.http.ask("GET", &path, "").await?;
        crew.tally.borrow_mut().add("polls answered", 1);
        let updates = answer["updates"].as_array().ok_or_else(|| Failure::Answered("a reset".to_owned()))?;
        for update in updates {
            if update["prev"] != self.cursor.as_str() {
                return Err(Failure::Answered("an update that does not follow".to_owned()));
            }
            update["cursor"].as_str().unwrap_or_default().clone_into(&mut self.cursor);
            for event in update["events"].as_array().into_iter().flatten() {
                self.rev = event["rev"].as_u64().unwrap_or(0);
            }
            self.delivered(crew);
        }
        Ok(())
    }

    fn delivered(&self, crew: &Crew) {
        crew.did("frames delivered", 1);
        let stamps = &crew.shared.stamps;
        let slot = usize::try_from(self.rev).unwrap_or(0) % stamps.len().max(1);
        let sent = stamps.get(slot).map_or(0, |stamp| stamp.load(Relaxed));
        if sent > 0 {
            crew.tally.borrow_mut().took("update to a poller", crew.micros().saturating_sub(sent));
        }
    }
}

/// Locks and unlocks a seat at the rate.
async fn write(crew: &Crew, room: &str, writer: &mut Client, deadline: u64) -> Result<(), Failure> {
    let (begin, mut sent, mut rev) = (crew.micros(), 0, 0);
    while crew.goes_on(sent, deadline) {
        let stamps = &crew.shared.stamps;
        let slot = usize::try_from(rev + 1).unwrap_or(0) % stamps.len().max(1);
        if let Some(stamp) = stamps.get(slot) {
            stamp.store(crew.micros(), Relaxed);
        }
        sent += 1;
        let on = sent % 2 == 1;
        let id = sent + 10;
        let ask = format!(r#"{{"type":"seat_lock","id":{id},"room_id":"{room}","seat_nos":[2],"on":{on}}}"#);
        let ack = writer.ask(id, &ask).await?;
        rev = serde_json::from_slice::<Value>(&ack).ok().and_then(|ack| ack["rev"].as_u64()).unwrap_or(0);
        crew.tally.borrow_mut().add("commands acked", 1);
        crew.until(Crew::due(begin, sent, crew.args().rate.max(1)).min(deadline)).await;
    }
    crew.wrote(0, rev);
    Ok(())
}
