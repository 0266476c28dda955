//! How a connection ends: the last frames, a short time to read them, and the deadlines at which it is judged.
use super::{Conn, State};
use crate::{
    server::{
        clock::Mono,
        msg::{Class, Frame},
        net::ws,
        telemetry::metrics,
    },
    wire::{close::Close, codec},
};
use std::{
    io::ErrorKind,
    task::{Context, Poll},
    time::Duration,
};

/// How long a closed connection may take to read its last frames.
const LINGER_MS: u64 = 2_000;
/// How long one may that was closed for sending too much: while it sends, it does not read.
const LINGER_LOUD_MS: u64 = 10_000;
/// How much input is read and thrown away after our close frame.
const INPUT_AFTER_CLOSE: usize = 256 * 1024;

/// How long our half stays open behind our close frame for a client that does not answer it. Some clients forget what they have read
/// when the end of the stream comes close behind.
const ANSWER_MS: u64 = 250;

/// When a connection is judged.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Deadlines {
    pub ping_ms: u64,
    pub idle_ms: u64,
    pub message_ms: u64,
    /// More than this may not wait for a reader.
    pub waiting_bytes: usize,
}

impl Deadlines {
    /// Returns how often connections are looked at: with short settings so often that a ping and its answer come in time.
    pub fn look_every_ms(self) -> u64 {
        (self.ping_ms.min(self.idle_ms.saturating_sub(self.ping_ms)) / 4).clamp(10, 250)
    }
}

impl Conn {
    /// Ends the connection: `closing` (application codes only), the close frame, then a short time to read them.
    pub fn close(&self, close: Close, retry_after_ms: u64) {
        if !self.is_open() {
            return;
        }
        metrics::close(close);
        self.0.closed.set(Some((close, retry_after_ms)));
        self.0.gate.borrow_mut().take();
        {
            let mut outbox = self.0.outbox.borrow_mut();
            if close == Close::SlowConsumer {
                outbox.cut();
            }
            for frame in ws::last_frames(close, retry_after_ms) {
                outbox.push_uncounted(frame);
            }
        }
        self.start_closing();
    }

    /// The client has closed: what waits is still written, nothing is added.
    pub(in crate::server) fn start_closing(&self) {
        if self.is_open() {
            self.0.state.set(State::Closing);
            self.0.deadline.set(self.0.clock.mono().plus(LINGER_MS));
            self.wake();
        }
    }

    /// After the close frame: reads and throws away, until the peer is gone, too loud or too late. Our half ends when the client answers, or soon.
    pub(in crate::server) fn poll_end(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.0.state.get() == State::Closing && !self.is_writing() {
            self.0.state.set(State::Closed(self.now()));
            if self.0.closed.get().is_some_and(|(close, _)| close == Close::RateLimited) {
                self.0.deadline.set(self.now().plus(LINGER_LOUD_MS));
            }
            // The client has closed first, and waits.
            if self.0.closed.get().is_none() {
                self.end_our_half();
            }
        }
        let mut waste = [0; 1024];
        loop {
            if self.0.state.get() == State::Dead || self.0.swallowed.get() > INPUT_AFTER_CLOSE {
                return Poll::Ready(());
            }
            match self.0.stream.poll_read_ready(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => match self.0.stream.try_read(&mut waste) {
                    Ok(0) => return Poll::Ready(()),
                    Ok(n) => {
                        self.0.swallowed.set(self.0.swallowed.get() + n);
                        self.end_our_half();
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    Err(_) => return Poll::Ready(()),
                },
            }
        }
    }

    fn end_our_half(&self) {
        if matches!(self.0.state.get(), State::Closed(_)) {
            self.0.state.set(State::HalfClosed);
            self.0.stream.end_our_half();
        }
    }

    /// Looks at the connection's deadlines; `gap` is how long the process itself was paused.
    pub(in crate::server) fn sweep(&self, now: Mono, gap: u64, deadlines: Deadlines) {
        let inner = &*self.0;
        if gap > 0 {
            inner.last_inbound.set(inner.last_inbound.get().plus(gap));
            inner.unfinished.set(inner.unfinished.get().map(|since| since.plus(gap)));
        }
        match inner.state.get() {
            State::Open => {
                if inner.unfinished.get().is_some_and(|since| now.since(since) >= deadlines.message_ms) {
                    self.close(Close::TooLarge, 0);
                } else if inner.outbox.borrow().bytes() > deadlines.waiting_bytes {
                    self.too_slow();
                } else if now.since(inner.last_inbound.get()) >= deadlines.idle_ms {
                    self.close(Close::HeartbeatTimeout, 0);
                } else if now.since(inner.last_ping.get()) >= deadlines.ping_ms {
                    inner.last_ping.set(now);
                    self.send(Frame(codec::ping_frame()), Class::Droppable);
                }
            }
            State::Closing | State::Closed(_) | State::HalfClosed if now >= inner.deadline.get() => {
                if inner.state.get() == State::Closing {
                    let _ = socket2::SockRef::from(inner.stream.tcp()).set_linger(Some(Duration::ZERO));
                }
                self.kill();
            }
            State::Closed(since) if now.since(since) >= ANSWER_MS => self.end_our_half(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_settings_are_looked_at_often() {
        let every = |ping_ms, idle_ms| Deadlines { ping_ms, idle_ms, message_ms: 10_000, waiting_bytes: 0 }.look_every_ms();
        assert_eq!(every(25_000, 60_000), 250);
        assert_eq!(every(300, 1_000), 75);
        assert_eq!(every(100, 200), 25);
        assert_eq!(every(199, 200), 10);
    }
}
