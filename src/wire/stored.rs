//! What every record that is read back from a store needs: its error, and ids that were ids when they were written.
use crate::hub::id::UserId;

/// A stored record that cannot be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record cannot be read: {0}")]
pub struct RecordError(pub &'static str);

/// Parses an id that was an id when it was written.
pub(super) fn user(text: &str) -> Result<UserId, RecordError> {
    UserId::parse(text).map_err(|_| RecordError("a user id"))
}
