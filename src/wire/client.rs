//! What a client says: one frame → one typed value.
use super::{
    command,
    fields::{BadFrame, Fields},
    heartbeat,
    message::{self, Saying},
};
use crate::hub::{
    code::Code,
    command::{Command, IfRev},
    cursor::Cursor,
    id::{CommitId, OpId, RoomId, UserId, UserType},
    permission,
    presence::Status,
    time::Millis,
};
use std::borrow::Cow;

/// The longest direct `message`, in bytes.
pub const MESSAGE_BYTES: usize = 4096;
/// How many rooms one session may be in.
pub const ROOMS_MAX: usize = 64;
/// How many people a page of members has at most.
pub const MEMBERS_MAX: usize = 200;
/// How many people one request watches, or does not watch any more.
const WATCH_MAX: usize = 1000;

/// The fields that name the sender.
const SENDERS: [&str; 2] = ["user_id", "from_user_id"];

/// A frame with its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Echoed in the reply.
    pub id: Option<i64>,
    /// The idempotency key.
    pub op_id: Option<OpId>,
    /// The precondition.
    pub if_rev: Option<IfRev>,
    /// Whom the frame names as its sender, `user_id` or `from_user_id`.
    pub senders: Vec<UserId>,
    /// What it says.
    pub frame: ClientFrame,
}

/// What a client can say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those that PROTOCOL.md lists under the same names")]
pub enum ClientFrame {
    UserOnline(Box<UserOnline>),
    Heartbeat {
        ts_ms: Option<i64>,
    },
    /// `None` = `offline`: shown offline while connected.
    StatusChange {
        status: Choice,
    },
    Message {
        to: UserId,
        message: String,
    },
    UserOffline,
    /// `on` false: blocked no longer.
    BlockUsers {
        users: Vec<UserId>,
        on: bool,
    },
    BlockedUsers,
    RequestOnlineStatus {
        users: Vec<UserId>,
    },
    WatchStatus {
        users: Vec<UserId>,
    },
    UnwatchStatus {
        users: Vec<UserId>,
    },
    RefreshToken {
        token: String,
    },
    RoomJoin {
        room: RoomId,
        since: Since,
    },
    RoomLeave {
        room: RoomId,
    },
    RoomSync {
        room: RoomId,
        cursor: Option<Cursor>,
    },
    RoomMembers {
        room: RoomId,
        offset: usize,
        limit: usize,
    },
    RoomMessage {
        room: RoomId,
        saying: Saying,
    },
    Room {
        room: RoomId,
        command: Command,
    },
}

/// The status that somebody chooses for himself; `Online` = no choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the wire names")]
pub enum Choice {
    Online,
    Busy,
    Away,
    Offline,
}

impl From<Choice> for Status {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Online => Self::Online,
            Choice::Busy => Self::Busy,
            Choice::Away => Self::Away,
            Choice::Offline => Self::Offline,
        }
    }
}

/// The frame that opens a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct UserOnline {
    /// Echoed in the welcome.
    pub id: Option<i64>,
    /// `None`: whose token it is.
    pub user: Option<UserId>,
    pub user_type: UserType,
    pub token: Option<String>,
    pub session_token: Option<String>,
    /// Up to where the client had its mail when the session had no socket.
    pub heard: Option<String>,
    pub rooms: Vec<(RoomId, Since)>,
    /// Which try to come back this is, counted from 1; for the operators' numbers only.
    pub attempt: Option<u64>,
    /// How long the client was away.
    pub down_ms: Option<u64>,
}

impl From<heartbeat::Beat<'_>> for Parsed {
    fn from(beat: heartbeat::Beat<'_>) -> Self {
        Self {
            id: beat.id,
            op_id: None,
            if_rev: None,
            senders: beat.user_id.and_then(|user| UserId::parse(user).ok()).into_iter().collect(),
            frame: ClientFrame::Heartbeat { ts_ms: beat.ts_ms },
        }
    }
}

/// Reads a frame. Errors: `bad_request`, `bad_argument` with a path, `unknown_type`, `message_too_large`; never a panic.
pub fn parse(text: &str) -> Result<Parsed, BadFrame> {
    if let Some(beat) = heartbeat::read(text) {
        return Ok(beat.into());
    }
    parse_frame(text, None, None)
}

/// Reads a command as HTTP sends it: its `room_id` may be absent, since the path names the room.
pub fn parse_for_room(text: &str, room: &RoomId) -> Result<Parsed, BadFrame> {
    parse_frame(text, Some(room), None)
}

/// Reads a room message as HTTP sends it: as [`parse_for_room`], and the path names the type too.
pub fn parse_message_for_room(text: &str, room: &RoomId) -> Result<Parsed, BadFrame> {
    parse_frame(text, Some(room), Some("room_message"))
}

