//! Media servers and rooms: callbacks come in, polls go out; rooms hear who is on air, and are asked who may publish.
//!
//! Seats belong to the rooms. What media servers say only informs them; who may publish is decided from the seats, at once.
mod actor;
mod api;
mod asked;
mod calls;
mod gate;
pub mod hooks;
mod ledger;
mod nonces;
mod owner;
pub mod simulate;
mod uids;

pub use gate::Denied;

use self::hooks::{Keys, Kind, PublishRequest, Report};
use super::{
    auth::ticket::TicketKey,
    clock::Clock,
    config::{Gate, MediaConfig},
    msg::SeatsOf,
    rooms::Rooms,
    store::{notes::Notes, redis::RedisStore},
    webhooks::Webhooks,
};
use crate::hub::time::{Millis, UnixMs};
use actor::Actor;
use api::Api;
use ledger::Ledger;
use nonces::Nonces;
use regex::Regex;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{mpsc, oneshot};
use uids::Uids;

/// How many reports may wait for the actor; beyond it senders are told to come back.
const WAITING_MAX: usize = 4096;

/// Why media servers cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MediaSetupError {
    /// A client for a server's API cannot be made.
    #[error("media.{name}.api: {error}")]
    Api {
        /// The source.
        name: String,
        /// Why.
        error: reqwest::Error,
    },
    /// The pattern is no regular expression, or does not name `room` and `user`.
    #[error("media.{name}.stream_pattern: {why}")]
    Pattern {
        /// The source.
        name: String,
        /// Why.
        why: String,
    },
}

/// One media server, or one account with a vendor.
pub struct Source {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Whose callbacks these are.
    pub kind: Kind,
    keys: Keys,
    secret_path: String,
    pattern: Option<Regex>,
    gate: Gate,
    /// What is answered when the hub itself cannot say.
    allow_on_error: bool,
    continue_push_ms: u64,
    api: Option<Api>,
    poll: Millis,
    keepalive: Millis,
    nonces: Nonces,
    /// Agora: who is behind which number.
    uids: Option<Uids>,
}

/// Where what is known of media is kept, how other nodes hear of it, and who else is told.
pub struct Surroundings {
    /// The hub's own notes.
    pub notes: Arc<dyn Notes>,
    /// The Redis of all nodes, if there are several.
    pub redis: Option<Arc<RedisStore>>,
    /// This process.
    pub node: Arc<str>,
    /// Who is told of people that were not let on air.
    pub webhooks: Option<Webhooks>,
}

/// All sources, and the way to what is known of them. Cheap to clone.
#[derive(Clone)]
pub struct Media {
    sources: Arc<[Source]>,
    tickets: TicketKey,
    to_actor: mpsc::Sender<Ask>,
    rooms: Rooms,
    clock: Clock,
    ledger: Ledger,
    webhooks: Option<Webhooks>,
}

/// What the actor is asked.
enum Ask {
    /// A callback; answered when it is joined.
    Report { source: usize, report: Report, reply: oneshot::Sender<()> },
    /// Somebody asks to publish, and his seat allows it: is the ticket still good?
    Publish { source: usize, request: PublishRequest, grant: Option<u64>, reply: oneshot::Sender<Result<(), Denied>> },
    /// What is on air at a source.
    Live { source: usize, reply: oneshot::Sender<Vec<OnAir>> },
    /// Something may have been missed: poll soon.
    Doubt { source: usize },
    /// What a poll brought.
    Polled { source: usize, space: String, asked_at: UnixMs, outcome: Listed },
    /// A stream that is on air without the right to it.
    Stray { source: usize, space: String, stray: actor::Stray },
}

/// What came of the wish to read a list.
enum Listed {
    /// It was read, or could not be.
    Here(Result<api::Snapshot, api::ApiError>),
    /// Another node reads it now, or has done so lately.
    Elsewhere { urgent: bool },
}

