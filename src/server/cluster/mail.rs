//! What nodes say to each other beside rooms and people: a session has moved or is over, what it had not told its client, a message for somebody there.
use super::{Cluster, Node, Unreachable};
use crate::hub::{
    id::{SessionId, UserId},
    time::Millis,
};
use bytes::Bytes;
use std::time::Duration;

/// How many direct messages are kept for somebody whose lines are all lost.
const KEPT_MAX: &str = "64";
/// How often a node is tried that does not listen, and the pause in between: a line that broke is back within that time.
const LOOKS: u32 = 4;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A message to one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mail {
    /// The session goes on on another node: its connection here is closed, nobody hears of it, and what its client has not heard goes there.
    Taken {
        /// Whose.
        user: UserId,
        /// Which.
        session: SessionId,
        /// Where it is now.
        to: Node,
        /// Since when, on the clock of Redis, in µs: it may have come back since.
        stamp: u64,
        /// Up to where the client has its mail, if it has said so.
        heard: Option<String>,
    },
    /// A frame's JSON that a session had not told its client where it was before.
    Left {
        /// Whose.
        user: UserId,
        /// Which.
        session: SessionId,
        /// The JSON.
        payload: Bytes,
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
            Self::Taken { user, session, to, stamp, heard } => {
                format!("taken {user} {session} {to} {stamp} {}", heard.as_deref().unwrap_or_default()).into_bytes()
            }
            Self::Left { user, session, payload } => [format!("left {user} {session} ").as_bytes(), payload].concat(),
            Self::Ended { user, session } => format!("ended {user} {session}").into_bytes(),
            Self::Message { user, payload } => [format!("message {user} ").as_bytes(), payload].concat(),
        }
    }

    /// Reads it. `None`: it is of a kind that this version does not know.
    #[must_use]
    pub fn decode(message: &Bytes) -> Option<Self> {
        let text = |bytes: &Bytes| std::str::from_utf8(bytes).ok().map(str::to_owned);
        let id = |bytes: &Bytes| SessionId::parse(std::str::from_utf8(bytes).ok()?).ok();
        let (kind, rest) = cut(message)?;
        let (user, rest) = cut(&rest)?;
        let user = UserId::parse(std::str::from_utf8(&user).ok()?).ok()?;
        match &*kind {
            b"ended" => Some(Self::Ended { user, session: id(&rest)? }),
            b"message" => Some(Self::Message { user, payload: rest }),
            b"left" => cut(&rest).and_then(|(session, payload)| Some(Self::Left { user, session: id(&session)?, payload })),
            b"taken" => {
                let (session, rest) = cut(&rest)?;
                let (to, rest) = cut(&rest)?;
                let (stamp, heard) = cut(&rest)?;
                let heard = text(&heard).filter(|heard| !heard.is_empty());
                Some(Self::Taken {
                    user,
                    session: id(&session)?,
                    to: text(&to)?.into(),
                    stamp: text(&stamp)?.parse().ok()?,
                    heard,
                })
            }
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
            let (mut live, mut here) = (0, false);
            let mail = Mail::Message { user: user.clone(), payload: payload.clone() };
            let mut untold = Vec::new();
            for (node, sessions) in nodes {
                if *node == *me {
                    here = true;
                    live += sessions;
                } else {
                    untold.push((node, sessions));
                }
            }
            for look in 0..LOOKS {
                if look > 0 {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                let mut still = Vec::new();
                for (node, sessions) in untold {
                    if self.post(&node, &mail).await {
                        live += sessions;
                    } else {
                        still.push((node, sessions));
                    }
                }
                untold = still;
                if untold.is_empty() || !self.is_up() {
                    break;
                }
            }
            let dead = !untold.is_empty();
            deaf.extend(untold.into_iter().map(|(node, _)| node));
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

/// Cuts at the first blank. `None`: there is none.
fn cut(bytes: &Bytes) -> Option<(Bytes, Bytes)> {
    let at = bytes.iter().position(|byte| *byte == b' ')?;
    Some((bytes.slice(..at), bytes.slice(at + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let (user, session) = (UserId::parse("u1").unwrap(), SessionId::parse("s1").unwrap());
        let all = [
            Mail::Ended { user: user.clone(), session: session.clone() },
            Mail::Taken { user: user.clone(), session: session.clone(), to: "n1".into(), stamp: 7, heard: None },
            Mail::Taken {
                user: user.clone(),
                session: session.clone(),
                to: "n1".into(),
                stamp: u64::MAX,
                heard: Some("a b.7".into()),
            },
            Mail::Left { user: user.clone(), session, payload: Bytes::from_static(b"{\"message\":\"a b  c\"}") },
            Mail::Message { user, payload: Bytes::from_static(b"{\"message\":\"a b  c\"}") },
        ];
        for mail in all {
            assert_eq!(Mail::decode(&mail.encode().into()), Some(mail));
        }
        for bad in [
            "",
            "ended",
            "ended u1",
            "ended u1 s 1",
            "dance u1 s1",
            "taken u1 s1",
            "taken u1 s1 n1",
            "taken u1 s1 n1 7",
            "taken u1 s1 n1 -7 a",
            "left u1 s1",
            "ended \u{1F600} s1",
        ] {
            assert_eq!(Mail::decode(&Bytes::from(bad)), None, "{bad}");
        }
    }
}
