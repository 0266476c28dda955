//! What backends and people ask of media: tickets, streams on air, numbers of people.
use super::{Ask, Media, OnAir, gate};
use crate::{
    hub::{
        code::Code,
        id::{RoomId, UserId},
    },
    server::{auth::ticket::Ticket, net::failure::Failure},
};
use tokio::sync::oneshot;

impl Media {
    /// Writes the ticket of whoever sits. Errors: `not_seated`, or the room's refusal.
    pub(in crate::server) async fn ticket(&self, room: RoomId, user: UserId, seconds: u64) -> Result<(String, Ticket), Failure> {
        let standing = gate::standing(&self.rooms, &room, &user).await?.ok_or_else(|| Failure::new(Code::NotSeated))?;
        let expires_at_ms = self.clock.wall_ms().saturating_add(seconds.saturating_mul(1000));
        let ticket = Ticket { room, user, seat_no: standing.seat_no, grant: standing.grant, expires_at_ms };
        Ok((self.tickets.write(&ticket), ticket))
    }

    /// Returns what is on air at a source. Errors: there is no such source.
    pub(in crate::server) async fn on_air(&self, source: &str) -> Result<Vec<OnAir>, Failure> {
        let Some(source) = self.sources.iter().position(|known| *known.name == *source) else {
            return Err(Failure::nothing_there("There is no such source of media."));
        };
        let (reply, streams) = oneshot::channel();
        let asked = self.to_actor.send(Ask::Live { source, reply }).await;
        asked.map_err(|_| Failure::new(Code::Internal))?;
        streams.await.map_err(|_| Failure::new(Code::Internal))
    }

    /// Returns the number by which a source knows somebody. Errors: it knows people by name, or the number cannot be kept now.
    pub(in crate::server) async fn uid_of(&self, source: &str, user: &UserId) -> Result<u32, Failure> {
        let uids = self.sources.iter().find(|known| *known.name == *source).and_then(|known| known.uids.as_ref());
        let uids =
            uids.ok_or_else(|| Failure::nothing_there("There is no such source of media that names people by numbers."))?;
        uids.uid_of(user).await.map_err(|error| {
            tracing::warn!(source, %user, %error, "no Agora uid can be assigned");
            Failure::new(Code::Unavailable)
        })
    }
}
