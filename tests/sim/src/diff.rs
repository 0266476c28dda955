//! How two JSON documents differ, in words.
use serde_json::Value;

/// Fields that only the hub shows, or whose value is the hub's own business.
const HUBS_OWN: [&str; 9] = ["room_id", "seq", "why", "expected", "message", "rev", "by", "at_ms", "event"];

/// Says how the hub's document differs from the wanted one. An absent field is null.
pub fn differences(wanted: &Value, shown: &Value, path: &str) -> Vec<String> {
    match (wanted, shown) {
        (Value::Object(wanted), Value::Object(shown)) => {
            let mut lines = Vec::new();
            for (key, value) in wanted {
                let other = shown.get(key).unwrap_or(&Value::Null);
                // A version that does not know a rule does not show it.
                if !(path == "state/rules" && other.is_null()) {
                    lines.extend(differences(value, other, &format!("{path}/{key}")));
                }
            }
            for (key, value) in shown {
                let known = wanted.contains_key(key) || value.is_null() || HUBS_OWN.contains(&key.as_str());
                if !known {
                    lines.push(format!("{path}/{key}: unexpected {value}"));
                }
            }
            lines
        }
        (Value::Array(wanted), Value::Array(shown)) if wanted.len() == shown.len() => {
            let pairs = wanted.iter().zip(shown).enumerate();
            pairs.flat_map(|(i, (wanted, shown))| differences(wanted, shown, &format!("{path}/{i}"))).collect()
        }
        _ if wanted == shown => Vec::new(),
        // The id of something that was undone before anybody saw it.
        (Value::String(id), Value::String(_)) if path.starts_with("details") && id.ends_with("that the hub did not give") => {
            Vec::new()
        }
        _ => vec![format!("{path}: should be {wanted}, is {shown}")],
    }
}

/// Checks that the hub's events of a step are the model's, in the same order; the hub may say more in each.
pub fn has_events(wanted: &[Value], shown: &[Value]) -> Result<(), String> {
    let fits = |event: &Value, other: &Value| {
        event.as_object().into_iter().flatten().all(|(key, value)| other.get(key).unwrap_or(&Value::Null) == value)
    };
    if wanted.len() != shown.len() {
        return Err(format!("{wanted:?} should be said, and is {shown:?}"));
    }
    match wanted.iter().zip(shown).find(|(event, other)| !fits(event, other)) {
        Some((event, other)) => Err(format!("the event {event} should stand where {other} does in {shown:?}")),
        None => Ok(()),
    }
}
