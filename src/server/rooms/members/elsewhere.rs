//! A room's people over other nodes: what is heard of them there, and what is told of those here.
use super::{MemberList, Person};
use crate::hub::{
    id::{UserId, UserType},
    time::{Millis, UnixMs},
};
use crate::server::cluster::{
    Node,
    parts::{AllParts, News, Part, Told},
};
use std::collections::{BTreeMap, BTreeSet};

/// How long somebody counts as being here of whom no node has said anything yet.
const UNHEARD: Millis = Millis(2_000);

impl MemberList {
    /// Hears what another node has of people here.
    pub fn hear(&mut self, node: &Node, news: News) {
        match news {
            News::People(people) => {
                for (user, user_type, part) in people {
                    self.set_part(node, &user, user_type, part);
                }
            }
            News::Dead(_) | News::Out => {
                let there = |person: &Person| person.elsewhere.contains_key(node);
                let users: Vec<UserId> =
                    self.people.iter().filter(|(_, person)| there(person)).map(|(user, _)| user.clone()).collect();
                for user in users {
                    self.change(&user, |slot| {
                        let Some(person) = slot else { return };
                        match (&news, person.elsewhere.get_mut(node)) {
                            (News::Dead(dead), Some(part)) if *part == Part::Live => *part = *dead,
                            (News::Dead(_), _) => {}
                            _ => drop(person.elsewhere.remove(node)),
                        }
                    });
                }
            }
        }
    }

    fn set_part(&mut self, node: &Node, user: &UserId, user_type: UserType, part: Option<Part>) {
        self.look_at(part.iter());
        self.change(user, |slot| match part {
            Some(part) => {
                slot.get_or_insert_with(|| Person::new(user_type)).elsewhere.insert(node.clone(), part);
            }
            None => {
                if let Some(person) = slot {
                    person.elsewhere.remove(node);
                }
            }
        });
    }

    fn look_at<'a>(&mut self, parts: impl Iterator<Item = &'a Part>) {
        let ends = parts.filter_map(|part| match part {
            Part::Handed { shown_from, .. } => Some(*shown_from),
            Part::Live | Part::Lost => None,
        });
        let now = self.now;
        self.looks.extend(ends.filter(|at| *at > now));
    }

    /// Takes over what all other nodes have, in the place of what was known of them; `complete`: whoever is not named is not there.
    pub fn hear_all(&mut self, me: &Node, all: AllParts, complete: bool) {
        let elsewhere = self.people.iter().filter(|(_, person)| !person.elsewhere.is_empty());
        let mut known: BTreeSet<UserId> = elsewhere.map(|(user, _)| user.clone()).collect();
        for (user, user_type, mut parts) in all.people {
            parts.remove(me);
            known.remove(&user);
            self.set_parts(&user, user_type, parts);
        }
        for user in known.into_iter().filter(|_| complete) {
            self.change(&user, |slot| {
                if let Some(person) = slot {
                    person.elsewhere.clear();
                }
            });
        }
    }

    /// Takes over what all other nodes have of a person.
    pub fn set_parts(&mut self, user: &UserId, user_type: UserType, parts: BTreeMap<Node, Part>) {
        if self.people.get(user).map_or(parts.is_empty(), |person| person.elsewhere == parts) {
            return;
        }
        self.look_at(parts.values());
        self.change(user, |slot| {
            if !parts.is_empty() || slot.is_some() {
                slot.get_or_insert_with(|| Person::new(user_type)).elsewhere = parts;
            }
        });
    }

    /// Hears who has a place. Where a commit is faster than the news of who has come in, its person counts as being here for a while.
    pub fn expect(&mut self, placed: impl Iterator<Item = UserId>) {
        let before = std::mem::take(&mut self.unheard);
        for user in placed.filter(|user| !self.people.contains_key(user)) {
            let until = before.get(&user).copied().unwrap_or(self.now.plus(UNHEARD));
            self.looks.extend(Some(until).filter(|at| *at > self.now));
            self.unheard.insert(user, until);
        }
    }

    /// Tells whether other nodes may have to hear of somebody.
    pub fn has_untold_parts(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Returns what other nodes have to hear of this one's people.
    pub fn untold_parts(&mut self) -> Vec<Told> {
        let mut untold = Vec::new();
        for user in std::mem::take(&mut self.touched) {
            let person = self.people.get(&user);
            let part = person.and_then(Person::part);
            if part != self.parts_told.get(&user).copied() {
                let user_type = person.map_or_else(UserType::plain, |person| person.user_type.clone());
                match part {
                    Some(part) => self.parts_told.insert(user.clone(), part),
                    None => self.parts_told.remove(&user),
                };
                untold.push((user, user_type, part));
            }
        }
        untold
    }

    /// This could not be told.
    pub fn not_told(&mut self, told: Vec<Told>) {
        for (user, _, part) in told {
            // What the others know of him is not known any more: a part that is never told makes a difference.
            match part {
                None => self.parts_told.insert(user.clone(), Part::Handed { hold: Millis(0), shown_from: UnixMs(0) }),
                Some(_) => self.parts_told.remove(&user),
            };
            self.touched.insert(user);
        }
    }

    /// The others know nothing of this node's people any more.
    pub fn tell_again(&mut self) {
        self.parts_told.clear();
        self.touched.extend(self.people.keys().cloned());
    }

    /// Returns how many people have a line here, a lost one included.
    pub const fn local(&self) -> usize {
        self.local
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::decide::Members;

    #[test]
    fn whoever_is_back_is_granted_no_handover_any_more() {
        let (user, gone, other) = (UserId::parse("a").expect("an id"), Node::from("gone"), Node::from("other"));
        let people = |part| News::People(vec![(user.clone(), UserType::plain(), Some(part))]);
        let handed = Part::Handed { hold: Millis(45_000), shown_from: UnixMs(0) };
        let mut list = MemberList::default();
        list.hear(&gone, people(handed));
        assert_eq!(list.hold_at_least(&user), Millis(45_000));
        list.hear(&other, people(Part::Live));
        list.hear(&other, people(Part::Lost));
        assert_eq!(list.hold_at_least(&user), Millis(0), "he was back, and his line broke anew");
        // He is faster than the news of the node's death.
        list.hear(&other, people(Part::Live));
        list.hear(&gone, people(Part::Live));
        list.hear(&gone, News::Dead(handed));
        list.hear(&other, people(Part::Lost));
        assert_eq!(list.hold_at_least(&user), Millis(0));
    }
}
