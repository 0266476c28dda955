//! Everybody's line is cut at the same moment, and everybody resumes: how long until all are back, what watchers saw of it, who lost a place.
use super::{
    client::{Client, Failure},
    crew::Crew,
    frames, queue,
};
use futures_util::{StreamExt, future::join_all, stream};
use std::{cell::RefCell, rc::Rc};

/// How many of each room wait in its queue.
const WAITING: u32 = 50;
/// How many clients of a thread come back at the same time.
const AT_ONCE: usize = 1_000;

/// What a client needs to come back.
struct Ticket {
    number: u32,
    token: String,
    cursor: Rc<RefCell<String>>,
}

/// The share of one thread.
pub(super) async fn part(crew: Crew) {
    let args = crew.args().clone();
    let mut owners = crew.enter_all('w', crew.share(args.rooms)).await;
    let entering = crew.share(args.clients).map(|number| {
        let crew = &crew;
        async move {
            let entered = enter(crew, number).await;
            crew.checked(entered)
        }
    });
    let entered: Vec<_> = stream::iter(entering).buffer_unordered(64).collect().await;
    crew.step().await;
    for (number, owner) in &mut owners {
        let room = crew.room(*number);
        crew.join(owner, &room).await;
        queue::lock_seats(&crew, owner, &room).await;
        let theirs = (0..args.clients).filter(|client| client % args.rooms == *number);
        let names: Vec<String> = theirs.map(|client| format!(r#""{}""#, crew.user('c', client))).take(1000).collect();
        crew.ask(owner, 3, &format!(r#"{{"type":"watch_status","id":3,"user_ids":[{}]}}"#, names.join(","))).await;
    }
    crew.together().await;
    let joining = entered.into_iter().flatten().map(|(ticket, mut client)| {
        let crew = &crew;
        async move {
            let room = crew.room(ticket.number % args.rooms);
            let ack = crew.join(&mut client, &room).await?;
            remember(&ticket.cursor, &ack);
            if ticket.number / args.rooms < WAITING {
                crew.ask(&mut client, 2, &format!(r#"{{"type":"queue_join","id":2,"room_id":"{room}"}}"#)).await?;
            }
            Some((ticket, client))
        }
    });
    let people: Vec<_> = join_all(joining).await.into_iter().flatten().collect();
    crew.together().await;
    let mut orders = Vec::new();
    for (number, owner) in &mut owners {
        orders.push(queue::order(&crew, owner, &crew.room(*number)).await);
    }
    let mut tickets = Vec::with_capacity(people.len());
    let mut readers = Vec::with_capacity(people.len());
    for (ticket, mut client) in people {
        let (crew, cursor) = (crew.clone(), ticket.cursor.clone());
        readers.push(tokio::task::spawn_local(async move {
            let read = follow(&mut client, &cursor).await;
            crew.checked(read);
        }));
        tickets.push(ticket);
    }
    let watching: Vec<_> = owners.into_iter().map(|(number, owner)| (number, watch(&crew, owner))).collect();
    crew.step().await;
    crew.step().await;
    let cut = crew.micros();
    for reader in &readers {
        reader.abort();
    }
    join_all(readers).await;
    crew.tally.borrow_mut().took("cut", crew.micros() - cut);
    let returning = tickets.into_iter().map(|ticket| {
        let crew = &crew;
        async move {
            let back = resume(crew, &ticket, cut).await;
            crew.tally.borrow_mut().took("resume", crew.micros() - cut);
            crew.checked(back)
        }
    });
    let back: Vec<_> = stream::iter(returning).buffer_unordered(AT_ONCE).collect().await;
    crew.tally.borrow_mut().took("all back", crew.micros() - cut);
    crew.together().await;
    for ((number, stop), before) in watching.into_iter().zip(orders) {
        let Some(mut owner) = stop.end().await else { continue };
        let after = queue::order(&crew, &mut owner, &crew.room(number)).await;
        let lost = before.iter().filter(|user| !after.contains(user)).count() as u64;
        let mut tally = crew.tally.borrow_mut();
        tally.add("places kept", before.len() as u64 - lost);
        if lost > 0 || before != after {
            tally.error("places lost or moved".to_owned(), lost.max(1));
        }
    }
    crew.step().await;
    crew.step().await;
    drop(back);
}

async fn enter(crew: &Crew, number: u32) -> Result<(Ticket, Client), Failure> {
    let mut client = Client::connect(crew.target(number), number % crew.args().sources).await?;
    let welcome = client.hello(&crew.user('c', number), "").await?;
    crew.shared.open.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let token = frames::after(&welcome, br#""session_token":""#).map(frames::quoted).unwrap_or_default();
    let token = String::from_utf8_lossy(token).into_owned();
    Ok((Ticket { number, token, cursor: Rc::default() }, client))
}

/// Reads until the line is cut, and remembers the newest cursor.
async fn follow(client: &mut Client, cursor: &RefCell<String>) -> Result<(), Failure> {
    loop {
        client.read(|payload| remember(cursor, payload)).await?;
    }
}

fn remember(cursor: &RefCell<String>, payload: &[u8]) {
    if let Some(found) = frames::after(payload, br#""cursor":""#) {
        *cursor.borrow_mut() = String::from_utf8_lossy(frames::quoted(found)).into_owned();
    }
}

/// Comes back as a client does, at its first attempt; `cut` is when its line was cut.
async fn resume(crew: &Crew, ticket: &Ticket, cut: u64) -> Result<Client, Failure> {
    let mut client = Client::connect(crew.target(ticket.number), ticket.number % crew.args().sources).await?;
    let room = crew.room(ticket.number % crew.args().rooms);
    let (token, cursor, down_ms) = (&ticket.token, ticket.cursor.borrow().clone(), (crew.micros() - cut) / 1000);
    let more = format!(
        r#","session_token":"{token}","rooms":[{{"room_id":"{room}","cursor":"{cursor}"}}],"attempt":1,"down_ms":{down_ms}"#
    );
    let welcome = client.hello(&crew.user('c', ticket.number), &more).await?;
    if frames::after(&welcome, br#""resumed":true"#).is_none() {
        return Err(Failure::Answered("a fresh session instead of the old one".to_owned()));
    }
    if frames::after(&welcome, br#""error":"#).is_some() {
        return Err(Failure::Answered("a resumed session without its room".to_owned()));
    }
    crew.did("clients resumed", 1);
    crew.tally.borrow_mut().add("rooms recovered", u64::from(frames::after(&welcome, br#""recovered":true"#).is_some()));
    Ok(client)
}

/// A watcher at work, until its client is wanted back.
struct Watching {
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Option<Client>>,
}

impl Watching {
    async fn end(self) -> Option<Client> {
        let _ = self.stop.send(());
        self.task.await.ok().flatten()
    }
}

/// Counts what a watcher sees; somebody shown offline is an error.
fn watch(crew: &Crew, mut owner: Client) -> Watching {
    let crew = crew.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let task = tokio::task::spawn_local(async move {
        loop {
            let mut offline = 0;
            let look = |payload: &[u8]| {
                let mut rest = payload;
                while let Some(more) = frames::after(rest, br#""online":false"#) {
                    offline += 1;
                    rest = more;
                }
            };
            tokio::select! {
                read = owner.read(look) => { crew.checked(read)?; }
                _ = &mut stopped => return Some(owner),
            }
            if offline > 0 {
                crew.tally.borrow_mut().error("people shown offline".to_owned(), offline);
            }
        }
    });
    Watching { stop, task }
}
