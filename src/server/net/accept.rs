//! Listening, accepting, HTTP/1 until the upgrade, and the task that lives with a taken-over connection.
use super::pace::{PacedBody, PacedStream};
use super::{
    admit::Admitted,
    conn::{Conn, Hello},
    reader::Reader,
    shard::Shard,
    stream::Stream,
    ws::{self, Offer},
};
use crate::server::{msg::ConnId, telemetry::metrics};
use crate::wire::close::Close;
use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, Version, header::HOST},
};
use futures_util::{FutureExt, future::LocalBoxFuture};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower::ServiceExt;

const BACKLOG: i32 = 4_096;
/// Without it the kernel hides megabytes per stalled reader.
const NOTSENT_LOWAT: u32 = 16 * 1024;
/// How long a drain waits for connections that have not said anything yet.
const UNREAD: Duration = Duration::from_millis(500);
/// How long accepting is paused when the process is out of descriptors.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// How many of a shard's connections beyond the cap hear so at the same time.
const TURNED_AWAY_MAX: usize = 256;
/// How long that may take.
const TURN_AWAY: Duration = Duration::from_secs(1);
const COME_BACK: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

thread_local! {
    static TURNED_AWAY: Cell<usize> = const { Cell::new(0) };
    static UNANSWERED: Cell<usize> = const { Cell::new(0) };
}

/// Returns how many of this shard's connections still speak HTTP.
pub(in crate::server) fn unanswered() -> usize {
    UNANSWERED.get()
}

struct Unanswered;

impl Unanswered {
    fn new() -> Self {
        UNANSWERED.set(UNANSWERED.get() + 1);
        Self
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        UNANSWERED.set(UNANSWERED.get().saturating_sub(1));
    }
}

/// Binds `count` listeners to one address. Errors: somebody else listens there; a plain bind is what notices it.
pub(in crate::server) fn bind(address: SocketAddr, count: usize) -> io::Result<(Vec<std::net::TcpListener>, SocketAddr)> {
    if address.port() != 0 {
        let check = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        check.set_reuse_address(true)?;
        check.bind(&address.into())?;
    }
    let mut listeners = Vec::with_capacity(count);
    let mut local = address;
    for _ in 0..count.max(1) {
        let listener = listen(local)?;
        local = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok((listeners, local))
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until the drain begins; then takes what the kernel has already accepted, and stops listening.
pub(in crate::server) async fn accept(
    shard: &Rc<Shard>,
    listener: std::net::TcpListener,
    router: &axum::Router,
    shutdown: &mut watch::Receiver<bool>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, shard = shard.index, "cannot listen"),
    };
    let drain = shutdown.clone();
    let serve = |stream, peer: SocketAddr| {
        let counted = !shard.settings.proxies.trusts(peer.ip());
        let Some(stream) = stream_of(shard, stream) else { return };
        match shard.doors.admit(peer.ip(), counted) {
            Some(place) => {
                tokio::task::spawn_local(http(shard.clone(), stream, place, router.clone(), drain.clone()));
            }
            None => turn_away(stream),
        };
    };
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|begun| *begun) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => serve(stream, peer),
                Err(error) if is_peers_fault(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "out of resources: accepting connections is paused");
                    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                }
            },
        }
    }
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        serve(stream, peer);
    }
}

/// Puts TLS over a connection, if the hub does that itself.
fn stream_of(shard: &Shard, tcp: TcpStream) -> Option<Stream> {
    match &shard.settings.tls {
        None => Some(Stream::new(tcp, None)),
        Some(tls) => Some(Stream::new(tcp, Some(tls.session()?))),
    }
}

/// Tells a connection that there are too many: the first of them hear it, the others are dropped.
fn turn_away(mut stream: Stream) {
    metrics::CONNECTIONS_REFUSED.increment(1);
    if TURNED_AWAY.get() >= TURNED_AWAY_MAX {
        return;
    }
    TURNED_AWAY.set(TURNED_AWAY.get() + 1);
    tokio::task::spawn_local(async move {
        let _ = tokio::time::timeout(TURN_AWAY, async {
            let mut waste = [0; 2048];
            // Closing over unread input would reset the connection, and with it the answer.
            let _ = stream.read(&mut waste).await?;
            stream.write_all(COME_BACK).await?;
            stream.shutdown().await
        })
        .await;
        TURNED_AWAY.set(TURNED_AWAY.get().saturating_sub(1));
    });
}

fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// An accepted handshake, left by the HTTP service for the task that owns the stream.
struct Takeover {
    hello: Hello,
    spoken: bool,
    admitted: Admitted,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>>>>;

/// Speaks HTTP/1 on one connection, and takes it over if it becomes a WebSocket.
async fn http(shard: Rc<Shard>, stream: Stream, place: Admitted, router: axum::Router, mut drain: watch::Receiver<bool>) {
    let peer = place.address();
    let unanswered = Unanswered::new();
    let timeout = Duration::from_millis(shard.settings.handshake_timeout_ms);
    let message_ms = shard.settings.message_timeout_ms;
    let (heard, over_tls) = (Rc::new(Cell::new(false)), stream.is_tls());
    let takeover: Rc<RefCell<Option<Takeover>>> = Rc::default();
    let service = service_fn({
        let (shard, heard, takeover, drain) = (shard.clone(), heard.clone(), takeover.clone(), drain.clone());
        move |mut request: Request<Incoming>| -> Answer {
            heard.set(true);
            if over_tls {
                request.headers_mut().insert("x-forwarded-proto", HeaderValue::from_static("https"));
            }
            if !names_one_host(&request) {
                return Box::pin(std::future::ready(Ok(*ws::bad_request())));
            }
            if request.uri().path() == "/ws" {
                let response = upgrade(&shard, &request, peer, *drain.borrow(), &takeover);
                return Box::pin(std::future::ready(Ok(response)));
            }
            let mut request = request.map(|body| Body::new(PacedBody::new(body, message_ms)));
            let client = shard.settings.proxies.client(peer, request.headers());
            request.extensions_mut().insert(client);
            Box::pin(router.clone().oneshot(request))
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(PacedStream::new(stream, message_ms)), service);
    let deadline = tokio::time::sleep(timeout);
    let drained = async {
        if drain.wait_for(|begun| *begun).await.is_ok() {
            tokio::time::sleep(UNREAD).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(deadline, drained);
    let mut leaving = false;
    let served = loop {
        tokio::select! {
            biased;
            served = poll_fn(|context| connection.poll_without_shutdown(context)) => break served,
            () = &mut deadline, if !deadline.is_elapsed() => {
                if !heard.get() {
                    return;
                }
            }
            () = &mut drained, if !leaving => {
                leaving = true;
                if !heard.get() {
                    return;
                }
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let takeover = takeover.take();
    if served.is_err() {
        return;
    }
    let parts = connection.into_parts();
    let Some(takeover) = takeover else {
        if over_tls {
            // The end of a TLS line is said; else the client cannot know that it has everything.
            let _ = tokio::time::timeout(TURN_AWAY, parts.io.into_inner().shutdown()).await;
        }
        return;
    };
    drop((unanswered, place));
    Line::open(&shard, parts.io.into_inner().into_inner(), parts.read_buf, takeover).await;
}

/// Tells whether a request says once for whom it is, as HTTP/1.1 wants it: servers on its way could each believe another one.
fn names_one_host(request: &Request<Incoming>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() == Version::HTTP_10)
}

/// Answers an upgrade request: 101 and a takeover, or a refusal.
fn upgrade(
    shard: &Shard,
    request: &Request<Incoming>,
    peer: IpAddr,
    draining: bool,
    takeover: &RefCell<Option<Takeover>>,
) -> Response<Body> {
    let Offer { response, spoken, has_origin, bearer, query_token } = match ws::judge(request, &shard.origins.load()) {
        Ok(offer) => offer,
        Err(refusal) => return *refusal,
    };
    let proxies = &shard.settings.proxies;
    let peer = proxies.client(peer, request.headers());
    let admitted = if draining { None } else { shard.admission.admit(peer, !proxies.trusts(peer)) };
    let Some(admitted) = admitted else {
        metrics::UPGRADES_REFUSED.increment(1);
        return *ws::come_back(if draining { 1 } else { 5 });
    };
    takeover.replace(Some(Takeover { hello: Hello { peer, has_origin, bearer, query_token }, spoken, admitted }));
    response
}

/// The task of a connection: it drains the outbox before everything else, then lets the session go on.
struct Line {
    shard: Rc<Shard>,
    conn: Conn,
    id: ConnId,
    session: Option<LocalBoxFuture<'static, ()>>,
}

impl Line {
    async fn open(shard: &Rc<Shard>, stream: Stream, early: bytes::Bytes, takeover: Takeover) {
        let Takeover { hello, spoken, admitted } = takeover;
        let settings = &shard.settings;
        let bounds = (settings.outbox_bytes, settings.outbox_frames);
        let conn = shard.occupy(|id| Conn::new(id, stream, admitted, settings.clock, bounds));
        let mut line = Self { shard: shard.clone(), id: conn.id(), conn: conn.clone(), session: None };
        if spoken {
            let reader = Reader::new(conn.clone(), early, settings.frame_bytes).await;
            line.session = Some(shard.sessions.clone().serve(conn, reader, hello));
        } else {
            conn.close(Close::UnsupportedProtocol, 0);
        }
        // A task of its own: the frame of the HTTP half is not kept for the life of the connection.
        tokio::task::spawn_local(line);
    }
}

impl Future for Line {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.conn.poll_drain(context);
        if let Some(session) = &mut self.session {
            if session.as_mut().poll(context).is_ready() {
                self.session = None;
                self.conn.close(Close::Normal, 0);
            }
            self.conn.poll_drain(context);
        }
        if self.conn.is_open() || self.conn.poll_end(context).is_pending() || self.session.is_some() {
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.conn.kill();
        self.shard.vacate(self.id);
    }
}
