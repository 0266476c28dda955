//! Hub events ↔ their JSON. On the way back every text is checked: a record may come from anywhere.
use super::EventJson;
use crate::{
    hub::{
        event::Event,
        id::{RoleId, UserId},
        mode::Flags,
        queue::Entry,
        reasons::{ApplyOutcome, InviteOutcome, QueueLeftReason, SeatLeftReason, TurnEndedReason},
        seats::Media,
        talk::Levels,
        time::{Millis, UnixMs},
    },
    wire::{
        rules::RulesJson,
        state::{EntryJson, MediaJson},
        stored::{RecordError, user},
        turn::{causes, causes_json, clock, clock_json},
    },
};

fn texts(users: &[UserId]) -> Vec<String> {
    users.iter().map(ToString::to_string).collect()
}

fn users(texts: &[String]) -> Result<Vec<UserId>, RecordError> {
    texts.iter().map(|text| user(text)).collect()
}

impl From<&Event> for EventJson {
    fn from(event: &Event) -> Self {
        match event.clone() {
            Event::QueueJoined { user, index, eff_priority, skip_queue, seq, pinned, want_seat, note, why } => {
                Self::QueueJoined {
                    user_id: user.to_string(),
                    index,
                    eff_priority,
                    skip_queue,
                    seq,
                    pinned,
                    want_seat,
                    note,
                    why,
                }
            }
            Event::QueueLeft { user, reason, note } => {
                Self::QueueLeft { user_id: user.to_string(), reason: reason.name().to_owned(), note }
            }
            Event::QueueMoved { user, from, to, after } => {
                Self::QueueMoved { user_id: user.to_string(), from, to, after_user_id: after.map(|user| user.to_string()) }
            }
            Event::QueueReordered { order, resort, jumped_by } => Self::QueueReordered {
                order: texts(&order),
                resort,
                jumped_by: jumped_by.into_iter().map(|(user, times)| (user.to_string(), times)).collect(),
            },
            Event::QueueCleared { undo_id, count } => Self::QueueCleared { undo_id, count },
            Event::QueueRestored { undo_id, order, entries } => {
                Self::QueueRestored { undo_id, order: texts(&order), entries: entries.iter().map(EntryJson::from).collect() }
            }
            Event::QueueHeld { user, held_until } => Self::QueueHeld { user_id: user.to_string(), held_until_ms: held_until.0 },
            Event::QueueReturned { user } => Self::QueueReturned { user_id: user.to_string() },
            Event::QueueOnDeck { user } => Self::QueueOnDeck { user_id: user.to_string() },
            Event::SeatTaken { seat_no, user, via } => Self::SeatTaken { seat_no, user_id: user.to_string(), via: via.into() },
            Event::SeatLeft { seat_no, user, reason, cooldown_until } => Self::SeatLeft {
                seat_no,
                user_id: user.to_string(),
                reason: reason.name().to_owned(),
                cooldown_until_ms: cooldown_until.map(|until| until.0),
            },
            Event::SeatMoved { user, from, to } => Self::SeatMoved { user_id: user.to_string(), from, to },
            Event::SeatUpdated { seat_no, locked, admin_muted, self_muted, extra, media } => {
                let (extra, extra_rev) = extra.map_or((None, None), |(text, rev)| (Some(text), Some(rev)));
                let media = media.map(MediaJson::from);
                Self::SeatUpdated { seat_no, locked, admin_muted, self_muted, extra, extra_rev, media }
            }
            Event::SeatHeld { seat_no, user, held_until } => {
                Self::SeatHeld { seat_no, user_id: user.to_string(), held_until_ms: held_until.0 }
            }
            Event::SeatReturned { seat_no, user } => Self::SeatReturned { seat_no, user_id: user.to_string() },
            Event::ApplySubmitted { apply_id, user, want_seat, seq, expires_at } => {
                let (user_id, expires_at_ms) = (user.to_string(), expires_at.0);
                Self::ApplySubmitted { apply_id, user_id, want_seat, seq, expires_at_ms }
            }
            Event::ApplyEnded { apply_id, user, outcome } => {
                Self::ApplyEnded { apply_id, user_id: user.to_string(), outcome: outcome.name().to_owned() }
            }
            Event::InviteSent { invite_id, user, seat_no, expires_at } => {
                Self::InviteSent { invite_id, user_id: user.to_string(), seat_no, expires_at_ms: expires_at.0 }
            }
            Event::InviteEnded { invite_id, user, seat_no, outcome } => {
                Self::InviteEnded { invite_id, user_id: user.to_string(), seat_no, outcome: outcome.name().to_owned() }
            }
            Event::TurnStarted { turn_id, user, seat_no, clock, paused_by } => {
                let (ends_at_ms, paused_remaining_ms) = clock_json(clock);
                let (user_id, paused, paused_by) = (user.to_string(), paused_by.any(), causes_json(paused_by));
                Self::TurnStarted { turn_id, user_id, seat_no, ends_at_ms, paused_remaining_ms, paused, paused_by }
            }
            Event::TurnUpdated { turn_id, clock, paused_by, extended } => {
                let (ends_at_ms, paused_remaining_ms) = clock_json(clock);
                let (paused, paused_by) = (paused_by.any(), causes_json(paused_by));
                Self::TurnUpdated { turn_id, ends_at_ms, paused_remaining_ms, paused, paused_by, extended_ms: extended }
            }
            Event::TurnEnded { turn_id, user, seat_no, reason } => {
                Self::TurnEnded { turn_id, user_id: user.to_string(), seat_no, reason: reason.name().to_owned() }
            }
            Event::ModeChanged { mode, from } => Self::ModeChanged { mode: mode.into(), from: from.into() },
            Event::FlagsChanged { flags } => Self::FlagsChanged { flags: flags.into() },
            Event::RulesChanged { rules_rev, rules } => Self::RulesChanged { rules_rev, rules: RulesJson(rules) },
            Event::RoleChanged { user, role, from, by_token } => Self::RoleChanged {
                user_id: user.to_string(),
                role_id: role.map(|role| role.to_string()),
                from: from.to_string(),
                by_token,
            },
            Event::MemberKicked { user, reason } => Self::MemberKicked { user_id: user.to_string(), reason },
            Event::MemberBanned { user, until, reason } => {
                Self::MemberBanned { user_id: user.to_string(), until_ms: until.map(|until| until.0), reason }
            }
            Event::MemberUnbanned { user } => Self::MemberUnbanned { user_id: user.to_string() },
            Event::QueueBanned { user, until } => Self::QueueBanned { user_id: user.to_string(), until_ms: until.0 },
            Event::RoomClosed { reason } => Self::RoomClosed { reason },
            Event::TalkChanged { slow_mode, levels: Levels { must, normal, droppable } } => Self::TalkChanged {
                slow_mode_seconds: slow_mode.0 / 1000,
                must_level: must,
                normal_level: normal,
                droppable_level: droppable,
            },
            Event::TalkMuted { user, until } => {
                Self::TalkMuted { user_id: user.to_string(), until_ms: until.map(|until| until.0) }
            }
        }
    }
}

