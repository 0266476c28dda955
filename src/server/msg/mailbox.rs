//! The mail of a session without a socket: frames that a socket would have got, until its client says that it has them.
//! What can be asked for again (a room's log, kept messages) is never in here: of that it says only that there is some.
use super::{Class, Frame};
use crate::{
    hub::id::RoomId,
    wire::{close::Close, codec::text_frame, server::closing},
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// How many frames wait for a client.
const FRAMES_MAX: usize = 64;
/// How many bytes of them.
const BYTES_MAX: usize = 256 * 1024;

/// One session's mail. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mailbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Tells its numbers from those of other mail of the same session.
    tag: u32,
    state: Mutex<State>,
    bell: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    mail: VecDeque<Mail>,
    /// What is counted: all but states, of which there is one per person or room.
    frames: usize,
    bytes: usize,
    /// The number of the newest frame.
    count: u64,
    rooms: BTreeSet<RoomId>,
    listens: bool,
}

#[derive(Debug)]
struct Mail {
    number: u64,
    frame: Frame,
    class: Class,
    /// The client is sent away by it: it is told once.
    is_last: bool,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self(Arc::new(Inner { tag: rand::random(), state: Mutex::default(), bell: watch::Sender::new(()) }))
    }
}

impl Mail {
    const fn is_counted(&self) -> bool {
        !matches!(self.class, Class::Latest(_))
    }
}

impl State {
    fn push(&mut self, frame: Frame, class: Class, is_last: bool) {
        if matches!(class, Class::Latest(_)) {
            self.mail.retain(|mail| mail.class != class);
        }
        self.count += 1;
        self.mail.push_back(Mail { number: self.count, frame, class, is_last });
        self.recount();
        while self.frames > FRAMES_MAX || self.bytes > BYTES_MAX {
            let of = |wanted: Class| self.mail.iter().position(|mail| mail.class == wanted);
            let oldest = || self.mail.iter().position(Mail::is_counted).filter(|_| self.frames > 1);
            let Some(at) = of(Class::Droppable).or_else(|| of(Class::Normal)).or_else(oldest) else { return };
            self.mail.remove(at);
            self.recount();
        }
    }

    fn recount(&mut self) {
        let counted = || self.mail.iter().filter(|mail| mail.is_counted());
        (self.frames, self.bytes) = (counted().count(), counted().map(|mail| mail.frame.0.len()).sum());
    }

    fn retain(&mut self, keep: impl Fn(&Mail) -> bool) {
        self.mail.retain(keep);
        self.recount();
    }
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a frame. Beyond 64 frames or 256 KiB what may be dropped goes first, then the oldest.
    pub fn push(&self, frame: Frame, class: Class) {
        self.lock().push(frame, class, false);
        self.0.bell.send_replace(());
    }

    /// Sends the client away, with the frame that a socket would get.
    pub fn close(&self, close: Close, retry_after_ms: u64) {
        self.lock().push(Frame(text_frame(&closing(close, retry_after_ms))), Class::Must, true);
        self.0.bell.send_replace(());
    }

    /// Says that a room has something new.
    pub fn ring(&self, room: &RoomId) {
        let mut state = self.lock();
        if !state.rooms.contains(room) {
            state.rooms.insert(room.clone());
        }
        drop(state);
        self.0.bell.send_replace(());
    }

    /// From here on the client takes everything, not just what is for it alone. Returns what wakes it.
    pub fn listen(&self) -> watch::Receiver<()> {
        self.lock().listens = true;
        self.0.bell.subscribe()
    }

