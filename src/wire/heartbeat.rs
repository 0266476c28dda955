//! The commonest frame by far, a plain heartbeat, read in one pass without allocation, and its answer. It accepts nothing that the full parser would refuse,
//! and leaves to that one everything unusual: escapes, other fields, other numbers.
use super::codec;
use crate::hub::{id::is_name, time::UnixMs};
use std::io::Write;

/// A heartbeat, its texts still in the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat<'a> {
    /// Echoed in an error, should there be one.
    pub id: Option<i64>,
    /// Whom the frame names as its sender; it has the form of an id.
    pub user_id: Option<&'a str>,
    /// Echoed in the answer.
    pub ts_ms: Option<i64>,
}

/// Reads a plain heartbeat. `None`: it is something else, or for `client::parse` to judge.
#[must_use]
pub fn read(text: &str) -> Option<Beat<'_>> {
    let mut scan = Scan { text, at: 0 };
    let mut beat = Beat::default();
    let mut seen = 0u8;
    scan.expect(b'{')?;
    loop {
        let key = scan.text()?;
        scan.expect(b':')?;
        let bit = match key {
            "type" if scan.text()? == "heartbeat" => 1,
            "user_id" => {
                beat.user_id = Some(scan.text().filter(|text| is_name(text))?);
                2
            }
            "user_type" if is_name(scan.text()?) => 4,
            "timestamp" => {
                scan.integer()?;
                8
            }
            "ts_ms" => {
                beat.ts_ms = Some(scan.integer()?);
                16
            }
            "id" => {
                beat.id = Some(scan.integer()?);
                32
            }
            _ => return None,
        };
        if seen & bit != 0 {
            return None;
        }
        seen |= bit;
        match scan.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    (seen & 1 == 1 && scan.next().is_none()).then_some(beat)
}

/// Makes the frame of the answer to a heartbeat, `heartbeat_ack`; by hand, since there are no texts in it that could need an escape.
#[must_use]
pub fn ack(now: UnixMs, ts_ms: Option<i64>) -> Vec<u8> {
    let mut frame = Vec::with_capacity(codec::SHORT_MAX);
    frame.extend_from_slice(&[0; codec::SHORT_HEADER]);
    // Writing to memory cannot fail.
    let _ = write!(frame, r#"{{"type":"heartbeat_ack","timestamp":{}"#, now.seconds());
    if let Some(ts_ms) = ts_ms {
        let _ = write!(frame, r#","ts_ms":{ts_ms}"#);
    }
    let _ = write!(frame, r#","server_ts_ms":{}}}"#, now.0);
    codec::short_text(&mut frame);
    frame
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// Takes what stands between two quotes. Whoever asks compares it with something that has no escapes: with one in it, it is not that.
    fn text(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let rest = self.text.get(self.at..)?;
        let len = memchr::memchr(b'"', rest.as_bytes())?;
        let text = rest.get(..len)?;
        self.at += len + 1;
        Some(text)
    }

    /// Takes a whole number of at most 18 digits: JSON's form, no overflow, and not -0, which is no whole number to the full parser.
    fn integer(&mut self) -> Option<i64> {
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        let rest = self.text.as_bytes().get(self.at..)?;
        let len = rest.iter().take(19).take_while(|byte| byte.is_ascii_digit()).count();
        let digits = rest.get(..len)?;
        if len == 0 || len > 18 || (len > 1 && digits.first() == Some(&b'0')) {
            return None;
        }
        self.at += len;
        let value = digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        if negative && value == 0 {
            return None;
        }
        Some(if negative { -value } else { value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::server::{HeartbeatAck, json};

    #[test]
    fn the_answer_by_hand_is_the_answer() {
        for (now, ts_ms) in [(0, None), (1_640_995_200_123, Some(-12)), (u64::MAX, Some(i64::MIN))] {
            let now = UnixMs(now);
            let frame = json(&HeartbeatAck { id: None, timestamp: now.seconds(), ts_ms, server_ts_ms: now.0 });
            assert_eq!(ack(now, ts_ms), codec::text_frame(&frame));
        }
    }
}
