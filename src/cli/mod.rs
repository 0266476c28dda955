//! What belongs to the binary alone: its command line and its log.
pub mod args;
pub mod log;
