//! One connection as its shard sees it: writing without a queue in between, and the gate. How it ends is in `ending.rs`.
mod ending;

pub(in crate::server) use ending::Deadlines;

use super::{admit::Admitted, outbox::Outbox, stream::Stream};
use crate::server::{
    clock::{Clock, Mono},
    msg::{Class, ConnId, Frame},
    telemetry::metrics,
};
use crate::wire::close::Close;
use bytes::Bytes;
use socket2::SockRef;
use std::{
    cell::{Cell, RefCell},
    io::{ErrorKind, IoSlice},
    net::IpAddr,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// What is known of a client when its socket is open, before it has said anything.
#[derive(Clone)]
pub struct Hello {
    /// The address it comes from.
    pub peer: IpAddr,
    /// Whether it is a page: only browsers send `Origin`.
    pub has_origin: bool,
    /// The token of the subprotocol `bearer.<token>`.
    pub bearer: Option<String>,
    /// The token of `?token=`.
    pub query_token: Option<String>,
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hello {{ peer: {}, has_origin: {} }}", self.peer, self.has_origin)
    }
}

/// A connection: cheap to clone, and never leaves its shard's thread.
#[derive(Clone)]
pub struct Conn(Rc<Inner>);

struct Inner {
    id: ConnId,
    peer: IpAddr,
    stream: Stream,
    clock: Clock,
    outbox: RefCell<Outbox>,
    gate: RefCell<Option<Box<Outbox>>>,
    bounds: (usize, usize),
    waker: RefCell<Option<Waker>>,
    state: Cell<State>,
    closed: Cell<Option<(Close, u64)>>,
    deadline: Cell<Mono>,
    last_inbound: Cell<Mono>,
    last_ping: Cell<Mono>,
    unfinished: Cell<Option<Mono>>,
    swallowed: Cell<usize>,
    admitted: Admitted,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The last frames are in the outbox.
    Closing,
    /// They are written, since then.
    Closed(Mono),
    /// So is the end of our half.
    HalfClosed,
    Dead,
}

impl Conn {
    pub(in crate::server) fn new(id: ConnId, stream: Stream, admitted: Admitted, clock: Clock, bounds: (usize, usize)) -> Self {
        let now = clock.mono();
        Self(Rc::new(Inner {
            id,
            peer: admitted.address(),
            stream,
            clock,
            outbox: RefCell::new(Outbox::new(bounds.0, bounds.1)),
            gate: RefCell::new(None),
            bounds,
            waker: RefCell::new(None),
            state: Cell::new(State::Open),
            closed: Cell::new(None),
            deadline: Cell::new(now),
            last_inbound: Cell::new(now),
            last_ping: Cell::new(now),
            unfinished: Cell::new(None),
            swallowed: Cell::new(0),
            admitted,
        }))
    }

