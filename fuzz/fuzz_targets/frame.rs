//! Any bytes as a client's frame: no panic, and the short way for heartbeats reads what the full parser reads.
//!
//! `cargo +nightly fuzz run frame` (from the project's root, with `cargo install cargo-fuzz`).
#![no_main]
use libfuzzer_sys::fuzz_target;
use michub::{
    hub::id::RoomId,
    wire::{
        client::{self, Parsed},
        heartbeat,
    },
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = client::parse(text);
    let Ok(room) = RoomId::parse("r1") else { return };
    let full = client::parse_for_room(text, &room);
    if let Some(beat) = heartbeat::read(text) {
        assert_eq!(full, Ok(Parsed::from(beat)));
    }
});
