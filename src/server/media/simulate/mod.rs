//! `michub simulate-media`: plays the callbacks of a media server against a running hub, in any disorder, and compares what the hub then
//! takes for on air with the truth. It knows nothing of the hub's inside.
mod history;
mod serve;
mod shapes;

use super::hooks::Kind;
use crate::server::clock::Clock;
use clap::Args;
use futures_util::{StreamExt, stream};
use history::{History, Plan};
use rand::{SeedableRng, rngs::SmallRng, seq::SliceRandom};
use reqwest::Client;
use serde::Deserialize;
use shapes::{Callback, Shaper};
use std::{
    collections::BTreeSet,
    io::{IsTerminal, Write},
    net::SocketAddr,
    time::Duration,
};

/// How many callbacks are under way at once.
const AT_ONCE: usize = 64;
/// How often a refused or failed callback is sent again, as vendors do.
const TRIES: u32 = 5;
/// How many differences are printed.
const SHOWN: usize = 10;

/// Plays the callbacks of a media server against a running hub, and checks what the hub makes of them.
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// The hub
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub hub: String,
    /// The section [media.NAME] that the callbacks are for
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// What it is
    #[arg(long, value_parser = kind)]
    pub kind: Kind,
    /// Its secret_path
    #[arg(long, env = "MICHUB_SIMULATE_SECRET_PATH", hide_env_values = true)]
    pub secret_path: String,
    /// What the vendor signs with: `secret` of the section (zego, livekit, agora)
    #[arg(long, default_value = "", env = "MICHUB_SIMULATE_SECRET", hide_env_values = true)]
    pub secret: String,
    /// `api_key` of the section (livekit)
    #[arg(long, default_value = "")]
    pub api_key: String,
    /// An API key of the hub, for asking it what is on air
    #[arg(long, env = "MICHUB_SIMULATE_BEARER", hide_env_values = true)]
    pub bearer: Option<String>,
    /// How many rooms
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rooms: u32,
    /// What makes this run what it is; the same seed plays the same callbacks
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many of 100 callbacks come twice or more often
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub duplicate: u32,
    /// How many of 100 callbacks never come
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=90))]
    pub lose: u32,
    /// Send in the order in which things happened
    #[arg(long)]
    pub in_order: bool,
    /// Serve the media server's API here, with the truth: the section's `api` points to it, and polls repair what was lost
    #[arg(long, value_name = "ADDRESS")]
    pub serve: Option<SocketAddr>,
    /// How long the hub may take until it agrees with the truth, in seconds
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub agree_within: u64,
}

/// Why a run ends badly.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The hub does not answer as it should.
    #[error("{what}: {why}")]
    Hub {
        /// What was asked.
        what: &'static str,
        /// What came.
        why: String,
    },
    /// No runtime.
    #[error("runtime: {0}")]
    Runtime(std::io::Error),
    /// The API cannot be served.
    #[error("--serve: {0}")]
    Serve(std::io::Error),
    /// This kind has no callbacks.
    #[error("livego has no callbacks; play another kind")]
    NoCallbacks,
    /// The hub takes other streams for on air than there are.
    #[error("{0} streams differ from the truth")]
    Differs(usize),
}

fn kind(text: &str) -> Result<Kind, String> {
    serde_json::from_value(text.into()).map_err(|_| "zego, zlmediakit, srs, livekit or agora".to_owned())
}

#[derive(Deserialize)]
struct Live {
    streams: Vec<LiveStream>,
}

#[derive(Deserialize)]
struct LiveStream {
    space: String,
    stream: String,
}

/// Runs a simulation on a runtime of its own.
pub fn run_here(args: SimulateArgs) -> Result<(), SimulateError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SimulateError::Runtime)?;
    runtime.block_on(run(args, Clock::new()))
}

