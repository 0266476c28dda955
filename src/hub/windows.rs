//! Time windows: when, in some zone's wall time, a part of the rules holds, and when somebody refused by hours may try again.
//! The only file that knows time zones; it never asks what time it is.
use super::{
    id::RoleId,
    time::{Millis, UnixMs},
};
use jiff::{Span, Timestamp, civil, tz::TimeZone};
use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
};

/// How far ahead an opening is looked for.
pub const OPENS_WITHIN: Millis = Millis::from_seconds(8 * 24 * 3600);

const MINUTE: u64 = 60_000;
/// How many days the end of an opening is looked for: openings can follow each other without a gap only where the clocks change.
const NIGHTS: usize = 5;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// Every day, Monday first.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// Returns the name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    const fn of(weekday: civil::Weekday) -> Self {
        match weekday {
            civil::Weekday::Monday => Self::Mon,
            civil::Weekday::Tuesday => Self::Tue,
            civil::Weekday::Wednesday => Self::Wed,
            civil::Weekday::Thursday => Self::Thu,
            civil::Weekday::Friday => Self::Fri,
            civil::Weekday::Saturday => Self::Sat,
            civil::Weekday::Sunday => Self::Sun,
        }
    }
}

/// A time zone of the IANA database that is built in.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Zone {
    /// Finds a zone by its IANA name. `None` = there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name).ok()?;
        Some(Self { name: name.to_owned(), zone })
    }

    /// Returns the IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Names every zone that this version knows, in alphabetical order.
#[must_use]
pub fn zones() -> Vec<String> {
    let mut names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    names.sort();
    names
}

/// A wall time: minutes since midnight, below 1440.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(u16);

impl WallTime {
    /// Parses `"HH:MM"`, 00:00 to 23:59.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let (hour, minute): (u16, u16) =
            if two(hour) && two(minute) { (hour.parse().ok()?, minute.parse().ok()?) } else { return None };
        (hour < 24 && minute < 60).then_some(Self(hour * 60 + minute))
    }

    fn of(time: civil::Time) -> Self {
        let part = |part: i8| u16::try_from(part).unwrap_or(0);
        Self(part(time.hour()) * 60 + part(time.minute()))
    }

    fn civil(self) -> civil::Time {
        let part = |part: u16| i8::try_from(part).unwrap_or(0);
        civil::Time::new(part(self.0 / 60), part(self.0 % 60), 0, 0).unwrap_or(civil::Time::MIN)
    }
}

impl std::fmt::Display for WallTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Hours of the week, and what holds within them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// For people.
    pub name: String,
    /// The days on which it begins; empty = every day.
    pub days: Vec<Day>,
    /// The wall time at which it begins.
    pub start: WallTime,
    /// The wall time at which it ends, never `start`; before it = on the following day.
    pub end: WallTime,
    /// Whose wall time.
    pub zone: Zone,
    /// What it adds to the priority of a role, -1000..=1000.
    pub boost: BTreeMap<RoleId, i64>,
    /// The roles that it refuses.
    pub deny_roles: Vec<RoleId>,
    /// The roles that alone it admits; empty = all.
    pub only_roles: Vec<RoleId>,
    /// How long turns that start within it last; 0 = unlimited, `None` = it does not say.
    pub timeout: Option<Millis>,
    /// How many may wait within it; `None` = it does not say.
    pub max_queue_len: Option<usize>,
}

impl Window {
    /// Tells whether it is open at this time.
    #[must_use]
    pub fn inside(&self, now: UnixMs) -> bool {
        self.local(now).is_some_and(|local| self.contains(local))
    }

    /// Tells whether it refuses this role while it is open.
    #[must_use]
    pub fn refuses(&self, role: &str) -> bool {
        let names = |list: &[RoleId]| list.iter().any(|id| id.as_str() == role);
        names(&self.deny_roles) || (!self.only_roles.is_empty() && !names(&self.only_roles))
    }

    fn local(&self, now: UnixMs) -> Option<civil::DateTime> {
        let at = Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?;
        Some(self.zone.zone.to_datetime(at))
    }

    fn contains(&self, local: civil::DateTime) -> bool {
        let at = WallTime::of(local.time());
        let listed = |day: civil::Weekday| self.days.is_empty() || self.days.contains(&Day::of(day));
        let (today, yesterday) = (local.date().weekday(), local.date().weekday().previous());
        if self.start < self.end {
            listed(today) && self.start <= at && at < self.end
        } else {
            (listed(today) && self.start <= at) || (listed(yesterday) && at < self.end)
        }
    }

    /// Returns the next time at which it is not open, for a window that is open now. `None` = the zone knows no such time.
    fn closes_after(&self, now: UnixMs) -> Option<UnixMs> {
        let yesterday = self.local(now)?.date().yesterday().ok()?;
        // The first end that lies ahead: it may come twice, or never, in a night; where clocks go back, also one of the day before.
        // Where the next opening has begun by then, the end of that one.
        let end = yesterday.series(Span::new().days(1)).take(NIGHTS).find_map(|date| {
            let end = self.zone.zone.to_ambiguous_timestamp(date.to_datetime(self.end.civil()));
            let ends = [end.earlier().ok(), end.later().ok()];
            let ahead = ends.into_iter().flatten().filter_map(unix).filter(|at| *at > now);
            ahead.filter(|at| !self.inside(*at)).min()
        });
        let from = Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?;
        let shifts = self.zone.zone.following(from).filter_map(|shift| unix(shift.timestamp()));
        let shift = shifts.take_while(|at| end.is_none_or(|end| *at < end)).take(8).find(|at| !self.inside(*at));
        shift.or(end)
    }
}

fn unix(at: Timestamp) -> Option<UnixMs> {
    u64::try_from(at.as_millisecond()).ok().map(UnixMs)
}

/// Returns the first whole minute from `now` on at which no window refuses this role, within [`OPENS_WITHIN`].
///
/// Cost: O(windows × their openings within that time).
#[must_use]
pub fn opens_at(windows: &[Window], role: &str, now: UnixMs) -> Option<UnixMs> {
    let refusing: Vec<&Window> = windows.iter().filter(|window| window.refuses(role)).collect();
    let last = now.plus(OPENS_WITHIN);
    let mut at = UnixMs(now.0.div_ceil(MINUTE).saturating_mul(MINUTE));
    while let Some(window) = refusing.iter().find(|window| window.inside(at)) {
        let closes = window.closes_after(at)?;
        at = UnixMs(closes.0.div_ceil(MINUTE).saturating_mul(MINUTE));
        if at > last {
            return None;
        }
    }
    Some(at)
}
