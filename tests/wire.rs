//! The wire: what is refused and how, what is understood, and that no bytes do harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::{
    hub::{
        code::Code,
        command::{Command, Place},
    },
    wire::{
        client::{self, ClientFrame},
        close::Close,
        codec,
    },
};
use proptest::prelude::*;

#[test]
fn refusals_name_the_field() {
    let deep = format!("{{\"type\":\"heartbeat\",\"x\":{}{}}}", "[".repeat(16), "]".repeat(16));
    for (text, code, path) in [
        ("{", Code::BadRequest, None),
        ("[]", Code::BadRequest, None),
        ("{\"id\":1}", Code::BadRequest, None),
        ("{\"type\":7}", Code::BadRequest, None),
        ("{\"type\":\"heartbeat\",\"type\":\"heartbeat\"}", Code::BadRequest, None),
        ("{\"type\":\"heartbeat\",\"x\":{\"a\":1,\"a\":2}}", Code::BadRequest, None),
        ("{\"type\":\"heartbeat\"} x", Code::BadRequest, None),
        (deep.as_str(), Code::BadRequest, None),
        ("{\"type\":\"dance\",\"id\":3}", Code::UnknownType, None),
        ("{\"type\":\"heartbeat\",\"ts_ms\":1e400}", Code::BadArgument, Some("/ts_ms")),
        ("{\"type\":\"heartbeat\",\"id\":\"x\"}", Code::BadArgument, Some("/id")),
        ("{\"type\":\"user_online\"}", Code::BadArgument, Some("/user_id")),
        ("{\"type\":\"user_online\",\"user_id\":\"a b\"}", Code::BadArgument, Some("/user_id")),
        ("{\"type\":\"user_online\",\"user_id\":\"a\",\"rooms\":[{\"room_id\":1}]}", Code::BadArgument, Some("/rooms/0/room_id")),
        ("{\"type\":\"queue_join\"}", Code::BadArgument, Some("/room_id")),
        ("{\"type\":\"queue_join\",\"room_id\":\"r\",\"want_seat\":0}", Code::BadArgument, Some("/want_seat")),
        ("{\"type\":\"queue_join\",\"room_id\":\"r\",\"note\":\"a\\u0007\"}", Code::BadArgument, Some("/note")),
        (
            "{\"type\":\"queue_move\",\"room_id\":\"r\",\"target_user_id\":\"u\",\"place\":{\"before\":7}}",
            Code::BadArgument,
            Some("/place/before"),
        ),
        (
            "{\"type\":\"queue_move\",\"room_id\":\"r\",\"target_user_id\":\"u\",\"place\":{\"up\":0}}",
            Code::BadArgument,
            Some("/place/up"),
        ),
        ("{\"type\":\"queue_move\",\"room_id\":\"r\",\"target_user_id\":\"u\",\"place\":3}", Code::BadArgument, Some("/place")),
        (
            "{\"type\":\"queue_remove\",\"room_id\":\"r\",\"target_user_ids\":[\"a\",{}]}",
            Code::BadArgument,
            Some("/target_user_ids/1"),
        ),
        ("{\"type\":\"mode_set\",\"room_id\":\"r\",\"mode\":\"party\"}", Code::BadArgument, Some("/mode")),
    ] {
        let bad = client::parse(text).unwrap_err();
        assert_eq!((bad.code, bad.path.as_deref()), (code, path), "{text}");
    }
    assert_eq!(client::parse("{\"type\":\"dance\",\"id\":3}").unwrap_err().id, Some(3));
}

#[test]
fn a_move_is_understood() {
    let text = r#"{"type":"queue_move","id":7,"op_id":"m-81","room_id":"r1","target_user_id":"u9","place":{"before":"u4"},"new":[1e400]}"#;
    let parsed = client::parse(text).unwrap();
    assert_eq!(parsed.id, Some(7));
    let ClientFrame::Room { room, command: Command::QueueMove { target, place: Place::Before(anchor), .. } } = parsed.frame
    else {
        panic!("{:?}", parsed.frame)
    };
    assert_eq!((room.as_str(), target.as_str(), anchor.as_str()), ("r1", "u9", "u4"));
}

#[test]
fn frames_carry_their_length() {
    for (len, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        let frame = codec::text_frame(&vec![b'x'; len]);
        assert_eq!(frame.len(), len + header);
        assert_eq!(frame[0], 0x81);
    }
    assert_eq!(&codec::close_frame(Close::Draining)[..4], &[0x88, 10, 0x10, 0x05]);
}

#[test]
fn codes_are_unique_and_rise() {
    assert!(Code::ALL.is_sorted_by(|a, b| a.number() < b.number()));
    assert!(Close::ALL.is_sorted_by(|a, b| a.number() < b.number()));
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "\\PC{0,200}") {
        let _ = client::parse(&text);
    }

    #[test]
    fn no_damaged_frame_does_harm(at in 0usize..120, byte in 0u8..128) {
        let mut text = br#"{"type":"seat_lock","id":7,"room_id":"r1","seat_nos":[1,2],"on":true,"evict":false,"if_rev":"3.0123456789abcdef"}"#.to_vec();
        if let Some(slot) = text.get_mut(at) {
            *slot = byte;
        }
        let _ = client::parse(std::str::from_utf8(&text).unwrap());
    }
}
