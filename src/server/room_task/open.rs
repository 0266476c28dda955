//! How a room comes into memory: loaded, created for its first member, or refused to everybody who asks.
use super::{Seat, error_frame, follow::Follow, to_shard, unavailable};
use crate::server::{
    msg::{Class, RoomMsg, ShardMsg},
    room_log::{self, Tail},
    rooms::{refusal, refuse},
};
use crate::{
    hub::{code::Code, id::CommitId, room::Room},
    wire::record::encode_room,
};

/// Loads the room, or creates it for its first member. `None`: there is none, everybody has heard so, and the task is out of the directory.
pub(super) async fn open(seat: &mut Seat, follow: &mut Option<Follow>) -> Option<(Room, Tail, Option<RoomMsg>)> {
    let rooms = seat.rooms.clone();
    let deps = rooms.deps();
    // What is told from here on is kept until the room is loaded.
    *follow = Follow::begin(&*deps.store, &seat.id).await;
    loop {
        let code = match room_log::load(&*deps.store, &seat.id).await {
            Ok(Some((room, tail))) => return Some((room, tail, None)),
            Ok(None) => Code::RoomNotFound,
            Err(fault) => {
                tracing::error!(room = %seat.id, %fault, "a room cannot be loaded");
                Code::Unavailable
            }
        };
        let message = seat.mailbox.recv().await?;
        // Where a store has lost what it held, a room may come back from another node's memory.
        let wiped = deps.cluster.as_ref().is_some_and(|cluster| cluster.is_wiped());
        let code = if wiped && code == Code::RoomNotFound { Code::Unavailable } else { code };
        if let (Code::RoomNotFound, true, RoomMsg::Join { member, .. }) = (code, deps.settings.load().auto_create, &message) {
            let (rules, commit) = (deps.settings.load().rules.clone(), CommitId(rand::random()));
            let room = Room::create(seat.id.clone(), member.user.clone(), rules, commit, deps.clock.now());
            match deps.store.create(&seat.id, room.head, encode_room(&room)).await {
                Ok(true) => {
                    let tail = Tail::new(room.head);
                    return Some((room, tail, Some(message)));
                }
                Ok(false) => {
                    let (room, tail) = room_log::load(&*deps.store, &seat.id).await.ok().flatten()?;
                    return Some((room, tail, Some(message)));
                }
                Err(error) => tracing::error!(room = %seat.id, %error, "a room cannot be created"),
            }
            turn_away(seat, message, Code::Unavailable).await;
        } else {
            turn_away(seat, message, code).await;
        }
        while let Ok(message) = seat.mailbox.try_recv() {
            if matches!(message, RoomMsg::Join { .. }) && code == Code::RoomNotFound && deps.settings.load().auto_create {
                // The next in line may create it.
                let _ = seat.rooms.post(&seat.id, message);
                break;
            }
            turn_away(seat, message, code).await;
        }
        if rooms.leave(&seat.id, seat.generation, &seat.mailbox) {
            deps.store.unfollow(&seat.id);
            return None;
        }
    }
}

async fn turn_away(seat: &Seat, message: RoomMsg, code: Code) {
    if matches!(message, RoomMsg::Command { .. }) {
        seat.waiting.taken();
    }
    if let RoomMsg::Join { member, .. } = &message {
        member.rooms.remove(&seat.id);
    }
    let refusal = match code {
        Code::Unavailable => unavailable("none"),
        code => refusal(code),
    };
    let mut errors = Vec::new();
    refuse(message, &refusal, |to, id, refusal| errors.push((to, error_frame(id, refusal))));
    for (to, frame) in errors {
        to_shard(&seat.rooms, to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
    }
}
