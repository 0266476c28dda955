//! Webhooks for operators: routes of the admin listener, and the command line that asks them.
//! Whatever changes something wants a JSON body, so that no web page of an operator's browser can do it.
use super::{
    Webhooks,
    endpoint::{Endpoint, Tried},
};
use crate::server::{
    outgoing::{Outgoing, OutgoingError, OutgoingSettings, Target},
    store::StoreFault,
};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// The most dead letters of one answer, and of one replay.
const PAGE_MAX: usize = 1_000;
/// How many failures end a replay.
const FAILED_MAX: usize = 3;
/// What fits into the answer of a page.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why an operator's request fails.
enum Failure {
    NoEndpoint(String),
    Store(StoreFault),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::NoEndpoint(name) => (StatusCode::NOT_FOUND, format!("there is no [webhook.{name}]")),
            Self::Store(fault) => (StatusCode::SERVICE_UNAVAILABLE, fault.to_string()),
        };
        (status, Json(json!({ "error": text }))).into_response()
    }
}

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}

#[derive(Deserialize)]
struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

/// Which dead letters are sent again: one, or up to 1,000 behind a key.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    key: Option<String>,
    after: Option<String>,
}

/// What came of a replay.
#[derive(Serialize)]
struct Replayed {
    sent: usize,
    failed: usize,
    /// Where the next replay goes on; absent = these were all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Makes the routes.
pub fn router(webhooks: Webhooks) -> Router {
    Router::new()
        .route("/webhooks", get(list))
        .route("/webhooks/{name}/dead", get(dead))
        .route("/webhooks/{name}/replay", post(replay))
        .route("/webhooks/{name}/enable", post(enable))
        .with_state(webhooks)
}

fn endpoint(webhooks: &Webhooks, name: &str) -> Result<Arc<Endpoint>, Failure> {
    webhooks.endpoint(name).cloned().ok_or_else(|| Failure::NoEndpoint(name.to_owned()))
}

async fn list(State(webhooks): State<Webhooks>) -> Json<Value> {
    Json(json!({ "webhooks": webhooks.states() }))
}

async fn dead(
    State(webhooks): State<Webhooks>,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, Failure> {
    let limit = page.limit.unwrap_or(100).clamp(1, PAGE_MAX);
    let letters = endpoint(&webhooks, &name)?.dead.list(page.after.as_deref(), limit).await?;
    let next = (letters.len() == limit).then(|| letters.last().map(|(key, _)| key.clone())).flatten();
    let shown: Vec<Value> = letters.into_iter().map(|(key, letter)| json!({ "key": key, "letter": letter })).collect();
    Ok(Json(json!({ "dead": shown, "next": next })))
}

/// Sends dead letters again, under their own ids and with their own bodies, one after the other. A few failures end it.
async fn replay(
    State(webhooks): State<Webhooks>,
    Path(name): Path<String>,
    Json(Replay { key, after }): Json<Replay>,
) -> Result<Json<Replayed>, Failure> {
    let endpoint = endpoint(&webhooks, &name)?;
    let limit = if key.is_some() { 1 } else { PAGE_MAX };
    let letters = match &key {
        Some(key) => endpoint.dead.one(key).await?.into_iter().map(|letter| (key.clone(), letter)).collect(),
        None => endpoint.dead.list(after.as_deref(), limit).await?,
    };
    let more = key.is_none() && letters.len() == limit;
    let mut replayed = Replayed { sent: 0, failed: 0, next: None };
    for (key, letter) in letters {
        let tried = endpoint.post(&letter.id, letter.body.into_bytes()).await;
        if let Tried::Taken = tried {
            endpoint.dead.forget(&key).await?;
            replayed.sent += 1;
            replayed.next = more.then_some(key);
        } else {
            tracing::warn!(endpoint = name, key, ?tried, "a dead letter has failed again");
            replayed.failed += 1;
            replayed.next = None;
            if replayed.failed >= FAILED_MAX {
                break;
            }
        }
    }
    Ok(Json(replayed))
}

/// Takes an endpoint into use again that has said 410.
async fn enable(
    State(webhooks): State<Webhooks>,
    Path(name): Path<String>,
    Json(_): Json<Value>,
) -> Result<Json<Value>, Failure> {
    endpoint(&webhooks, &name)?.enable().await?;
    webhooks.look_again();
    Ok(Json(json!({ "enabled": name })))
}

/// What the command line asks of the hub that runs.
#[derive(Clone, Debug)]
pub enum Ask {
    /// How the endpoints are doing.
    List,
    /// The dead letters of an endpoint.
    Dead {
        /// Its name.
        name: String,
        /// How many, at most 1,000.
        limit: usize,
    },
    /// Dead letters are to be sent again.
    Replay {
        /// The endpoint.
        name: String,
        /// Only this one.
        key: Option<String>,
    },
    /// An endpoint that said 410 is to be used again.
    Enable {
        /// Its name.
        name: String,
    },
}

/// Why the command line has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No hub answers.
    #[error("no hub answers at admin.listen {0}: {1}")]
    Unreachable(SocketAddr, OutgoingError),
    /// It refuses.
    #[error("{0}")]
    Refused(String),
    /// It says something else.
    #[error("the hub's answer cannot be read")]
    Answer,
    /// This process cannot ask.
    #[error("a runtime cannot be started: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Asks the hub that runs, and returns what to print.
pub fn ask(admin: SocketAddr, ask: &Ask) -> Result<String, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(answer(admin, ask))
}

async fn answer(admin: SocketAddr, ask: &Ask) -> Result<String, AskError> {
    let wait = Duration::from_secs(300);
    let settings = OutgoingSettings {
        allow_private: true,
        connect_timeout: Duration::from_secs(3),
        timeout: wait,
        answer_bytes: ANSWER_BYTES,
        idle_max: 1,
    };
    let (host, authority) = (admin.ip().to_string(), admin.to_string());
    let target = Target { https: false, host, port: admin.port(), authority, path: "/".to_owned() };
    let unreachable = |error| AskError::Unreachable(admin, error);
    let hub = Outgoing::new(target, settings).map_err(unreachable)?;
    let request = async |method: Method, path: String, body: Value| -> Result<Value, AskError> {
        let answer = hub.send(method, &path, &[], body.to_string().into()).await.map_err(unreachable)?;
        let value: Value = serde_json::from_slice(&answer.body).map_err(|_| AskError::Answer)?;
        if answer.status.is_success() {
            return Ok(value);
        }
        Err(AskError::Refused(value.get("error").and_then(Value::as_str).unwrap_or("refused").to_owned()))
    };
    match ask {
        Ask::List => Ok(listed(&request(Method::GET, "/webhooks".to_owned(), Value::Null).await?)),
        Ask::Dead { name, limit } => {
            let page = request(Method::GET, format!("/webhooks/{name}/dead?limit={limit}"), Value::Null).await?;
            Ok(lines(page.get("dead"), |line| line.to_string()))
        }
        Ask::Replay { name, key } => {
            let (mut sent, mut failed, mut after) = (0, 0, Value::Null);
            loop {
                let body = json!({ "key": key, "after": after });
                let done = request(Method::POST, format!("/webhooks/{name}/replay"), body).await?;
                sent += number(&done, "sent");
                failed += number(&done, "failed");
                after = done.get("next").cloned().unwrap_or_default();
                if after.is_null() {
                    return Ok(format!("{sent} sent, {failed} failed\n"));
                }
            }
        }
        Ask::Enable { name } => {
            request(Method::POST, format!("/webhooks/{name}/enable"), json!({})).await?;
            Ok(format!("{name} is in use\n"))
        }
    }
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

fn lines(list: Option<&Value>, line: impl Fn(&Value) -> String) -> String {
    list.and_then(Value::as_array).into_iter().flatten().map(|value| line(value) + "\n").collect()
}

fn listed(answer: &Value) -> String {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let shown = lines(answer.get("webhooks"), |one| {
        let failure = text(one, "failure");
        let failure = if failure.is_empty() { failure } else { format!("\n  the last attempt failed: {failure}") };
        let keys = one.get("public_keys").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let keys: String = keys.map(|key| format!("\n  public key: {key}")).collect();
        format!(
            "{}  {}  {}  rooms pending {} failing {}, oldest {} ms, dead {}, sent {} failed {}{failure}{keys}",
            text(one, "name"),
            text(one, "state"),
            text(one, "url"),
            number(one, "pending_rooms"),
            number(one, "failing_rooms"),
            number(one, "oldest_ms"),
            number(one, "dead"),
            number(one, "sent"),
            number(one, "failed"),
        )
    });
    if shown.is_empty() { "there are no webhooks\n".to_owned() } else { shown }
}
