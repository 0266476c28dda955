//! `GET /api/rooms/{room_id}/history`: what happened in a room, for its admins and for backends.
use crate::{
    hub::{actor::Actor, code::Code, id::UserId, roles, time::UnixMs},
    server::{
        history::{HistoryError, Mark, PAGE_DEFAULT, PAGE_MAX, Question},
        http::{Api, Caller, Named, room_id},
        net::failure::{Failure, reply},
    },
    wire::{fields::BadFrame, history::history_page},
};
use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::NoRoom(_) => Self::new(Code::RoomNotFound),
            HistoryError::Off => Self::new(Code::Unavailable),
            HistoryError::Store(_) | HistoryError::Remote(_) => {
                tracing::error!(%error, "the history cannot be read");
                Self::new(Code::Unavailable)
            }
        }
    }
}

fn wrong(path: &str, expected: &'static str) -> Failure {
    BadFrame::argument(path.to_owned(), expected).into()
}

/// Reads the query. Errors: a value that is none, with its path.
fn question(room: &str, query: &str) -> Result<Question, Failure> {
    let ends = (UnixMs(0), UnixMs(u64::MAX));
    let room = room_id(room)?;
    let mut asked = Question { room, user: None, from: ends.0, to: ends.1, after: None, limit: PAGE_DEFAULT };
    let uri = format!("/?{query}").parse().map_err(|_| Failure::new(Code::BadRequest))?;
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| Failure::new(Code::BadRequest))?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let time = |path, text: &str| number(text).map(UnixMs).ok_or_else(|| wrong(path, "a time in Unix milliseconds"));
    for (key, value) in pairs.0 {
        match key.as_str() {
            "user_id" => asked.user = Some(UserId::parse(&value).map_err(|_| wrong("/user_id", "an id"))?),
            "from_ms" => asked.from = time("/from_ms", &value)?,
            "to_ms" => asked.to = time("/to_ms", &value)?,
            "cursor" if value.is_empty() => asked.after = None,
            "cursor" => {
                let mark = Mark::parse(&value).ok_or_else(|| wrong("/cursor", "the cursor of an earlier page"))?;
                asked.after = Some(mark);
            }
            "limit" => {
                let limit = number(&value).and_then(|limit| usize::try_from(limit).ok());
                let fits = limit.filter(|limit| (1..=PAGE_MAX).contains(limit));
                asked.limit = fits.ok_or_else(|| wrong("/limit", "1 to 1000 events"))?;
            }
            _ => {}
        }
    }
    Ok(asked)
}

/// Answers one page. Errors: `forbidden` unless the caller is a backend or an admin of the room, `room_not_found`, `unavailable`.
pub(super) async fn history(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(room): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let caller = api.reader(&headers)?;
    let question = question(&room, &query.unwrap_or_default())?;
    let room = api.history.room(&question.room).await?;
    if let Caller::Person(claims) = caller {
        let may = room.level_of(&claims.user) >= roles::ADMIN || room.is_granted(&Actor::User(claims.user), "history");
        if !may {
            return Err(Failure::new(Code::Forbidden));
        }
    }
    let page = api.history.page(&question).await?;
    let cursor = page.next.map(|mark| mark.to_string());
    Ok(reply(StatusCode::OK, history_page(&page.events, cursor.as_deref()).into()))
}
