//! A bit of everything: rooms whose owner moves people, members who come into the queue and leave it, change their status, talk, and beat.
use super::{
    client::{self, Client, Failure},
    crew::Crew,
    queue,
};
use futures_util::future::join_all;
use tokio::time::{Duration, timeout};

/// One in so many members does something each second; one in so many waits in the queue.
const ACTIVE: u32 = 10;

/// The share of one thread.
pub(super) async fn part(crew: Crew) {
    let args = crew.args().clone();
    let mut owners = crew.enter_all('w', crew.share(args.rooms)).await;
    let people = crew.enter_all('c', crew.share(args.rooms * args.subscribers)).await;
    crew.step().await;
    for (number, owner) in &mut owners {
        let room = crew.room(*number);
        crew.join(owner, &room).await;
        queue::lock_seats(&crew, owner, &room).await;
    }
    crew.together().await;
    let joining = people.into_iter().map(|(number, mut person)| {
        let crew = &crew;
        async move {
            let room = crew.room(number % args.rooms);
            crew.join(&mut person, &room).await?;
            if (number / args.rooms).is_multiple_of(ACTIVE) {
                crew.ask(&mut person, 2, &format!(r#"{{"type":"queue_join","id":2,"room_id":"{room}"}}"#)).await?;
            }
            Some((number, person))
        }
    });
    let people: Vec<_> = join_all(joining).await.into_iter().flatten().collect();
    crew.step().await;
    crew.step().await;
    let deadline = crew.deadline();
    let owning = owners.into_iter().map(|(number, mut owner)| {
        let crew = crew.clone();
        async move {
            let led = lead(&crew, number, &mut owner, deadline).await;
            crew.checked(led);
            owner
        }
    });
    let living = people.into_iter().map(|(number, mut person)| {
        let crew = crew.clone();
        async move {
            let lived = live(&crew, number, &mut person, deadline).await;
            crew.checked(lived);
            person
        }
    });
    let kept = futures_util::future::join(join_all(owning), join_all(living)).await;
    crew.step().await;
    crew.step().await;
    drop(kept);
}

/// An owner: moves somebody of the queue to the front or the back, again and again.
async fn lead(crew: &Crew, number: u32, owner: &mut Client, deadline: u64) -> Result<(), Failure> {
    let args = crew.args();
    let room = crew.room(number);
    let waiting = args.subscribers.div_ceil(ACTIVE);
    let (begin, mut done) = (crew.micros(), 0);
    while crew.goes_on(done, deadline) {
        crew.until(Crew::due(begin, done, args.rate).min(deadline)).await;
        let user = crew.user('c', number + args.rooms * ACTIVE * rand::random_range(0..waiting));
        let place = if done % 2 == 0 { "front" } else { "back" };
        let id = done + 10;
        let at = crew.micros();
        owner
            .send(&format!(
                r#"{{"type":"queue_move","id":{id},"room_id":"{room}","target_user_id":"{user}","place":"{place}","force":true}}"#
            ))
            .await?;
        let answer = owner.wait(|payload| (client::answer_id(payload) == Some(id)).then(|| client::refusal(payload))).await?;
        let mut tally = crew.tally.borrow_mut();
        match answer {
            None => tally.add("moves acked", 1),
            // Somebody who has just left the queue cannot be moved: that is life in a room, not an error.
            Some(name) if name == "not_queued" => tally.add("moves refused: not_queued", 1),
            Some(name) => tally.failed(&Failure::Answered(name)),
        }
        tally.took("move", crew.micros() - at);
        done += 1;
    }
    Ok(())
}

/// A member: reads all the time; some do something each second, and everybody beats each interval.
async fn live(crew: &Crew, number: u32, person: &mut Client, deadline: u64) -> Result<(), Failure> {
    let args = crew.args();
    let (room, interval) = (crew.room(number % args.rooms), args.interval_ms * 1000);
    let active = (number / args.rooms).is_multiple_of(ACTIVE);
    let period = if active { 1_000_000 } else { interval };
    let mut next = crew.micros() + period * u64::from(number % 997) / 997;
    let (mut turn, mut id) = (u64::from(number), 10);
    let mut asked = 0;
    while crew.micros() < deadline {
        let wait = Duration::from_micros(next.min(deadline).saturating_sub(crew.micros()));
        let mut frames = 0;
        let mut answers = Vec::new();
        let read = person.read(|payload| {
            frames += 1;
            if client::answer_id(payload).is_some() {
                answers.push(client::refusal(payload));
            }
        });
        match timeout(wait, read).await {
            Ok(read) => read?,
            Err(_) if crew.micros() < next => {}
            Err(_) => {
                next += period;
                id += 1;
                asked = crew.micros();
                person.send(&say(crew, &room, number, active, turn, id)).await?;
                turn += 1;
            }
        }
        crew.did("frames delivered", frames);
        let mut tally = crew.tally.borrow_mut();
        for refused in answers {
            tally.took("answer", crew.micros() - asked);
            match refused {
                None => tally.add("commands acked", 1),
                Some(name) => tally.failed(&Failure::Answered(name)),
            }
        }
    }
    Ok(())
}

fn say(crew: &Crew, room: &str, number: u32, active: bool, turn: u64, id: u64) -> String {
    let to = crew.user('w', number % crew.args().rooms);
    match turn % 5 {
        _ if !active => r#"{"type":"heartbeat"}"#.to_owned(),
        0 => format!(r#"{{"type":"status_change","id":{id},"status":"busy"}}"#),
        1 => format!(r#"{{"type":"message","id":{id},"to_user_id":"{to}","message":"hello"}}"#),
        2 => format!(r#"{{"type":"status_change","id":{id},"status":"online"}}"#),
        3 => format!(r#"{{"type":"room_members","id":{id},"room_id":"{room}","limit":20}}"#),
        _ => format!(r#"{{"type":"request_online_status","id":{id},"user_ids":["{to}"]}}"#),
    }
}
