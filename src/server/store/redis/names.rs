//! The names of all rooms, sorted: `hub:names`, whose members all have the score 0, so that a page costs what is on it. Nothing but lists
//! of rooms depends on it.
use super::{RedisStore, engine, link::Link};
use crate::{
    hub::id::RoomId,
    server::{clock::Clock, store::StoreFault},
};
use redis::Value;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

/// How many names of the old set are moved at once.
const AT_ONCE: usize = 1_000;
/// How many rooms wait to be listed at most, and how often that is tried, in ms.
const UNLISTED_MAX: usize = 10_000;
const LIST_AGAIN_MS: u64 = 1_000;

impl RedisStore {
    /// Notes the name of a room that is there; what fails is tried again until it is done.
    pub(super) async fn list_room(&self, room: &RoomId) {
        let names = self.keys.hub("names");
        let Err(error) = self.link.run(&redis::Cmd::zadd(&names, room.as_str(), 0), self.deadline()).await else { return };
        tracing::warn!(%error, %room, "the room is not listed yet");
        let first = {
            let mut unlisted = self.unlisted.lock().unwrap_or_else(PoisonError::into_inner);
            let first = unlisted.is_empty();
            if unlisted.len() >= UNLISTED_MAX {
                tracing::error!(%room, "too many rooms wait to be listed; this one is when it is made or given back again");
                return;
            }
            unlisted.insert(room.clone());
            first
        };
        if first {
            tokio::spawn(list_later(Arc::downgrade(&self.unlisted), self.link.clone(), names, self.clock));
        }
    }

    pub(super) async fn names_after(&self, after: Option<&str>, limit: usize) -> Result<Vec<RoomId>, StoreFault> {
        self.take_over_names().await?;
        let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let mut page = redis::cmd("ZRANGE");
        page.arg(self.keys.hub("names")).arg(from).arg("+").arg("BYLEX").arg("LIMIT").arg(0).arg(limit);
        let value = self.link.run(&page, self.deadline()).await.map_err(engine)?;
        let names: Vec<String> = redis::from_redis_value(value).map_err(engine)?;
        Ok(names.iter().filter_map(|name| RoomId::parse(name).ok()).collect())
    }

    /// Earlier versions kept the names in a set, `hub:rooms`: what is in it, or comes into it while such a node runs, is moved.
    async fn take_over_names(&self) -> Result<(), StoreFault> {
        let old = self.keys.hub("rooms");
        loop {
            let value = self.link.run(redis::cmd("SRANDMEMBER").arg(&old).arg(AT_ONCE), self.deadline()).await.map_err(engine)?;
            let names: Vec<String> = match value {
                Value::Nil => return Ok(()),
                value => redis::from_redis_value(value).map_err(engine)?,
            };
            if names.is_empty() {
                return Ok(());
            }
            let (mut add, mut remove) = (redis::cmd("ZADD"), redis::cmd("SREM"));
            add.arg(self.keys.hub("names"));
            remove.arg(&old);
            for name in &names {
                add.arg(0).arg(name);
                remove.arg(name);
            }
            self.link.run(&add, self.deadline()).await.map_err(engine)?;
            self.link.run(&remove, self.deadline()).await.map_err(engine)?;
        }
    }
}

/// Lists the rooms that wait for it, until none does or the store is gone.
async fn list_later(unlisted: Weak<Mutex<BTreeSet<RoomId>>>, link: Arc<Link>, names: String, clock: Clock) {
    loop {
        tokio::time::sleep(Duration::from_millis(LIST_AGAIN_MS)).await;
        let Some(unlisted) = unlisted.upgrade() else { return };
        let waiting = unlisted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut add = redis::cmd("ZADD");
        add.arg(&names);
        for room in &waiting {
            add.arg(0).arg(room.as_str());
        }
        if link.run(&add, clock.mono().plus(LIST_AGAIN_MS)).await.is_ok() {
            let mut unlisted = unlisted.lock().unwrap_or_else(PoisonError::into_inner);
            unlisted.retain(|room| !waiting.contains(room));
            if unlisted.is_empty() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use crate::{hub::id::RoomId, server::store::Store};

    fn texts(rooms: &[RoomId]) -> Vec<&str> {
        rooms.iter().map(RoomId::as_str).collect()
    }

    #[tokio::test]
    async fn a_name_that_was_refused_is_listed_later() {
        let dir = tempfile::tempdir().unwrap();
        let server = xtask::bed::Redis::start(dir.path(), xtask::bed::RedisOptions::default()).unwrap();
        let store = testing::store(&server.url(), |_| {});
        server.ask("SET hub:names other").unwrap();
        for room in ["a", "b"] {
            store.list_room(&RoomId::parse(room).unwrap()).await;
        }
        server.ask("DEL hub:names").unwrap();
        let listed = async { while texts(&store.rooms().await.unwrap()) != ["a", "b"] {} };
        tokio::time::timeout(std::time::Duration::from_secs(10), listed).await.unwrap();
    }

    #[tokio::test]
    async fn names_of_an_earlier_version_are_moved() {
        let dir = tempfile::tempdir().unwrap();
        let server = xtask::bed::Redis::start(dir.path(), xtask::bed::RedisOptions::default()).unwrap();
        let store = testing::store(&server.url(), |_| {});
        store.list_room(&RoomId::parse("m").unwrap()).await;
        for first in (0..2_500).step_by(500) {
            let names: Vec<String> = (first..first + 500).map(|number| format!("r{number:04}")).collect();
            let mut add = vec!["SADD", "hub:rooms"];
            add.extend(names.iter().map(String::as_str));
            server.ask_words(&add).unwrap();
        }
        let page = store.rooms_after(Some("m"), 3).await.unwrap();
        assert_eq!(texts(&page), ["r0000", "r0001", "r0002"]);
        assert_eq!(store.rooms().await.unwrap().len(), 2_501);
        assert_eq!(server.ask("EXISTS hub:rooms").unwrap(), ":0\r\n");
        // A node of the earlier version makes another room.
        server.ask("SADD hub:rooms late").unwrap();
        assert_eq!(texts(&store.rooms_after(None, 2).await.unwrap()), ["late", "m"]);
        assert_eq!(texts(&store.rooms_after(Some("r2499"), 9).await.unwrap()), [] as [&str; 0]);
    }
}
