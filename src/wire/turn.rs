//! Turns, applications and invitations as JSON: what `room_snapshot` shows, and what the store's records keep of them.
use super::stored::{RecordError, user};
use crate::hub::{
    actor::Actor,
    asks::{Apply, Invite},
    time::{Millis, UnixMs},
    turns::{Causes, Clock, Turn},
};
use serde::{Deserialize, Serialize};

/// Why a turn's clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum CauseJson {
    Hand,
    Floor,
    Chair,
}

/// Writes causes as a list.
pub(super) fn causes_json(causes: Causes) -> Vec<CauseJson> {
    let all = [(causes.hand, CauseJson::Hand), (causes.floor, CauseJson::Floor), (causes.chair, CauseJson::Chair)];
    all.into_iter().filter(|(on, _)| *on).map(|(_, cause)| cause).collect()
}

/// Reads a list of causes.
pub(super) fn causes(list: &[CauseJson]) -> Causes {
    let on = |cause| list.contains(&cause);
    Causes { hand: on(CauseJson::Hand), floor: on(CauseJson::Floor), chair: on(CauseJson::Chair) }
}

/// Writes a clock as (`ends_at_ms`, `paused_remaining_ms`); neither = unlimited.
pub(super) const fn clock_json(clock: Clock) -> (Option<u64>, Option<u64>) {
    match clock {
        Clock::Unlimited => (None, None),
        Clock::Running { ends_at } => (Some(ends_at.0), None),
        Clock::Stopped { remaining } => (None, Some(remaining.0)),
    }
}

/// Reads a clock.
pub(super) const fn clock(ends_at_ms: Option<u64>, paused_remaining_ms: Option<u64>) -> Clock {
    match (ends_at_ms, paused_remaining_ms) {
        (_, Some(remaining)) => Clock::Stopped { remaining: Millis(remaining) },
        (Some(ends_at), None) => Clock::Running { ends_at: UnixMs(ends_at) },
        (None, None) => Clock::Unlimited,
    }
}

/// A turn, as shown and as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of hub::turns::Turn")]
pub struct TurnJson {
    pub turn_id: String,
    pub user_id: String,
    pub seat_no: u32,
    pub started_at_ms: u64,
    pub paused: bool,
    pub ends_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_remaining_ms: Option<u64>,
    pub paused_by: Vec<CauseJson>,
    pub length_ms: u64,
    pub extended_ms: i64,
}

impl From<&Turn> for TurnJson {
    fn from(turn: &Turn) -> Self {
        let (ends_at_ms, paused_remaining_ms) = clock_json(turn.clock);
        Self {
            turn_id: turn.turn_id.clone(),
            user_id: turn.user.to_string(),
            seat_no: turn.seat_no,
            started_at_ms: turn.started_at.0,
            paused: turn.paused_by.any(),
            ends_at_ms,
            paused_remaining_ms,
            paused_by: causes_json(turn.paused_by),
            length_ms: turn.length.0,
            extended_ms: turn.extended,
        }
    }
}

impl TryFrom<TurnJson> for Turn {
    type Error = RecordError;

    fn try_from(turn: TurnJson) -> Result<Self, RecordError> {
        Ok(Self {
            turn_id: turn.turn_id,
            user: user(&turn.user_id)?,
            seat_no: turn.seat_no,
            started_at: UnixMs(turn.started_at_ms),
            clock: clock(turn.ends_at_ms, turn.paused_remaining_ms),
            paused_by: causes(&turn.paused_by),
            length: Millis(turn.length_ms),
            extended: turn.extended_ms,
        })
    }
}

/// An open application, as shown and as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of hub::asks::Apply")]
pub struct ApplyJson {
    pub apply_id: String,
    pub user_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want_seat: Option<u32>,
    pub seq: u64,
    pub expires_at_ms: u64,
}

impl From<&Apply> for ApplyJson {
    fn from(apply: &Apply) -> Self {
        Self {
            apply_id: apply.apply_id.clone(),
            user_id: apply.user.to_string(),
            want_seat: apply.want_seat,
            seq: apply.seq,
            expires_at_ms: apply.expires_at.0,
        }
    }
}

impl TryFrom<ApplyJson> for Apply {
    type Error = RecordError;

    fn try_from(apply: ApplyJson) -> Result<Self, RecordError> {
        let (user, expires_at) = (user(&apply.user_id)?, UnixMs(apply.expires_at_ms));
        Ok(Self { apply_id: apply.apply_id, user, want_seat: apply.want_seat, seq: apply.seq, expires_at })
    }
}

/// An open invitation, as shown.
#[derive(Serialize)]
#[allow(missing_docs, reason = "the names are those of hub::asks::Invite")]
pub struct ShownInvite<'a> {
    pub invite_id: &'a str,
    pub user_id: &'a str,
    pub by: &'a str,
    pub seat_no: u32,
    pub expires_at_ms: u64,
}

impl<'a> From<&'a Invite> for ShownInvite<'a> {
    fn from(invite: &'a Invite) -> Self {
        Self {
            invite_id: &invite.invite_id,
            user_id: invite.user.as_str(),
            by: shown_actor(&invite.by),
            seat_no: invite.seat_no,
            expires_at_ms: invite.expires_at.0,
        }
    }
}

/// Writes an actor for people to read: a user id, `service` or `hub`.
pub(super) fn shown_actor(actor: &Actor) -> &str {
    match actor {
        Actor::User(user) => user.as_str(),
        Actor::Service => "service",
        Actor::Hub => "hub",
    }
}
