//! Requests that the hub makes to configured servers: bounded in time and size, no redirects, no proxy, and only to addresses that are allowed.
mod target;

pub use target::{BadUrl, Target, is_public};

use bytes::Bytes;
use reqwest::{
    Client, Method, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// What a request may take, and where it may go.
#[derive(Clone, Debug)]
pub struct OutgoingSettings {
    /// Whether addresses that are not public are allowed: loopback, private, link-local and the like.
    pub allow_private: bool,
    /// From the name to the connection, TLS included.
    pub connect_timeout: Duration,
    /// From the name to the end of the answer.
    pub timeout: Duration,
    /// How much of an answer's body is read.
    pub answer_bytes: usize,
    /// How many idle connections are kept.
    pub idle_max: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// The address is none that is allowed.
    #[error("{0} is no address that is allowed (it is not public, and allow_private is not set)")]
    NotAllowed(IpAddr),
    /// No connection, no answer in time, or one that broke off.
    #[error("{}", chain(.0))]
    Http(reqwest::Error),
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address that is allowed ({found} found, none of them public, and allow_private is not set)")]
struct NoAddress {
    found: usize,
}

/// Says all of an error: its causes say more than it does.
pub(in crate::server) fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl From<reqwest::Error> for OutgoingError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The header `retry-after`.
    pub retry_after: Option<String>,
    /// The beginning of its body, `answer_bytes` at most.
    pub body: Bytes,
}

/// Resolves names to public addresses only. What it returns is what is connected to, so a name cannot point elsewhere afterwards.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let all: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let found = all.len();
            let public: Vec<SocketAddr> = all.into_iter().filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NoAddress { found }.into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

/// One server that requests go to. Idle connections are kept and used again.
#[derive(Debug)]
pub struct Outgoing {
    client: Client,
    target: Target,
    settings: OutgoingSettings,
}

impl Outgoing {
    /// Prepares requests; nothing is resolved or connected yet. Errors: TLS cannot be set up on this machine.
    pub fn new(target: Target, settings: OutgoingSettings) -> Result<Self, OutgoingError> {
        // The command line and tests come here without the hub's start; a second one changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("michub/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .pool_max_idle_per_host(settings.idle_max)
            .redirect(Policy::none())
            .no_proxy();
        let client = if settings.allow_private { client } else { client.dns_resolver(Arc::new(PublicOnly)) };
        Ok(Self { client: client.build()?, target, settings })
    }

    /// Posts a JSON body to the target's path and waits for the answer, whatever its status. Needs a tokio runtime.
    pub async fn post(&self, headers: &[(&'static str, String)], body: Bytes) -> Result<Answer, OutgoingError> {
        self.send(Method::POST, &self.target.path, headers, body).await
    }

    /// Sends a request to any path of the target's server and waits for the answer, whatever its status. Needs a tokio runtime.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Answer, OutgoingError> {
        // An address in a URL is not resolved.
        if let Ok(address) = self.target.host.parse::<IpAddr>()
            && !self.settings.allow_private
            && !is_public(address)
        {
            return Err(OutgoingError::NotAllowed(address));
        }
        let scheme = if self.target.https { "https" } else { "http" };
        let mut request = self.client.request(method, format!("{scheme}://{}{path}", self.target.authority));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut response = request.header("content-type", "application/json").body(body).send().await?;
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while body.len() < self.settings.answer_bytes {
            let Some(part) = response.chunk().await? else { break };
            body.extend_from_slice(&part);
        }
        body.truncate(self.settings.answer_bytes);
        Ok(Answer { status: response.status(), retry_after, body: body.into() })
    }
}
