//! People over all nodes: what each node has of them, and what follows from it, is kept by scripts in buckets of people.
use super::{Cluster, Node, Unreachable};
use crate::hub::{
    id::{RoomId, SessionId, UserId, UserType},
    presence::{Elsewhere, Status},
    time::UnixMs,
};
use crate::server::{
    msg::ShownStatus,
    store::redis::{
        fault::Failed,
        keys::bucket_of,
        link::text,
        live::{Ear, Heard},
    },
};
use bytes::Bytes;
use redis::Value;
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

/// How many lost sessions a user keeps beside a live one.
const LOST_MAX: &str = "16";

/// A session that wants to be opened.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Ask {
    pub user: UserId,
    pub user_type: UserType,
    pub resume: Option<SessionId>,
    pub fresh: SessionId,
    pub polls: bool,
    pub own: bool,
    pub now: UnixMs,
    pub sessions_max: usize,
}

/// What goes with a session from node to node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Luggage {
    pub watches: Vec<UserId>,
    pub rooms: Vec<RoomId>,
}

impl Luggage {
    /// As it is written; `;` is nothing.
    #[must_use]
    pub fn encode(&self) -> String {
        let watches: Vec<&str> = self.watches.iter().map(UserId::as_str).collect();
        let rooms: Vec<&str> = self.rooms.iter().map(RoomId::as_str).collect();
        format!("{};{}", watches.join(" "), rooms.join(" "))
    }

    /// About how long that is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let watches = self.watches.iter().map(|user| user.as_str().len() + 1);
        watches.chain(self.rooms.iter().map(|room| room.as_str().len() + 1)).sum()
    }

    fn decode(text: &str) -> Self {
        let (watches, rooms) = text.split_once(';').unwrap_or_default();
        Self {
            watches: watches.split(' ').filter_map(|user| UserId::parse(user).ok()).collect(),
            rooms: rooms.split(' ').filter_map(|room| RoomId::parse(room).ok()).collect(),
        }
    }
}

/// How it was opened.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Opened {
    pub session: SessionId,
    /// The node where it was before; `None`: it is a new one.
    pub from: Option<Node>,
    /// Lost sessions that are over by that, and where they were.
    pub ended: Vec<(Node, SessionId)>,
    pub kept: Vec<Bytes>,
    pub luggage: Luggage,
    pub news: PersonNews,
}

/// What a node says of a person.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Mine {
    pub user: UserId,
    pub user_type: UserType,
    pub last_seen: UnixMs,
    pub choice: Option<Status>,
    pub seated: bool,
    pub sessions: Vec<MySession>,
}

/// A session of his.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct MySession {
    pub session: SessionId,
    /// When it ends; `None`: it has a line.
    pub ends: Option<UnixMs>,
    pub polls: bool,
    /// What goes with it to whatever node it moves; `None`: what was last said.
    pub luggage: Option<Luggage>,
}

/// A person as Redis has him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonNews {
    /// Who.
    pub user: UserId,
    /// When this was so, on the clock of Redis, in µs.
    pub stamp: u64,
    /// What other nodes have of him.
    pub elsewhere: Elsewhere,
    /// Whether Redis says that this node has something of him, too.
    pub own: bool,
}

/// What other tools are shown of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Projected {
    pub user_type: UserType,
    pub status: ShownStatus,
    /// Unix seconds.
    pub last_seen: u64,
}

/// A session of a dead node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Adopted {
    pub user: UserId,
    pub user_type: UserType,
    pub choice: Option<Status>,
    pub session: SessionId,
    pub ends: UnixMs,
    pub last_seen: UnixMs,
}

#[derive(Deserialize, Default)]
struct Record {
    #[serde(default)]
    t: Option<String>,
    #[serde(default)]
    c: Option<String>,
    #[serde(default)]
    a: f64,
    #[serde(default)]
    n: BTreeMap<String, RecordPart>,
}

