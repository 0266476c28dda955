//! `[webhook.NAME]`: one endpoint each.
use super::{Address, ConfigError, Secret, check::Condition};
use crate::{
    hub::time::Millis,
    server::{
        outgoing::{OutgoingSettings, Target},
        webhooks::{retry::Schedule, settings::EndpointSettings, sign::Key},
    },
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

/// How much of an answer is read: nothing in it matters.
const ANSWER_BYTES: usize = 65_536;
/// The longest wait between two attempts.
const WAIT_MAX: u64 = 604_800_000;

sections! {
    /// `[webhook.NAME]`
    WebhookConfig {
        enabled: bool = true,
        url: Address = Address::default(),
        secrets: Vec<Secret> = Vec::new(),
        secrets_file: Option<PathBuf> = None,
        types: Vec<String> = vec!["*".to_owned()],
        rooms: Vec<String> = vec!["*".to_owned()],
        allow_http: bool = false,
        allow_private: bool = false,
        connect_timeout_ms: u64 = 3000,
        timeout_ms: u64 = 15_000,
        concurrency: usize = 64,
        retry_ms: Vec<u64> = vec![
            5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000,
        ],
        retry_jitter_percent: u64 = 20,
        body_bytes: usize = 20_000,
        dead_max: usize = 10_000,
        status_max: usize = 10_000,
    }
}

impl WebhookConfig {
    /// Reads the secrets that stand in the environment, and in a file, one per line.
    pub(super) fn read_secrets(&mut self, name: &str) -> Result<(), ConfigError> {
        for secret in &mut self.secrets {
            secret.resolve().map_err(|variable| ConfigError::Variable { key: format!("webhook.{name}.secrets"), variable })?;
        }
        let Some(path) = self.secrets_file.clone() else { return Ok(()) };
        let read = std::fs::read_to_string(&path);
        let text = read.map_err(|error| ConfigError::Secret { key: "webhook.secrets_file", path, error })?;
        self.secrets.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| Secret(line.to_owned())));
        Ok(())
    }

    fn conditions(&self) -> Vec<Condition> {
        let pattern = |text: &String| !text.is_empty() && text.len() <= 64 && !text.trim_end_matches('*').contains('*');
        vec![
            (
                (1..=64).contains(&self.types.len()) && self.types.iter().all(pattern),
                "types",
                "1 to 64 types, or their beginnings with * behind",
            ),
            (
                (1..=1000).contains(&self.rooms.len()) && self.rooms.iter().all(pattern),
                "rooms",
                "1 to 1000 room ids, or their beginnings with * behind",
            ),
            ((100..=60_000).contains(&self.connect_timeout_ms), "connect_timeout_ms", "100 to 60000 ms"),
            ((100..=120_000).contains(&self.timeout_ms), "timeout_ms", "100 to 120000 ms"),
            ((1..=1024).contains(&self.concurrency), "concurrency", "1 to 1024"),
            (
                self.retry_ms.len() <= 64 && self.retry_ms.iter().all(|wait| (1..=WAIT_MAX).contains(wait)),
                "retry_ms",
                "at most 64 waits of 1 to 604800000 ms",
            ),
            (self.retry_jitter_percent <= 100, "retry_jitter_percent", "0 to 100"),
            ((1_000..=1_048_576).contains(&self.body_bytes), "body_bytes", "1000 to 1048576 bytes"),
            ((1..=1_000_000).contains(&self.dead_max), "dead_max", "1 to 1000000"),
            ((8..=1_000_000).contains(&self.status_max), "status_max", "8 to 1000000"),
        ]
    }

    /// Returns what the endpoint is opened with. Errors: a value is out of range.
    pub fn settings(&self, name: &str) -> Result<EndpointSettings, ConfigError> {
        let wrong = |key: &'static str, expected: &str| ConfigError::Section {
            key: format!("webhook.{name}.{key}"),
            expected: expected.to_owned(),
        };
        let good_name =
            (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !good_name {
            return Err(ConfigError::Section {
                key: format!("webhook.{name}"),
                expected: "a name of 1 to 32 of a-z, 0-9 and _".to_owned(),
            });
        }
        let target = Target::parse(&self.url.0).map_err(|bad| wrong("url", &bad.to_string()))?;
        if !target.https && !self.allow_http {
            return Err(wrong("url", "https://; or set allow_http = true, and everybody on the way can read along"));
        }
        let keys = self.secrets.iter().map(|secret| Key::parse(&secret.0)).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|bad| wrong("secrets", &bad.to_string()))?;
        if !(1..=8).contains(&keys.len()) {
            return Err(wrong("secrets", "1 to 8 of them (or secrets_file)"));
        }
        if let Some((_, key, expected)) = self.conditions().into_iter().find(|(holds, ..)| !holds) {
            return Err(wrong(key, expected));
        }
        let outgoing = OutgoingSettings {
            allow_private: self.allow_private,
            connect_timeout: Duration::from_millis(self.connect_timeout_ms),
            timeout: Duration::from_millis(self.timeout_ms),
            answer_bytes: ANSWER_BYTES,
            idle_max: self.concurrency,
        };
        let waits = self.retry_ms.iter().copied().map(Millis).collect();
        Ok(EndpointSettings {
            name: name.to_owned(),
            target,
            keys,
            types: self.types.clone(),
            rooms: self.rooms.clone(),
            outgoing,
            concurrency: self.concurrency,
            schedule: Schedule { waits, jitter_percent: self.retry_jitter_percent },
            dead_max: self.dead_max,
            body_bytes: self.body_bytes,
            status_max: self.status_max,
        })
    }
}
