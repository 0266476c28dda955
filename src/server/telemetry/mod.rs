//! What operators see of the hub: numbers, traces, and what the operating system says about it.
pub mod metrics;
pub mod process;
pub mod traces;