fn parse_frame(text: &str, path_room: Option<&RoomId>, path_kind: Option<&'static str>) -> Result<Parsed, BadFrame> {
    let fields = Fields::parse(text)?;
    let id = fields.integer("id").ok().flatten();
    let named = || fields.text("type").ok().flatten();
    let Some(kind) = path_kind.map(Cow::Borrowed).or_else(named) else {
        return Err(BadFrame { id, ..BadFrame::request("a type") });
    };
    read(&kind, &fields, path_room).map_err(|bad| {
        let senders = SENDERS.iter().filter_map(|name| fields.user(name).ok().flatten()).collect();
        let judged = matches!(bad.code, Code::BadArgument | Code::MessageTooLarge) && needs_room(&kind);
        let room = if judged { path_room.cloned().or_else(|| fields.room("room_id").ok()) } else { None };
        BadFrame { id, senders, room, ..bad }
    })
}

/// Tells whether a frame of this type is about a room that must be there already.
fn needs_room(kind: &str) -> bool {
    matches!(kind, "room_leave" | "room_sync" | "room_members" | "room_message") || permission::NAMES.contains(&kind)
}

fn read(kind: &str, f: &Fields, room: Option<&RoomId>) -> Result<Parsed, BadFrame> {
    let id = f.integer("id")?;
    let frame = frame(kind, f, room)?;
    let senders = SENDERS.iter().filter_map(|name| f.user(name).transpose()).collect::<Result<_, _>>()?;
    Ok(Parsed { id, op_id: f.op_id("op_id")?, if_rev: if_rev(f)?, senders, frame })
}

fn frame(kind: &str, f: &Fields, path_room: Option<&RoomId>) -> Result<ClientFrame, BadFrame> {
    let room = || match path_room {
        Some(room) if !f.has("room_id") => Ok(room.clone()),
        Some(room) => f
            .room("room_id")
            .and_then(|named| if named == *room { Ok(named) } else { Err(f.wrong("room_id", "the room of the path")) }),
        None => f.room("room_id"),
    };
    Ok(match kind {
        "heartbeat" => {
            check_inherited(f)?;
            ClientFrame::Heartbeat { ts_ms: f.integer("ts_ms")? }
        }
        "user_online" => ClientFrame::UserOnline(Box::new(user_online(f)?)),
        "status_change" => {
            check_inherited(f)?;
            ClientFrame::StatusChange { status: status(f)? }
        }
        "message" => {
            let to = f.needed_user("to_user_id")?;
            check_inherited(f)?;
            if f.text("message")?.is_some_and(|message| message.len() > MESSAGE_BYTES) {
                return Err(BadFrame { code: Code::MessageTooLarge, ..f.wrong("message", "at most 4096 bytes") });
            }
            let message = f.free_text("message", MESSAGE_BYTES)?.ok_or_else(|| f.wrong("message", "a text"))?;
            ClientFrame::Message { to, message }
        }
        "user_offline" => {
            check_inherited(f)?;
            ClientFrame::UserOffline
        }
        "request_online_status" => ClientFrame::RequestOnlineStatus { users: f.users("user_ids", 500)? },
        "watch_status" => ClientFrame::WatchStatus { users: f.users("user_ids", WATCH_MAX)? },
        "unwatch_status" => ClientFrame::UnwatchStatus { users: f.users("user_ids", WATCH_MAX)? },
        "block_users" => ClientFrame::BlockUsers { users: f.users("user_ids", 1000)?, on: true },
        "unblock_users" => ClientFrame::BlockUsers { users: f.users("user_ids", 1000)?, on: false },
        "blocked_users" => ClientFrame::BlockedUsers,
        "refresh_token" => {
            let token = f.text("token")?.ok_or_else(|| f.wrong("token", "a token"))?;
            ClientFrame::RefreshToken { token: token.into_owned() }
        }
        "room_join" => ClientFrame::RoomJoin { room: room()?, since: since(f)? },
        "room_leave" => ClientFrame::RoomLeave { room: room()? },
        "room_sync" => ClientFrame::RoomSync { room: room()?, cursor: cursor(f)? },
        "room_message" => ClientFrame::RoomMessage { room: room()?, saying: message::parse(f)? },
        "room_members" => {
            let small = |name, default, max| match f.number(name)?.unwrap_or(default) {
                n if n <= max => usize::try_from(n).map_err(|_| f.wrong(name, "a smaller number")),
                _ => Err(f.wrong(name, "a smaller number")),
            };
            ClientFrame::RoomMembers {
                room: room()?,
                offset: small("offset", 0, u64::from(u32::MAX))?,
                limit: small("limit", MEMBERS_MAX as u64, MEMBERS_MAX as u64)?,
            }
        }
        _ => match command::parse(kind, f)? {
            Some(command) => ClientFrame::Room { room: room()?, command },
            None => return Err(BadFrame { code: Code::UnknownType, ..BadFrame::request("a known type") }),
        },
    })
}

/// Looks at the inherited fields that nobody reads: a wrong one is a mistake that the client should hear of.
fn check_inherited(f: &Fields) -> Result<(), BadFrame> {
    user_type(f)?;
    f.check_number("timestamp")
}

