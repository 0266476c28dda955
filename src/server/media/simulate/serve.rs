//! The API of the simulated media server: it answers with the truth, whatever got lost of the callbacks.
use super::{history::History, shapes::Shaper};
use crate::server::media::hooks::Kind;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query},
    routing::{get, post},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

type Lists = Arc<BTreeMap<String, Value>>;

/// Serves the lists of all rooms from here on.
pub(super) async fn start(address: SocketAddr, kind: Kind, histories: &[History], shaper: &Shaper) -> Result<(), std::io::Error> {
    let listener = TcpListener::bind(address).await?;
    let lists: Lists = Arc::new(histories.iter().map(|history| (shaper.room(history), of_room(kind, history, shaper))).collect());
    let of = |lists: &Lists, room: &str| lists.get(room).cloned().unwrap_or_else(|| json!([]));
    let all: Value = lists.values().filter_map(Value::as_array).flatten().cloned().collect();
    let json_of = |value: Value| value.to_string();
    let router = match kind {
        Kind::Zego => Router::new().route(
            "/",
            get(async move |Query(query): Query<BTreeMap<String, String>>| {
                let room = query.get("RoomId").map(String::as_str).unwrap_or_default();
                json_of(json!({"Code": 0, "Message": "success", "Data": {"StreamList": of(&lists, room)}}))
            }),
        ),
        Kind::Agora => Router::new().route(
            "/dev/v1/channel/user/{app}/{channel}",
            get(async move |Path((_, channel)): Path<(String, String)>| {
                json_of(
                    json!({"success": true, "data": {"channel_exist": true, "mode": 2, "broadcasters": of(&lists, &channel)}}),
                )
            }),
        ),
        Kind::LiveKit => {
            let rooms: Arc<BTreeMap<String, Value>> =
                Arc::new(histories.iter().map(|h| (shaper.room(h), livekit_room(h, shaper))).collect());
            let named = |body: &Bytes, key: &str| {
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                body.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            Router::new()
                .route(
                    "/twirp/livekit.RoomService/ListRooms",
                    post(async move |body: Bytes| {
                        let room = rooms.get(&named(&body, "/names/0")).filter(|room| !room.is_null());
                        json_of(json!({"rooms": room.into_iter().collect::<Vec<_>>()}))
                    }),
                )
                .route(
                    "/twirp/livekit.RoomService/ListParticipants",
                    post(async move |body: Bytes| json_of(json!({"participants": of(&lists, &named(&body, "/room"))}))),
                )
        }
        Kind::Srs => Router::new()
            .route("/api/v1/streams/", get(async move || json_of(json!({"code": 0, "service": "simsrv01", "streams": all}))))
            .route("/api/v1/vhosts/", get(async || json!({"code": 0, "vhosts": [{"name": "__defaultVhost__"}]}).to_string())),
        Kind::ZlMediaKit | Kind::Livego => {
            Router::new().route("/index/api/getMediaList", get(async move || json_of(json!({"code": 0, "data": all})))).route(
                "/index/api/getServerConfig",
                get(async || json!({"code": 0, "data": [{"general.mediaServerId": "sim:B1"}]}).to_string()),
            )
        }
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    Ok(())
}

/// The life of a room that goes on; null where it has ended.
fn livekit_room(history: &History, shaper: &Shaper) -> Value {
    let last = history.happenings.last();
    let ended = last.is_none_or(|last| last.what == super::history::What::RoomEnds);
    let epoch = last.map_or(0, |last| last.epoch);
    let born = shaper.at(0) + epoch * 60_000;
    if ended {
        return Value::Null;
    }
    json!({"sid": format!("RM_{}", shaper.epoch(history, epoch)), "name": shaper.room(history), "creation_time_ms": born.to_string()})
}

fn of_room(kind: Kind, history: &History, shaper: &Shaper) -> Value {
    let room = shaper.room(history);
    let line = |(person, session, epoch): (usize, u64, u64)| {
        let (user, name) = (Shaper::person(person), format!("{room}_{}_main", Shaper::person(person)));
        match kind {
            Kind::Zego => json!({"StreamId": name, "UserId": user, "UserName": user, "StreamNumberId": 1}),
            Kind::Agora => json!(10_001 + person),
            Kind::LiveKit => {
                json!({"identity": user, "tracks": [{"sid": Shaper::track(shaper.epoch(history, epoch), person, session)}]})
            }
            Kind::Srs => json!({"name": name, "app": "live", "url": format!("/live/{name}"), "tcUrl": "rtmp://127.0.0.1/live",
                "publish": {"active": true, "cid": Shaper::client(history, person, session)}}),
            Kind::ZlMediaKit | Kind::Livego => {
                json!({"schema": "rtsp", "vhost": "__defaultVhost__", "app": "live", "stream": name})
            }
        }
    };
    history.on_air().into_iter().map(line).collect()
}
