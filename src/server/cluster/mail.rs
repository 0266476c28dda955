//! What nodes say to each other beside rooms and people: a session has moved or is over, a message for somebody there.
use super::{Cluster, Unreachable};
use crate::hub::{
    id::{SessionId, UserId},
    time::Millis,
};
use bytes::Bytes;

/// How many direct messages are kept for somebody whose lines are all lost.
const KEPT_MAX: &str = "64";

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

impl Cluster {
    /// Sends a message to the other nodes where a person is live; without any it is kept. A node that does not listen has died, and its
    /// sessions are lost ones. Returns how many live sessions there are, and whether some are here; `None`: he is not here.
    pub async fn message(&self, user: &UserId, payload: &Bytes, keep: Millis) -> Result<Option<(usize, bool)>, Unreachable> {
        let me = self.me();
        let mut deaf = Vec::new();
        loop {
            let Some(nodes) = self.route(user, payload, keep, &deaf).await? else { return Ok(None) };
            let (mut live, mut here, mut dead) = (0, false, false);
            for (node, sessions) in nodes {
                let mail = Mail::Message { user: user.clone(), payload: payload.clone() };
                if *node == *me {
                    here = true;
                    live += sessions;
                } else if self.post(&node, &mail).await {
                    live += sessions;
                } else {
                    dead = true;
                    deaf.push(node);
                }
            }
            if live > 0 || !dead {
                return Ok(Some((live, here)));
            }
        }
    }

    async fn route(
        &self,
        user: &UserId,
        payload: &[u8],
        keep: Millis,
        deaf: &[String],
    ) -> Result<Option<Vec<(String, usize)>>, Unreachable> {
        let keep = keep.0.to_string();
        let mut args = vec![user.as_str().as_bytes(), payload, KEPT_MAX.as_bytes(), keep.as_bytes()];
        args.extend(deaf.iter().map(String::as_bytes));
        let keys = [self.bucket(user), self.store.keys().kept(user)];
        Ok(redis::from_redis_value(self.script(&self.scripts.mail, &keys, &args).await?)?)
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
