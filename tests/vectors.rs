//! Golden vectors: what each frame of a client means or how it is refused, and what each frame of the hub looks like.
//! Other clients replay the same files. `MICHUB_BLESS=1 cargo test --test vectors` writes them anew; look at the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::{
    hub::{
        actor::Actor,
        asks::{Apply, End, Ended, Invite},
        code::{Code, Reject},
        command::{Command, IfRev, SeatPolicy, SeatSet},
        cursor::Cursor,
        decide::{Decision, Explained},
        event::{Answer, Commit, Event, Op, Part, Step},
        id::{CommitId, OpId, RoleId, RoomId, UserId},
        mode::{Flag, Flags, Mode},
        queue::{Entry, OnMissing, Place, Undo},
        reasons::{ApplyOutcome, InviteOutcome, QueueLeftReason, SeatLeftReason, TurnEndedReason},
        room::Room,
        rules::Rules,
        seats::{Media, Occupant, Reservation, Via},
        talk::{Levels, Talk, Weight},
        time::{Millis, UnixMs},
        turns::{Causes, Clock, Turn},
    },
    wire::{
        answer::decision_ack,
        client::{self, Choice, ClientFrame, Parsed, Since},
        close::Close,
        heartbeat, letters,
        membership::{self, MemberJson, Messages, PresenceChange},
        message::{self, Heard, Said, Saying, decode_said, encode_said},
        record::{decode_commit, decode_room, encode_commit, encode_room},
        rules::{self, RulesJson},
        server::{self, Ack, ErrorJson, Message, UserOnlineStatus, UserStatus, Welcome, WelcomeRoom, json},
    },
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, path::Path, sync::Arc};

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

fn read(name: &str) -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(file(name)).unwrap()).unwrap()
}

