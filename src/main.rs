//! The michub binary.
fn main() {}
