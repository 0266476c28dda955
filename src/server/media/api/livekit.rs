//! LiveKit's room service: participants with their tracks, and the end of somebody's right to publish.
use super::{Api, ApiError, Snapshot, ask};
use crate::hub::media::{Live, MediaSession, Publisher, Sighting, StreamId};
use jsonwebtoken::{EncodingKey, Header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// For how long a token for one call is good, in seconds.
const TOKEN_SECONDS: u64 = 60;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    nbf: u64,
    exp: u64,
    video: Value,
}

#[derive(Default, Deserialize)]
struct Rooms {
    #[serde(default)]
    rooms: Vec<Room>,
}

#[derive(Deserialize)]
struct Room {
    sid: String,
    #[serde(default, alias = "creationTimeMs")]
    creation_time_ms: Option<Value>,
    #[serde(default, alias = "creationTime")]
    creation_time: Option<Value>,
}

#[derive(Deserialize)]
struct Participants {
    #[serde(default)]
    participants: Vec<Participant>,
}

#[derive(Deserialize)]
struct Participant {
    identity: String,
    #[serde(default)]
    tracks: Vec<Track>,
}

#[derive(Deserialize)]
struct Track {
    sid: String,
}

pub(super) async fn list(api: &Api, room: &str) -> Result<Snapshot, ApiError> {
    let rooms: Rooms = call(api, "ListRooms", json!({"roomList": true}), &json!({"names": [room]})).await?;
    let Some(found) = rooms.rooms.first() else { return Ok(Snapshot { epoch: None, sightings: Vec::new() }) };
    let scope = json!({"roomAdmin": true, "room": room});
    let list: Participants = call(api, "ListParticipants", scope, &json!({"room": room})).await?;
    let sightings = list.participants.iter().flat_map(|person| {
        person.tracks.iter().map(|track| Sighting {
            stream: StreamId::new(&format!("track/{}/{}", person.identity, track.sid)),
            session: Some(MediaSession::new(&track.sid)),
            publisher: Some(Publisher::new(&person.identity)),
            birth: None,
        })
    });
    let millis = found.creation_time_ms.as_ref().and_then(whole).filter(|ms| *ms > 0);
    let born = millis.or_else(|| found.creation_time.as_ref().and_then(whole).map(|seconds| seconds.saturating_mul(1000)));
    Ok(Snapshot { epoch: Some((found.sid.clone(), born)), sightings: sightings.collect() })
}

pub(super) async fn kick(api: &Api, room: &str, live: &Live) -> Result<(), ApiError> {
    let identity = live.publisher.as_ref().map(Publisher::as_str).unwrap_or_default();
    let permission = json!({"canSubscribe": true, "canPublish": false, "canPublishData": true});
    let body = json!({"room": room, "identity": identity, "permission": permission});
    let scope = json!({"roomAdmin": true, "room": room});
    call::<Value>(api, "UpdateParticipant", scope, &body).await.map(|_| ())
}

async fn call<T: DeserializeOwned>(api: &Api, method: &str, scope: Value, body: &Value) -> Result<T, ApiError> {
    let now = api.clock.wall_seconds();
    let claims = Claims { iss: &api.key, nbf: now.saturating_sub(5), exp: now + TOKEN_SECONDS, video: scope };
    let key = EncodingKey::from_secret(api.secret.as_bytes());
    let token = jsonwebtoken::encode(&Header::default(), &claims, &key).map_err(|error| ApiError::Answer(error.to_string()))?;
    ask(api.post(&format!("/twirp/livekit.RoomService/{method}"), body).bearer_auth(token)).await
}

/// A 64-bit number: a text where the sender writes it exactly.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
