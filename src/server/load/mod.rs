//! The load generator, `michub load`: many clients over real sockets against a hub that runs elsewhere. It counts frames without parsing
//! every byte, and shows every error that it meets. It knows nothing of the hub's inside.
mod args;
mod attack;
mod bound;
mod client;
mod copy;
mod crew;
mod dialect;
mod fanout;
mod frames;
mod http;
mod idle;
mod mixed;
mod poll;
mod queue;
mod reconnect;
mod report;
mod run;
mod slow;
mod tally;
mod usage;
mod watch;

pub use args::{LoadArgs, Scenario};
pub use dialect::Dialect;
pub use report::Report;
pub use run::{LoadError, run};
