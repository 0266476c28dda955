//! The room machine against random requests: what must hold after every step, and a refused command leaves no trace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::hub::{
    actor::Actor,
    command::{Command, IfRev, Request, SeatPolicy, SeatSet},
    decide::{Decision, Draft, Members},
    event::Event,
    id::{CommitId, OpId, RoleId, RoomId, UserId},
    mode::{Flag, Mode},
    queue::{OnMissing, Place},
    room::Room,
    rules::Rules,
    seats::SeatKind,
    time::{Millis, UnixMs},
};
use michub::wire::record;
use proptest::prelude::*;
use std::{collections::BTreeSet, sync::Arc};

const PEOPLE: &[&str] = &["own", "adm", "hst", "a", "b", "c", "d", "e", "f"];

struct Live(BTreeSet<UserId>);

impl Members for Live {
    fn is_live(&self, user: &UserId) -> bool {
        self.0.contains(user)
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

#[derive(Clone, Debug)]
enum Action {
    Ask {
        actor: usize,
        command: Command,
        op: Option<u8>,
        stale: bool,
    },
    /// A command about something that exists: the id is looked up when it is its turn.
    About {
        actor: usize,
        pick: usize,
        what: What,
    },
    Stream(usize, u64),
    Drop(usize),
    Return(usize),
    Leave(usize),
    Wait(u64),
    Restart,
}

/// What is asked about a turn, an application or an invitation, open or over.
#[derive(Clone, Debug)]
enum What {
    Next { id: bool, seat: Option<u32> },
    Extend(i64),
    Pause(bool),
    Yield(bool),
    CancelApply,
    Resolve { approve: bool, seat_no: Option<u32> },
    Reply(bool),
    CancelInvite,
}

impl What {
    fn command(self, room: &Room, pick: usize) -> Command {
        let turns: Vec<&str> = room.turns.list.iter().map(|turn| turn.turn_id.as_str()).collect();
        let ended = || room.asks.ended.iter().rev().take(3).map(|ended| ended.id.as_str());
        let applies: Vec<&str> = room.asks.applies.iter().map(|apply| apply.apply_id.as_str()).chain(ended()).collect();
        let invites: Vec<&str> = room.asks.invites.iter().map(|invite| invite.invite_id.as_str()).chain(ended()).collect();
        let id = |ids: &[&str]| if ids.is_empty() { "none".to_owned() } else { ids[pick % ids.len()].to_owned() };
        match self {
            Self::Next { id: named, seat } => Command::TurnNext { expect: named.then(|| id(&turns)), seat_no: seat },
            Self::Extend(seconds) => Command::TurnExtend { expect: id(&turns), seconds },
            Self::Pause(true) => Command::TurnPause { expect: id(&turns) },
            Self::Pause(false) => Command::TurnResume { expect: id(&turns) },
            Self::Yield(named) => Command::TurnYield { expect: named.then(|| id(&turns)) },
            Self::CancelApply => Command::ApplyCancel { apply_id: id(&applies) },
            Self::Resolve { approve, seat_no } => Command::ApplyResolve { apply_id: id(&applies), approve, seat_no },
            Self::Reply(accept) => Command::InviteReply { invite_id: id(&invites), accept },
            Self::CancelInvite => Command::InviteCancel { invite_id: id(&invites) },
        }
    }
}

fn what() -> impl Strategy<Value = What> {
    let seat = || proptest::option::weighted(0.2, 1u32..6);
    prop_oneof![
        3 => (any::<bool>(), seat()).prop_map(|(id, seat)| What::Next { id, seat }),
        2 => (-100i64..100).prop_map(What::Extend),
        2 => any::<bool>().prop_map(What::Pause),
        2 => any::<bool>().prop_map(What::Yield),
        1 => Just(What::CancelApply),
        3 => (any::<bool>(), seat()).prop_map(|(approve, seat_no)| What::Resolve { approve, seat_no }),
        3 => any::<bool>().prop_map(What::Reply),
        1 => Just(What::CancelInvite),
    ]
}

fn someone() -> impl Strategy<Value = UserId> {
    (0..PEOPLE.len()).prop_map(|i| user(PEOPLE[i]))
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        someone().prop_map(Place::Before),
        someone().prop_map(Place::After),
        Just(Place::Front),
        Just(Place::Back),
        (1u32..5).prop_map(Place::Up),
        (1u32..5).prop_map(Place::Down),
    ]
}

fn seats() -> impl Strategy<Value = SeatSet> {
    prop_oneof![Just(SeatSet::All), proptest::collection::vec(1u32..6, 1..3).prop_map(SeatSet::Numbers)]
}

fn policy() -> impl Strategy<Value = SeatPolicy> {
    prop_oneof![Just(SeatPolicy::Fail), Just(SeatPolicy::Replace), Just(SeatPolicy::Swap)]
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Free), Just(Mode::Queue), Just(Mode::Apply), Just(Mode::Chair)]
}

