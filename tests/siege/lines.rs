//! Lines that are bad or break without a word: nobody is offline before his time, nobody is there after it.
use crate::{
    client::Client,
    hub::{DEADLINE, Hub, QUICK, SILENCE},
    pass,
};
use serde_json::json;
use std::{future::Future, time::Duration};
use xtask::bed::Proxy;

async fn watcher(hub: &Hub) -> Client {
    let mut bob = hub.user("bob").await;
    bob.ok("watch_status", json!({"user_ids": ["alice"]})).await;
    bob
}

async fn alice(proxy: &Proxy, hello: serde_json::Value) -> Client {
    let mut client = Client::connect(&proxy.address().to_string()).await;
    client.say(hello).await;
    client.welcome = client.wait("welcome").await;
    client
}

/// Waits for what `bob` hears of alice, or for the end of `time`.
async fn heard(bob: &mut Client, time: Duration) -> Option<String> {
    let status = async {
        // His own line must live meanwhile.
        loop {
            let frame = bob.frame().await;
            if frame["type"] == "userOnlineStatus" {
                return frame["user_status"][0]["status"].as_str().unwrap().to_owned();
            }
        }
    };
    tokio::time::timeout(time, status).await.ok()
}

async fn meanwhile<T>(bob: &mut Client, time: Duration, work: impl Future<Output = T>) -> (T, Option<String>) {
    tokio::join!(work, heard(bob, time))
}

#[tokio::test]
async fn a_bad_line_is_no_end() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), QUICK);
    let proxy = Proxy::start(vec![hub.address.parse().unwrap()], 7).unwrap();
    let mut bob = watcher(&hub).await;
    let mut client = alice(&proxy, json!({"type": "user_online", "user_id": "alice"})).await;
    assert_eq!(heard(&mut bob, DEADLINE).await.as_deref(), Some("online"));
    // What lost packets do to a line that repeats them: everything is late, and unevenly so.
    proxy.delay(Duration::from_millis(50), Duration::from_millis(500));
    let talk = async {
        for _ in 0..8 {
            client.ask("heartbeat", json!({})).await;
            pass(Duration::from_millis(300)).await;
        }
    };
    let ((), told) = meanwhile(&mut bob, 2 * SILENCE, talk).await;
    assert_eq!(told, None, "nothing has changed for others");
}

#[tokio::test]
async fn a_line_that_is_gone_without_a_word_is_found_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(dir.path(), QUICK);
    let proxy = Proxy::start(vec![hub.address.parse().unwrap()], 7).unwrap();
    let mut bob = watcher(&hub).await;
    let hello = json!({"type": "user_online", "user_id": "alice"});
    let mut client = alice(&proxy, hello.clone()).await;
    assert_eq!(heard(&mut bob, DEADLINE).await.as_deref(), Some("online"));
    client.ask("heartbeat", json!({})).await;
    proxy.stall(true, true);
    assert_eq!(heard(&mut bob, SILENCE / 2).await, None, "not before her time is over");
    assert_eq!(heard(&mut bob, DEADLINE).await.as_deref(), Some("offline"));
    proxy.heal();
    let again = alice(&proxy, hello).await;
    assert_eq!(heard(&mut bob, DEADLINE).await.as_deref(), Some("online"));
    drop((client, again));
    assert_eq!(heard(&mut bob, DEADLINE).await.as_deref(), Some("offline"), "no ghost of the first line is left");
}