impl TryFrom<EventJson> for Event {
    type Error = RecordError;

    fn try_from(event: EventJson) -> Result<Self, RecordError> {
        let role = |text: &str| RoleId::parse(text).map_err(|_| RecordError("a role id"));
        Ok(match event {
            EventJson::QueueJoined { user_id, index, eff_priority, skip_queue, seq, pinned, want_seat, note, why } => {
                Self::QueueJoined { user: user(&user_id)?, index, eff_priority, skip_queue, seq, pinned, want_seat, note, why }
            }
            EventJson::QueueLeft { user_id, reason, note } => {
                let reason = QueueLeftReason::parse(&reason).ok_or(RecordError("a reason"))?;
                Self::QueueLeft { user: user(&user_id)?, reason, note }
            }
            EventJson::QueueMoved { user_id, from, to, after_user_id } => {
                Self::QueueMoved { user: user(&user_id)?, from, to, after: after_user_id.map(|text| user(&text)).transpose()? }
            }
            EventJson::QueueReordered { order, resort, jumped_by } => {
                let jumped_by = jumped_by.iter().map(|(text, times)| Ok((user(text)?, *times))).collect::<Result<_, _>>()?;
                Self::QueueReordered { order: users(&order)?, resort, jumped_by }
            }
            EventJson::QueueCleared { undo_id, count } => Self::QueueCleared { undo_id, count },
            EventJson::QueueRestored { undo_id, order, entries } => {
                let entries = entries.into_iter().map(Entry::try_from).collect::<Result<_, _>>()?;
                Self::QueueRestored { undo_id, order: users(&order)?, entries }
            }
            EventJson::QueueHeld { user_id, held_until_ms } => {
                Self::QueueHeld { user: user(&user_id)?, held_until: UnixMs(held_until_ms) }
            }
            EventJson::QueueReturned { user_id } => Self::QueueReturned { user: user(&user_id)? },
            EventJson::QueueOnDeck { user_id } => Self::QueueOnDeck { user: user(&user_id)? },
            EventJson::SeatTaken { seat_no, user_id, via } => Self::SeatTaken { seat_no, user: user(&user_id)?, via: via.into() },
            EventJson::SeatLeft { seat_no, user_id, reason, cooldown_until_ms } => {
                let reason = SeatLeftReason::parse(&reason).ok_or(RecordError("a reason"))?;
                Self::SeatLeft { seat_no, user: user(&user_id)?, reason, cooldown_until: cooldown_until_ms.map(UnixMs) }
            }
            EventJson::SeatMoved { user_id, from, to } => Self::SeatMoved { user: user(&user_id)?, from, to },
            EventJson::SeatUpdated { seat_no, locked, admin_muted, self_muted, extra, extra_rev, media } => {
                let (extra, media) = (extra.zip(extra_rev), media.map(Media::from));
                Self::SeatUpdated { seat_no, locked, admin_muted, self_muted, extra, media }
            }
            EventJson::SeatHeld { seat_no, user_id, held_until_ms } => {
                Self::SeatHeld { seat_no, user: user(&user_id)?, held_until: UnixMs(held_until_ms) }
            }
            EventJson::SeatReturned { seat_no, user_id } => Self::SeatReturned { seat_no, user: user(&user_id)? },
            EventJson::ApplySubmitted { apply_id, user_id, want_seat, seq, expires_at_ms } => {
                let (user, expires_at) = (user(&user_id)?, UnixMs(expires_at_ms));
                Self::ApplySubmitted { apply_id, user, want_seat, seq, expires_at }
            }
            EventJson::ApplyEnded { apply_id, user_id, outcome } => {
                let outcome = ApplyOutcome::parse(&outcome).ok_or(RecordError("an outcome"))?;
                Self::ApplyEnded { apply_id, user: user(&user_id)?, outcome }
            }
            EventJson::InviteSent { invite_id, user_id, seat_no, expires_at_ms } => {
                Self::InviteSent { invite_id, user: user(&user_id)?, seat_no, expires_at: UnixMs(expires_at_ms) }
            }
            EventJson::InviteEnded { invite_id, user_id, seat_no, outcome } => {
                let outcome = InviteOutcome::parse(&outcome).ok_or(RecordError("an outcome"))?;
                Self::InviteEnded { invite_id, user: user(&user_id)?, seat_no, outcome }
            }
            EventJson::TurnStarted { turn_id, user_id, seat_no, ends_at_ms, paused_remaining_ms, paused_by, .. } => {
                let (clock, paused_by) = (clock(ends_at_ms, paused_remaining_ms), causes(&paused_by));
                Self::TurnStarted { turn_id, user: user(&user_id)?, seat_no, clock, paused_by }
            }
            EventJson::TurnUpdated { turn_id, ends_at_ms, paused_remaining_ms, paused_by, extended_ms, .. } => {
                let (clock, paused_by) = (clock(ends_at_ms, paused_remaining_ms), causes(&paused_by));
                Self::TurnUpdated { turn_id, clock, paused_by, extended: extended_ms }
            }
            EventJson::TurnEnded { turn_id, user_id, seat_no, reason } => {
                let reason = TurnEndedReason::parse(&reason).ok_or(RecordError("a reason"))?;
                Self::TurnEnded { turn_id, user: user(&user_id)?, seat_no, reason }
            }
            EventJson::ModeChanged { mode, from } => Self::ModeChanged { mode: mode.into(), from: from.into() },
            EventJson::FlagsChanged { flags } => Self::FlagsChanged { flags: Flags::from(flags) },
            EventJson::RulesChanged { rules_rev, rules } => Self::RulesChanged { rules_rev, rules: rules.0 },
            EventJson::RoleChanged { user_id, role_id, from, by_token } => Self::RoleChanged {
                user: user(&user_id)?,
                role: role_id.map(|text| role(&text)).transpose()?,
                from: role(&from)?,
                by_token,
            },
            EventJson::MemberKicked { user_id, reason } => Self::MemberKicked { user: user(&user_id)?, reason },
            EventJson::MemberBanned { user_id, until_ms, reason } => {
                Self::MemberBanned { user: user(&user_id)?, until: until_ms.map(UnixMs), reason }
            }
            EventJson::MemberUnbanned { user_id } => Self::MemberUnbanned { user: user(&user_id)? },
            EventJson::QueueBanned { user_id, until_ms } => Self::QueueBanned { user: user(&user_id)?, until: UnixMs(until_ms) },
            EventJson::RoomClosed { reason } => Self::RoomClosed { reason },
            EventJson::TalkChanged { slow_mode_seconds, must_level, normal_level, droppable_level } => Self::TalkChanged {
                slow_mode: Millis::from_seconds(slow_mode_seconds),
                levels: Levels { must: must_level, normal: normal_level, droppable: droppable_level },
            },
            EventJson::TalkMuted { user_id, until_ms } => Self::TalkMuted { user: user(&user_id)?, until: until_ms.map(UnixMs) },
        })
    }
}
