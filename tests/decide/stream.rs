//! Media on a seat: what the servers report is shown, a stopped stream frees the seat after the grace, and a newer stream keeps it.
use crate::table::{Table, id};
use michub::hub::{command::Command, time::UnixMs};
use serde_json::{Value, json};

fn table(grace: u64) -> Table {
    let rules = json!({"max_mic_count": 1, "host_seat": false, "queue_mode": "queue", "stream_stop_grace_seconds": grace,
        "mode_grace_seconds": 0});
    let mut table = Table::new(&rules);
    table.queue("a b");
    assert_eq!((table.seats().as_str(), table.order().as_str()), ("1:a", "b"));
    table
}

fn started(table: &mut Table, user: &str) {
    table.hub(Command::StreamStarted { user: id(user) });
}

fn stopped(table: &mut Table, user: &str, at: u64) {
    table.hub(Command::StreamStopped { user: id(user), stopped_at: UnixMs(at) });
}

/// The media of seat 1, as the last events tell it.
fn media(table: &Table) -> Vec<String> {
    let of_seat = |event: &&Value| event["event"] == "seat_updated" && event["seat_no"] == 1;
    let told = |event: &Value| format!("{} {}", event["media"].as_str().unwrap(), event["media_lost_until_ms"]);
    table.events.iter().filter(of_seat).map(told).collect()
}

#[test]
fn a_stream_is_shown_on_the_seat() {
    let mut table = table(5);
    assert_eq!(table.state()["seats"][0]["media"], "none");
    started(&mut table, "a");
    assert_eq!(media(&table), ["publishing null"]);
    assert_eq!(table.state()["seats"][0]["media"], "publishing");
    started(&mut table, "a");
    assert!(table.events.is_empty(), "told twice");
    started(&mut table, "b");
    assert!(table.events.is_empty(), "b waits: his stream is no matter of the room");
}

#[test]
fn a_stopped_stream_frees_the_seat_after_the_grace() {
    let mut table = table(5);
    started(&mut table, "a");
    let now = table.now;
    stopped(&mut table, "a", now);
    assert_eq!(media(&table), [format!("lost {}", now + 5000)]);
    assert_eq!(table.state()["seats"][0]["media_lost_until_ms"], now + 5000);
    stopped(&mut table, "a", now + 1);
    assert!(table.events.is_empty(), "a second stop prolongs nothing");
    table.wait(4999);
    assert!(table.events.is_empty());
    table.wait(1);
    assert_eq!(table.told()[0], "seat_left a stream_stopped");
    assert_eq!(table.seats(), "1:b", "the next in the queue is promoted in the same rev");
}

#[test]
fn a_newer_stream_keeps_the_seat() {
    let mut table = table(5);
    let now = table.now;
    stopped(&mut table, "a", now);
    table.wait(3000);
    started(&mut table, "a");
    assert_eq!(media(&table), ["publishing null"]);
    table.wait(10_000);
    assert_eq!(table.seats(), "1:a");
}

#[test]
fn without_a_grace_the_seat_is_free_at_once() {
    let mut table = table(0);
    let now = table.now;
    stopped(&mut table, "a", now);
    assert_eq!(table.told()[0], "seat_left a stream_stopped");
}

#[test]
fn a_stop_from_before_he_sat_down_is_not_meant() {
    let mut table = table(0);
    let before = table.now - 1;
    stopped(&mut table, "a", before);
    assert_eq!((table.seats().as_str(), table.events.len()), ("1:a", 0));
}

#[test]
fn a_stop_goes_with_the_person_to_another_seat() {
    let rules = json!({"max_mic_count": 2, "host_seat": false, "queue_mode": "free", "stream_stop_grace_seconds": 5});
    let mut table = Table::new(&rules);
    table.ok("a", &json!({"type": "seat_take", "seat_no": 1}));
    let grant = table.room().seats.list[0].occupant.as_ref().unwrap().grant;
    let now = table.now;
    stopped(&mut table, "a", now);
    table.ok("own", &json!({"type": "seat_move", "target_user_id": "a", "seat_no": 2}));
    assert_eq!(table.room().seats.list[1].occupant.as_ref().unwrap().grant, grant, "a move is no new grant");
    table.wait(5000);
    assert_eq!(table.told(), ["seat_left a stream_stopped"]);
}
