//! What is done for a dead node, step by step: it is claimed, its sessions become a survivor's lost ones, its people leave their rooms each
//! in his own time, and at last nothing of it is left.
use super::{Cluster, Node, Unreachable, parts::Part, people::Adopted};
use crate::hub::{
    id::{RoomId, UserId},
    time::{Millis, UnixMs},
};
use crate::server::{msg::ToRooms, store::redis::keys::BUCKETS};
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

/// How many rooms or buckets of a dead node are cleared at once.
const AT_ONCE: usize = 64;

/// When somebody whom a dead node had leaves a room.
pub(super) type Leaving = BTreeSet<(UnixMs, RoomId, UserId)>;

/// How a node came to be dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Without a word.
    Silent,
    /// It has said goodbye, or was left to others by one that did.
    Left,
    /// It was being cleared up after by one that is silent itself.
    Dropped,
}

/// What a dead node has left behind.
pub(super) struct Estate {
    /// Its sessions.
    pub adopted: Vec<Adopted>,
    /// Its people in rooms.
    pub leaving: Leaving,
}

impl Cluster {
    fn registers(&self) -> [String; 2] {
        ["nodes", "dead"].map(|name| self.store.keys().nodes(name))
    }

    /// Takes a silent node, or one that has left, out. Returns its last sign of life; `None`: it lives, or another survivor cares for it.
    pub(super) async fn claim(&self, node: &str) -> Result<Option<(UnixMs, End)>, Unreachable> {
        let lease = self.lease().0.to_string();
        let value = self.script(&self.scripts.claim, &self.registers(), &[node.as_bytes(), lease.as_bytes()]).await?;
        let said: Vec<String> = redis::from_redis_value(value)?;
        let [sign, how] = said.as_slice() else { return Ok(None) };
        let end = match how.as_str() {
            "left" => End::Left,
            "dropped" => End::Dropped,
            _ => End::Silent,
        };
        Ok(sign.parse().ok().map(|sign| (UnixMs(sign), end)))
    }

    /// Says that this node goes on caring for a dead one (`care`), or is done with it (`done`).
    pub(super) async fn care(&self, node: &str, what: &str, sign: UnixMs) -> Result<(), Unreachable> {
        let sign = sign.0.to_string();
        let args = [node.as_bytes(), what.as_bytes(), sign.as_bytes()];
        self.script(&self.scripts.care, &self.registers(), &args).await.map(|_| ())
    }

    /// Takes leave for a node: whoever is next clears up after it at once, and after those that it has cleared up after so far.
    pub(super) async fn bye(&self, node: &str, claims: &[Claim]) -> Result<(), Unreachable> {
        let signs: Vec<String> = claims.iter().map(|claim| claim.sign.0.to_string()).collect();
        let mut args = vec![node.as_bytes(), b"bye".as_slice()];
        for (claim, sign) in claims.iter().zip(&signs) {
            args.extend([claim.node.as_bytes(), sign.as_bytes()]);
        }
        self.script(&self.scripts.care, &self.registers(), &args).await?;
        self.run(redis::cmd("DEL").arg(self.store.keys().node(node, ""))).await.map(|_| ())
    }

    async fn rooms_of(&self, node: &str) -> Result<Vec<RoomId>, Unreachable> {
        let names = self.run(redis::cmd("SMEMBERS").arg(self.store.keys().node(node, ":r"))).await?;
        let names: Vec<String> = redis::from_redis_value(names)?;
        Ok(names.iter().filter_map(|name| RoomId::parse(name).ok()).collect())
    }

    /// The first step: the dead node's sessions are this node's lost ones, its lines in rooms are lost. `latest`: when somebody is gone of
    /// whom nothing better is known; `timeout`: how long after he was last heard everybody else is.
    pub(super) async fn adopt(
        &self,
        node: &str,
        latest: UnixMs,
        timeout: Millis,
        rooms: &dyn ToRooms,
    ) -> Result<Estate, Unreachable> {
        let seen = self.read_seen(node).await?;
        let mut adopted = Vec::new();
        for buckets in (0..BUCKETS).collect::<Vec<u16>>().chunks(AT_ONCE) {
            for taken in join_all(buckets.iter().map(|bucket| self.adopt_bucket(*bucket, node, latest))).await {
                adopted.extend(taken?);
            }
        }
        let mut ends_by_user: BTreeMap<UserId, UnixMs> = BTreeMap::new();
        for one in &mut adopted {
            if let Some(at) = seen.get(&one.session).filter(|_| one.ends == latest) {
                one.last_seen = one.last_seen.max(*at);
                one.ends = one.last_seen.plus(timeout);
            }
            let ends = ends_by_user.entry(one.user.clone()).or_insert(one.ends);
            *ends = one.ends.max(*ends);
        }
        // As after a restart: whoever was there can come back before his place is gone, whatever the room's rules say.
        let dead = Part::Handed { hold: rooms.handover(), shown_from: UnixMs(0) };
        let mut leaving = Leaving::new();
        for some in self.rooms_of(node).await?.chunks(AT_ONCE) {
            self.part_from(node, some, Some(dead), rooms).await?;
            for (room, parts) in some.iter().zip(join_all(some.iter().map(|room| self.read_parts(room))).await) {
                let theirs = parts?.people.into_iter().filter(|(.., parts)| parts.contains_key(node));
                leaving.extend(theirs.map(|(user, ..)| (ends_by_user.get(&user).copied().unwrap_or(latest), room.clone(), user)));
            }
        }
        Ok(Estate { adopted, leaving })
    }

    /// The second step, as time goes on: whoever was not heard of for too long is not in his rooms any more.
    pub(super) async fn take_leave(&self, node: &str, leaving: &mut Leaving, now: UnixMs) -> Result<(), Unreachable> {
        let mut by_room: BTreeMap<RoomId, Vec<UserId>> = BTreeMap::new();
        for (_, room, user) in leaving.iter().take_while(|(at, ..)| *at <= now) {
            by_room.entry(room.clone()).or_default().push(user.clone());
        }
        for (room, users) in by_room {
            self.gone_from(node, &room, &users).await?;
            leaving.retain(|(at, its, _)| *at > now || *its != room);
        }
        Ok(())
    }

    /// The last step: nothing of the dead node is left.
    pub(super) async fn bury(&self, node: &str, sign: UnixMs, rooms: &dyn ToRooms) -> Result<(), Unreachable> {
        for some in self.rooms_of(node).await?.chunks(AT_ONCE) {
            self.part_from(node, some, None, rooms).await?;
        }
        self.run(redis::cmd("DEL").arg(self.store.keys().node(node, ":r"))).await?;
        self.forget_seen(node).await?;
        self.care(node, "done", sign).await
    }

    /// Tells rooms that a node is dead, and looks after those that nobody else has in memory: the places of their people end in time.
    async fn part_from(&self, node: &str, all: &[RoomId], part: Option<Part>, rooms: &dyn ToRooms) -> Result<(), Unreachable> {
        for (room, others) in all.iter().zip(join_all(all.iter().map(|room| self.part(room, node, part))).await) {
            if others?.is_empty() {
                // A room that is gone needs no looking after.
                rooms.look(room);
            }
        }
        Ok(())
    }
}

/// A dead node that this one clears up after.
pub(super) struct Claim {
    pub node: Node,
    pub sign: UnixMs,
    /// Nothing: its sessions are not adopted yet.
    pub leaving: Option<Leaving>,
}
