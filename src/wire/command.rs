//! Fields → room commands: one arm per command name.
use super::{
    fields::{BadFrame, Fields},
    rules,
};
use crate::hub::{
    command::{Command, SeatPolicy, SeatSet},
    mode::{Flag, Mode},
    queue::{OnMissing, Place},
    roles,
    rules::{BadRules, Rules},
    talk::SLOW_MODE_MAX,
    time::{Millis, UnixMs},
};
use std::sync::Arc;

/// The longest `note`, in bytes.
const NOTE_BYTES: usize = 200;
/// The longest `extra`, in bytes.
const EXTRA_BYTES: usize = 1024;
/// The longest id that the hub gives out, in bytes.
const ID_BYTES: usize = 64;
/// The longest cooldown, in seconds.
const COOLDOWN_SECONDS: u64 = 86_400;
/// How many commands one batch may hold.
const OPS_MAX: usize = 32;
/// The longest queue, hence the longest list of people in it.
const QUEUE_MAX: usize = 2000;

/// The most seats a room can have, the host seat included.
const SEATS_MAX: usize = 65;

/// Reads the command named `kind`. `None` = no command has that name.
pub fn parse(kind: &str, f: &Fields) -> Result<Option<Command>, BadFrame> {
    let target = || f.needed_user("target_user_id");
    let reason = || f.free_text("reason", NOTE_BYTES);
    Ok(Some(match kind {
        "queue_join" => Command::QueueJoin { want_seat: f.seat("want_seat")?, note: f.free_text("note", NOTE_BYTES)? },
        "queue_leave" => Command::QueueLeave,
        "queue_insert" => {
            Command::QueueInsert { target: target()?, place: insert_place(f)?, respect_rules: f.flag("respect_rules")? }
        }
        "queue_remove" => Command::QueueRemove { targets: some(f, "target_user_ids", 100)?, reason: reason()? },
        "queue_move" => {
            Command::QueueMove { target: target()?, place: place(f)?, on_missing: on_missing(f)?, force: f.flag("force")? }
        }
        "queue_reorder" => Command::QueueReorder { users: f.users("user_ids", QUEUE_MAX)? },
        "queue_clear" => Command::QueueClear,
        "queue_restore" => Command::QueueRestore { undo_id: needed_text(f, "undo_id")? },
        "queue_resort" => Command::QueueResort,
        "seat_take" => Command::SeatTake { seat_no: f.seat("seat_no")? },
        "seat_leave" => Command::SeatLeave,
        "seat_assign" => Command::SeatAssign {
            target: target()?,
            seat_no: f.seat("seat_no")?,
            policy: assign_policy(f)?,
            requeue: f.flag("requeue")?,
        },
        "seat_move" => Command::SeatMove { target: f.user("target_user_id")?, seat_no: needed_seat(f)?, policy: policy(f)? },
        "seat_kick" => {
            let cooldown_seconds = f.number("cooldown_seconds")?.unwrap_or(0);
            if cooldown_seconds > COOLDOWN_SECONDS {
                return Err(f.wrong("cooldown_seconds", "0 to 86400"));
            }
            Command::SeatKick { target: target()?, requeue: f.flag("requeue")?, cooldown_seconds }
        }
        "seat_lock" => Command::SeatLock { seats: seats(f)?, on: f.needed_flag("on")?, evict: f.flag("evict")? },
        "seat_mute" => Command::SeatMute { seats: seats(f)?, on: f.needed_flag("on")? },
        "seat_extra" => Command::SeatExtra {
            seat_no: needed_seat(f)?,
            extra: f.free_text("extra", EXTRA_BYTES)?.ok_or_else(|| f.wrong("extra", "a text"))?,
            if_extra_rev: f.number("if_extra_rev")?,
        },
        "apply_submit" => Command::ApplySubmit { want_seat: f.seat("want_seat")? },
        "apply_cancel" => Command::ApplyCancel { apply_id: needed_text(f, "apply_id")? },
        "apply_resolve" => Command::ApplyResolve {
            apply_id: needed_text(f, "apply_id")?,
            approve: f.needed_flag("approve")?,
            seat_no: f.seat("seat_no")?,
        },
        "invite_send" => Command::InviteSend { target: target()?, seat_no: f.seat("seat_no")?, ttl: ttl(f)? },
        "invite_reply" => Command::InviteReply { invite_id: needed_text(f, "invite_id")?, accept: f.needed_flag("accept")? },
        "invite_cancel" => Command::InviteCancel { invite_id: needed_text(f, "invite_id")? },
        "turn_next" => Command::TurnNext { expect: f.free_text("expect_turn_id", ID_BYTES)?, seat_no: f.seat("seat_no")? },
        "turn_extend" => Command::TurnExtend { expect: needed_text(f, "expect_turn_id")?, seconds: extension(f)? },
        "turn_pause" => Command::TurnPause { expect: needed_text(f, "expect_turn_id")? },
        "turn_resume" => Command::TurnResume { expect: needed_text(f, "expect_turn_id")? },
        "turn_yield" => Command::TurnYield { expect: f.free_text("expect_turn_id", ID_BYTES)? },
        "mode_set" => Command::ModeSet { mode: mode(f)? },
        "flag_set" => Command::FlagSet { flag: flag(f)?, on: f.needed_flag("on")? },
        "rules_set" => Command::RulesSet { rules: rules_document(f)?, if_rules_rev: f.number("if_rules_rev")? },
        "role_set" if !f.has("role_id") => return Err(f.wrong("role_id", "a role, or null")),
        "role_set" => Command::RoleSet { target: target()?, role: f.role("role_id")? },
        "owner_transfer" => Command::OwnerTransfer { target: target()? },
        "user_kick" => Command::UserKick { target: target()?, reason: reason()? },
        "user_ban" => Command::UserBan { target: target()?, reason: reason()?, until: f.number("until_ms")?.map(UnixMs) },
        "user_unban" => Command::UserUnban { target: target()? },
        "queue_ban" => {
            let until = f.number("until_ms")?.ok_or_else(|| f.wrong("until_ms", "a time, or 0"))?;
            Command::QueueBan { target: target()?, until: UnixMs(until) }
        }
        "room_close" => Command::RoomClose { reason: reason()? },
        "talk_set" => Command::TalkSet {
            slow_mode: slow_mode(f)?,
            must_level: level(f, "must_level")?,
            normal_level: level(f, "normal_level")?,
            droppable_level: level(f, "droppable_level")?,
        },
        "talk_mute" => Command::TalkMute { target: target()?, until: f.number("until_ms")?.map(UnixMs) },
        "batch" => Command::Batch { ops: operations(f)?, atomic: f.raw("atomic").is_none() || f.needed_flag("atomic")? },
        "explain" => {
            let inner = f.object("command")?.ok_or_else(|| f.wrong("command", "a command"))?;
            Command::Explain { command: Box::new(operation(&inner)?), as_user: f.user("as_user_id")? }
        }
        _ => return Ok(None),
    }))
}

