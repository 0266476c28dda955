//! Time windows against a slow oracle that goes minute by minute with its own calendar: fixed offsets and their dates, no zone database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::{
    hub::{
        rules::Rules,
        time::UnixMs,
        windows::{Window, opens_at},
    },
    wire::rules::parse,
};
use proptest::prelude::*;

const MINUTE: u64 = 60_000;
const HOUR: i64 = 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Zones of 2026: minutes east of Greenwich, and from when on (Unix seconds).
const ZONES: &[(&str, &[(u64, i64)])] = &[
    ("UTC", &[(0, 0)]),
    ("Asia/Shanghai", &[(0, 8 * HOUR)]),
    ("Asia/Kathmandu", &[(0, 5 * HOUR + 45)]),
    ("Europe/Berlin", &[(0, HOUR), (1_774_746_000, 2 * HOUR), (1_792_890_000, HOUR)]),
    ("America/New_York", &[(0, -5 * HOUR), (1_772_953_200, -4 * HOUR), (1_793_512_800, -5 * HOUR)]),
    ("Australia/Lord_Howe", &[(0, 11 * HOUR), (1_775_314_800, 10 * HOUR + 30), (1_791_041_400, 11 * HOUR)]),
];

/// A window as the oracle sees it.
#[derive(Clone, Debug)]
struct Plain {
    zone: usize,
    days: Vec<usize>,
    start: i64,
    end: i64,
}

impl Plain {
    /// Walks from the calendar alone: minutes since the epoch by the wall, hence the day of the week (1 January 1970 was a Thursday).
    fn inside(&self, now: u64) -> bool {
        let seconds = now / 1000;
        let offset = ZONES[self.zone].1.iter().rev().find(|(from, _)| *from <= seconds).unwrap().1;
        let wall = i64::try_from(seconds / 60).unwrap() + offset;
        let (day, at) = (usize::try_from((wall.div_euclid(1440) + 3).rem_euclid(7)).unwrap(), wall.rem_euclid(1440));
        let listed = |day: usize| self.days.is_empty() || self.days.contains(&day);
        if self.start < self.end {
            listed(day) && at >= self.start && at < self.end
        } else {
            (listed(day) && at >= self.start) || (listed((day + 6) % 7) && at < self.end)
        }
    }

    fn json(&self, fields: &str) -> String {
        let wall = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let days: Vec<String> = self.days.iter().map(|day| format!("{:?}", DAYS[*day])).collect();
        format!(
            r#"{{"name":"w","days":[{}],"start":"{}","end":"{}","tz":"{}"{fields}}}"#,
            days.join(","),
            wall(self.start),
            wall(self.end),
            ZONES[self.zone].0
        )
    }
}

