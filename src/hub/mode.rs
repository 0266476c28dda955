//! A room's few switches: open or closed, how people come to the mic, what is on.

/// Whether a room still takes commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Status {
    Open,
    Closed,
}

/// How people come to the mic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Whoever is allowed takes an empty guest seat.
    Free,
    /// By an approved application or an invitation.
    Apply,
    /// By promotion from the queue.
    Queue,
    /// By assignment; only people of a level speak.
    Chair,
}

/// A switch of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "see Flags")]
pub enum Flag {
    QueueOpen,
    FloorControlled,
    MuteAll,
}

/// The room's switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Off: nobody below admin may join the queue.
    pub queue_open: bool,
    /// On: turn holders are silenced and their clocks stand.
    pub floor_controlled: bool,
    /// On: everybody below admin is silenced.
    pub mute_all: bool,
}
