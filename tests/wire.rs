//! The wire: what is refused and how, what is understood, and that no bytes do harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::{
    hub::{code::Code, command::Command, id::RoomId, queue::Place},
    wire::{
        client::{self, ClientFrame},
        close::Close,
        codec, heartbeat,
    },
};
use proptest::prelude::*;

#[test]
fn a_whole_number_may_have_an_empty_fraction() {
    let seat = |text: &str| {
        let frame = format!("{{\"type\":\"queue_join\",\"id\":{text},\"room_id\":\"r\",\"want_seat\":{text}}}");
        let parsed = client::parse(&frame).ok()?;
        let ClientFrame::Room { command: Command::QueueJoin { want_seat, .. }, .. } = parsed.frame else { return None };
        assert_eq!(parsed.id, want_seat.map(i64::from));
        want_seat
    };
    for (text, number) in [("7", Some(7)), ("7.0", Some(7)), ("7e0", Some(7)), ("70e-1", Some(7)), ("1e3", Some(1000))] {
        assert_eq!(seat(text), number, "{text}");
    }
    for text in ["7.5", "0.0", "-7.0", "1e10", "1e300", "\"7\"", "[7]", "true"] {
        assert_eq!(seat(text), None, "{text}");
    }
}

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

#[test]
fn texts_have_limits() {
    let frame = |field: &str, len: usize| {
        let text = "x".repeat(len);
        match field {
            "message" => format!(r#"{{"type":"message","to_user_id":"u","message":"{text}"}}"#),
            "note" => format!(r#"{{"type":"queue_join","room_id":"r","note":"{text}"}}"#),
            _ => format!(r#"{{"type":"seat_extra","room_id":"r","seat_no":1,"extra":"{text}"}}"#),
        }
    };
    for (field, max, code) in
        [("message", 4096, Code::MessageTooLarge), ("note", 200, Code::BadArgument), ("extra", 1024, Code::BadArgument)]
    {
        assert!(client::parse(&frame(field, max)).is_ok(), "{field}");
        let bad = client::parse(&frame(field, max + 1)).unwrap_err();
        assert_eq!((bad.code, bad.path), (code, Some(format!("/{field}"))));
    }
}

#[test]
fn only_plain_heartbeats_take_the_short_way() {
    let plain = r#"{"type":"heartbeat","user_id":"kol_123","user_type":"kol","timestamp":1640995200,"ts_ms":-5,"id":3}"#;
    let beat = heartbeat::read(plain).unwrap();
    assert_eq!((beat.user_id, beat.ts_ms, beat.id), (Some("kol_123"), Some(-5), Some(3)));
    for other in [
        r#"{"type":"heartbeat","x":1}"#,
        r#"{"type":"heartbeat","type":"heartbeat"}"#,
        r#"{"type":"heart\u0062eat"}"#,
        r#"{"type":"heartbeat","user_id":"a b"}"#,
        r#"{"type":"heartbeat","ts_ms":01}"#,
        r#"{"type":"heartbeat","ts_ms":-0}"#,
        r#"{"type":"heartbeat","ts_ms":1.5}"#,
        r#"{"type":"heartbeat"} x"#,
        r#"{"type":"heartbeat",}"#,
        r#"{"user_id":"a"}"#,
    ] {
        assert_eq!(heartbeat::read(other), None, "{other}");
    }
}

/// Pieces of heartbeats, good and bad, in any order.
fn heartbeat_like() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        r#""type":"heartbeat""#,
        r#""user_id":"u1""#,
        r#""user_id":"u 1""#,
        r#""user_type":"kol""#,
        r#""user_type":"""#,
        r#""timestamp":1640995200"#,
        r#""timestamp":"x""#,
        r#""ts_ms":-12"#,
        r#""ts_ms":012"#,
        r#""ts_ms":-0"#,
        r#""ts_ms":999999999999999999"#,
        r#""ts_ms":9223372036854775808"#,
        r#""id": 7 "#,
        r#""id":null"#,
        r#""\u0069d":1"#,
        "",
    ]);
    proptest::collection::vec(field, 0..5).prop_map(|fields| format!("{{{}}}", fields.join(",")))
}

proptest! {
    /// What the short way reads, the full parser reads alike.
    #[test]
    fn the_short_way_agrees(text in heartbeat_like()) {
        if let Some(beat) = heartbeat::read(&text) {
            let full = client::parse_for_room(&text, &RoomId::parse("r").unwrap());
            prop_assert_eq!(full, Ok(beat.into()));
        }
    }

    #[test]
    fn no_damaged_heartbeat_does_harm(at in 0usize..99, bytes in "\\PC{0,3}") {
        let mut text = r#"{"type":"heartbeat","user_id":"kol_123","user_type":"kol","timestamp":1640995200,"ts_ms":12,"id":3}"#.to_owned();
        text.replace_range(at..at + 1, &bytes);
        if let Some(beat) = heartbeat::read(&text) {
            prop_assert_eq!(client::parse_for_room(&text, &RoomId::parse("r").unwrap()), Ok(beat.into()));
        }
    }

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
