//! What must hold for any bytes whatever: shared by the fuzzer (`tests/fuzz`) and by the tests that play its corpus.
use michub::{
    hub::{
        actor::Actor,
        command::Request,
        decide::{Draft, Members},
        id::{CommitId, RoomId, UserId},
        room::Room,
        time::UnixMs,
    },
    wire::{
        answer::decision_ack,
        client::{self, ClientFrame, Parsed},
        heartbeat,
        record::{decode_commit, decode_room, encode_commit, encode_room},
        rules::{self, RulesJson},
        server::{ErrorJson, json, room_snapshot, room_update},
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// What bears any bytes, or panics.
pub type Target = fn(&[u8]);

/// Each target by its name, which is also the folder of its corpus.
pub const TARGETS: [(&str, Target); 4] = [("frame", frame), ("rules", rules), ("record", record), ("room", room)];

fn room_id() -> RoomId {
    RoomId::parse("r1").expect("an id")
}

/// A client's frame: no panic, and the short way for heartbeats reads what the full parser reads.
pub fn frame(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = client::parse(text);
    let _ = client::parse_poll(text);
    let full = client::parse_for_room(text, &room_id());
    if let Some(beat) = heartbeat::read(text) {
        assert_eq!(full, Ok(Parsed::from(beat)));
    }
}

/// A rules document: what is read is written and read again as the same.
pub fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match rules::parse(text) {
        Ok(rules) => {
            let written = serde_json::to_string(&RulesJson(Arc::new(rules.clone()))).expect("JSON");
            assert_eq!(rules::parse(&written), Ok(rules), "{written}");
        }
        Err(bad) => assert!(bad.path.is_empty() || bad.path.starts_with('/'), "{bad:?}"),
    }
}

/// A store's record: what is read is written and read again as the same.
pub fn record(bytes: &[u8]) {
    if let Ok(room) = decode_room(bytes) {
        assert_eq!(decode_room(&encode_room(&room)), Ok(room));
    }
    if let Ok(commit) = decode_commit(bytes) {
        assert_eq!(decode_commit(&encode_commit(&commit)), Ok(commit));
    }
}

struct Live(BTreeSet<UserId>);

impl Members for Live {
    fn is_live(&self, user: &UserId) -> bool {
        self.0.contains(user)
    }
}

/// A room that gets one line after the other: `NAME FRAME` asks, `+NAME` comes, `-NAME` is lost, `=MS` lets time pass, `!RULES` before all sets
/// the rules. Whatever they hold: no panic, a refusal leaves no trace, the log gives the same room, and nobody is in two places.
pub fn room(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.lines().take(40).peekable();
    let first = lines.next_if(|line| line.starts_with('!')).unwrap_or("!{}");
    let document = rules::parse(&first[1..]).unwrap_or_default();
    let own = UserId::parse("own").expect("an id");
    let mut replica = Room::create(room_id(), own.clone(), Arc::new(document), CommitId(0), UnixMs(1_000_000));
    let mut draft = Draft::new(&replica);
    let mut live = Live(BTreeSet::from([own]));
    let mut now = 1_000_000_u64;
    for (commit, line) in (1..).zip(lines) {
        let (mark, name) = line.split_at(line.chars().next().map_or(0, char::len_utf8));
        if mark == "=" {
            now = now.saturating_add(name.parse::<u32>().unwrap_or(0).into());
        }
        draft.begin(CommitId(commit), UnixMs(now));
        draft.due(&live);
        match (mark, UserId::parse(name)) {
            ("+", Ok(user)) => drop(live.0.insert(user)),
            ("-", Ok(user)) => drop(live.0.remove(&user)),
            _ => ask(&mut draft, &live, line),
        }
        draft.level(&live);
        if let Some(commit) = draft.finish() {
            replica.apply(&commit).expect("it follows");
            assert_eq!(replica, *draft.room(), "the log gives another room");
            assert_eq!(decode_commit(&encode_commit(&commit)).as_ref(), Ok(&commit));
            assert_eq!(decode_room(&encode_room(&replica)).as_ref(), Ok(&replica));
            drop(room_update(&replica.id, &commit));
        }
        drop(room_snapshot(&replica, UnixMs(now)));
        nobody_twice(&replica);
    }
}

fn ask(draft: &mut Draft, live: &Live, line: &str) {
    let Some((name, frame)) = line.split_once(' ') else { return };
    let actor = match UserId::parse(name) {
        _ if name == "service" => Actor::Service,
        Ok(user) => Actor::User(user),
        Err(_) => return,
    };
    let Ok(Parsed { op_id, if_rev, frame: ClientFrame::Room { command, .. }, .. }) = client::parse_for_room(frame, &room_id())
    else {
        return;
    };
    let before = draft.room().clone();
    match draft.decide(&Request { actor, op_id, if_rev, command }, live) {
        Ok(decision) => drop(decision_ack(None, &room_id(), &decision)),
        Err(reject) => {
            assert_eq!(before, *draft.room(), "a refusal left a trace");
            drop(json(&ErrorJson::from_reject(None, &reject)));
        }
    }
}

fn nobody_twice(room: &Room) {
    let seated = room.seats.list.iter().filter_map(|seat| Some(&seat.occupant.as_ref()?.user));
    let mut seen = BTreeSet::new();
    for user in seated.chain(room.queue.entries.iter().map(|entry| &entry.user)) {
        assert!(seen.insert(user), "{user} is in two places");
    }
    for turn in &room.turns.list {
        let seat = room.seats.of(&turn.user);
        assert_eq!(seat.map(|seat| seat.no), Some(turn.seat_no), "a turn without its person");
    }
}