/// Compares with the file, one vector per line, or writes it.
fn settle(name: &str, now: &[Value]) {
    if std::env::var_os("MICHUB_BLESS").is_some() {
        let lines: Vec<String> = now.iter().map(ToString::to_string).collect();
        std::fs::write(file(name), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
    let kept = read(name);
    for (now, kept) in now.iter().zip(&kept) {
        assert_eq!(now, kept, "{name}: {}", kept["name"]);
    }
    assert_eq!(now.len(), kept.len(), "{name}: one side has more vectors");
    let names: BTreeSet<_> = kept.iter().map(|vector| vector["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), kept.len(), "{name}: a name stands twice");
}

fn put(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    let value = value.into();
    if !value.is_null() {
        map.insert(key.to_owned(), value);
    }
}

fn names(users: &[UserId]) -> Value {
    users.iter().map(UserId::as_str).collect::<Vec<_>>().into()
}

fn show(parsed: &Parsed) -> Value {
    let mut map = Map::new();
    put(&mut map, "id", parsed.id);
    put(&mut map, "op_id", parsed.op_id.as_ref().map(OpId::as_str));
    match &parsed.if_rev {
        None => {}
        Some(IfRev::Rev(rev)) => put(&mut map, "if_rev", *rev),
        Some(IfRev::Cursor(cursor)) => put(&mut map, "if_rev", cursor.to_string()),
    }
    if !parsed.senders.is_empty() {
        put(&mut map, "senders", names(&parsed.senders));
    }
    put(&mut map, "says", frame(&parsed.frame));
    map.into()
}

fn frame(frame: &ClientFrame) -> Value {
    let place =
        |room: &RoomId, cursor: &Option<Cursor>| json!({"room_id": room.as_str(), "cursor": cursor.map(|c| c.to_string())});
    let since = |room: &RoomId, since: &Since| {
        let mut shown = place(room, &since.cursor);
        if let Some(messages) = since.messages {
            shown["msg_cursor"] = messages.to_string().into();
        }
        shown
    };
    match frame {
        ClientFrame::UserOnline(online) => json!({
            "user_online": {
                "user_id": online.user.as_ref().map(|user| user.as_str()), "user_type": online.user_type.as_str(), "token": online.token,
                "session_token": online.session_token,
                "rooms": online.rooms.iter().map(|(room, at)| since(room, at)).collect::<Vec<_>>(),
            }
        }),
        ClientFrame::Heartbeat { ts_ms } => json!({"heartbeat": {"ts_ms": ts_ms}}),
        ClientFrame::StatusChange { status } => {
            let status = match status {
                Choice::Online => "online",
                Choice::Busy => "busy",
                Choice::Away => "away",
                Choice::Offline => "offline",
            };
            json!({"status_change": {"status": status}})
        }
        ClientFrame::Message { to, message } => json!({"message": {"to_user_id": to.as_str(), "message": message}}),
        ClientFrame::BlockUsers { users, on: true } => json!({"block_users": {"user_ids": names(users)}}),
        ClientFrame::BlockUsers { users, on: false } => json!({"unblock_users": {"user_ids": names(users)}}),
        ClientFrame::BlockedUsers => json!("blocked_users"),
        ClientFrame::UserOffline => json!("user_offline"),
        ClientFrame::RequestOnlineStatus { users } => json!({"request_online_status": {"user_ids": names(users)}}),
        ClientFrame::WatchStatus { users } => json!({"watch_status": {"user_ids": names(users)}}),
        ClientFrame::UnwatchStatus { users } => json!({"unwatch_status": {"user_ids": names(users)}}),
        ClientFrame::RefreshToken { token } => json!({"refresh_token": {"token": token}}),
        ClientFrame::RoomJoin { room, since: at } => json!({"room_join": since(room, at)}),
        ClientFrame::RoomLeave { room } => json!({"room_leave": {"room_id": room.as_str()}}),
        ClientFrame::RoomSync { room, cursor } => json!({"room_sync": place(room, cursor)}),
        ClientFrame::RoomMembers { room, offset, limit } => {
            json!({"room_members": {"room_id": room.as_str(), "offset": offset, "limit": limit}})
        }
        ClientFrame::RoomMessage { room, saying: Saying { weight, kind, body, dedup_id } } => {
            let dedup_id = dedup_id.as_ref().map(OpId::as_str);
            json!({"room_message": {
                "room_id": room.as_str(), "class": weight.name(), "kind": kind, "body": body, "dedup_id": dedup_id,
            }})
        }
        ClientFrame::Room { room, command } => {
            let (name, mut fields) = arguments(command);
            fields["room_id"] = room.as_str().into();
            json!({name: fields})
        }
    }
}

fn arguments(command: &Command) -> (&'static str, Value) {
    let id = UserId::as_str;
    let policy = |policy: &SeatPolicy| format!("{policy:?}").to_lowercase();
    let seats = |seats: &SeatSet| match seats {
        SeatSet::All => json!("all"),
        SeatSet::Numbers(numbers) => json!(numbers),
    };
    let place = |place: &Place| match place {
        Place::Before(user) => json!({"before": user.as_str()}),
        Place::After(user) => json!({"after": user.as_str()}),
        Place::Front => json!("front"),
        Place::Back => json!("back"),
        Place::Up(n) => json!({"up": n}),
        Place::Down(n) => json!({"down": n}),
    };
    match command {
        Command::QueueJoin { want_seat, note } => ("queue_join", json!({"want_seat": want_seat, "note": note})),
        Command::QueueLeave => ("queue_leave", json!({})),
        Command::QueueInsert { target, place: at, respect_rules } => {
            ("queue_insert", json!({"target_user_id": id(target), "place": place(at), "respect_rules": respect_rules}))
        }
        Command::QueueRemove { targets, reason } => {
            ("queue_remove", json!({"target_user_ids": names(targets), "reason": reason}))
        }
        Command::QueueMove { target, place: at, on_missing, force } => {
            let on_missing = if *on_missing == OnMissing::Nearest { "nearest" } else { "fail" };
            ("queue_move", json!({"target_user_id": id(target), "place": place(at), "on_missing": on_missing, "force": force}))
        }
        Command::QueueReorder { users } => ("queue_reorder", json!({"user_ids": names(users)})),
        Command::QueueClear => ("queue_clear", json!({})),
        Command::QueueRestore { undo_id } => ("queue_restore", json!({"undo_id": undo_id})),
        Command::QueueResort => ("queue_resort", json!({})),
        Command::SeatTake { seat_no } => ("seat_take", json!({"seat_no": seat_no})),
        Command::SeatLeave => ("seat_leave", json!({})),
        Command::SeatAssign { target, seat_no, policy: p, requeue } => {
            ("seat_assign", json!({"target_user_id": id(target), "seat_no": seat_no, "policy": policy(p), "requeue": requeue}))
        }
        Command::SeatMove { target, seat_no, policy: p } => {
            ("seat_move", json!({"target_user_id": target.as_ref().map(id), "seat_no": seat_no, "policy": policy(p)}))
        }
        Command::SeatKick { target, requeue, cooldown_seconds } => {
            ("seat_kick", json!({"target_user_id": id(target), "requeue": requeue, "cooldown_seconds": cooldown_seconds}))
        }
        Command::SeatLock { seats: s, on, evict } => ("seat_lock", json!({"seat_nos": seats(s), "on": on, "evict": evict})),
        Command::SeatMute { seats: s, on } => ("seat_mute", json!({"seat_nos": seats(s), "on": on})),
        Command::SeatExtra { seat_no, extra, if_extra_rev } => {
            ("seat_extra", json!({"seat_no": seat_no, "extra": extra, "if_extra_rev": if_extra_rev}))
        }
        Command::ModeSet { mode } => ("mode_set", json!({"mode": format!("{mode:?}").to_lowercase()})),
        Command::FlagSet { flag, on } => {
            let flag = match flag {
                Flag::QueueOpen => "queue_open",
                Flag::FloorControlled => "floor_controlled",
                Flag::MuteAll => "mute_all",
            };
            ("flag_set", json!({"flag": flag, "on": on}))
        }
        Command::ApplySubmit { want_seat } => ("apply_submit", json!({"want_seat": want_seat})),
        Command::ApplyCancel { apply_id } => ("apply_cancel", json!({"apply_id": apply_id})),
        Command::ApplyResolve { apply_id, approve, seat_no } => {
            ("apply_resolve", json!({"apply_id": apply_id, "approve": approve, "seat_no": seat_no}))
        }
        Command::InviteSend { target, seat_no, ttl } => {
            let ttl_seconds = ttl.map(|ttl| ttl.0 / 1000);
            ("invite_send", json!({"target_user_id": id(target), "seat_no": seat_no, "ttl_seconds": ttl_seconds}))
        }
        Command::InviteReply { invite_id, accept } => ("invite_reply", json!({"invite_id": invite_id, "accept": accept})),
        Command::InviteCancel { invite_id } => ("invite_cancel", json!({"invite_id": invite_id})),
        Command::TurnNext { expect, seat_no } => ("turn_next", json!({"expect_turn_id": expect, "seat_no": seat_no})),
        Command::TurnExtend { expect, seconds } => ("turn_extend", json!({"expect_turn_id": expect, "seconds": seconds})),
        Command::TurnPause { expect } => ("turn_pause", json!({"expect_turn_id": expect})),
        Command::TurnResume { expect } => ("turn_resume", json!({"expect_turn_id": expect})),
        Command::TurnYield { expect } => ("turn_yield", json!({"expect_turn_id": expect})),
        Command::RulesSet { rules, if_rules_rev } => {
            let rules = match rules {
                Ok(rules) => serde_json::to_value(RulesJson(rules.clone())).unwrap(),
                Err(bad) => json!({"bad_rules": {"path": bad.path, "message": bad.message}}),
            };
            ("rules_set", json!({"rules": rules, "if_rules_rev": if_rules_rev}))
        }
        Command::RoleSet { target, role } => {
            ("role_set", json!({"target_user_id": id(target), "role_id": role.as_ref().map(RoleId::as_str)}))
        }
        Command::OwnerTransfer { target } => ("owner_transfer", json!({"target_user_id": id(target)})),
        Command::UserKick { target, reason } => ("user_kick", json!({"target_user_id": id(target), "reason": reason})),
        Command::UserBan { target, reason, until } => {
            ("user_ban", json!({"target_user_id": id(target), "reason": reason, "until_ms": until.map(|at| at.0)}))
        }
        Command::UserUnban { target } => ("user_unban", json!({"target_user_id": id(target)})),
        Command::QueueBan { target, until } => ("queue_ban", json!({"target_user_id": id(target), "until_ms": until.0})),
        Command::RoomClose { reason } => ("room_close", json!({"reason": reason})),
        Command::TalkSet { slow_mode, must_level, normal_level, droppable_level } => (
            "talk_set",
            json!({
                "slow_mode_seconds": slow_mode.map(|span| span.0 / 1000), "must_level": must_level,
                "normal_level": normal_level, "droppable_level": droppable_level,
            }),
        ),
        Command::TalkMute { target, until } => {
            ("talk_mute", json!({"target_user_id": id(target), "until_ms": until.map(|at| at.0)}))
        }
        Command::Batch { ops, atomic } => {
            let ops: Vec<Value> = ops.iter().map(arguments).map(|(name, fields)| json!({name: fields})).collect();
            ("batch", json!({"ops": ops, "atomic": atomic}))
        }
        Command::Explain { command, as_user } => {
            let (name, fields) = arguments(command);
            ("explain", json!({"command": {name: fields}, "as_user_id": as_user.as_ref().map(id)}))
        }
        other => panic!("the hub's own {other:?} came from a frame"),
    }
}

#[test]
fn client_frames_mean_what_they_meant() {
    let judge = |vector: &Value| {
        let text = vector["frame"].as_str().unwrap();
        let mut now = json!({"name": vector["name"], "frame": text});
        match client::parse(text) {
            Ok(parsed) => now["parsed"] = show(&parsed),
            Err(bad) => {
                now["error"] = json!({"name": bad.code.name(), "path": bad.path, "id": bad.id});
                if !bad.senders.is_empty() {
                    now["error"]["senders"] = names(&bad.senders);
                }
            }
        }
        now
    };
    let now: Vec<Value> = read("client.json").iter().map(judge).collect();
    settle("client.json", &now);
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn room_id() -> RoomId {
    RoomId::parse("r1").unwrap()
}

fn entry(name: &str, seq: u64) -> Entry {
    Entry {
        user: user(name),
        seq,
        eff_priority: 0,
        skip_queue: false,
        want_seat: (seq == 2).then_some(4),
        note: (seq == 2).then(|| "我想唱歌".to_owned()),
        held_until: (seq == 2).then_some(UnixMs(1_700_000_120_000)),
        pinned: seq == 2,
        jumped_by: 0,
        joined_at: UnixMs(1_700_000_000_000),
    }
}

/// A document with something in every list.
fn full_rules() -> Rules {
    let text = r#"{"max_mic_count":3,"access":"blacklist","blacklist":["x"],"roles":[{"role_id":"dj","level":300,"can_skip_queue":true,"timeout_seconds":0,
        "perms":["queue_move"]}],"special_user_list":[{"user_id":"a","priority_level":90,"until_ms":1798700000000}],"time_based_rules":[{"name":"VIP first",
        "days":["fri","sat"],"start":"20:00","end":"22:00","tz":"Asia/Shanghai","boost":{"vip":100},"deny_roles":["guest"],"max_queue_len":200}]}"#;
    rules::parse(text).unwrap()
}

/// One of each event.
fn events() -> Vec<Event> {
    let [a, b] = ["a", "b"].map(user);
    let until = UnixMs(1_700_000_120_000);
    let member = || RoleId::parse("member").unwrap();
    let started = |clock, paused_by| {
        let (turn_id, user) = ("77c-3".to_owned(), user("a"));
        Event::TurnStarted { turn_id, user, seat_no: 2, clock, paused_by }
    };
    let turned = |clock, paused_by| Event::TurnUpdated { turn_id: "77c-3".to_owned(), clock, paused_by, extended: -30_000 };
    let updated = |locked, admin_muted, self_muted, extra| {
        let media = None;
        Event::SeatUpdated { seat_no: 2, locked, admin_muted, self_muted, extra, media }
    };
    let streaming = |media| Event::SeatUpdated {
        seat_no: 2,
        locked: None,
        admin_muted: None,
        self_muted: None,
        extra: None,
        media: Some(media),
    };
    vec![
        Event::QueueJoined {
            user: a.clone(),
            index: 1,
            eff_priority: 50,
            skip_queue: true,
            seq: 7,
            pinned: false,
            want_seat: Some(3),
            note: Some("hi".to_owned()),
            why: vec!["stopped at on_deck".to_owned()],
        },
        Event::QueueLeft { user: a.clone(), reason: QueueLeftReason::Removed, note: Some("too loud".to_owned()) },
        Event::QueueMoved { user: a.clone(), from: 3, to: 1, after: Some(b.clone()) },
        Event::QueueMoved { user: a.clone(), from: 3, to: 0, after: None },
        Event::QueueReordered { order: vec![b.clone(), a.clone()], resort: false, jumped_by: Vec::new() },
        Event::QueueReordered { order: vec![b.clone(), a.clone()], resort: true, jumped_by: vec![(a.clone(), 1)] },
        Event::QueueCleared { undo_id: "77c-0".to_owned(), count: 2 },
        Event::QueueRestored { undo_id: "77c-0".to_owned(), order: vec![b.clone()], entries: vec![entry("b", 2)] },
        Event::QueueHeld { user: a.clone(), held_until: until },
        Event::QueueReturned { user: a.clone() },
        Event::QueueOnDeck { user: a.clone() },
        Event::SeatTaken { seat_no: 2, user: a.clone(), via: Via::Promote },
        Event::SeatLeft { seat_no: 2, user: a.clone(), reason: SeatLeftReason::Kicked, cooldown_until: Some(until) },
        Event::SeatMoved { user: a.clone(), from: 2, to: 3 },
        updated(Some(true), None, None, None),
        updated(None, Some(true), None, None),
        updated(None, None, Some(false), None),
        updated(None, None, None, Some(("♪".to_owned(), 2))),
        streaming(Media::Publishing),
        streaming(Media::Lost { until }),
        Event::SeatHeld { seat_no: 2, user: a.clone(), held_until: until },
        Event::SeatReturned { seat_no: 2, user: a.clone() },
        Event::ApplySubmitted { apply_id: "77c-1".to_owned(), user: a.clone(), want_seat: Some(3), seq: 8, expires_at: until },
        Event::ApplySubmitted { apply_id: "77c-1".to_owned(), user: a.clone(), want_seat: None, seq: 8, expires_at: until },
        Event::ApplyEnded { apply_id: "77c-1".to_owned(), user: a.clone(), outcome: ApplyOutcome::Approved },
        Event::InviteSent { invite_id: "77c-2".to_owned(), user: a.clone(), seat_no: 4, expires_at: until },
        Event::InviteEnded { invite_id: "77c-2".to_owned(), user: a.clone(), seat_no: 4, outcome: InviteOutcome::Declined },
        started(Clock::Running { ends_at: until }, Causes::default()),
        started(Clock::Stopped { remaining: Millis(90_000) }, Causes { floor: true, ..Causes::default() }),
        started(Clock::Unlimited, Causes::default()),
        turned(Clock::Running { ends_at: until }, Causes::default()),
        turned(Clock::Stopped { remaining: Millis(90_000) }, Causes { hand: true, floor: false, chair: true }),
        Event::TurnEnded { turn_id: "77c-3".to_owned(), user: a.clone(), seat_no: 2, reason: TurnEndedReason::Timeout },
        Event::ModeChanged { mode: Mode::Chair, from: Mode::Queue },
        Event::RulesChanged { rules_rev: 3, rules: Arc::new(full_rules()) },
        Event::FlagsChanged { flags: Flags { queue_open: false, floor_controlled: true, mute_all: true } },
        Event::RoleChanged { user: a.clone(), role: Some(RoleId::parse("admin").unwrap()), from: member(), by_token: true },
        Event::RoleChanged { user: a.clone(), role: None, from: member(), by_token: false },
        Event::MemberKicked { user: a.clone(), reason: None },
        Event::MemberBanned { user: a.clone(), until: None, reason: Some("spam".to_owned()) },
        Event::MemberUnbanned { user: a.clone() },
        Event::QueueBanned { user: a, until },
        Event::RoomClosed { reason: Some("night".to_owned()) },
        Event::TalkChanged { slow_mode: Millis::from_seconds(3), levels: Levels { must: 600, normal: 0, droppable: 100 } },
        Event::TalkMuted { user: user("a"), until: None },
        Event::TalkMuted { user: user("a"), until: Some(UnixMs(0)) },
    ]
}

fn said(weight: Weight, from: Actor) -> Said {
    let dedup_id = Some(OpId::parse("d1").unwrap());
    let saying = Saying { weight, kind: "gift".to_owned(), body: "{\"n\":1}".to_owned(), dedup_id };
    Said { from, saying, at: UnixMs(1_700_000_000_000) }
}

fn parts() -> Vec<Part> {
    let done = Part::Done { rev: 41, event: events().swap_remove(0) };
    vec![done, Part::Noop, Part::Refused(Code::NotQueued)]
}

fn cursor(rev: u64) -> Cursor {
    Cursor { rev, commit: CommitId(0xa8f0 + rev) }
}

fn commit() -> Commit {
    let op = Op { id: OpId::parse("m-81").unwrap(), fingerprint: 1, answer: Answer::Batch(parts()) };
    let own = Step { rev: 42, by: Actor::User(user("adm")), op: Some(op), own: 0, events: events() };
    let hub = Step { rev: 43, by: Actor::Hub, op: None, own: 0, events: vec![Event::QueueReturned { user: user("a") }] };
    let service = Step { rev: 44, by: Actor::Service, op: None, own: 0, events: vec![Event::QueueOnDeck { user: user("a") }] };
    Commit { prev: cursor(41), cursor: cursor(44), at: UnixMs(1_700_000_000_000), steps: vec![own, hub, service] }
}

fn room() -> Room {
    let mut room = Room::create(room_id(), user("own"), Arc::new(Rules::default()), CommitId(0xa8f0), UnixMs(1_700_000_000_000));
    let occupant = |name, held: Option<u64>| Occupant {
        user: user(name),
        since: UnixMs(1_700_000_000_000),
        via: Via::Take,
        self_muted: false,
        held_until: held.map(UnixMs),
        grant: 7,
        media: if held.is_some() { Media::Lost { until: UnixMs(1_700_000_005_000) } } else { Media::Publishing },
    };
    room.seats.list[0].occupant = Some(occupant("own", None));
    room.seats.list[1].occupant = Some(occupant("c", Some(1_700_000_030_000)));
    room.seats.list[1].admin_muted = true;
    room.seats.list[2].locked = true;
    room.seats.list[2].extra = "♪".to_owned();
    room.seats.list[2].extra_rev = 1;
    let stopped = Clock::Stopped { remaining: Millis(90_000) };
    let turn = |id: &str, name, seat_no, clock, paused_by| Turn {
        turn_id: id.to_owned(),
        user: user(name),
        seat_no,
        started_at: UnixMs(1_700_000_000_000),
        clock,
        paused_by,
        length: Millis(120_000),
        extended: 30_000,
    };
    room.turns.list = vec![
        turn("77c-3", "c", 2, Clock::Running { ends_at: UnixMs(1_700_000_150_000) }, Causes::default()),
        turn("77c-4", "d", 5, stopped, Causes { hand: true, ..Causes::default() }),
    ];
    room.seats.list[4].occupant = Some(occupant("d", None));
    let apply_id = "77c-1".to_owned();
    room.asks.applies =
        vec![Apply { apply_id, user: user("p"), want_seat: Some(3), seq: 3, expires_at: UnixMs(1_700_000_060_000) }];
    let (invite_id, until) = ("77c-2".to_owned(), UnixMs(1_700_000_030_000));
    room.seats.list[5].reserved_for = Some(Reservation { user: user("i"), invite_id: invite_id.clone(), until });
    let by = Actor::User(user("own"));
    room.asks.invites = vec![Invite { invite_id, user: user("i"), by: by.clone(), seat_no: 6, expires_at: until }];
    let over = |id: &str, end| Ended { id: id.to_owned(), user: user("q"), end, by: by.clone(), at: UnixMs(1_700_000_000_000) };
    room.asks.ended =
        [over("77c-5", End::Apply(ApplyOutcome::Rejected)), over("77c-6", End::Invite(InviteOutcome::Expired))].into();
    room.queue.entries = vec![entry("a", 1), entry("b", 2)];
    room.flags.mute_all = true;
    room.bans.insert(user("x"), None);
    room.queue_bans.insert(user("y"), UnixMs(1_700_000_120_000));
    room.cooldowns.insert(user("z"), UnixMs(1_700_000_120_000));
    room.undo = vec![Undo { undo_id: "77c-0".to_owned(), at: UnixMs(1_700_000_000_000), entries: vec![entry("b", 2)] }];
    room
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn hub_frames_look_as_they_did() {
    let mut vectors = Vec::new();
    let mut add = |name: &str, bytes: &[u8]| vectors.push(json!({"name": name, "frame": parsed(bytes)}));
    let joined = WelcomeRoom {
        room_id: "r1".to_owned(),
        recovered: Some(true),
        cursor: Some(cursor(4).to_string()),
        msg_cursor: Some(cursor(9).to_string()),
        msg_skipped: Some(true),
        error: None,
    };
    let refused = WelcomeRoom {
        room_id: "r2".to_owned(),
        recovered: None,
        cursor: None,
        msg_cursor: None,
        msg_skipped: None,
        error: Some("room_closed"),
    };
    let welcome = Welcome {
        id: Some(4),
        session_id: "s1",
        user_id: "kol_123",
        user_type: "kol",
        resumed: true,
        session_token: "t",
        server_time_ms: 1_700_000_000_000,
        heartbeat_interval_ms: 30_000,
        heartbeat_timeout_ms: 60_000,
        ping_interval_ms: 25_000,
        node: "n1",
        version: "0.1.0",
        rooms: vec![joined, refused],
    };
    add("welcome", &json(&welcome));
    let beat = |ts_ms| heartbeat::ack(UnixMs(1_640_995_200_123), ts_ms).split_off(2);
    add("heartbeat_ack", &beat(None));
    add("heartbeat_ack with ts_ms", &beat(Some(12)));
    let status = |name: &str, online, status, last_seen| UserStatus {
        user_id: name.to_owned(),
        user_type: "user".to_owned(),
        online,
        status,
        last_seen,
    };
    let people = [status("kol_123", true, "busy", 1_640_995_200), status("nobody", false, "offline", 0)];
    add("userOnlineStatus answer", &json(&UserOnlineStatus { id: Some(1), user_status: &people }));
    add("userOnlineStatus push", &json(&UserOnlineStatus { id: None, user_status: &people[..1] }));
    let message =
        Message { from_user_id: "user_789", to_user_id: "kol_123", message: "Hello, can we talk?", timestamp: 1_640_995_200 };
    add("message", &json(&message));
    add("ack plain", &json(&Ack { id: Some(7), fields: Map::<String, Value>::new() }));
    let accepted = |dup, results| Decision::Accepted { rev: 42, event: events().swap_remove(0), dup, results };
    add("ack of a command", &decision_ack(Some(7), &room_id(), &accepted(false, Vec::new())));
    add("ack of a repeat", &decision_ack(Some(8), &room_id(), &accepted(true, Vec::new())));
    add("ack of nothing to do", &decision_ack(None, &room_id(), &Decision::Noop { rev: 42, by: None }));
    let by = Some(Actor::User(user("adm")));
    add("ack of what somebody did before", &decision_ack(Some(7), &room_id(), &Decision::Noop { rev: 42, by }));
    let results = vec![(user("a"), None), (user("b"), Some(Code::NotQueued))];
    let removed = Decision::Accepted { rev: 42, event: events().swap_remove(1), dup: false, results };
    add("ack with results", &decision_ack(Some(9), &room_id(), &removed));
    let batch = |parts, dup| Decision::Batch { rev: 42, dup, parts };
    add("ack of a batch", &decision_ack(Some(10), &room_id(), &batch(parts(), false)));
    add("ack of a repeated batch", &decision_ack(Some(11), &room_id(), &batch(parts(), true)));
    add("ack of a batch of nothing", &decision_ack(Some(12), &room_id(), &batch(vec![Part::Noop], false)));
    let explained = |would, standing| Decision::Explained(Box::new(Explained { rev: 42, would, standing }));
    let would = explained(Ok(accepted(false, Vec::new())), Some((50, vec!["role:vip priority 50".to_owned()])));
    add("explained: ok", &decision_ack(Some(13), &room_id(), &would));
    let full = explained(Err(Reject::QueueFull { limit: 100 }), Some((50, vec!["role:vip priority 50".to_owned()])));
    add("explained: refused", &decision_ack(Some(14), &room_id(), &full));
    let nothing = explained(Ok(Decision::Noop { rev: 42, by: None }), None);
    add("explained: nothing to do", &decision_ack(Some(15), &room_id(), &nothing));
    add("ack of room_join", &membership::joined_ack(Some(1), &room_id(), cursor(4), "member", true, Messages::default()));
    let messages = Messages { head: Some(cursor(9)), skipped: true };
    let joined = membership::joined_ack(Some(1), &room_id(), cursor(4), "member", true, messages);
    add("ack of room_join with messages", &joined);
    add("ack of room_leave", &membership::left_ack(Some(2), &room_id(), cursor(4)));
    let member = MemberJson { user_id: "a", user_type: "user", role: "member", status: "online" };
    add("ack of room_members", &membership::members_ack(Some(3), &room_id(), &[member], 1));
    let change = |joined| PresenceChange { user_id: "a", status: "online", joined };
    add("room_presence", &membership::room_presence(&room_id(), 1234, &[change(true), change(false)]));
    let must = said(Weight::Must, Actor::User(user("a")));
    add("room_message must", &message::room_message(&room_id(), cursor(9), &must, false));
    add("room_message after a gap", &message::room_message(&room_id(), cursor(9), &must, true));
    let normal = said(Weight::Normal, Actor::User(user("a")));
    add("room_message normal", &message::room_message(&room_id(), cursor(9), &normal, false));
    let system = said(Weight::Droppable, Actor::Service);
    add("room_message of a backend", &message::room_message(&room_id(), cursor(9), &system, false));
    let heard = |kept| Heard { at: cursor(9), kept, time: UnixMs(1_700_000_000_000) };
    add("ack of a room_message", &message::message_ack(Some(5), &room_id(), heard(true), false));
    add("ack of a repeated room_message", &message::message_ack(Some(6), &room_id(), heard(false), true));
    let shown = message::room_message(&room_id(), cursor(9), &must, false);
    let blocked = [user("b"), user("a")].into();
    add("ack of block_users", &letters::blocked_ack(Some(5), &blocked));
    add("a page of messages", &message::messages_page(&[shown], cursor(9), true, false));
    add("an empty page of messages", &message::messages_page(&[], cursor(9), false, true));
    add("room_reset", &membership::room_reset(&room_id(), "history_changed", &["m-81"]));
    let update = server::room_update(&room_id(), &Commit { steps: commit().steps.split_off(1), ..commit() });
    add("polled updates", &membership::polled(Ok(&[&update, &update]), cursor(44)));
    add("polled reset", &membership::polled(Err(b"{}"), cursor(44)));
    add("room_update", &server::room_update(&room_id(), &commit()));
    add("room_snapshot", &server::room_snapshot(&room(), UnixMs(1_700_000_001_000)));
    for close in Close::ALL {
        add(&format!("closing {}", close.name()), &server::closing(*close, if close.retry() { 1840 } else { 0 }));
    }
    for code in Code::ALL {
        add(&format!("error {}", code.name()), &json(&ErrorJson::from_reject(Some(7), &Reject::Plain(*code))));
    }
    for (name, reject) in rejects() {
        add(name, &json(&ErrorJson::from_reject(Some(7), &reject)));
    }
    settle("server.json", &vectors);
}

fn rejects() -> Vec<(&'static str, Reject)> {
    let at = Some(UnixMs(1_700_000_120_000));
    let stale = Reject::StaleRev { rev: 42 };
    vec![
        ("bad_argument details", Reject::Argument { path: "/op_id".to_owned(), expected: "a new op_id for another command" }),
        ("stale_rev details", stale.clone()),
        ("not_member details", Reject::NotMember { user: user("a"), held: true }),
        ("already_queued details", Reject::AlreadyQueued { index: 0 }),
        ("not_queued details", Reject::NotQueued { users: vec![user("a")] }),
        ("queue_full details", Reject::QueueFull { limit: 100 }),
        ("anchor_gone details", Reject::AnchorGone { before: None, after: Some(user("b")) }),
        ("too_soon details", Reject::TooSoon { until: UnixMs(1_700_000_120_000), wait: Millis(1_840) }),
        ("blacklisted details", Reject::Until { code: Code::Blacklisted, until: at }),
        ("forbidden by a ban for ever", Reject::Until { code: Code::Forbidden, until: None }),
        ("window_closed details", Reject::WindowClosed { opens_at: at }),
        ("turn_changed details", Reject::TurnChanged { turn_id: None }),
        ("apply_resolved details", Reject::ApplyResolved { outcome: "approved", by: "adm".to_owned() }),
        ("bad_rules details", Reject::BadRules { path: "/max_mic_count".to_owned(), message: "1 to 64".to_owned() }),
        ("batch_failed details", Reject::BatchFailed { index: 1, error: Box::new(stale) }),
    ]
}

#[test]
fn every_code_is_documented() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PROTOCOL.md")).unwrap();
    let codes = Code::ALL.iter().map(|code| (code.number(), code.name()));
    for (number, name) in codes.chain(Close::ALL.iter().map(|close| (close.number(), close.name()))) {
        assert!(page.contains(&format!("| {number} | `{name}` |")), "{number} {name}");
    }
}

#[test]
fn records_hold_everything() {
    let mut room = room();
    let kept = Reservation { user: user("i"), invite_id: "77c-1".to_owned(), until: UnixMs(1_700_000_030_000) };
    room.seats.list[3].reserved_for = Some(kept);
    room.talk = Talk { slow_mode: Millis::from_seconds(3), ..Talk::default() };
    room.talk.mutes.insert(user("m"), None);
    for from in [Actor::User(user("a")), Actor::Service] {
        let said = said(Weight::Must, from);
        assert_eq!(decode_said(&encode_said(&said)), Ok(said));
    }
    assert!(decode_said(b"{}").is_err());
    let record = encode_room(&room);
    assert_eq!(decode_room(&record), Ok(room));
    assert_eq!(decode_commit(&encode_commit(&commit())), Ok(commit()));
    assert!(decode_room(&record[1..]).is_err() && decode_commit(&record).is_err() && decode_room(b"").is_err());
}
