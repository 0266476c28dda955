//! One long evening in a room in which everything that can be said is said, and heard; every frame fits the schema of its type.
use crate::{
    client::recorder::{fits, heard},
    hub::Hub,
};
use michub::wire::spec;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An evening: who has said what, and what was heard.
struct Evening {
    said: BTreeSet<String>,
    heard: BTreeSet<String>,
}

impl Evening {
    fn hears(&mut self, frame: &Value) {
        heard(frame);
        self.heard.insert(frame["type"].as_str().unwrap().to_owned());
        for event in frame["events"].as_array().into_iter().flatten() {
            self.heard.insert(format!("event {}", event["event"].as_str().unwrap()));
        }
    }

    async fn says(&mut self, who: &mut crate::client::Client, kind: &str, fields: Value) -> Value {
        let mut frame = json!({"type": kind, "id": 1, "room_id": "r1"});
        frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        fits("client", &frame);
        self.said.insert(kind.to_owned());
        let answer = who.ask(kind, fields).await;
        assert_ne!(answer["type"], "error", "{kind}: {answer}");
        self.hears(&answer);
        self.gathers(who);
        answer
    }

    fn gathers(&mut self, who: &mut crate::client::Client) {
        for frame in who.early.drain(..) {
            self.hears(&frame);
        }
    }

    /// Waits for an event, and keeps what came before it.
    async fn event(&mut self, who: &mut crate::client::Client, name: &str) -> Value {
        loop {
            let frame = who.frame().await;
            self.hears(&frame);
            if let Some(event) = frame["events"].as_array().and_then(|all| all.iter().find(|event| event["event"] == name)) {
                return event.clone();
            }
        }
    }
}

