//! Several commands in one commit: each has its own rev; atomic ones happen together or not at all.
use super::{Decision, Draft, Members};
use crate::hub::{
    actor::Actor,
    code::Reject,
    command::Command,
    event::{Answer, Event, Op, Part},
    id::UserId,
    time::Millis,
};
use std::collections::BTreeSet;

/// Whoever an earlier operation put out of the room is not in it for the later ones.
struct Without<'a> {
    members: &'a dyn Members,
    out: BTreeSet<UserId>,
}

impl Members for Without<'_> {
    fn is_live(&self, user: &UserId) -> bool {
        !self.out.contains(user) && self.members.is_live(user)
    }

    fn hold_at_least(&self, user: &UserId) -> Millis {
        self.members.hold_at_least(user)
    }
}

impl Draft {
    /// Decides operations in order, each in the room that those before it left. Errors: `batch_failed` by the first refusal of an atomic one.
    /// Cost: a copy of the room if atomic.
    pub(super) fn batch(
        &mut self,
        actor: &Actor,
        ops: &[Command],
        atomic: bool,
        op: Option<Op>,
        has_rev: bool,
        members: &dyn Members,
    ) -> Result<Decision, Reject> {
        let before = atomic.then(|| (self.room.clone(), self.ids));
        let first_step = self.steps.len();
        let mut here = Without { members, out: BTreeSet::new() };
        let mut parts = Vec::with_capacity(ops.len());
        for (index, command) in ops.iter().enumerate() {
            let op = op.clone().map(|op| Op { answer: Answer::Later, ..op });
            let part = match self.one(actor, command, op, has_rev, &here) {
                Ok(Decision::Accepted { rev, event, .. }) => {
                    if let Event::MemberKicked { user, .. } | Event::MemberBanned { user, .. } = &event {
                        here.out.insert(user.clone());
                    }
                    Part::Done { rev, event }
                }
                Ok(_) => Part::Noop,
                Err(error) => match before {
                    None => Part::Refused(error.code()),
                    Some((room, ids)) => {
                        (self.room, self.ids) = (room, ids);
                        self.steps.truncate(first_step);
                        return Err(Reject::BatchFailed { index, error: Box::new(error) });
                    }
                },
            };
            parts.push(part);
        }
        if let Some(last) = self.steps.get_mut(first_step..).and_then(<[_]>::last_mut) {
            if let Some(op) = last.op.as_mut() {
                op.answer = Answer::Batch(parts.clone());
            }
            let last = last.clone();
            self.room.remember(&last, self.now);
        }
        Ok(Decision::Batch { rev: self.room.head.rev, dup: false, parts })
    }
}
