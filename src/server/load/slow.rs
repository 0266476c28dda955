//! Rooms in which a few clients read far too slowly: what they cost the others and the hub, and whether they too get everything in order
//! in the end, over as many connections as it takes.
use super::{
    client::{Client, Failure},
    copy::{self, Copy, field},
    crew::Crew,
    dialect::Dialect,
    fanout, frames,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// What a message takes on the wire, roughly: it says how many bytes full speed is.
const FRAME_BYTES: u64 = 350;
/// The receive buffer of a slow client's socket; the kernel makes it a little larger.
const RECEIVE_BYTES: u32 = 4_096;
/// A slow client reads so often per second.
const SIPS: u64 = 4;
/// How long a client that was sent away waits.
const BACK_MS: u64 = 100;

/// A client, over all its connections.
struct Person {
    number: u32,
    token: RefCell<String>,
    copy: Rc<Copy>,
}

/// The share of one thread.
pub(super) async fn part(crew: Crew) {
    let args = crew.args().clone();
    let mut owners = crew.enter_all('w', crew.share(args.rooms)).await;
    crew.step().await;
    for (number, owner) in &mut owners {
        crew.join(owner, &crew.room(*number)).await;
    }
    crew.together().await;
    crew.tally.borrow_mut().add("slow clients sent away", 0);
    let hurry = Rc::new(Cell::new(false));
    let mut copies = Vec::new();
    for number in crew.share(args.rooms * args.subscribers) {
        let slow = u64::from(number) * u64::from(args.slow_percent) % 100 < u64::from(args.slow_percent);
        let copy = Copy::new(number % args.rooms, slow);
        let person = Person { number, token: RefCell::default(), copy: copy.clone() };
        let entered = person.enter(&crew).await;
        let Some(client) = crew.checked(entered) else { continue };
        crew.shared.open.fetch_add(1, Relaxed);
        crew.tally.borrow_mut().add("slow clients", u64::from(slow));
        copies.push(copy);
        let (crew, hurry) = (crew.clone(), hurry.clone());
        tokio::task::spawn_local(async move {
            let followed = follow(&crew, &person, client, &hurry).await;
            crew.checked(followed);
        });
    }
    crew.step().await;
    crew.step().await;
    let deadline = crew.deadline();
    let writing = owners.into_iter().map(|(number, mut owner)| {
        let crew = crew.clone();
        async move {
            let room = crew.room(number);
            let text = |sent, at| copy::text(&room, number, sent, at);
            let wrote = fanout::write(&crew, number, &mut owner, deadline, text).await;
            crew.checked(wrote);
            owner
        }
    });
    let owners = futures_util::future::join_all(writing).await;
    crew.together().await;
    hurry.set(true);
    copy::arrive(&crew, &copies).await;
    crew.step().await;
    crew.step().await;
    drop(owners);
}

/// Reads until the end, at the client's own speed; whoever is sent away comes back.
async fn follow(crew: &Crew, person: &Person, mut client: Client, hurry: &Cell<bool>) -> Result<(), Failure> {
    let args = crew.args();
    let per_second = (u64::from(args.rate) * FRAME_BYTES * u64::from(args.slow_speed) / 100).max(SIPS);
    loop {
        let sips = person.copy.slow && !hurry.get();
        client.at_most(if sips { usize::try_from(per_second / SIPS).unwrap_or(usize::MAX) } else { usize::MAX });
        let (mut messages, now) = (0, Cell::new(0));
        let reading = client.read(|payload| {
            if now.get() == 0 {
                now.set(crew.micros());
            }
            messages += person.take(crew, payload, now.get());
        });
        // Somebody slow who waits for bytes must still see that it is time to hurry.
        let read = timeout(Duration::from_millis(500), reading).await.unwrap_or(Ok(()));
        crew.did(if person.copy.slow { "messages at slow clients" } else { "messages delivered" }, messages);
        match read {
            Ok(()) => {}
            Err(failure) if person.copy.slow => {
                crew.tally.borrow_mut().add("slow clients sent away", 1);
                if !matches!(failure, Failure::Closed(4102) | Failure::Ended | Failure::Io(..)) {
                    return Err(failure);
                }
                drop(client);
                sleep(Duration::from_millis(BACK_MS)).await;
                client = person.resume(crew).await?;
            }
            Err(failure) => return Err(failure),
        }
        if sips {
            sleep(Duration::from_millis(1000 / SIPS)).await;
        }
    }
}

impl Person {
    async fn connect(&self, crew: &Crew) -> Result<Client, Failure> {
        let receive = self.copy.slow.then_some(RECEIVE_BYTES);
        Client::connect_as(Dialect::Hub, crew.target(self.number), self.number % crew.args().sources, receive).await
    }

    async fn enter(&self, crew: &Crew) -> Result<Client, Failure> {
        let mut client = self.connect(crew).await?;
        let welcome = client.hello(&crew.user('c', self.number), "").await?;
        *self.token.borrow_mut() = field(&welcome, br#""session_token":""#);
        let ask = format!(r#"{{"type":"room_join","id":1,"room_id":"{}"}}"#, crew.room(self.copy.room));
        let ack = client.ask(1, &ask).await?;
        self.copy.begin(&ack);
        Ok(client)
    }

    /// Comes back as the same session, at the position that it has.
    async fn resume(&self, crew: &Crew) -> Result<Client, Failure> {
        let client = self.connect(crew).await?;
        let (user, line) = (crew.user('c', self.number), self.copy.line(&crew.room(self.copy.room)));
        let token = self.token.borrow().clone();
        let hello = format!(r#"{{"type":"user_online","user_id":"{user}","session_token":"{token}","rooms":[{line}]}}"#);
        client.send(&hello).await?;
        Ok(client)
    }

    /// Takes one frame in. Returns how many things of the writer it told.
    fn take(&self, crew: &Crew, payload: &[u8], now: u64) -> u64 {
        if payload.starts_with(br#"{"type":"welcome""#) {
            let mut tally = crew.tally.borrow_mut();
            tally.add("slow clients resumed", 1);
            if frames::after(payload, br#""resumed":true"#).is_none() {
                tally.error("a fresh session instead of the old one".to_owned(), 1);
            }
        } else if payload.starts_with(br#"{"type":"error""#) {
            crew.tally.borrow_mut().error(String::from_utf8_lossy(payload).into_owned(), 1);
        }
        self.copy.take(crew, payload, now)
    }
}
