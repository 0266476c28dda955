//! A frame's JSON taken apart strictly: duplicate keys and deep nesting are refused, unknown fields ignored, and every known field is read
//! with the path that an error names.
use super::strict;
use crate::hub::{
    code::Code,
    id::{IdError, OpId, RoleId, RoomId, UserId},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// Why a frame is refused before anybody looks at what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFrame {
    /// The request's `id`, as far as it could be read.
    pub id: Option<i64>,
    /// Whom the frame names as its sender, as far as that could be read: a wrong sender is told before a wrong argument.
    pub senders: Vec<UserId>,
    /// The room that must be there for the frame to mean anything: that there is none is told before a wrong argument.
    pub room: Option<RoomId>,
    /// `bad_request`, `bad_argument`, `unknown_type` or `message_too_large`.
    pub code: Code,
    /// A JSON pointer to the field, for `bad_argument`.
    pub path: Option<String>,
    /// What is expected there.
    pub expected: &'static str,
}

impl BadFrame {
    /// Makes a `bad_request`.
    #[must_use]
    pub const fn request(expected: &'static str) -> Self {
        Self { id: None, senders: Vec::new(), room: None, code: Code::BadRequest, path: None, expected }
    }

    /// Makes a `bad_argument` about one field.
    #[must_use]
    pub const fn argument(path: String, expected: &'static str) -> Self {
        Self { id: None, senders: Vec::new(), room: None, code: Code::BadArgument, path: Some(path), expected }
    }
}

/// One JSON object, its fields still raw.
pub struct Fields<'a> {
    list: Vec<(Cow<'a, str>, &'a RawValue)>,
    path: String,
}

/// An object's members, their values unread.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::with_capacity(8);
                while let Some(Key(key)) = map.next_key()? {
                    list.push((key, map.next_value()?));
                }
                Ok(Members(list))
            }
        }
        deserializer.deserialize_map(Walk)
    }
}

/// Reads a whole number. JSON knows no other kind of numbers than those with a fraction, so `7.0` and `7e0` are 7, too.
fn whole<'a, T: Deserialize<'a> + TryFrom<i64>>(raw: &'a RawValue) -> Option<T> {
    /// Up to here each whole number is a double of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Ok(number) = serde_json::from_str(raw.get()) {
        return Some(number);
    }
    let number: f64 = serde_json::from_str(raw.get()).ok()?;
    let is_whole = number.fract() == 0.0 && number.abs() <= EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "looked at: it is whole, and i64 can hold it")]
    let number = is_whole.then_some(number as i64)?;
    T::try_from(number).ok()
}

impl<'a> Fields<'a> {
    /// Takes a whole frame apart. Errors: `bad_request`, with the `id` if there is just one.
    pub fn parse(text: &'a str) -> Result<Self, BadFrame> {
        let Members(list) = serde_json::from_str(text).map_err(|_| BadFrame::request("one JSON object"))?;
        let fields = Self { list, path: String::new() };
        match strict::check(text) {
            Ok(()) => Ok(fields),
            Err(expected) => Err(BadFrame { id: fields.only_id(), ..BadFrame::request(expected) }),
        }
    }

    /// Takes apart what stands in a frame already taken apart, with paths of its own: `None` if it is no object. Nothing is looked at twice.
    pub fn inside(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok().map(|Members(list)| Self { list, path: String::new() })
    }

    fn only_id(&self) -> Option<i64> {
        let one = self.list.iter().filter(|(key, _)| key == "id").count() == 1;
        self.integer("id").ok().flatten().filter(|_| one)
    }

    /// Returns the path of a field.
    #[must_use]
    pub fn at(&self, name: &str) -> String {
        format!("{}/{}", self.path, name.replace('~', "~0").replace('/', "~1"))
    }

    /// Makes a `bad_argument` about a field.
    #[must_use]
    pub fn wrong(&self, name: &str, expected: &'static str) -> BadFrame {
        BadFrame::argument(self.at(name), expected)
    }

