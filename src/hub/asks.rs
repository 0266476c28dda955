//! Applications and invitations: who asks for a seat, who is asked to come, how it ended. It knows no rules and no seats.
use super::{
    actor::Actor,
    dedup::{MAX_PER_ACTOR, MEMORY},
    id::UserId,
    reasons::{ApplyOutcome, InviteOutcome},
    time::UnixMs,
};
use std::collections::VecDeque;

/// How many applications a room keeps open; more are refused with `too_many`.
pub const APPLIES_MAX: usize = 2000;

/// Somebody asks for a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apply {
    /// Its name, never used again.
    pub apply_id: String,
    /// Who asks.
    pub user: UserId,
    /// The seat he would like.
    pub want_seat: Option<u32>,
    /// The room's own counter at the time of asking.
    pub seq: u64,
    /// Until when somebody may decide.
    pub expires_at: UnixMs,
}

/// Somebody is asked to a seat that is kept for him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its name, never used again.
    pub invite_id: String,
    /// Who is asked.
    pub user: UserId,
    /// Who asks.
    pub by: Actor,
    /// The seat kept for him.
    pub seat_no: u32,
    /// Until when he may answer.
    pub expires_at: UnixMs,
}

/// How an application or an invitation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum End {
    Apply(ApplyOutcome),
    Invite(InviteOutcome),
}

/// An application or invitation that is over, so that a late answer hears how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its name.
    pub id: String,
    /// Who asked or was asked.
    pub user: UserId,
    /// How it ended.
    pub end: End,
    /// Who ended it.
    pub by: Actor,
    /// When.
    pub at: UnixMs,
}

/// The applications and invitations of a room. At most one of each kind is open per person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Open applications, in order of `seq`.
    pub applies: Vec<Apply>,
    /// Open invitations, oldest first.
    pub invites: Vec<Invite>,
    /// Those that are over, oldest first: as many per person, and for as long, as outcomes of commands.
    pub ended: VecDeque<Ended>,
}

impl Asks {
    /// Returns the open application with this id.
    #[must_use]
    pub fn apply(&self, apply_id: &str) -> Option<&Apply> {
        self.applies.iter().find(|apply| apply.apply_id == apply_id)
    }

    /// Returns the open application of `user`.
    #[must_use]
    pub fn apply_of(&self, user: &UserId) -> Option<&Apply> {
        self.applies.iter().find(|apply| apply.user == *user)
    }

    /// Returns the open invitation with this id.
    #[must_use]
    pub fn invite(&self, invite_id: &str) -> Option<&Invite> {
        self.invites.iter().find(|invite| invite.invite_id == invite_id)
    }

    /// Returns the open invitation of `user`.
    #[must_use]
    pub fn invite_of(&self, user: &UserId) -> Option<&Invite> {
        self.invites.iter().find(|invite| invite.user == *user)
    }

    /// Returns how an application ended, while that is remembered.
    #[must_use]
    pub fn ended_apply(&self, apply_id: &str, now: UnixMs) -> Option<(&Ended, ApplyOutcome)> {
        self.find_ended(apply_id, now).find_map(|ended| match ended.end {
            End::Apply(outcome) => Some((ended, outcome)),
            End::Invite(_) => None,
        })
    }

    /// Returns how an invitation ended, while that is remembered.
    #[must_use]
    pub fn ended_invite(&self, invite_id: &str, now: UnixMs) -> Option<(&Ended, InviteOutcome)> {
        self.find_ended(invite_id, now).find_map(|ended| match ended.end {
            End::Invite(outcome) => Some((ended, outcome)),
            End::Apply(_) => None,
        })
    }

    fn find_ended(&self, id: &str, now: UnixMs) -> impl Iterator<Item = &Ended> {
        self.ended.iter().filter(move |ended| ended.id == id && now.since(ended.at) <= MEMORY)
    }

    /// Takes an application out and remembers how it ended.
    pub fn end_apply(&mut self, apply_id: &str, user: &UserId, outcome: ApplyOutcome, by: &Actor, at: UnixMs) {
        self.applies.retain(|apply| apply.apply_id != apply_id);
        self.remember(Ended { id: apply_id.to_owned(), user: user.clone(), end: End::Apply(outcome), by: by.clone(), at });
    }

    /// Takes an invitation out and remembers how it ended.
    pub fn end_invite(&mut self, invite_id: &str, user: &UserId, outcome: InviteOutcome, by: &Actor, at: UnixMs) {
        self.invites.retain(|invite| invite.invite_id != invite_id);
        self.remember(Ended { id: invite_id.to_owned(), user: user.clone(), end: End::Invite(outcome), by: by.clone(), at });
    }

    fn remember(&mut self, ended: Ended) {
        self.expire(ended.at);
        let mut surplus = (self.ended.iter().filter(|known| known.user == ended.user).count() + 1).saturating_sub(MAX_PER_ACTOR);
        self.ended.retain(|known| {
            let drop = surplus > 0 && known.user == ended.user;
            surplus -= usize::from(drop);
            !drop
        });
        self.ended.push_back(ended);
    }

    /// Forgets what ended longer ago than outcomes of commands are remembered.
    pub fn expire(&mut self, now: UnixMs) {
        while self.ended.front().is_some_and(|ended| now.since(ended.at) > MEMORY) {
            self.ended.pop_front();
        }
    }
}
