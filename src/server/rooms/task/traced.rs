//! When the parts of a batch happened, for traces. Without a collector nothing is noted.
use super::{Settled, Task};
use crate::server::telemetry::traces::{BatchTrace, Traces};

/// What is noted of the batch at hand.
pub(super) struct Marks {
    traces: Traces,
    commands: usize,
    arrived: u64,
    begun: u64,
    commit: Option<(u64, u64)>,
    settled: u64,
    outcome: &'static str,
}

impl Task {
    fn micros(&self) -> u64 {
        self.home.rooms.deps().clock.micros()
    }

    /// A batch with commands is taken up; the oldest of them came at `arrived`.
    pub(super) fn mark_begin(&mut self, arrived: Option<u64>, commands: usize) {
        let traces = self.home.rooms.deps().settings.load().traces.clone();
        self.marks = traces.zip(arrived).filter(|(traces, _)| traces.picks()).map(|(traces, arrived)| Marks {
            traces,
            commands,
            arrived,
            begun: self.micros(),
            commit: None,
            settled: 0,
            outcome: "done",
        });
    }

    /// An attempt to commit begins.
    pub(super) fn mark_commit(&mut self) {
        if self.marks.is_some() {
            let now = self.micros();
            if let Some(marks) = &mut self.marks {
                marks.commit = Some((now, now));
            }
        }
    }

    /// It has ended.
    pub(super) fn mark_committed(&mut self) {
        if self.marks.is_some() {
            let now = self.micros();
            if let Some((_, end)) = self.marks.as_mut().and_then(|marks| marks.commit.as_mut()) {
                *end = now;
            }
        }
    }

    /// Everything is decided and settled; from here on people are told.
    pub(super) fn mark_settled(&mut self, outcome: &Settled) {
        if self.marks.is_some() {
            let now = self.micros();
            if let Some(marks) = &mut self.marks {
                marks.settled = now;
                marks.outcome = match outcome {
                    Settled::Done => "done",
                    Settled::Failed(_) => "failed",
                    Settled::Moved => "moved",
                };
            }
        }
    }

    /// Everybody has been told.
    pub(super) fn mark_told(&mut self) {
        let Some(marks) = self.marks.take() else { return };
        let Marks { traces, commands, arrived, begun, commit, settled, outcome } = marks;
        let (room, rev, told) = (self.home.id.to_string(), self.room.head.rev, self.micros());
        traces.take(BatchTrace { room, commands, rev, outcome, arrived, begun, commit, settled, told });
    }
}