fn user_type(f: &Fields) -> Result<Option<UserType>, BadFrame> {
    let Some(text) = f.text("user_type")? else { return Ok(None) };
    UserType::parse(&text).map(Some).map_err(|_| f.wrong("user_type", "a kind of user"))
}

fn user_online(f: &Fields) -> Result<UserOnline, BadFrame> {
    ["timestamp", "attempt", "down_ms"].iter().try_for_each(|name| f.check_number(name))?;
    let text = |name| Ok::<_, BadFrame>(f.text(name)?.map(|text| text.into_owned()));
    Ok(UserOnline {
        id: f.integer("id")?,
        attempt: f.number("attempt").ok().flatten(),
        down_ms: f.number("down_ms").ok().flatten(),
        user: f.user("user_id")?,
        user_type: match user_type(f)? {
            Some(user_type) => user_type,
            None => UserType::parse("user").map_err(|_| f.wrong("user_type", "a kind of user"))?,
        },
        token: text("token")?,
        session_token: text("session_token")?,
        heard: text("heard")?,
        rooms: rooms(f)?,
    })
}

/// What keeps a polling client's session alive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Poll {
    pub user: Option<UserId>,
    pub act_as: Option<UserId>,
    pub user_type: UserType,
    pub session_token: Option<String>,
    pub rooms: Vec<(RoomId, Since)>,
    /// The rooms that the session leaves.
    pub leave: Vec<RoomId>,
    /// The session ends with this.
    pub offline: bool,
    /// The client takes what a socket would get, and waits so long for it.
    pub wait: Option<Millis>,
    /// Up to where it has that.
    pub heard: Option<String>,
    /// Whom the session watches from here on.
    pub watch: Option<Vec<UserId>>,
    /// A session of its own, also if the person has one that polls.
    pub own_session: bool,
}

/// Reads the body of a polling heartbeat; nothing at all is an empty object. Errors: as for a frame.
pub fn parse_poll(text: &str) -> Result<Poll, BadFrame> {
    let f = &Fields::parse(if text.trim().is_empty() { "{}" } else { text })?;
    f.check_number("timestamp")?;
    Ok(Poll {
        user: f.user("user_id")?,
        act_as: f.user("act_as")?,
        user_type: user_type(f)?.unwrap_or_else(UserType::plain),
        session_token: f.text("session_token")?.map(|text| text.into_owned()),
        rooms: rooms(f)?,
        leave: f.rooms("leave", ROOMS_MAX)?,
        offline: f.flag("offline")?,
        wait: f.number("wait_ms")?.map(Millis),
        heard: f.text("heard")?.map(|text| text.into_owned()),
        watch: f.raw("watch").map(|_| f.some_users("watch", WATCH_MAX)).transpose()?,
        own_session: f.flag("own_session")?,
    })
}

fn rooms(f: &Fields) -> Result<Vec<(RoomId, Since)>, BadFrame> {
    f.objects("rooms", ROOMS_MAX)?.iter().map(|room| Ok((room.room("room_id")?, since(room)?))).collect()
}

fn status(f: &Fields) -> Result<Choice, BadFrame> {
    match f.text("status")?.as_deref() {
        Some("online") => Ok(Choice::Online),
        Some("busy") => Ok(Choice::Busy),
        Some("away") => Ok(Choice::Away),
        Some("offline") => Ok(Choice::Offline),
        _ => Err(f.wrong("status", "online, busy, away or offline")),
    }
}

/// Where a client stands in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// In the room's log; `None` = nowhere.
    pub cursor: Option<Cursor>,
    /// In the messages that are kept; `None` = it asks for none.
    pub messages: Option<Cursor>,
}

fn since(f: &Fields) -> Result<Since, BadFrame> {
    Ok(Since { cursor: cursor(f)?, messages: f.text("msg_cursor")?.as_deref().map(msg_cursor) })
}

/// Reads a position in the messages. One that nobody can have issued is an unknown one, not an error.
#[must_use]
pub fn msg_cursor(text: &str) -> Cursor {
    Cursor::parse(text).unwrap_or(NOWHERE)
}

/// A position that nothing ever reaches.
const NOWHERE: Cursor = Cursor { rev: u64::MAX, commit: CommitId(0) };

/// A cursor that nobody can have issued is an unknown position, not an error.
fn cursor(f: &Fields) -> Result<Option<Cursor>, BadFrame> {
    Ok(f.text("cursor")?.as_deref().and_then(Cursor::parse))
}

fn if_rev(f: &Fields) -> Result<Option<IfRev>, BadFrame> {
    let Some(raw) = f.raw("if_rev") else { return Ok(None) };
    if raw.get().starts_with('"') {
        let cursor = f.text("if_rev")?.as_deref().and_then(Cursor::parse);
        return Ok(Some(IfRev::Cursor(cursor.unwrap_or(NOWHERE))));
    }
    Ok(f.number("if_rev")?.map(IfRev::Rev))
}
