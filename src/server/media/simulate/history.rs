//! What happens in one room of a media server, vendor by none: people publish, stop, publish again; the room ends and begins anew.
use rand::{RngExt, rngs::SmallRng};

/// How many people publish in a room.
const PEOPLE: usize = 3;
/// How many times somebody begins or stops, at most.
const STEPS_MAX: usize = 10;

/// What all rooms have in common.
pub(super) struct Plan {
    pub rooms: u32,
    /// Rooms may end and begin anew.
    pub epochs: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    RoomBegins,
    RoomEnds,
    /// A stream of this person begins or ends: his `session` counts how often he published.
    Stream {
        person: usize,
        session: u64,
        on: bool,
    },
}

/// One thing that happened: `at` rises by one with each, `epoch` with each life of the room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Happening {
    pub at: u64,
    pub epoch: u64,
    pub what: What,
}

/// Everything that happened in a room, in its true order.
#[derive(Debug)]
pub(super) struct History {
    pub room: u32,
    pub happenings: Vec<Happening>,
}

impl History {
    pub fn random(plan: &Plan, room: u32, random: &mut SmallRng) -> Self {
        let mut happenings = Vec::new();
        let mut at = 0;
        let epochs = if plan.epochs { random.random_range(1..=2) } else { 1 };
        for epoch in 0..epochs {
            let mut push = |what| {
                at += 1;
                happenings.push(Happening { at, epoch, what });
            };
            push(What::RoomBegins);
            let mut sessions = [0; PEOPLE];
            let mut on_air = [false; PEOPLE];
            for _ in 0..random.random_range(2..=STEPS_MAX) {
                let person = random.random_range(0..PEOPLE);
                let (Some(session), Some(on)) = (sessions.get_mut(person), on_air.get_mut(person)) else { continue };
                *session += u64::from(!*on);
                *on = !*on;
                push(What::Stream { person, session: *session, on: *on });
            }
            let ends = epoch + 1 < epochs || (plan.epochs && random.random_ratio(1, 5));
            if ends {
                push(What::RoomEnds);
            }
        }
        Self { room, happenings }
    }

    /// Returns who is on air in the end: person and session, and in which epoch.
    pub fn on_air(&self) -> Vec<(usize, u64, u64)> {
        let mut on_air = Vec::new();
        for happening in &self.happenings {
            match happening.what {
                What::RoomBegins | What::RoomEnds => on_air.clear(),
                What::Stream { person, session, on: true } => on_air.push((person, session, happening.epoch)),
                What::Stream { person, on: false, .. } => on_air.retain(|(known, ..)| *known != person),
            }
        }
        on_air
    }
}
