//! What the kernel alone costs: a thread that writes one small frame to each of many sockets, and nothing else. Every hub pays at least that.
use super::{crew::Crew, fanout, usage};
use crate::wire::codec::text_frame;
use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// What a thread that writes has done.
#[derive(Default)]
struct Wrote {
    messages: u64,
    cpu_ns: u64,
    short: u64,
}

/// The share of one thread; the first one has the writer as well.
pub(super) async fn part(crew: Crew) {
    let go = Arc::new(AtomicBool::new(false));
    let mut writer = None;
    if crew.thread == 0 {
        match TcpListener::bind("127.0.0.1:0").and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((address, listener)) => {
                let _ = crew.shared.bound.set(address);
                let (crew_shared, go) = (crew.shared.clone(), go.clone());
                writer = Some(std::thread::spawn(move || {
                    let subscribers = crew_shared.args.subscribers as usize;
                    let sockets = accept(&listener, subscribers)?;
                    while !go.load(Relaxed) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    let wrote = write(&crew_shared, &sockets);
                    Ok::<_, io::Error>((wrote, sockets))
                }));
            }
            Err(error) => crew.tally.borrow_mut().error(format!("the writer cannot listen: {error}"), 1),
        }
    }
    crew.together().await;
    let mut members = 0;
    if let Some(address) = crew.shared.bound.get().copied() {
        for number in crew.share(crew.args().subscribers) {
            let connected = super::client::Client::connect(address, number % crew.args().sources).await;
            let Some(mut person) = crew.checked(connected) else { continue };
            crew.shared.open.fetch_add(1, Relaxed);
            members += 1;
            let crew = crew.clone();
            tokio::task::spawn_local(async move {
                let read = fanout::subscribe(&crew, &mut person).await;
                crew.checked(read);
            });
        }
    }
    crew.step().await;
    crew.step().await;
    crew.step().await;
    go.store(true, Relaxed);
    if let Some(writer) = writer {
        while !writer.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        match writer.join() {
            Ok(Ok((wrote, sockets))) => {
                *crew.shared.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = sockets;
                crew.wrote(0, wrote.messages);
                let mut tally = crew.tally.borrow_mut();
                tally.add("writer ns", wrote.cpu_ns);
                if wrote.short > 0 {
                    tally.error("a socket did not take a frame".to_owned(), wrote.short);
                }
            }
            Ok(Err(error)) => crew.tally.borrow_mut().error(format!("the writer: {error}"), 1),
            Err(_) => crew.tally.borrow_mut().error("the writer panicked".to_owned(), 1),
        }
    }
    crew.together().await;
    let due = crew.written().first().copied().unwrap_or(0) * members;
    let missing = crew.drained("messages delivered", due).await;
    if missing > 0 {
        crew.tally.borrow_mut().error("messages not delivered".to_owned(), missing);
    }
    crew.step().await;
    crew.step().await;
}

fn accept(listener: &TcpListener, subscribers: usize) -> io::Result<Vec<TcpStream>> {
    let mut sockets = Vec::with_capacity(subscribers);
    while sockets.len() < subscribers {
        let (mut socket, _) = listener.accept()?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut piece = [0; 1024];
            let n = socket.read(&mut piece)?;
            head.extend_from_slice(piece.get(..n.max(1)).unwrap_or_default());
        }
        socket.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        sockets.push(socket);
    }
    Ok(sockets)
}

fn write(shared: &super::crew::Shared, sockets: &[TcpStream]) -> Wrote {
    let args = &shared.args;
    let clock = shared.clock;
    let (begin, cpu) = (clock.micros(), usage::this_thread_ns());
    let end = begin + args.seconds * 1_000_000;
    let mut wrote = Wrote::default();
    while clock.micros() < end && (args.count == 0 || wrote.messages < args.count) {
        let due = Crew::due(begin, wrote.messages, args.rate);
        std::thread::sleep(Duration::from_micros(due.saturating_sub(clock.micros())));
        // The shape and size of a real update.
        let number = wrote.messages;
        let json = format!(
            r#"{{"type":"room_update","room_id":"{}","prev":"{number}.0123456789abcdef","cursor":"{number}.0123456789abcdef","events":[{{"rev":{number},"event":"seat_updated","by":"w000000-0","at_ms":1700000000000,"seat_no":1,"extra":"t{}.0.{number}","extra_rev":{number}}}]}}"#,
            shared.name,
            clock.micros(),
        );
        let frame = text_frame(json.as_bytes());
        for mut socket in sockets {
            if !matches!(socket.write(&frame), Ok(n) if n == frame.len()) {
                wrote.short += 1;
            }
        }
        wrote.messages += 1;
    }
    wrote.cpu_ns = usage::this_thread_ns().saturating_sub(cpu);
    wrote
}
