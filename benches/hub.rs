//! What a command costs the core alone: decide on the draft, and apply to the replica. No store, no frames.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a bench fails by panicking")]
use criterion::{Criterion, criterion_group, criterion_main};
use michub::hub::{
    actor::Actor,
    command::{Command, Request},
    decide::{Draft, Members},
    id::{CommitId, OpId, RoomId, UserId},
    queue::{OnMissing, Place},
    room::Room,
    rules::Rules,
    time::UnixMs,
};
use std::{hint::black_box, sync::Arc};

/// How many people wait.
const WAITING: usize = 2_000;

struct Everybody;

impl Members for Everybody {
    fn is_live(&self, _: &UserId) -> bool {
        true
    }
}

fn person(number: usize) -> UserId {
    UserId::parse(&format!("listener-{number:05}")).unwrap()
}

fn request(actor: &UserId, op_id: Option<OpId>, command: Command) -> Request {
    Request { actor: Actor::User(actor.clone()), op_id, if_rev: None, command }
}

/// A room with one seat, which is taken, and a full queue.
fn full_queue(owner: &UserId) -> Room {
    let rules = Rules { max_mic_count: 1, host_seat: false, max_queue_len: WAITING, ..Rules::default() };
    let mut room = Room::create(RoomId::parse("bench").unwrap(), owner.clone(), Arc::new(rules), CommitId(0), UnixMs(1));
    let mut draft = Draft::new(&room);
    draft.begin(CommitId(1), UnixMs(2));
    for number in 0..=WAITING {
        let join = Command::QueueJoin { want_seat: None, note: None };
        draft.decide(&request(&person(number), None, join), &Everybody).unwrap();
    }
    room.apply(&draft.finish().unwrap()).unwrap();
    assert_eq!(room.queue.entries.len(), WAITING);
    room
}

fn moves(criterion: &mut Criterion) {
    let owner = UserId::parse("owner").unwrap();
    let mut room = full_queue(&owner);
    let mut draft = Draft::new(&room);
    let (mut number, mut at) = (0usize, 1u64);
    criterion.bench_function("queue_move in a queue of 2000", |bencher| {
        bencher.iter(|| {
            // Steps through the queue without a pattern; target and anchor are never the same.
            number += 1;
            at += 1;
            let target = 1 + number * 1_103 % WAITING;
            let anchor = 1 + (target + 1 + number * 761 % (WAITING - 2)) % WAITING;
            let place = if number.is_multiple_of(2) { Place::Before(person(anchor)) } else { Place::After(person(anchor)) };
            let command = Command::QueueMove { target: person(target), place, on_missing: OnMissing::Fail, force: true };
            let op_id = OpId::parse(&format!("op-{number}")).unwrap();
            draft.begin(CommitId(at), UnixMs(at));
            black_box(draft.decide(&request(&owner, Some(op_id), command), &Everybody).unwrap());
            if let Some(commit) = draft.finish() {
                room.apply(&commit).unwrap();
            }
            black_box(draft.next_deadline());
        });
    });
    assert_eq!(*draft.room(), room);
}

criterion_group!(benches, moves);
criterion_main!(benches);
