//! The HTTP status of each reply code.
use crate::hub::code::Code;

/// Every status that an error can have.
pub const ALL: [u16; 10] = [400, 401, 403, 404, 409, 410, 413, 429, 500, 503];

/// Returns the HTTP status that fits a code; whatever has to do with the state of things is a conflict.
#[must_use]
pub const fn of(code: Code) -> u16 {
    match code {
        Code::BadRequest | Code::BadArgument | Code::BadRules | Code::UnknownType | Code::RevRequired | Code::SelfAnchor => 400,
        Code::Unauthorized => 401,
        Code::Forbidden | Code::TargetRank | Code::IdentityMismatch | Code::Blacklisted | Code::NotWhitelisted => 403,
        Code::RoomNotFound | Code::SeatNotFound | Code::ApplyNotFound | Code::InviteNotFound => 404,
        Code::RoomClosed | Code::SnapshotGone => 410,
        Code::MessageTooLarge => 413,
        Code::RateLimited | Code::TooMany | Code::TooSoon => 429,
        Code::Internal => 500,
        Code::Unavailable | Code::Busy => 503,
        _ => 409,
    }
}
