//! The rules document: JSON → [`Rules`], strictly and whole, and back. Frames, the configuration and the store's records read it here.
use super::{
    fields::{BadFrame, Fields},
    words::ModeJson,
};
use crate::hub::{
    id::{RoleId, UserId},
    mode::Mode,
    permission, roles,
    rules::{Access, BadRules, LISTED_MAX, ROLES_MAX, RoleRule, Rules, SPECIALS_MAX, Special, WINDOWS_MAX},
    time::{Millis, UnixMs},
    windows::{Day, WallTime, Window, Zone},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::{collections::BTreeMap, sync::Arc};

/// The keys of the document.
pub const KEYS: &[&str] = &[
    "max_mic_count",
    "host_seat",
    "max_queue_len",
    "queue_mode",
    "timeout_seconds",
    "turn_max_total_seconds",
    "on_deck_size",
    "max_jumped_by",
    "hold_seconds_queue",
    "hold_seconds_seat",
    "apply_ttl_seconds",
    "invite_ttl_seconds",
    "rejoin_cooldown_seconds",
    "stream_stop_grace_seconds",
    "mode_grace_seconds",
    "mode_min_interval_seconds",
    "chair_min_level",
    "access",
    "blacklist",
    "whitelist",
    "roles",
    "special_user_list",
    "time_based_rules",
];
const ROLE_KEYS: &[&str] = &["role_id", "level", "priority_level", "can_skip_queue", "timeout_seconds", "perms"];
const SPECIAL_KEYS: &[&str] = &["user_id", "priority_level", "until_ms"];
const WINDOW_KEYS: &[&str] =
    &["name", "days", "start", "end", "tz", "boost", "deny_roles", "only_roles", "timeout_seconds", "max_queue_len"];
/// The longest name of a window, in bytes.
const NAME_BYTES: usize = 64;
const PERMS_MAX: usize = 64;
const PRIORITY: (i64, i64, &str) = (-1000, 1000, "a whole number from -1000 to 1000");
const DAY_SECONDS: (u64, u64, &str) = (0, 86_400, "0 to 86400 seconds");
const HOUR_SECONDS: (u64, u64, &str) = (0, 3600, "0 to 3600 seconds");
const TTL_SECONDS: (u64, u64, &str) = (5, 3600, "5 to 3600 seconds");
const MINUTE_SECONDS: (u64, u64, &str) = (0, 60, "0 to 60 seconds");
const QUEUE_LEN: (u64, u64, &str) = (0, 2000, "0 to 2000 people");

/// Reads a whole document; missing keys take the default. Errors: the first unknown key, wrong type or value out of range.
pub fn parse(text: &str) -> Result<Rules, BadRules> {
    if !text.trim_start().starts_with('{') {
        return Err(no_object());
    }
    Fields::parse(text).and_then(|fields| document(&fields)).map_err(bad_rules)
}

/// As [`parse`], for a document that stands in a frame.
pub(super) fn parse_inside(raw: &RawValue) -> Result<Rules, BadRules> {
    document(&Fields::inside(raw).ok_or_else(no_object)?).map_err(bad_rules)
}

fn no_object() -> BadRules {
    BadRules { path: String::new(), message: "an object".to_owned() }
}

fn bad_rules(bad: BadFrame) -> BadRules {
    BadRules { path: bad.path.unwrap_or_default(), message: bad.expected.to_owned() }
}

fn document(f: &Fields) -> Result<Rules, BadFrame> {
    f.only(KEYS, "one of the keys of the rules")?;
    f.no_null(&[])?;
    let d = Rules::default();
    let seconds = |name, range| Ok::<_, BadFrame>(within(f, name, range)?.map(Millis::from_seconds));
    let count = |name, range| Ok::<_, BadFrame>(within(f, name, range)?.and_then(|n| u32::try_from(n).ok()));
    Ok(Rules {
        max_mic_count: count("max_mic_count", (1, 64, "1 to 64 seats"))?.unwrap_or(d.max_mic_count),
        host_seat: if f.raw("host_seat").is_some() { f.flag("host_seat")? } else { d.host_seat },
        max_queue_len: length(f)?.unwrap_or(d.max_queue_len),
        queue_mode: mode(f)?.unwrap_or(d.queue_mode),
        timeout: seconds("timeout_seconds", DAY_SECONDS)?.unwrap_or(d.timeout),
        turn_max_total: seconds("turn_max_total_seconds", DAY_SECONDS)?.unwrap_or(d.turn_max_total),
        on_deck_size: count("on_deck_size", (0, 10, "0 to 10 people"))?.map_or(d.on_deck_size, |n| n as usize),
        max_jumped_by: count("max_jumped_by", (0, 1000, "0 to 1000 times"))?.unwrap_or(d.max_jumped_by),
        hold_queue: seconds("hold_seconds_queue", HOUR_SECONDS)?.unwrap_or(d.hold_queue),
        hold_seat: seconds("hold_seconds_seat", HOUR_SECONDS)?.unwrap_or(d.hold_seat),
        apply_ttl: seconds("apply_ttl_seconds", TTL_SECONDS)?.unwrap_or(d.apply_ttl),
        invite_ttl: seconds("invite_ttl_seconds", TTL_SECONDS)?.unwrap_or(d.invite_ttl),
        rejoin_cooldown: seconds("rejoin_cooldown_seconds", DAY_SECONDS)?.unwrap_or(d.rejoin_cooldown),
        stream_stop_grace: seconds("stream_stop_grace_seconds", (0, 300, "0 to 300 seconds"))?.unwrap_or(d.stream_stop_grace),
        mode_grace: seconds("mode_grace_seconds", MINUTE_SECONDS)?.unwrap_or(d.mode_grace),
        mode_min_interval: seconds("mode_min_interval_seconds", MINUTE_SECONDS)?.unwrap_or(d.mode_min_interval),
        chair_min_level: count("chair_min_level", (0, 1000, "0 to 1000"))?.unwrap_or(d.chair_min_level),
        access: access(f)?.unwrap_or(d.access),
        blacklist: f.some_users("blacklist", LISTED_MAX)?,
        whitelist: f.some_users("whitelist", LISTED_MAX)?,
        roles: each_once(f, "roles", ROLES_MAX, role, "role_id", |role| role.id.as_str())?,
        specials: each_once(f, "special_user_list", SPECIALS_MAX, special, "user_id", |special| special.user.as_str())?,
        windows: f.objects("time_based_rules", WINDOWS_MAX)?.iter().map(window).collect::<Result<_, _>>()?,
    })
}

fn within(f: &Fields, name: &str, (least, most, expected): (u64, u64, &'static str)) -> Result<Option<u64>, BadFrame> {
    let number = f.number(name).map_err(|_| f.wrong(name, expected))?;
    if number.is_some_and(|n| n < least || n > most) { Err(f.wrong(name, expected)) } else { Ok(number) }
}

fn priority(f: &Fields, name: &str) -> Result<Option<i64>, BadFrame> {
    let (least, most, expected) = PRIORITY;
    let number = f.integer(name).map_err(|_| f.wrong(name, expected))?;
    if number.is_some_and(|n| n < least || n > most) { Err(f.wrong(name, expected)) } else { Ok(number) }
}

fn length(f: &Fields) -> Result<Option<usize>, BadFrame> {
    Ok(within(f, "max_queue_len", QUEUE_LEN)?.and_then(|n| usize::try_from(n).ok()))
}

fn mode(f: &Fields) -> Result<Option<Mode>, BadFrame> {
    let words = [("free", Mode::Free), ("apply", Mode::Apply), ("queue", Mode::Queue), ("chair", Mode::Chair)];
    word(f, "queue_mode", &words, "free, apply, queue or chair")
}

fn access(f: &Fields) -> Result<Option<Access>, BadFrame> {
    let words = [("open", Access::Open), ("blacklist", Access::Blacklist), ("whitelist", Access::Whitelist)];
    word(f, "access", &words, "open, blacklist or whitelist")
}

fn word<T: Copy>(f: &Fields, name: &str, words: &[(&str, T)], expected: &'static str) -> Result<Option<T>, BadFrame> {
    let Some(text) = f.text(name).map_err(|_| f.wrong(name, expected))? else { return Ok(None) };
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| Some(*value)).ok_or_else(|| f.wrong(name, expected))
}

/// Reads a list of objects, each naming somebody or something else.
fn each_once<T>(
    f: &Fields,
    name: &str,
    max: usize,
    read: fn(&Fields) -> Result<T, BadFrame>,
    key: &str,
    id: fn(&T) -> &str,
) -> Result<Vec<T>, BadFrame> {
    let mut list: Vec<T> = Vec::new();
    for object in f.objects(name, max)? {
        let one = read(&object)?;
        if list.iter().any(|known| id(known) == id(&one)) {
            return Err(object.wrong(key, "each once"));
        }
        list.push(one);
    }
    Ok(list)
}

fn role(f: &Fields) -> Result<RoleRule, BadFrame> {
    f.only(ROLE_KEYS, "one of the keys of a role")?;
    f.no_null(&["timeout_seconds"])?;
    let id = f.role("role_id")?.ok_or_else(|| f.wrong("role_id", "a role's id"))?;
    let built_in = roles::built_in(id.as_str());
    let level = within(f, "level", (0, 1000, "0 to 1000"))?.and_then(|level| u32::try_from(level).ok());
    let level = level.or(built_in).unwrap_or(roles::MEMBER);
    if id.as_str() == "owner" && level != roles::OWNER {
        return Err(f.wrong("level", "1000: the owner cannot be lowered"));
    }
    Ok(RoleRule {
        id,
        level,
        priority: priority(f, "priority_level")?.unwrap_or(0),
        can_skip_queue: f.flag("can_skip_queue")?,
        timeout: within(f, "timeout_seconds", DAY_SECONDS)?.map(Millis::from_seconds),
        perms: f.words("perms", PERMS_MAX, permission::NAMES, "the name of a command")?,
    })
}

fn special(f: &Fields) -> Result<Special, BadFrame> {
    f.only(SPECIAL_KEYS, "one of the keys of a special user")?;
    f.no_null(&["until_ms"])?;
    Ok(Special {
        user: f.needed_user("user_id")?,
        priority: priority(f, "priority_level")?.unwrap_or(0),
        until: f.number("until_ms")?.map(UnixMs),
    })
}

fn window(f: &Fields) -> Result<Window, BadFrame> {
    f.only(WINDOW_KEYS, "one of the keys of a time window")?;
    f.no_null(&["timeout_seconds", "max_queue_len"])?;
    let wall = |name| {
        let text = f.text(name)?.ok_or_else(|| f.wrong(name, "a wall time like 20:00"))?;
        WallTime::parse(&text).ok_or_else(|| f.wrong(name, "a wall time like 20:00"))
    };
    let (start, end) = (wall("start")?, wall("end")?);
    if start == end {
        return Err(f.wrong("end", "another time than start"));
    }
    let tz = f.text("tz")?.ok_or_else(|| f.wrong("tz", "an IANA time zone like Asia/Shanghai"))?;
    let names = Day::ALL.map(Day::name);
    let days = f.words("days", 7, &names, "mon, tue, wed, thu, fri, sat or sun, each once")?;
    let boost = match f.object("boost")? {
        None => BTreeMap::new(),
        Some(boost) => {
            let keys = boost.keys();
            let one = |key: &str| {
                let id = RoleId::parse(key).map_err(|_| boost.wrong(key, "a role's id"))?;
                Ok((id, priority(&boost, key)?.ok_or_else(|| boost.wrong(key, PRIORITY.2))?))
            };
            keys.iter().map(|key| one(key)).collect::<Result<_, BadFrame>>()?
        }
    };
    if boost.len() > ROLES_MAX {
        return Err(f.wrong("boost", "at most 200 roles"));
    }
    Ok(Window {
        name: f.free_text("name", NAME_BYTES)?.ok_or_else(|| f.wrong("name", "a name"))?,
        days: Day::ALL.into_iter().filter(|day| days.iter().any(|name| name == day.name())).collect(),
        start,
        end,
        zone: Zone::parse(&tz).ok_or_else(|| f.wrong("tz", "an IANA time zone like Asia/Shanghai"))?,
        boost,
        deny_roles: f.roles("deny_roles", ROLES_MAX)?,
        only_roles: f.roles("only_roles", ROLES_MAX)?,
        timeout: within(f, "timeout_seconds", DAY_SECONDS)?.map(Millis::from_seconds),
        max_queue_len: length(f)?,
    })
}

/// The document as it is written: every key, defaults included. Reading it is [`parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesJson(pub Arc<Rules>);

impl Default for RulesJson {
    fn default() -> Self {
        Self(Arc::new(Rules::default()))
    }
}

impl<'de> Deserialize<'de> for RulesJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        parse(&value.to_string()).map(|rules| Self(Arc::new(rules))).map_err(serde::de::Error::custom)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    max_mic_count: u32,
    host_seat: bool,
    max_queue_len: usize,
    queue_mode: ModeJson,
    timeout_seconds: u64,
    turn_max_total_seconds: u64,
    on_deck_size: usize,
    max_jumped_by: u32,
    hold_seconds_queue: u64,
    hold_seconds_seat: u64,
    apply_ttl_seconds: u64,
    invite_ttl_seconds: u64,
    rejoin_cooldown_seconds: u64,
    stream_stop_grace_seconds: u64,
    mode_grace_seconds: u64,
    mode_min_interval_seconds: u64,
    chair_min_level: u32,
    access: &'static str,
    blacklist: Vec<&'a str>,
    whitelist: Vec<&'a str>,
    roles: Vec<RoleJson<'a>>,
    special_user_list: Vec<SpecialJson<'a>>,
    time_based_rules: Vec<WindowJson<'a>>,
}

