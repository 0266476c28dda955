//! SIGTERM: everybody is told when to come back, nothing is lost, and the process ends well.
use crate::hub::{Hub, http};
use serde_json::json;

#[tokio::test]
async fn sigterm_sends_everybody_away_and_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), &[("SERVER__DRAIN_TIMEOUT_MS", "30000")]);
    let mut people = Vec::new();
    for n in 0..20 {
        people.push(hub.member(&format!("u{n}")).await);
    }
    people[0].ok("seat_lock", json!({"seat_nos": "all", "on": true})).await;
    let last = people[3].ok("queue_join", json!({})).await;
    let (admin, address) = (hub.admin.clone(), hub.address.clone());
    assert_eq!(http(&admin, "GET", "/readyz", "", "").await.0, 200);
    let waits = tokio::spawn(async move { http(&address, "GET", "/api/rooms/r1/updates?cursor=&wait_ms=25000", "", "").await.0 });
    assert_eq!(waits.await.unwrap(), 200);
    hub.terminate();
    // Nobody has read his close frame yet, so the hub is still there, and says that it is not ready.
    loop {
        match http(&admin, "GET", "/readyz", "", "").await {
            (200, _) => {}
            (status, body) => break assert_eq!((status, body), (503, json!("draining\n"))),
        }
    }
    let mut waits = Vec::new();
    for person in &mut people {
        let closed = person.closed().await.expect("a close frame");
        assert_eq!((closed.code, closed.name.as_str()), (4101, "draining"));
        assert!(closed.retry_after_ms > 0);
        waits.push(closed.retry_after_ms);
    }
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 5, "all come back at once: {waits:?}");
    let welcome = people[3].welcome.clone();
    drop(people);
    assert!(hub.ended().await.success());
    let hub = Hub::start(dir.path());
    let mut back = hub.resume(&welcome, json!([{"room_id": "r1", "cursor": ""}])).await;
    assert_eq!(back.welcome["resumed"], true);
    let snapshot = back.wait("room_snapshot").await;
    assert!(snapshot["rev"].as_u64() >= last["rev"].as_u64());
    assert_eq!(snapshot["state"]["queue"][0]["user_id"], "u3");
}
