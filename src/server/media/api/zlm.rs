//! ZLMediaKit: `getMediaList` and `close_streams`. Its list carries the query of the publish URL, hence the ticket (older builds: none), and no boot; the
//! server's id does.
use super::{Api, ApiError, Snapshot, ask, escaped};
use crate::{
    hub::media::{Live, MediaSession, Publisher, Sighting, StreamId},
    server::{auth::ticket::grant_of, media::hooks::pairs},
};
use serde::Deserialize;
use std::collections::BTreeMap;

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
    #[serde(default)]
    params: String,
}

pub(super) async fn list(api: &Api) -> Result<Snapshot, ApiError> {
    let secret = escaped(&api.secret);
    let list: Answer<Vec<Stream>> = ask(api.get(&format!("/index/api/getMediaList?secret={secret}"))).await?;
    let streams = good(list)?.unwrap_or_default();
    // The list has a line for each protocol of a stream.
    let line = |stream: &Stream| {
        let ticket = pairs(&stream.params).find(|(key, _)| *key == api.ticket_param).map(|(_, ticket)| ticket);
        (format!("{}/{}/{}", stream.vhost, stream.app, stream.stream), ticket)
    };
    let lines: BTreeMap<String, Option<String>> = streams.iter().map(line).collect();
    let sighting = |(name, ticket): (String, Option<String>)| Sighting {
        stream: StreamId::new(&name),
        session: ticket.as_deref().map(MediaSession::new),
        publisher: ticket.as_deref().map(Publisher::new),
        birth: ticket.as_deref().and_then(grant_of),
    };
    let config: Answer<Vec<BTreeMap<String, serde_json::Value>>> =
        ask(api.get(&format!("/index/api/getServerConfig?secret={secret}"))).await?;
    let id =
        good(config)?.unwrap_or_default().first().and_then(|map| map.get("general.mediaServerId")?.as_str().map(str::to_owned));
    let boot = id.and_then(|id| id.rsplit_once(':').map(|(_, boot)| boot.to_owned()));
    Ok(Snapshot { epoch: boot.map(|boot| (boot, Some(0))), sightings: lines.into_iter().map(sighting).collect() })
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
