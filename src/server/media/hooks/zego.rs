//! ZEGO, server API v2: numbered changes, one epoch per life of a room. The signature does not cover the body, hence the nonce rule.
use super::{Call, Heard, Keys, Loose, Refused, Report, hex, same_hex};
use crate::hub::media::{Births, EpochId, Fact, MediaSession, Phase, Publisher, StreamId};
use sha1::{Digest, Sha1};

/// How far a signed time may be from now, in seconds: the last repetition comes after 62, the rest is for clocks that differ.
const WINDOW_SECONDS: u64 = 300;

pub(super) fn hear(keys: &Keys, call: &Call) -> Result<Heard, Refused> {
    let body = Loose::parse(call.body).ok_or(Refused::Body)?;
    let nonce = verify(keys, &body, call.wall_ms / 1000)?;
    let (Some(event), Some(room)) = (body.text("event"), body.text("room_id")) else { return Ok(Heard::Nothing) };
    let Some(epoch) = body.text("room_session_id").or_else(|| body.text("room_seq")).map(|id| EpochId::new(&id)) else {
        return Ok(Heard::Nothing);
    };
    let facts = match event.as_str() {
        "room_create" => vec![Fact::EpochSeen { epoch, birth: body.number("room_create_time").unwrap_or(u64::MAX) }],
        "room_close" => vec![Fact::EpochEnded { epoch }],
        "room_login" => vec![Fact::EpochSeen { epoch, birth: body.number("login_time").unwrap_or(u64::MAX) }],
        "stream_create" => stream(&body, epoch, false),
        "stream_close" => stream(&body, epoch, true),
        _ => return Ok(Heard::Nothing),
    };
    Ok(Heard::Report(Report { space: room, births: Births::Times, facts, nonce: Some(nonce), poll: false, sign: None }))
}

/// Checks SHA1 over secret, timestamp and nonce, sorted as texts. Returns the nonce.
fn verify(keys: &Keys, body: &Loose, now: u64) -> Result<String, Refused> {
    let field = |name: &str| body.text(name).ok_or(Refused::Signature);
    let (timestamp, nonce, signature) = (field("timestamp")?, field("nonce")?, field("signature")?);
    let mut parts = [keys.secret.0.as_str(), &timestamp, &nonce];
    parts.sort_unstable();
    if keys.secret.0.is_empty() || !same_hex(&hex(&Sha1::digest(parts.concat())), &signature) {
        return Err(Refused::Signature);
    }
    let sent: u64 = timestamp.parse().map_err(|_| Refused::Signature)?;
    if sent.abs_diff(now) > WINDOW_SECONDS { Err(Refused::Signature) } else { Ok(nonce) }
}

fn stream(body: &Loose, epoch: EpochId, closed: bool) -> Vec<Fact> {
    let Some(stream) = body.text("stream_id").or_else(|| body.text("stream_alias")) else { return Vec::new() };
    let stream = StreamId::new(&stream);
    let born = body.number("create_time_ms");
    let born = born.or_else(|| body.number("create_time").map(|seconds| seconds.saturating_mul(1000)));
    let publisher = Publisher::new(&body.text("user_id").unwrap_or_default());
    let session = MediaSession::new(&body.text("stream_sid").unwrap_or_else(|| format!("born:{}", born.unwrap_or_default())));
    let fact = match (body.number("stream_seq"), born) {
        (Some(seq), Some(birth)) => Fact::Numbered { epoch, stream, seq, closed, birth, session, publisher },
        _ => {
            let phase = if closed { Phase::Closed } else { Phase::Open };
            Fact::Session { epoch, stream, session, phase, birth: born, publisher: Some(publisher), parent: None }
        }
    };
    vec![fact]
}
