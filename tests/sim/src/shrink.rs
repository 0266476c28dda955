//! The smallest trace that still fails: steps are taken out as long as it does.
use crate::run::Trace;

/// Takes steps out of a failing trace, in ever smaller pieces.
pub fn shrink(trace: &Trace, failure: impl Fn(&Trace) -> Option<(usize, String)>) -> Trace {
    let mut best = trace.clone();
    if let Some((at, _)) = failure(&best) {
        best.steps.truncate(at + 1);
    }
    let mut size = best.steps.len().div_ceil(2).max(1);
    loop {
        let mut smaller = false;
        let mut at = 0;
        while at < best.steps.len() {
            let mut tried = best.clone();
            tried.steps.drain(at..(at + size).min(best.steps.len()));
            if failure(&tried).is_some() {
                best = tried;
                smaller = true;
            } else {
                at += size;
            }
        }
        if size == 1 && !smaller {
            return best;
        }
        size = (size / 2).max(1);
    }
}
