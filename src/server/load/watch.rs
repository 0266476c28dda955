//! People who change their status and send direct messages, and clients who watch all of them: how late everybody hears of it.
use super::{
    client::{Client, Failure},
    crew::{Crew, DRAIN_US},
    frames,
};
use std::sync::atomic::Ordering::Relaxed;

/// The share of one thread.
pub(super) async fn part(crew: Crew) {
    let args = crew.args().clone();
    let people = crew.enter_all('p', crew.share(args.people)).await;
    let watchers = crew.enter_all('c', crew.share(args.clients)).await;
    crew.step().await;
    let names: Vec<String> = (0..args.people).map(|number| format!(r#""{}""#, crew.user('p', number))).collect();
    let ask = format!(r#"{{"type":"watch_status","id":2,"user_ids":[{}]}}"#, names.join(","));
    let mut listening = 0;
    for (_, mut watcher) in watchers {
        if crew.ask(&mut watcher, 2, &ask).await.is_none() {
            continue;
        }
        listening += 1;
        let crew = crew.clone();
        tokio::task::spawn_local(async move {
            let heard = listen(&crew, &mut watcher).await;
            crew.checked(heard);
        });
    }
    crew.step().await;
    crew.step().await;
    let deadline = crew.deadline();
    let acting = people.into_iter().map(|(number, mut person)| {
        let crew = crew.clone();
        async move {
            let acted = act(&crew, number, &mut person, deadline).await;
            crew.checked(acted);
            person
        }
    });
    let people = futures_util::future::join_all(acting).await;
    crew.together().await;
    let changes: u64 = crew.written().iter().sum();
    let missing = crew.drained("pushes delivered", changes * listening).await;
    if missing > 0 {
        crew.tally.borrow_mut().error(format!("pushes not delivered within {} s", DRAIN_US / 1_000_000), missing);
    }
    crew.step().await;
    crew.step().await;
    drop(people);
}

/// Reads until the end, and notes when each push and message came.
async fn listen(crew: &Crew, watcher: &mut Client) -> Result<(), Failure> {
    loop {
        let mut pushes = 0;
        watcher
            .read(|payload| {
                let now = crew.micros();
                if payload.starts_with(br#"{"type":"userOnlineStatus""#) {
                    let mut rest = payload;
                    while let Some(user) = frames::after(rest, br#""user_id":""#) {
                        rest = user;
                        let number = frames::quoted(user).rsplit(|byte| *byte == b'-').next().map_or(0, frames::number);
                        let stamp = usize::try_from(number).ok().and_then(|number| crew.shared.stamps.get(number));
                        let sent = stamp.map_or(now, |stamp| stamp.load(Relaxed));
                        crew.tally.borrow_mut().took("status", now.saturating_sub(sent));
                        pushes += 1;
                    }
                } else if payload.starts_with(br#"{"type":"message""#)
                    && let Some(sent) = frames::after(payload, br#""message":"t"#)
                {
                    let mut tally = crew.tally.borrow_mut();
                    tally.took("message", now.saturating_sub(frames::number(sent)));
                    tally.add("messages delivered", 1);
                }
            })
            .await?;
        crew.did("pushes delivered", pushes);
    }
}

/// Changes the status, and sends a message to some watcher, each time it is this person's turn.
async fn act(crew: &Crew, number: u32, person: &mut Client, deadline: u64) -> Result<(), Failure> {
    let args = crew.args();
    let (begin, mut turn, mut done) = (crew.micros(), u64::from(number), 0);
    while crew.goes_on(done, deadline) {
        crew.until(Crew::due(begin, turn, args.rate).min(deadline)).await;
        turn += u64::from(args.people);
        if crew.micros() >= deadline {
            break;
        }
        let status = if done % 2 == 0 { "busy" } else { "away" };
        if let Some(stamp) = crew.shared.stamps.get(number as usize) {
            stamp.store(crew.micros(), Relaxed);
        }
        let change = format!(r#"{{"type":"status_change","id":{},"status":"{status}"}}"#, done * 2 + 10);
        person.ask(done * 2 + 10, &change).await?;
        let to = crew.user('c', rand::random_range(0..args.clients));
        let id = done * 2 + 11;
        let message = format!(r#"{{"type":"message","id":{id},"to_user_id":"{to}","message":"t{}"}}"#, crew.micros());
        person.ask(id, &message).await?;
        done += 1;
    }
    crew.wrote(number, done);
    Ok(())
}
