//! Runs a load: starts the threads, watches their steps, prints the progress, and makes the report.
use super::{
    args::{LoadArgs, Scenario},
    attack, bound,
    crew::{Crew, Shared},
    fanout, idle, mixed, poll, queue, reconnect,
    report::Report,
    slow,
    tally::Tally,
    usage::{self, Usage},
    watch,
};
use crate::server::clock::Clock;
use std::{
    cell::RefCell,
    io::{IsTerminal, Write},
    rc::Rc,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::Barrier,
};

/// How long connecting and preparing may take, and how long the end.
const GRACE: Duration = Duration::from_secs(180);

/// Why there is no result, or no good one.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// More sockets than a process may hold.
    #[error("{0} sockets are more than one process can hold; at most 19900")]
    TooMany(u32),
    /// A scenario that has only the hub's own words.
    #[error("only idle and fanout can be played in another dialect")]
    Dialect,
    /// A thread cannot be started.
    #[error("a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A thread has ended before its work.
    #[error("a thread of the load generator panicked")]
    Panicked,
    /// The whole did not come to its end.
    #[error("{0} took too long")]
    Stuck(&'static str),
    /// The result is printed, and it counts errors.
    #[error("there were {0} errors")]
    Errors(u64),
}

/// Runs a load and prints its result. Errors: also errors that the load has met; the result is printed all the same.
pub fn run(args: LoadArgs) -> Result<(), LoadError> {
    let json = args.json;
    let report = measure(args)?;
    let text = if json { report.json() } else { report.table() };
    // A closed stdout is nobody's error.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
    match report.errors() {
        0 => Ok(()),
        errors => Err(LoadError::Errors(errors)),
    }
}

/// Runs a load.
pub(super) fn measure(args: LoadArgs) -> Result<Report, LoadError> {
    if !args.fits() {
        return Err(LoadError::TooMany(args.sockets()));
    }
    if !args.dialect.knows(args.scenario) {
        return Err(LoadError::Dialect);
    }
    let threads = args.threads as usize;
    let shared = Arc::new(Shared {
        clock: Clock::new(),
        name: format!("{:06x}", rand::random::<u32>() & 0x00ff_ffff),
        threads: Barrier::new(threads),
        steps: Barrier::new(threads + 1),
        open: AtomicU64::new(0),
        done: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        stamps: (0..args.people).map(|_| AtomicU64::new(0)).collect(),
        peak_kb: AtomicU64::new(0),
        bound: OnceLock::new(),
        kept: Mutex::default(),
        written: Mutex::default(),
        args,
    });
    let mut crews = Vec::with_capacity(threads);
    for thread in 0..shared.args.threads {
        let shared = shared.clone();
        crews.push(std::thread::Builder::new().name(format!("load-{thread}")).spawn(move || work(shared, thread))?);
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let watched = runtime.block_on(watch_over(&shared, &crews));
    let (seconds, usage) = watched?;
    let mut tally = Tally::default();
    for crew in crews {
        tally.merge(crew.join().map_err(|_| LoadError::Panicked)??);
    }
    tally.settle();
    let peak_kb = shared.peak_kb.load(Relaxed);
    Ok(Report { args: shared.args.clone(), seconds, usage, peak_kb, tally })
}

fn work(shared: Arc<Shared>, thread: u32) -> std::io::Result<Tally> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let tally = Rc::new(RefCell::new(Tally::default()));
    let crew = Crew { shared, thread, tally: tally.clone() };
    runtime.block_on(async move {
        match crew.args().scenario {
            Scenario::Idle => idle::idle(crew).await,
            Scenario::Heartbeat => idle::heartbeat(crew).await,
            Scenario::Fanout => fanout::part(crew).await,
            Scenario::Queue => queue::part(crew).await,
            Scenario::Watch => watch::part(crew).await,
            Scenario::SlowReaders => slow::part(crew).await,
            Scenario::Mixed => mixed::part(crew).await,
            Scenario::Reconnect => reconnect::part(crew).await,
            Scenario::Poll => poll::part(crew).await,
            Scenario::Attack => attack::part(crew).await,
            Scenario::Bound => bound::part(crew).await,
        }
    });
    // Readers of clients that are still open hold the tally too: it is taken out of their hands.
    drop(runtime);
    Ok(tally.take())
}

/// Sees the threads through their three steps. Returns how long the measured one took, and the hub's usage before, at its begin and its end.
async fn watch_over(shared: &Shared, crews: &[JoinHandle<std::io::Result<Tally>>]) -> Result<(f64, [Usage; 3]), LoadError> {
    let sample = || usage::of(&shared.args.hub_pid);
    let mut taken = [sample(), Usage::default(), Usage::default()];
    step(shared, crews, "connecting", GRACE).await?;
    step(shared, crews, "preparing", GRACE).await?;
    let begun = shared.clock.micros();
    taken[1] = sample();
    shared.done.store(0, Relaxed);
    step(shared, crews, "starting", GRACE).await?;
    step(shared, crews, "measuring", Duration::from_secs(shared.args.seconds) + GRACE).await?;
    taken[2] = sample();
    let seconds = shared.clock.micros().saturating_sub(begun) as f64 / 1e6;
    // The second wait lets them go.
    step(shared, crews, "ending", GRACE).await?;
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    Ok((seconds, taken))
}

async fn step(
    shared: &Shared,
    crews: &[JoinHandle<std::io::Result<Tally>>],
    what: &'static str,
    limit: Duration,
) -> Result<(), LoadError> {
    let mut look = tokio::time::interval(Duration::from_millis(500));
    let waited = async {
        let all = shared.steps.wait();
        tokio::pin!(all);
        let mut before = shared.done.load(Relaxed);
        look.tick().await;
        progress(shared, what, 0);
        loop {
            tokio::select! {
                // First: after the last step a thread may have ended, and that is well.
                biased;
                _ = &mut all => return Ok(()),
                _ = look.tick() => {
                    if crews.iter().any(JoinHandle::is_finished) {
                        return Err(LoadError::Panicked);
                    }
                    shared.peak_kb.fetch_max(usage::of(&shared.args.hub_pid).rss_kb, Relaxed);
                    let done = shared.done.load(Relaxed);
                    progress(shared, what, done.saturating_sub(before) * 2);
                    before = done;
                }
            }
        }
    };
    tokio::time::timeout(limit, waited).await.map_err(|_| LoadError::Stuck(what))?
}

fn progress(shared: &Shared, what: &str, per_second: u64) {
    let (open, failed) = (shared.open.load(Relaxed), shared.failed.load(Relaxed));
    let done = shared.done.load(Relaxed);
    let line = format!("{what}: {open} of {} open, {done} done ({per_second}/s), {failed} errors", shared.args.sockets());
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{line}");
    } else {
        eprintln!("{line}");
    }
}
