//! The reading half of a connection: tungstenite over an adapter that meters its input and routes its output through [`Conn`].
use super::{conn::Conn, meter::Meter};
use crate::server::{
    clock::Mono,
    msg::{Class, Frame},
};
use crate::wire::close::Close;
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        error::ProtocolError,
        protocol::{Role, WebSocketConfig},
    },
};

/// How much more than its payload a message may take in fragments: a one-byte fragment has a header of six bytes.
const FRAGMENT_OVERHEAD: usize = 8;

/// What is read at once, and kept by every connection. Most frames are shorter; longer ones are read in pieces.
const BUFFER: usize = 512;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A text message.
    Text(Utf8Bytes),
    /// A ping or pong: it is alive, nothing more.
    Control,
    /// A binary message.
    Binary(Bytes),
    /// Nothing more will come: the socket is gone, or the connection is being closed. Every later call says so again.
    Ended,
}

/// Reads a connection's frames; what is no frame closes the connection with the fitting code.
pub struct Reader {
    conn: Conn,
    stream: WebSocketStream<Adapter>,
    ended: bool,
}

impl Reader {
    pub(in crate::server) async fn new(conn: Conn, early: Bytes, frame_bytes: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(frame_bytes))
            .max_frame_size(Some(frame_bytes));
        let mut adapter =
            Adapter { conn: conn.clone(), meter: Meter::default(), max_bytes: frame_bytes.saturating_mul(FRAGMENT_OVERHEAD) };
        adapter.meter(&early);
        let stream = WebSocketStream::from_partially_read(adapter, early.to_vec(), Role::Server, Some(config)).await;
        Self { conn, stream, ended: false }
    }

    /// Waits for the next message. Cancel-safe.
    pub async fn next(&mut self) -> Inbound {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Inbound> {
        while !self.ended && self.conn.is_open() {
            match ready!(self.stream.poll_next_unpin(context)) {
                Some(Ok(Message::Text(text))) => return Poll::Ready(Inbound::Text(text)),
                Some(Ok(Message::Binary(bytes))) => return Poll::Ready(Inbound::Binary(bytes)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Poll::Ready(Inbound::Control),
                Some(Ok(Message::Close(_) | Message::Frame(_))) => {}
                Some(Err(error)) => {
                    self.ended = true;
                    self.fail(&error);
                }
                None => {
                    self.ended = true;
                    self.conn.start_closing();
                }
            }
        }
        self.ended = true;
        Poll::Ready(Inbound::Ended)
    }

    /// tungstenite sends no close frame for these by itself.
    fn fail(&self, error: &Error) {
        match error {
            Error::Capacity(_) => self.conn.close(Close::TooLarge, 0),
            Error::Utf8(_) => self.conn.close(Close::InvalidUtf8, 0),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) if self.conn.is_open() => {
                self.conn.kill()
            }
            _ => self.conn.close(Close::Protocol, 0),
        }
    }
}

struct Adapter {
    conn: Conn,
    meter: Meter,
    max_bytes: usize,
}

impl Adapter {
    fn meter(&mut self, input: &[u8]) {
        let metered = self.meter.feed(input);
        if metered.frame {
            self.conn.stamp_inbound();
        }
        let since: Option<Mono> = self.conn.unfinished().filter(|_| !metered.clean);
        self.conn.set_unfinished(metered.unfinished.then(|| since.unwrap_or_else(|| self.conn.now())));
    }
}

impl AsyncRead for Adapter {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.conn.stream().poll_read_ready(context))?;
            let space = buffer.initialize_unfilled();
            match self.conn.stream().try_read(space) {
                Ok(n) => {
                    let input = space.get(..n).unwrap_or_default();
                    self.meter(input);
                    if self.meter.bytes() > self.max_bytes {
                        self.conn.close(Close::TooLarge, 0);
                        return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                    }
                    buffer.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Adapter {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let class = if bytes.first() == Some(&0x8a) { Class::Droppable } else { Class::Must };
        self.conn.send(Frame(Bytes::copy_from_slice(bytes)), class);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
