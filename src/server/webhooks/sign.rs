//! Signatures as Standard Webhooks 1.0.0 has them: HMAC-SHA256 over id, time and the raw body, one signature per secret.
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// A secret of an endpoint, 24 to 64 bytes.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

/// The secret has another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("whsec_ and the base64 of 24 to 64 random bytes")]
pub struct BadKey;

impl Key {
    /// Reads `whsec_` and base64.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).ok_or(BadKey)?).map_err(|_| BadKey)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(BadKey);
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| BadKey)
    }

    fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
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
    fn a_secret_has_a_form() {
        for bad in ["", "whsec_", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "whsec_AAAA", "whsec_?"] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
        assert!(Key::parse(&format!("whsec_{}", STANDARD.encode([7; 65]))).is_err());
        let shown = format!("{:?}", Key::parse("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="));
        assert_eq!(shown, "Ok(Key(redacted))");
    }
}
