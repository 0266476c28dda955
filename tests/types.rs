//! The frame types of the web client are those of the hub's sources.
use std::path::Path;
use xtask::types::{FILE, generate};

#[test]
fn the_types_of_the_client_are_those_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = generate(root).unwrap();
    let kept = std::fs::read_to_string(root.join(FILE)).unwrap();
    assert!(fresh == kept, "{FILE} is not what the sources give: run `cargo xtask types` and commit it");
}
