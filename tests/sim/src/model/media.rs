//! What media servers tell about people on seats.
use super::{Media, Model, Occ};
use serde_json::{Value, json};

impl Media {
    /// The name, and until when the seat is kept.
    pub const fn shown(self) -> (&'static str, Option<u64>) {
        match self {
            Self::None => ("none", None),
            Self::Publishing => ("publishing", None),
            Self::Lost(until) => ("lost", Some(until)),
        }
    }
}

impl Model {
    /// Somebody is on air. Returns whether that changed anything.
    pub fn stream_started(&mut self, user: &str) -> bool {
        self.out.clear();
        match self.occ(user).filter(|occ| occ.media != Media::Publishing) {
            Some(_) => {
                let before = self.before();
                self.show_media(user, Media::Publishing);
                self.after(&before);
                true
            }
            None => false,
        }
    }

    /// Somebody's newest stream stopped. Returns whether that changed anything.
    pub fn stream_stopped(&mut self, user: &str, stopped_at: u64) -> bool {
        self.out.clear();
        let meant = |occ: &&Occ| occ.since <= stopped_at && !matches!(occ.media, Media::Lost(_));
        if self.occ(user).filter(meant).is_none() {
            return false;
        }
        let before = self.before();
        let until = stopped_at + self.s.rules.stream_grace;
        if self.s.now < until {
            self.show_media(user, Media::Lost(until));
        } else {
            self.unsit(user, "stream_stopped", "stream_stopped", 0);
        }
        self.after(&before);
        true
    }

    /// Whether the grace of somebody's stream is over.
    pub fn stream_over(&self, user: &str) -> bool {
        self.occ(user).is_some_and(|occ| matches!(occ.media, Media::Lost(until) if until <= self.s.now))
    }

    fn occ(&self, user: &str) -> Option<&Occ> {
        self.s.seat_of(user)?.occ.as_ref()
    }

    fn show_media(&mut self, user: &str, media: Media) {
        let number = self.s.seat_of(user).expect("seated").no;
        self.s.seat_mut(number).occ.as_mut().expect("seated").media = media;
        let (name, until) = media.shown();
        let event: Value = json!({"event": "seat_updated", "seat_no": number, "media": name, "media_lost_until_ms": until});
        self.emit(event);
    }
}
