//! The bytes of one connection: TCP as it is, or TLS over it. Writing and reading never wait; whoever would wait asks for readiness first.
use rustls::ServerConnection;
use std::{
    cell::{Cell, RefCell},
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// How much is taken for encryption while nothing waits to be sent: one record.
const RECORD: usize = 16 * 1024;

/// A connection's bytes.
pub(in crate::server) enum Stream {
    /// Over TCP.
    Plain(TcpStream),
    /// Over TLS, which the hub ends itself.
    Tls(Box<Tls>),
}

/// A TLS session over TCP. The handshake happens as the first bytes are read.
pub(in crate::server) struct Tls {
    tcp: TcpStream,
    session: RefCell<ServerConnection>,
    /// How much was decrypted and is not read yet.
    decrypted: Cell<usize>,
    /// Our half ends when everything is sent.
    ending: Cell<bool>,
}

/// Lets the session reach its socket without owning it.
struct Wire<'a>(&'a TcpStream);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tls {
    fn new(tcp: TcpStream, mut session: ServerConnection) -> Self {
        session.set_buffer_limit(Some(RECORD));
        Self { tcp, session: RefCell::new(session), decrypted: Cell::new(0), ending: Cell::new(false) }
    }

    /// Sends what is encrypted. Errors: `WouldBlock` while something is left.
    fn flush(&self) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        while session.wants_write() {
            match session.write_tls(&mut Wire(&self.tcp)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.ending.get() {
            let _ = socket2::SockRef::from(&self.tcp).shutdown(std::net::Shutdown::Write);
        }
        Ok(())
    }

    fn is_flushed(&self) -> bool {
        !self.session.borrow().wants_write()
    }

    fn poll_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.tcp.poll_write_ready(context))?,
                flushed => return Poll::Ready(flushed),
            }
        }
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        let taken = self.session.borrow_mut().writer().write_vectored(slices)?;
        match self.flush() {
            // What is taken is on its way.
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.decrypted.get() > 0 {
                let read = self.session.borrow_mut().reader().read(buffer)?;
                self.decrypted.set(self.decrypted.get().saturating_sub(read));
                return Ok(read);
            }
            let mut session = self.session.borrow_mut();
            if session.read_tls(&mut Wire(&self.tcp))? == 0 {
                return Ok(0);
            }
            let outcome = session.process_new_packets();
            drop(session);
            // An alert, or the next step of the handshake.
            let flushed = self.flush();
            match outcome {
                Ok(state) if state.plaintext_bytes_to_read() == 0 && state.peer_has_closed() => return Ok(0),
                Ok(state) => self.decrypted.set(state.plaintext_bytes_to_read()),
                Err(error) => {
                    metrics::counter!("michub_tls_failed_total").increment(1);
                    tracing::debug!(%error, "a TLS line fails");
                    return Err(io::Error::new(ErrorKind::InvalidData, error));
                }
            }
            match flushed {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.decrypted.get() > 0 {
            return Poll::Ready(Ok(()));
        }
        if !self.is_flushed()
            && let Poll::Ready(Err(error)) = self.poll_flush(context)
        {
            return Poll::Ready(Err(error));
        }
        self.tcp.poll_read_ready(context)
    }
}

impl Stream {
    /// Takes a connection as it is, or under TLS.
    pub fn new(tcp: TcpStream, tls: Option<ServerConnection>) -> Self {
        match tls {
            None => Self::Plain(tcp),
            Some(session) => Self::Tls(Box::new(Tls::new(tcp, session))),
        }
    }

    /// Returns the socket.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &tls.tcp,
        }
    }

    /// Returns the socket if what is written to it leaves as it is.
    pub fn bare(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Plain(tcp) => Some(tcp.as_fd()),
            Self::Tls(_) => None,
        }
    }

    /// Tells whether nobody on the way can read along.
    pub const fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Tells whether everything that was written has left the hub.
    pub fn is_flushed(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(tls) => tls.is_flushed(),
        }
    }

    /// Writes as much as is taken now. Errors: `WouldBlock` if that is nothing.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write(bytes),
            Self::Tls(tls) => tls.try_write_vectored(&[IoSlice::new(bytes)]),
        }
    }

    /// As [`Self::try_write`], from several pieces.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write_vectored(slices),
            Self::Tls(tls) => tls.try_write_vectored(slices),
        }
    }

    /// Reads what is there; 0 = the peer has ended. Errors: `WouldBlock` if there is nothing.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_read(buffer),
            Self::Tls(tls) => tls.try_read(buffer),
        }
    }

    /// Waits until a read is worth a try.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(context),
            Self::Tls(tls) => tls.poll_read_ready(context),
        }
    }

    /// Waits until a write is worth a try.
    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_write_ready(context),
            Self::Tls(tls) => tls.poll_flush(context),
        }
    }

    /// Ends our half, when everything that was written has left.
    pub fn end_our_half(&self) {
        match self {
            Self::Plain(tcp) => drop(socket2::SockRef::from(tcp).shutdown(std::net::Shutdown::Write)),
            Self::Tls(tls) => {
                if !tls.ending.replace(true) {
                    tls.session.borrow_mut().send_close_notify();
                }
                // What cannot leave now leaves with the next readiness.
                let _ = tls.flush();
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Straight into the buffer: to initialize all of it would make every connection pay for all of it.
        if let Self::Plain(tcp) = &mut *self {
            return Pin::new(tcp).poll_read(context, buffer);
        }
        loop {
            ready!(self.poll_read_ready(context))?;
            match self.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(context))?;
            match self.try_write_vectored(slices) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &*self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => tls.poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end_our_half();
        self.poll_flush(context)
    }
}
