//! What an error of Redis says about a write: certainly not done, or nobody knows.
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What an error says about the command that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The script is not known there: send it whole.
    NoScript,
    /// Nothing was written, and it may be better in a moment.
    NotNow,
    /// Nothing was written, and waiting does not help.
    Refused,
    /// It may have been written.
    Unknown,
}

/// Why a command has no answer.
#[derive(Debug)]
pub enum Failed {
    /// There is no link, and there has been none for too long: nothing was sent.
    Down,
    /// Redis or the link answered with an error.
    Said(RedisError),
}

impl Failed {
    /// Says what this means for a write.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Down => Verdict::NotNow,
            Self::Said(error) => judge(error),
        }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Down => f.write_str("Redis cannot be reached"),
            Self::Said(error) => write!(f, "{error}"),
        }
    }
}

/// Judges an error of a script. Only what the server says before it runs the script means that nothing was written.
#[must_use]
pub fn judge(error: &RedisError) -> Verdict {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoScript) => Verdict::NoScript,
        ErrorKind::Server(
            ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        )
        | ErrorKind::ClusterConnectionNotFound => Verdict::NotNow,
        ErrorKind::Server(ServerErrorKind::NoPerm) | ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig => {
            Verdict::Refused
        }
        _ => match error.code() {
            Some("OOM" | "MISCONF" | "NOREPLICAS" | "NOAUTH" | "WRONGPASS") => Verdict::NotNow,
            _ => Verdict::Unknown,
        },
    }
}

/// Tells whether an error says that the server takes no writes for the time being: no memory, no disk, too few replicas.
#[must_use]
pub fn takes_no_writes(error: &RedisError) -> bool {
    matches!(error.code(), Some("OOM" | "MISCONF" | "NOREPLICAS"))
}

/// Tells whether an error says that the connection, and not the command, is the trouble.
#[must_use]
pub fn is_of_link(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(error.kind(), ErrorKind::ClusterConnectionNotFound)
        || matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown)
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::make_extension_error;

    #[test]
    fn only_certain_refusals_are_certain() {
        let said = |code: &str| judge(&make_extension_error(code.to_owned(), None));
        for code in ["OOM", "MISCONF", "NOREPLICAS"] {
            assert_eq!(said(code), Verdict::NotNow, "{code}");
            assert!(takes_no_writes(&make_extension_error(code.to_owned(), None)), "{code}");
        }
        assert_eq!(said("WEIRD"), Verdict::Unknown);
        assert_eq!(judge(&std::io::Error::from(std::io::ErrorKind::TimedOut).into()), Verdict::Unknown);
        assert_eq!(judge(&(ErrorKind::Server(ServerErrorKind::ReadOnly), "replica").into()), Verdict::NotNow);
        assert_eq!(judge(&(ErrorKind::Server(ServerErrorKind::NoScript), "gone").into()), Verdict::NoScript);
    }
}
