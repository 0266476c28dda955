//! Agora's channel API: who is in a channel as a broadcaster, and a rule that takes the right to publish.
use super::{Api, ApiError, Snapshot, ask, escaped};
use crate::hub::media::{Live, Publisher, Sighting, StreamId};
use serde::Deserialize;
use serde_json::{Value, json};

/// For how long the right to publish is taken, in minutes: the hub looks again before that is over.
const RULE_MINUTES: u64 = 1;

#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    broadcasters: Vec<Value>,
    #[serde(default)]
    users: Vec<Value>,
}

pub(super) async fn list(api: &Api, channel: &str) -> Result<Snapshot, ApiError> {
    let path = format!("/dev/v1/channel/user/{}/{}", escaped(app(api)), escaped(channel));
    let answer: Answer = ask(signed(api, api.get(&path))).await?;
    if !answer.success {
        return Err(ApiError::Answer("success is false".to_owned()));
    }
    let uids = answer.data.broadcasters.iter().chain(&answer.data.users);
    let uids = uids.filter_map(|uid| uid.as_u64().map(|uid| uid.to_string()).or_else(|| uid.as_str().map(str::to_owned)));
    let sighting =
        |uid: String| Sighting { stream: StreamId::new(&uid), session: None, publisher: Some(Publisher::new(&uid)), birth: None };
    Ok(Snapshot { epoch: Some((String::new(), Some(0))), sightings: uids.map(sighting).collect() })
}

pub(super) async fn kick(api: &Api, channel: &str, live: &Live) -> Result<(), ApiError> {
    // The stream is named by the number; the publisher may be the person who got it from the hub.
    let uid = live.stream.as_str();
    let uid = uid.parse::<u64>().map_or_else(|_| json!(uid), |uid| json!(uid));
    let privileges = ["publish_audio", "publish_video"];
    let body = json!({"appid": app(api), "cname": channel, "uid": uid, "time": RULE_MINUTES, "privileges": privileges});
    ask::<Value>(signed(api, api.post("/dev/v1/kicking-rule", &body))).await.map(|_| ())
}

/// The key is `app-id:customer-id`; the secret is the customer's.
fn app(api: &Api) -> &str {
    api.key.split(':').next().unwrap_or_default()
}

fn signed(api: &Api, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    let customer = api.key.split_once(':').map(|(_, customer)| customer).unwrap_or_default();
    request.basic_auth(customer, Some(&api.secret))
}
