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