    /// Tells whether the client takes everything.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.lock().listens
    }

    /// The client has everything up to this position, and the mail forgets it. Returns the number in it; 0 = the position is of other mail.
    pub fn heard(&self, position: &str) -> u64 {
        let number = position.split_once('.').filter(|(tag, _)| *tag == format!("{:x}", self.0.tag));
        let number = number.and_then(|(_, number)| number.parse().ok()).unwrap_or(0);
        if number > 0 {
            self.lock().retain(|mail| mail.number > number);
        }
        number
    }

    /// Returns the position of a number.
    #[must_use]
    pub fn position(&self, number: u64) -> String {
        format!("{:x}.{number}", self.0.tag)
    }

    /// Returns the frames after a number, the newest one's number, and whether the client is sent away by them.
    #[must_use]
    pub fn after(&self, told: u64) -> (Vec<Frame>, u64, bool) {
        let mut state = self.lock();
        let news: Vec<_> = state.mail.iter().filter(|mail| mail.number > told).collect();
        let frames = news.iter().map(|mail| mail.frame.clone()).collect();
        let is_last = news.iter().any(|mail| mail.is_last);
        state.retain(|mail| !mail.is_last);
        (frames, state.count, is_last)
    }

    /// Returns which rooms have something new since the last call.
    #[must_use]
    pub fn take_rooms(&self) -> BTreeSet<RoomId> {
        std::mem::take(&mut self.lock().rooms)
    }

    /// Takes out what the client does not have, and what does not lose its meaning with time.
    #[must_use]
    pub fn rest(&self, heard: Option<&str>) -> Vec<Frame> {
        heard.map(|position| self.heard(position));
        self.take()
    }

    /// Takes out what does not lose its meaning with time, oldest first: the session goes on in another way.
    #[must_use]
    pub fn take(&self) -> Vec<Frame> {
        let mut state = self.lock();
        let all = std::mem::take(&mut state.mail).into_iter();
        state.recount();
        all.filter(|mail| !mail.is_last && mail.is_counted()).map(|mail| mail.frame).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Frame {
        Frame(bytes::Bytes::copy_from_slice(text.as_bytes()))
    }

    fn texts(frames: &[Frame]) -> Vec<&str> {
        frames.iter().map(|frame| std::str::from_utf8(&frame.0).unwrap()).collect()
    }

    #[test]
    fn a_frame_stays_until_the_client_has_it() {
        let mail = Mailbox::default();
        mail.push(frame("a"), Class::Must);
        mail.push(frame("b"), Class::Must);
        let (frames, heard, _) = mail.after(0);
        assert_eq!((texts(&frames), heard), (vec!["a", "b"], 2));
        assert_eq!(mail.after(0).0.len(), 2, "the answer did not arrive");
        mail.push(frame("c"), Class::Must);
        assert_eq!(texts(&mail.after(heard).0), ["c"]);
        assert_eq!(mail.heard(&mail.position(2)), 2);
        assert_eq!(texts(&mail.after(0).0), ["c"], "the others have arrived");
        for other in ["", "7", "x.1", &Mailbox::default().position(3), &format!("{}x", mail.position(3))] {
            assert_eq!(mail.heard(other), 0, "{other}");
        }
        assert_eq!(mail.after(0).0.len(), 1);
    }

    #[test]
    fn the_newest_state_replaces_the_older_one() {
        let mail = Mailbox::default();
        mail.push(frame("busy"), Class::Latest(1));
        mail.push(frame("other"), Class::Latest(2));
        mail.push(frame("away"), Class::Latest(1));
        assert_eq!(texts(&mail.after(0).0), ["other", "away"]);
        mail.push(frame("letter"), Class::Must);
        assert_eq!(texts(&mail.take()), ["letter"], "a state has no meaning later");
        assert!(mail.after(0).0.is_empty());
    }

    #[test]
    fn what_may_be_dropped_goes_first() {
        let mail = Mailbox::default();
        mail.push(frame("letter"), Class::Must);
        for _ in 0..40 {
            mail.push(frame("flower"), Class::Droppable);
        }
        for _ in 0..40 {
            mail.push(frame("said"), Class::Normal);
        }
        let (frames, heard, _) = mail.after(0);
        let count = |wanted: &str| texts(&frames).iter().filter(|text| **text == wanted).count();
        assert_eq!((count("letter"), count("flower"), count("said"), heard), (1, 23, 40, 81));
        mail.push(frame(&"x".repeat(BYTES_MAX)), Class::Must);
        mail.push(frame("another"), Class::Must);
        assert_eq!(texts(&mail.after(0).0), ["another"]);
        for person in 0..200 {
            mail.push(frame("busy"), Class::Latest(person));
        }
        assert_eq!(mail.after(0).0.len(), 201, "states are not counted: there is one per person");
    }

    #[test]
    fn a_client_is_sent_away_once() {
        let mail = Mailbox::default();
        mail.close(Close::Draining, 700);
        assert!(mail.after(0).2);
        assert_eq!(mail.after(0), (Vec::new(), 1, false));
    }

    #[test]
    fn a_bell_is_heard() {
        let mail = Mailbox::default();
        assert!(!mail.listens());
        let bell = mail.listen();
        assert!(mail.listens() && !bell.has_changed().unwrap());
        mail.ring(&RoomId::parse("r1").unwrap());
        assert!(bell.has_changed().unwrap());
        assert_eq!(mail.take_rooms().len(), 1);
        assert!(mail.take_rooms().is_empty());
    }
}
