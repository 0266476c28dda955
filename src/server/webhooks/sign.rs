//! Signatures as Standard Webhooks 1.0.0 has them, over id, time and the raw body, one per secret: HMAC-SHA256 with a shared secret (`v1`),
//! Ed25519 with a private key whose public one the receiver knows (`v1a`).
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::Sha256;
use std::sync::Arc;

/// What shared secrets begin with.
const SHARED: &str = "whsec_";
/// What private keys begin with.
const PRIVATE: &str = "whsk_";
/// What public keys begin with.
const PUBLIC: &str = "whpk_";

/// A secret of an endpoint.
#[derive(Clone)]
pub enum Key {
    /// Known to both sides, 24 to 64 bytes.
    Shared(Hmac<Sha256>),
    /// Known to the hub alone.
    Private(Arc<Ed25519KeyPair>),
}

/// The secret has another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "whsec_ and the base64 of 24 to 64 random bytes, or whsk_ and the base64 of an Ed25519 key (32 bytes, or 64 with its public half)"
)]
pub struct BadKey;

impl Key {
    /// Reads `whsec_` or `whsk_` and base64.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| BadKey);
        if let Some(text) = text.strip_prefix(PRIVATE) {
            let bytes = decode(text)?;
            let key = match bytes.split_at_checked(32) {
                Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
                Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
                None => return Err(BadKey),
            };
            return key.map(|key| Self::Private(Arc::new(key))).map_err(|_| BadKey);
        }
        let bytes = decode(text.strip_prefix(SHARED).ok_or(BadKey)?)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(BadKey);
        }
        Hmac::new_from_slice(&bytes).map(Self::Shared).map_err(|_| BadKey)
    }

    /// Returns what a receiver needs to verify signatures of a private key.
    #[must_use]
    pub fn public(&self) -> Option<String> {
        match self {
            Self::Shared(_) => None,
            Self::Private(key) => Some(format!("{PUBLIC}{}", STANDARD.encode(key.public_key()))),
        }
    }

    fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let head = format!("{id}.{seconds}.");
        match self {
            Self::Shared(mac) => {
                let mac = mac.clone().chain_update(head).chain_update(body);
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            }
            Self::Private(key) => format!("v1a,{}", STANDARD.encode(key.sign(&[head.as_bytes(), body].concat()))),
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(redacted)")
    }
}

/// Writes the header `webhook-signature`: a signature per secret, so that a receiver may know either while secrets are changed.
#[must_use]
pub fn signature(keys: &[Key], id: &str, seconds: u64, body: &[u8]) -> String {
    keys.iter().map(|key| key.sign(id, seconds, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"type":"mic.seat.taken","timestamp":"2026-05-28T20:26:40.000Z","data":{"room_id":"room1","room_epoch":"01J","seq":42,"seat":1,"user_id":"u1"}}"#;

    #[test]
    fn the_signature_is_that_of_the_standard() {
        let key = Key::parse("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let one = "v1,Pop4Hz4XxRMqUpymKAc2Ipt/CfcsmrCAd/XhKSLc7ZU=";
        let sign = |keys: &[Key]| signature(keys, "msg_01JEXAMPLE", 1_780_000_000, BODY.as_bytes());
        assert_eq!(sign(std::slice::from_ref(&key)), one);
        let other = Key::parse(&format!("whsec_{}", STANDARD.encode([7; 24]))).unwrap();
        let both = sign(&[other, key]);
        assert!(both.ends_with(&format!(" {one}")) && both.len() == 2 * one.len() + 1, "{both}");
    }

    #[test]
    fn a_private_key_signs_for_its_public_one() {
        use ed25519_dalek::{Signature, Verifier, VerifyingKey};
        // The first pair of RFC 8032, 7.1: the seed, and the public key that belongs to it.
        let seed = STANDARD.encode(hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let key = Key::parse(&format!("whsk_{seed}")).unwrap();
        assert_eq!(key.public(), Some(format!("whpk_{}", STANDARD.encode(&public))));
        let text = signature(std::slice::from_ref(&key), "msg_1", 1_780_000_000, BODY.as_bytes());
        let signed = STANDARD.decode(text.strip_prefix("v1a,").unwrap()).unwrap();
        let verifier = VerifyingKey::from_bytes(&public.clone().try_into().unwrap()).unwrap();
        let content = format!("msg_1.1780000000.{BODY}");
        verifier.verify(content.as_bytes(), &Signature::from_slice(&signed).unwrap()).unwrap();
        assert!(verifier.verify(b"other", &Signature::from_slice(&signed).unwrap()).is_err());
        let pair = [hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"), public].concat();
        assert_eq!(Key::parse(&format!("whsk_{}", STANDARD.encode(&pair))).unwrap().public(), key.public());
        let mismatched = [&pair[..32], &[7; 32]].concat();
        assert!(Key::parse(&format!("whsk_{}", STANDARD.encode(mismatched))).is_err());
        assert!(Key::parse("whsk_AAAA").is_err());
        assert_eq!(format!("{key:?}"), "Key(redacted)");
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn a_secret_has_a_form() {
        for bad in ["", "whsec_", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "whsec_AAAA", "whsec_?"] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
        assert!(Key::parse(&format!("whsec_{}", STANDARD.encode([7; 65]))).is_err());
        let shown = format!("{:?}", Key::parse("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="));
        assert_eq!(shown, "Ok(Key(redacted))");
    }
}