    /// Returns a field's raw value; `null` counts as absent.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.list.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    /// Tells whether the field stands there, be it `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|(key, _)| key == name)
    }

    fn read<T: Deserialize<'a>>(&self, name: &str, expected: &'static str) -> Result<Option<T>, BadFrame> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map(Some).map_err(|_| self.wrong(name, expected))
    }

    fn need<T>(&self, name: &str, value: Option<T>) -> Result<T, BadFrame> {
        value.ok_or_else(|| self.wrong(name, "this field"))
    }

    /// Reads a text, if it is there.
    pub fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, BadFrame> {
        Ok(self.read::<Key>(name, "a text")?.map(|Key(text)| text))
    }

    /// Reads a boolean; absent = `false`.
    pub fn flag(&self, name: &str) -> Result<bool, BadFrame> {
        Ok(self.read(name, "true or false")?.unwrap_or(false))
    }

    /// Reads a boolean that must be there.
    pub fn needed_flag(&self, name: &str) -> Result<bool, BadFrame> {
        let flag = self.read(name, "true or false")?;
        self.need(name, flag)
    }

    /// Reads a whole number, if it is there.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, BadFrame> {
        self.whole(name, "a whole number")
    }

    /// Reads a number from 0 up, if it is there.
    pub fn number(&self, name: &str) -> Result<Option<u64>, BadFrame> {
        self.whole(name, "a whole number from 0 up")
    }

    fn whole<T: Deserialize<'a> + TryFrom<i64>>(&self, name: &str, expected: &'static str) -> Result<Option<T>, BadFrame> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        whole(raw).map(Some).ok_or_else(|| self.wrong(name, expected))
    }

    /// Looks at a number that nobody reads: it must be one that a field can hold. Whole seconds and fractions of them are both common.
    pub fn check_number(&self, name: &str) -> Result<(), BadFrame> {
        self.read::<f64>(name, "a number").map(|_| ())
    }

    /// Reads a seat's number, if it is there.
    pub fn seat(&self, name: &str) -> Result<Option<u32>, BadFrame> {
        let seat = self.whole(name, "a seat's number")?;
        if seat == Some(0) { Err(self.wrong(name, "a seat's number, 1 or more")) } else { Ok(seat) }
    }

    fn id<T>(&self, name: &str, parse: fn(&str) -> Result<T, IdError>) -> Result<Option<T>, BadFrame> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        parse(&text).map(Some).map_err(|_| self.wrong(name, "an id of 1 to 64 bytes of A-Z a-z 0-9 _ . : @ -"))
    }

    /// Reads a user id, if it is there.
    pub fn user(&self, name: &str) -> Result<Option<UserId>, BadFrame> {
        self.id(name, UserId::parse)
    }

    /// Reads a user id that must be there.
    pub fn needed_user(&self, name: &str) -> Result<UserId, BadFrame> {
        let user = self.user(name)?;
        self.need(name, user)
    }

    /// Reads a room id that must be there.
    pub fn room(&self, name: &str) -> Result<RoomId, BadFrame> {
        let room = self.id(name, RoomId::parse)?;
        self.need(name, room)
    }

    /// Reads a role id, if it is there.
    pub fn role(&self, name: &str) -> Result<Option<RoleId>, BadFrame> {
        self.id(name, RoleId::parse)
    }

    /// Reads an `op_id`, if it is there.
    pub fn op_id(&self, name: &str) -> Result<Option<OpId>, BadFrame> {
        self.id(name, OpId::parse)
    }

    /// Reads a text for people to read: at most `max_bytes`, no control characters and none that turn the direction of writing.
    pub fn free_text(&self, name: &str, max_bytes: usize) -> Result<Option<String>, BadFrame> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if text.len() > max_bytes {
            return Err(self.wrong(name, "a shorter text"));
        }
        let bidi = |c| matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if text.chars().any(|c| c.is_control() || bidi(c)) {
            return Err(self.wrong(name, "a text without control characters"));
        }
        Ok(Some(text.into_owned()))
    }

    /// Reads a list of user ids that must be there, at most `max` of them.
    pub fn users(&self, name: &str, max: usize) -> Result<Vec<UserId>, BadFrame> {
        self.need(name, self.raw(name))?;
        self.some_users(name, max)
    }

    /// Reads a list of user ids, at most `max` of them; absent = empty.
    pub fn some_users(&self, name: &str, max: usize) -> Result<Vec<UserId>, BadFrame> {
        self.list(name, max, "a list of user ids", "a user id", |text| UserId::parse(text).ok())
    }

    /// Reads a list of room ids, at most `max` of them; absent = empty.
    pub fn rooms(&self, name: &str, max: usize) -> Result<Vec<RoomId>, BadFrame> {
        self.list(name, max, "a list of room ids", "a room's id", |text| RoomId::parse(text).ok())
    }

    /// Reads a list of role ids, at most `max` of them; absent = empty.
    pub fn roles(&self, name: &str, max: usize) -> Result<Vec<RoleId>, BadFrame> {
        self.list(name, max, "a list of role ids", "a role's id", |text| RoleId::parse(text).ok())
    }

    /// Reads a list of words out of `known`, at most `max` of them; absent = empty.
    pub fn words(&self, name: &str, max: usize, known: &[&str], expected: &'static str) -> Result<Vec<String>, BadFrame> {
        self.list(name, max, expected, expected, |text| known.contains(&text).then(|| text.to_owned()))
    }

    fn list<T>(
        &self,
        name: &str,
        max: usize,
        expected: &'static str,
        each: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, BadFrame> {
        let list: Vec<&RawValue> = self.read(name, expected)?.unwrap_or_default();
        if list.len() > max {
            return Err(self.wrong(name, "a shorter list"));
        }
        let one = |(index, raw): (usize, &&RawValue)| {
            let text = serde_json::from_str::<Cow<str>>(raw.get()).ok();
            text.and_then(|text| parse(&text)).ok_or_else(|| BadFrame::argument(format!("{}/{name}/{index}", self.path), each))
        };
        list.iter().enumerate().map(one).collect()
    }

    /// Refuses every field that is not `known`.
    pub fn only(&self, known: &[&str], expected: &'static str) -> Result<(), BadFrame> {
        let unknown = self.list.iter().find(|(key, _)| !known.contains(&key.as_ref()));
        unknown.map_or(Ok(()), |(key, _)| Err(self.wrong(key, expected)))
    }

    /// Refuses `null` in every field that is not `optional`: there it is no value of the field's type.
    pub fn no_null(&self, optional: &[&str]) -> Result<(), BadFrame> {
        let null = self.list.iter().find(|(key, raw)| raw.get() == "null" && !optional.contains(&key.as_ref()));
        null.map_or(Ok(()), |(key, _)| Err(self.wrong(key, "a value, or the key left out")))
    }

    /// Returns the names of the fields, in the order of the text.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        self.list.iter().map(|(key, _)| key.as_ref()).collect()
    }

    /// Reads a list of seat numbers that is there, at least one and at most `max` of them.
    pub fn seats(&self, name: &str, max: usize) -> Result<Vec<u32>, BadFrame> {
        const EXPECTED: &str = "\"all\" or a list of seat numbers";
        let list: Vec<&RawValue> = self.read(name, EXPECTED)?.unwrap_or_default();
        if list.is_empty() || list.len() > max {
            return Err(self.wrong(name, EXPECTED));
        }
        let number = |(index, raw): (usize, &&'a RawValue)| match whole(raw) {
            Some(number) if number > 0 => Ok(number),
            _ => Err(BadFrame::argument(format!("{}/{name}/{index}", self.path), "a seat's number, 1 or more")),
        };
        list.iter().enumerate().map(number).collect()
    }

    /// Reads an object inside, if it is there.
    pub fn object(&self, name: &str) -> Result<Option<Self>, BadFrame> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        self.child(raw, self.at(name)).map(Some)
    }

    /// Reads a list of objects inside, at most `max` of them; absent = empty.
    pub fn objects(&self, name: &str, max: usize) -> Result<Vec<Self>, BadFrame> {
        let list: Vec<&RawValue> = self.read(name, "a list of objects")?.unwrap_or_default();
        if list.len() > max {
            return Err(self.wrong(name, "a shorter list"));
        }
        list.iter().enumerate().map(|(index, raw)| self.child(raw, format!("{}/{name}/{index}", self.path))).collect()
    }

    fn child(&self, raw: &'a RawValue, path: String) -> Result<Self, BadFrame> {
        match serde_json::from_str(raw.get()) {
            Ok(Members(list)) => Ok(Self { list, path }),
            _ => Err(BadFrame::argument(path, "an object")),
        }
    }
}