#[derive(Serialize)]
struct RoleJson<'a> {
    role_id: &'a str,
    level: u32,
    priority_level: i64,
    can_skip_queue: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    perms: &'a [String],
}

#[derive(Serialize)]
struct SpecialJson<'a> {
    user_id: &'a str,
    priority_level: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
}

#[derive(Serialize)]
struct WindowJson<'a> {
    name: &'a str,
    days: Vec<&'static str>,
    start: String,
    end: String,
    tz: &'a str,
    boost: BTreeMap<&'a str, i64>,
    deny_roles: Vec<&'a str>,
    only_roles: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_queue_len: Option<usize>,
}

const fn seconds(span: Millis) -> u64 {
    span.0 / 1000
}

impl Serialize for RulesJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let r = &*self.0;
        Document {
            max_mic_count: r.max_mic_count,
            host_seat: r.host_seat,
            max_queue_len: r.max_queue_len,
            queue_mode: r.queue_mode.into(),
            timeout_seconds: seconds(r.timeout),
            turn_max_total_seconds: seconds(r.turn_max_total),
            on_deck_size: r.on_deck_size,
            max_jumped_by: r.max_jumped_by,
            hold_seconds_queue: seconds(r.hold_queue),
            hold_seconds_seat: seconds(r.hold_seat),
            apply_ttl_seconds: seconds(r.apply_ttl),
            invite_ttl_seconds: seconds(r.invite_ttl),
            rejoin_cooldown_seconds: seconds(r.rejoin_cooldown),
            stream_stop_grace_seconds: seconds(r.stream_stop_grace),
            mode_grace_seconds: seconds(r.mode_grace),
            mode_min_interval_seconds: seconds(r.mode_min_interval),
            chair_min_level: r.chair_min_level,
            access: match r.access {
                Access::Open => "open",
                Access::Blacklist => "blacklist",
                Access::Whitelist => "whitelist",
            },
            blacklist: r.blacklist.iter().map(UserId::as_str).collect(),
            whitelist: r.whitelist.iter().map(UserId::as_str).collect(),
            roles: r.roles.iter().map(role_json).collect(),
            special_user_list: r.specials.iter().map(special_json).collect(),
            time_based_rules: r.windows.iter().map(window_json).collect(),
        }
        .serialize(serializer)
    }
}

fn role_json(role: &RoleRule) -> RoleJson<'_> {
    RoleJson {
        role_id: role.id.as_str(),
        level: role.level,
        priority_level: role.priority,
        can_skip_queue: role.can_skip_queue,
        timeout_seconds: role.timeout.map(seconds),
        perms: &role.perms,
    }
}

fn special_json(special: &Special) -> SpecialJson<'_> {
    SpecialJson { user_id: special.user.as_str(), priority_level: special.priority, until_ms: special.until.map(|until| until.0) }
}

fn window_json(window: &Window) -> WindowJson<'_> {
    WindowJson {
        name: &window.name,
        days: window.days.iter().map(|day| day.name()).collect(),
        start: window.start.to_string(),
        end: window.end.to_string(),
        tz: window.zone.name(),
        boost: window.boost.iter().map(|(role, boost)| (role.as_str(), *boost)).collect(),
        deny_roles: window.deny_roles.iter().map(RoleId::as_str).collect(),
        only_roles: window.only_roles.iter().map(RoleId::as_str).collect(),
        timeout_seconds: window.timeout.map(seconds),
        max_queue_len: window.max_queue_len,
    }
}