fn windows(list: &[String]) -> Vec<Window> {
    parse(&format!(r#"{{"time_based_rules":[{}]}}"#, list.join(","))).unwrap().windows
}

fn plain() -> impl Strategy<Value = Plain> {
    // Half of the times lie where clocks change.
    let time = || prop_oneof![0i64..1440, 0i64..240];
    // A third leaves only some minutes of a day.
    let open = prop_oneof![2 => Just(None), 1 => (1i64..40).prop_map(Some)];
    let days = prop_oneof![Just(Default::default()), proptest::collection::btree_set(0usize..7, 0..4)];
    (0..ZONES.len(), days, time(), time(), open).prop_map(|(zone, days, start, end, open)| {
        let end = open.map_or(end, |minutes| (start - minutes).rem_euclid(1440));
        Plain { zone, days: days.into_iter().collect(), start, end: if start == end { (end + 1) % 1440 } else { end } }
    })
}

/// Some time within five days of a change of the clocks.
fn near_a_change() -> impl Strategy<Value = u64> {
    let changes: Vec<u64> = ZONES.iter().flat_map(|(_, shifts)| shifts.iter().skip(1).map(|(at, _)| *at)).collect();
    let minutes = prop_oneof![0u64..10 * 1440, 5u64 * 1440 - 180..5 * 1440 + 180];
    (proptest::sample::select(changes), minutes, 0..MINUTE)
        .prop_map(|(at, minutes, rest)| (at - 5 * 86_400) * 1000 + minutes * MINUTE + rest)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn a_window_is_open_when_the_oracle_says_so(plain in plain(), from in near_a_change()) {
        let window = windows(&[plain.json("")]).remove(0);
        for minute in 0..1440 {
            let now = from + minute * MINUTE;
            prop_assert_eq!(window.inside(UnixMs(now)), plain.inside(now), "{:?} at {}", plain, now);
        }
    }

    #[test]
    fn the_opening_is_the_first_minute_that_admits(list in proptest::collection::vec((plain(), any::<bool>()), 1..5), now in near_a_change()) {
        let json: Vec<String> = list
            .iter()
            .map(|(plain, only)| plain.json(if *only { r#","only_roles":["vip"]"# } else { r#","deny_roles":["member","host"]"# }))
            .collect();
        let found = opens_at(&windows(&json), "member", UnixMs(now));
        let refused = |at: u64| list.iter().any(|(plain, _)| plain.inside(at));
        let last = now + 8 * 1440 * MINUTE;
        let first = (now.div_ceil(MINUTE)..=last / MINUTE).map(|minute| minute * MINUTE).find(|at| !refused(*at));
        prop_assert_eq!(found, first.map(UnixMs));
        // Only what refuses him counts.
        let vip = opens_at(&windows(&json), "vip", UnixMs(now));
        prop_assert_eq!(vip, Some(UnixMs(now.div_ceil(MINUTE) * MINUTE)));
    }
}

#[test]
fn edges() {
    // Friday 1 May 2026, 20:00 in Shanghai.
    let eight = 1_777_636_800_000;
    let window = |start, end, day: usize| Plain { zone: 1, days: vec![day], start, end };
    let open = |plain: &Plain, now: u64| windows(&[plain.json("")])[0].inside(UnixMs(now));
    let evening = window(20 * HOUR, 22 * HOUR, 4);
    for (now, expected) in [(eight - 1, false), (eight, true), (eight + 120 * MINUTE - 1, true), (eight + 120 * MINUTE, false)] {
        assert_eq!(open(&evening, now), expected, "{now}");
    }
    let night = window(22 * HOUR, 2 * HOUR, 4);
    let midnight = eight + 240 * MINUTE;
    for (now, expected) in [
        (midnight - 121 * MINUTE, false),
        (midnight - 120 * MINUTE, true),
        (midnight, true),
        (midnight + 120 * MINUTE - 1, true),
        (midnight + 120 * MINUTE, false),
        (midnight - 24 * 60 * MINUTE, false),
    ] {
        assert_eq!(open(&night, now), expected, "a night that began on Friday, at {now}");
    }
    let all_week = vec![window(0, 23 * HOUR + 59, 4).json(r#","deny_roles":["member"]"#).replace("\"fri\"", "")];
    let at = opens_at(&windows(&all_week), "member", UnixMs(midnight)).unwrap();
    assert_eq!(at, UnixMs(midnight + 1439 * MINUTE), "the one minute that is left of a day");
    // 02:00 on Sunday, 29 March 2026, never comes in Berlin, and the night that began on Saturday goes over into the next one.
    let zone = ZONES.iter().position(|(name, _)| *name == "Europe/Berlin").unwrap();
    let nights = [Plain { zone, days: vec![5, 6], start: 121, end: 120 }.json(r#","deny_roles":["member"]"#)];
    assert_eq!(opens_at(&windows(&nights), "member", UnixMs(1_774_659_600_001)), Some(UnixMs(1_774_828_800_000)));
    // 01:34 comes twice in Lord Howe on Sunday, 5 April 2026; the second time lies ahead of somebody refused since 01:35.
    let zone = ZONES.iter().position(|(name, _)| *name == "Australia/Lord_Howe").unwrap();
    let always = [Plain { zone, days: vec![], start: 95, end: 94 }.json(r#","deny_roles":["member"]"#)];
    assert_eq!(opens_at(&windows(&always), "member", UnixMs(1_775_313_600_000)), Some(UnixMs(1_775_315_040_000)));
    let never = [all_week[0].clone(), window(23 * HOUR, HOUR, 4).json(r#","only_roles":["vip"]"#).replace("\"fri\"", "")];
    assert_eq!(opens_at(&windows(&never), "member", UnixMs(eight)), None);
}

#[test]
fn the_last_open_window_gives_the_numbers() {
    let evening = Plain { zone: 1, days: vec![], start: 20 * HOUR, end: 22 * HOUR };
    let late = Plain { start: 21 * HOUR, ..evening.clone() };
    let list = [evening.json(r#","timeout_seconds":120,"max_queue_len":200"#), late.json(r#","timeout_seconds":0"#)];
    let text = format!(
        r#"{{"timeout_seconds":60,"max_queue_len":5,"roles":[{{"role_id":"vip","timeout_seconds":300}}],"time_based_rules":[{}]}}"#,
        list.join(",")
    );
    let rules: Rules = parse(&text).unwrap();
    let eight = 1_777_636_800_000;
    let of = |role: &str, now: u64| rules.turn_length(role, UnixMs(now)).map(|length| length.0 / 1000);
    assert_eq!((of("member", eight - 1), of("vip", eight - 1)), (Some(60), Some(300)));
    assert_eq!((of("member", eight), of("vip", eight)), (Some(120), Some(120)), "a window is above the role");
    assert_eq!(of("vip", eight + 60 * MINUTE), None, "0 is unlimited, and the last one's word counts");
    assert_eq!(rules.queue_limit(UnixMs(eight - 1)), 5);
    assert_eq!(rules.queue_limit(UnixMs(eight + 60 * MINUTE)), 200);
}
