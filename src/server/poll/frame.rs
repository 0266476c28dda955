//! `POST /api/poll/frame`: what a client without a socket wants to say, in the frames of the socket.
use super::Api;
use crate::{
    hub::{actor::Actor, code::Code, id::UserId},
    server::{
        http::{actor_of, check_senders, not_read, run_command, text as http_text},
        net::{
            failure::{Failure, reply},
            watch::user_status,
        },
    },
    wire::{
        client::{self, ClientFrame},
        fields::{BadFrame, Fields},
        letters::blocked_ack,
        server::{Ack, UserOnlineStatus, json},
    },
};
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;

#[derive(Serialize)]
struct Nothing {}

/// Does what one frame asks for, and answers as the socket does. Errors: also a frame that only a socket can carry.
pub(in crate::server) async fn frame(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    let caller = api.caller(&headers)?;
    let text = http_text(&body)?;
    let parsed = match client::parse(text) {
        Ok(parsed) => parsed,
        Err(bad) => return Err(not_read(&api, caller, text, bad).await),
    };
    let id = parsed.id;
    let answered = async {
        let room = match &parsed.frame {
            ClientFrame::Room { room, .. } | ClientFrame::RoomMessage { room, .. } => Some(room.clone()),
            _ => None,
        };
        if let Some(room) = room {
            return run_command(&api, caller, room, text, parsed).await;
        }
        let (actor, _) = actor_of(caller, Fields::parse(text)?.user("act_as")?)?;
        check_senders(&actor, &parsed.senders)?;
        let answer = match parsed.frame {
            ClientFrame::StatusChange { status } => {
                if !api.presence.choose(person(actor, &parsed.senders)?, status.into()).await {
                    return Err(Failure::new(Code::UserNotReachable));
                }
                json(&Ack { id, fields: Nothing {} })
            }
            ClientFrame::Message { to, message } => {
                let from = person(actor, &parsed.senders)?;
                let delivered = api.sessions.send_message(&from, to, &message).await?;
                json(&Ack { id, fields: delivered })
            }
            ClientFrame::BlockUsers { users, on } => {
                let user = person(actor, &parsed.senders)?;
                blocked_ack(id, &*api.sessions.letters.block(&user, &users, on).await?)
            }
            ClientFrame::BlockedUsers => {
                let user = person(actor, &parsed.senders)?;
                blocked_ack(id, &*api.sessions.letters.blocked(&user).await?)
            }
            ClientFrame::RequestOnlineStatus { users } => {
                let shown = api.presence.states(users).await;
                json(&UserOnlineStatus { id, user_status: &user_status(&shown) })
            }
            _ => return Err(BadFrame::argument("/type".to_owned(), "a frame that needs no socket").into()),
        };
        Ok(reply(StatusCode::OK, answer.into()))
    };
    answered.await.map_err(|failure: Failure| failure.to(id))
}

/// Finds the person who says it: a backend names him by `act_as`, or as the sender.
fn person(actor: Actor, senders: &[UserId]) -> Result<UserId, Failure> {
    match (actor, senders) {
        (Actor::User(user), _) => Ok(user),
        (_, [user, rest @ ..]) if rest.iter().all(|other| other == user) => Ok(user.clone()),
        (_, [_, ..]) => Err(Failure::new(Code::IdentityMismatch)),
        (_, []) => Err(BadFrame::argument("/act_as".to_owned(), "the person who says it").into()),
    }
}
