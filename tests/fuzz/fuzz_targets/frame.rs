//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz frame` (from the project's root, with `cargo install cargo-fuzz`). What is held: `tests/hostile/targets.rs`.
#![no_main]
#[allow(dead_code, reason = "one target of several")]
#[path = "../../hostile/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::frame(bytes));
