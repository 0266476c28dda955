//! `POST /api/poll/heartbeat`: the session of a client without a connection is opened, goes on, or ends.
use super::{
    Api,
    listen::{self, Listener},
    read::{WAIT_MAX, wants_stream},
};
use crate::server::{
    auth::{Claims, SessionClaim},
    http::{Caller, text},
    msg::{Class, Frame, Mailbox, RoomMsg, ToRooms},
    net::{
        failure::{Failure, reply},
        watch::user_status,
    },
    presence::{Entered, Opening, Seen, TooMany},
    rooms::entry::{Entry, fresh_session},
};
use crate::{
    hub::{
        code::Code,
        id::{RoomId, UserId, UserType},
        time::Millis,
    },
    wire::{
        client::{self, Poll, Since},
        codec::text_frame,
        fields::BadFrame,
        server::{PollAnswer, json},
    },
};
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::value::RawValue;

pub(in crate::server) async fn heartbeat(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    let caller = api.caller(&headers)?;
    let poll = client::parse_poll(text(&body)?)?;
    let stream = wants_stream(&headers);
    // They share the connection's buffer, which is free for the next request without them.
    drop((headers, body));
    let (user, claims) = identify(caller, &poll)?;
    let all = &api.sessions;
    if poll.watch.as_ref().is_some_and(|users| exceeds(users.len(), all.settings.load().watches_per_session)) {
        return Err(Failure::new(Code::TooMany));
    }
    if all.auth.allow(&user, claims.as_ref()).is_err() {
        return Err(Failure::new(Code::Forbidden));
    }
    let Some(user_type) = all.settings.load().kind_of(claims.as_ref(), &poll.user_type) else {
        return Err(BadFrame::argument("/user_type".to_owned(), "a known kind of user").into());
    };
    let resume = poll.session_token.and_then(|token| all.auth.verify_session(&token)).filter(|claim| claim.user == user);
    let opening = Opening {
        user: user.clone(),
        user_type: user_type.clone(),
        resume: resume.map(|claim| claim.session),
        fresh: fresh_session().ok_or_else(|| Failure::new(Code::Internal))?,
        own: poll.own_session,
        heard: poll.heard.clone(),
        conn: None,
        seen: Seen::new(all.clock.now()),
        issued_ms: claims.as_ref().map_or_else(|| all.clock.wall_ms(), |claims| claims.issued_ms),
        set: Default::default(),
    };
    let entered = match all.presence.open(opening).await {
        Some(Ok(entered)) => entered,
        Some(Err(TooMany)) => return Err(Failure::new(Code::TooMany)),
        None => return Err(Failure::new(Code::Unavailable)),
    };
    let person = Person { api: &api, user: &user, user_type: &user_type, claims: claims.as_ref() };
    let wants = Wants {
        stream,
        wait: poll.wait,
        heard: poll.heard,
        watch: poll.watch,
        rooms: poll.rooms,
        leave: poll.leave,
        offline: poll.offline,
    };
    enter(person, entered, wants).await
}

/// Tells whether something is over a cap; 0 = there is none.
const fn exceeds(count: usize, max: usize) -> bool {
    max > 0 && count > max
}

/// Finds out who polls: the token says it, or a backend names him.
fn identify(caller: Caller, poll: &Poll) -> Result<(UserId, Option<Claims>), Failure> {
    match caller {
        Caller::Person(claims) if poll.act_as.is_some() => {
            drop(claims);
            Err(Failure::new(Code::Forbidden))
        }
        Caller::Person(claims) if poll.user.as_ref().is_some_and(|user| *user != claims.user) => {
            Err(Failure::new(Code::IdentityMismatch))
        }
        Caller::Person(claims) => Ok((claims.user.clone(), Some(*claims))),
        Caller::Service | Caller::Anybody => match (&poll.act_as, &poll.user) {
            (Some(user), Some(named)) if user != named => Err(Failure::new(Code::IdentityMismatch)),
            (Some(user), _) | (None, Some(user)) => Ok((user.clone(), None)),
            (None, None) => Err(BadFrame::argument("/user_id".to_owned(), "this field").into()),
        },
    }
}

/// Who polls.
struct Person<'a> {
    api: &'a Api,
    user: &'a UserId,
    user_type: &'a UserType,
    claims: Option<&'a Claims>,
}