fn slow_mode(f: &Fields) -> Result<Option<Millis>, BadFrame> {
    let span = f.number("slow_mode_seconds")?.map(Millis::from_seconds);
    if span > Some(SLOW_MODE_MAX) { Err(f.wrong("slow_mode_seconds", "0 to 3600")) } else { Ok(span) }
}

fn level(f: &Fields, name: &str) -> Result<Option<u32>, BadFrame> {
    let level = f.number(name)?.map(u32::try_from);
    match level {
        None => Ok(None),
        Some(Ok(level)) if level <= roles::OWNER => Ok(Some(level)),
        Some(_) => Err(f.wrong(name, "a level, 0 to 1000")),
    }
}

/// Reads what a batch does, in order.
fn operations(f: &Fields) -> Result<Vec<Command>, BadFrame> {
    let ops = f.objects("ops", OPS_MAX)?;
    if ops.is_empty() {
        return Err(f.wrong("ops", "1 to 32 commands"));
    }
    ops.iter().map(operation).collect()
}

/// Reads a command inside another frame: `{"type", …}` without an envelope of its own.
fn operation(f: &Fields) -> Result<Command, BadFrame> {
    let kind = f.text("type")?.unwrap_or_default();
    let command = if matches!(&*kind, "batch" | "explain") { None } else { parse(&kind, f)? };
    command.ok_or_else(|| f.wrong("type", "a room command other than batch and explain"))
}

/// A document with a mistake is no `bad_argument`: the room refuses it as `bad_rules` when its turn comes.
fn rules_document(f: &Fields) -> Result<Result<Arc<Rules>, BadRules>, BadFrame> {
    let raw = f.raw("rules").ok_or_else(|| f.wrong("rules", "a rules document"))?;
    Ok(rules::parse_inside(raw).map(Arc::new))
}

fn needed_text(f: &Fields, name: &str) -> Result<String, BadFrame> {
    f.free_text(name, ID_BYTES)?.ok_or_else(|| f.wrong(name, "a text"))
}

fn ttl(f: &Fields) -> Result<Option<Millis>, BadFrame> {
    match f.number("ttl_seconds")? {
        Some(seconds) if !(5..=3600).contains(&seconds) => Err(f.wrong("ttl_seconds", "5 to 3600")),
        seconds => Ok(seconds.map(Millis::from_seconds)),
    }
}

