//! A change of the rules: one commit in the room's log, and what follows from it at once. Nobody who waits is moved, no deadline changes.
use super::{Done, Draft, Outcome};
use crate::hub::{
    code::Reject,
    event::Event,
    id::UserId,
    reasons::{QueueLeftReason, SeatLeftReason},
    rules::{Access, BadRules, Rules},
};
use std::{collections::BTreeSet, sync::Arc};

impl Draft {
    /// Puts a document in force. Whoever it newly blacklists leaves, invitations to seats that close end; the rest is promotion's.
    pub(super) fn rules_set(&mut self, rules: &Result<Arc<Rules>, BadRules>, if_rules_rev: Option<u64>) -> Outcome {
        let rules = rules.as_ref().map_err(|bad| Reject::BadRules { path: bad.path.clone(), message: bad.message.clone() })?;
        if rules.host_seat != self.room.rules.host_seat {
            let message = "what it was when the room was made".to_owned();
            return Err(Reject::BadRules { path: "/host_seat".to_owned(), message });
        }
        if if_rules_rev.is_some_and(|rev| rev != self.room.rules_rev) {
            return Err(Reject::StaleRev { rev: self.room.rules_rev });
        }
        if *rules == self.room.rules {
            return Ok(Done::Noop);
        }
        let before = self.room.rules.clone();
        let own = self.own(Event::RulesChanged { rules_rev: self.room.rules_rev + 1, rules: rules.clone() });
        let closing = self.room.seats.list.iter().filter(|seat| seat.closing && seat.reserved_for.is_some());
        for seat_no in closing.map(|seat| seat.no).collect::<Vec<_>>() {
            self.cancel_invite_to(seat_no);
        }
        for user in self.newly_blacklisted(&before) {
            self.clear_place(&user, QueueLeftReason::Blacklisted, SeatLeftReason::Blacklisted);
        }
        own
    }

    /// Everybody in queue, on a seat, with an application or an invitation whom the blacklist names now and not before; never the owner.
    fn newly_blacklisted(&self, before: &Rules) -> Vec<UserId> {
        let room = &self.room;
        if room.rules.access == Access::Open {
            return Vec::new();
        }
        let listed: BTreeSet<&UserId> =
            room.rules.blacklist.iter().filter(|user| **user != room.owner && !before.blacklists(user)).collect();
        let seated = room.seats.list.iter().filter_map(|seat| Some(&seat.occupant.as_ref()?.user));
        let waiting = room.queue.entries.iter().map(|entry| &entry.user);
        let asking = room.asks.applies.iter().map(|apply| &apply.user).chain(room.asks.invites.iter().map(|invite| &invite.user));
        let mut seen = BTreeSet::new();
        let concerned = seated.chain(waiting).chain(asking).filter(|user| listed.contains(user) && seen.insert(*user));
        concerned.cloned().collect()
    }
}
