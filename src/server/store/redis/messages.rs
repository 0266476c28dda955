//! The messages of rooms that are kept: one stream per room, in the order of their numbers, which other tools may read; and word to the other nodes.
use super::{
    RedisStore, engine,
    entries::id_text,
    link::text,
    write::{TOO_FEW, certainly},
};
use crate::{
    hub::{
        cursor::Cursor,
        id::{CommitId, RoomId, UserId},
        time::{Millis, UnixMs},
    },
    server::store::{CommitError, Kept, Messages, NewMessage, Page, Retention, StoreFault},
};
use bytes::Bytes;
use redis::Value;

/// Where the stream of a room begins.
const START: Cursor = Cursor { rev: 0, commit: CommitId(0) };

impl RedisStore {
    fn message_keys(&self, room: &RoomId) -> [String; 2] {
        ['c', 'h'].map(|part| self.keys.room(room, part))
    }

    pub(super) async fn add_messages(
        &self,
        room: &RoomId,
        messages: Vec<NewMessage>,
        retention: Retention,
    ) -> Result<Vec<Cursor>, CommitError> {
        // When nobody says anything, the stream goes with its newest message.
        let newest = messages.iter().map(|message| message.said_at).max().unwrap_or(retention.oldest);
        let silent = newest.since(retention.oldest).0.max(1);
        let mut args = [retention.keep, retention.oldest.0, silent].map(|number| number.to_string().into_bytes()).to_vec();
        for NewMessage { id, said_at, record } in &messages {
            args.extend([id_text(*id).into_bytes(), said_at.0.to_string().into_bytes(), record.to_vec()]);
        }
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let said = self.write(&self.scripts.say, &self.message_keys(room), &args, self.deadline()).await;
        let last = match said.map_err(certainly)? {
            (Value::Int(last), true) => u64::try_from(last).unwrap_or_default(),
            (Value::Int(_), false) => return Err(CommitError::Unknown(engine(TOO_FEW))),
            _ => return Err(CommitError::Unknown(engine("the answer cannot be read"))),
        };
        let first = last.saturating_sub(messages.len() as u64);
        Ok((first + 1..).zip(&messages).map(|(rev, message)| Cursor { rev, commit: message.id }).collect())
    }

    pub(super) async fn read_messages(&self, room: &RoomId, page: Page, limit: usize) -> Result<Messages, StoreFault> {
        let [stream, head] = self.message_keys(room);
        let mut ask = redis::cmd("HMGET");
        ask.arg(&head).arg("n").arg("i");
        let broken = |what| StoreFault::Broken { room: room.clone(), rev: 0, what };
        let head = self.link.run(&ask, self.deadline()).await.map_err(engine)?;
        let head = match &head {
            Value::Array(pair) => match pair.as_slice() {
                [Value::Nil, _] => START,
                [n, id] => super::entries::position(n, id).ok_or_else(|| broken("the head of the messages cannot be read"))?,
                _ => return Err(broken("the head of the messages cannot be read")),
            },
            _ => return Err(broken("the head of the messages cannot be read")),
        };
        let mut ask = redis::cmd(if matches!(page, Page::After(_)) { "XRANGE" } else { "XREVRANGE" });
        match page {
            Page::After(seq) => ask.arg(&stream).arg(format!("({seq}-0")).arg("+"),
            Page::Before(u64::MAX) => ask.arg(&stream).arg("+").arg("-"),
            Page::Before(0) => return Ok(Messages { head, list: Vec::new() }),
            Page::Before(seq) => ask.arg(&stream).arg(format!("({seq}-0")).arg("-"),
        };
        ask.arg("COUNT").arg(limit);
        let value = self.link.run(&ask, self.deadline()).await.map_err(engine)?;
        let Value::Array(entries) = &value else { return Err(broken("the messages cannot be read")) };
        let mut list =
            entries.iter().map(read_kept).collect::<Option<Vec<_>>>().ok_or_else(|| broken("a message cannot be read"))?;
        if matches!(page, Page::Before(_)) {
            list.reverse();
        }
        // Something may have been said between the two questions.
        let head = list.last().map(|last| last.at).filter(|last| last.rev > head.rev).unwrap_or(head);
        Ok(Messages { head, list })
    }

    pub(super) async fn note_words(
        &self,
        room: &RoomId,
        users: &[UserId],
        every: Millis,
        now: UnixMs,
    ) -> Result<Vec<Option<UnixMs>>, StoreFault> {
        let (now, every) = (now.0.to_string(), every.0.to_string());
        let mut args = vec![now.as_bytes(), every.as_bytes()];
        args.extend(users.iter().map(|user| user.as_str().as_bytes()));
        let keys = [self.keys.room(room, 't')];
        let said = self.link.script(&self.scripts.pace, &keys, &args, self.deadline()).await.map_err(engine)?;
        let last: Vec<String> = redis::from_redis_value(said).map_err(engine)?;
        if last.len() != users.len() {
            return Err(engine("the answer cannot be read"));
        }
        Ok(last.iter().map(|last| last.parse().ok().map(UnixMs)).collect())
    }

    pub(super) async fn forget_words(&self, room: &RoomId, users: &[UserId]) -> Result<(), StoreFault> {
        let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let cmd = redis::Cmd::zrem(self.keys.room(room, 't'), names);
        self.link.run(&cmd, self.deadline()).await.map(|_| ()).map_err(engine)
    }

    /// Says something to every node that follows the room, this one included. Returns whether it went out.
    pub(super) async fn tell_room(&self, room: &RoomId, message: Bytes) -> bool {
        let mut publish = redis::cmd("SPUBLISH");
        publish.arg(self.keys.room(room, 'l')).arg(message.as_ref());
        match self.link.run(&publish, self.deadline()).await {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(%room, %error, "the other nodes are not told");
                false
            }
        }
    }
}

fn read_kept(value: &Value) -> Option<Kept> {
    let Value::Array(pair) = value else { return None };
    let [id, Value::Array(fields)] = pair.as_slice() else { return None };
    let seq = text(id)?.split_once('-')?.0.to_owned();
    let field = |name: &[u8]| {
        fields.chunks_exact(2).find_map(|pair| match pair {
            [Value::BulkString(key), Value::BulkString(value)] if key == name => Some(value),
            _ => None,
        })
    };
    let word = |name: &[u8]| std::str::from_utf8(field(name)?).ok();
    Some(Kept {
        at: Cursor::parse(&format!("{seq}.{}", word(b"i")?))?,
        said_at: UnixMs(word(b"a")?.parse().ok()?),
        record: Bytes::copy_from_slice(field(b"d")?),
    })
}
