//! A room's state as JSON: what `room_snapshot` shows, and the parts that the store's snapshot record shares with it.
use super::{
    rules::RulesJson,
    stored::{RecordError, user},
    turn::{ApplyJson, ShownInvite, TurnJson},
    words::{ModeJson, SeatKindJson, StatusJson, ViaJson},
};
use crate::hub::{
    mode::Flags,
    queue::Entry,
    room::Room,
    seats::{Media, Seat},
    talk::{Levels, Talk},
    time::{Millis, UnixMs},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of the stream of somebody on a seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "media", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum MediaJson {
    #[default]
    None,
    Publishing,
    Lost {
        media_lost_until_ms: u64,
    },
}

impl From<Media> for MediaJson {
    fn from(media: Media) -> Self {
        match media {
            Media::None => Self::None,
            Media::Publishing => Self::Publishing,
            Media::Lost { until } => Self::Lost { media_lost_until_ms: until.0 },
        }
    }
}

impl From<MediaJson> for Media {
    fn from(media: MediaJson) -> Self {
        match media {
            MediaJson::None => Self::None,
            MediaJson::Publishing => Self::Publishing,
            MediaJson::Lost { media_lost_until_ms } => Self::Lost { until: UnixMs(media_lost_until_ms) },
        }
    }
}

/// The room's switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct FlagsJson {
    pub queue_open: bool,
    pub floor_controlled: bool,
    pub mute_all: bool,
}

impl From<Flags> for FlagsJson {
    fn from(flags: Flags) -> Self {
        Self { queue_open: flags.queue_open, floor_controlled: flags.floor_controlled, mute_all: flags.mute_all }
    }
}

impl From<FlagsJson> for Flags {
    fn from(flags: FlagsJson) -> Self {
        Self { queue_open: flags.queue_open, floor_controlled: flags.floor_controlled, mute_all: flags.mute_all }
    }
}

/// Somebody waiting, as stored and (with the derived fields around it) as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of hub::queue::Entry")]
pub struct EntryJson {
    pub user_id: String,
    pub seq: u64,
    pub eff_priority: i64,
    #[serde(default)]
    pub skip_queue: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want_seat: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until_ms: Option<u64>,
    pub pinned: bool,
    pub jumped_by: u32,
    pub joined_at_ms: u64,
}

impl From<&Entry> for EntryJson {
    fn from(entry: &Entry) -> Self {
        Self {
            user_id: entry.user.to_string(),
            seq: entry.seq,
            eff_priority: entry.eff_priority,
            skip_queue: entry.skip_queue,
            want_seat: entry.want_seat,
            note: entry.note.clone(),
            held_until_ms: entry.held_until.map(|until| until.0),
            pinned: entry.pinned,
            jumped_by: entry.jumped_by,
            joined_at_ms: entry.joined_at.0,
        }
    }
}

impl TryFrom<EntryJson> for Entry {
    type Error = RecordError;

    fn try_from(entry: EntryJson) -> Result<Self, RecordError> {
        Ok(Self {
            user: user(&entry.user_id)?,
            seq: entry.seq,
            eff_priority: entry.eff_priority,
            skip_queue: entry.skip_queue,
            want_seat: entry.want_seat,
            note: entry.note,
            held_until: entry.held_until_ms.map(UnixMs),
            pinned: entry.pinned,
            jumped_by: entry.jumped_by,
            joined_at: UnixMs(entry.joined_at_ms),
        })
    }
}

/// Who may say what; absent = everybody everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those that PROTOCOL.md lists")]
pub struct TalkJson {
    pub slow_mode_seconds: u64,
    pub must_level: u32,
    pub normal_level: u32,
    pub droppable_level: u32,
    pub mutes: BTreeMap<String, Option<u64>>,
}

impl TalkJson {
    /// Writes what a room allows, unless it is everything to everybody.
    #[must_use]
    pub fn of(talk: &Talk) -> Option<Self> {
        let Talk { slow_mode, levels, mutes } = talk;
        (*talk != Talk::default()).then(|| Self {
            slow_mode_seconds: slow_mode.0 / 1000,
            must_level: levels.must,
            normal_level: levels.normal,
            droppable_level: levels.droppable,
            mutes: mutes.iter().map(|(user, until)| (user.to_string(), until.map(|until| until.0))).collect(),
        })
    }
}

impl TryFrom<TalkJson> for Talk {
    type Error = RecordError;

    fn try_from(talk: TalkJson) -> Result<Self, RecordError> {
        let mute = |(id, until): (String, Option<u64>)| Ok((user(&id)?, until.map(UnixMs)));
        Ok(Self {
            slow_mode: Millis::from_seconds(talk.slow_mode_seconds),
            levels: Levels { must: talk.must_level, normal: talk.normal_level, droppable: talk.droppable_level },
            mutes: talk.mutes.into_iter().map(mute).collect::<Result<_, RecordError>>()?,
        })
    }
}

/// `room_snapshot.state`.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names are those that PROTOCOL.md lists")]
pub struct StateJson<'a> {
    pub room_id: &'a str,
    pub rev: u64,
    pub status: StatusJson,
    pub owner_user_id: &'a str,
    pub mode: ModeJson,
    pub rules_rev: u64,
    pub rules: RulesJson,
    pub flags: FlagsJson,
    pub seats: Vec<ShownSeat<'a>>,
    pub queue: Vec<ShownEntry>,
    pub applies: Vec<ApplyJson>,
    pub invites: Vec<ShownInvite<'a>>,
    pub turns: Vec<TurnJson>,
    pub roles: BTreeMap<&'a str, &'a str>,
    pub bans: BTreeMap<&'a str, Option<u64>>,
    pub queue_bans: BTreeMap<&'a str, u64>,
    pub cooldowns: BTreeMap<&'a str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talk: Option<TalkJson>,
    pub undo: Vec<ShownUndo<'a>>,
}

