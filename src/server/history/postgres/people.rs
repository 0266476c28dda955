//! When people were shown online and offline last: gathered in memory, newest wins, and written with the next batch.
use super::{Postgres, column, fault};
use crate::{
    hub::{id::UserId, time::UnixMs},
    server::store::StoreFault,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How many people wait at most; more are not written down.
const PEOPLE_MAX: usize = 100_000;

const WRITE: &str = "INSERT INTO history_people (user_id, last_online_ms, last_offline_ms) \
     SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[]) ON CONFLICT (user_id) DO UPDATE SET \
     last_online_ms = GREATEST(history_people.last_online_ms, EXCLUDED.last_online_ms), \
     last_offline_ms = GREATEST(history_people.last_offline_ms, EXCLUDED.last_offline_ms)";

type Seen = BTreeMap<UserId, (Option<UnixMs>, Option<UnixMs>)>;

/// Where presence says so. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct People(Arc<Mutex<Seen>>);

impl People {
    /// Notes that somebody is shown online or offline from now on.
    pub fn note(&self, user: &UserId, online: bool, now: UnixMs) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= PEOPLE_MAX && !seen.contains_key(user) {
            return;
        }
        let (on, off) = seen.entry(user.clone()).or_default();
        *(if online { on } else { off }) = Some(now);
    }

    fn take(&self) -> Seen {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_back(&self, old: Seen) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (user, (on, off)) in old {
            let (newer_on, newer_off) = seen.entry(user).or_default();
            *newer_on = (*newer_on).max(on);
            *newer_off = (*newer_off).max(off);
        }
    }
}

impl Postgres {
    /// Writes what was noted; it is noted again if that fails.
    pub(super) async fn write_people(&self, people: &People) -> Result<(), StoreFault> {
        let seen = people.take();
        if seen.is_empty() {
            return Ok(());
        }
        let users: Vec<&str> = seen.keys().map(UserId::as_str).collect();
        let time = |at: &Option<UnixMs>| at.map(|at| column(at.0));
        let (on, off): (Vec<_>, Vec<_>) = seen.values().map(|(on, off)| (time(on), time(off))).unzip();
        let query = sqlx::query(WRITE).bind(&users).bind(&on).bind(&off);
        if let Err(error) = query.execute(&self.pool).await {
            people.put_back(seen);
            return Err(fault(&error));
        }
        Ok(())
    }
}
