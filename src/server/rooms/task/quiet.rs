//! Fairness in a hot room: a node that is farther from Redis than others would lose every race, so it may ask them for a moment of quiet.
//! A courtesy only: nothing is wrong if nobody hears it.
use super::Task;
use crate::server::clock::Mono;
use std::time::Duration;

/// How a request on the room's channel begins; who asks and for how many milliseconds follows.
const QUIET: &[u8] = b"Y ";
/// How long a moment is: so many times what the last attempt took, within limits, in milliseconds.
const TIMES: u64 = 3;
const MIN_MS: u64 = 6;
const MAX_MS: u64 = 100;

/// Writes a request.
fn encode(node: &str, ms: u64) -> Vec<u8> {
    format!("Y {node} {ms}").into_bytes()
}

/// Reads a request: who asks, and for how long. `None`: it is something else.
fn decode(message: &[u8]) -> Option<(&str, u64)> {
    let rest = std::str::from_utf8(message.strip_prefix(QUIET)?).ok()?;
    let (node, ms) = rest.split_once(' ')?;
    Some((node, ms.parse::<u64>().ok()?.min(MAX_MS)))
}

impl Task {
    /// Asks the other nodes to let this one go first; `took_ms`: how long its last attempt took.
    pub(super) fn ask_for_quiet(&self, took_ms: u64) {
        let Some(cluster) = &self.home.rooms.deps().cluster else { return };
        let request = encode(&cluster.me(), (took_ms * TIMES).clamp(MIN_MS, MAX_MS));
        let (store, room) = (self.store(), self.home.id.clone());
        metrics::counter!("michub_room_quiet_asked_total").increment(1);
        tokio::task::spawn_local(async move { store.tell(&room, request.into()).await });
    }

    /// Hears such a request of another node. Returns whether it was one.
    pub(super) fn hear_quiet(&mut self, message: &[u8]) -> bool {
        let Some((node, ms)) = decode(message) else { return false };
        let (now, me) =
            (self.home.rooms.deps().clock.mono(), self.home.rooms.deps().cluster.as_ref().map(|cluster| cluster.me()));
        if let Some(follow) = self.follow.as_mut().filter(|_| me.as_deref() != Some(node)) {
            follow.quiet_until = now.plus(ms);
        }
        true
    }

    /// Waits until the moment is over for which another node has asked.
    pub(super) async fn keep_quiet(&self) {
        let until = self.follow.as_ref().map_or(Mono(0), |follow| follow.quiet_until);
        let rest = until.since(self.home.rooms.deps().clock.mono());
        if rest > 0 {
            tokio::time::sleep(Duration::from_millis(rest)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_written_and_never_for_long() {
        assert_eq!(decode(&encode("ab", 40)), Some(("ab", 40)));
        assert_eq!(decode(&encode("ab", 1 << 40)), Some(("ab", MAX_MS)));
        for other in ["", "Y", "Y ab", "Y ab x", "P 1 ab u user 1"] {
            assert_eq!(decode(other.as_bytes()), None, "{other}");
        }
    }
}