/// Where a session wants to be, and what it wants to hear.
struct Wants {
    stream: bool,
    wait: Option<Millis>,
    heard: Option<String>,
    watch: Option<Vec<UserId>>,
    rooms: Vec<(RoomId, Since)>,
    leave: Vec<RoomId>,
    offline: bool,
}

/// Returns the rooms named, and besides them those in which the session was on another node, or on a socket.
fn besides(mut named: Vec<(RoomId, Since)>, before: &[RoomId]) -> Vec<(RoomId, Since)> {
    let unnamed = |room: &&RoomId| named.iter().all(|(other, _)| other != *room);
    let more: Vec<RoomId> = before.iter().filter(unnamed).cloned().collect();
    named.extend(more.into_iter().map(|room| (room, Since::default())));
    named
}

async fn enter(person: Person<'_>, entered: Entered, wants: Wants) -> Result<Response, Failure> {
    let Person { api, user, user_type, claims } = person;
    let all = &api.sessions;
    let Entered { session, resumed, kept, rooms: before, set, watches } = entered;
    let max = all.settings.load().rooms_per_session;
    let entry = Entry { rooms: &all.rooms, max, user, user_type, session: &session, conn: None, set: &set, claims };
    let rooms = if wants.offline { Vec::new() } else { besides(wants.rooms, &before) };
    let listens = !wants.offline && (wants.stream || wants.wait.is_some());
    // Whoever waits again only says where he is in his rooms: it would bring him back into one that has put him out a moment ago.
    let goes_on = set.listener().is_some() && (wants.stream || wants.wait.is_some_and(|wait| wait > Millis(0)));
    let joined = entry.enter_all(if goes_on { Vec::new() } else { rooms.clone() }).await;
    for room in &wants.leave {
        all.rooms.post(room, RoomMsg::Leave { session: session.clone(), reply: None });
        set.remove(room);
    }
    all.presence.rooms(session.clone(), set.list());
    let forgotten: Vec<RoomId> = before.into_iter().filter(|room| !set.contains(room)).collect();
    if !forgotten.is_empty() {
        all.presence.forget(user.clone(), session.clone(), forgotten);
    }
    let claim = SessionClaim { user: user.clone(), session: session.clone() };
    let token = all.auth.session_token(&claim);
    let mut mail = kept;
    if wants.offline {
        all.presence.end(session.clone());
    } else {
        let letters = all.letters.take(user).await;
        mail.splice(0..0, letters.iter().map(|letter| Frame(text_frame(letter.as_bytes()))));
    }
    let user_status = match wants.watch {
        Some(users) => Some(user_status(&all.presence.listen(session.clone(), users).await)),
        // A session that comes from a socket goes on watching.
        None if listens && set.listener().is_none() && !watches.is_empty() => {
            Some(user_status(&all.presence.listen(session.clone(), watches).await))
        }
        None => None,
    };
    let welcome = all.welcome(user, user_type, &session, &token, resumed, joined);
    let mut answer = PollAnswer { welcome, messages: Vec::new(), frames: None, heard: None, user_status };
    if !listens {
        match wants.heard {
            // It listens in another request.
            Some(position) => drop(set.mail().heard(&position)),
            None => mail.extend(set.some_mail().into_iter().flat_map(Mailbox::take)),
        }
        let mail: Vec<Bytes> = mail.iter().map(Frame::payload).collect();
        answer.messages = raw(&mail);
        return Ok(reply(StatusCode::OK, json(&answer).into()));
    }
    for frame in mail {
        set.mail().push(frame, Class::Must);
    }
    let mut listener = Listener::new(api, claims, &set, rooms, &answer.welcome.rooms, wants.heard.as_deref());
    if wants.stream {
        return Ok(listen::begin(listener, json(&answer).into()));
    }
    let news = listener.news(wants.wait.unwrap_or(Millis(0)).min(WAIT_MAX)).await;
    (answer.frames, answer.heard) = (Some(raw(&news.frames)), Some(news.heard));
    Ok(reply(StatusCode::OK, json(&answer).into()))
}

fn raw(frames: &[Bytes]) -> Vec<&RawValue> {
    frames.iter().filter_map(|frame| serde_json::from_slice(frame).ok()).collect()
}
