//! The rules document as the model reads it, and the windows, minute by minute.
use serde_json::{Value, json};

/// The rules in force: the merged document and its scalars.
#[derive(Clone, Debug)]
pub struct Rules {
    pub doc: Value,
    pub max_mic_count: u64,
    pub host_seat: bool,
    pub max_queue_len: usize,
    pub queue_mode: String,
    pub timeout: u64,
    pub turn_max: u64,
    pub on_deck_size: usize,
    pub max_jumped_by: u64,
    pub hold_queue: u64,
    pub hold_seat: u64,
    pub apply_ttl: u64,
    pub invite_ttl: u64,
    pub cooldown: u64,
    pub stream_grace: u64,
    pub mode_grace: u64,
    pub mode_interval: u64,
    pub chair_min: u64,
}

/// The document of a room that says nothing.
pub fn defaults() -> Value {
    json!({
        "max_mic_count": 8, "host_seat": true, "max_queue_len": 100, "queue_mode": "queue", "timeout_seconds": 180,
        "turn_max_total_seconds": 900, "on_deck_size": 1, "max_jumped_by": 10, "hold_seconds_queue": 120,
        "hold_seconds_seat": 30, "apply_ttl_seconds": 60, "invite_ttl_seconds": 30, "rejoin_cooldown_seconds": 0,
        "stream_stop_grace_seconds": 5, "mode_grace_seconds": 3, "mode_min_interval_seconds": 2, "chair_min_level": 600,
        "access": "open", "blacklist": [], "whitelist": [], "roles": [], "special_user_list": [], "time_based_rules": [],
    })
}

impl Rules {
    /// Reads a document that is known to be good.
    pub fn parse(given: &Value) -> Self {
        let mut doc = defaults();
        for (key, value) in given.as_object().into_iter().flatten() {
            doc[key] = value.clone();
        }
        let n = |key: &str| doc[key].as_u64().unwrap_or(0);
        let ms = |key: &str| n(key) * 1000;
        let size = |key: &str| usize::try_from(n(key)).unwrap_or(0);
        Self {
            max_mic_count: n("max_mic_count"),
            host_seat: doc["host_seat"] == true,
            max_queue_len: size("max_queue_len"),
            queue_mode: doc["queue_mode"].as_str().unwrap_or("queue").to_owned(),
            timeout: ms("timeout_seconds"),
            turn_max: ms("turn_max_total_seconds"),
            on_deck_size: size("on_deck_size"),
            max_jumped_by: n("max_jumped_by"),
            hold_queue: ms("hold_seconds_queue"),
            hold_seat: ms("hold_seconds_seat"),
            apply_ttl: ms("apply_ttl_seconds"),
            invite_ttl: ms("invite_ttl_seconds"),
            cooldown: ms("rejoin_cooldown_seconds"),
            stream_grace: ms("stream_stop_grace_seconds"),
            mode_grace: ms("mode_grace_seconds"),
            mode_interval: ms("mode_min_interval_seconds"),
            chair_min: n("chair_min_level"),
            doc,
        }
    }

    /// Returns a list of the document.
    pub fn list(&self, key: &str) -> &[Value] {
        self.doc[key].as_array().map_or(&[], Vec::as_slice)
    }

    /// Returns what the document says of a role.
    pub fn role(&self, role: &str) -> Option<&Value> {
        self.list("roles").iter().find(|r| r["role_id"] == role)
    }

    /// Returns a role's level; `None` = there is no such role.
    pub fn level(&self, role: &str) -> Option<u64> {
        let built_in = match role {
            "owner" => return Some(1000),
            "admin" => Some(800),
            "host" => Some(600),
            "vip" => Some(200),
            "member" => Some(100),
            "guest" => Some(10),
            _ => None,
        };
        self.role(role).and_then(|r| r["level"].as_u64()).or(built_in)
    }

    /// Returns the windows that are active at `now`, in their order.
    pub fn windows(&self, now: u64) -> Vec<&Value> {
        self.list("time_based_rules").iter().filter(|window| inside(window, now)).collect()
    }
}

/// Days since 1970-01-01 of a date.
const fn days_of(y: i64, m: i64, d: i64) -> i64 {
    // Counted the plain way, from the March before.
    let (y, m) = if m <= 2 { (y - 1, m + 12) } else { (y, m) };
    365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * (m - 3) + 2) / 5 + d - 1 - 719_468
}

fn year_of(days: i64) -> i64 {
    let mut y = 1970 + days / 366;
    while days_of(y + 1, 1, 1) <= days {
        y += 1;
    }
    y
}

/// 0 = Monday.
const fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

/// The `n`-th Sunday of a month; 9 = the last one.
fn sunday(y: i64, m: i64, n: i64) -> i64 {
    let first = (0..7).map(|d| days_of(y, m, 1) + d).find(|day| weekday(*day) == 6).unwrap_or(0);
    let next = if m == 12 { days_of(y + 1, 1, 1) } else { days_of(y, m + 1, 1) };
    (0..n).map(|week| first + 7 * week).take_while(|day| *day < next).last().unwrap_or(first)
}

/// The offset from UTC in minutes, for the zones that the simulator uses; the summer-time laws as of today.
pub fn offset(tz: &str, now: u64) -> i64 {
    let minute = i64::try_from(now / 60_000).unwrap_or(0);
    let y = year_of(minute / 1440);
    match tz {
        "Asia/Shanghai" => 480,
        "Asia/Kolkata" => 330,
        "Europe/Berlin" => {
            let (from, to) = (sunday(y, 3, 9) * 1440 + 60, sunday(y, 10, 9) * 1440 + 60);
            if (from..to).contains(&minute) { 120 } else { 60 }
        }
        "America/New_York" => {
            let (from, to) = (sunday(y, 3, 2) * 1440 + 7 * 60, sunday(y, 11, 1) * 1440 + 6 * 60);
            if (from..to).contains(&minute) { -240 } else { -300 }
        }
        _ => 0,
    }
}

/// Tells whether a window is active.
pub fn inside(window: &Value, now: u64) -> bool {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let clock = |key: &str| {
        let (h, m) = window[key].as_str().and_then(|text| text.split_once(':')).unwrap_or(("0", "0"));
        h.parse::<i64>().unwrap_or(0) * 60 + m.parse::<i64>().unwrap_or(0)
    };
    let local = i64::try_from(now / 60_000).unwrap_or(0) + offset(window["tz"].as_str().unwrap_or("UTC"), now);
    let (day, minute) = (local.div_euclid(1440), local.rem_euclid(1440));
    let on = |day: i64| {
        let listed = window["days"].as_array().map_or(&[][..], Vec::as_slice);
        listed.is_empty() || listed.iter().any(|d| d == DAYS[usize::try_from(weekday(day)).unwrap_or(0)])
    };
    let (start, end) = (clock("start"), clock("end"));
    if start < end {
        on(day) && (start..end).contains(&minute)
    } else {
        (on(day) && minute >= start) || (on(day - 1) && minute < end)
    }
}

/// Tells whether a list of texts holds one.
pub fn has(list: &Value, text: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|item| item == text))
}
