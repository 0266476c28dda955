//! A report from the hub that runs: the admin listener writes it, the command line of another process reads it.
use super::{
    History, HistoryError,
    report::{Ask, Out},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::{net::TcpStream, sync::mpsc};

/// How many pieces of a report may wait for its reader.
const PIECES: usize = 4;
/// The route on the admin listener.
const ROUTE: &str = "/history/report";

/// Makes the route of the admin listener: the body is an [`Ask`], the answer its text.
pub fn router(history: History) -> Router {
    Router::new().route(ROUTE, post(write)).with_state(history)
}

async fn write(State(history): State<History>, body: Bytes) -> Response {
    let Ok(ask) = serde_json::from_slice::<Ask>(&body) else {
        return (StatusCode::BAD_REQUEST, "not a report that this version knows\n").into_response();
    };
    let (out, mut pieces) = mpsc::channel(PIECES);
    tokio::spawn(async move { history.report(ask, out).await });
    // What goes wrong before the first piece is an answer; later it cuts the body off.
    let first = match pieces.recv().await {
        Some(Err(error)) => return (status(&error), format!("{error}\n")).into_response(),
        first => first,
    };
    let rest = stream::unfold((first, pieces), async |(piece, mut pieces)| {
        let piece = match piece {
            Some(piece) => piece,
            None => pieces.recv().await?,
        };
        Some((piece, (None, pieces)))
    });
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from_stream(rest)).into_response()
}

const fn status(error: &HistoryError) -> StatusCode {
    match error {
        HistoryError::Off | HistoryError::NoRoom(_) => StatusCode::NOT_FOUND,
        HistoryError::Store(_) | HistoryError::Remote(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Asks the hub that runs for a report. Errors: it cannot be reached, or what it says went wrong.
pub async fn fetch(admin: SocketAddr, ask: &Ask, out: Out) {
    if let Err(why) = try_fetch(admin, ask, &out).await {
        let _ = out.send(Err(HistoryError::Remote(why))).await;
    }
}

async fn try_fetch(admin: SocketAddr, ask: &Ask, out: &Out) -> Result<(), String> {
    let unreachable = |error: &dyn std::fmt::Display| {
        format!("another process has the data folder, and no hub answers at admin.listen {admin}: {error}")
    };
    let stream = TcpStream::connect(admin).await.map_err(|error| unreachable(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
    tokio::spawn(connection);
    let body = Full::new(Bytes::from(crate::wire::server::json(ask)));
    let request = Request::post(ROUTE).header(header::HOST, admin.to_string()).body(body).map_err(|error| unreachable(&error))?;
    let mut response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    if !response.status().is_success() {
        let text = response.into_body().collect().await.map_err(|error| unreachable(&error))?.to_bytes();
        return Err(String::from_utf8_lossy(&text).trim().to_owned());
    }
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(|_| "the report breaks off; the hub's log says why".to_owned())?;
        if let Ok(data) = frame.into_data()
            && out.send(Ok(data)).await.is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}