#[derive(Deserialize)]
struct RecordPart {
    #[serde(default)]
    z: u8,
    #[serde(default)]
    s: BTreeMap<String, f64>,
}

fn choice(name: &str) -> Option<Status> {
    match name {
        "busy" => Some(Status::Busy),
        "away" => Some(Status::Away),
        "offline" => Some(Status::Offline),
        _ => None,
    }
}

fn unread(what: &str) -> Unreachable {
    Unreachable(format!("the answer to {what} cannot be read").into())
}

impl Cluster {
    /// Reads a person's record as other nodes see it: without this node's own part.
    pub(super) fn person(&self, user: UserId, stamp: &str, record: &[u8]) -> Option<PersonNews> {
        let record: Record = if record.is_empty() { Record::default() } else { serde_json::from_slice(record).ok()? };
        let me = self.me();
        let others = || record.n.iter().filter(|(node, _)| **node != *me).map(|(_, part)| part);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds of this century")]
        let last_seen = UnixMs(record.a as u64);
        let elsewhere = Elsewhere {
            here: others().next().is_some(),
            seated: others().any(|part| part.z == 1),
            known: !record.n.is_empty(),
            user_type: record.t.as_deref().and_then(|name| UserType::parse(name).ok()),
            choice: record.c.as_deref().and_then(choice),
            last_seen: (last_seen.0 > 0).then_some(last_seen),
        };
        Some(PersonNews { user, stamp: stamp.parse().ok()?, elsewhere, own: record.n.contains_key(&*me) })
    }

    pub(super) fn bucket(&self, user: &UserId) -> String {
        self.store.keys().bucket(bucket_of(user))
    }

    /// Opens or resumes a session, wherever it was. `Ok(None)`: the user has as many as he may.
    pub async fn open(&self, ask: &Ask) -> Result<Option<Opened>, Unreachable> {
        let keys = [self.bucket(&ask.user), self.store.keys().kept(&ask.user), self.store.keys().luggage(&ask.user)];
        let (me, now, max) = (self.me(), ask.now.0.to_string(), ask.sessions_max.to_string());
        let args: [&[u8]; 9] = [
            ask.user.as_str().as_bytes(),
            ask.user_type.as_str().as_bytes(),
            ask.resume.as_ref().map_or("", SessionId::as_str).as_bytes(),
            ask.fresh.as_str().as_bytes(),
            me.as_bytes(),
            now.as_bytes(),
            max.as_bytes(),
            match (ask.polls, ask.own) {
                (false, _) => b"0",
                (true, false) => b"1",
                (true, true) => b"2",
            },
            LOST_MAX.as_bytes(),
        ];
        // An answer that is late is no reason to begin a new session: asked again, the script finds it done.
        let deadline = self.store.deadline();
        let value = loop {
            match self.store.link().script(&self.scripts.open, &keys, &args, deadline).await {
                Err(Failed::Said(error)) if error.is_timeout() && self.clock.mono() < deadline => {
                    tracing::debug!(%error, "an opening is asked for again");
                }
                outcome => break outcome?,
            }
        };
        let Value::Array(parts) = &value else { return Err(unread("an opening")) };
        match parts.as_slice() {
            [_] => Ok(None),
            [_, session, from, Value::Array(ended), Value::Array(kept), luggage, stamp, record] => {
                let read = || {
                    let ended: Vec<String> = ended.iter().filter_map(text).collect();
                    let pair = |pair: &[String]| match pair {
                        [node, session] => Some((Node::from(node.as_str()), SessionId::parse(session).ok()?)),
                        _ => None,
                    };
                    let bytes = |value: &Value| match value {
                        Value::BulkString(bytes) => Some(Bytes::copy_from_slice(bytes)),
                        _ => None,
                    };
                    let luggage = text(luggage)?;
                    Some(Opened {
                        session: SessionId::parse(&text(session)?).ok()?,
                        from: text(from).filter(|from| !from.is_empty()).map(Node::from),
                        ended: ended.chunks_exact(2).filter_map(pair).collect(),
                        kept: kept.iter().filter_map(bytes).collect(),
                        luggage: Luggage::decode(&luggage),
                        news: self.person(ask.user.clone(), &text(stamp)?, text(record)?.as_bytes())?,
                    })
                };
                read().map(Some).ok_or_else(|| unread("an opening"))
            }
            _ => Err(unread("an opening")),
        }
    }

