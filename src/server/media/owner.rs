//! Whose stream it is: by who the media server says publishes, by our ticket, or by the stream's name, in this order of trust.
use super::{Source, hooks::Kind};
use crate::hub::{
    id::{RoomId, UserId},
    media::Live,
};
use crate::server::{auth::ticket::TicketKey, config::Gate};

/// Who publishes, in which room, and by which grant where a ticket says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    pub room: RoomId,
    pub user: UserId,
    pub grant: Option<u64>,
}

impl Owner {
    /// Tells whether the ticket is of the same person and grant.
    pub fn is_of(&self, ticket: &str, tickets: &TicketKey) -> bool {
        let read = tickets.read(ticket);
        read.is_some_and(|ticket| ticket.room == self.room && ticket.user == self.user && Some(ticket.grant) == self.grant)
    }
}

impl Source {
    /// Returns whose stream this is. `None`: nobody's that the hub knows.
    pub(super) fn owner(&self, space: &str, live: &Live, tickets: &TicketKey) -> Option<Owner> {
        if !self.carries_media(live.stream.as_str()) {
            return None;
        }
        let publisher = live.publisher.as_ref().map(|publisher| publisher.as_str()).filter(|text| !text.is_empty());
        match self.kind {
            Kind::Zego | Kind::LiveKit | Kind::Agora => {
                let (room, user) = (RoomId::parse(space).ok()?, UserId::parse(publisher?).ok()?);
                let named = self.by_name(live.stream.as_str());
                // The name of a stream is the client's choice: where it should name its publisher, it must.
                let honest = self.kind != Kind::Zego || self.pattern.is_none() || named.is_some_and(|named| named.user == user);
                if !honest {
                    tracing::error!(source = %self.name, %room, %user, stream = live.stream.as_str(), "a stream uses the name of somebody else; check this publisher");
                    metrics::counter!("michub_media_impostors_total", "source" => self.name.to_string()).increment(1);
                }
                honest.then_some(Owner { room, user, grant: None })
            }
            Kind::ZlMediaKit | Kind::Srs | Kind::Livego => match publisher.and_then(|text| tickets.read(text)) {
                Some(ticket) => Some(Owner { room: ticket.room, user: ticket.user, grant: Some(ticket.grant) }),
                None if self.gate == Gate::Enforce && self.kind != Kind::Livego => None,
                None => self.by_name(live.stream.as_str()),
            },
        }
    }

    /// Reads the room and the person out of a stream's name; `vhost/app/` in front of it is no part of it.
    fn by_name(&self, stream: &str) -> Option<Owner> {
        let name = stream.rsplit('/').next().unwrap_or(stream);
        let found = self.pattern.as_ref()?.captures(name)?;
        let (room, user) = (found.name("room")?.as_str(), found.name("user")?.as_str());
        Some(Owner { room: RoomId::parse(room).ok()?, user: UserId::parse(user).ok()?, grant: None })
    }
}
