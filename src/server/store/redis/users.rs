//! What is kept of people in Redis: a record each, changed only from what was read, and an index of those for whom something waits.
use super::{RedisStore, engine, write::TOO_FEW};
use crate::{
    hub::{id::UserId, time::UnixMs},
    server::store::{StoreFault, UserChange, Waiting},
};
use bytes::Bytes;
use redis::Value;

/// How many records are read at once.
const PAGE: usize = 512;

impl RedisStore {
    /// `hub:{users}:r` (user → record) and `hub:{users}:w` (user by the time until which something waits for him).
    fn user_keys(&self) -> [String; 2] {
        ["{users}:r", "{users}:w"].map(|name| self.keys.hub(name))
    }

    pub(super) async fn swap_record(&self, user: &UserId, change: UserChange) -> Result<bool, StoreFault> {
        let UserChange { before, after, waits } = change;
        let waits = waits.map(|until| until.0.to_string()).unwrap_or_default();
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let args: [&[u8]; 4] = [user.as_str().as_bytes(), &before, &after, waits.as_bytes()];
        let (said, durable) = self.write(&self.scripts.user, &self.user_keys(), &args, self.deadline()).await.map_err(engine)?;
        if durable { Ok(said == Value::Int(1)) } else { Err(engine(TOO_FEW)) }
    }

    pub(super) async fn read_record(&self, user: &UserId) -> Result<Option<Bytes>, StoreFault> {
        let [records, _] = self.user_keys();
        let value = self.link.run(&redis::Cmd::hget(records, user.as_str()), self.deadline()).await.map_err(engine)?;
        let record: Option<Vec<u8>> = redis::from_redis_value(value).map_err(engine)?;
        Ok(record.map(Bytes::from))
    }

    pub(super) async fn read_records(&self) -> Result<Vec<(UserId, Bytes)>, StoreFault> {
        let ([records, _], mut cursor) = (self.user_keys(), 0_u64);
        // A record that moves while it is read may come twice.
        let mut found = std::collections::BTreeMap::new();
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(&records).arg(cursor).arg("COUNT").arg(PAGE);
            let value = self.link.run(&scan, self.deadline()).await.map_err(engine)?;
            let (next, page): (u64, Vec<(String, Vec<u8>)>) = redis::from_redis_value(value).map_err(engine)?;
            found.extend(page.into_iter().filter_map(|(user, record)| Some((UserId::parse(&user).ok()?, Bytes::from(record)))));
            cursor = next;
            if cursor == 0 {
                return Ok(found.into_iter().collect());
            }
        }
    }

    pub(super) async fn read_waiting(&self, now: UnixMs, limit: usize) -> Result<Waiting, StoreFault> {
        let [_, waits] = self.user_keys();
        let value = self.link.run(&redis::Cmd::zcard(&waits), self.deadline()).await.map_err(engine)?;
        let count = redis::from_redis_value(value).map_err(engine)?;
        if limit == 0 {
            return Ok(Waiting { count, over: Vec::new() });
        }
        let mut range = redis::cmd("ZRANGEBYSCORE");
        range.arg(&waits).arg("-inf").arg(format!("({}", now.0)).arg("LIMIT").arg(0).arg(limit);
        let value = self.link.run(&range, self.deadline()).await.map_err(engine)?;
        let names: Vec<String> = redis::from_redis_value(value).map_err(engine)?;
        Ok(Waiting { count, over: names.iter().filter_map(|name| UserId::parse(name).ok()).collect() })
    }
}
