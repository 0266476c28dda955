//! What the command line of another process asks of the hub that runs, over the admin listener: whether it is ready, and reports.
use super::{
    History, HistoryError,
    report::{Ask, Out},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::{net::SocketAddr, time::Duration};
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

/// Asks the hub that runs whether it is ready. Errors: it is not, or it cannot be reached, within 3 s.
pub async fn health(admin: SocketAddr) -> Result<String, HistoryError> {
    let asked = async {
        let mut answer = send(admin, Method::GET, "/readyz", Bytes::new()).await?;
        let is_ready = answer.status().is_success();
        let text = answer.body_mut().collect().await.map_err(|error| error.to_string())?.to_bytes();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        if is_ready { Ok(text) } else { Err(text) }
    };
    let unreachable = |why: String| HistoryError::Remote(format!("the hub at admin.listen {admin}: {why}"));
    match tokio::time::timeout(Duration::from_secs(3), asked).await {
        Ok(answer) => answer.map_err(unreachable),
        Err(_) => Err(unreachable("no answer within 3 s".to_owned())),
    }
}

/// One request to the admin listener. Errors: it cannot be reached, in words.
async fn send(admin: SocketAddr, method: Method, path: &str, body: Bytes) -> Result<hyper::Response<Incoming>, String> {
    let stream = TcpStream::connect(admin).await.map_err(|error| error.to_string())?;
    let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header(header::HOST, admin.to_string());
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    sender.send_request(request).await.map_err(|error| error.to_string())
}

async fn try_fetch(admin: SocketAddr, ask: &Ask, out: &Out) -> Result<(), String> {
    let unreachable =
        |error: String| format!("another process has the data folder, and no hub answers at admin.listen {admin}: {error}");
    let mut response = send(admin, Method::POST, ROUTE, crate::wire::server::json(ask).into()).await.map_err(unreachable)?;
    if !response.status().is_success() {
        let text = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
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
