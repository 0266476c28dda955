//! Agora's notification callbacks: numbered per user, signed over the raw body.
use super::{Call, Heard, Keys, Loose, Refused, Report, hex, same_hex};
use crate::hub::media::{Births, EpochId, Fact, MediaSession, Publisher, StreamId};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// The channel of the vendor's own probe, sent when callbacks are switched on.
const PROBE: (&str, &str) = ("test_webhook", "12121212");

pub(super) fn hear(keys: &Keys, call: &Call) -> Result<Heard, Refused> {
    if !verify(keys, call) {
        return Err(Refused::Signature);
    }
    let body = Loose::parse(call.body).ok_or(Refused::Body)?;
    let (Some(event), Some(payload)) = (body.number("eventType"), body.object("payload")) else { return Ok(Heard::Nothing) };
    let Some(channel) = payload.text("channelName") else { return Ok(Heard::Nothing) };
    let uid = payload.text("uid").unwrap_or_default();
    if (channel.as_str(), uid.as_str()) == PROBE {
        return Ok(Heard::Nothing);
    }
    let epoch = EpochId::new("");
    let born = payload.number("ts").unwrap_or_default().saturating_mul(1000);
    let closed = match event {
        101 => return Ok(report(channel, Fact::EpochSeen { epoch, birth: 0 })),
        102 => return Ok(report(channel, Fact::Cleared { epoch, at: born })),
        103 | 107 | 111 => false,
        104 | 108 | 112 => true,
        _ => return Ok(Heard::Nothing),
    };
    let (Some(seq), false) = (payload.number("clientSeq"), uid.is_empty()) else { return Ok(Heard::Nothing) };
    let (stream, session, publisher) = (StreamId::new(&uid), MediaSession::new(&uid), Publisher::new(&uid));
    Ok(report(channel, Fact::Numbered { epoch, stream, seq, closed, birth: born, session, publisher }))
}

fn report(space: String, fact: Fact) -> Heard {
    Heard::Report(Report { space, births: Births::Times, facts: vec![fact], nonce: None, poll: false, sign: None })
}

/// Checks the stronger of the two signatures that are there.
fn verify(keys: &Keys, call: &Call) -> bool {
    let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let secret = keys.secret.0.as_bytes();
    if secret.is_empty() {
        return false;
    }
    match (header("agora-signature-v2"), header("agora-signature")) {
        (Some(theirs), _) => Hmac::<Sha256>::new_from_slice(secret)
            .is_ok_and(|mac| same_hex(&hex(&mac.chain_update(call.body).finalize().into_bytes()), theirs)),
        (None, Some(theirs)) => Hmac::<Sha1>::new_from_slice(secret)
            .is_ok_and(|mac| same_hex(&hex(&mac.chain_update(call.body).finalize().into_bytes()), theirs)),
        (None, None) => false,
    }
}