/// Plays the callbacks, waits until the hub agrees, and prints what came of it.
pub async fn run(args: SimulateArgs, clock: Clock) -> Result<(), SimulateError> {
    crate::server::net::tls::install_cryptography();
    crate::server::auth::crypto::install();
    let mut random = SmallRng::seed_from_u64(args.seed);
    let shaper = Shaper::new(&args, clock).ok_or(SimulateError::NoCallbacks)?;
    let plan = Plan { epochs: shaper.has_epochs(), rooms: args.rooms };
    let histories: Vec<History> = (0..plan.rooms).map(|room| History::random(&plan, room, &mut random)).collect();
    let truth: BTreeSet<(String, String)> = histories.iter().flat_map(|history| shaper.truth(history)).collect();
    let mut callbacks: Vec<Callback> = histories.iter().flat_map(|history| shaper.callbacks(history)).collect();
    let happened = callbacks.len();
    disturb(&mut callbacks, &args, &mut random);

    let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
    let client = client.map_err(|error| SimulateError::Hub { what: "a client", why: error.to_string() })?;
    if let Some(address) = args.serve {
        serve::start(address, args.kind, &histories, &shaper).await.map_err(SimulateError::Serve)?;
    }
    println!(
        "{} rooms, {happened} things happened, {} callbacks, {} streams on air in truth",
        args.rooms,
        callbacks.len(),
        truth.len()
    );
    let started = clock.mono();
    let refused = send_all(&client, &args, &shaper, callbacks).await?;
    println!("sent in {} ms; {refused} refused", clock.mono().since(started));

    let sent = clock.mono();
    loop {
        let shown = live(&client, &args).await?;
        let differences: Vec<_> = truth.symmetric_difference(&shown).collect();
        let waited = clock.mono().since(sent);
        if differences.is_empty() {
            println!("the hub agrees with the truth after {waited} ms");
            return Ok(());
        }
        if waited > args.agree_within * 1000 {
            for (space, stream) in differences.iter().take(SHOWN) {
                let what = if truth.contains(&(space.clone(), stream.clone())) { "missing" } else { "not on air any more" };
                println!("  {space:?} {stream}: {what}");
            }
            return Err(SimulateError::Differs(differences.len()));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Loses, repeats and shuffles.
fn disturb(callbacks: &mut Vec<Callback>, args: &SimulateArgs, random: &mut SmallRng) {
    use rand::RngExt;
    callbacks.retain(|_| !random.random_ratio(args.lose, 100));
    let mut again = Vec::new();
    for callback in callbacks.iter() {
        while random.random_ratio(args.duplicate.min(90), 100) {
            again.push(callback.clone());
        }
    }
    callbacks.extend(again);
    if !args.in_order {
        callbacks.shuffle(random);
    }
}

/// Sends everything, tries again what fails. Returns how many were refused for good.
async fn send_all(
    client: &Client,
    args: &SimulateArgs,
    shaper: &Shaper,
    callbacks: Vec<Callback>,
) -> Result<usize, SimulateError> {
    let total = callbacks.len();
    let base = format!("{}/api/hooks/{}/{}", args.hub.trim_end_matches('/'), args.source, args.secret_path);
    let at_once = if args.in_order { 1 } else { AT_ONCE };
    let mut sent = stream::iter(callbacks).map(|callback| send(client, &base, shaper, callback)).buffer_unordered(at_once);
    let (mut done, mut refused) = (0_usize, 0_usize);
    let shows = std::io::stderr().is_terminal();
    while let Some(outcome) = sent.next().await {
        done += 1;
        refused += usize::from(!outcome?);
        if shows && (done.is_multiple_of(500) || done == total) {
            let _ = write!(std::io::stderr(), "\r{done} of {total} callbacks");
        }
    }
    if shows {
        let _ = writeln!(std::io::stderr());
    }
    Ok(refused)
}

async fn send(client: &Client, base: &str, shaper: &Shaper, callback: Callback) -> Result<bool, SimulateError> {
    let url = if callback.hook.is_empty() { base.to_owned() } else { format!("{base}/{}", callback.hook) };
    let mut last = String::new();
    for _ in 0..TRIES {
        let mut request = client.post(&url).body(callback.body.clone());
        for (name, value) in shaper.headers(&callback.body) {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) if response.status().as_u16() == 200 => return Ok(true),
            Ok(response) if response.status().is_client_error() => return Ok(false),
            Ok(response) => last = response.status().to_string(),
            Err(error) => last = error.without_url().to_string(),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(SimulateError::Hub { what: "a callback", why: last })
}

async fn live(client: &Client, args: &SimulateArgs) -> Result<BTreeSet<(String, String)>, SimulateError> {
    let wrong = |why: String| SimulateError::Hub { what: "what is on air", why };
    let mut request = client.get(format!("{}/api/media/{}/live", args.hub.trim_end_matches('/'), args.source));
    if let Some(bearer) = &args.bearer {
        request = request.bearer_auth(bearer);
    }
    let answer = request.send().await.map_err(|error| wrong(error.without_url().to_string()))?;
    if answer.status().as_u16() != 200 {
        return Err(wrong(format!("status {}", answer.status())));
    }
    let body = answer.bytes().await.map_err(|error| wrong(error.without_url().to_string()))?;
    let live: Live = serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    Ok(live.streams.into_iter().map(|stream| (stream.space, stream.stream)).collect())
}