/// A seat as shown.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ShownSeat<'a> {
    pub no: u32,
    pub kind: SeatKindJson,
    pub state: &'static str,
    pub closing: bool,
    pub locked: bool,
    pub admin_muted: bool,
    pub extra: &'a str,
    pub extra_rev: u64,
    #[serde(flatten)]
    pub media: MediaJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occupant: Option<ShownOccupant<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved_for: Option<ShownReservation<'a>>,
}

/// For whom a seat is kept, as shown.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ShownReservation<'a> {
    pub user_id: &'a str,
    pub invite_id: &'a str,
    pub until_ms: u64,
}

/// Somebody on a seat, as shown.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ShownOccupant<'a> {
    pub user_id: &'a str,
    pub since_ms: u64,
    pub via: ViaJson,
    pub self_muted: bool,
    pub silenced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until_ms: Option<u64>,
}

/// Somebody waiting, as shown.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ShownEntry {
    #[serde(flatten)]
    pub entry: EntryJson,
    pub state: &'static str,
    pub on_deck: bool,
}

/// What can be restored, as shown.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ShownUndo<'a> {
    pub undo_id: &'a str,
    pub count: usize,
    pub at_ms: u64,
}

impl<'a> StateJson<'a> {
    /// Shows a room as it is at this time: bans, cooldowns and mutes that are over are not there any more.
    #[must_use]
    pub fn at(room: &'a Room, now: UnixMs) -> Self {
        let last = |until: &UnixMs| *until > now;
        let is_banned = |until: &Option<UnixMs>| until.as_ref().is_none_or(last);
        let entry = |(index, entry): (usize, &Entry)| ShownEntry {
            entry: entry.into(),
            state: if entry.held_until.is_some() { "held" } else { "waiting" },
            on_deck: index < room.rules.on_deck_size,
        };
        let mut given: BTreeMap<&str, &str> =
            room.roles.iter().filter_map(|(user, grant)| Some((user.as_str(), grant.role.as_ref()?.as_str()))).collect();
        given.insert(room.owner.as_str(), "owner");
        Self {
            room_id: room.id.as_str(),
            rev: room.head.rev,
            status: room.status.into(),
            owner_user_id: room.owner.as_str(),
            mode: room.mode.into(),
            rules_rev: room.rules_rev,
            rules: RulesJson(room.rules.clone()),
            flags: room.flags.into(),
            seats: room.seats.list.iter().map(|seat| shown_seat(room, seat)).collect(),
            queue: room.queue.entries.iter().enumerate().map(entry).collect(),
            applies: room.asks.applies.iter().map(ApplyJson::from).collect(),
            invites: room.asks.invites.iter().map(ShownInvite::from).collect(),
            turns: room.turns.list.iter().map(TurnJson::from).collect(),
            roles: given,
            bans: room
                .bans
                .iter()
                .filter(|(_, until)| is_banned(until))
                .map(|(user, until)| (user.as_str(), until.map(|until| until.0)))
                .collect(),
            queue_bans: room
                .queue_bans
                .iter()
                .filter(|(_, until)| last(until))
                .map(|(user, until)| (user.as_str(), until.0))
                .collect(),
            cooldowns: room
                .cooldowns
                .iter()
                .filter(|(_, until)| last(until))
                .map(|(user, until)| (user.as_str(), until.0))
                .collect(),
            talk: TalkJson::of(&room.talk.at(now)),
            undo: room.undo.iter().map(|u| ShownUndo { undo_id: &u.undo_id, count: u.entries.len(), at_ms: u.at.0 }).collect(),
        }
    }
}

fn shown_seat<'a>(room: &Room, seat: &'a Seat) -> ShownSeat<'a> {
    let occupant = seat.occupant.as_ref();
    let state = match occupant {
        Some(occupant) if occupant.held_until.is_some() => "held",
        Some(_) => "occupied",
        None if seat.locked => "locked",
        None if seat.reserved_for.is_some() => "reserved",
        None => "empty",
    };
    let shown = |occupant: &'a crate::hub::seats::Occupant| ShownOccupant {
        user_id: occupant.user.as_str(),
        since_ms: occupant.since.0,
        via: occupant.via.into(),
        self_muted: occupant.self_muted,
        silenced: room.is_silenced(seat),
        held_until_ms: occupant.held_until.map(|until| until.0),
    };
    ShownSeat {
        no: seat.no,
        kind: seat.kind.into(),
        state,
        closing: seat.closing,
        locked: seat.locked,
        admin_muted: seat.admin_muted,
        extra: &seat.extra,
        extra_rev: seat.extra_rev,
        media: occupant.map(|occupant| occupant.media.into()).unwrap_or_default(),
        occupant: occupant.map(shown),
        reserved_for: seat.reserved_for.as_ref().map(|kept| ShownReservation {
            user_id: kept.user.as_str(),
            invite_id: &kept.invite_id,
            until_ms: kept.until.0,
        }),
    }
}
