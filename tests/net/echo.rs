//! An echo server made of the hub's own connection code with other limits, for conformance suites that want one: `cargo run --example echo -- [ADDRESS [BYTES]]`.
//! Messages may have as many bytes (64 MiB), and nobody is too slow a reader. It has no sessions, no rooms and no tokens.
use futures_util::{FutureExt, future::LocalBoxFuture};
use michub::{
    server::{
        clock::Clock,
        msg::{Class, Frame, Shown},
        net::{
            conn::{Conn, Hello},
            reader::{Inbound, Reader},
            shard::{NetSettings, Sessions},
            shards::run_shards,
        },
    },
    wire::codec,
};
use std::rc::Rc;
use tokio::sync::watch;

const ADDRESS: &str = "127.0.0.1:0";
const BYTES: &str = "67108864";
/// The opcodes of whole frames that nothing follows.
const BINARY: u8 = 0x82;

struct Echo;

impl Sessions for Echo {
    fn serve(self: Rc<Self>, conn: Conn, mut reader: Reader, _: Hello) -> LocalBoxFuture<'static, ()> {
        async move {
            loop {
                match reader.next().await {
                    Inbound::Ended => return,
                    Inbound::Control => {}
                    Inbound::Text(text) => conn.send(Frame(codec::text_frame(text.as_bytes())), Class::Must),
                    Inbound::Binary(bytes) => {
                        let mut frame = Vec::from(codec::text_frame(&bytes));
                        if let Some(first) = frame.first_mut() {
                            *first = BINARY;
                        }
                        conn.send(Frame(frame.into()), Class::Must);
                    }
                }
            }
        }
        .boxed_local()
    }

    fn presence(&self, _: &[Shown]) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| ADDRESS.to_owned()).parse()?;
    let frame_bytes = args.next().unwrap_or_else(|| BYTES.to_owned()).parse()?;
    let mut settings = NetSettings::new(address, Clock::new());
    settings.shards = 1;
    settings.frame_bytes = frame_bytes;
    settings.outbox_bytes = 0;
    settings.outbox_frames = 0;
    // Nobody ever says that it shall end: it is killed.
    let (_stop, shutdown) = watch::channel(false);
    let shards = run_shards(settings, axum::Router::new(), |_| Rc::new(Echo) as Rc<dyn Sessions>, shutdown)?;
    println!("echo on ws://{}/ws", shards.local_addr);
    shards.join();
    Ok(())
}
