//! What polls of a media server repair, confirm and end.
use crate::{
    fake::Fake,
    hub::Hub,
    media::{hook, media, seated, srs, ticket, zlm},
};
use serde_json::json;

/// Waits until somebody is shown out.
async fn kicked(hub: &Hub, fake: &Fake) -> String {
    let waited = async {
        while fake.kicked().is_empty() {
            hub.get("/healthz").await;
        }
    };
    tokio::time::timeout(crate::hub::DEADLINE, waited).await.expect("somebody is shown out");
    fake.kicked()[0].clone()
}

#[tokio::test]
async fn a_poll_repairs_what_callbacks_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = Fake::start().await;
    let settings = [
        ("MEDIA__M__API", api.as_str()),
        ("MEDIA__M__POLL_S", "5"),
        ("MEDIA__M__STREAM_PATTERN", "^(?P<room>[a-z0-9]+)_(?P<user>[a-z0-9]+)_main$"),
    ];
    let (_hub, mut user, _) = seated(dir.path(), "zlmediakit", &settings).await;
    fake.on_air("r1_u_main", "");
    media(&mut user, "publishing").await;
}

#[tokio::test]
async fn a_poll_shows_strays_out() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = Fake::start().await;
    let settings = [("MEDIA__M__API", api.as_str()), ("MEDIA__M__POLL_S", "5"), ("MEDIA__M__GATE", "enforce")];
    let (hub, _user, _) = seated(dir.path(), "srs", &settings).await;
    fake.on_air("r1_nobody_main", "c9");
    assert_eq!(kicked(&hub, &fake).await, "c9");
}

#[tokio::test]
async fn what_two_lists_miss_is_over_and_only_then() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = Fake::start().await;
    let settings = [("MEDIA__M__API", api.as_str()), ("MEDIA__M__POLL_S", "5")];
    let (hub, mut user, first) = seated(dir.path(), "zlmediakit", &settings).await;
    fake.on_air("r1_u_main", "");
    hook(&hub, "on_stream_changed", &zlm(Some(true), first["ticket"].as_str().unwrap())).await;
    media(&mut user, "publishing").await;
    // It ends, and no callback says so.
    fake.clear();
    let before = fake.lists();
    media(&mut user, "lost").await;
    assert!(fake.lists() >= before + 2, "{before} lists before, {} after", fake.lists());
    media(&mut user, "stream_stopped").await;
}

#[tokio::test]
async fn of_two_who_asked_the_list_names_the_one_on_air() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = Fake::start().await;
    let settings = [("MEDIA__M__API", api.as_str()), ("MEDIA__M__POLL_S", "5")];
    let (hub, mut user, first) = seated(dir.path(), "srs", &settings).await;
    let text = first["ticket"].as_str().unwrap();
    for client in ["c1", "c2"] {
        assert_eq!(hook(&hub, "on_publish", &srs("on_publish", client, text)).await.1["code"], 0);
    }
    // The second one found the stream busy, of which nobody tells.
    fake.on_air("r1_u_main", "c1");
    media(&mut user, "publishing").await;
    let live = hub.get("/api/media/m/live").await.1;
    assert_eq!(live["streams"][0]["session"], "c1", "{live}");
    assert_eq!(live["streams"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_right_that_was_lost_on_the_way_ends_the_stream() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = Fake::start().await;
    let settings = [("MEDIA__M__API", api.as_str()), ("MEDIA__M__POLL_S", "5"), ("MEDIA__M__GATE", "enforce")];
    let (hub, mut user, first) = seated(dir.path(), "zlmediakit", &settings).await;
    let first = first["ticket"].as_str().unwrap();
    assert_eq!(hook(&hub, "on_publish", &zlm(None, "none")).await.1, json!({"code": -1, "msg": "bad_ticket"}));
    assert_eq!(hook(&hub, "on_publish", &zlm(None, first)).await.1["code"], 0);
    user.ok("seat_leave", json!({})).await;
    fake.on_air("r1_u_main", "");
    assert_eq!(hook(&hub, "on_stream_changed", &zlm(Some(true), first)).await.1["code"], 0);
    assert_eq!(kicked(&hub, &fake).await, "r1_u_main");
    // He sits again, by a newer grant.
    user.ok("seat_take", json!({})).await;
    assert_eq!(hook(&hub, "on_publish", &zlm(None, first)).await.1, json!({"code": -1, "msg": "stale_grant"}));
    let second = ticket(&hub).await;
    fake.clear();
    hook(&hub, "on_stream_changed", &zlm(Some(false), first)).await;
    assert_eq!(hook(&hub, "on_publish", &zlm(None, second["ticket"].as_str().unwrap())).await.1["code"], 0);
}
