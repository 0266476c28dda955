//! WebSocket frames as a client sees them: masked out, unmasked in. The mask is zero, which is a mask and costs nothing.

/// Appends one masked frame.
pub(super) fn put(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len), _) if len < 126 => out.push(0x80 | len),
        (_, Ok(len)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Splits the first whole frame off: its opcode, its payload, and what follows. `None`: more input is needed.
pub(super) fn split(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = input.split_first_chunk::<2>()?;
    let [first, second] = *head;
    let (len, rest) = match second & 0x7f {
        126 => {
            let (len, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*len)).ok()?, rest)
        }
        short => (usize::from(short), rest),
    };
    let (payload, rest) = rest.split_at_checked(len)?;
    Some((first & 0x0f, payload, rest))
}

/// Finds `needle`; returns what follows its first place.
pub(super) fn after<'a>(haystack: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::find(haystack, needle)?;
    haystack.get(at + needle.len()..)
}

/// Reads the digits at the beginning.
pub(super) fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take(19).take_while(|byte| byte.is_ascii_digit());
    digits.fold(0u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

/// Returns the text up to the next quotation mark.
pub(super) fn quoted(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == b'"').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_split() {
        for len in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            let frame = crate::wire::codec::text_frame(&payload);
            let mut two = frame.to_vec();
            two.extend_from_slice(b"\x89\x00");
            let (opcode, inside, rest) = split(&two).unwrap();
            assert_eq!((opcode, inside.len(), rest), (1, len, &b"\x89\x00"[..]));
            assert_eq!(split(rest), Some((9, &[][..], &[][..])));
            assert_eq!(split(&frame[..frame.len() - 1]), None);
        }
    }

    #[test]
    fn fields_are_found_without_parsing() {
        let text = br#"{"type":"ack","id":42,"cursor":"4.a"}"#;
        assert_eq!(number(after(text, b"\"id\":").unwrap()), 42);
        assert_eq!(quoted(after(text, b"\"cursor\":\"").unwrap()), b"4.a");
        assert_eq!(after(text, b"nothing"), None);
    }
}