fn extension(f: &Fields) -> Result<i64, BadFrame> {
    match f.integer("seconds")? {
        Some(seconds) if (-86_400..=86_400).contains(&seconds) => Ok(seconds),
        _ => Err(f.wrong("seconds", "-86400 to 86400")),
    }
}

fn needed_seat(f: &Fields) -> Result<u32, BadFrame> {
    f.seat("seat_no")?.ok_or_else(|| f.wrong("seat_no", "a seat's number"))
}

fn some(f: &Fields, name: &str, max: usize) -> Result<Vec<crate::hub::id::UserId>, BadFrame> {
    let mut users = f.users(name, max)?;
    let mut seen = std::collections::BTreeSet::new();
    users.retain(|user| seen.insert(user.clone()));
    if users.is_empty() { Err(f.wrong(name, "at least one person")) } else { Ok(users) }
}

/// A place is `"front"`, `"back"`, or an object with exactly one of `before`, `after`, `up`, `down`.
fn place(f: &Fields) -> Result<Place, BadFrame> {
    const EXPECTED: &str = "\"front\", \"back\", or an object with one of before, after, up, down";
    let raw = f.raw("place").ok_or_else(|| f.wrong("place", EXPECTED))?;
    if !raw.get().starts_with('{') {
        return match f.text("place")?.as_deref() {
            Some("front") => Ok(Place::Front),
            Some("back") => Ok(Place::Back),
            _ => Err(f.wrong("place", EXPECTED)),
        };
    }
    let inner = f.object("place")?.ok_or_else(|| f.wrong("place", EXPECTED))?;
    let step = |name: &str| match inner.number(name)?.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(n)) if n >= 1 => Ok(Some(n)),
        Some(_) => Err(inner.wrong(name, "a number of places, 1 or more")),
    };
    match (inner.user("before")?, inner.user("after")?, step("up")?, step("down")?) {
        (Some(user), None, None, None) => Ok(Place::Before(user)),
        (None, Some(user), None, None) => Ok(Place::After(user)),
        (None, None, Some(n), None) => Ok(Place::Up(n)),
        (None, None, None, Some(n)) => Ok(Place::Down(n)),
        _ => Err(f.wrong("place", EXPECTED)),
    }
}

fn insert_place(f: &Fields) -> Result<Place, BadFrame> {
    match place(f)? {
        Place::Up(_) | Place::Down(_) => Err(f.wrong("place", "before, after, front or back")),
        place => Ok(place),
    }
}

/// Reads one word out of a list; absent = the default, if there is one.
fn word<T: Copy>(f: &Fields, name: &str, words: &[(&str, T)], default: Option<T>, expected: &'static str) -> Result<T, BadFrame> {
    let found = match f.text(name)? {
        None => default,
        Some(text) => words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value),
    };
    found.ok_or_else(|| f.wrong(name, expected))
}

fn on_missing(f: &Fields) -> Result<OnMissing, BadFrame> {
    let words = [("fail", OnMissing::Fail), ("nearest", OnMissing::Nearest)];
    word(f, "on_missing", &words, Some(OnMissing::Fail), "fail or nearest")
}

fn policy(f: &Fields) -> Result<SeatPolicy, BadFrame> {
    let words = [("fail", SeatPolicy::Fail), ("replace", SeatPolicy::Replace), ("swap", SeatPolicy::Swap)];
    word(f, "policy", &words, Some(SeatPolicy::Fail), "fail, replace or swap")
}

fn assign_policy(f: &Fields) -> Result<SeatPolicy, BadFrame> {
    match policy(f)? {
        SeatPolicy::Swap => Err(f.wrong("policy", "fail or replace")),
        policy => Ok(policy),
    }
}

fn mode(f: &Fields) -> Result<Mode, BadFrame> {
    let words = [("free", Mode::Free), ("apply", Mode::Apply), ("queue", Mode::Queue), ("chair", Mode::Chair)];
    word(f, "mode", &words, None, "free, apply, queue or chair")
}

fn flag(f: &Fields) -> Result<Flag, BadFrame> {
    let words = [("queue_open", Flag::QueueOpen), ("floor_controlled", Flag::FloorControlled), ("mute_all", Flag::MuteAll)];
    word(f, "flag", &words, None, "queue_open, floor_controlled or mute_all")
}

fn seats(f: &Fields) -> Result<SeatSet, BadFrame> {
    match f.raw("seat_nos") {
        None => Err(f.wrong("seat_nos", "\"all\" or a list of seat numbers")),
        Some(raw) if raw.get() == "\"all\"" => Ok(SeatSet::All),
        Some(_) => f.seats("seat_nos", SEATS_MAX).map(SeatSet::Numbers),
    }
}
