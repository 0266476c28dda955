//! Follows the frame borders of an inbound byte stream, because fragments and unfinished messages are invisible behind it.

/// Where the stream stands, and how much of an unfinished message has come in.
#[derive(Debug, Default)]
pub(in crate::server) struct Meter {
    at: At,
    is_final: bool,
    is_control: bool,
    masked: bool,
    in_message: bool,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Start,
    Length,
    Extended {
        left: u8,
        length: u64,
    },
    Mask {
        left: u8,
        length: u64,
    },
    Payload {
        left: u64,
    },
}

/// What a piece of input brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Metered {
    /// A whole frame of any kind ended in it.
    pub frame: bool,
    /// At some point in it nothing was unfinished.
    pub clean: bool,
    /// At its end something is unfinished.
    pub unfinished: bool,
}

impl Meter {
    /// Returns how many bytes, headers and control frames included, an unfinished message has taken so far.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Follows `input`. Cost: its headers; payload is skipped.
    pub fn feed(&mut self, mut input: &[u8]) -> Metered {
        let mut metered = Metered::default();
        while let Some((&first, rest)) = input.split_first() {
            metered.clean |= self.is_clean();
            let taken = if let At::Payload { left } = self.at {
                let part = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                self.at = At::Payload { left: left - part as u64 };
                input = input.get(part..).unwrap_or_default();
                part
            } else if let (At::Start, [_, second @ 0x80..0xfe, _, _, _, _, behind @ ..]) = (self.at, input) {
                // Nearly every frame: short, masked, its header in one piece.
                self.step(first);
                self.at = At::Payload { left: u64::from(second & 0x7f) };
                input = behind;
                6
            } else {
                self.step(first);
                input = rest;
                1
            };
            self.bytes += taken;
            if self.at == (At::Payload { left: 0 }) {
                self.at = At::Start;
                metered.frame = true;
                if !self.is_control {
                    self.in_message = !self.is_final;
                }
                if self.is_clean() {
                    self.bytes = 0;
                    metered.clean = true;
                }
            }
        }
        metered.unfinished = !self.is_clean();
        metered
    }

    fn is_clean(&self) -> bool {
        self.at == At::Start && !self.in_message
    }

    fn step(&mut self, byte: u8) {
        self.at = match self.at {
            At::Start => {
                self.is_final = byte & 0x80 != 0;
                self.is_control = byte & 0x08 != 0;
                At::Length
            }
            At::Length => {
                self.masked = byte & 0x80 != 0;
                match byte & 0x7f {
                    126 => At::Extended { left: 2, length: 0 },
                    127 => At::Extended { left: 8, length: 0 },
                    short => self.after_length(u64::from(short)),
                }
            }
            At::Extended { left, length } => {
                let length = (length << 8) | u64::from(byte);
                if left > 1 { At::Extended { left: left - 1, length } } else { self.after_length(length) }
            }
            At::Mask { left, length } if left > 1 => At::Mask { left: left - 1, length },
            At::Mask { length, .. } => At::Payload { left: length },
            At::Payload { left } => At::Payload { left },
        };
    }

    const fn after_length(&self, length: u64) -> At {
        if self.masked { At::Mask { left: 4, length } } else { At::Payload { left: length } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_leave_nothing_unfinished() {
        let mut meter = Meter::default();
        let metered = meter.feed(&[0x81, 0x82, 1, 2, 3, 4, 9, 9, 0x8a, 0x80, 1, 2, 3, 4]);
        assert_eq!(metered, Metered { frame: true, clean: true, unfinished: false });
        assert_eq!(meter.bytes(), 0);
    }

    #[test]
    fn control_frames_do_not_finish_a_message() {
        let mut meter = Meter::default();
        assert!(meter.feed(&[0x01, 0x80, 1, 2, 3, 4]).unfinished);
        let metered = meter.feed(&[0x89, 0x80, 1, 2, 3, 4]);
        assert_eq!(metered, Metered { frame: true, clean: false, unfinished: true });
        assert_eq!(meter.bytes(), 12);
        assert!(!meter.feed(&[0x80, 0x80, 1, 2, 3, 4]).unfinished);
    }

    #[test]
    fn a_header_in_pieces_is_the_same_header() {
        let frames = [0x01, 0x82, 1, 2, 3, 4, 9, 9, 0x89, 0x80, 1, 2, 3, 4, 0x80, 0xfd, 1, 2, 3, 4, 5];
        for cut in 0..=frames.len() {
            let (mut whole, mut pieces) = (Meter::default(), Meter::default());
            let expected = whole.feed(&frames);
            let (first, second) = frames.split_at(cut);
            let (first, second) = (pieces.feed(first), pieces.feed(second));
            assert_eq!(first.frame || second.frame, expected.frame, "{cut}");
            assert_eq!((pieces.at, pieces.bytes, pieces.in_message), (whole.at, whole.bytes, whole.in_message), "{cut}");
        }
    }

    #[test]
    fn long_lengths_are_followed_byte_by_byte() {
        let mut meter = Meter::default();
        let mut frame = vec![0x82, 0xfe, 0x01, 0x00, 1, 2, 3, 4];
        frame.extend([7; 256]);
        let (last, all) = frame.split_last().unwrap();
        for byte in all {
            assert!(meter.feed(&[*byte]).unfinished);
        }
        assert!(!meter.feed(&[*last]).unfinished);
    }
}
