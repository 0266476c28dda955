//! What an operator should know of the Redis that he has given to the hub, said once at the start. Nothing is refused here.
use super::RedisStore;
use redis::Value;

/// The oldest version that has all that is needed.
const OLDEST: u32 = 7;

impl RedisStore {
    /// Looks, and says what is dangerous.
    pub(in crate::server) async fn advise(&self) {
        if self.settings.names_a_database() {
            tracing::warn!(
                "store.redis.url names a database: all databases of a server share their channels, so that hubs on another one \
                 would hear of these people; hubs that share a server each need a store.redis.key_prefix of their own"
            );
        }
        // Whoever has a user of his own hardly lets him ask, and would find the question in his ACL LOG.
        if self.settings.names_a_user() {
            return;
        }
        let Ok(told) = self.link.run(redis::cmd("INFO").arg("everything"), self.deadline()).await else { return };
        let mut text = String::new();
        collect(&told, &mut text);
        for advice in advice(&text) {
            tracing::warn!("{advice}");
        }
    }
}

/// Puts the texts in an answer one behind the other: a Cluster answers for each of its servers.
fn collect(value: &Value, text: &mut String) {
    match value {
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| collect(value, text)),
        Value::Array(list) => list.iter().for_each(|value| collect(value, text)),
        Value::VerbatimString { text: told, .. } => text.push_str(told),
        value => text.push_str(&super::link::text(value).unwrap_or_default()),
    }
    text.push('\n');
}

fn advice(info: &str) -> Vec<String> {
    let field = |name: &'static str| {
        info.lines().filter_map(move |line| line.trim().strip_prefix(name)?.strip_prefix(':').map(str::to_owned))
    };
    let mut all = Vec::new();
    let old = |version: &String| {
        version.split('.').next().and_then(|major| major.parse().ok()).is_some_and(|major: u32| major < OLDEST)
    };
    if let Some(version) = field("redis_version").find(old) {
        all.push(format!("Redis 7.0 or newer is needed, and this is {version}: channels of rooms and people do not work"));
    }
    if let Some(policy) = field("maxmemory_policy").find(|policy| policy != "noeviction") {
        all.push(format!(
            "maxmemory-policy {policy} lets Redis remove rooms and people when its memory is full: set it to noeviction"
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dangerous_is_said() {
        assert!(advice("# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n").is_empty());
        assert!(advice("").is_empty(), "nobody may ask");
        let said = advice("redis_version:6.2.14\r\n\nredis_version:7.4.0\nmaxmemory_policy:allkeys-lru\r\n");
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("6.2.14") && said[1].contains("allkeys-lru"), "{said:?}");
    }
}
