//! One thread of the load generator: its share of the clients, its clock and tally, and the steps that all threads take together.
use super::{
    args::LoadArgs,
    client::{Client, Failure},
    tally::Tally,
};
use crate::server::clock::Clock;
use futures_util::StreamExt;
use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Barrier;

/// How many clients of a thread connect at the same time.
const AT_ONCE: usize = 64;
/// How often a thread looks whether everything has come in.
const LOOK: Duration = Duration::from_millis(5);
/// How long the last deliveries may take.
pub(super) const DRAIN_US: u64 = 20_000_000;

/// What all threads share.
pub(super) struct Shared {
    pub args: LoadArgs,
    pub clock: Clock,
    /// Names this run's people, so that two runs never meet.
    pub name: String,
    /// Every thread, but not the one that watches them.
    pub threads: Barrier,
    /// Every thread and the one that watches them.
    pub steps: Barrier,
    /// For the progress line.
    pub open: AtomicU64,
    pub done: AtomicU64,
    pub failed: AtomicU64,
    /// When each watched person changed last, in microseconds.
    pub stamps: Vec<AtomicU64>,
    /// The most memory that the hub was seen with.
    pub peak_kb: AtomicU64,
    /// Where the minimal writer listens.
    pub bound: OnceLock<std::net::SocketAddr>,
    /// The minimal writer's ends of the sockets, open until every thread is gone.
    pub kept: Mutex<Vec<std::net::TcpStream>>,
    /// What each writer has had acked, for whoever counts deliveries.
    pub written: Mutex<Vec<u64>>,
}

/// One thread.
#[derive(Clone)]
pub(super) struct Crew {
    pub shared: Arc<Shared>,
    pub thread: u32,
    pub tally: Rc<RefCell<Tally>>,
}

impl Crew {
    pub fn args(&self) -> &LoadArgs {
        &self.shared.args
    }

    pub fn micros(&self) -> u64 {
        self.shared.clock.micros()
    }

    /// Returns this thread's part of `0..all`.
    pub fn share(&self, all: u32) -> impl Iterator<Item = u32> + use<> {
        let (first, step) = (self.thread, self.args().threads);
        (first..all).step_by(step as usize)
    }

    /// The next step: connected, ready, done.
    pub async fn step(&self) {
        self.shared.steps.wait().await;
    }

    /// Waits until a moment, or until it is past.
    pub async fn until(&self, micros: u64) {
        tokio::time::sleep(Duration::from_micros(micros.saturating_sub(self.micros()))).await;
    }

    /// Returns when the `n`-th of so many per second is due after `begin`; at once for 0 per second.
    pub fn due(begin: u64, n: u64, per_second: u32) -> u64 {
        begin + n.saturating_mul(1_000_000).checked_div(per_second.into()).unwrap_or(0)
    }

    /// Returns when the measured time is over.
    pub fn deadline(&self) -> u64 {
        self.micros() + self.args().seconds * 1_000_000
    }

    /// Tells whether there is more to do.
    pub fn goes_on(&self, done: u64, deadline: u64) -> bool {
        (self.args().count == 0 || done < self.args().count) && self.micros() < deadline
    }

    /// Waits for the other threads.
    pub async fn together(&self) {
        self.shared.threads.wait().await;
    }

    /// Names a client.
    pub fn user(&self, kind: char, number: u32) -> String {
        format!("{kind}{}-{number}", self.shared.name)
    }

    /// Names a room.
    pub fn room(&self, number: u32) -> String {
        format!("load-{}-{number}", self.shared.name)
    }

    /// Returns the hub that a client connects to: they take turns.
    pub fn target(&self, number: u32) -> SocketAddr {
        let targets = &self.args().target;
        targets
            .iter()
            .copied()
            .cycle()
            .nth(number as usize % targets.len().max(1))
            .unwrap_or_else(|| ([127, 0, 0, 1], 8080).into())
    }

    /// Connects and says hello.
    pub async fn enter(&self, kind: char, number: u32) -> Option<Client> {
        let entered = self.try_enter(kind, number).await;
        self.checked(entered)
    }

    async fn try_enter(&self, kind: char, number: u32) -> Result<Client, Failure> {
        let mut client = Client::connect_as(self.args().dialect, self.target(number), number % self.args().sources, None).await?;
        client.hello(&self.user(kind, number), "").await?;
        self.shared.open.fetch_add(1, Relaxed);
        Ok(client)
    }

    /// Connects several; those who fail are counted and missing.
    pub async fn enter_all(&self, kind: char, numbers: impl Iterator<Item = u32>) -> Vec<(u32, Client)> {
        let entering = numbers.map(|number| async move { (number, self.enter(kind, number).await) });
        let entered: Vec<_> = futures_util::stream::iter(entering).buffer_unordered(AT_ONCE).collect().await;
        let mut clients: Vec<_> = entered.into_iter().filter_map(|(number, client)| Some((number, client?))).collect();
        clients.sort_by_key(|(number, _)| *number);
        clients
    }

    /// Enters a room. Returns the ack.
    pub async fn join(&self, client: &mut Client, room: &str) -> Option<Vec<u8>> {
        let joined = client.ask(1, &client.dialect.join(1, room)).await;
        self.checked(joined)
    }

    /// Asks, and counts a refusal.
    pub async fn ask(&self, client: &mut Client, id: u64, text: &str) -> Option<Vec<u8>> {
        let answered = client.ask(id, text).await;
        self.checked(answered)
    }

    /// Counts a failure.
    pub fn checked<T>(&self, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(failure) => {
                self.tally.borrow_mut().failed(&failure);
                self.shared.failed.fetch_add(1, Relaxed);
                None
            }
        }
    }

    /// Counts something done, for table and progress line.
    pub fn did(&self, what: &'static str, n: u64) {
        self.tally.borrow_mut().add(what, n);
        self.shared.done.fetch_add(n, Relaxed);
    }

    /// Notes how many messages a writer has had acked.
    pub fn wrote(&self, writer: u32, n: u64) {
        let mut written = self.shared.written.lock().unwrap_or_else(PoisonError::into_inner);
        let at = writer as usize;
        if written.len() <= at {
            written.resize(at + 1, 0);
        }
        if let Some(slot) = written.get_mut(at) {
            *slot += n;
        }
    }

    /// Returns how many messages each writer has had acked.
    pub fn written(&self) -> Vec<u64> {
        self.shared.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until this thread has counted so much, or for [`DRAIN_US`]. Returns what is missing.
    pub async fn drained(&self, what: &str, expected: u64) -> u64 {
        let deadline = self.micros() + DRAIN_US;
        loop {
            let missing = expected.saturating_sub(self.tally.borrow().count(what));
            if missing == 0 || self.micros() >= deadline {
                return missing;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
