//! What a client has of its room: the state and the messages that came, each with its number, and whether they came in order.
use super::{
    crew::{Crew, DRAIN_US},
    fanout, frames,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

/// In front of the moment, the writer and the number of a room message.
const BODY: &[u8] = br#""body":"t"#;
/// What makes a room message as long as one that people write.
const PADDING: &str =
    "........................................................................................................................";

/// The `sent`-th thing that the writer of a room does. Of five things one changes the state, one is a message of the class `must`, one
/// `normal`, and two are `droppable`; each kind has its own numbers.
pub(super) fn text(room: &str, writer: u32, sent: u64, at: u64) -> String {
    let (id, number) = (sent + 10, sent / 5);
    let (class, number) = match sent % 5 {
        0 => {
            return format!(
                r#"{{"type":"seat_extra","id":{id},"room_id":"{room}","seat_no":1,"extra":"t{at}.{writer}.{number}"}}"#
            );
        }
        1 => ("must", number),
        2 => ("normal", number),
        droppable => ("droppable", number * 2 + droppable - 3),
    };
    format!(
        r#"{{"type":"room_message","id":{id},"room_id":"{room}","class":"{class}","kind":"chat","body":"t{at}.{writer}.{number}.{PADDING}"}}"#
    )
}

/// One client's copy.
pub(super) struct Copy {
    /// Which room.
    pub room: u32,
    /// Whether its client reads slowly.
    pub slow: bool,
    cursor: RefCell<String>,
    msg_cursor: RefCell<String>,
    /// The numbers that come next.
    updates: Cell<u64>,
    musts: Cell<u64>,
    normals: Cell<u64>,
    droppables: Cell<u64>,
}

impl Copy {
    pub fn new(room: u32, slow: bool) -> Rc<Self> {
        let (cursor, msg_cursor) = (RefCell::default(), RefCell::default());
        let [updates, musts, normals, droppables] = [0; 4].map(Cell::new);
        Rc::new(Self { room, slow, cursor, msg_cursor, updates, musts, normals, droppables })
    }

    /// Begins where the ack of the join says.
    pub fn begin(&self, ack: &[u8]) {
        *self.cursor.borrow_mut() = field(ack, br#""cursor":""#);
        *self.msg_cursor.borrow_mut() = field(ack, br#""msg_cursor":""#);
    }

    /// Makes the line of `rooms[]` that goes on from here.
    pub fn line(&self, room: &str) -> String {
        format!(r#"{{"room_id":"{room}","cursor":"{}","msg_cursor":"{}"}}"#, self.cursor.borrow(), self.msg_cursor.borrow())
    }

    /// Takes one frame in; what is missing or out of order is an error. Returns how many things of the writer it told.
    pub fn take(&self, crew: &Crew, payload: &[u8], now: u64) -> u64 {
        if payload.starts_with(br#"{"type":"room_update""#) {
            return self.update(crew, payload, now);
        }
        if payload.starts_with(br#"{"type":"room_message""#) {
            return self.message(crew, payload, now);
        }
        if payload.starts_with(br#"{"type":"room_snapshot""#) {
            *self.cursor.borrow_mut() = field(payload, br#""cursor":""#);
            if let Some(extra) = frames::after(payload, fanout::MARK) {
                self.updates.set(frames::quoted(extra).rsplit(|byte| *byte == b'.').next().map_or(0, frames::number) + 1);
            }
            crew.tally.borrow_mut().add("snapshots", 1);
        }
        0
    }

    fn update(&self, crew: &Crew, mut payload: &[u8], now: u64) -> u64 {
        if field(payload, br#""prev":""#) != *self.cursor.borrow() {
            crew.tally.borrow_mut().error("updates that do not follow the last one".to_owned(), 1);
        }
        *self.cursor.borrow_mut() = field(payload, br#""cursor":""#);
        let mut found = 0;
        while let Some(rest) = frames::after(payload, fanout::MARK) {
            payload = rest;
            found += 1;
            let number = self.heard(crew, rest, now);
            if number != self.updates.get() {
                crew.tally.borrow_mut().error("changes missing or out of order".to_owned(), 1);
            }
            self.updates.set(number + 1);
        }
        found
    }

    fn message(&self, crew: &Crew, payload: &[u8], now: u64) -> u64 {
        let Some(body) = frames::after(payload, BODY) else { return 0 };
        let number = self.heard(crew, body, now);
        let class = field(payload, br#""class":""#);
        let [normal, droppable] = self.dropped();
        let (next, gone) = match class.as_str() {
            "must" => (&self.musts, "must messages passed over, and marked"),
            "normal" => (&self.normals, normal),
            _ => (&self.droppables, droppable),
        };
        let missing = number.checked_sub(next.replace(number + 1));
        let mut tally = crew.tally.borrow_mut();
        match missing {
            None => tally.error(format!("{class} messages out of order"), 1),
            Some(0) => {}
            Some(n) if class != "must" || frames::after(payload, br#""skipped":true"#).is_some() => tally.add(gone, n),
            Some(n) => tally.error("must messages missing".to_owned(), n),
        }
        if class == "must" {
            *self.msg_cursor.borrow_mut() = field(payload, br#""msg_cursor":""#);
        }
        1
    }

    /// Returns under which names `normal` and `droppable` messages are counted that never came.
    const fn dropped(&self) -> [&'static str; 2] {
        if self.slow {
            ["normal dropped for slow clients", "droppable dropped for slow clients"]
        } else {
            ["normal dropped", "droppable dropped"]
        }
    }

    /// Counts what was dropped behind the last message that came.
    fn settle(&self, crew: &Crew, written: &[u64]) {
        let sent = written.get(self.room as usize).copied().unwrap_or(0);
        let mut tally = crew.tally.borrow_mut();
        // Of every five things the third is normal, the fourth and fifth are droppable.
        let (normals, droppables) = ((sent + 2) / 5, (sent + 1) / 5 + sent / 5);
        let [normal, droppable] = self.dropped();
        tally.add(normal, normals.saturating_sub(self.normals.get()));
        tally.add(droppable, droppables.saturating_sub(self.droppables.get()));
    }

    /// Returns the number in a mark, and notes how long it took.
    fn heard(&self, crew: &Crew, mark: &[u8], now: u64) -> u64 {
        let mut numbers = frames::quoted(mark).split(|byte| *byte == b'.').map(frames::number);
        let (sent, number) = (numbers.next().unwrap_or(0), numbers.nth(1).unwrap_or(0));
        if !self.slow {
            crew.tally.borrow_mut().took("delivery", now.saturating_sub(sent));
        }
        number
    }

    /// Tells whether something is missing that may not be lost, of so many things that the writer did.
    fn is_behind(&self, written: &[u64]) -> bool {
        let sent = written.get(self.room as usize).copied().unwrap_or(0);
        self.updates.get() < sent.div_ceil(5) || self.musts.get() < (sent + 3) / 5
    }
}

/// Waits until everybody has everything, and counts who has; whoever has not is an error.
pub(super) async fn arrive(crew: &Crew, copies: &[Rc<Copy>]) {
    let written = crew.written();
    let end = crew.micros() + DRAIN_US;
    while copies.iter().any(|copy| copy.is_behind(&written)) && crew.micros() < end {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What may be lost is on its way, or it was dropped.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for copy in copies {
        copy.settle(crew, &written);
    }
    for (slow, what) in [(false, "clients with everything"), (true, "slow clients with everything")] {
        let (mut all, mut behind) = (0, 0);
        for copy in copies.iter().filter(|copy| copy.slow == slow) {
            all += 1;
            behind += u64::from(copy.is_behind(&written));
        }
        let mut tally = crew.tally.borrow_mut();
        tally.add(what, all - behind);
        if behind > 0 {
            tally.error(format!("not among the {what}"), behind);
        }
    }
}

/// Returns a text field, wherever it is.
pub(super) fn field(payload: &[u8], name: &[u8]) -> String {
    String::from_utf8_lossy(frames::after(payload, name).map(frames::quoted).unwrap_or_default()).into_owned()
}
