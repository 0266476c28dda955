//! livego has no callbacks: its list is all that is ever known.
use super::{Api, ApiError, Snapshot, ask};
use crate::hub::media::{Sighting, StreamId};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    /// JSON, in base64.
    data: String,
}

#[derive(Deserialize)]
struct Streams {
    #[serde(default)]
    publishers: Option<Vec<Stream>>,
}

#[derive(Deserialize)]
struct Stream {
    /// `app/room`
    key: String,
}

pub(super) async fn list(api: &Api) -> Result<Snapshot, ApiError> {
    let answer: Answer = ask(api.get("/stat/livestat")).await?;
    let wrong = |why: String| ApiError::Answer(why);
    let bytes = STANDARD.decode(answer.data).map_err(|error| wrong(error.to_string()))?;
    let streams: Streams = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let sighting = |stream: Stream| Sighting { stream: StreamId::new(&stream.key), session: None, publisher: None, birth: None };
    Ok(Snapshot { epoch: None, sightings: streams.publishers.unwrap_or_default().into_iter().map(sighting).collect() })
}
