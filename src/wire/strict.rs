//! What JSON allows and a frame does not: a key twice in one object, and deep nesting. The text is known to be JSON; it is gone through once,
//! however deep it nests.
use std::borrow::Cow;

/// How deep a frame may nest; the outer object is depth 1.
const MAX_DEPTH: usize = 16;

/// Refuses duplicate keys and deep nesting anywhere in `json`. Errors: what is expected instead. Cost: one pass, and a sort of each object's
/// keys.
pub(super) fn check(json: &str) -> Result<(), &'static str> {
    let bytes = json.as_bytes();
    // The keys of all open objects; each of these knows where its own begin, an array has none.
    let mut keys: Vec<Cow<str>> = Vec::with_capacity(16);
    let mut open: Vec<Option<usize>> = Vec::with_capacity(MAX_DEPTH);
    let (mut at, mut is_key) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let from = at;
        at += 1;
        match byte {
            b'{' | b'[' if open.len() == MAX_DEPTH => return Err("at most 16 levels"),
            b'{' => {
                open.push(Some(keys.len()));
                is_key = true;
            }
            b'[' => open.push(None),
            b'}' => {
                let first = open.pop().flatten().unwrap_or(0);
                let own = keys.get_mut(first..).unwrap_or_default();
                own.sort_unstable();
                if !own.is_sorted_by(|a, b| a < b) {
                    return Err("each key once");
                }
                keys.truncate(first);
                is_key = false;
            }
            b']' => drop(open.pop()),
            b',' => is_key = matches!(open.last(), Some(Some(_))),
            b'"' => {
                at = end_of_text(bytes, at);
                if is_key {
                    keys.push(read_key(json.get(from..at).unwrap_or_default())?);
                    is_key = false;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns where a text ends whose inside begins at `at`: behind its closing quote.
fn end_of_text(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += found + 1;
        if bytes.get(at - 1) == Some(&b'"') {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// Reads a key with its quotes. Errors: an escape that names no character.
fn read_key(quoted: &str) -> Result<Cow<'_, str>, &'static str> {
    let plain = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|inside| !inside.contains('\\'));
    match plain {
        Some(plain) => Ok(plain.into()),
        None => serde_json::from_str::<String>(quoted).map(Cow::Owned).map_err(|_| "one JSON object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(text: &str) -> Option<&'static str> {
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(), "{text}");
        check(text).err()
    }

    #[test]
    fn a_key_stands_once_in_its_own_object() {
        for good in [
            r#"{}"#,
            r#"{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}"#,
            r#"{"a":{"b":{}},"b":["a","a"],"c":"a"}"#,
            r#"{"a":"\"a\":1,\"a\"","b":"{","c":"[[[[[[[[[[[[[[[[[["}"#,
            r#"{"a\\":1,"a\"":2,"a":"\\"}"#,
            r#"{"b":[],"a":[1,[2,{"b":0}],"b"]}"#,
            "{ \"a\" : [ ] , \"b\" : { } }",
        ] {
            assert_eq!(refused(good), None, "{good}");
        }
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":{},"a":1}"#,
            r#"{"a":1,"b":[[{"c":1,"d":[],"c":2}]]}"#,
            r#"{"a":{"a":0},"b":0,"a":0}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"\"":1,"b":2,"\u0022":2}"#,
            r#"{"":0,"":0}"#,
        ] {
            assert_eq!(refused(bad), Some("each key once"), "{bad}");
        }
        assert_eq!(refused(r#"{"a":{"\ud800":1}}"#), Some("one JSON object"));
    }

    #[test]
    fn sixteen_levels_are_allowed() {
        let nested =
            |depth: usize, open: &str, close: &str| format!("{{\"a\":{}{}}}", open.repeat(depth - 1), close.repeat(depth - 1));
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inner = if open == "[" { "" } else { "0" };
            let text =
                |depth| nested(depth, open, close).replacen(&format!("{open}{close}"), &format!("{open}{inner}{close}"), 1);
            assert_eq!(refused(&text(MAX_DEPTH)), None);
            assert_eq!(refused(&text(MAX_DEPTH + 1)), Some("at most 16 levels"));
        }
        let wide = json!({"a": vec![json!([[], {}]); 100]}).to_string();
        assert_eq!(refused(&wide), None, "what is closed again does not count");
    }
}
