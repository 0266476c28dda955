//! What is said in a room on many nodes: each tells the others what its people say; what was missed is read from the store.
use super::Task;
use crate::server::{
    msg::{Class, Frame},
    store::Page,
};
use crate::{
    hub::{
        actor::Actor,
        cursor::Cursor,
        id::{OpId, UserId},
        talk::Weight,
        time::UnixMs,
    },
    wire::{
        codec::text_frame,
        message::{self, Heard, Said, decode_said},
    },
};
use bytes::Bytes;
use serde::Deserialize;

/// How many messages are read at once.
const READ: usize = 256;

/// Something said on another node.
struct Echo {
    tag: u64,
    weight: Weight,
    at: Cursor,
    said_at: UnixMs,
    /// The `room_message` frame's JSON.
    json: Bytes,
}

/// Whose key a message has.
#[derive(Deserialize)]
struct Keyed {
    from_user_id: String,
    #[serde(default)]
    system: bool,
    dedup_id: Option<String>,
}

fn key_of(json: &[u8]) -> Option<(Actor, OpId)> {
    let keyed: Keyed = serde_json::from_slice(json).ok()?;
    let id = OpId::parse(&keyed.dedup_id?).ok()?;
    let from = if keyed.system { Actor::Service } else { Actor::User(UserId::parse(&keyed.from_user_id).ok()?) };
    Some((from, id))
}

/// Writes what other nodes are told of something said: who tells, what class, where it stands, when it was said; then the frame's JSON.
fn encode(tag: u64, weight: Weight, at: Cursor, said_at: UnixMs, json: &[u8]) -> Bytes {
    let mut all = format!("M {tag:016x} {} {at} {}\n", weight.name(), said_at.0).into_bytes();
    all.extend_from_slice(json);
    all.into()
}

/// Reads it. `None`: it is something else.
fn decode(message: &Bytes) -> Option<Echo> {
    let end = message.iter().position(|byte| *byte == b'\n')?;
    let mut words = std::str::from_utf8(message.get(..end)?).ok()?.split(' ');
    words.next().filter(|kind| *kind == "M")?;
    let tag = u64::from_str_radix(words.next()?, 16).ok()?;
    let class = words.next()?;
    let weight = Weight::ALL.into_iter().find(|weight| weight.name() == class)?;
    let (at, said_at) = (Cursor::parse(words.next()?)?, UnixMs(words.next()?.parse().ok()?));
    Some(Echo { tag, weight, at, said_at, json: message.slice(end + 1..) })
}

impl Task {
    /// Makes what the other nodes are told of a message, if there are any.
    pub(super) fn echo(&self, said: &Said, at: Cursor, json: &[u8]) -> Option<Bytes> {
        self.follow.as_ref()?;
        Some(encode(self.talking.tag, said.saying.weight, at, said.at, json))
    }

    /// Tells the other nodes, in order. Whoever does not hear it finds it in the store, if it is kept.
    pub(super) async fn tell_echoes(&self, echoes: Vec<Bytes>) {
        let store = self.home.rooms.deps().store.clone();
        futures_util::future::join_all(echoes.into_iter().map(|echo| store.tell(&self.home.id, echo))).await;
    }

    /// Takes a message of the room's channel. Returns whether it was something said.
    pub(super) async fn hear_echo(&mut self, message: &Bytes) -> bool {
        let Some(Echo { tag, weight, at, said_at, json }) = decode(message) else { return false };
        if tag == self.talking.tag {
            return true;
        }
        if let Some(key) = key_of(&json) {
            self.talking.remember(key, Heard { at, kept: weight == Weight::Must, time: said_at });
        }
        let frame = Frame(text_frame(&json));
        match weight {
            Weight::Normal => self.to_members(frame, Class::Normal).await,
            Weight::Droppable => self.to_members(frame, Class::Droppable).await,
            Weight::Must => {
                self.hear_missed_messages(at.rev.saturating_sub(1)).await;
                // What this node has not asked the store for yet, it reads when it does.
                if self.talking.head.is_some_and(|head| head.rev.checked_add(1) == Some(at.rev)) {
                    self.talking.head = Some(at);
                    self.talking.push(at, said_at, frame.clone());
                    self.to_members(frame, Class::Must).await;
                }
            }
        }
        true
    }

    /// Reads and tells what was said up to this number and not heard of here.
    pub(super) async fn hear_missed_messages(&mut self, up_to: u64) {
        let store = self.home.rooms.deps().store.clone();
        while let Some(head) = self.talking.head.filter(|head| head.rev < up_to) {
            let read = match store.messages(&self.home.id, Page::After(head.rev), READ).await {
                Ok(read) => read,
                Err(fault) => {
                    tracing::debug!(room = %self.home.id, %fault, "what was said elsewhere is read later");
                    return;
                }
            };
            if read.list.is_empty() {
                // It is not kept any more.
                self.talking.head = Some(read.head);
                return;
            }
            metrics::counter!("michub_room_messages_missed_total").increment(read.list.len() as u64);
            for kept in read.list.into_iter().take_while(|kept| kept.at.rev <= up_to) {
                self.talking.head = Some(kept.at);
                let Ok(said) = decode_said(&kept.record) else { continue };
                let frame = Frame(text_frame(&message::room_message(&self.home.id, kept.at, &said, false)));
                self.talking.push(kept.at, said.at, frame.clone());
                if let Some(key) = said.saying.dedup_id {
                    self.talking.remember((said.from, key), Heard { at: kept.at, kept: true, time: said.at });
                }
                self.to_members(frame, Class::Must).await;
            }
        }
    }

    /// From time to time: whether something was said that this node has not heard of.
    pub(super) async fn audit_messages(&mut self) {
        if self.talking.head.is_some() {
            let store = self.home.rooms.deps().store.clone();
            if let Ok(read) = store.messages(&self.home.id, Page::Before(u64::MAX), 1).await {
                self.hear_missed_messages(read.head.rev).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::id::CommitId;

    #[test]
    fn what_is_told_is_heard() {
        let at = Cursor { rev: 7, commit: CommitId(9) };
        let told = encode(0xab, Weight::Normal, at, UnixMs(5), b"{\"body\":\"a\\nb\"}");
        let echo = decode(&told).unwrap();
        assert_eq!((echo.tag, echo.weight, echo.at, echo.said_at), (0xab, Weight::Normal, at, UnixMs(5)));
        assert_eq!(&echo.json[..], b"{\"body\":\"a\\nb\"}");
        for other in ["", "M", "P 1 node\n", "M 0 loud 7.0000000000000009 5\n{}", "M 0 must 7 5\n{}", "N 1 n lost"] {
            assert!(decode(&Bytes::from(other)).is_none(), "{other}");
        }
    }
}
