//! What a route of the clients' listener is: what is asked, how, by whom, and what comes back.

macro_rules! operations {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// What can be asked over HTTP.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Operation { $($(#[doc = $doc])* $name,)* }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

operations! {
    /// A backend mints a client token.
    MintToken,
    /// Statuses of people named in the query.
    Statuses,
    /// Statuses of people named in the body.
    ManyStatuses,
    /// A backend ends somebody's sessions.
    KickUser,
    /// A backend keeps somebody out.
    BanUser,
    /// A backend lets somebody in again.
    UnbanUser,
    /// A backend looks at all rooms.
    ListRooms,
    /// A backend makes a room.
    CreateRoom,
    /// A room's state.
    Snapshot,
    /// A room is closed for ever.
    CloseRoom,
    /// What follows a position.
    Updates,
    /// Who is in a room.
    Members,
    /// A room command.
    Command,
    /// What happened in a room.
    History,
    /// What was said in a room.
    Messages,
    /// Something is said in a room.
    Say,
    /// A ticket for a media server.
    PublishTicket,
    /// The session of a client without a socket.
    PollHeartbeat,
    /// A frame of a client without a socket.
    PollFrame,
    /// What is on air.
    Live,
    /// The number by which a media server knows somebody.
    MediaUid,
    /// A callback of a media server that has one address for all.
    Hook,
    /// A callback of a media server that has an address per kind.
    NamedHook,
    /// This document.
    OpenApi,
    /// The socket's document.
    AsyncApi,
}

/// How something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are those of HTTP")]
pub enum Method {
    Get,
    Post,
    Delete,
}

impl Method {
    /// Returns its name in the document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Delete => "delete",
        }
    }
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody: what is told is no secret, or the address itself is one.
    Anyone,
    /// People with a token, and backends.
    People,
    /// Backends alone.
    Backends,
}

/// A route of the clients' listener.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Route {
    pub operation: Operation,
    pub method: Method,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    pub who: Who,
    pub(super) about: &'static str,
    /// Parameters of the query: name, kind as in `shape.rs`, an example, what it is.
    pub(super) query: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// The name of the body's schema, and an example.
    pub(super) body: Option<(&'static str, &'static str)>,
    /// The name of the answer's schema, and an example.
    pub(super) answer: (&'static str, &'static str),
    /// Statuses of refusals beyond those that every route of its kind has.
    pub(super) errors: &'static [u16],
}

impl Route {
    /// Tells whether a request has a body.
    #[must_use]
    pub const fn takes_body(&self) -> bool {
        self.body.is_some()
    }
}
