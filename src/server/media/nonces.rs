//! Nonces of signed callbacks: the same nonce may come again with the same body only.
use crate::hub::time::{Millis, UnixMs};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

/// For how long a nonce is remembered: a signed time that is older is refused anyway.
const MEMORY: Millis = Millis::from_seconds(20 * 60);
/// How many nonces are remembered; beyond it the oldest is forgotten.
const NONCES_MAX: usize = 65_536;

/// How a nonce was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// For the first time.
    New,
    /// Again, with the same body: a repetition.
    Again,
    /// Again, with another body: forged.
    Changed,
}

/// The nonces of one source.
#[derive(Debug, Default)]
pub(super) struct Nonces(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    hashes: HashMap<String, [u8; 32]>,
    order: VecDeque<(UnixMs, String)>,
}

/// Returns what is remembered of a body.
pub(super) fn hash(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

impl Nonces {
    /// Notes a nonce and the hash of the body that it came with.
    pub fn meet(&self, nonce: &str, hash: [u8; 32], now: UnixMs) -> Met {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = |known: &Known| known.order.front().is_some_and(|(at, _)| at.plus(MEMORY) < now);
        while old(&known) || known.order.len() > NONCES_MAX {
            if let Some((_, nonce)) = known.order.pop_front() {
                known.hashes.remove(&nonce);
            }
        }
        match known.hashes.get(nonce) {
            Some(first) if *first == hash => Met::Again,
            Some(_) => Met::Changed,
            None => {
                known.hashes.insert(nonce.to_owned(), hash);
                known.order.push_back((now, nonce.to_owned()));
                Met::New
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_belongs_to_one_body() {
        let nonces = Nonces::default();
        assert_eq!(nonces.meet("n", hash(b"a"), UnixMs(1)), Met::New);
        assert_eq!(nonces.meet("n", hash(b"a"), UnixMs(2)), Met::Again);
        assert_eq!(nonces.meet("n", hash(b"b"), UnixMs(3)), Met::Changed);
        assert_eq!(nonces.meet("n", hash(b"b"), UnixMs(3_000_000)), Met::New, "forgotten by then");
    }
}
