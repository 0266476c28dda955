//! Frames of 16 KiB that are as hard to read as can be: deep, with many keys, with escapes, with endless numbers, with lists up to their limits.

/// What a frame may have, `limits.frame_bytes`.
const FRAME_BYTES: usize = 16_384;

/// Puts as many parts between `head` and `tail` as a frame may have.
fn full(head: &str, tail: &str, part: impl Fn(usize) -> String) -> String {
    let mut text = head.to_owned();
    for number in 0.. {
        let part = part(number);
        if text.len() + 1 + part.len() + tail.len() > FRAME_BYTES {
            break;
        }
        if number > 0 {
            text.push(',');
        }
        text.push_str(&part);
    }
    text + tail
}

/// A full list or object below 14 levels of objects.
fn deep((open, close): (&str, &str), part: impl Fn(usize) -> String) -> String {
    let head = format!(r#"{{"type":"x","a":{}{open}"#, r#"{"a":"#.repeat(13));
    full(&head, &format!("{close}{}", "}".repeat(14)), part)
}

/// Numbers whose digits, taken as a key, come in no order.
const fn shuffled(number: usize) -> usize {
    number * 40_503 % 65_536
}

/// So many that 31 commands of a batch have them.
fn keys_of_an_op() -> String {
    let keys: Vec<String> = (0..55).map(|number| format!(r#""{:04x}":0"#, shuffled(number))).collect();
    keys.join(",")
}

/// Returns each of them with its name.
pub fn frames() -> Vec<(&'static str, String)> {
    let list = ("[", "]");
    let key = |number: usize| format!(r#""{number:x}":0"#);
    let mixed = |number: usize| format!(r#""{:04x}":0"#, shuffled(number));
    let in_list = |head: &str, part: &dyn Fn(usize) -> String| full(head, "]}", part);
    vec![
        ("empty lists, deep", deep(list, |_| "[]".to_owned())),
        ("empty objects, deep", deep(list, |_| "{}".to_owned())),
        ("digits, deep", deep(list, |_| "0".to_owned())),
        ("escapes, deep", deep(list, |_| format!("\"{}\"", r"\n".repeat(100)))),
        ("keys, deep", deep(("{", "}"), key)),
        ("chains of lists", in_list(r#"{"type":"x","a":["#, &|_| "[".repeat(14) + &"]".repeat(14))),
        ("chains of objects", in_list(r#"{"type":"x","a":["#, &|_| r#"{"":"#.repeat(13) + "{}" + &"}".repeat(13))),
        ("keys in order", full(r#"{"type":"x","#, "}", key)),
        ("keys in no order", full(r#"{"type":"x","#, "}", mixed)),
        ("escaped keys", full(r#"{"type":"x","#, "}", |number| format!(r#""\u{:04x}":0"#, 0x100 + shuffled(number) % 0xd000))),
        (
            "a command behind keys",
            full(r#"{"#, r#","type":"queue_move","room_id":"r","target_user_id":"u","place":{"before":"v"}}"#, mixed),
        ),
        ("a hello behind keys", full(r#"{"#, r#","type":"user_online","user_id":"u","rooms":[]}"#, mixed)),
        ("rules of unknown names", full(r#"{"type":"rules_set","room_id":"r","rules":{"#, "}}", key)),
        ("digits of an id", format!(r#"{{"type":"heartbeat","id":{}}}"#, "1".repeat(FRAME_BYTES - 26))),
        ("digits of a fraction", format!(r#"{{"type":"heartbeat","timestamp":0.{}}}"#, "1".repeat(FRAME_BYTES - 35))),
        ("digits of an exponent", format!(r#"{{"type":"heartbeat","timestamp":1e-{}}}"#, "1".repeat(FRAME_BYTES - 36))),
        ("an escaped text", format!(r#"{{"type":"message","to_user_id":"u","message":"{}"}}"#, r"\u00e9".repeat(2_048))),
        (
            "a whole queue",
            in_list(r#"{"type":"queue_reorder","room_id":"r","user_ids":["#, &|number| format!(r#""u{:05}""#, shuffled(number))),
        ),
        ("watches", in_list(r#"{"type":"watch_status","user_ids":["#, &|number| format!(r#""u{:011}""#, shuffled(number)))),
        ("seats", in_list(r#"{"type":"seat_lock","room_id":"r","on":true,"seat_nos":["#, &|_| "1e0".to_owned())),
        (
            "a batch",
            in_list(r#"{"type":"batch","room_id":"r","ops":["#, &|_| format!(r#"{{"type":"queue_join",{}}}"#, keys_of_an_op())),
        ),
    ]
}
