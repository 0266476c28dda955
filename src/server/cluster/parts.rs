//! Who is in a room over all nodes: every node writes its own part of each person, and hears those of the others.
use super::{Cluster, Node, Unreachable};
use crate::hub::{
    id::{RoomId, UserId, UserType},
    time::{Millis, UnixMs},
};
use crate::server::store::redis::link::text;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a node has of a person in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Some line.
    Live,
    /// Lost lines only.
    Lost,
    /// Lost lines, ended by the hub itself: the least hold, and until when he counts as live.
    Handed {
        /// How long his place is kept at least.
        hold: Millis,
        /// Until then he counts as live.
        shown_from: UnixMs,
    },
}

impl Part {
    /// Writes it.
    #[must_use]
    pub fn encode(part: Option<Self>) -> String {
        match part {
            None => String::new(),
            Some(Self::Live) => "1".to_owned(),
            Some(Self::Lost) => "0".to_owned(),
            Some(Self::Handed { hold, shown_from }) => format!("{}:{}", hold.0, shown_from.0),
        }
    }

    /// Reads it. `None`: not a part.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        match text {
            "1" => Some(Self::Live),
            "0" => Some(Self::Lost),
            handed => {
                let (hold, from) = handed.split_once(':')?;
                Some(Self::Handed { hold: Millis(hold.parse().ok()?), shown_from: UnixMs(from.parse().ok()?) })
            }
        }
    }
}

/// One person's part of one node.
pub type Told = (UserId, UserType, Option<Part>);

/// What a room hears of its people on another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsNews {
    /// How many changes there were so far; a number left out is a change not heard of.
    pub count: u64,
    /// Which node.
    pub node: Node,
    /// What has changed.
    pub what: News,
}

/// A change of a node's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// These people.
    People(Vec<Told>),
    /// The node is dead: whoever was live there has this part now.
    Dead(Part),
    /// The node has nobody here any more.
    Out,
}

impl PartsNews {
    /// Reads a message of a room's channel. `None`: not one of these.
    #[must_use]
    pub fn decode(message: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(message).ok()?.split(' ');
        let kind = words.next()?;
        let count = words.next()?.parse().ok()?;
        let node = words.next()?.into();
        let what = match kind {
            "N" => match words.next()? {
                "" => News::Out,
                part => News::Dead(Part::decode(part)?),
            },
            "P" => {
                let mut people = Vec::new();
                while let Some(user) = words.next() {
                    let (user, user_type) = (UserId::parse(user).ok()?, UserType::parse(words.next()?).ok()?);
                    let part = match words.next()? {
                        "" => None,
                        part => Some(Part::decode(part)?),
                    };
                    people.push((user, user_type, part));
                }
                News::People(people)
            }
            _ => return None,
        };
        Some(Self { count, node, what })
    }
}

/// Everybody in a room, as Redis has it.
#[derive(Clone, Debug, Default)]
pub struct AllParts {
    /// How many changes there were so far.
    pub count: u64,
    /// The nodes that have the room in memory.
    pub nodes: BTreeSet<Node>,
    /// Their parts.
    pub people: Vec<PartsOf>,
}

/// A person's parts by node.
pub type PartsOf = (UserId, UserType, BTreeMap<Node, Part>);

fn read_record(user: UserId, text: &str) -> Option<PartsOf> {
    let record: Record = serde_json::from_str(text).ok()?;
    let part = |(node, part): (&String, &String)| Some((Node::from(node.as_str()), Part::decode(part)?));
    let user_type = UserType::parse(&record.t).unwrap_or_else(|_| UserType::plain());
    Some((user, user_type, record.n.iter().filter_map(part).collect()))
}

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    t: String,
    #[serde(default)]
    n: BTreeMap<String, String>,
}

impl Cluster {
    fn part_keys(&self, room: &RoomId) -> [String; 2] {
        ['p', 'l'].map(|part| self.store.keys().room(room, part))
    }

    /// Says that this node has a room in memory, before it tells anything of its people.
    pub async fn note_room(&self, me: &str, room: &RoomId) -> Result<(), Unreachable> {
        let mut add = redis::cmd("SADD");
        add.arg(self.store.keys().node(me, ":r")).arg(room.as_str());
        self.run(&add).await.map(|_| ())
    }

    /// Tells this node's part of people. Returns the count of changes so far.
    pub async fn tell_parts(&self, me: &str, room: &RoomId, told: &[Told]) -> Result<u64, Unreachable> {
        let parts: Vec<String> = told.iter().map(|(.., part)| Part::encode(*part)).collect();
        let mut args: Vec<&[u8]> = vec![me.as_bytes()];
        for ((user, user_type, _), part) in told.iter().zip(&parts) {
            args.extend([user.as_str().as_bytes(), user_type.as_str().as_bytes(), part.as_bytes()]);
        }
        let value = self.script(&self.scripts.parts, &self.part_keys(room), &args).await?;
        Ok(redis::from_redis_value(value)?)
    }

