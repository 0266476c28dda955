//! One room in which admins move people in the queue, each with several commands open: commands per second, and how long an ack takes.
use super::{
    client::{self, Client, Failure},
    crew::Crew,
    frames,
};
use std::collections::VecDeque;

/// The share of one thread.
pub(super) async fn part(crew: Crew) {
    let args = crew.args().clone();
    let room = crew.room(0);
    let mut admins = crew.enter_all('a', crew.share(args.admins)).await;
    let mut people = crew.enter_all('q', crew.share(args.queued)).await;
    crew.step().await;
    prepare(&crew, &room, &mut admins, &mut people).await;
    for (_, mut person) in people {
        let crew = crew.clone();
        tokio::task::spawn_local(async move {
            let read = follow(&crew, &mut person).await;
            crew.checked(read);
        });
    }
    crew.step().await;
    crew.step().await;
    let deadline = crew.deadline();
    let acting = admins.into_iter().map(|(number, mut admin)| {
        let (crew, room) = (crew.clone(), room.clone());
        async move {
            let acted = act(&crew, &room, &mut admin, deadline).await;
            crew.checked(acted);
            (number, admin)
        }
    });
    let mut admins = futures_util::future::join_all(acting).await;
    crew.step().await;
    if let Some((_, owner)) = admins.iter_mut().find(|(number, _)| *number == 0) {
        let order = order(&crew, owner, &room).await;
        let lost = (args.queued as usize).saturating_sub(order.len());
        if lost > 0 {
            crew.tally.borrow_mut().error("places lost".to_owned(), lost as u64);
        }
    }
    crew.step().await;
}

async fn prepare(crew: &Crew, room: &str, admins: &mut [(u32, Client)], people: &mut [(u32, Client)]) {
    let args = crew.args();
    if let Some((_, owner)) = admins.iter_mut().find(|(number, _)| *number == 0) {
        crew.join(owner, room).await;
        lock_seats(crew, owner, room).await;
    }
    crew.together().await;
    for (_, admin) in admins.iter_mut().filter(|(number, _)| *number != 0) {
        crew.join(admin, room).await;
    }
    for (_, person) in people.iter_mut() {
        crew.join(person, room).await;
        crew.ask(person, 2, &format!(r#"{{"type":"queue_join","id":2,"room_id":"{room}"}}"#)).await;
    }
    crew.together().await;
    if let Some((_, owner)) = admins.iter_mut().find(|(number, _)| *number == 0) {
        for number in 1..args.admins {
            let user = crew.user('a', number);
            let ask = format!(r#"{{"type":"role_set","id":3,"room_id":"{room}","target_user_id":"{user}","role_id":"admin"}}"#);
            crew.ask(owner, 3, &ask).await;
        }
    }
}

/// Locks every seat, so that nobody is promoted out of the queue.
pub(super) async fn lock_seats(crew: &Crew, owner: &mut Client, room: &str) {
    let lock = format!(r#"{{"type":"seat_lock","id":2,"room_id":"{room}","seat_nos":"all","on":true}}"#);
    crew.ask(owner, 2, &lock).await;
}

/// Asks for a snapshot; returns who waits, in order.
pub(super) async fn order(crew: &Crew, client: &mut Client, room: &str) -> Vec<String> {
    let read = async {
        client.send(&format!(r#"{{"type":"room_sync","id":4,"room_id":"{room}","cursor":""}}"#)).await?;
        client
            .wait(|payload| {
                payload.starts_with(br#"{"type":"room_snapshot""#).then(|| {
                    let snapshot: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
                    let entries = snapshot.pointer("/state/queue").and_then(serde_json::Value::as_array);
                    let user = |entry: &serde_json::Value| Some(entry.get("user_id")?.as_str()?.to_owned());
                    entries.into_iter().flatten().filter_map(user).collect()
                })
            })
            .await
    };
    let read = read.await;
    crew.checked(read).unwrap_or_default()
}

/// Reads updates without looking into them.
async fn follow(crew: &Crew, person: &mut Client) -> Result<(), Failure> {
    loop {
        let (mut updates, before) = (0, person.bytes);
        person.read(|payload| updates += u64::from(payload.starts_with(br#"{"type":"room_update""#))).await?;
        let mut tally = crew.tally.borrow_mut();
        tally.add("updates delivered", updates);
        tally.add("bytes delivered", person.bytes - before);
    }
}

/// Keeps `depth` moves open until the time is over, then waits for the last answers.
async fn act(crew: &Crew, room: &str, admin: &mut Client, deadline: u64) -> Result<(), Failure> {
    let args = crew.args();
    let (mut sent, mut answered) = (0u64, 0u64);
    let mut open: VecDeque<u64> = VecDeque::new();
    while crew.goes_on(sent, deadline) || !open.is_empty() {
        let mut burst = Vec::new();
        while open.len() < args.depth as usize && crew.goes_on(sent, deadline) {
            let target = rand::random_range(0..args.queued);
            let anchor = (target + rand::random_range(1..args.queued)) % args.queued;
            let text = format!(
                r#"{{"type":"queue_move","id":{},"room_id":"{room}","target_user_id":"{}","place":{{"before":"{}"}},"force":true,"op_id":"m{sent}"}}"#,
                10 + sent,
                crew.user('q', target),
                crew.user('q', anchor),
            );
            frames::put(&mut burst, 1, text.as_bytes());
            open.push_back(crew.micros());
            sent += 1;
        }
        admin.write(&burst).await?;
        admin
            .wait(|payload| {
                let id = client::answer_id(payload)?;
                if let Some(at) = open.pop_front() {
                    crew.tally.borrow_mut().took("ack", crew.micros() - at);
                }
                if id != 10 + answered {
                    crew.tally.borrow_mut().error("answers out of order".to_owned(), 1);
                }
                answered += 1;
                if let Some(name) = client::refusal(payload) {
                    crew.tally.borrow_mut().failed(&Failure::Answered(name));
                } else {
                    crew.did("commands acked", 1);
                }
                Some(())
            })
            .await?;
    }
    Ok(())
}