    /// Says what this node has of a person. Returns the sessions that are another node's by now, and what the others have.
    pub async fn sync(&self, mine: &Mine) -> Result<(Vec<SessionId>, PersonNews), Unreachable> {
        let keys = self.store.keys();
        let keys = [self.bucket(&mine.user), keys.luggage(&mine.user), keys.left(bucket_of(&mine.user))];
        let (me, last_seen, former) = (self.me(), mine.last_seen.0.to_string(), self.former());
        let ends = |one: &MySession| one.ends.map_or_else(|| "0".to_owned(), |at| at.0.to_string());
        let luggage = |one: &MySession| one.luggage.as_ref().map(Luggage::encode).unwrap_or_default();
        let said: Vec<(String, String)> = mine.sessions.iter().map(|one| (ends(one), luggage(one))).collect();
        let mut args: Vec<&[u8]> = vec![
            mine.user.as_str().as_bytes(),
            mine.user_type.as_str().as_bytes(),
            me.as_bytes(),
            last_seen.as_bytes(),
            mine.choice.map_or("", Status::name).as_bytes(),
            if mine.seated { b"1" } else { b"0" },
            former.as_bytes(),
        ];
        for (one, (ends, luggage)) in mine.sessions.iter().zip(&said) {
            let polls: &[u8] = if one.polls { b"1" } else { b"0" };
            args.extend([one.session.as_str().as_bytes(), ends.as_bytes(), polls, luggage.as_bytes()]);
        }
        let value = self.script(&self.scripts.sync, &keys, &args).await?;
        let (moved, stamp, record): (Vec<String>, String, String) = redis::from_redis_value(value)?;
        let moved = moved.iter().filter_map(|session| SessionId::parse(session).ok()).collect();
        Ok((moved, self.person(mine.user.clone(), &stamp, record.as_bytes()).ok_or_else(|| unread("a sync"))?))
    }

    /// Sets the explicit status of a person. `Ok(None)`: he is not here.
    pub async fn choose(&self, user: &UserId, status: Option<Status>) -> Result<Option<PersonNews>, Unreachable> {
        let args = [user.as_str().as_bytes(), status.map_or("", Status::name).as_bytes()];
        let value = self.script(&self.scripts.choose, &[self.bucket(user)], &args).await?;
        let said: Vec<String> = redis::from_redis_value(value)?;
        match said.as_slice() {
            [stamp, record] => self.person(user.clone(), stamp, record.as_bytes()).map(Some).ok_or_else(|| unread("a choice")),
            _ => Ok(None),
        }
    }

    /// Reads people, in any order.
    pub async fn look(&self, users: &[UserId]) -> Result<Vec<PersonNews>, Unreachable> {
        let mut by_bucket: BTreeMap<u16, Vec<&UserId>> = BTreeMap::new();
        for user in users {
            by_bucket.entry(bucket_of(user)).or_default().push(user);
        }
        let looks = by_bucket.into_iter().map(|(bucket, users)| async move {
            let args: Vec<&[u8]> = users.iter().map(|user| user.as_str().as_bytes()).collect();
            let keys = [self.store.keys().bucket(bucket), self.store.keys().left(bucket)];
            let value = self.script(&self.scripts.look, &keys, &args).await?;
            let (stamp, records): (String, Vec<Option<String>>) = redis::from_redis_value(value)?;
            let read = |(user, record): (&&UserId, Option<String>)| {
                self.person((*user).clone(), &stamp, record.unwrap_or_default().as_bytes())
            };
            Ok::<Vec<PersonNews>, Unreachable>(users.iter().zip(records).filter_map(read).collect())
        });
        let mut all = Vec::with_capacity(users.len());
        for looked in futures_util::future::join_all(looks).await {
            all.extend(looked?);
        }
        Ok(all)
    }

