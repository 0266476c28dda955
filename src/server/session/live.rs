//! The life of a session: every frame is counted against the rates and read; when the line goes, presence and rooms hear how.
use super::{BAD_REQUESTS_MAX, EXPIRY_SLACK_MS, Next, RATE_RETRY_MS, Session, error, text};
use crate::server::{
    msg::{Class, EndedByHub, Frame, RoomMsg, ToRooms},
    net::{
        rate::Verdict,
        reader::{Inbound, Reader},
    },
    telemetry::metrics,
};
use crate::{
    hub::{
        code::Code,
        time::{Millis, UnixMs},
    },
    wire::{
        client::{self, ClientFrame, Parsed},
        close::Close,
        heartbeat,
        server::{ErrorJson, HeartbeatAck},
    },
};
use std::time::Duration;

impl Session {
    /// Reads until the line is gone or the client says goodbye, and tells presence and rooms which of the two it was.
    pub(super) async fn live(&mut self, reader: &mut Reader) {
        let mut next = Next::Stay;
        while next == Next::Stay {
            let inbound = match self.token_rest() {
                None => reader.next().await,
                // Boxed: a timer is large, and most of the time of most sessions nobody needs it.
                Some(rest) => match Box::pin(tokio::time::timeout(rest, reader.next())).await {
                    Ok(inbound) => inbound,
                    Err(_) => {
                        self.check_expiry();
                        continue;
                    }
                },
            };
            let now = self.all().clock.now();
            // The end of the line is no sign of life.
            if inbound != Inbound::Ended {
                self.seen.stamp(now);
            }
            next = match inbound {
                Inbound::Text(line) if self.is_beat(&line, now) => Next::Stay,
                // Boxed: what a command needs is not kept for the life of the session.
                Inbound::Text(line) => Box::pin(self.take(&line)).await,
                Inbound::Binary(_) => {
                    self.not_understood(error(None, Code::BadRequest));
                    Next::Stay
                }
                Inbound::Control => Next::Stay,
                Inbound::Ended => break,
            };
            if let Some(rest) = self.rates.rest(self.all().clock.mono()) {
                Box::pin(tokio::time::sleep(rest)).await;
            }
        }
        self.end(next);
        // The connection is closed by now, or will be by the peer: the rest is the reader's.
        while reader.next().await != Inbound::Ended {}
    }

    fn end(&self, how: Next) {
        let all = self.all();
        let free = self.shard.watches.borrow_mut().end(self.conn.id());
        if !free.is_empty() {
            all.presence.unwatch(self.shard.shard, free);
        }
        all.settings.load().user_rates.forget(&self.user, all.clock.mono());
        let sent_away = self.conn.closed().is_some_and(|(close, _)| close == Close::Banned);
        if how == Next::Offline || sent_away {
            // First: a room asks how somebody is who has left it.
            all.presence.end(self.session.clone());
            for room in self.rooms.list() {
                all.rooms.post(&room, RoomMsg::Leave { session: self.session.clone(), reply: None });
            }
            self.conn.close(Close::Normal, 0);
        } else {
            metrics::LINES_LOST.increment(1);
            all.presence.lost(self.user.clone(), self.session.clone(), self.conn.id(), self.rooms.list(), self.by_hub());
        }
    }

    /// Tells whether it was the hub that ended the line, and how.
    fn by_hub(&self) -> Option<EndedByHub> {
        let (close, retry_after_ms) = self.conn.closed().filter(|(close, _)| close.hands_over())?;
        Some(EndedByHub { retry_after: Millis(retry_after_ms), drained: close == Close::Draining })
    }

    /// Returns how long the token is still good, with some slack for the look that follows.
    fn token_rest(&self) -> Option<Duration> {
        let end = self.claims.as_ref()?.expires_at;
        let rest = end.saturating_sub(self.all().clock.wall_seconds());
        Some(Duration::from_millis(rest.saturating_mul(1000).saturating_add(EXPIRY_SLACK_MS)))
    }

    fn check_expiry(&self) {
        if self.claims.as_ref().is_some_and(|claims| claims.expires_at <= self.all().clock.wall_seconds()) {
            self.conn.close(Close::TokenExpired, 0);
        }
    }

    pub(super) fn not_understood(&mut self, error: Frame) {
        self.bad_requests += 1;
        self.send(error);
        if self.bad_requests >= BAD_REQUESTS_MAX {
            self.conn.close(Close::BadRequest, 0);
        }
    }

    /// Counts a frame against the rates. Returns whether it may be handled.
    fn admit(&mut self, id: Option<i64>) -> bool {
        let all = &self.shard.shared;
        let now = all.clock.mono();
        let user_ok = all.settings.load().user_rates.take(&self.user, now);
        match self.rates.take(now, user_ok) {
            Verdict::Fine => return true,
            Verdict::TooFast => self.error(id, Code::RateLimited),
            Verdict::Enough => {
                self.error(id, Code::RateLimited);
                self.conn.close(Close::RateLimited, RATE_RETRY_MS);
            }
        }
        false
    }

    /// Answers a plain heartbeat, or leaves the frame to the parser.
    fn is_beat(&self, line: &str, now: UnixMs) -> bool {
        let Some(beat) = heartbeat::read(line) else { return false };
        let is_own = beat.user_id.is_none_or(|user| user == self.user.as_str());
        self.heartbeat(beat.id, is_own, beat.ts_ms, now);
        true
    }

    async fn take(&mut self, line: &str) -> Next {
        let parsed = match client::parse(line) {
            Ok(Parsed { frame: ClientFrame::Heartbeat { ts_ms }, senders, id, .. }) => {
                let is_own = senders.iter().all(|sender| *sender == self.user);
                self.heartbeat(id, is_own, ts_ms, self.all().clock.now());
                return Next::Stay;
            }
            Ok(parsed) if self.admit(parsed.id) => parsed,
            Err(bad) if self.admit(bad.id) => {
                if bad.senders.iter().any(|sender| *sender != self.user) {
                    self.send(error(bad.id, Code::IdentityMismatch));
                } else if bad.code == Code::BadRequest {
                    self.not_understood(text(&ErrorJson::from_bad_frame(&bad)));
                } else {
                    self.not_read(&bad);
                }
                return Next::Stay;
            }
            Ok(_) | Err(_) => return Next::Stay,
        };
        if parsed.senders.iter().any(|sender| *sender != self.user) {
            self.error(parsed.id, Code::IdentityMismatch);
            return Next::Stay;
        }
        self.handle(parsed).await
    }

    pub(super) fn heartbeat(&self, id: Option<i64>, is_own: bool, ts_ms: Option<i64>, now: UnixMs) {
        match id {
            _ if !is_own => self.error(id, Code::IdentityMismatch),
            None => {
                metrics::HEARTBEATS.increment(1);
                self.conn.send_own(&heartbeat::ack(now, ts_ms), Class::Must);
            }
            Some(_) => {
                metrics::HEARTBEATS.increment(1);
                self.send(text(&HeartbeatAck { id, timestamp: now.seconds(), ts_ms, server_ts_ms: now.0 }));
            }
        }
    }
}
