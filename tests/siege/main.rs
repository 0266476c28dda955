//! What is done to a hub, and what must hold all the same: secrets that may not show, lines that break, a clock that jumps, descriptors and disks
//! that run out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod actor;
#[allow(dead_code, reason = "shared with the tests of one hub")]
#[path = "../it/client.rs"]
mod client;
mod clock;
mod descriptors;
mod full;
#[allow(dead_code, reason = "shared with the tests of one hub")]
#[path = "../it/hub.rs"]
mod hub;
mod lines;
mod log;
mod secrets;

use hub::DEADLINE;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Lets time pass in which nothing is waited for.
async fn pass(time: Duration) {
    assert!(timeout(time, std::future::pending::<()>()).await.is_err());
}

/// Sends bytes, and returns everything that comes until the hub ends the connection.
async fn exchange_raw(address: &str, request: &[u8]) -> String {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(DEADLINE, ask).await.expect("an end in time")
}
