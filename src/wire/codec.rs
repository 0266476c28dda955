//! WebSocket frames as the hub writes them: whole, unmasked, encoded once and shared.
use super::close::Close;
use bytes::{BufMut, Bytes, BytesMut};

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    out.put_u8(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len), _) if len < 126 => out.put_u8(len),
        (_, Ok(len)) => {
            out.put_u8(126);
            out.put_u16(len);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(payload.len() as u64);
        }
    }
    out.put_slice(payload);
    out.freeze()
}

/// Makes a text frame.
#[must_use]
pub fn text_frame(json: &[u8]) -> Bytes {
    frame(0x1, json)
}

/// How long the header of a short frame is.
pub const SHORT_HEADER: usize = 2;
/// The longest frame that has such a header.
pub const SHORT_MAX: usize = SHORT_HEADER + 125;

/// Writes the header of a text frame into the [`SHORT_HEADER`] bytes that stand in front of its JSON. A frame longer than [`SHORT_MAX`] is
/// not short: it is made anew.
pub fn short_text(frame: &mut Vec<u8>) {
    let len = frame.len().saturating_sub(SHORT_HEADER);
    match (u8::try_from(len), frame.first_chunk_mut()) {
        (Ok(len), Some(header)) if len < 126 => *header = [0x81, len],
        _ => *frame = text_frame(frame.get(SHORT_HEADER..).unwrap_or_default()).into(),
    }
}

/// Makes a ping without payload.
#[must_use]
pub fn ping_frame() -> Bytes {
    frame(0x9, &[])
}

/// Makes a close frame; its reason is the code's name.
#[must_use]
pub fn close_frame(close: Close) -> Bytes {
    let mut payload = close.number().to_be_bytes().to_vec();
    payload.extend_from_slice(close.name().as_bytes());
    frame(0x8, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_in_place_is_the_same_frame() {
        for len in [0, 1, 124, 125, 126, 300] {
            let json = vec![b'x'; len];
            let mut frame = [&[0; SHORT_HEADER][..], &json].concat();
            short_text(&mut frame);
            assert_eq!(frame, text_frame(&json), "{len}");
        }
    }
}
