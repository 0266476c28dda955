//! A media server that the tests play: its API, as far as the hub asks it.
use axum::{
    Router,
    extract::{Query, State},
    routing::{delete, get},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

/// A media server's API, as far as the hub asks it.
#[derive(Clone, Default)]
pub struct Fake {
    /// Name of the stream and, for SRS, the client.
    streams: Arc<Mutex<BTreeSet<(String, String)>>>,
    kicked: Arc<Mutex<Vec<String>>>,
    /// How often the list was read.
    lists: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
    /// SRS: the name of the process, if it is not the first.
    service: Arc<Mutex<Option<String>>>,
}

impl Fake {
    pub async fn start() -> (Self, String) {
        let fake = Self::default();
        let router = Router::new()
            .route("/api/v1/streams/", get(srs_streams))
            .route("/api/v1/vhosts/", get(|| async { json!({"vhosts": [{"name": "__defaultVhost__"}]}).to_string() }))
            .route("/api/v1/clients/{id}", delete(srs_kick))
            .route("/index/api/getMediaList", get(zlm_list))
            .route(
                "/index/api/getServerConfig",
                get(|| async { json!({"code": 0, "data": [{"general.mediaServerId": "zlm1:B1"}]}).to_string() }),
            )
            .route("/index/api/close_streams", get(zlm_kick))
            .with_state(fake.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum_serve(listener, router).await });
        (fake, format!("http://{address}"))
    }

    pub fn on_air(&self, stream: &str, client: &str) {
        self.streams.lock().unwrap().insert((stream.to_owned(), client.to_owned()));
    }

    /// From here on it answers that it cannot.
    pub fn fail(&self) {
        self.fails.store(true, Relaxed);
    }

    pub fn restart(&self, service: &str) {
        *self.service.lock().unwrap() = Some(service.to_owned());
    }

    pub fn lists(&self) -> usize {
        self.lists.load(Relaxed)
    }

    pub fn clear(&self) {
        self.streams.lock().unwrap().clear();
    }

    pub fn kicked(&self) -> Vec<String> {
        self.kicked.lock().unwrap().clone()
    }
}

async fn axum_serve(listener: tokio::net::TcpListener, router: Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let io = hyper_util::rt::TokioIo::new(stream);
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
    }
}

async fn srs_streams(State(fake): State<Fake>) -> String {
    fake.lists.fetch_add(1, Relaxed);
    let streams = fake.streams.lock().unwrap();
    let line = |(name, client): &(String, String)| {
        json!({"id": "vid-1", "name": name, "vhost": "vid-0", "app": "live", "tcUrl": "rtmp://127.0.0.1/live",
            "url": format!("/live/{name}"), "publish": {"active": true, "cid": client}})
    };
    let streams: Vec<Value> = streams.iter().map(line).collect();
    let service = fake.service.lock().unwrap().clone().unwrap_or_else(|| "k3v9x1ab".to_owned());
    json!({"code": 0, "server": "vid-s", "service": service, "pid": "1", "streams": streams}).to_string()
}

async fn srs_kick(State(fake): State<Fake>, axum::extract::Path(id): axum::extract::Path<String>) -> String {
    fake.kicked.lock().unwrap().push(id);
    json!({"code": 0}).to_string()
}

async fn zlm_list(State(fake): State<Fake>) -> String {
    fake.lists.fetch_add(1, Relaxed);
    let streams = fake.streams.lock().unwrap();
    let of = |name: &str, schema: &str| json!({"schema": schema, "vhost": "__defaultVhost__", "app": "live", "stream": name});
    let streams: Vec<Value> = streams.iter().flat_map(|(name, _)| [of(name, "rtsp"), of(name, "rtmp")]).collect();
    let code = if fake.fails.load(Relaxed) { -1 } else { 0 };
    json!({"code": code, "data": streams}).to_string()
}

async fn zlm_kick(State(fake): State<Fake>, Query(query): Query<BTreeMap<String, String>>) -> String {
    fake.kicked.lock().unwrap().push(query["stream"].clone());
    json!({"code": 0, "count_hit": 1, "count_closed": 1}).to_string()
}
