//! The record of a whole room: the snapshot that commits are replayed on.
use super::{FORMAT, actor, actor_text, check_format, cursor, op_id, read, write};
use crate::{
    hub::{
        asks::{Apply, Asks, End, Ended, Invite},
        dedup::{Dedup, Outcome},
        event::Event,
        id::{RoleId, RoomId},
        queue::{Entry, MicQueue, Slot, Undo},
        reasons::{ApplyOutcome, InviteOutcome},
        room::{Grant, Room},
        seats::{Occupant, Reservation, Seat, Seats},
        time::UnixMs,
        turns::{Turn, Turns},
    },
    wire::{
        answer::AnswerJson,
        event::EventJson,
        rules::RulesJson,
        state::{EntryJson, FlagsJson, MediaJson, TalkJson},
        stored::{RecordError, user},
        turn::{ApplyJson, TurnJson},
        words::{ModeJson, SeatKindJson, StatusJson, ViaJson},
    },
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
struct RoomRecord {
    v: u32,
    room_id: String,
    head: String,
    last_event: u64,
    status: StatusJson,
    owner: String,
    mode: ModeJson,
    mode_changed_at: Option<u64>,
    promotion_from: u64,
    flags: FlagsJson,
    rules_rev: u64,
    rules: RulesJson,
    seats: Vec<SeatRecord>,
    #[serde(default)]
    turns: Vec<TurnJson>,
    #[serde(default)]
    applies: Vec<ApplyJson>,
    #[serde(default)]
    invites: Vec<InviteRecord>,
    #[serde(default)]
    ended: Vec<EndedRecord>,
    queue: Vec<EntryJson>,
    last_seq: u64,
    slots: Vec<SlotRecord>,
    roles: BTreeMap<String, (Option<String>, Option<u64>)>,
    bans: BTreeMap<String, Option<u64>>,
    queue_bans: BTreeMap<String, u64>,
    cooldowns: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    talk: Option<TalkJson>,
    undo: Vec<(String, u64, Vec<EntryJson>)>,
    dedup: BTreeMap<String, Vec<OutcomeRecord>>,
}

#[derive(Serialize, Deserialize)]
struct SeatRecord {
    no: u32,
    kind: SeatKindJson,
    closing: bool,
    locked: bool,
    admin_muted: bool,
    extra: String,
    extra_rev: u64,
    occupant: Option<OccupantRecord>,
    /// User, invite id, end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reserved_for: Option<(String, String, u64)>,
}

#[derive(Serialize, Deserialize)]
struct OccupantRecord {
    user: String,
    since: u64,
    via: ViaJson,
    self_muted: bool,
    held_until: Option<u64>,
    #[serde(default)]
    grant: u64,
    #[serde(default)]
    media: MediaJson,
}

#[derive(Serialize, Deserialize)]
struct InviteRecord {
    invite_id: String,
    user: String,
    by: String,
    seat_no: u32,
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
struct EndedRecord {
    id: String,
    user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    apply: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invite: Option<String>,
    by: String,
    at: u64,
}

fn ended_record(ended: &Ended) -> EndedRecord {
    let (apply, invite) = match ended.end {
        End::Apply(outcome) => (Some(outcome.name().to_owned()), None),
        End::Invite(outcome) => (None, Some(outcome.name().to_owned())),
    };
    EndedRecord { id: ended.id.clone(), user: ended.user.to_string(), apply, invite, by: actor_text(&ended.by), at: ended.at.0 }
}

fn ended(record: EndedRecord) -> Result<Ended, RecordError> {
    let apply = record.apply.and_then(|name| ApplyOutcome::parse(&name)).map(End::Apply);
    let invite = record.invite.and_then(|name| InviteOutcome::parse(&name)).map(End::Invite);
    let end = apply.or(invite).ok_or(RecordError("an outcome"))?;
    Ok(Ended { id: record.id, user: user(&record.user)?, end, by: actor(&record.by)?, at: UnixMs(record.at) })
}

fn invite_record(invite: &Invite) -> InviteRecord {
    InviteRecord {
        invite_id: invite.invite_id.clone(),
        user: invite.user.to_string(),
        by: actor_text(&invite.by),
        seat_no: invite.seat_no,
        expires_at: invite.expires_at.0,
    }
}

fn invite(record: InviteRecord) -> Result<Invite, RecordError> {
    let (user, by) = (user(&record.user)?, actor(&record.by)?);
    Ok(Invite { invite_id: record.invite_id, user, by, seat_no: record.seat_no, expires_at: UnixMs(record.expires_at) })
}

#[derive(Serialize, Deserialize)]
struct SlotRecord {
    user: String,
    rev: u64,
    ahead: Vec<String>,
    behind: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct OutcomeRecord {
    op: String,
    fingerprint: u64,
    rev: u64,
    at: u64,
    event: EventJson,
    #[serde(default, skip_serializing_if = "AnswerJson::is_plain")]
    answer: AnswerJson,
}

/// Writes a whole room, with all that decisions depend on.
#[must_use]
pub fn encode_room(room: &Room) -> Bytes {
    let seat = |seat: &Seat| SeatRecord {
        no: seat.no,
        kind: seat.kind.into(),
        closing: seat.closing,
        locked: seat.locked,
        admin_muted: seat.admin_muted,
        extra: seat.extra.clone(),
        extra_rev: seat.extra_rev,
        occupant: seat.occupant.as_ref().map(|occupant| OccupantRecord {
            user: occupant.user.to_string(),
            since: occupant.since.0,
            via: occupant.via.into(),
            self_muted: occupant.self_muted,
            held_until: occupant.held_until.map(|until| until.0),
            grant: occupant.grant,
            media: occupant.media.into(),
        }),
        reserved_for: seat.reserved_for.as_ref().map(|kept| (kept.user.to_string(), kept.invite_id.clone(), kept.until.0)),
    };
    let names = |users: &[crate::hub::id::UserId]| users.iter().map(ToString::to_string).collect();
    let slot = |slot: &Slot| SlotRecord {
        user: slot.user.to_string(),
        rev: slot.rev,
        ahead: names(&slot.ahead),
        behind: names(&slot.behind),
    };
    let outcome = |outcome: &Outcome| OutcomeRecord {
        op: outcome.op_id.to_string(),
        fingerprint: outcome.fingerprint,
        rev: outcome.rev,
        at: outcome.at.0,
        event: (&outcome.event).into(),
        answer: (&outcome.answer).into(),
    };
    let grant = |grant: &Grant| (grant.role.as_ref().map(ToString::to_string), grant.by_person_at.map(|at| at.0));
    write(&RoomRecord {
        v: FORMAT,
        room_id: room.id.to_string(),
        head: room.head.to_string(),
        last_event: room.last_event.0,
        status: room.status.into(),
        owner: room.owner.to_string(),
        mode: room.mode.into(),
        mode_changed_at: room.mode_changed_at.map(|at| at.0),
        promotion_from: room.promotion_from.0,
        flags: room.flags.into(),
        rules_rev: room.rules_rev,
        rules: RulesJson(room.rules.clone()),
        seats: room.seats.list.iter().map(seat).collect(),
        turns: room.turns.list.iter().map(TurnJson::from).collect(),
        applies: room.asks.applies.iter().map(ApplyJson::from).collect(),
        invites: room.asks.invites.iter().map(invite_record).collect(),
        ended: room.asks.ended.iter().map(ended_record).collect(),
        queue: room.queue.entries.iter().map(EntryJson::from).collect(),
        last_seq: room.queue.last_seq,
        slots: room.queue.slots.iter().map(slot).collect(),
        roles: room.roles.iter().map(|(user, given)| (user.to_string(), grant(given))).collect(),
        bans: room.bans.iter().map(|(user, until)| (user.to_string(), until.map(|until| until.0))).collect(),
        queue_bans: room.queue_bans.iter().map(|(user, until)| (user.to_string(), until.0)).collect(),
        cooldowns: room.cooldowns.iter().map(|(user, until)| (user.to_string(), until.0)).collect(),
        talk: TalkJson::of(&room.talk),
        undo: room.undo.iter().map(|u| (u.undo_id.clone(), u.at.0, u.entries.iter().map(EntryJson::from).collect())).collect(),
        dedup: room.dedup.by_actor.iter().map(|(by, list)| (actor_text(by), list.iter().map(outcome).collect())).collect(),
    })
}

/// Reads a whole room. Errors: not a record, or one of another version.
pub fn decode_room(bytes: &[u8]) -> Result<Room, RecordError> {
    let record: RoomRecord = read(bytes)?;
    check_format(record.v)?;
    let entries = |list: Vec<EntryJson>| list.into_iter().map(Entry::try_from).collect::<Result<Vec<_>, _>>();
    let users = |list: Vec<String>| list.iter().map(|text| user(text)).collect::<Result<Vec<_>, _>>();
    let seat = |seat: SeatRecord| {
        let occupant = |occupant: OccupantRecord| {
            Ok::<_, RecordError>(Occupant {
                user: user(&occupant.user)?,
                since: UnixMs(occupant.since),
                via: occupant.via.into(),
                self_muted: occupant.self_muted,
                held_until: occupant.held_until.map(UnixMs),
                grant: occupant.grant,
                media: occupant.media.into(),
            })
        };
        let reservation = |(id, invite_id, until): (String, String, u64)| {
            Ok::<_, RecordError>(Reservation { user: user(&id)?, invite_id, until: UnixMs(until) })
        };
        Ok::<_, RecordError>(Seat {
            closing: seat.closing,
            locked: seat.locked,
            admin_muted: seat.admin_muted,
            extra: seat.extra,
            extra_rev: seat.extra_rev,
            occupant: seat.occupant.map(occupant).transpose()?,
            reserved_for: seat.reserved_for.map(reservation).transpose()?,
            ..Seat::new(seat.no, seat.kind.into())
        })
    };
    let slot = |slot: SlotRecord| {
        Ok::<_, RecordError>(Slot {
            user: user(&slot.user)?,
            rev: slot.rev,
            ahead: users(slot.ahead)?,
            behind: users(slot.behind)?,
        })
    };
    let grant = |(role, at): (Option<String>, Option<u64>)| {
        let role = role.map(|text| RoleId::parse(&text).map_err(|_| RecordError("a role id"))).transpose()?;
        Ok::<_, RecordError>(Grant { role, by_person_at: at.map(UnixMs) })
    };
    let outcome = |outcome: OutcomeRecord| {
        Ok::<_, RecordError>(Outcome {
            op_id: op_id(&outcome.op)?,
            fingerprint: outcome.fingerprint,
            rev: outcome.rev,
            event: Event::try_from(outcome.event)?,
            answer: outcome.answer.try_into()?,
            at: UnixMs(outcome.at),
        })
    };
    let outcomes = |(by, list): (String, Vec<OutcomeRecord>)| {
        Ok::<_, RecordError>((actor(&by)?, list.into_iter().map(outcome).collect::<Result<_, _>>()?))
    };
    let undo = |(undo_id, at, list)| Ok::<_, RecordError>(Undo { undo_id, at: UnixMs(at), entries: entries(list)? });
    Ok(Room {
        id: RoomId::parse(&record.room_id).map_err(|_| RecordError("a room id"))?,
        head: cursor(&record.head)?,
        last_event: UnixMs(record.last_event),
        status: record.status.into(),
        owner: user(&record.owner)?,
        mode: record.mode.into(),
        mode_changed_at: record.mode_changed_at.map(UnixMs),
        promotion_from: UnixMs(record.promotion_from),
        flags: record.flags.into(),
        rules_rev: record.rules_rev,
        rules: record.rules.0,
        seats: Seats { list: record.seats.into_iter().map(seat).collect::<Result<_, _>>()? },
        turns: Turns { list: record.turns.into_iter().map(Turn::try_from).collect::<Result<_, _>>()? },
        asks: Asks {
            applies: record.applies.into_iter().map(Apply::try_from).collect::<Result<_, _>>()?,
            invites: record.invites.into_iter().map(invite).collect::<Result<_, _>>()?,
            ended: record.ended.into_iter().map(ended).collect::<Result<_, _>>()?,
        },
        queue: MicQueue {
            entries: entries(record.queue)?,
            last_seq: record.last_seq,
            slots: record.slots.into_iter().map(slot).collect::<Result<_, _>>()?,
        },
        roles: record.roles.into_iter().map(|(id, given)| Ok((user(&id)?, grant(given)?))).collect::<Result<_, RecordError>>()?,
        bans: record
            .bans
            .into_iter()
            .map(|(id, until)| Ok((user(&id)?, until.map(UnixMs))))
            .collect::<Result<_, RecordError>>()?,
        queue_bans: record
            .queue_bans
            .into_iter()
            .map(|(id, at)| Ok((user(&id)?, UnixMs(at))))
            .collect::<Result<_, RecordError>>()?,
        cooldowns: record
            .cooldowns
            .into_iter()
            .map(|(id, at)| Ok((user(&id)?, UnixMs(at))))
            .collect::<Result<_, RecordError>>()?,
        talk: record.talk.unwrap_or_default().try_into()?,
        undo: record.undo.into_iter().map(undo).collect::<Result<_, _>>()?,
        dedup: Dedup { by_actor: record.dedup.into_iter().map(outcomes).collect::<Result<_, _>>()? },
    })
}
