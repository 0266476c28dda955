//! What a connection could not write at once: bounded in bytes and frames, with classes that say what gives way first.
use crate::server::msg::{Class, Frame};
use bytes::{Buf, Bytes};
use std::{collections::VecDeque, io::IoSlice};

/// The `must` frames do not fit: the reader is too slow to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// Frames that wait for a writable socket, oldest first. The head may be half written; everything else is whole.
#[derive(Debug)]
pub struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    half: bool,
    max_bytes: usize,
    max_frames: usize,
    dropped: u64,
}

#[derive(Debug)]
struct Waiting {
    rest: Bytes,
    class: Class,
    counted: bool,
}

impl Outbox {
    /// Makes an empty outbox; 0 switches a bound off. Cost: no allocation.
    #[must_use]
    pub const fn new(max_bytes: usize, max_frames: usize) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, half: false, max_bytes, max_frames, dropped: 0 }
    }

    /// Tells whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns how many bytes count against the budget.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many frames were dropped so far.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Keeps a frame. Errors: [`Overflow`] when it does not fit and nothing droppable is left; nothing is added then.
    pub fn push(&mut self, frame: Frame, class: Class) -> Result<(), Overflow> {
        if matches!(class, Class::Snapshot(_)) && !self.waiting.iter().any(|waiting| waiting.class == class) {
            self.append(frame.0, class, false);
            return Ok(());
        }
        self.replace_older(class);
        while self.is_over(frame.0.len()) {
            if self.drop_for(class) {
                continue;
            }
            if !matches!(class, Class::Droppable | Class::Normal) {
                return Err(Overflow);
            }
            self.note_dropped(class);
            return Ok(());
        }
        self.append(frame.0, class, true);
        Ok(())
    }

    /// Keeps a frame outside the budget: the end of a connection.
    pub fn push_uncounted(&mut self, frame: Frame) {
        self.append(frame.0, Class::Must, false);
    }

    /// Keeps the rest of a frame of which a part is already on the wire. Only for an empty outbox.
    pub fn push_half(&mut self, rest: Bytes, class: Class) {
        debug_assert!(self.is_empty(), "a half-written frame is the head");
        self.half = true;
        self.append(rest, class, !matches!(class, Class::Snapshot(_)));
    }

    /// Drops everything but a half-written head.
    pub fn cut(&mut self) {
        let keep = usize::from(self.half);
        self.dropped += self.waiting.len().saturating_sub(keep) as u64;
        self.waiting.truncate(keep);
        self.bytes = self.waiting.iter().filter(|w| w.counted).map(|w| w.rest.len()).sum();
    }

    /// Fills `slices` with the oldest bytes and returns how many slices hold some.
    pub fn peek<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, waiting) in slices.iter_mut().zip(&self.waiting) {
            *slice = IoSlice::new(&waiting.rest);
            filled += 1;
        }
        filled
    }

    /// Notes that `written` bytes from the front are on the wire.
    pub fn advance(&mut self, mut written: usize) {
        while let Some(head) = self.waiting.front_mut() {
            let part = head.rest.len().min(written);
            if head.counted {
                self.bytes -= part;
            }
            written -= part;
            if part < head.rest.len() {
                head.rest.advance(part);
                self.half |= part > 0;
                return;
            }
            self.waiting.pop_front();
            self.half = false;
        }
        self.waiting = VecDeque::new();
    }

    /// Takes everything out, oldest first, with the frames' classes.
    pub fn take(&mut self) -> Vec<(Frame, Class)> {
        self.bytes = 0;
        self.half = false;
        std::mem::take(&mut self.waiting).into_iter().map(|w| (Frame(w.rest), w.class)).collect()
    }

    fn append(&mut self, rest: Bytes, class: Class, counted: bool) {
        if counted {
            self.bytes += rest.len();
        }
        self.waiting.push_back(Waiting { rest, class, counted });
    }

    fn is_over(&self, more: usize) -> bool {
        (self.max_bytes > 0 && self.bytes + more > self.max_bytes)
            || (self.max_frames > 0 && self.waiting.len() >= self.max_frames)
    }

    /// A newer frame of the same key stands for the older one, which leaves unless it is half written.
    fn replace_older(&mut self, class: Class) {
        if matches!(class, Class::Latest(_))
            && let Some(at) = self.find(class)
        {
            self.remove(at);
        }
    }

    /// Drops the oldest frame that gives way to one of this class. Returns whether there was one.
    fn drop_for(&mut self, class: Class) -> bool {
        let weaker: &[Class] = match class {
            Class::Droppable => &[],
            Class::Normal => &[Class::Droppable],
            Class::Must | Class::Latest(_) | Class::Snapshot(_) => &[Class::Droppable, Class::Normal],
        };
        let Some((at, weak)) = weaker.iter().find_map(|weak| Some((self.find(*weak)?, *weak))) else { return false };
        self.remove(at);
        self.note_dropped(weak);
        true
    }

    fn note_dropped(&mut self, class: Class) {
        self.dropped += 1;
        let name = if class == Class::Normal { "normal" } else { "droppable" };
        metrics::counter!("michub_frames_dropped_total", "class" => name).increment(1);
    }

    fn find(&self, class: Class) -> Option<usize> {
        let from = usize::from(self.half);
        self.waiting.iter().skip(from).position(|w| w.class == class).map(|at| at + from)
    }

    fn remove(&mut self, at: usize) {
        if let Some(gone) = self.waiting.remove(at)
            && gone.counted
        {
            self.bytes -= gone.rest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(len: usize) -> Frame {
        Frame(Bytes::from(vec![b'x'; len]))
    }

    #[test]
    fn latest_replaces_its_older_self() {
        let mut outbox = Outbox::new(100, 10);
        outbox.push(frame(40), Class::Latest(1)).unwrap();
        outbox.push(frame(40), Class::Latest(2)).unwrap();
        outbox.push(frame(50), Class::Latest(1)).unwrap();
        assert_eq!(outbox.bytes(), 90);
        assert_eq!(outbox.take().len(), 2);
    }

    #[test]
    fn droppable_gives_way_and_must_overflows() {
        let mut outbox = Outbox::new(100, 10);
        outbox.push(frame(60), Class::Droppable).unwrap();
        outbox.push(frame(60), Class::Must).unwrap();
        assert_eq!((outbox.bytes(), outbox.dropped()), (60, 1));
        outbox.push(frame(60), Class::Droppable).unwrap();
        assert_eq!((outbox.bytes(), outbox.dropped()), (60, 2));
        assert_eq!(outbox.push(frame(60), Class::Must), Err(Overflow));
        assert_eq!(outbox.bytes(), 60);
    }

    #[test]
    fn normal_gives_way_after_droppable_and_never_ends_it() {
        let mut outbox = Outbox::new(100, 10);
        outbox.push(frame(30), Class::Normal).unwrap();
        outbox.push(frame(30), Class::Droppable).unwrap();
        outbox.push(frame(60), Class::Normal).unwrap();
        assert_eq!((outbox.bytes(), outbox.dropped()), (90, 1), "the droppable one went");
        outbox.push(frame(60), Class::Normal).unwrap();
        assert_eq!((outbox.bytes(), outbox.dropped()), (90, 2), "the newcomer went");
        outbox.push(frame(80), Class::Must).unwrap();
        assert_eq!((outbox.bytes(), outbox.dropped()), (80, 4), "everything weaker went");
        outbox.push(frame(60), Class::Normal).unwrap();
        assert_eq!(outbox.push(frame(60), Class::Must), Err(Overflow));
    }

    #[test]
    fn frames_are_bounded_too() {
        let mut outbox = Outbox::new(0, 2);
        outbox.push(frame(1), Class::Must).unwrap();
        outbox.push(frame(1), Class::Must).unwrap();
        assert_eq!(outbox.push(frame(1), Class::Must), Err(Overflow));
    }

    #[test]
    fn one_snapshot_per_room_is_outside_the_budget() {
        let mut outbox = Outbox::new(100, 2);
        outbox.push(frame(500), Class::Snapshot(1)).unwrap();
        outbox.push(frame(500), Class::Snapshot(2)).unwrap();
        assert_eq!(outbox.bytes(), 0);
        assert_eq!(outbox.push(frame(500), Class::Snapshot(1)), Err(Overflow), "a second one of the same room counts");
        outbox.advance(500);
        outbox.push(frame(500), Class::Snapshot(1)).unwrap();
        outbox.advance(1000);
        assert!(outbox.is_empty());
        outbox.push_half(Bytes::from_static(b"half"), Class::Snapshot(1));
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn cut_keeps_a_half_written_head() {
        let mut outbox = Outbox::new(100, 10);
        outbox.push_half(Bytes::from_static(b"half"), Class::Droppable);
        outbox.push(frame(20), Class::Must).unwrap();
        outbox.cut();
        assert_eq!(outbox.bytes(), 4);
        outbox.push_uncounted(frame(500));
        outbox.advance(4);
        assert_eq!(outbox.bytes(), 0);
        assert!(!outbox.is_empty());
        outbox.advance(500);
        assert!(outbox.is_empty());
    }
}
