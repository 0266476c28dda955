//! Rooms with many subscribers and a few writers: every frame that is delivered counts, and the last one of each message is timed.
use super::{
    client::{Client, Failure},
    crew::{Crew, DRAIN_US},
    frames,
};
use std::{cell::Cell, rc::Rc};

/// In front of the moment, the writer and the number of a message.
pub(super) const MARK: &[u8] = br#""extra":"t"#;

/// The share of one thread.
pub(super) async fn part(crew: Crew) {
    let args = crew.args().clone();
    let per_room = args.writers;
    let mut writers = crew.enter_all('w', crew.share(args.rooms * per_room)).await;
    let people = crew.enter_all('c', crew.share(args.rooms * args.subscribers)).await;
    crew.step().await;
    // The first of a room owns it; the others become hosts.
    for (number, writer) in writers.iter_mut().filter(|(number, _)| number % per_room == 0) {
        crew.join(writer, &crew.room(*number / per_room)).await;
    }
    crew.together().await;
    for (number, writer) in writers.iter_mut().filter(|(number, _)| number % per_room != 0) {
        crew.join(writer, &crew.room(*number / per_room)).await;
    }
    crew.together().await;
    for (number, writer) in writers.iter_mut().filter(|(number, _)| number % per_room == 0) {
        for other in *number + 1..*number + per_room {
            let (room, user) = (crew.room(*number / per_room), crew.user('w', other));
            let ask = format!(r#"{{"type":"role_set","id":2,"room_id":"{room}","target_user_id":"{user}","role_id":"host"}}"#);
            crew.ask(writer, 2, &ask).await;
        }
    }
    let mut expected = vec![0; args.rooms as usize];
    let joined = futures_util::future::join_all(people.into_iter().map(|(number, mut person)| {
        let crew = &crew;
        async move {
            let room = number % args.rooms;
            crew.join(&mut person, &crew.room(room)).await.map(|_| (room, person))
        }
    }));
    for (room, mut person) in joined.await.into_iter().flatten() {
        if let Some(members) = expected.get_mut(room as usize) {
            *members += 1;
        }
        let crew = crew.clone();
        tokio::task::spawn_local(async move {
            let read = subscribe(&crew, &mut person).await;
            crew.checked(read);
        });
    }
    crew.step().await;
    crew.step().await;
    let deadline = crew.deadline();
    let writing = writers.into_iter().map(|(number, mut writer)| {
        let crew = crew.clone();
        async move {
            let (room, seat) = (crew.room(number / per_room), 1 + number % per_room);
            let text = |sent, at| crew.args().dialect.write(sent + 10, &room, seat, &format!("t{at}.{number}.{sent}"));
            let wrote = write(&crew, number, &mut writer, deadline, text).await;
            crew.checked(wrote);
            writer
        }
    });
    let writers = futures_util::future::join_all(writing).await;
    crew.together().await;
    let written = crew.written();
    let due = |(writer, acked): (usize, &u64)| acked * expected.get(writer / per_room as usize).copied().unwrap_or(0);
    let missing = crew.drained("messages delivered", written.iter().enumerate().map(due).sum()).await;
    if missing > 0 {
        crew.tally.borrow_mut().error(format!("messages not delivered within {} s", DRAIN_US / 1_000_000), missing);
    }
    crew.step().await;
    crew.step().await;
    drop(writers);
}

/// Reads until the end, and notes each frame and each message in it.
pub(super) async fn subscribe(crew: &Crew, person: &mut Client) -> Result<(), Failure> {
    loop {
        let (mut frames, mut messages, before) = (0, 0, person.bytes);
        let now = Cell::new(0);
        person
            .read(|payload| {
                if now.get() == 0 {
                    now.set(crew.micros());
                }
                let found = note(crew, payload, now.get());
                frames += u64::from(found > 0);
                messages += found;
            })
            .await?;
        if frames > 0 {
            crew.did("frames delivered", frames);
            let mut tally = crew.tally.borrow_mut();
            tally.add("messages delivered", messages);
            tally.add("bytes delivered", person.bytes - before);
        }
    }
}

fn note(crew: &Crew, mut payload: &[u8], now: u64) -> u64 {
    let mut found = 0;
    while let Some(rest) = frames::after(payload, MARK) {
        found += 1;
        payload = rest;
        let mut numbers = frames::quoted(rest).split(|byte| *byte == b'.').map(frames::number);
        let (sent, writer, number) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let took = now.saturating_sub(sent).max(1);
        let mut tally = crew.tally.borrow_mut();
        tally.took("delivery", took);
        if let (Ok(writer), Ok(number)) = (u32::try_from(writer), usize::try_from(number)) {
            tally.arrived(writer, number, took);
        }
    }
    found
}

/// Sends bursts of what `text` makes of a number and the moment, until the time is over; the next burst when the last is acked, and not
/// before it is due.
pub(super) async fn write(
    crew: &Crew,
    number: u32,
    writer: &mut Client,
    deadline: u64,
    text: impl Fn(u64, u64) -> String,
) -> Result<(), Failure> {
    let (args, dialect) = (crew.args(), writer.dialect);
    let begin = crew.micros();
    let (mut sent, mut open) = (0u64, 0u64);
    let refused: Rc<Cell<u64>> = Rc::default();
    while crew.goes_on(sent, deadline) {
        crew.until(Crew::due(begin, sent, args.rate).min(deadline)).await;
        let mut burst = Vec::new();
        let at = crew.micros();
        for _ in 0..args.burst {
            frames::put(&mut burst, 1, text(sent, at).as_bytes());
            sent += 1;
            open += 1;
        }
        writer.write(&burst).await?;
        while open > 0 {
            let mut answered = 0;
            let refused = refused.clone();
            writer
                .wait(|payload| {
                    answered += u64::from(dialect.answer_id(payload).is_some());
                    if let Some(name) = dialect.refusal(payload) {
                        refused.set(refused.get() + 1);
                        crew.tally.borrow_mut().failed(&Failure::Answered(name));
                    }
                    (answered == open).then_some(())
                })
                .await?;
            open = 0;
        }
        crew.tally.borrow_mut().took("ack of a burst", crew.micros() - at);
        crew.tally.borrow_mut().add("commands answered", args.burst.into());
    }
    crew.wrote(number, sent - refused.get());
    Ok(())
}
