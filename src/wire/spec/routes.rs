//! The table of routes of the clients' listener. The server makes its router from it and `openapi.rs` the document, so neither can have a route
//! that the other lacks.

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

/// What a command may be refused with.
const COMMANDED: &[u16] = &[404, 409, 410];
/// What somebody who reads a room may be refused with.
const READ: &[u16] = &[404];
const WAIT: &str = "How long to wait if nothing is new, in milliseconds; more than 25,000 counts as 25,000.";

/// Every route.
pub const ROUTES: &[Route] = &[
    Route {
        operation: Operation::MintToken,
        method: Method::Post,
        path: "/api/online-status/rts-token",
        who: Who::Backends,
        about: "Mints a client token.",
        query: &[],
        body: Some(("mint", r#"{"user_id":"kol_123","user_type":"kol","room_id":"r1","role":"admin","expire_time":3600}"#)),
        answer: ("minted", r#"{"token":"eyJ…","signature":"eyJ…","user_id":"kol_123","expires_at_ms":1798700000000}"#),
        errors: &[],
    },
    Route {
        operation: Operation::Statuses,
        method: Method::Get,
        path: "/api/online-status",
        who: Who::People,
        about: "The shown statuses of up to 500 people. Nobody is unknown: who was never seen is offline.",
        query: &[("user_ids", "ids!", "kol_123,u9", "User ids with commas between them.")],
        body: None,
        answer: ("hub_userOnlineStatus", STATUSES),
        errors: &[],
    },
    Route {
        operation: Operation::ManyStatuses,
        method: Method::Post,
        path: "/api/online-status",
        who: Who::People,
        about: "As GET, for people whose ids do not fit into a query.",
        query: &[],
        body: Some(("who", r#"{"user_ids":["kol_123","u9"]}"#)),
        answer: ("hub_userOnlineStatus", STATUSES),
        errors: &[],
    },
    Route {
        operation: Operation::KickUser,
        method: Method::Post,
        path: "/api/users/{user_id}/kick",
        who: Who::Backends,
        about: "Ends every session of somebody at once, as if he had said `user_offline`; his sockets are closed with 4003, and tokens from before are refused.",
        query: &[],
        body: None,
        answer: ("kicked", r#"{"user_id":"u9","sessions":2}"#),
        errors: &[],
    },
    Route {
        operation: Operation::BanUser,
        method: Method::Post,
        path: "/api/users/{user_id}/ban",
        who: Who::Backends,
        about: "As kick, and keeps him out for so many seconds, or for ever. The body may be empty.",
        query: &[],
        body: Some(("ban", r#"{"seconds":3600}"#)),
        answer: ("kicked", r#"{"user_id":"u9","sessions":2,"until_ms":1700003600000}"#),
        errors: &[],
    },
    Route {
        operation: Operation::UnbanUser,
        method: Method::Post,
        path: "/api/users/{user_id}/unban",
        who: Who::Backends,
        about: "Ends a ban.",
        query: &[],
        body: None,
        answer: ("kicked", r#"{"user_id":"u9","sessions":0}"#),
        errors: &[],
    },
    Route {
        operation: Operation::ListRooms,
        method: Method::Get,
        path: "/api/rooms",
        who: Who::Backends,
        about: "The rooms by name, and how many people are in each.",
        query: &[
            ("cursor", "text", "", "The `cursor` of the page before."),
            ("limit", "1..1000", "100", "How many rooms make a page, 100 if nothing is said."),
        ],
        body: None,
        answer: ("room_list", r#"{"rooms":[{"room_id":"r1","online":42}],"cursor":null}"#),
        errors: &[],
    },
    Route {
        operation: Operation::CreateRoom,
        method: Method::Post,
        path: "/api/rooms",
        who: Who::Backends,
        about: "Makes a room with an owner and rules: 201. One that is there already stays as it is: 200. Either way its snapshot.",
        query: &[],
        body: Some(("new_room", r#"{"room_id":"r1","owner_user_id":"admin1","rules":{"max_mic_count":4,"timeout_seconds":60}}"#)),
        answer: ("hub_room_snapshot", SNAPSHOT),
        errors: &[410],
    },
    Route {
        operation: Operation::Snapshot,
        method: Method::Get,
        path: "/api/rooms/{room_id}",
        who: Who::People,
        about: "The state of a room. With `If-None-Match`: 304 while nothing has changed.",
        query: &[],
        body: None,
        answer: ("hub_room_snapshot", SNAPSHOT),
        errors: READ,
    },
    Route {
        operation: Operation::CloseRoom,
        method: Method::Delete,
        path: "/api/rooms/{room_id}",
        who: Who::People,
        about: "Closes a room for ever, as the command `room_close`: a backend always, a person if his role allows it.",
        query: &[("reason", "text200", "over", "A text that everybody is told.")],
        body: None,
        answer: ("hub_ack", r#"{"type":"ack","room_id":"r1","rev":43,"event":"room_closed","by":"service","reason":"over"}"#),
        errors: COMMANDED,
    },
    Route {
        operation: Operation::Updates,
        method: Method::Get,
        path: "/api/rooms/{room_id}/updates",
        who: Who::People,
        about: "What has happened since a position, at once or as soon as something does. With `Accept: text/event-stream` for ever, an event per frame.",
        query: &[
            (
                "cursor",
                "text",
                "43.000000000000a91b",
                "The position that the client has. Any other text: the answer is a snapshot.",
            ),
            ("wait_ms", "wait", "0", WAIT),
            (
                "token",
                "text",
                "",
                "A client token, for event streams of pages alone, which can send no header; only with `auth.query_token`.",
            ),
        ],
        body: None,
        answer: ("updates", r#"{"updates":[],"cursor":"43.000000000000a91b"}"#),
        errors: READ,
    },
    Route {
        operation: Operation::Members,
        method: Method::Get,
        path: "/api/rooms/{room_id}/members",
        who: Who::People,
        about: "A page of the people in a room.",
        query: &[
            ("offset", "count", "0", "How many to skip."),
            ("limit", "0..200", "50", "How many make a page, 200 if nothing is said."),
        ],
        body: None,
        answer: (
            "hub_ack",
            r#"{"type":"ack","room_id":"r1","members":[{"user_id":"u1","user_type":"user","role":"owner","status":"online"}],"total":1}"#,
        ),
        errors: READ,
    },
    Route {
        operation: Operation::Command,
        method: Method::Post,
        path: "/api/rooms/{room_id}/commands",
        who: Who::People,
        about: "A room command or a room message, as over the socket. A backend acts as itself or names whom it acts for.",
        query: &[],
        body: Some(("command", r#"{"type":"queue_remove","target_user_ids":["u9"],"op_id":"remove-1","act_as":"admin1"}"#)),
        answer: (
            "hub_ack",
            r#"{"type":"ack","room_id":"r1","rev":42,"event":"queue_left","user_id":"u9","reason":"removed","by":"admin1"}"#,
        ),
        errors: &[404, 409, 410],
    },
    Route {
        operation: Operation::History,
        method: Method::Get,
        path: "/api/rooms/{room_id}/history",
        who: Who::People,
        about: "What happened in a room, oldest first; for backends, and for admins of the room.",
        query: &[
            ("user_id", "user", "u9", "Only events about this person."),
            ("from_ms", "count", "0", "From this time on, in Unix milliseconds."),
            ("to_ms", "count", "4102444800000", "Up to this time, in Unix milliseconds."),
            ("cursor", "mark", "", "The `cursor` of the page before."),
            (
                "limit",
                "1..1000",
                "200",
                "How many events at least make a page, 200 if nothing is said; a commit is never cut in two.",
            ),
        ],
        body: None,
        answer: (
            "history",
            r#"{"events":[{"room_id":"r1","rev":42,"event":"queue_left","user_id":"u9","reason":"self","by":"u9","at_ms":1700000000000}],"cursor":null}"#,
        ),
        errors: READ,
    },
    Route {
        operation: Operation::Messages,
        method: Method::Get,
        path: "/api/rooms/{room_id}/messages",
        who: Who::People,
        about: "Messages that are kept, oldest first: after a position, before one, or the newest. With `Accept: text/event-stream` for ever, an event per message.",
        query: &[
            (
                "since",
                "text",
                "8.000000000000a8f1",
                "The position that the client has. Any other text: the newest page, marked `skipped`.",
            ),
            ("before", "text", "9.000000000000a8f9", "The position of the message before which the page ends."),
            ("limit", "1..200", "50", "How many messages make a page, 50 if nothing is said."),
            ("wait_ms", "wait", "0", WAIT),
            ("token", "text", "", "As for updates."),
        ],
        body: None,
        answer: (
            "messages",
            r#"{"messages":[{"type":"room_message","room_id":"r1","seq":9,"msg_cursor":"9.000000000000a8f9","from_user_id":"u1","class":"must","kind":"gift","body":"rose","at_ms":1700000000000}],"cursor":"9.000000000000a8f9","more":false}"#,
        ),
        errors: READ,
    },
    Route {
        operation: Operation::Say,
        method: Method::Post,
        path: "/api/rooms/{room_id}/messages",
        who: Who::People,
        about: "Says something in a room: a person in it, a backend as itself or for a member.",
        query: &[],
        body: Some(("saying", r#"{"class":"must","kind":"gift","body":"rose","dedup_id":"gift-1"}"#)),
        answer: ("hub_ack", r#"{"type":"ack","room_id":"r1","seq":9,"msg_cursor":"9.000000000000a8f9","at_ms":1700000000000}"#),
        errors: &[404, 409, 410],
    },
    Route {
        operation: Operation::PublishTicket,
        method: Method::Get,
        path: "/api/rooms/{room_id}/publish-ticket",
        who: Who::People,
        about: "A ticket with which somebody on a seat may publish to a media server.",
        query: &[("user_id", "user!", "u1", "For whom; with a client token it may be absent.")],
        body: None,
        answer: (
            "publish_ticket",
            r#"{"ticket":"cjE…","room_id":"r1","user_id":"u1","seat_no":2,"grant":77,"expires_at_ms":1700000060000}"#,
        ),
        errors: &[404, 409, 410],
    },
    Route {
        operation: Operation::PollHeartbeat,
        method: Method::Post,
        path: "/api/poll/heartbeat",
        who: Who::People,
        about: "Opens or keeps the session of a client without a socket, and enters rooms. The person is the token's; a backend names him.",
        query: &[],
        body: Some(("poll", r#"{"user_id":"u1","user_type":"user","rooms":[{"room_id":"r1"}]}"#)),
        answer: (
            "polled",
            r#"{"type":"welcome","session_id":"9f2c","user_id":"u1","user_type":"user","resumed":false,"session_token":"dTE…","server_time_ms":1700000000000,"heartbeat_interval_ms":30000,"heartbeat_timeout_ms":60000,"ping_interval_ms":25000,"node":"a1","version":"0.1.0","rooms":[{"room_id":"r1","recovered":false,"cursor":"43.000000000000a91b"}],"messages":[]}"#,
        ),
        errors: &[],
    },
    Route {
        operation: Operation::PollFrame,
        method: Method::Post,
        path: "/api/poll/frame",
        who: Who::People,
        about: "One frame as over the socket, of a client without one: its room stands in it. What belongs to a socket is `bad_argument` at `/type`.",
        query: &[],
        body: Some(("frame", r#"{"type":"status_change","status":"busy","act_as":"u1"}"#)),
        answer: ("framed", r#"{"type":"ack","id":7}"#),
        errors: &[404, 409, 410],
    },
    Route {
        operation: Operation::Live,
        method: Method::Get,
        path: "/api/media/{source}/live",
        who: Who::Backends,
        about: "What is on air at a media server, as the hub takes it.",
        query: &[],
        body: None,
        answer: (
            "live",
            r#"{"source":"srs1","streams":[{"space":"live","stream":"r1_u1","session":"s7","room_id":"r1","user_id":"u1"}]}"#,
        ),
        errors: READ,
    },
    Route {
        operation: Operation::MediaUid,
        method: Method::Get,
        path: "/api/media/{source}/uid",
        who: Who::People,
        about: "The number by which Agora knows somebody: given out once, remembered, the same on every node.",
        query: &[("user_id", "user!", "u1", "Whose; with a client token it may be absent.")],
        body: None,
        answer: ("media_uid", r#"{"source":"agora1","user_id":"u1","uid":3190837265}"#),
        errors: READ,
    },
    Route {
        operation: Operation::Hook,
        method: Method::Post,
        path: "/api/hooks/{source}/{secret}",
        who: Who::Anyone,
        about: "A callback of a media server; its body is the vendor's. The source's secret is part of the address.",
        query: &[],
        body: Some(("callback", "")),
        answer: ("thanks", r#"{"code":0}"#),
        errors: &[401, 404],
    },
    Route {
        operation: Operation::NamedHook,
        method: Method::Post,
        path: "/api/hooks/{source}/{secret}/{*hook}",
        who: Who::Anyone,
        about: "As above, for media servers that call an address per kind of event.",
        query: &[],
        body: Some(("callback", "")),
        answer: ("thanks", r#"{"code":0,"msg":"ok"}"#),
        errors: &[401, 404],
    },
    Route {
        operation: Operation::OpenApi,
        method: Method::Get,
        path: "/api/openapi.json",
        who: Who::Anyone,
        about: "This document.",
        query: &[],
        body: None,
        answer: ("document", r#"{"openapi":"3.1.0"}"#),
        errors: &[],
    },
    Route {
        operation: Operation::AsyncApi,
        method: Method::Get,
        path: "/api/asyncapi.json",
        who: Who::Anyone,
        about: "The socket as AsyncAPI 3.0.",
        query: &[],
        body: None,
        answer: ("document", r#"{"asyncapi":"3.0.0"}"#),
        errors: &[],
    },
];

const STATUSES: &str = r#"{"type":"userOnlineStatus","user_status":[{"user_id":"kol_123","user_type":"kol","online":true,"status":"busy","last_seen":1640995200}]}"#;
const SNAPSHOT: &str =
    r#"{"type":"room_snapshot","room_id":"r1","cursor":"0.000000000000a91b","rev":0,"state":{},"server_time_ms":1700000000000}"#;