#[tokio::test]
async fn everything_that_can_be_said_is_said_and_fits() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::with(
        dir.path(),
        &[
            ("ROOM__RULES__MODE_MIN_INTERVAL_SECONDS", "0"),
            ("ROOM__RULES__MODE_GRACE_SECONDS", "0"),
            ("SERVER__DRAIN_TIMEOUT_MS", "30000"),
        ],
    );
    let mut evening = Evening { said: BTreeSet::from(["user_online".to_owned()]), heard: BTreeSet::new() };
    let e = &mut evening;
    let mut own = hub.member("own").await;
    let mut ana = hub.member("ana").await;
    let mut leo = hub.member("leo").await;
    e.hears(&own.welcome.clone());
    e.gathers(&mut own);

    // People.
    e.says(&mut own, "watch_status", json!({"user_ids": ["ana"]})).await;
    e.says(&mut ana, "status_change", json!({"status": "busy"})).await;
    let told = own.wait("userOnlineStatus").await;
    e.hears(&told);
    e.says(&mut own, "request_online_status", json!({"user_ids": ["ana", "nobody"]})).await;
    e.says(&mut own, "unwatch_status", json!({"user_ids": ["ana"]})).await;
    e.says(&mut ana, "status_change", json!({"status": "online"})).await;
    e.says(&mut own, "message", json!({"to_user_id": "ana", "message": "hi"})).await;
    let letter = ana.wait("message").await;
    e.hears(&letter);
    e.says(&mut own, "heartbeat", json!({"ts_ms": 7})).await;
    for kind in ["block_users", "unblock_users"] {
        e.says(&mut own, kind, json!({"user_ids": ["leo"]})).await;
    }
    e.says(&mut own, "blocked_users", json!({})).await;
    let token = hub.post("/api/online-status/rts-token", json!({"user_id": "own"})).await.1["token"].clone();
    e.says(&mut own, "refresh_token", json!({"token": token})).await;
    e.says(&mut own, "room_members", json!({"limit": 2})).await;
    e.says(&mut own, "room_sync", json!({"cursor": "0.0"})).await;
    let refused = own.ask("turn_yield", json!({})).await;
    e.hears(&refused);

    // Words.
    for class in ["must", "normal", "droppable"] {
        e.says(&mut own, "room_message", json!({"class": class, "kind": "text", "body": class})).await;
        let words = own.wait("room_message").await;
        e.hears(&words);
    }
    e.says(&mut own, "talk_set", json!({"slow_mode_seconds": 5})).await;
    e.says(&mut own, "talk_mute", json!({"target_user_id": "leo"})).await;

    // Seats and turns: two guest seats, ana first.
    let rules = own.ask("room_sync", json!({})).await;
    assert_eq!(rules["type"], "ack");
    let snapshot = own.wait("room_snapshot").await;
    e.hears(&snapshot);
    let mut rules = snapshot["state"]["rules"].clone();
    rules["max_mic_count"] = 2.into();
    rules["roles"] = json!([{"role_id": "vip", "level": 200, "priority_level": 50}]);
    e.says(&mut own, "rules_set", json!({"rules": rules})).await;
    e.says(&mut own, "seat_lock", json!({"seat_nos": [3], "on": true})).await;
    e.says(&mut ana, "queue_join", json!({"note": "a question"})).await;
    let turn = e.event(&mut ana, "turn_started").await["turn_id"].clone();
    e.says(&mut own, "turn_extend", json!({"expect_turn_id": turn, "seconds": 30})).await;
    e.says(&mut own, "turn_pause", json!({"expect_turn_id": turn})).await;
    e.says(&mut own, "turn_resume", json!({"expect_turn_id": turn})).await;
    e.says(&mut ana, "seat_mute", json!({"seat_nos": [2], "on": true})).await;
    e.says(&mut own, "seat_extra", json!({"seat_no": 2, "extra": "{}"})).await;
    e.says(&mut own, "explain", json!({"command": {"type": "queue_join"}, "as_user_id": "leo"})).await;
    e.says(&mut leo, "queue_join", json!({})).await;
    e.says(&mut own, "turn_next", json!({"expect_turn_id": turn})).await;
    e.event(&mut leo, "seat_taken").await;
    e.says(&mut leo, "turn_yield", json!({})).await;
    e.says(&mut own, "seat_take", json!({"seat_no": 1})).await;
    e.says(&mut own, "seat_leave", json!({})).await;
    e.says(&mut own, "seat_assign", json!({"target_user_id": "ana", "seat_no": 2})).await;
    e.says(&mut own, "seat_lock", json!({"seat_nos": [3], "on": false})).await;
    e.says(&mut own, "seat_move", json!({"target_user_id": "ana", "seat_no": 3})).await;
    e.says(&mut own, "seat_kick", json!({"target_user_id": "ana"})).await;

    // Who asks and who is asked.
    e.says(&mut own, "mode_set", json!({"mode": "apply"})).await;
    let apply = e.says(&mut ana, "apply_submit", json!({})).await["apply_id"].clone();
    e.says(&mut own, "apply_resolve", json!({"apply_id": apply, "approve": false})).await;
    let apply = e.says(&mut ana, "apply_submit", json!({})).await["apply_id"].clone();
    e.says(&mut ana, "apply_cancel", json!({"apply_id": apply})).await;
    let invite = e.says(&mut own, "invite_send", json!({"target_user_id": "ana", "seat_no": 2})).await["invite_id"].clone();
    e.says(&mut own, "invite_cancel", json!({"invite_id": invite})).await;
    let invite = e.says(&mut own, "invite_send", json!({"target_user_id": "ana", "seat_no": 2})).await["invite_id"].clone();
    e.says(&mut ana, "invite_reply", json!({"invite_id": invite, "accept": true})).await;

    // The queue, with nobody called up; ana's line breaks on her seat, leo's in the queue.
    e.says(&mut own, "mode_set", json!({"mode": "chair"})).await;
    e.says(&mut leo, "queue_join", json!({})).await;
    let mut kai = hub.member("kai").await;
    e.says(&mut own, "queue_insert", json!({"target_user_id": "kai", "place": "back"})).await;
    e.says(&mut own, "queue_move", json!({"target_user_id": "kai", "place": {"before": "leo"}, "force": true})).await;
    let cursor = own.ask("room_sync", json!({})).await["cursor"].clone();
    e.says(&mut own, "queue_reorder", json!({"user_ids": ["leo", "kai"], "if_rev": cursor})).await;
    e.says(&mut own, "queue_resort", json!({})).await;
    let undo = e.says(&mut own, "queue_clear", json!({})).await["undo_id"].clone();
    e.says(&mut own, "queue_restore", json!({"undo_id": undo})).await;
    for (person, held, returned) in [(&mut ana, "seat_held", "seat_returned"), (&mut leo, "queue_held", "queue_returned")] {
        let back = person.welcome.clone();
        drop(std::mem::replace(person, crate::client::Client::connect(&hub.address).await));
        e.event(&mut own, held).await;
        let hello = json!({"type": "user_online", "user_id": back["user_id"], "session_token": back["session_token"]});
        fits("client", &hello);
        *person = hub.enter(hello).await;
        e.event(&mut own, returned).await;
    }
    e.says(&mut own, "queue_remove", json!({"target_user_ids": ["kai"], "reason": "late"})).await;
    e.says(&mut leo, "queue_leave", json!({})).await;
    e.says(&mut own, "batch", json!({"ops": [{"type": "flag_set", "flag": "mute_all", "on": true}]})).await;
    e.says(&mut own, "flag_set", json!({"flag": "queue_open", "on": false})).await;

    // Roles, and the door.
    e.says(&mut own, "role_set", json!({"target_user_id": "leo", "role_id": "vip"})).await;
    e.says(&mut own, "queue_ban", json!({"target_user_id": "kai", "until_ms": 4_000_000_000_000_u64})).await;
    e.says(&mut own, "user_kick", json!({"target_user_id": "kai", "reason": "noise"})).await;
    e.says(&mut kai, "room_join", json!({})).await;
    e.says(&mut own, "user_ban", json!({"target_user_id": "kai", "until_ms": 4_000_000_000_000_u64})).await;
    e.says(&mut own, "user_unban", json!({"target_user_id": "kai"})).await;
    e.says(&mut leo, "room_leave", json!({})).await;
    let (_, polled) = hub
        .post("/api/poll/heartbeat", json!({"user_id": "kai", "own_session": true, "wait_ms": 0, "rooms": [{"room_id": "r1", "cursor": "1.0000000000000001"}]}))
        .await;
    heard(&polled);
    for frame in polled["frames"].as_array().unwrap() {
        e.hears(frame);
    }
    e.says(&mut own, "owner_transfer", json!({"target_user_id": "ana"})).await;
    e.says(&mut ana, "room_close", json!({"reason": "late"})).await;
    e.event(&mut own, "room_closed").await;
    e.says(&mut leo, "user_offline", json!({})).await;
    hub.terminate();
    loop {
        let frame = own.frame().await;
        e.hears(&frame);
        if frame["type"] == "closing" {
            break;
        }
    }
    // What others did was heard by the owner, and by those who did it.
    for who in [&mut ana, &mut kai] {
        e.gathers(who);
    }
    let wanted: BTreeSet<String> = spec::client_frames().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(wanted.difference(&e.said).collect::<Vec<_>>(), Vec::<&String>::new(), "said");
    let events =
        spec::definitions().into_iter().filter_map(|(name, _)| name.strip_prefix("event_").map(|name| format!("event {name}")));
    let wanted: BTreeSet<String> = spec::hub_frames().into_iter().map(|(name, _)| name.to_owned()).chain(events).collect();
    assert_eq!(wanted.difference(&e.heard).collect::<Vec<_>>(), Vec::<&String>::new(), "heard");
}
