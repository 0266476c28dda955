//! The APIs of media servers: which streams are on air, and the end of those that should not be. One file per kind; no file here decides anything.
mod agora;
mod livego;
mod livekit;
mod srs;
mod zego;
mod zlm;

use crate::{
    hub::{
        media::{Live, Sighting},
        time::Millis,
    },
    server::{clock::Clock, config::MediaConfig, media::hooks::Kind, outgoing::chain},
};
use reqwest::{Client, RequestBuilder, redirect::Policy};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How many bytes of an answer are read.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Why a server could not be asked. An error says nothing about streams.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// No connection, no answer in time, or one that broke off.
    #[error("{}", chain(.0))]
    Http(#[from] reqwest::Error),
    /// An answer with another status than 200.
    #[error("status {0}")]
    Status(u16),
    /// An answer that is too long, no JSON, or says that it failed.
    #[error("the answer: {0}")]
    Answer(String),
    /// This kind of server has no such call.
    #[error("this kind of server cannot do that")]
    Unsupported,
}

/// A complete list of what is on air.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The epoch that the server names, with its birth if it says so.
    pub epoch: Option<(String, Option<u64>)>,
    pub sightings: Vec<Sighting>,
}

/// The way to one server's API. Cheap to clone.
#[derive(Clone)]
pub(super) struct Api {
    kind: Kind,
    client: Client,
    base: String,
    key: String,
    secret: String,
    /// The parameter of the publish URL that carries our ticket.
    ticket_param: String,
    clock: Clock,
}

impl Api {
    /// Makes a client. `None`: no address is set, the server is not asked.
    pub fn new(config: &MediaConfig, clock: Clock) -> Result<Option<Self>, reqwest::Error> {
        if config.api.0.is_empty() {
            return Ok(None);
        }
        let client = Client::builder().timeout(ANSWER).redirect(Policy::none()).no_proxy().build()?;
        let secret = if config.api_secret.0.is_empty() { &config.secret } else { &config.api_secret };
        Ok(Some(Self {
            kind: config.kind,
            client,
            base: config.api.0.trim_end_matches('/').to_owned(),
            key: config.api_key.clone(),
            secret: secret.0.clone(),
            ticket_param: config.ticket_param.clone(),
            clock,
        }))
    }

    /// Returns the least time between two lists of the same room or server.
    pub const fn least_gap(&self) -> Millis {
        match self.kind {
            Kind::Zego => Millis(10_000),
            _ => Millis(1_000),
        }
    }

    /// Asks for all streams of a room, or of the server.
    pub async fn list(&self, space: &str) -> Result<Snapshot, ApiError> {
        match self.kind {
            Kind::Zego => zego::list(self, space).await,
            Kind::ZlMediaKit => zlm::list(self).await,
            Kind::Srs => srs::list(self).await,
            Kind::LiveKit => livekit::list(self, space).await,
            Kind::Agora => agora::list(self, space).await,
            Kind::Livego => livego::list(self).await,
        }
    }

    /// Ends a stream, or the right to it.
    pub async fn kick(&self, space: &str, live: &Live) -> Result<(), ApiError> {
        match self.kind {
            Kind::Zego => zego::kick(self, space, live).await,
            Kind::ZlMediaKit => zlm::kick(self, live).await,
            Kind::Srs => srs::kick(self, live).await,
            Kind::LiveKit => livekit::kick(self, space, live).await,
            Kind::Agora => agora::kick(self, space, live).await,
            Kind::Livego => Err(ApiError::Unsupported),
        }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    fn post(&self, path: &str, body: &serde_json::Value) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.base));
        request.header("content-type", "application/json").body(body.to_string())
    }
}

/// Sends a request and reads the answer.
async fn ask<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ApiError> {
    let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(ApiError::Status(response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + part.len() > ANSWER_BYTES {
            return Err(ApiError::Answer("it is too long".to_owned()));
        }
        body.extend_from_slice(&part);
    }
    serde_json::from_slice(&body).map_err(|error| ApiError::Answer(error.to_string()))
}

/// Percent-encodes one value of a query.
fn escaped(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
