//! What nodes say to each other beside rooms and people: a session has moved or is over, a message for somebody there.
use crate::hub::id::{SessionId, UserId};
use bytes::Bytes;

/// A message to one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mail {
    /// The session goes on on another node: its connection here is closed, and nobody hears of it.
    Moved {
        /// Whose.
        user: UserId,
        /// Which.
        session: SessionId,
    },
    /// The lost session is over: its user has begun a new one.
    Ended {
        /// Whose.
        user: UserId,
        /// Which.
        session: SessionId,
    },
    /// A frame's JSON for every live session of somebody on that node.
    Message {
        /// For whom.
        user: UserId,
        /// The JSON.
        payload: Bytes,
    },
}

impl Mail {
    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Moved { user, session } => format!("moved {user} {session}").into_bytes(),
            Self::Ended { user, session } => format!("ended {user} {session}").into_bytes(),
            Self::Message { user, payload } => {
                let mut all = format!("message {user} ").into_bytes();
                all.extend_from_slice(payload);
                all
            }
        }
    }

    /// Reads it. `None`: it is of a kind that this version does not know.
    #[must_use]
    pub fn decode(message: &Bytes) -> Option<Self> {
        let mut parts = message.splitn(3, |byte| *byte == b' ');
        let kind = parts.next()?;
        let user = UserId::parse(std::str::from_utf8(parts.next()?).ok()?).ok()?;
        let rest = message.slice_ref(parts.next()?);
        let session = || SessionId::parse(std::str::from_utf8(&rest).ok()?).ok();
        match kind {
            b"moved" => Some(Self::Moved { user, session: session()? }),
            b"ended" => Some(Self::Ended { user, session: session()? }),
            b"message" => Some(Self::Message { user, payload: rest }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let (user, session) = (UserId::parse("u1").unwrap(), SessionId::parse("s1").unwrap());
        let all = [
            Mail::Moved { user: user.clone(), session: session.clone() },
            Mail::Ended { user: user.clone(), session },
            Mail::Message { user, payload: Bytes::from_static(b"{\"message\":\"a b  c\"}") },
        ];
        for mail in all {
            assert_eq!(Mail::decode(&mail.encode().into()), Some(mail));
        }
        for bad in ["", "moved", "moved u1", "moved u1 s 1", "dance u1 s1", "moved \u{1F600} s1"] {
            assert_eq!(Mail::decode(&Bytes::from(bad)), None, "{bad}");
        }
    }
}
