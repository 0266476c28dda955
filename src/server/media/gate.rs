//! Who may publish: whoever sits, by the grant that his ticket names, unmuted by an admin, in an open room.
use super::owner::Owner;
use crate::hub::{
    code::Code,
    id::{RoomId, UserId},
};
use crate::server::{
    msg::{Refusal, RoomMsg, Standing},
    rooms::Rooms,
};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a room may take to answer; media servers wait 10 s or longer.
const ANSWER: Duration = Duration::from_secs(3);

/// Why somebody may not publish. The names go to the media server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The URL carries no ticket, or none of ours.
    #[error("bad_ticket")]
    BadTicket,
    /// The ticket's time is over.
    #[error("ticket_expired")]
    TicketExpired,
    /// It was good for one publishing.
    #[error("ticket_used")]
    TicketUsed,
    /// The grant publishes another stream already.
    #[error("already_publishing")]
    AlreadyPublishing,
    /// He does not sit.
    #[error("not_on_mic")]
    NotOnMic,
    /// He sits by a later grant.
    #[error("stale_grant")]
    StaleGrant,
    /// An admin has muted the seat.
    #[error("muted")]
    Muted,
    /// The hub could not say.
    #[error("hub_error")]
    HubError,
}

/// Asks a room how somebody sits. `Ok(None)`: he does not. Errors: the room's own, or `unavailable` if it does not answer.
pub(super) async fn standing(rooms: &Rooms, room: &RoomId, user: &UserId) -> Result<Option<Standing>, Refusal> {
    let (reply, answer) = oneshot::channel();
    rooms.send(room, RoomMsg::Seat { user: user.clone(), reply })?;
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(Ok(answer)) => answer,
        _ => Err(Refusal::plain(Code::Unavailable)),
    }
}

/// Tells whether somebody may publish now.
pub(super) async fn may_publish(rooms: &Rooms, owner: &Owner) -> Result<(), Denied> {
    match standing(rooms, &owner.room, &owner.user).await {
        Ok(None) => Err(Denied::NotOnMic),
        Ok(Some(standing)) if owner.grant.is_some_and(|grant| grant != standing.grant) => Err(Denied::StaleGrant),
        Ok(Some(standing)) if standing.admin_muted => Err(Denied::Muted),
        Ok(Some(_)) => Ok(()),
        Err(refusal) if matches!(refusal.code, Code::RoomNotFound | Code::RoomClosed) => Err(Denied::NotOnMic),
        Err(_) => Err(Denied::HubError),
    }
}
