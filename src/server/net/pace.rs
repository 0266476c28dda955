//! How slow HTTP may be: a body, and an answer that somebody reads, have a time as a whole. Without it a byte now and then would keep a connection for ever.
use super::stream::Stream;
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// Whoever has moved so many bytes per millisecond of his time gets as much again.
const BYTES_PER_MS: u64 = 16;

/// A time that has begun.
struct Deadline {
    limit_ms: u64,
    moved: u64,
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    fn new(limit_ms: u64) -> Self {
        Self { limit_ms, moved: 0, sleep: Box::pin(tokio::time::sleep(Duration::from_millis(limit_ms))) }
    }

    /// Tells whether the time is over; if not, the task is woken when it may be.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        while self.sleep.poll_unpin(context).is_ready() {
            if self.moved < self.limit_ms.saturating_mul(BYTES_PER_MS) {
                return true;
            }
            *self = Self::new(self.limit_ms);
        }
        false
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "too slow")
}

/// A request's body. Errors: it has not come in its time.
pub(in crate::server) struct PacedBody {
    body: Incoming,
    deadline: Deadline,
}

impl PacedBody {
    pub fn new(body: Incoming, limit_ms: u64) -> Self {
        Self { body, deadline: Deadline::new(limit_ms) }
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.deadline.poll(context) {
            return Poll::Ready(Some(Err(too_slow().into())));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) {
            self.deadline.moved += data.map_or(0, Bytes::len) as u64;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose peer must take what is written to it: the time begins when it does not, and ends when everything is written.
pub(in crate::server) struct PacedStream {
    stream: Stream,
    limit_ms: u64,
    stalled: Option<Deadline>,
}

impl PacedStream {
    pub const fn new(stream: Stream, limit_ms: u64) -> Self {
        Self { stream, limit_ms, stalled: None }
    }

    pub fn into_inner(self) -> Stream {
        self.stream
    }

    /// Counts what was written, and begins the time when nothing can be.
    fn pace<T>(
        &mut self,
        done: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match (&done, &mut self.stalled) {
            (Poll::Ready(Ok(written)), Some(stalled)) => stalled.moved += bytes(written) as u64,
            (Poll::Ready(_), _) => {}
            (Poll::Pending, stalled) => {
                let stalled = stalled.get_or_insert_with(|| Deadline::new(self.limit_ms));
                if stalled.poll(context) {
                    // Else the kernel goes on for us with what it has taken.
                    let _ = socket2::SockRef::from(self.stream.tcp()).set_linger(Some(Duration::ZERO));
                    return Poll::Ready(Err(too_slow()));
                }
            }
        }
        done
    }
}

impl AsyncRead for PacedStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PacedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.pace(written, |n| *n, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.pace(written, |n| *n, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.stalled = None;
        }
        self.pace(flushed, |()| 0, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
