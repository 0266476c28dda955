//! Rooms in which a few clients read far too slowly: what they cost the others and the hub, and whether they too get everything in order
//! in the end, over as many connections as it takes.
use super::{
    client::{Client, Failure},
    crew::{Crew, DRAIN_US},
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
const FRAME_BYTES: u64 = 260;
/// The receive buffer of a slow client's socket; the kernel makes it a little larger.
const RECEIVE_BYTES: u32 = 4_096;
/// A slow client reads so often per second.
const SIPS: u64 = 4;
/// How long a client that was sent away waits.
const BACK_MS: u64 = 100;

/// What a person has of his room.
struct Copy {
    number: u32,
    room: u32,
    slow: bool,
    token: RefCell<String>,
    cursor: RefCell<String>,
    /// The number of the message that comes next.
    next: Cell<u64>,
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
    let hurry = Rc::new(Cell::new(false));
    let mut copies = Vec::new();
    for number in crew.share(args.rooms * args.subscribers) {
        let slow = u64::from(number) * u64::from(args.slow_percent) % 100 < u64::from(args.slow_percent);
        let copy = Copy {
            number,
            room: number % args.rooms,
            slow,
            token: RefCell::default(),
            cursor: RefCell::default(),
            next: Cell::new(0),
        };
        let copy = Rc::new(copy);
        let entered = copy.enter(&crew).await;
        let Some(client) = crew.checked(entered) else { continue };
        crew.shared.open.fetch_add(1, Relaxed);
        crew.tally.borrow_mut().add("slow clients", u64::from(slow));
        copies.push(copy.clone());
        let (crew, hurry) = (crew.clone(), hurry.clone());
        tokio::task::spawn_local(async move {
            let followed = follow(&crew, &copy, client, &hurry).await;
            crew.checked(followed);
        });
    }
    crew.step().await;
    crew.step().await;
    let deadline = crew.deadline();
    let writing = owners.into_iter().map(|(number, mut owner)| {
        let crew = crew.clone();
        async move {
            let wrote = fanout::write(&crew, number, &mut owner, deadline).await;
            crew.checked(wrote);
            owner
        }
    });
    let owners = futures_util::future::join_all(writing).await;
    crew.together().await;
    hurry.set(true);
    arrive(&crew, &copies).await;
    crew.step().await;
    crew.step().await;
    drop(owners);
}

/// Waits until everybody has everything.
async fn arrive(crew: &Crew, copies: &[Rc<Copy>]) {
    let written = crew.written();
    let is_behind = |copy: &&Rc<Copy>| copy.next.get() < written.get(copy.room as usize).copied().unwrap_or(0);
    let end = crew.micros() + DRAIN_US;
    while copies.iter().any(|copy| is_behind(&copy)) && crew.micros() < end {
        sleep(Duration::from_millis(5)).await;
    }
    for slow in [false, true] {
        let behind = copies.iter().filter(|copy| copy.slow == slow && is_behind(copy)).count() as u64;
        let all = copies.iter().filter(|copy| copy.slow == slow).count() as u64;
        let mut tally = crew.tally.borrow_mut();
        tally.add(if slow { "slow clients with everything" } else { "clients with everything" }, all - behind);
        if behind > 0 {
            tally.error(format!("{} without everything", if slow { "slow clients" } else { "clients" }), behind);
        }
    }
}

/// Reads until the end, at the client's own speed; whoever is sent away comes back.
async fn follow(crew: &Crew, copy: &Copy, mut client: Client, hurry: &Cell<bool>) -> Result<(), Failure> {
    let args = crew.args();
    let per_second = (u64::from(args.rate) * FRAME_BYTES * u64::from(args.slow_speed) / 100).max(SIPS);
    loop {
        let sips = copy.slow && !hurry.get();
        client.at_most(if sips { usize::try_from(per_second / SIPS).unwrap_or(usize::MAX) } else { usize::MAX });
        let (mut messages, now) = (0, Cell::new(0));
        let reading = client.read(|payload| {
            if now.get() == 0 {
                now.set(crew.micros());
            }
            messages += copy.take(crew, payload, now.get());
        });
        // Somebody slow who waits for bytes must still see that it is time to hurry.
        let read = timeout(Duration::from_millis(500), reading).await.unwrap_or(Ok(()));
        crew.did(if copy.slow { "messages at slow clients" } else { "messages delivered" }, messages);
        match read {
            Ok(()) => {}
            Err(failure) if copy.slow => {
                crew.tally.borrow_mut().add("slow clients sent away", 1);
                if !matches!(failure, Failure::Closed(4102) | Failure::Ended | Failure::Io(..)) {
                    return Err(failure);
                }
                drop(client);
                sleep(Duration::from_millis(BACK_MS)).await;
                client = copy.resume(crew).await?;
            }
            Err(failure) => return Err(failure),
        }
        if sips {
            sleep(Duration::from_millis(1000 / SIPS)).await;
        }
    }
}

impl Copy {
    async fn connect(&self, crew: &Crew) -> Result<Client, Failure> {
        let receive = self.slow.then_some(RECEIVE_BYTES);
        Client::connect_with(crew.target(self.number), self.number % crew.args().sources, receive).await
    }

    async fn enter(&self, crew: &Crew) -> Result<Client, Failure> {
        let mut client = self.connect(crew).await?;
        let welcome = client.hello(&crew.user('c', self.number), "").await?;
        *self.token.borrow_mut() = field(&welcome, br#""session_token":""#);
        let ask = format!(r#"{{"type":"room_join","id":1,"room_id":"{}"}}"#, crew.room(self.room));
        let ack = client.ask(1, &ask).await?;
        *self.cursor.borrow_mut() = field(&ack, br#""cursor":""#);
        Ok(client)
    }

    /// Comes back as the same session, at the position that it has.
    async fn resume(&self, crew: &Crew) -> Result<Client, Failure> {
        let client = self.connect(crew).await?;
        let (user, room) = (crew.user('c', self.number), crew.room(self.room));
        let hello = format!(
            r#"{{"type":"user_online","user_id":"{user}","session_token":"{}","rooms":[{{"room_id":"{room}","cursor":"{}"}}]}}"#,
            self.token.borrow(),
            self.cursor.borrow()
        );
        client.send(&hello).await?;
        Ok(client)
    }

    /// Takes one frame in. Returns how many messages it held; what is missing or out of order is an error.
    fn take(&self, crew: &Crew, payload: &[u8], now: u64) -> u64 {
        if payload.starts_with(br#"{"type":"room_update""#) {
            if field(payload, br#""prev":""#) != *self.cursor.borrow() {
                crew.tally.borrow_mut().error("updates that do not follow the last one".to_owned(), 1);
            }
            *self.cursor.borrow_mut() = field(payload, br#""cursor":""#);
            return self.messages(crew, payload, now);
        }
        let mut tally = crew.tally.borrow_mut();
        if payload.starts_with(br#"{"type":"room_snapshot""#) {
            *self.cursor.borrow_mut() = field(payload, br#""cursor":""#);
            tally.add("snapshots", 1);
            if let Some(extra) = frames::after(payload, fanout::MARK) {
                self.next.set(frames::quoted(extra).rsplit(|byte| *byte == b'.').next().map_or(0, frames::number) + 1);
            }
        } else if payload.starts_with(br#"{"type":"welcome""#) {
            tally.add("slow clients resumed", 1);
            if frames::after(payload, br#""resumed":true"#).is_none() {
                tally.error("a fresh session instead of the old one".to_owned(), 1);
            }
        } else if payload.starts_with(br#"{"type":"error""#) {
            tally.error(String::from_utf8_lossy(payload).into_owned(), 1);
        }
        0
    }

    fn messages(&self, crew: &Crew, mut payload: &[u8], now: u64) -> u64 {
        let mut found = 0;
        while let Some(rest) = frames::after(payload, fanout::MARK) {
            payload = rest;
            found += 1;
            let mut numbers = frames::quoted(rest).split(|byte| *byte == b'.').map(frames::number);
            let (sent, number) = (numbers.next().unwrap_or(0), numbers.nth(1).unwrap_or(0));
            if number != self.next.get() {
                crew.tally.borrow_mut().error("messages missing or out of order".to_owned(), 1);
            }
            self.next.set(number + 1);
            if !self.slow {
                crew.tally.borrow_mut().took("delivery", now.saturating_sub(sent));
            }
        }
        found
    }
}

fn field(payload: &[u8], name: &[u8]) -> String {
    String::from_utf8_lossy(frames::after(payload, name).map(frames::quoted).unwrap_or_default()).into_owned()
}
