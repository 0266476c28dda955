//! A room with people around it, and short words for what happens. Every step is checked: a refusal leaves no trace, the log replays to the
//! same room, records hold everything.
use michub::{
    hub::{
        actor::Actor,
        code::{Code, Reject},
        command::{Command, IfRev, Request, SeatPolicy, SeatSet},
        decide::{Decision, Draft, Members},
        event::Event,
        id::{CommitId, OpId, RoleId, RoomId, UserId},
        mode::{Flag, Mode},
        room::Room,
        rules::Rules,
        time::{Millis, UnixMs},
        turns::{Clock, Turn},
    },
    wire::record::{decode_commit, decode_room, encode_commit, encode_room},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The people of every table; `own` owns the room, `adm` is an admin, `hst` and `hst2` are hosts.
pub const PEOPLE: &str = "own adm hst hst2 a b c d e f";

#[derive(Clone)]
pub struct Live(BTreeSet<UserId>, BTreeMap<UserId, Millis>);

impl Members for Live {
    fn is_live(&self, user: &UserId) -> bool {
        self.0.contains(user)
    }

    fn hold_at_least(&self, user: &UserId) -> Millis {
        self.1.get(user).copied().unwrap_or(Millis(0))
    }
}

pub fn id(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// The rules of most tables: two guest seats (2 and 3) behind the host seat, no grace, nothing too soon.
pub fn rules() -> Rules {
    let none = Millis(0);
    Rules { max_mic_count: 2, mode_grace: none, mode_min_interval: none, ..Rules::default() }
}

#[derive(Clone)]
pub struct Table {
    draft: Draft,
    kept: Room,
    live: Live,
    now: UnixMs,
    commits: u64,
}

impl Table {
    /// A room in this mode.
    pub fn new(mode: Mode, rules: Rules) -> Self {
        let rules = Rules { queue_mode: mode, ..rules };
        let kept = Room::create(RoomId::parse("r").unwrap(), id("own"), Arc::new(rules), CommitId(0), UnixMs(0));
        let live = Live(PEOPLE.split(' ').map(id).collect(), BTreeMap::new());
        let mut table = Self { draft: Draft::new(&kept), kept, live, now: UnixMs(1_000_000), commits: 0 };
        for (person, role) in [("adm", "admin"), ("hst", "host"), ("hst2", "host")] {
            let role = RoleId::parse(role).ok();
            table.ask("own", Command::RoleSet { target: id(person), role }).unwrap();
        }
        table
    }

    /// A room in mode `queue` where these people have joined the queue one after the other; the first two sit on seats 2 and 3.
    pub fn queue(people: &str) -> Self {
        let mut table = Self::new(Mode::Queue, rules());
        table.join(people);
        table
    }

    pub fn join(&mut self, people: &str) {
        for person in people.split(' ') {
            self.ask(person, Command::QueueJoin { want_seat: None, note: None }).unwrap();
        }
    }

    pub fn room(&self) -> &Room {
        self.draft.room()
    }

    pub fn now(&self) -> UnixMs {
        self.now
    }

    /// Asks at the present time, after the deadlines that have passed. Returns what the command did, in short words; `["noop"]` = nothing.
    pub fn ask(&mut self, actor: &str, command: Command) -> Result<Vec<String>, Reject> {
        let actor = if actor == "service" { Actor::Service } else { Actor::User(id(actor)) };
        self.ask_as(actor, command)
    }

    pub fn ask_as(&mut self, actor: Actor, command: Command) -> Result<Vec<String>, Reject> {
        self.request(Request { actor, op_id: None, if_rev: None, command })
    }

    /// Asks a second time under the same `op_id`: `["dup"]` with the first rev, if it is known.
    pub fn ask_again(&mut self, actor: &str, op_id: &str, command: Command) -> Result<Vec<String>, Reject> {
        self.request(Request { actor: Actor::User(id(actor)), op_id: OpId::parse(op_id).ok(), if_rev: None, command })
    }

    /// Asks on condition that the room stands at this rev.
    pub fn ask_at(&mut self, rev: u64, actor: &str, command: Command) -> Result<Vec<String>, Reject> {
        self.request(Request { actor: Actor::User(id(actor)), op_id: None, if_rev: Some(IfRev::Rev(rev)), command })
    }

    fn request(&mut self, request: Request) -> Result<Vec<String>, Reject> {
        self.begin();
        let before = self.draft.room().clone();
        let decided = self.draft.decide(&request, &self.live);
        let told = match &decided {
            Ok(Decision::Accepted { rev, dup: true, .. }) => vec![format!("dup {rev}")],
            Ok(Decision::Accepted { rev, .. }) => {
                assert_eq!(*rev, before.head.rev + 1, "{request:?}");
                words(&self.draft.steps().last().unwrap().events)
            }
            Ok(Decision::Noop { by, .. }) => vec![by.as_ref().map_or("noop".to_owned(), |by| format!("noop by {by:?}"))],
            Ok(Decision::Batch { rev, .. }) => vec![format!("batch {rev}")],
            Ok(Decision::Explained(_)) => vec!["noop".to_owned()],
            Err(_) => Vec::new(),
        };
        if told.is_empty() || told[0].starts_with("noop") || told[0].starts_with("dup") {
            assert_eq!(&before, self.draft.room(), "a trace of {request:?}");
        }
        self.end();
        decided.map(|_| told)
    }

    /// Lets time pass and the hub look at its deadlines. Returns what it did.
    pub fn wait(&mut self, ms: u64) -> Vec<String> {
        self.now = self.now.plus(Millis(ms));
        self.begin();
        let told = self.draft.steps().iter().flat_map(|step| words(&step.events)).collect();
        self.end();
        told
    }

    /// The person's line is gone. Returns what the hub made of it.
    pub fn lose(&mut self, person: &str) -> Vec<String> {
        self.live.0.remove(&id(person));
        self.level()
    }

    /// The hub itself ended the person's line: his hold lasts at least so long.
    pub fn cut(&mut self, person: &str, at_least: Millis) -> Vec<String> {
        self.live.1.insert(id(person), at_least);
        self.lose(person)
    }

    /// The person is back.
    pub fn back(&mut self, person: &str) -> Vec<String> {
        self.live.0.insert(id(person));
        self.live.1.remove(&id(person));
        self.level()
    }

    /// The person is back, and the hub has not looked yet.
    pub fn slip_in(&mut self, person: &str) {
        self.live.0.insert(id(person));
    }

    /// The person leaves the room on purpose.
    pub fn leave(&mut self, person: &str) -> Vec<String> {
        self.live.0.remove(&id(person));
        self.ask_as(Actor::Hub, Command::Left { user: id(person) }).unwrap()
    }

    /// The hub is dead for so long and starts again, and nobody is back yet. Returns what it did then.
    pub fn restart_after(&mut self, ms: u64) -> Vec<String> {
        self.now = self.now.plus(Millis(ms));
        self.live.0.clear();
        self.draft = Draft::new(&decode_room(&encode_room(&self.kept)).unwrap());
        self.commits += 1;
        self.draft.begin(CommitId(self.commits), self.now);
        self.draft.after_load(&self.live, Millis::from_seconds(45));
        self.draft.due(&self.live);
        let told = self.draft.steps().iter().flat_map(|step| words(&step.events)).collect();
        self.end();
        told
    }

    fn level(&mut self) -> Vec<String> {
        self.begin();
        let before = self.draft.steps().len();
        self.draft.level(&self.live);
        let told = self.draft.steps().iter().skip(before).flat_map(|step| words(&step.events)).collect();
        self.end();
        told
    }

    fn begin(&mut self) {
        self.commits += 1;
        self.draft.begin(CommitId(self.commits), self.now);
        self.draft.due(&self.live);
    }

    fn end(&mut self) {
        if let Some(commit) = self.draft.finish() {
            let commit = decode_commit(&encode_commit(&commit)).unwrap();
            self.kept.apply(&commit).unwrap();
        }
        assert_eq!(&self.kept, self.draft.room(), "replay");
        assert_eq!(decode_room(&encode_room(&self.kept)).unwrap(), self.kept, "record");
    }

    /// The turn of somebody.
    pub fn turn(&self, person: &str) -> Turn {
        self.room().turns.of(&id(person)).unwrap_or_else(|| panic!("{person} has no turn")).clone()
    }

    pub fn turn_id(&self, person: &str) -> String {
        self.turn(person).turn_id
    }

    /// Seconds that somebody's turn has left; `None` = unlimited.
    pub fn left(&self, person: &str) -> Option<u64> {
        self.turn(person).clock.left(self.now).map(|left| left.0 / 1000)
    }

    pub fn order(&self) -> String {
        self.room().queue.order().iter().map(UserId::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Who sits where, like `2:a 3:b`.
    pub fn seated(&self) -> String {
        let seats = self.room().seats.list.iter();
        let shown = seats.filter_map(|seat| Some(format!("{}:{}", seat.no, seat.occupant.as_ref()?.user)));
        shown.collect::<Vec<_>>().join(" ")
    }

    pub fn apply_id(&self, person: &str) -> String {
        self.room().asks.apply_of(&id(person)).unwrap().apply_id.clone()
    }

    pub fn invite_id(&self, person: &str) -> String {
        self.room().asks.invite_of(&id(person)).unwrap().invite_id.clone()
    }

    pub fn invite(&mut self, by: &str, person: &str, seat_no: Option<u32>) -> Result<Vec<String>, Reject> {
        self.ask(by, Command::InviteSend { target: id(person), seat_no, ttl: None })
    }

    pub fn apply(&mut self, person: &str) -> Result<Vec<String>, Reject> {
        self.ask(person, Command::ApplySubmit { want_seat: None })
    }

    pub fn assign(&mut self, by: &str, person: &str, seat_no: u32) -> Result<Vec<String>, Reject> {
        let (target, seat_no) = (id(person), Some(seat_no));
        self.ask(by, Command::SeatAssign { target, seat_no, policy: SeatPolicy::Fail, requeue: false })
    }

    pub fn mode(&mut self, mode: Mode) -> Vec<String> {
        self.ask("own", Command::ModeSet { mode }).unwrap()
    }

    /// What `mode` would do; the table stays as it is.
    pub fn would_mode(&self, mode: Mode) -> Vec<String> {
        self.clone().mode(mode)
    }

    pub fn flag(&mut self, flag: Flag, on: bool) -> Vec<String> {
        self.ask("own", Command::FlagSet { flag, on }).unwrap()
    }

    pub fn lock(&mut self, seat_no: u32, on: bool, evict: bool) -> Vec<String> {
        self.ask("own", Command::SeatLock { seats: SeatSet::Numbers(vec![seat_no]), on, evict }).unwrap()
    }

    pub fn role(&mut self, person: &str, role: &str) {
        self.ask("own", Command::RoleSet { target: id(person), role: RoleId::parse(role).ok() }).unwrap();
    }
}

/// What a refusal is called, with what matters of its details.
pub fn refusal(answer: Result<Vec<String>, Reject>) -> String {
    match answer {
        Ok(told) => format!("accepted {told:?}"),
        Err(Reject::Plain(code)) => code.name().to_owned(),
        Err(Reject::Argument { path, .. }) => format!("bad_argument {path}"),
        Err(Reject::TurnChanged { turn_id }) => format!("turn_changed {}", turn_id.unwrap_or_default()),
        Err(Reject::ApplyResolved { outcome, by }) => format!("apply_resolved {outcome} {by}"),
        Err(Reject::NotMember { user, held }) => format!("not_member {user} {held}"),
        Err(other) => other.code().name().to_owned(),
    }
}

pub fn code(answer: Result<Vec<String>, Reject>) -> Code {
    answer.unwrap_err().code()
}

/// Short words for events: the wire name, and the fields that tell one case from another.
pub fn words(events: &[Event]) -> Vec<String> {
    events.iter().map(word).collect()
}

fn clock(clock: Clock) -> String {
    match clock {
        Clock::Unlimited => "unlimited".to_owned(),
        Clock::Running { ends_at } => format!("ends {}", ends_at.0),
        Clock::Stopped { remaining } => format!("stands {}", remaining.0),
    }
}

fn word(event: &Event) -> String {
    match event {
        Event::QueueJoined { user, index, pinned, .. } => {
            format!("queue_joined {user} {index}{}", if *pinned { " pinned" } else { "" })
        }
        Event::QueueLeft { user, reason, .. } => format!("queue_left {user} {}", reason.name()),
        Event::QueueOnDeck { user } => format!("queue_on_deck {user}"),
        Event::QueueHeld { user, held_until } => format!("queue_held {user} {}", held_until.0),
        Event::QueueReturned { user } => format!("queue_returned {user}"),
        Event::SeatTaken { seat_no, user, via } => format!("seat_taken {seat_no} {user} {}", format!("{via:?}").to_lowercase()),
        Event::SeatLeft { seat_no, user, reason, .. } => format!("seat_left {seat_no} {user} {}", reason.name()),
        Event::SeatMoved { user, from, to } => format!("seat_moved {user} {from} {to}"),
        Event::SeatHeld { user, held_until, .. } => format!("seat_held {user} {}", held_until.0),
        Event::SeatReturned { user, .. } => format!("seat_returned {user}"),
        Event::SeatUpdated { seat_no, locked, admin_muted, self_muted, extra, media } => {
            let changes = [("locked", locked), ("admin_muted", admin_muted), ("self_muted", self_muted)];
            let told: Vec<String> = changes.iter().filter_map(|(name, on)| on.map(|on| format!(" {name}={on}"))).collect();
            let extra = extra.as_ref().map(|(text, rev)| format!(" extra={text} {rev}")).unwrap_or_default();
            let media = media.map(|media| format!(" media={}", format!("{media:?}").to_lowercase())).unwrap_or_default();
            format!("seat_updated {seat_no}{}{extra}{media}", told.join(""))
        }
        Event::ApplySubmitted { user, .. } => format!("apply_submitted {user}"),
        Event::ApplyEnded { user, outcome, .. } => format!("apply_ended {user} {}", outcome.name()),
        Event::InviteSent { user, seat_no, .. } => format!("invite_sent {user} {seat_no}"),
        Event::InviteEnded { user, seat_no, outcome, .. } => format!("invite_ended {user} {seat_no} {}", outcome.name()),
        Event::TurnStarted { user, seat_no, clock: time, .. } => format!("turn_started {user} {seat_no} {}", clock(*time)),
        Event::TurnUpdated { clock: time, paused_by, .. } => {
            let causes = [(paused_by.hand, "hand"), (paused_by.floor, "floor"), (paused_by.chair, "chair")];
            let told: Vec<&str> = causes.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
            format!("turn_updated {} [{}]", clock(*time), told.join(" "))
        }
        Event::TurnEnded { user, seat_no, reason, .. } => format!("turn_ended {user} {seat_no} {}", reason.name()),
        Event::ModeChanged { mode, .. } => format!("mode_changed {mode:?}").to_lowercase(),
        Event::FlagsChanged { .. } => "flags_changed".to_owned(),
        Event::RoleChanged { user, .. } => format!("role_changed {user}"),
        Event::MemberKicked { user, .. } => format!("member_kicked {user}"),
        Event::MemberBanned { user, .. } => format!("member_banned {user}"),
        Event::QueueBanned { user, .. } => format!("queue_banned {user}"),
        Event::RoomClosed { .. } => "room_closed".to_owned(),
        other => format!("{other:?}"),
    }
}
