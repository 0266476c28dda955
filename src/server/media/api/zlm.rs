//! ZLMediaKit: `getMediaList` and `close_streams`. Its list names no ticket and no boot; the server's id does.
use super::{Api, ApiError, Snapshot, ask, escaped};
use crate::hub::media::{Live, Sighting, StreamId};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
struct Answer<T> {
    code: i64,
    #[serde(default)]
    msg: String,
    data: Option<T>,
}

#[derive(Deserialize)]
struct Stream {
    vhost: String,
    app: String,
    stream: String,
}

pub(super) async fn list(api: &Api) -> Result<Snapshot, ApiError> {
    let secret = escaped(&api.secret);
    let list: Answer<Vec<Stream>> = ask(api.get(&format!("/index/api/getMediaList?secret={secret}"))).await?;
    let streams = good(list)?.unwrap_or_default();
    // The list has a line for each protocol of a stream.
    let names: BTreeSet<String> = streams.iter().map(|s| format!("{}/{}/{}", s.vhost, s.app, s.stream)).collect();
    let sighting = |name: String| Sighting { stream: StreamId::new(&name), session: None, publisher: None, birth: None };
    let config: Answer<Vec<BTreeMap<String, serde_json::Value>>> =
        ask(api.get(&format!("/index/api/getServerConfig?secret={secret}"))).await?;
    let id =
        good(config)?.unwrap_or_default().first().and_then(|map| map.get("general.mediaServerId")?.as_str().map(str::to_owned));
    let boot = id.and_then(|id| id.rsplit_once(':').map(|(_, boot)| boot.to_owned()));
    Ok(Snapshot { epoch: boot.map(|boot| (boot, Some(0))), sightings: names.into_iter().map(sighting).collect() })
}

pub(super) async fn kick(api: &Api, live: &Live) -> Result<(), ApiError> {
    let mut parts = live.stream.as_str().splitn(3, '/').map(escaped);
    let (vhost, app, stream) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let secret = escaped(&api.secret);
    let path = format!("/index/api/close_streams?secret={secret}&vhost={vhost}&app={app}&stream={stream}&force=1");
    let answer: Answer<serde_json::Value> = ask(api.get(&path)).await?;
    good(answer).map(|_| ())
}

fn good<T>(answer: Answer<T>) -> Result<Option<T>, ApiError> {
    if answer.code == 0 { Ok(answer.data) } else { Err(ApiError::Answer(format!("code {}: {}", answer.code, answer.msg))) }
}
