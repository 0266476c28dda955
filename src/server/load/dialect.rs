//! What clients say to enter and to write, and how they know the answers: the hub's own way, and Centrifugo's JSON protocol, so that the
//! same clients can measure a server that people compare the hub with. Only what `idle` and `fanout` need.
use super::{args::Scenario, frames};
use clap::ValueEnum;

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// As `docs/PROTOCOL.md` says
    Hub,
    /// Centrifugo's bidirectional protocol, as JSON; `idle` and `fanout` only
    Centrifugo,
}

impl Dialect {
    /// Tells whether a scenario can be played in it.
    pub const fn knows(self, scenario: Scenario) -> bool {
        matches!(self, Self::Hub) || matches!(scenario, Scenario::Idle | Scenario::Fanout)
    }

    /// Returns the path of the socket, and the headers of its own.
    pub(super) const fn door(self) -> (&'static str, &'static str) {
        match self {
            Self::Hub => ("/ws", "Sec-WebSocket-Protocol: hub.v1.json\r\n"),
            Self::Centrifugo => ("/connection/websocket", ""),
        }
    }

    /// Makes the first frame.
    pub(super) fn hello(self, user: &str, more: &str) -> String {
        match self {
            Self::Hub => format!(r#"{{"type":"user_online","user_id":"{user}"{more}}}"#),
            Self::Centrifugo => r#"{"id":1000000,"connect":{}}"#.to_owned(),
        }
    }

    /// Tells whether this answers the first frame well.
    pub(super) fn is_welcome(self, payload: &[u8]) -> bool {
        match self {
            Self::Hub => payload.starts_with(br#"{"type":"welcome""#),
            Self::Centrifugo => self.answer_id(payload) == Some(1_000_000) && self.refusal(payload).is_none(),
        }
    }

    /// Makes the frame that enters a room.
    pub(super) fn join(self, id: u64, room: &str) -> String {
        match self {
            Self::Hub => format!(r#"{{"type":"room_join","id":{id},"room_id":"{room}"}}"#),
            Self::Centrifugo => format!(r#"{{"id":{id},"subscribe":{{"channel":"{room}"}}}}"#),
        }
    }

    /// Makes a frame that everybody in the room gets to see. What Centrifugo's clients write is the event that the hub makes of a command:
    /// both deliver the same, each in its own envelope.
    pub(super) fn write(self, id: u64, room: &str, seat: u32, extra: &str) -> String {
        match self {
            Self::Hub => format!(r#"{{"type":"seat_extra","id":{id},"room_id":"{room}","seat_no":{seat},"extra":"{extra}"}}"#),
            Self::Centrifugo => format!(
                r#"{{"id":{id},"publish":{{"channel":"{room}","data":{{"type":"room_update","events":[{{"rev":{id},"event":"seat_updated","by":"w000000-0","at_ms":1700000000000,"seat_no":{seat},"extra":"{extra}","extra_rev":{id}}}]}}}}}}"#
            ),
        }
    }

    /// Returns the `id` of an answer.
    pub(super) fn answer_id(self, payload: &[u8]) -> Option<u64> {
        let rest = match self {
            Self::Hub => {
                payload.strip_prefix(br#"{"type":"ack","id":"#).or_else(|| payload.strip_prefix(br#"{"type":"error","id":"#))?
            }
            Self::Centrifugo => payload.strip_prefix(br#"{"id":"#)?,
        };
        Some(frames::number(rest))
    }

    /// Returns the name of an error.
    pub(super) fn refusal(self, payload: &[u8]) -> Option<String> {
        let name = match self {
            Self::Hub => {
                let rest = payload.strip_prefix(br#"{"type":"error""#)?;
                frames::after(rest, br#""name":""#)
            }
            Self::Centrifugo => {
                self.answer_id(payload)?;
                Some(frames::after(frames::after(payload, br#""error":{"#)?, br#""message":""#).unwrap_or_default())
            }
        };
        Some(String::from_utf8_lossy(name.map(frames::quoted).unwrap_or_default()).into_owned())
    }

    /// Goes through what one text frame holds. Returns how many pings it was.
    pub(super) fn each(self, payload: &[u8], each: &mut impl FnMut(&[u8])) -> u32 {
        match self {
            Self::Hub => {
                each(payload);
                0
            }
            Self::Centrifugo => {
                let lines = payload.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                lines
                    .map(|line| {
                        if line == b"{}" {
                            1
                        } else {
                            each(line);
                            0
                        }
                    })
                    .sum()
            }
        }
    }

    /// Appends the answer to a ping.
    pub(super) fn pong(self, out: &mut Vec<u8>) {
        match self {
            Self::Hub => frames::put(out, 10, &[]),
            Self::Centrifugo => frames::put(out, 1, b"{}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect::{Centrifugo, Hub};

    #[test]
    fn answers_are_known_in_both() {
        assert_eq!(Hub.answer_id(br#"{"type":"ack","id":7,"cursor":"1.a"}"#), Some(7));
        assert_eq!(Hub.refusal(br#"{"type":"error","id":7,"code":1,"name":"not_found"}"#).as_deref(), Some("not_found"));
        assert!(Hub.is_welcome(br#"{"type":"welcome","user_id":"u"}"#));
        assert!(Centrifugo.is_welcome(br#"{"id":1000000,"connect":{"client":"c","version":"v"}}"#));
        let refused = br#"{"id":3,"error":{"code":103,"message":"permission denied"}}"#;
        assert_eq!((Centrifugo.answer_id(refused), Centrifugo.refusal(refused).as_deref()), (Some(3), Some("permission denied")));
        assert_eq!(Centrifugo.refusal(br#"{"id":3,"publish":{}}"#), None);
        assert_eq!(Centrifugo.refusal(br#"{"push":{"channel":"c","pub":{"data":{}}}}"#), None);
    }

    #[test]
    fn lines_of_one_frame_are_taken_one_by_one() {
        let mut seen = Vec::new();
        let pings = Centrifugo.each(b"{\"id\":1}\n{}\n{\"id\":2}\n", &mut |line| seen.push(line.to_vec()));
        assert_eq!((pings, seen), (1, vec![b"{\"id\":1}".to_vec(), b"{\"id\":2}".to_vec()]));
    }
}
