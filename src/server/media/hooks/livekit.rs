//! LiveKit's webhooks: named sessions; a participant's end is the end of his tracks. The token carries the hash of the raw body.
use super::{Call, Heard, Keys, Loose, Refused, Report};
use crate::hub::media::{Births, EpochId, Fact, MediaSession, Phase, Publisher, StreamId};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How far the clocks may differ, in seconds.
const LEEWAY_SECONDS: u64 = 5;

#[derive(Deserialize)]
struct Token {
    iss: String,
    exp: u64,
    #[serde(default)]
    nbf: u64,
    sha256: String,
}

pub(super) fn hear(keys: &Keys, call: &Call) -> Result<Heard, Refused> {
    verify(keys, call)?;
    let body = Loose::parse(call.body).ok_or(Refused::Body)?;
    let Some(room) = body.object("room") else { return Ok(Heard::Nothing) };
    let (Some(event), Some(sid), Some(name)) = (body.text("event"), room.text("sid"), room.text("name")) else {
        return Ok(Heard::Nothing);
    };
    let epoch = EpochId::new(&sid);
    let participant = body.object("participant");
    let facts = match event.as_str() {
        "room_started" => {
            let born = millis(&room, "creationTimeMs", "creationTime").or_else(|| millis(&body, "", "createdAt"));
            vec![Fact::EpochSeen { epoch, birth: born.unwrap_or(u64::MAX) }]
        }
        "room_finished" => vec![Fact::EpochEnded { epoch }],
        "participant_joined" => participant.map(|who| joined(epoch, &who)).unwrap_or_default(),
        "participant_left" | "participant_connection_aborted" => participant.map(|who| left(epoch, &who)).unwrap_or_default(),
        "track_published" => tracks(&body, participant, epoch, Phase::Open),
        "track_unpublished" => tracks(&body, participant, epoch, Phase::Closed),
        _ => return Ok(Heard::Nothing),
    };
    Ok(Heard::Report(Report { space: name, births: Births::Times, facts, nonce: None, poll: false, sign: None }))
}

fn verify(keys: &Keys, call: &Call) -> Result<(), Refused> {
    let refused = || Refused::Signature;
    let header = call.headers.get("authorization").and_then(|value| value.to_str().ok()).ok_or_else(refused)?;
    let token = header.strip_prefix("Bearer ").unwrap_or(header);
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims = ["exp", "iss"].map(str::to_owned).into();
    let key = DecodingKey::from_secret(keys.secret.0.as_bytes());
    let token = jsonwebtoken::decode::<Token>(token, &key, &validation).map_err(|_| refused())?.claims;
    let now = call.wall_ms / 1000;
    let in_time = token.exp + LEEWAY_SECONDS > now && token.nbf <= now + LEEWAY_SECONDS;
    let ours = STANDARD.encode(Sha256::digest(call.body));
    let same = bool::from(ours.as_bytes().ct_eq(token.sha256.as_bytes()));
    if keys.secret.0.is_empty() || token.iss != keys.api_key || !in_time || !same { Err(refused()) } else { Ok(()) }
}

/// Reads a time in milliseconds, or in seconds where only those are there.
fn millis(from: &Loose, ms: &str, seconds: &str) -> Option<u64> {
    let known = |number: &u64| *number > 0;
    let by_seconds = || from.number(seconds).filter(known).map(|seconds| seconds.saturating_mul(1000));
    from.number(ms).filter(known).or_else(by_seconds)
}

/// Somebody is there: a session of the stream `participant/NAME`, which carries no media but shows that he is.
fn joined(epoch: EpochId, who: &Loose) -> Vec<Fact> {
    let (Some(sid), Some(name)) = (who.text("sid"), who.text("identity")) else { return Vec::new() };
    let birth = millis(who, "joinedAtMs", "joinedAt");
    vec![Fact::Session {
        epoch,
        stream: StreamId::new(&format!("participant/{name}")),
        session: MediaSession::new(&sid),
        phase: Phase::Open,
        birth,
        publisher: Some(Publisher::new(&name)),
        parent: None,
    }]
}

fn left(epoch: EpochId, who: &Loose) -> Vec<Fact> {
    let Some(sid) = who.text("sid") else { return Vec::new() };
    let parent = MediaSession::new(&sid);
    let mut facts = joined(epoch.clone(), who);
    for fact in &mut facts {
        if let Fact::Session { phase, .. } = fact {
            *phase = Phase::Closed;
        }
    }
    facts.push(Fact::ParentEnded { epoch, parent });
    facts
}

fn tracks(body: &Loose, participant: Option<Loose>, epoch: EpochId, phase: Phase) -> Vec<Fact> {
    let (Some(track), Some(who)) = (body.object("track"), participant) else { return Vec::new() };
    let (Some(sid), Some(name)) = (track.text("sid"), who.text("identity")) else { return Vec::new() };
    let version = track.object("version").and_then(|version| version.number("unixMicro")).map(|micros| micros / 1000);
    vec![Fact::Session {
        epoch,
        stream: StreamId::new(&format!("track/{name}/{sid}")),
        session: MediaSession::new(&sid),
        phase,
        birth: version,
        publisher: Some(Publisher::new(&name)),
        parent: who.text("sid").map(|sid| MediaSession::new(&sid)),
    }]
}
