//! What other tools read of people: a key per person that they can GET, and that expires by itself. Never the truth.
use super::{
    Cluster, Unreachable,
    people::{PersonNews, Projected},
};
use crate::hub::{
    id::UserId,
    time::{Millis, UnixMs},
};

impl Cluster {
    /// As [`Self::look`], for people of one bucket, without a point in time.
    pub async fn look_plainly(&self, users: &[UserId]) -> Result<Vec<PersonNews>, Unreachable> {
        let Some(first) = users.first() else { return Ok(Vec::new()) };
        let mut read = redis::cmd("HMGET");
        read.arg(self.bucket(first));
        for user in users {
            read.arg(user.as_str());
        }
        let records: Vec<Option<String>> = redis::from_redis_value(self.run(&read).await?)?;
        let news =
            |(user, record): (&UserId, Option<String>)| self.person(user.clone(), "0", record.unwrap_or_default().as_bytes());
        Ok(users.iter().zip(records).filter_map(news).collect())
    }

    /// Shows people to other tools, for so long: never the truth. Cost: one SET each, all on their way at once.
    pub async fn project(&self, people: &[(UserId, Projected)], now: UnixMs, keep: Millis) -> Result<(), Unreachable> {
        let sets = people.iter().map(|(user, shown)| {
            let value = serde_json::json!({
                "status": shown.status.name(),
                "last_seen": shown.last_seen,
                "timestamp": now.seconds(),
                "user_type": shown.user_type.as_str(),
            });
            let mut set = redis::cmd("SET");
            set.arg(self.store.keys().projection(user, shown.user_type.as_str())).arg(value.to_string()).arg("PX").arg(keep.0);
            async move { self.run(&set).await }
        });
        for outcome in futures_util::future::join_all(sets).await {
            outcome?;
        }
        Ok(())
    }
}
