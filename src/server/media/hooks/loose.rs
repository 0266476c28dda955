//! Callback bodies as vendors send them: a number may be a string, a field may be missing, an 18-digit id stays exact.
use serde_json::{Map, Value};

/// The fields of one JSON object, read leniently.
#[derive(Clone, Debug, PartialEq)]
pub struct Loose(Map<String, Value>);

impl Loose {
    /// Reads a body: JSON; else percent-encoded JSON; else a form. `None`: none of these.
    ///
    /// Valid JSON is never decoded further: that would damage `%` and `+` in names.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        if let Ok(Value::Object(map)) = serde_json::from_str(text) {
            return Some(Self(map));
        }
        let decoded = decode(text);
        if let Ok(Value::Object(map)) = serde_json::from_str(&decoded) {
            return Some(Self(map));
        }
        let pairs: Map<String, Value> = pairs(text).map(|(key, value)| (key, Value::String(value))).collect();
        (!pairs.is_empty()).then_some(Self(pairs))
    }

    /// Returns a text; numbers and truth values as they are written.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// Returns a number, also one that is written as a text.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<u64> {
        match self.0.get(key)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Returns a truth value, also `1`, `"1"` and `"true"`.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.text(key)?.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// Returns an object within the object.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Self> {
        match self.0.get(key)? {
            Value::Object(map) => Some(Self(map.clone())),
            _ => None,
        }
    }

    /// Returns the objects of a list; what is no object is passed over.
    #[must_use]
    pub fn objects(&self, key: &str) -> Vec<Self> {
        let Some(Value::Array(list)) = self.0.get(key) else { return Vec::new() };
        list.iter().filter_map(|value| if let Value::Object(map) = value { Some(Self(map.clone())) } else { None }).collect()
    }
}

/// Reads the pairs of a query or form, percent-decoded. A `?` in front is passed over.
pub fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let parts = query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
    parts.map(|(key, value)| (decode(key), decode(value)))
}

/// Percent-decodes; what is no escape stays as it is, and so does what would not be UTF-8.
fn decode(text: &str) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(escape.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = tail.get(if escape.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_kinds_of_bodies() {
        for body in ["{\"room_id\":\"a b\",\"n\":7}", "%7B%22room_id%22%3A%22a%20b%22%2C%22n%22%3A7%7D", "room_id=a+b&n=7"] {
            let read = Loose::parse(body.as_bytes()).unwrap();
            assert_eq!((read.text("room_id").as_deref(), read.number("n")), (Some("a b"), Some(7)), "{body}");
        }
        assert_eq!(Loose::parse(b"{\"name\":\"5%20+1\"}").unwrap().text("name").as_deref(), Some("5%20+1"));
        for body in [&b""[..], b"[]", b"\xff", b"nothing"] {
            assert_eq!(Loose::parse(body), None);
        }
    }

    #[test]
    fn long_ids_stay_exact() {
        let read = Loose::parse(b"{\"a\":858012925204410401,\"b\":\"858012925204410402\",\"c\":\"01\"}").unwrap();
        assert_eq!(read.text("a").as_deref(), Some("858012925204410401"));
        assert_eq!((read.number("a"), read.number("b")), (Some(858_012_925_204_410_401), Some(858_012_925_204_410_402)));
        assert_eq!((read.number("c"), read.number("d")), (Some(1), None));
    }
}