    /// Returns the connection's address on its shard.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.0.id
    }

    /// Returns where the client is.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.0.peer
    }

    /// Returns when the last whole frame came in.
    #[must_use]
    pub fn last_inbound(&self) -> Mono {
        self.0.last_inbound.get()
    }

    /// Returns with which code, and after which wait, the hub has closed the connection; `None`: it has not.
    #[must_use]
    pub fn closed(&self) -> Option<(Close, u64)> {
        self.0.closed.get()
    }

    /// Tells whether frames are still taken: nothing has closed or broken the connection.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.state.get() == State::Open
    }

    /// Notes that the client has proved who it is: it no longer counts as unauthenticated.
    pub fn authenticated(&self) {
        self.0.admitted.authenticated();
    }

    /// Sends a frame past the gate: at once if nothing waits, else through the outbox.
    pub fn send(&self, frame: Frame, class: Class) {
        if !self.is_open() {
            return;
        }
        let mut outbox = self.0.outbox.borrow_mut();
        if !outbox.is_empty() {
            let kept = outbox.push(frame, class);
            drop(outbox);
            if kept.is_err() {
                self.too_slow();
            }
            return;
        }
        match self.write(&frame.0) {
            n if n == frame.0.len() => return,
            0 if outbox.push(frame.clone(), class).is_err() => {
                drop(outbox);
                return self.too_slow();
            }
            0 => {}
            n => outbox.push_half(frame.0.slice(n..), class),
        }
        drop(outbox);
        self.wake();
    }

    /// As `send`, for a frame that nobody else gets. Cost: no copy, unless it must wait.
    pub fn send_own(&self, frame: &[u8], class: Class) {
        let direct = self.is_open() && self.0.outbox.borrow().is_empty();
        match if direct { self.write(frame) } else { 0 } {
            n if n == frame.len() => {}
            0 => self.send(Frame(Bytes::copy_from_slice(frame)), class),
            n => {
                let rest = Bytes::copy_from_slice(frame.get(n..).unwrap_or_default());
                self.0.outbox.borrow_mut().push_half(rest, class);
                self.wake();
            }
        }
    }

    /// From now on frames that come through the shard's channel are kept.
    pub fn gate(&self) {
        self.0.gate.borrow_mut().get_or_insert_with(|| Box::new(Outbox::new(self.0.bounds.0, self.0.bounds.1)));
    }

    /// Sends `first`, then everything that was kept, and keeps nothing any more. The client counts as authenticated.
    pub fn open_gate(&self, first: Frame) {
        self.authenticated();
        self.send(first, Class::Must);
        let kept = self.0.gate.borrow_mut().take();
        for (frame, class) in kept.map(|mut gate| gate.take()).unwrap_or_default() {
            self.send(frame, class);
        }
    }

    /// A frame that came through the shard's channel.
    pub(in crate::server) fn deliver(&self, frame: Frame, class: Class) {
        let mut gate = self.0.gate.borrow_mut();
        match gate.as_mut() {
            None => {
                drop(gate);
                self.send(frame, class);
            }
            Some(kept) => {
                let kept = kept.push(frame, class);
                drop(gate);
                if kept.is_err() {
                    self.too_slow();
                }
            }
        }
    }

    /// Several frames at once, which `joined` holds in one piece. Cost: where nothing waits, one write and nothing else.
    pub(in crate::server) fn deliver_joined(&self, joined: &[u8], frames: &[(Frame, Class)]) {
        let direct = self.is_direct();
        let written = if direct { self.write(joined) } else { 0 };
        if !direct || written < joined.len() {
            self.keep_rest(written, frames);
        }
    }

    /// Keeps what follows so many written bytes of these frames.
    fn keep_rest(&self, mut written: usize, frames: &[(Frame, Class)]) {
        for (frame, class) in frames {
            if written >= frame.0.len() {
                written -= frame.0.len();
            } else if written > 0 {
                self.0.outbox.borrow_mut().push_half(frame.0.slice(written..), *class);
                self.wake();
                written = 0;
            } else {
                self.deliver(frame.clone(), *class);
            }
        }
    }

    /// Tells whether a frame of a room may be written at once.
    fn is_direct(&self) -> bool {
        self.is_open() && self.0.outbox.borrow().is_empty() && self.0.gate.borrow().is_none()
    }

    fn too_slow(&self) {
        metrics::SLOW_CONSUMERS.increment(1);
        self.close(Close::SlowConsumer, 0);
    }

    /// Writes what the socket takes; a broken socket takes nothing and is dead from here on.
    fn write(&self, bytes: &[u8]) -> usize {
        match self.0.stream.try_write(bytes) {
            Ok(n) => {
                if !self.0.stream.is_flushed() {
                    self.wake();
                }
                n
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(_) => {
                self.kill();
                0
            }
        }
    }

    /// Writes from the outbox until it is empty or the socket full.
    fn drain(&self) {
        let mut outbox = self.0.outbox.borrow_mut();
        while !outbox.is_empty() && self.0.state.get() != State::Dead {
            let mut slices = [IoSlice::new(&[]); 16];
            let filled = outbox.peek(&mut slices);
            match self.0.stream.try_write_vectored(slices.get(..filled).unwrap_or_default()) {
                Ok(n) => outbox.advance(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.kill(),
            }
        }
    }

    /// Tells whether something has not left the hub yet.
    fn is_writing(&self) -> bool {
        !self.0.outbox.borrow().is_empty() || !self.0.stream.is_flushed()
    }

    pub(in crate::server) fn stream(&self) -> &Stream {
        &self.0.stream
    }

    pub(in crate::server) fn now(&self) -> Mono {
        self.0.clock.mono()
    }

    pub(in crate::server) fn stamp_inbound(&self) {
        self.0.last_inbound.set(self.now());
    }

    pub(in crate::server) fn set_unfinished(&self, since: Option<Mono>) {
        self.0.unfinished.set(since);
    }

    pub(in crate::server) fn unfinished(&self) -> Option<Mono> {
        self.0.unfinished.get()
    }

    /// Ends the connection without another byte.
    pub(in crate::server) fn kill(&self) {
        if self.0.state.replace(State::Dead) != State::Dead {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.0.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Remembers whom to wake, and writes as long as something waits and the socket takes it.
    pub(in crate::server) fn poll_drain(&self, context: &mut Context<'_>) {
        {
            let mut waker = self.0.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|w| w.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
        }
        while self.is_writing() && self.0.state.get() != State::Dead {
            match self.0.stream.poll_write_ready(context) {
                Poll::Ready(Ok(())) => self.drain(),
                Poll::Ready(Err(_)) => self.kill(),
                Poll::Pending => return,
            }
        }
    }
}

/// Several frames, which `joined` holds in one piece, to many connections. First all are looked at, then all are written to: the kernel's
/// work for one write leaves little of the hub in the processor's caches, and what is read in a row is fetched together.
pub(in crate::server) fn deliver_to_all(conns: &[&Conn], joined: &[u8], frames: &[(Frame, Class)]) {
    let sockets: Vec<_> = conns.iter().map(|conn| conn.0.stream.bare().filter(|_| conn.is_direct())).collect();
    for (conn, socket) in conns.iter().zip(&sockets) {
        match socket.map(|socket| SockRef::from(&socket).send(joined)) {
            Some(Ok(n)) if n == joined.len() => {}
            Some(Ok(n)) if n > 0 => conn.keep_rest(n, frames),
            // Once more, by the way that tells a full socket from a broken one.
            _ => conn.deliver_joined(joined, frames),
        }
    }
}