fn flag() -> impl Strategy<Value = Flag> {
    prop_oneof![Just(Flag::QueueOpen), Just(Flag::FloorControlled), Just(Flag::MuteAll)]
}

fn command() -> impl Strategy<Value = Command> {
    let seat = || proptest::option::of(1u32..6);
    let role = proptest::option::of(prop_oneof![Just("admin"), Just("host"), Just("vip"), Just("member")]);
    prop_oneof![
        8 => seat().prop_map(|want_seat| Command::QueueJoin { want_seat, note: None }),
        2 => Just(Command::QueueLeave),
        3 => (someone(), place(), any::<bool>()).prop_map(|(target, place, respect_rules)| Command::QueueInsert { target, place, respect_rules }),
        1 => proptest::collection::vec(someone(), 1..3).prop_map(|targets| Command::QueueRemove { targets, reason: None }),
        6 => (someone(), place(), any::<bool>(), any::<bool>()).prop_map(|(target, place, near, force)| Command::QueueMove {
            target, place, on_missing: if near { OnMissing::Nearest } else { OnMissing::Fail }, force }),
        2 => proptest::collection::vec(someone(), 1..4).prop_map(|users| Command::QueueReorder { users }),
        1 => Just(Command::QueueClear),
        1 => Just(Command::QueueResort),
        3 => seat().prop_map(|seat_no| Command::SeatTake { seat_no }),
        2 => Just(Command::SeatLeave),
        3 => (someone(), seat(), policy(), any::<bool>()).prop_map(|(target, seat_no, policy, requeue)| Command::SeatAssign { target, seat_no, policy, requeue }),
        3 => (proptest::option::of(someone()), 1u32..6, policy()).prop_map(|(target, seat_no, policy)| Command::SeatMove { target, seat_no, policy }),
        2 => (someone(), any::<bool>()).prop_map(|(target, requeue)| Command::SeatKick { target, requeue, cooldown_seconds: 3 }),
        2 => (seats(), any::<bool>(), any::<bool>()).prop_map(|(seats, on, evict)| Command::SeatLock { seats, on, evict }),
        2 => (seats(), any::<bool>()).prop_map(|(seats, on)| Command::SeatMute { seats, on }),
        2 => mode().prop_map(|mode| Command::ModeSet { mode }),
        1 => (flag(), any::<bool>()).prop_map(|(flag, on)| Command::FlagSet { flag, on }),
        3 => seat().prop_map(|want_seat| Command::ApplySubmit { want_seat }),
        3 => (someone(), seat()).prop_map(|(target, seat_no)| Command::InviteSend { target, seat_no, ttl: Some(Millis(9_000)) }),
        2 => (someone(), role).prop_map(|(target, role)| Command::RoleSet { target, role: role.map(|r| RoleId::parse(r).unwrap()) }),
        1 => someone().prop_map(|target| Command::OwnerTransfer { target }),
        1 => someone().prop_map(|target| Command::UserKick { target, reason: None }),
        1 => someone().prop_map(|target| Command::UserBan { target, reason: None, until: Some(UnixMs(5_000_000)) }),
        1 => someone().prop_map(|target| Command::UserUnban { target }),
        1 => someone().prop_map(|target| Command::QueueBan { target, until: UnixMs(4_000_000) }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        20 => (0..PEOPLE.len(), command(), proptest::option::weighted(0.3, 0u8..6), proptest::bool::weighted(0.1))
            .prop_map(|(actor, command, op, stale)| Action::Ask { actor, command, op, stale }),
        8 => (0..PEOPLE.len(), 0usize..6, what()).prop_map(|(actor, pick, what)| Action::About { actor, pick, what }),
        1 => (0..PEOPLE.len(), 0u64..9_000).prop_map(|(who, ago)| Action::Stream(who, ago)),
        2 => (0..PEOPLE.len()).prop_map(Action::Drop),
        3 => (0..PEOPLE.len()).prop_map(Action::Return),
        1 => (0..PEOPLE.len()).prop_map(Action::Leave),
        3 => (1u64..40_000).prop_map(Action::Wait),
        1 => Just(Action::Restart),
    ]
}

fn check(room: &Room, live: &Live, now: UnixMs, grace: bool) -> Result<(), TestCaseError> {
    let placed = room.placed();
    let distinct: BTreeSet<&UserId> = placed.iter().map(|(user, _)| user).collect();
    prop_assert_eq!(distinct.len(), placed.len(), "I1: somebody is placed twice");
    for (user, held) in &placed {
        prop_assert!(held.is_some() != live.is_live(user), "I2: {} held {:?} live {}", user, held, live.is_live(user));
        prop_assert!(*user == room.owner || room.ban_of(user, now).is_none(), "I16: {} is banned and placed", user);
    }
    let mut seats = BTreeSet::new();
    let mut holders = BTreeSet::new();
    for turn in &room.turns.list {
        prop_assert!(seats.insert(turn.seat_no) && holders.insert(&turn.user), "I4: a second turn: {:?}", turn);
        let seat = room.seats.seat(turn.seat_no).unwrap();
        let sits = seat.occupant.as_ref().is_some_and(|occupant| occupant.user == turn.user);
        prop_assert!(sits && seat.kind == SeatKind::Guest, "I4, I5: {:?} is not on a guest seat", turn);
        let causes = (turn.paused_by.floor, turn.paused_by.chair);
        prop_assert_eq!(causes, (room.flags.floor_controlled, room.mode == Mode::Chair), "the causes of {:?}", turn);
        prop_assert_eq!(turn.ends_at().is_some(), !turn.paused_by.any(), "{:?} runs or stands", turn);
        prop_assert!(turn.ends_at().is_none_or(|at| at > now), "{:?} is over", turn);
        prop_assert!(turn.total() <= room.rules.turn_max_total, "{:?} is too long", turn);
    }
    let turns_fit = match room.mode {
        Mode::Free | Mode::Apply => room.turns.list.is_empty(),
        Mode::Chair => true,
        Mode::Queue => room.seats.list.iter().all(|seat| {
            seat.kind == SeatKind::Host || seat.occupant.as_ref().is_none_or(|occupant| room.turns.of(&occupant.user).is_some())
        }),
    };
    prop_assert!(turns_fit, "mode {:?} with turns {:?}", room.mode, room.turns);
    for seat in &room.seats.list {
        let invites = room.asks.invites.iter().filter(|invite| invite.seat_no == seat.no);
        let reserved = invites.map(|invite| (&invite.user, &invite.invite_id, invite.expires_at)).collect::<Vec<_>>();
        let kept = seat.reserved_for.as_ref().map(|kept| (&kept.user, &kept.invite_id, kept.until));
        prop_assert_eq!(reserved, kept.into_iter().collect::<Vec<_>>(), "seat {} and its invitation", seat.no);
        prop_assert!(seat.reserved_for.is_none() || (seat.occupant.is_none() && !seat.locked), "a kept seat is taken");
    }
    let askers: BTreeSet<&UserId> = room.asks.applies.iter().map(|apply| &apply.user).collect();
    prop_assert_eq!(askers.len(), room.asks.applies.len(), "somebody applies twice");
    prop_assert!(room.asks.applies.iter().all(|apply| apply.expires_at > now), "an application is over");
    prop_assert!(
        room.asks.applies.is_empty() || matches!(room.mode, Mode::Apply | Mode::Chair),
        "applications in {:?}",
        room.mode
    );
    prop_assert!(room.asks.invites.iter().all(|invite| invite.expires_at > now), "an invitation is over");
    let numbers: Vec<u32> = room.seats.list.iter().map(|seat| seat.no).collect();
    prop_assert_eq!(numbers, (1..=4).collect::<Vec<u32>>(), "I3");
    for entry in &room.queue.entries {
        prop_assert!(entry.jumped_by <= room.rules.max_jumped_by, "I12");
    }
    if !grace && now >= room.promotion_from {
        prop_assert!(!room.could_promote(), "I17: a free seat and somebody waiting");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn a_room_keeps_its_promises(actions in proptest::collection::vec(action(), 1..120)) {
        let rules = Rules { max_mic_count: 3, max_queue_len: 4, timeout: Millis::from_seconds(20), turn_max_total: Millis::from_seconds(60), ..Rules::default() };
        let mut room = Room::create(RoomId::parse("r").unwrap(), user("own"), Arc::new(rules), CommitId(0), UnixMs(0));
        let mut live = Live(PEOPLE.iter().map(|name| user(name)).collect());
        let mut draft = Draft::new(&room);
        let (mut now, mut commits) = (UnixMs(1_000), 0);
        let mut outcomes: Vec<(UserId, Request, u64, Event)> = Vec::new();
        let mut grace_until = UnixMs(0);
        for action in actions {
            commits += 1;
            draft.begin(CommitId(commits), now);
            draft.due(&live);
            match action {
                Action::Ask { actor, command, op, stale } => {
                    let me = user(PEOPLE[actor]);
                    let op_id = op.map(|op| OpId::parse(&format!("op{op}")).unwrap());
                    let needs_rev = matches!(command, Command::QueueReorder { .. });
                    let rev = draft.room().head.rev;
                    let if_rev = if stale { Some(IfRev::Rev(rev + 7)) } else { needs_rev.then_some(IfRev::Rev(rev)) };
                    let request = Request { actor: Actor::User(me.clone()), op_id, if_rev, command };
                    let before = draft.room().clone();
                    match draft.decide(&request, &live) {
                        Err(_) | Ok(Decision::Noop { .. } | Decision::Batch { .. } | Decision::Explained(_)) => prop_assert_eq!(&before, draft.room(), "I14: a trace of {:?}", request),
                        Ok(Decision::Accepted { rev, event, dup, .. }) => {
                            if dup {
                                prop_assert_eq!(&before, draft.room(), "a repeat changed something");
                                let first = outcomes.iter().rev().find(|(who, r, ..)| *who == me && r.op_id == request.op_id).unwrap();
                                prop_assert_eq!((&first.1.command, first.2, &first.3), (&request.command, rev, &event), "I7");
                            } else {
                                prop_assert_eq!(rev, before.head.rev + 1, "I6");
                                if let Command::UserKick { target, .. } | Command::UserBan { target, .. } = &request.command {
                                    live.0.remove(target);
                                }
                                if request.op_id.is_some() {
                                    outcomes.push((me, request, rev, event));
                                }
                            }
                        }
                    }
                }
                Action::About { actor, pick, what } => {
                    let command = what.command(draft.room(), pick);
                    let request = Request { actor: Actor::User(user(PEOPLE[actor])), op_id: None, if_rev: None, command };
                    let before = draft.room().clone();
                    match draft.decide(&request, &live) {
                        Err(_) | Ok(Decision::Noop { .. } | Decision::Batch { .. } | Decision::Explained(_)) => prop_assert_eq!(&before, draft.room(), "I14: a trace of {:?}", request),
                        Ok(Decision::Accepted { rev, .. }) => prop_assert_eq!(rev, before.head.rev + 1, "I6"),
                    }
                }
                Action::Stream(who, ago) => {
                    let stopped_at = UnixMs(now.0.saturating_sub(ago));
                    let user = user(PEOPLE[who]);
                    let started = ago % 3 == 0;
                    let command = if started { Command::StreamStarted { user } } else { Command::StreamStopped { user, stopped_at } };
                    let request = Request { actor: Actor::Hub, op_id: None, if_rev: None, command };
                    prop_assert!(draft.decide(&request, &live).is_ok());
                }
                Action::Drop(i) => { live.0.remove(&user(PEOPLE[i])); }
                Action::Return(i) => { live.0.insert(user(PEOPLE[i])); }
                Action::Leave(i) => {
                    let user = user(PEOPLE[i]);
                    live.0.remove(&user);
                    let request = Request { actor: Actor::Hub, op_id: None, if_rev: None, command: Command::Left { user } };
                    prop_assert!(draft.decide(&request, &live).is_ok());
                }
                Action::Wait(ms) => now = now.plus(Millis(ms)),
                Action::Restart => {
                    live.0.clear();
                    if let Some(commit) = draft.finish() {
                        room.apply(&commit).unwrap();
                    }
                    draft = Draft::new(&room);
                    commits += 1;
                    draft.begin(CommitId(commits), now);
                    draft.after_load(&live, Millis::from_seconds(45));
                    grace_until = now.plus(Millis(10_000));
                    live.0 = PEOPLE.iter().map(|name| user(name)).collect();
                }
            }
            draft.level(&live);
            if let Some(commit) = draft.finish() {
                let kept = record::decode_commit(&record::encode_commit(&commit)).unwrap();
                prop_assert_eq!(&kept, &commit, "a commit is not what was kept");
                room.apply(&kept).unwrap();
            }
            prop_assert_eq!(&room, draft.room(), "I8: replay differs from the draft");
            prop_assert_eq!(&record::decode_room(&record::encode_room(&room)).unwrap(), &room, "a snapshot is not the room");
            // The draft's own time, not `now`, which may have moved since.
            check(&room, &live, room.last_event, room.last_event < grace_until)?;
        }
    }
}