    /// As [`Self::look`], for whoever is told how they are: if Redis may have begun anew, the other nodes have `time` to tell of their people.
    pub async fn look_surely(&self, users: &[UserId], time: Duration) -> Result<Vec<PersonNews>, Unreachable> {
        let news = self.look(users).await?;
        if news.iter().all(|one| one.elsewhere.known) {
            return Ok(news);
        }
        self.check_forgotten().await;
        match self.back_for().and_then(|back| time.checked_sub(back)) {
            None => Ok(news),
            Some(rest) => {
                tokio::time::sleep(rest).await;
                self.look(users).await
            }
        }
    }

    /// Counts somebody's sessions on all nodes, lost ones included.
    pub async fn count_sessions(&self, user: &UserId) -> Result<usize, Unreachable> {
        let value = self.run(&redis::Cmd::hget(self.bucket(user), user.as_str())).await?;
        let record: Option<String> = redis::from_redis_value(value)?;
        let record: Record =
            record.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| unread("a count"))?.unwrap_or_default();
        Ok(record.n.into_values().map(|part| part.s.len()).sum())
    }

    pub(super) async fn adopt_bucket(&self, bucket: u16, node: &str, ends: UnixMs) -> Result<Vec<Adopted>, Unreachable> {
        let (me, ends) = (self.me(), ends.0.to_string());
        let args = [node.as_bytes(), me.as_bytes(), ends.as_bytes()];
        let value = self.script(&self.scripts.adopt, &[self.store.keys().bucket(bucket)], &args).await?;
        let taken: Vec<(String, String, String, String, String, String)> = redis::from_redis_value(value)?;
        let read = |(user, user_type, chosen, session, ends, seen): (String, String, String, String, String, String)| {
            Some(Adopted {
                user: UserId::parse(&user).ok()?,
                user_type: UserType::parse(&user_type).ok()?,
                choice: choice(&chosen),
                session: SessionId::parse(&session).ok()?,
                ends: UnixMs(ends.parse().ok()?),
                last_seen: UnixMs(seen.parse().ok()?),
            })
        };
        Ok(taken.into_iter().filter_map(read).collect())
    }

    /// Hears of everybody in a bucket from here on; `tell` gets each change, and `None` when some may have been missed.
    pub async fn listen_to(self: &std::sync::Arc<Self>, bucket: u16, tell: impl Fn(Option<PersonNews>) + Send + Sync + 'static) {
        let cluster = std::sync::Arc::downgrade(self);
        let ear: Ear = std::sync::Arc::new(move |heard| match heard {
            Heard::Gap => tell(None),
            Heard::Message(message) => {
                let Some(cluster) = cluster.upgrade() else { return };
                let mut parts = message.splitn(3, |byte| *byte == b' ');
                let mut word = || std::str::from_utf8(parts.next()?).ok();
                let news = match (word(), word().map(UserId::parse), word()) {
                    (Some(stamp), Some(Ok(user)), Some(record)) => cluster.person(user, stamp, record.as_bytes()),
                    _ => None,
                };
                match news {
                    Some(news) => tell(Some(news)),
                    None => tracing::warn!("news of a person cannot be read"),
                }
            }
        });
        self.store.live().listen(self.store.keys().bucket(bucket), ear).await;
    }

    /// Does not listen to a bucket any more.
    pub fn unlisten_to(&self, bucket: u16) {
        self.store.live().unlisten(self.store.keys().bucket(bucket));
    }
}
