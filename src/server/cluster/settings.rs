//! Settings that all nodes of one Redis must share: each node says what it runs with, and once in its log where others run with something
//! else. It changes nothing: which of them is right an operator knows.
use super::{Cluster, Unreachable};
use std::collections::BTreeMap;

/// Keys of the configuration with their values as text.
pub type Settings = BTreeMap<String, String>;

impl Cluster {
    /// Looks at a Redis that was just reached, and at who is there: says once what an operator should know.
    pub async fn look_around(&self, mine: &Settings) {
        self.store.advise().await;
        self.share_settings(mine).await;
    }

    /// Compares this node's settings with those that were last said, if other nodes live, and says its own.
    pub async fn share_settings(&self, mine: &Settings) {
        match self.swap_settings(mine).await {
            Ok(Some(theirs)) => {
                let differ = differences(mine, &theirs);
                if !differ.is_empty() {
                    tracing::warn!(
                        differ = differ.join("; "),
                        "another node runs with other settings: give all nodes of one Redis the same, and reload or restart them"
                    );
                }
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "the settings are not compared with those of the other nodes"),
        }
    }

    async fn swap_settings(&self, mine: &Settings) -> Result<Option<Settings>, Unreachable> {
        let beat = self.beat().await?;
        let me = self.me();
        let alive = |at| beat.now.since(at) <= self.lease();
        let others = beat.nodes.iter().any(|(node, at)| *node != me && alive(*at));
        let text = serde_json::to_string(mine).unwrap_or_default();
        let mut swap = redis::cmd("SET");
        swap.arg(self.store.keys().hub("settings")).arg(text).arg("GET");
        let before: Option<String> = redis::from_redis_value(self.run(&swap).await?)?;
        Ok(before.filter(|_| others).and_then(|text| serde_json::from_str(&text).ok()))
    }
}

/// Names the keys whose values differ. What only one side knows is of another version, and no difference.
fn differences(mine: &Settings, theirs: &Settings) -> Vec<String> {
    let differ = |(key, mine): (&String, &String)| {
        let theirs = theirs.get(key).filter(|theirs| *theirs != mine)?;
        Some(format!("{key} is {mine} here and {theirs} there"))
    };
    mine.iter().filter_map(differ).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_both_know_differs() {
        let settings = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let (mine, theirs) =
            (settings(&[("a", "1"), ("b", "2"), ("new", "3")]), settings(&[("a", "1"), ("b", "4"), ("old", "5")]));
        assert_eq!(differences(&mine, &theirs), ["b is 2 here and 4 there"]);
    }
}
