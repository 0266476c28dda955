//! Hubs and media servers that end and begin anew: what was on air stays known as long as it is, and no longer.
use crate::{
    fake::Fake,
    hub::{DEADLINE, Hub},
    media::{hook, media, seated, settings_of, srs, ticket, zlm},
};
use serde_json::{Value, json};

async fn shown(hub: &Hub) -> Value {
    hub.get("/api/rooms/r1").await.1["state"]["seats"][0]["media"].clone()
}

/// Waits until the hub has read so many further lists.
async fn lists(hub: &Hub, fake: &Fake, more: usize) {
    let wanted = fake.lists() + more;
    let waited = async {
        while fake.lists() < wanted {
            hub.get("/healthz").await;
        }
    };
    tokio::time::timeout(3 * DEADLINE, waited).await.expect("the list is read");
}

#[tokio::test]
async fn who_is_on_air_outlives_a_kill_of_the_hub() {
    for kind in ["srs", "zlmediakit"] {
        let dir = tempfile::tempdir().unwrap();
        let (fake, api) = Fake::start().await;
        let settings = [("MEDIA__M__GATE", "enforce"), ("MEDIA__M__POLL_S", "5"), ("MEDIA__M__API", api.as_str())];
        let (hub, mut user, first) = seated(dir.path(), kind, &settings).await;
        let first = first["ticket"].as_str().unwrap();
        let asks = if kind == "srs" { srs("on_publish", "c1", first) } else { zlm(None, first) };
        assert_eq!(hook(&hub, "on_publish", &asks).await.1["code"], 0);
        fake.on_air("r1_u_main", "c1");
        media(&mut user, "publishing").await;

        hub.kill();
        let hub = Hub::with(dir.path(), &settings_of(kind, &settings));
        lists(&hub, &fake, 4).await;
        assert_eq!(shown(&hub).await, "publishing", "{kind}");
        assert_eq!(fake.kicked(), [] as [&str; 0], "{kind}: he still has the right to it");
        // The end of it still frees the seat.
        fake.clear();
        let over = if kind == "srs" {
            ("on_unpublish", srs("on_unpublish", "c1", first))
        } else {
            ("on_stream_changed", zlm(Some(false), first))
        };
        assert_eq!(hook(&hub, over.0, &over.1).await.1["code"], 0);
        let lost = async { while shown(&hub).await != "lost" {} };
        tokio::time::timeout(DEADLINE, lost).await.expect(kind);
    }
}

#[tokio::test]
async fn a_silent_server_has_nothing_on_air() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens there any more.
    let api = format!("http://127.0.0.1:{}", xtask::bed::free_port().unwrap());
    let settings = [("MEDIA__M__API", api.as_str()), ("MEDIA__M__POLL_S", "5"), ("MEDIA__M__KEEPALIVE_S", "2")];
    let (hub, mut user, first) = seated(dir.path(), "zlmediakit", &settings).await;
    let first = first["ticket"].as_str().unwrap();
    let alive = json!({"mediaServerId": "zlm1:B1", "hook_index": 1, "data": {"Buffer": 1}});
    assert_eq!(hook(&hub, "on_server_keepalive", &alive).await.0, 200);
    hook(&hub, "on_stream_changed", &zlm(Some(true), first)).await;
    media(&mut user, "publishing").await;
    media(&mut user, "lost").await;
    media(&mut user, "stream_stopped").await;
    let counted = async { while !hub.metrics().await.contains("michub_media_servers_lost_total{source=\"m\"} 1") {} };
    tokio::time::timeout(DEADLINE, counted).await.expect("the silence is counted");
}

#[tokio::test]
async fn a_server_that_took_leave_is_asked_before_it_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = Fake::start().await;
    let settings = [("MEDIA__M__API", api.as_str()), ("MEDIA__M__POLL_S", "5")];
    let (hub, mut user, first) = seated(dir.path(), "zlmediakit", &settings).await;
    let first = first["ticket"].as_str().unwrap();
    fake.on_air("r1_u_main", "");
    hook(&hub, "on_stream_changed", &zlm(Some(true), first)).await;
    media(&mut user, "publishing").await;
    let left = json!({"mediaServerId": "zlm1:B1", "hook_index": 9});
    assert_eq!(hook(&hub, "on_server_exited", &left).await.0, 200);
    lists(&hub, &fake, 3).await;
    assert_eq!(shown(&hub).await, "publishing", "it answers, and has him on air");
    fake.fail();
    assert_eq!(hook(&hub, "on_server_exited", &left).await.0, 200);
    media(&mut user, "lost").await;
}

#[tokio::test]
async fn a_new_process_of_the_server_begins_with_nothing_on_air() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = Fake::start().await;
    let settings = [("MEDIA__M__API", api.as_str()), ("MEDIA__M__POLL_S", "5")];
    let (hub, mut user, first) = seated(dir.path(), "srs", &settings).await;
    let first = first["ticket"].as_str().unwrap();
    assert_eq!(hook(&hub, "on_publish", &srs("on_publish", "c1", first)).await.1["code"], 0);
    fake.on_air("r1_u_main", "c1");
    media(&mut user, "publishing").await;
    // It dies without a word, and names another service when it is asked again.
    fake.clear();
    fake.restart("other-id");
    media(&mut user, "stream_stopped").await;
    user.ok("seat_take", json!({})).await;
    let second = ticket(&hub).await;
    let mut asks = srs("on_publish", "c9", second["ticket"].as_str().unwrap());
    asks["service_id"] = "other-id".into();
    assert_eq!(hook(&hub, "on_publish", &asks).await.1["code"], 0);
    fake.on_air("r1_u_main", "c9");
    media(&mut user, "publishing").await;
}
