//! Publish tickets: what somebody on a seat shows to the media server, and what comes back when his stream ends.
//!
//! A ticket names the grant: the rev at which he came to that seat. A late word about an older grant can never end a newer one.
use crate::hub::id::{RoomId, UserId};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// How many bytes of the seal a ticket carries.
const SEAL_BYTES: usize = 16;

/// The right to publish from one seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// In which room.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// From which seat.
    pub seat_no: u32,
    /// The rev at which he came to it: higher than that of every earlier grant in the room.
    pub grant: u64,
    /// Until when publishing may begin, Unix milliseconds on the wall clock.
    pub expires_at_ms: u64,
}

/// Seals and opens tickets.
#[derive(Clone)]
pub struct TicketKey(pub [u8; 32]);

impl TicketKey {
    fn seal(&self, body: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(b"michub ticket ");
        mac.update(body.as_bytes());
        Some(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes().get(..SEAL_BYTES)?))
    }

    /// Writes a ticket. Shape: URL-safe text without `&`, `=`, `?` or `%`.
    #[must_use]
    pub fn write(&self, ticket: &Ticket) -> String {
        let Ticket { room, user, seat_no, grant, expires_at_ms } = ticket;
        let body = format!("{room}~{user}~{seat_no}~{grant}~{expires_at_ms}");
        let seal = self.seal(&body).unwrap_or_default();
        format!("{body}~{seal}")
    }

    /// Reads a ticket. `None`: not one of ours, or changed on the way. Whether it is still in time is the caller's question.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Ticket> {
        use subtle::ConstantTimeEq;
        let (body, seal) = text.rsplit_once('~')?;
        if !bool::from(self.seal(body)?.as_bytes().ct_eq(seal.as_bytes())) {
            return None;
        }
        let mut parts = body.split('~');
        let ticket = Ticket {
            room: RoomId::parse(parts.next()?).ok()?,
            user: UserId::parse(parts.next()?).ok()?,
            seat_no: parts.next()?.parse().ok()?,
            grant: parts.next()?.parse().ok()?,
            expires_at_ms: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(ticket)
    }
}

/// Reads the grant of a ticket without asking whether it is genuine: a forged one orders only itself, and the gate refuses it.
#[must_use]
pub fn grant_of(text: &str) -> Option<u64> {
    text.split('~').nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_comes_back_as_it_was() {
        let key = TicketKey([7; 32]);
        let ticket = Ticket {
            room: RoomId::parse("r:1").unwrap(),
            user: UserId::parse("u@x").unwrap(),
            seat_no: 2,
            grant: 42,
            expires_at_ms: 99,
        };
        let text = key.write(&ticket);
        assert_eq!(key.read(&text), Some(ticket));
        assert_eq!(grant_of(&text), Some(42));
        for forged in
            [text.replace("~42~", "~43~"), text.replace("u@x", "u@y"), format!("{text}A"), String::new(), "~~~~~".into()]
        {
            assert_eq!(key.read(&forged), None, "{forged}");
        }
        assert_eq!(TicketKey([8; 32]).read(&text), None, "of another hub");
    }
}
