//! A room's rules as one value: limits, roles, lists, special people, time windows, and the defaults a new room starts from. It decides nothing.
use super::{
    id::{RoleId, UserId},
    mode::Mode,
    roles,
    time::{Millis, UnixMs},
    windows::Window,
};

/// How many roles a document may hold.
pub const ROLES_MAX: usize = 200;
/// How many special people a document may hold.
pub const SPECIALS_MAX: usize = 1000;
/// How many people one list may hold.
pub const LISTED_MAX: usize = 1000;
/// How many time windows a document may hold.
pub const WINDOWS_MAX: usize = 50;
/// How many bans and how many queue bans a room may hold.
pub const BANS_MAX: usize = 1000;

/// Why a rules document is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{path}: {message}")]
pub struct BadRules {
    /// A JSON pointer into the document; empty = the whole.
    pub path: String,
    /// What is expected there, for people.
    pub message: String,
}

/// Which lists decide who is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// None.
    Open,
    /// Whoever is on the blacklist is refused.
    Blacklist,
    /// As `Blacklist`, and whoever is not on the whitelist is refused as well.
    Whitelist,
}

/// What the document says about one role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleRule {
    /// The role, new or built in.
    pub id: RoleId,
    /// Its level, 0..=1000.
    pub level: u32,
    /// Added when somebody of this role joins the queue, -1000..=1000.
    pub priority: i64,
    /// Counts as above every number in the queue.
    pub can_skip_queue: bool,
    /// How long a turn of this role lasts; 0 = unlimited, `None` = as the room says.
    pub timeout: Option<Millis>,
    /// Commands that this role may use beyond its level's.
    pub perms: Vec<String>,
}

/// A person with a priority of his own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Special {
    /// Who.
    pub user: UserId,
    /// His priority, -1000..=1000.
    pub priority: i64,
    /// Until when; `None` = for ever.
    pub until: Option<UnixMs>,
}

/// The rules of a room. A change acts on the next join, promotion or turn; it never moves anybody who waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    /// How many guest seats, 1..=64.
    pub max_mic_count: u32,
    /// Whether seat 1 is a host seat; fixed at creation.
    pub host_seat: bool,
    /// How many may wait, 0..=2000; 0 = no queue.
    pub max_queue_len: usize,
    /// The mode of a new room.
    pub queue_mode: Mode,
    /// How long a turn lasts, up to a day; 0 = unlimited.
    pub timeout: Millis,
    /// How long a turn may become by extending it, up to a day; 0 = unlimited.
    pub turn_max_total: Millis,
    /// How many entries at the head are on deck, 0..=10; 0 = none.
    pub on_deck_size: usize,
    /// How often one entry may be overtaken by a rule, 0..=1000; 0 = never.
    pub max_jumped_by: u32,
    /// How long a place in the queue is kept for somebody away; 0 = no hold.
    pub hold_queue: Millis,
    /// How long a seat is kept for somebody away; 0 = no hold.
    pub hold_seat: Millis,
    /// How long an application is open, 5 s to an hour.
    pub apply_ttl: Millis,
    /// How long an invitation is open, 5 s to an hour.
    pub invite_ttl: Millis,
    /// How long somebody must wait before he may join again; 0 = none.
    pub rejoin_cooldown: Millis,
    /// How long after the end of his media stream somebody keeps his seat; 0 = not at all.
    pub stream_stop_grace: Millis,
    /// How long after a change to mode `queue` promotion begins.
    pub mode_grace: Millis,
    /// The least time between two changes of the mode.
    pub mode_min_interval: Millis,
    /// The least level that is heard in mode `chair`, 0..=1000.
    pub chair_min_level: u32,
    /// Which lists decide who is admitted.
    pub access: Access,
    /// Who is refused, unless `access` is `open`.
    pub blacklist: Vec<UserId>,
    /// Who is admitted if `access` is `whitelist`.
    pub whitelist: Vec<UserId>,
    /// Roles added to or changed from the built-in ones, each once.
    pub roles: Vec<RoleRule>,
    /// People with a priority of their own, each once.
    pub specials: Vec<Special>,
    /// What holds at certain hours, in the document's order.
    pub windows: Vec<Window>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_mic_count: 8,
            host_seat: true,
            max_queue_len: 100,
            queue_mode: Mode::Queue,
            timeout: Millis::from_seconds(180),
            turn_max_total: Millis::from_seconds(900),
            on_deck_size: 1,
            max_jumped_by: 10,
            hold_queue: Millis::from_seconds(120),
            hold_seat: Millis::from_seconds(30),
            apply_ttl: Millis::from_seconds(60),
            invite_ttl: Millis::from_seconds(30),
            rejoin_cooldown: Millis(0),
            stream_stop_grace: Millis::from_seconds(5),
            mode_grace: Millis::from_seconds(3),
            mode_min_interval: Millis::from_seconds(2),
            chair_min_level: roles::HOST,
            access: Access::Open,
            blacklist: Vec::new(),
            whitelist: Vec::new(),
            roles: Vec::new(),
            specials: Vec::new(),
            windows: Vec::new(),
        }
    }
}

impl Rules {
    /// Tells whether the blacklist counts and names `user`. Cost: O(list).
    #[must_use]
    pub fn blacklists(&self, user: &UserId) -> bool {
        self.access != Access::Open && self.blacklist.contains(user)
    }

    /// Tells whether the whitelist counts and does not name `user`. Cost: O(list).
    #[must_use]
    pub fn misses(&self, user: &UserId) -> bool {
        self.access == Access::Whitelist && !self.whitelist.contains(user)
    }

    /// Returns what the document says about a role; `None` = nothing.
    #[must_use]
    pub fn role(&self, role: &str) -> Option<&RoleRule> {
        self.roles.iter().find(|rule| rule.id.as_str() == role)
    }

    /// Returns the level of a role: the document's, else the built-in one; `None` = there is no such role.
    #[must_use]
    pub fn level_of_role(&self, role: &str) -> Option<u32> {
        if role == "owner" {
            return Some(roles::OWNER);
        }
        self.role(role).map_or_else(|| roles::built_in(role), |rule| Some(rule.level))
    }

    /// Returns the priority that `user` has in his own right now.
    #[must_use]
    pub fn special_priority(&self, user: &UserId, now: UnixMs) -> Option<i64> {
        let special = self.specials.iter().find(|special| special.user == *user)?;
        Some(special.priority).filter(|_| special.until.is_none_or(|until| until > now))
    }

    /// Returns the windows that are open now, in the document's order.
    pub fn open_windows(&self, now: UnixMs) -> impl DoubleEndedIterator<Item = &Window> {
        self.windows.iter().filter(move |window| window.inside(now))
    }

    /// Returns how many may wait now: the last open window's word, else the room's.
    #[must_use]
    pub fn queue_limit(&self, now: UnixMs) -> usize {
        self.open_windows(now).rev().find_map(|window| window.max_queue_len).unwrap_or(self.max_queue_len)
    }

    /// Returns how long a turn of this role that starts now lasts: window > role > room; `None` = unlimited.
    #[must_use]
    pub fn turn_length(&self, role: &str, now: UnixMs) -> Option<Millis> {
        let by_window = self.open_windows(now).rev().find_map(|window| window.timeout);
        let length = by_window.or_else(|| self.role(role)?.timeout).unwrap_or(self.timeout);
        Some(length).filter(|length| *length > Millis(0))
    }
}
