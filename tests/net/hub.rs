//! A hub whose sessions echo, and do a few things on request.
use futures_util::{FutureExt, future::LocalBoxFuture};
use michub::{
    hub::id::RoomId,
    server::{
        msg::{Class, Frame, ShardMsg, Shown},
        net::{
            conn::{Conn, Hello},
            reader::{Inbound, Reader},
            shard::{NetSettings, Sessions, ShardHandle},
            shards::{Bound, Shards},
        },
    },
    wire::close::Close,
};
use std::{net::SocketAddr, rc::Rc};
use tokio::sync::watch;

pub struct Hub {
    pub address: SocketAddr,
    pub stop: watch::Sender<bool>,
    shards: Option<Shards>,
}

impl Hub {
    pub fn start(settings: NetSettings) -> Self {
        let bound = Bound::new(settings).unwrap();
        let (stop, shutdown) = watch::channel(false);
        let address = bound.local_addr();
        let handles = bound.handles().to_vec();
        let router = axum::Router::new()
            .route("/hi", axum::routing::get(|| async { "hi" }))
            .route("/body", axum::routing::post(|body: axum::body::Bytes| async move { body.len().to_string() }))
            .route("/large", axum::routing::get(|| async { vec![b'x'; 64 << 20] }));
        let sessions = move |index: u16| -> Rc<dyn Sessions> { Rc::new(Echo(handles[usize::from(index)].clone())) };
        let shards = bound.run(router, sessions, shutdown).unwrap();
        Self { address, stop, shards: Some(shards) }
    }

    pub fn join(mut self) {
        self.shards.take().unwrap().join();
    }
}

struct Echo(ShardHandle);

/// Makes an unmasked text frame.
pub fn text(payload: &[u8]) -> Frame {
    let mut bytes = vec![0x81];
    match payload.len() {
        short @ 0..126 => bytes.push(short as u8),
        medium @ 126..65_536 => {
            bytes.push(126);
            bytes.extend((medium as u16).to_be_bytes());
        }
        long => {
            bytes.push(127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    Frame(bytes.into())
}

impl Sessions for Echo {
    fn serve(self: Rc<Self>, conn: Conn, mut reader: Reader, hello: Hello) -> LocalBoxFuture<'static, ()> {
        async move {
            loop {
                match reader.next().await {
                    Inbound::Ended => return,
                    Inbound::Control => {}
                    Inbound::Binary(_) => conn.send(text(b"binary"), Class::Must),
                    Inbound::Text(said) => self.answer(&conn, said.as_str(), &hello).await,
                }
            }
        }
        .boxed_local()
    }

    fn presence(&self, _: &[Shown]) {}
}

impl Echo {
    async fn answer(&self, conn: &Conn, said: &str, hello: &Hello) {
        let room = RoomId::parse("room").unwrap();
        let frame = |payload: &[u8]| ShardMsg::RoomFrame { room: room.clone(), frame: text(payload), class: Class::Must };
        let joined = |first| ShardMsg::RoomJoined { room: room.clone(), conn: conn.id(), first: vec![text(first)] };
        match said {
            "bearer?" => conn.send(text(hello.bearer.as_deref().unwrap_or_default().as_bytes()), Class::Must),
            "close me" => conn.close(Close::RateLimited, 0),
            "join" => assert!(self.0.send(joined(b"joined")).await),
            "order" => {
                let to = conn.id();
                let last = ShardMsg::RoomLeft { room: room.clone(), conn: to, last: vec![text(b"last")] };
                let deliver = |payload| ShardMsg::Deliver { to, frame: text(payload), class: Class::Must };
                let steps = [
                    frame(b"before the join"),
                    joined(b"snapshot"),
                    frame(b"one"),
                    deliver(b"ack"),
                    frame(b"two"),
                    frame(b"three"),
                    last,
                    frame(b"after leaving"),
                    deliver(b"echo"),
                ];
                for step in steps {
                    assert!(self.0.send(step).await);
                }
            }
            "gate" => {
                conn.gate();
                let (done, wait) = tokio::sync::oneshot::channel();
                let work = michub::server::msg::Work(Box::new(move || done.send(()).unwrap()));
                for step in [joined(b"snapshot"), frame(b"one"), ShardMsg::Run(work), frame(b"two")] {
                    assert!(self.0.send(step).await);
                }
                wait.await.unwrap();
                conn.open_gate(text(b"welcome"));
            }
            said => match said.strip_prefix("frame ") {
                Some(size) => assert!(self.0.send(frame(&vec![b'f'; size.parse().unwrap()])).await),
                None => conn.send(text(said.as_bytes()), Class::Must),
            },
        }
    }
}
