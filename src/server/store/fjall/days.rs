//! The archive's days: one keyspace each, made ahead of time and dropped whole.
use super::{
    keyspace::{COMMITS_BYTES, fault, keyspace},
    layout::{day_name, day_of_name},
};
use crate::server::store::StoreFault;
use fjall::{Database, Keyspace};
use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

/// The days that there are.
pub(super) struct Days(RwLock<BTreeMap<u64, Keyspace>>);

impl Days {
    /// Opens every day of the database.
    pub fn open(db: &Database) -> Result<Self, StoreFault> {
        let mut days = BTreeMap::new();
        for name in db.list_keyspace_names() {
            if let Some(number) = day_of_name(&name) {
                days.insert(number, open(db, number)?);
            }
        }
        Ok(Self(RwLock::new(days)))
    }

    /// Returns a day, which is made if it is not there.
    pub fn day(&self, db: &Database, number: u64) -> Result<Keyspace, StoreFault> {
        if let Some(day) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&number) {
            return Ok(day.clone());
        }
        let mut days = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(day) = days.get(&number) {
            return Ok(day.clone());
        }
        let day = open(db, number)?;
        days.insert(number, day.clone());
        Ok(day)
    }

    /// Returns the days from `first` to `last` that are there, in their order.
    pub fn between(&self, first: u64, last: u64) -> Vec<Keyspace> {
        let days = self.0.read().unwrap_or_else(PoisonError::into_inner);
        days.range(first..=last).map(|(_, day)| day.clone()).collect()
    }

    /// Drops every day before `first`, and returns how many.
    pub fn drop_before(&self, db: &Database, first: u64) -> Result<usize, StoreFault> {
        let old = {
            let mut days = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let kept = days.split_off(&first);
            std::mem::replace(&mut *days, kept)
        };
        let count = old.len();
        for day in old.into_values() {
            db.delete_keyspace(day).map_err(|error| fault(&error))?;
        }
        Ok(count)
    }
}

fn open(db: &Database, number: u64) -> Result<Keyspace, StoreFault> {
    keyspace(db, &day_name(number), COMMITS_BYTES)
}
