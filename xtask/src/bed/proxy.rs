//! A line that can be broken: a TCP proxy that delays, stalls in either direction, and cuts in the middle of what is being said.
use super::local;
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

/// How long a direction that is stalled waits until it looks again.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Default)]
struct State {
    delay_ms: AtomicU64,
    jitter_ms: AtomicU64,
    /// Nothing goes from the client to the server, or the other way, and nobody is told.
    stall_up: AtomicBool,
    stall_down: AtomicBool,
    /// New lines are not accepted any further than the kernel does.
    refuse: AtomicBool,
    /// After so many more bytes from the server every line is cut, in the middle of whatever that is; 0 = never.
    cut_after: AtomicU64,
    target: AtomicUsize,
    ended: AtomicBool,
    lines: Mutex<Vec<TcpStream>>,
    dice: AtomicU64,
}

/// A proxy in front of one or several servers; it ends with this value.
pub struct Proxy {
    state: Arc<State>,
    address: SocketAddr,
}

impl Proxy {
    /// Listens on a free port for `targets`, which take turns; one that refuses is skipped. `seed` chooses the jitter.
    pub fn start(targets: Vec<SocketAddr>, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { dice: AtomicU64::new(seed), ..State::default() });
        let shared = state.clone();
        std::thread::spawn(move || {
            for line in listener.incoming() {
                if shared.ended.load(Relaxed) {
                    return;
                }
                let Ok(client) = line else { continue };
                if shared.refuse.load(Relaxed) {
                    continue;
                }
                let (state, targets) = (shared.clone(), targets.clone());
                std::thread::spawn(move || {
                    if let Err(error) = serve(&client, &state, &targets)
                        && !state.ended.load(Relaxed)
                    {
                        drop(error);
                        let _ = client.shutdown(Shutdown::Both);
                    }
                });
            }
        });
        Ok(Self { state, address })
    }

    /// Returns where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything takes this long, and up to `jitter` more.
    pub fn delay(&self, delay: Duration, jitter: Duration) {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.state.delay_ms.store(millis(delay), Relaxed);
        self.state.jitter_ms.store(millis(jitter), Relaxed);
    }

    /// Half-open: nothing goes in a direction any more, and nobody is told. New lines are stalled too.
    pub fn stall(&self, up: bool, down: bool) {
        self.state.stall_up.store(up, Relaxed);
        self.state.stall_down.store(down, Relaxed);
    }

    /// Every line is cut at once, and new ones are refused until [`Self::heal`].
    pub fn partition(&self) {
        self.state.refuse.store(true, Relaxed);
        self.cut();
    }

    /// Every line is cut at once.
    pub fn cut(&self) {
        for line in self.state.lines.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may have ended by itself.
            let _ = line.shutdown(Shutdown::Both);
        }
    }

    /// After so many more bytes from the server all lines are cut, in the middle of whatever that is.
    pub fn cut_after(&self, bytes: u64) {
        self.state.cut_after.store(bytes.max(1), SeqCst);
    }

    /// Nothing is broken any more.
    pub fn heal(&self) {
        self.delay(Duration::ZERO, Duration::ZERO);
        self.stall(false, false);
        self.state.refuse.store(false, Relaxed);
        self.state.cut_after.store(0, SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Relaxed);
        self.cut();
        // Wakes the listener.
        let _ = TcpStream::connect_timeout(&local(self.address.port()), Duration::from_millis(100));
    }
}

fn serve(client: &TcpStream, state: &Arc<State>, targets: &[SocketAddr]) -> io::Result<()> {
    let mut server = Err(io::Error::from(io::ErrorKind::NotFound));
    for _ in targets {
        let at = state.target.fetch_add(1, Relaxed) % targets.len().max(1);
        let Some(target) = targets.get(at) else { break };
        server = TcpStream::connect_timeout(target, Duration::from_secs(1));
        if server.is_ok() {
            break;
        }
    }
    let server = server?;
    for line in [client, &server] {
        line.set_nodelay(true)?;
        state.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.try_clone()?);
    }
    let (up_from, up_to, up_state) = (client.try_clone()?, server.try_clone()?, state.clone());
    let up = std::thread::spawn(move || pass(up_from, up_to, &up_state, true));
    pass(server, client.try_clone()?, state, false);
    let _ = up.join();
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream, state: &State, up: bool) {
    let mut buffer = vec![0; 16_384];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 {
            break;
        }
        let stalled = || if up { state.stall_up.load(Relaxed) } else { state.stall_down.load(Relaxed) };
        while stalled() && !state.ended.load(Relaxed) {
            std::thread::park_timeout(LOOK);
        }
        let wait = state.delay_ms.load(Relaxed) + state.roll(state.jitter_ms.load(Relaxed));
        if wait > 0 {
            std::thread::park_timeout(Duration::from_millis(wait));
        }
        let mut rest = buffer.get(..read).unwrap_or_default();
        let left = state.cut_after.load(SeqCst);
        if !up && left > 0 {
            let now = u64::try_from(rest.len()).unwrap_or(u64::MAX);
            if left <= now {
                let part = usize::try_from(left).unwrap_or(0);
                rest = rest.get(..part).unwrap_or_default();
                state.cut_after.store(0, SeqCst);
                let _ = to.write_all(rest);
                break;
            }
            state.cut_after.store(left - now, SeqCst);
        }
        if to.write_all(rest).is_err() {
            break;
        }
    }
    for line in [&from, &to] {
        let _ = line.shutdown(Shutdown::Both);
    }
}

impl State {
    fn roll(&self, sides: u64) -> u64 {
        let step = |dice: u64| dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let dice = self.dice.fetch_update(Relaxed, Relaxed, |dice| Some(step(dice))).unwrap_or(0);
        (dice >> 33) % sides.max(1)
    }
}
