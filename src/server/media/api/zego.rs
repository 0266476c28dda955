//! ZEGO's server API v2: the streams of one room, and the end of a person's session. `DeleteStream` would only change a list.
use super::{Api, ApiError, Snapshot, ask, escaped};
use crate::hub::media::{Live, Publisher, Sighting, StreamId};
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    #[serde(default)]
    stream_list: Vec<Stream>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stream {
    stream_id: String,
    user_id: String,
    create_time: Option<Value>,
}

pub(super) async fn list(api: &Api, room: &str) -> Result<Snapshot, ApiError> {
    let answer = call(api, "DescribeSimpleStreamList", &format!("RoomId={}", escaped(room))).await?;
    let sighting = |stream: Stream| Sighting {
        stream: StreamId::new(&stream.stream_id),
        session: None,
        publisher: Some(Publisher::new(&stream.user_id)),
        birth: stream.create_time.and_then(|time| time.as_u64().or_else(|| time.as_str()?.parse().ok())),
    };
    Ok(Snapshot { epoch: None, sightings: answer.data.stream_list.into_iter().map(sighting).collect() })
}

pub(super) async fn kick(api: &Api, room: &str, live: &Live) -> Result<(), ApiError> {
    let user = live.publisher.as_ref().map(Publisher::as_str).unwrap_or_default();
    call(api, "KickoutUser", &format!("RoomId={}&UserId[]={}", escaped(room), escaped(user))).await.map(|_| ())
}

async fn call(api: &Api, action: &str, rest: &str) -> Result<Answer, ApiError> {
    let (now, nonce) = (api.clock.wall_seconds(), format!("{:016x}", rand::random::<u64>()));
    let signature = signature(&api.key, &nonce, &api.secret, now);
    let path = format!(
        "/?Action={action}&AppId={}&SignatureNonce={nonce}&Timestamp={now}&SignatureVersion=2.0&Signature={signature}&{rest}",
        escaped(&api.key)
    );
    let answer: Answer = ask(api.get(&path)).await?;
    if answer.code == 0 { Ok(answer) } else { Err(ApiError::Answer(format!("code {}: {}", answer.code, answer.message))) }
}

/// The vendor asks for MD5 over app id, nonce, secret and time.
fn signature(app: &str, nonce: &str, secret: &str, now: u64) -> String {
    crate::server::media::hooks::hex(&Md5::digest(format!("{app}{nonce}{secret}{now}")))
}
