//! What tests and people need to see many nodes at work on one machine: servers, hubs, a balancer and a line that can be broken.
pub mod bed;
pub mod said;
pub mod types;
