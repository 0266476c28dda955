//! One epoch of a space: when it was born, whether it is over, and which change numbers have come.
use crate::hub::time::UnixMs;
use std::collections::BTreeSet;

/// How many runs of sequence numbers an epoch keeps; beyond it the oldest hole is forgotten.
const RUNS_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) birth: u64,
    pub(crate) closed: bool,
    pub(crate) cleared_at: Option<u64>,
    pub(crate) runs: BTreeSet<(u64, u64)>,
    pub(crate) seen_at: UnixMs,
}

impl Epoch {
    pub(super) const fn unborn(at: UnixMs) -> Self {
        Self { birth: u64::MAX, closed: false, cleared_at: None, runs: BTreeSet::new(), seen_at: at }
    }

    /// Notes a sequence number, keeping runs of neighbours as one.
    pub(super) fn note(&mut self, seq: u64) {
        self.note_run(seq, seq);
    }

    pub(super) fn note_run(&mut self, mut from: u64, mut to: u64) {
        let touching = |run: &&(u64, u64)| run.0 <= to.saturating_add(1) && from <= run.1.saturating_add(1);
        let touched: Vec<(u64, u64)> = self.runs.iter().filter(touching).copied().collect();
        for run in touched {
            from = from.min(run.0);
            to = to.max(run.1);
            self.runs.remove(&run);
        }
        self.runs.insert((from, to));
        while self.runs.len() > RUNS_MAX {
            if let (Some(first), Some(second)) = (self.runs.pop_first(), self.runs.pop_first()) {
                self.runs.insert((first.0, second.1));
            }
        }
    }
}
