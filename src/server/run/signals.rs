//! The signals that the hub obeys: SIGTERM and SIGINT end it, SIGHUP makes it read its configuration again.
use super::{StartError, io};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
pub(super) enum Asked {
    End,
    Reload,
}

/// From the moment that this exists no signal kills the process.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over.
    pub fn listen() -> Result<Self, StartError> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(io("SIGTERM"))?,
            interrupt: signal(SignalKind::interrupt()).map_err(io("SIGINT"))?,
            hangup: signal(SignalKind::hangup()).map_err(io("SIGHUP"))?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Waits for something, unless the hub is asked to end first: `None`.
    pub async fn unless_ended<T>(&mut self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            waited = wait => Some(waited),
            _ = self.terminate.recv() => None,
            _ = self.interrupt.recv() => None,
        }
    }
}
