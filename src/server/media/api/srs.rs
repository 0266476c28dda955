//! SRS: `/api/v1/streams` names the true publisher of each stream; `DELETE /api/v1/clients/{id}` ends him.
use super::{Api, ApiError, Snapshot, ask, escaped};
use crate::hub::media::{Live, MediaSession, Sighting, StreamId};
use serde::Deserialize;

/// More streams than one server carries.
const STREAMS_MAX: usize = 100_000;

#[derive(Deserialize)]
struct Answer {
    code: i64,
    #[serde(default)]
    service: String,
    #[serde(default)]
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    app: String,
    #[serde(default)]
    url: String,
    #[serde(default, rename = "tcUrl")]
    tc_url: String,
    #[serde(default)]
    publish: Publish,
}

#[derive(Default, Deserialize)]
struct Publish {
    active: bool,
    #[serde(default)]
    cid: String,
}

#[derive(Deserialize)]
struct VhostAnswer {
    #[serde(default)]
    vhosts: Vec<Vhost>,
}

#[derive(Deserialize)]
struct Vhost {
    name: String,
}

pub(super) async fn list(api: &Api) -> Result<Snapshot, ApiError> {
    let answer: Answer = ask(api.get(&format!("/api/v1/streams/?start=0&count={STREAMS_MAX}"))).await?;
    if answer.code != 0 {
        return Err(ApiError::Answer(format!("code {}", answer.code)));
    }
    let vhosts: VhostAnswer = ask(api.get("/api/v1/vhosts/")).await?;
    let only = match vhosts.vhosts.as_slice() {
        [only] => only.name.clone(),
        _ => "__defaultVhost__".to_owned(),
    };
    let sighting = |stream: Stream| {
        let vhost = vhost_of(&stream).unwrap_or_else(|| only.clone());
        Sighting {
            stream: StreamId::new(&format!("{vhost}/{}/{}", stream.app, stream.name)),
            session: Some(MediaSession::new(&stream.publish.cid)),
            publisher: None,
            birth: None,
        }
    };
    let active = answer.streams.into_iter().filter(|stream| stream.publish.active && !stream.publish.cid.is_empty());
    Ok(Snapshot { epoch: Some((answer.service, None)), sightings: active.map(sighting).collect() })
}

/// The vhost that a stream's URL names; `/live/x` names none, `rtmp://vhost/live` or `vhost/live/x` does.
fn vhost_of(stream: &Stream) -> Option<String> {
    let asked = stream.tc_url.split_once("vhost=").map(|(_, rest)| rest.split('&').next().unwrap_or(rest).to_owned());
    let written = stream.url.split('/').next().filter(|first| !first.is_empty()).map(str::to_owned);
    asked.or(written)
}

pub(super) async fn kick(api: &Api, live: &Live) -> Result<(), ApiError> {
    let id = escaped(live.session.at_the_server());
    let answer: Answer = ask(api.client.delete(format!("{}/api/v1/clients/{id}", api.base))).await?;
    if answer.code == 0 { Ok(()) } else { Err(ApiError::Answer(format!("code {}", answer.code))) }
}
