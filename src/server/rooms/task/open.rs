//! How a room comes into memory: loaded, created for its first member, or refused to everybody who asks.
use super::{Home, error_frame, follow::Follow, to_shard, unavailable};
use crate::server::{
    msg::{Class, Created, RoomMsg, ShardMsg, ToRooms, refusal},
    rooms::refuse,
    store::log::{self, Tail},
};
use crate::{
    hub::{
        code::Code,
        id::{CommitId, UserId},
        room::Room,
        rules::Rules,
    },
    wire::{record::encode_room, server::room_snapshot},
};
use std::sync::Arc;

/// Loads the room, or creates it for its first member. `None`: there is none, everybody has heard so, and the task is out of the directory.
pub(super) async fn open(home: &mut Home, follow: &mut Option<Follow>) -> Option<(Room, Tail, Option<RoomMsg>)> {
    let rooms = home.rooms.clone();
    let deps = rooms.deps();
    // What is told from here on is kept until the room is loaded.
    *follow = Follow::begin(&*deps.store, &home.id).await;
    loop {
        let code = match log::load(&*deps.store, &home.id).await {
            Ok(Some((room, tail))) => return Some((room, tail, None)),
            Ok(None) => Code::RoomNotFound,
            Err(fault) => {
                tracing::error!(room = %home.id, %fault, "a room cannot be loaded");
                Code::Unavailable
            }
        };
        let message = *home.mailbox.recv().await?;
        // Where a store has lost what it held, a room may come back from another node's memory.
        let wiped = deps.cluster.as_ref().is_some_and(|cluster| cluster.is_wiped());
        let code = if wiped && code == Code::RoomNotFound { Code::Unavailable } else { code };
        let made = wanted(&message, deps.settings.load().auto_create).filter(|_| code == Code::RoomNotFound);
        if let Some((owner, rules)) = made {
            let (rules, commit) = (rules.unwrap_or_else(|| deps.settings.load().rules.clone()), CommitId(rand::random()));
            let room = Room::create(home.id.clone(), owner, rules, commit, deps.clock.now());
            match deps.store.create(&home.id, room.head, encode_room(&room)).await {
                Ok(true) => {
                    let tail = Tail::new(room.head);
                    let first = match message {
                        RoomMsg::Create { reply, .. } => {
                            let snapshot = room_snapshot(&room, deps.clock.now()).into();
                            let _ = reply.send(Ok(Created { new: true, snapshot }));
                            None
                        }
                        message => Some(message),
                    };
                    return Some((room, tail, first));
                }
                Ok(false) => {
                    let (room, tail) = log::load(&*deps.store, &home.id).await.ok().flatten()?;
                    return Some((room, tail, Some(message)));
                }
                Err(error) => tracing::error!(room = %home.id, %error, "a room cannot be created"),
            }
            turn_away(home, message, Code::Unavailable).await;
        } else {
            turn_away(home, message, code).await;
        }
        while let Ok(message) = home.mailbox.try_recv().map(|message| *message) {
            if wanted(&message, deps.settings.load().auto_create).is_some() && code == Code::RoomNotFound {
                // The next in line may create it.
                let _ = home.rooms.post(&home.id, message);
                break;
            }
            turn_away(home, message, code).await;
        }
        if rooms.leave(&home.id, home.generation, &home.mailbox) {
            deps.store.unfollow(&home.id);
            return None;
        }
    }
}

/// Who would own a new room, and the rules that he wants for it, if this message may make one.
fn wanted(message: &RoomMsg, auto_create: bool) -> Option<(UserId, Option<Arc<Rules>>)> {
    match message {
        RoomMsg::Create { owner, rules, .. } => Some((owner.clone(), rules.clone())),
        RoomMsg::Join { member, .. } if auto_create => Some((member.user.clone(), None)),
        _ => None,
    }
}

async fn turn_away(home: &Home, message: RoomMsg, code: Code) {
    if message.is_counted() {
        home.waiting.taken();
    }
    if let RoomMsg::Join { member, .. } = &message {
        member.rooms.remove(&home.id);
    }
    let refusal = match code {
        Code::Unavailable => unavailable("none"),
        code => refusal(code),
    };
    let mut errors = Vec::new();
    refuse(message, &refusal, |to, id, refusal| errors.push((to, error_frame(id, refusal))));
    for (to, frame) in errors {
        to_shard(&home.rooms, to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
    }
}