/// A stream on air, as the hub takes it.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct OnAir {
    pub space: String,
    pub stream: String,
    pub session: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

impl Media {
    /// Sets the sources up and starts the actor. `seats` brings the occupants of every loaded room, whenever they change.
    pub fn start(
        config: &BTreeMap<String, MediaConfig>,
        tickets: TicketKey,
        rooms: Rooms,
        clock: Clock,
        seats: mpsc::UnboundedReceiver<SeatsOf>,
        around: Surroundings,
    ) -> Result<Self, MediaSetupError> {
        let ledger = Ledger::start(around.notes, around.redis, around.node, clock);
        let open = |(name, config): (&String, &MediaConfig)| {
            let uids = (config.kind == Kind::Agora).then(|| Uids::new(&ledger, name));
            Ok(Source { uids, ..Source::new(name, config, clock)? })
        };
        let sources = config.iter().map(open).collect::<Result<Arc<[Source]>, MediaSetupError>>()?;
        let (to_actor, inbox) = mpsc::channel(WAITING_MAX);
        let media = Self { sources, tickets, to_actor, rooms, clock, ledger, webhooks: around.webhooks };
        if !media.sources.is_empty() {
            tokio::spawn(Actor::new(media.clone()).run(inbox, seats));
        }
        Ok(media)
    }

    /// Returns the source of a name, if the secret fits.
    fn source(&self, name: &str, secret: &str) -> Option<(usize, &Source)> {
        use subtle::ConstantTimeEq;
        let (index, source) = self.sources.iter().enumerate().find(|(_, source)| *source.name == *name)?;
        let fits = bool::from(source.secret_path.as_bytes().ct_eq(secret.as_bytes()));
        (fits && !secret.is_empty()).then_some((index, source))
    }
}

impl Source {
    fn new(name: &str, config: &MediaConfig, clock: Clock) -> Result<Self, MediaSetupError> {
        let wrong = |why: String| MediaSetupError::Pattern { name: name.to_owned(), why };
        let pattern = match config.stream_pattern.as_str() {
            "" => None,
            text => Some(Regex::new(text).map_err(|error| wrong(error.to_string()))?),
        };
        let names = |regex: &Regex, name: &str| regex.capture_names().flatten().any(|known| known == name);
        if pattern.as_ref().is_some_and(|regex| !names(regex, "room") || !names(regex, "user")) {
            return Err(wrong("it must name the groups `room` and `user`".to_owned()));
        }
        let api = Api::new(config, clock).map_err(|error| MediaSetupError::Api { name: name.to_owned(), error })?;
        Ok(Self {
            name: name.into(),
            kind: config.kind,
            keys: Keys {
                secret: config.secret.clone(),
                api_key: config.api_key.clone(),
                ticket_param: config.ticket_param.clone(),
            },
            secret_path: config.secret_path.0.clone(),
            pattern,
            gate: config.gate,
            allow_on_error: config.on_hub_error == super::config::OnHubError::Allow,
            continue_push_ms: config.continue_push_ms,
            api,
            poll: Millis(config.poll_s.saturating_mul(1000)),
            keepalive: Millis(config.keepalive_s.saturating_mul(1000)),
            nonces: Nonces::default(),
            uids: None,
        })
    }

    /// Tells whether a stream shows that somebody is on air (and not only that he is there).
    fn carries_media(&self, stream: &str) -> bool {
        self.kind != Kind::LiveKit || stream.starts_with("track/")
    }

    /// Tells whether an answered question to publish is all that is ever heard of a stream's begin.
    const fn asks_only(&self) -> bool {
        matches!(self.kind, Kind::Srs) && self.api.is_none()
    }

    /// Tells whether each room has a list of streams of its own; otherwise the whole server has one.
    const fn by_room(&self) -> bool {
        matches!(self.kind, Kind::Zego | Kind::LiveKit | Kind::Agora)
    }
}