    /// Reads everybody's parts.
    pub async fn read_parts(&self, room: &RoomId) -> Result<AllParts, Unreachable> {
        let [key, _] = self.part_keys(room);
        let value = self.run(redis::cmd("HGETALL").arg(key)).await?;
        let pairs: Vec<(String, String)> = redis::from_redis_value(value)?;
        let mut all = AllParts::default();
        for (name, value) in pairs {
            if name == "#v" {
                all.count = value.parse().unwrap_or(0);
            } else if let Some(node) = name.strip_prefix('#') {
                all.nodes.insert(node.into());
            } else if let Some(person) = UserId::parse(&name).ok().and_then(|user| read_record(user, &value)) {
                all.people.push(person);
            } else {
                tracing::warn!(%room, name, "a member of a room cannot be read");
            }
        }
        Ok(all)
    }

    /// Counts the people who are in a room on any node.
    pub async fn count_people(&self, room: &RoomId) -> Result<usize, Unreachable> {
        let [key, _] = self.part_keys(room);
        let names: Vec<String> = redis::from_redis_value(self.run(redis::cmd("HKEYS").arg(key)).await?)?;
        Ok(names.iter().filter(|name| !name.starts_with('#')).count())
    }

    /// Reads the parts of some people.
    pub async fn read_parts_of(&self, room: &RoomId, users: &BTreeSet<UserId>) -> Result<Vec<PartsOf>, Unreachable> {
        let [key, _] = self.part_keys(room);
        let mut cmd = redis::cmd("HMGET");
        cmd.arg(key);
        for user in users {
            cmd.arg(user.as_str());
        }
        let values: Vec<Option<String>> = redis::from_redis_value(self.run(&cmd).await?)?;
        let read = |(user, value): (&UserId, Option<String>)| match value {
            Some(value) => read_record(user.clone(), &value),
            None => Some((user.clone(), UserType::plain(), BTreeMap::new())),
        };
        Ok(users.iter().zip(values).filter_map(read).collect())
    }

    /// Reads how many changes there were so far.
    pub async fn count_parts(&self, room: &RoomId) -> Result<u64, Unreachable> {
        let [key, _] = self.part_keys(room);
        let value = self.run(redis::cmd("HGET").arg(key).arg("#v")).await?;
        Ok(text(&value).and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    /// Says that a node is dead, and what the parts of its live people are by that, or that it has nobody in a room any more. Returns the
    /// nodes that are left there.
    pub(super) async fn part(&self, room: &RoomId, node: &str, part: Option<Part>) -> Result<Vec<String>, Unreachable> {
        let part = Part::encode(part);
        let args = [node.as_bytes(), part.as_bytes()];
        let value = self.script(&self.scripts.part, &self.part_keys(room), &args).await?;
        Ok(redis::from_redis_value(value)?)
    }

    /// Says that people whom a dead node had are not in a room any more, as far as that node is concerned.
    pub(super) async fn gone_from(&self, node: &str, room: &RoomId, users: &[UserId]) -> Result<(), Unreachable> {
        let mut args: Vec<&[u8]> = vec![node.as_bytes()];
        args.extend(users.iter().map(|user| user.as_str().as_bytes()));
        self.script(&self.scripts.gone, &self.part_keys(room), &args).await.map(|_| ())
    }

    /// Says that this node does not need a room any more. Returns whether some other node still does.
    pub async fn leave_room(&self, me: &str, room: &RoomId) -> Result<bool, Unreachable> {
        let others = self.part(room, me, None).await?;
        let mut remove = redis::cmd("SREM");
        remove.arg(self.store.keys().node(me, ":r")).arg(room.as_str());
        self.run(&remove).await?;
        Ok(!others.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_written() {
        for part in [Part::Live, Part::Lost, Part::Handed { hold: Millis(5), shown_from: UnixMs(7) }] {
            assert_eq!(Part::decode(&Part::encode(Some(part))), Some(part));
        }
        assert_eq!(Part::decode("x"), None);
    }

    #[test]
    fn news_are_read() {
        let user = |name: &str| UserId::parse(name).unwrap();
        let news = PartsNews::decode(b"P 7 ab u1 user 1 u2 kol ").unwrap();
        assert_eq!((news.count, &*news.node), (7, "ab"));
        let kol = UserType::parse("kol").unwrap();
        assert_eq!(news.what, News::People(vec![(user("u1"), UserType::plain(), Some(Part::Live)), (user("u2"), kol, None)]));
        assert_eq!(PartsNews::decode(b"N 8 ab 0").unwrap().what, News::Dead(Part::Lost));
        assert_eq!(PartsNews::decode(b"N 8 ab ").unwrap().what, News::Out);
        for bad in ["", "P", "P x ab", "N 1 ab", "P 1 ab u1", "Q 1 ab"] {
            assert_eq!(PartsNews::decode(bad.as_bytes()), None, "{bad}");
        }
    }
}
