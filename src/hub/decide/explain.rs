//! What would become of a command: decided on a copy of the draft, which is thrown away.
use super::{Draft, Explained, Members};
use crate::hub::{
    access::Standing,
    actor::Actor,
    code::{Code, Reject},
    command::Command,
    id::UserId,
    roles,
};

impl Draft {
    /// Tries a command out. Errors: `forbidden` for somebody else's below level host. Cost: a copy of the room.
    pub(super) fn explain(
        &self,
        actor: &Actor,
        command: &Command,
        as_user: Option<&UserId>,
        has_rev: bool,
        members: &dyn Members,
    ) -> Result<Explained, Reject> {
        let tried = match (actor, as_user) {
            (_, None) => actor.clone(),
            (Actor::User(me), Some(user)) => {
                let allowed = me == user || self.room.level_of(me) >= roles::HOST || self.room.is_granted(actor, "explain");
                if !allowed {
                    return Err(Reject::Plain(Code::Forbidden));
                }
                Actor::User(user.clone())
            }
            (Actor::Service | Actor::Hub, Some(user)) => Actor::User(user.clone()),
        };
        let would = self.clone().one(&tried, command, None, has_rev, members);
        Ok(Explained { rev: self.room.head.rev, would, standing: self.standing_of(&tried, command) })
    }

    /// The priority of the person who would join, or who waits already: his is frozen, and told with reasons only if they still make it.
    fn standing_of(&self, tried: &Actor, command: &Command) -> Option<(i64, Vec<String>)> {
        let user = match (command, tried) {
            (Command::QueueJoin { .. }, Actor::User(user)) => user,
            (Command::QueueInsert { target, .. }, _) => target,
            _ => return None,
        };
        let Standing { eff_priority, why, .. } = self.room.standing(user, self.now);
        Some(match self.room.queue.entry(user) {
            Some(entry) if entry.eff_priority != eff_priority => (entry.eff_priority, Vec::new()),
            _ => (eff_priority, why),
        })
    }
}
