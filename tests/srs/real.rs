//! A real SRS with a real publisher: `cargo xtask srs BINARY`. It needs ffmpeg, and a build of SRS, which Debian does not have: so it is no
//! part of `cargo test`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#[allow(dead_code, reason = "shared with the tests of one hub")]
#[path = "../it/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the tests of one hub")]
#[path = "../it/hub.rs"]
mod hub;

use client::Client;
use hub::Hub;
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

const WAIT: Duration = Duration::from_secs(20);

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start_srs(binary: &str, dir: &Path, rtmp: u16, api: u16, hub: &str) -> Running {
    let hook = |name: &str| format!("{name} http://{hub}/api/hooks/srs/0123456789abcdef/{name};");
    let conf = format!(
        "listen 127.0.0.1:{rtmp};\nmax_connections 100;\ndaemon off;\nsrs_log_tank file;\nsrs_log_file {0}/srs.log;\npid {0}/srs.pid;\n\
         http_api {{ enabled on; listen 127.0.0.1:{api}; }}\nhttp_server {{ enabled off; }}\n\
         vhost __defaultVhost__ {{ http_hooks {{ enabled on; {1} {2} }} }}\n",
        dir.display(),
        hook("on_publish"),
        hook("on_unpublish")
    );
    let file = dir.join("srs.conf");
    std::fs::write(&file, conf).unwrap();
    Running(Command::new(binary).arg("-c").arg(file).current_dir(dir).stdout(Stdio::null()).spawn().expect("SRS"))
}

fn publish(rtmp: u16, ticket: &str) -> Running {
    let url = format!("rtmp://127.0.0.1:{rtmp}/live/r1_u_main?t={ticket}");
    let mut command = Command::new("ffmpeg");
    command.args(["-loglevel", "quiet", "-re", "-f", "lavfi", "-i", "sine=frequency=440", "-c:a", "aac", "-f", "flv", &url]);
    Running(command.stdin(Stdio::null()).spawn().expect("ffmpeg"))
}

/// Waits until the publisher has ended, and tells whether it was refused.
async fn refused(mut publisher: Running) -> bool {
    let ended = tokio::task::spawn_blocking(move || publisher.0.wait().unwrap());
    !tokio::time::timeout(WAIT, ended).await.expect("ffmpeg goes on").unwrap().success()
}

async fn told(user: &mut Client, wanted: &str) {
    let named = |event: &Value| event["media"] == wanted || event["reason"] == wanted;
    let waited = user.until(|frame| frame["events"].as_array().is_some_and(|events| events.iter().any(named)));
    tokio::time::timeout(WAIT, waited).await.expect(wanted);
}

#[tokio::test]
async fn only_whoever_sits_is_on_air() {
    let binary = std::env::var("SRS").expect("SRS: the path of the binary");
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (rtmp, api) = (free_port(), free_port());
    let api_url = format!("http://127.0.0.1:{api}");
    let hub = Hub::with(
        data.path(),
        &[
            ("MEDIA__SRS__KIND", "srs"),
            ("MEDIA__SRS__SECRET_PATH", "\"0123456789abcdef\""),
            ("MEDIA__SRS__API", &api_url),
            ("MEDIA__SRS__GATE", "enforce"),
            ("MEDIA__SRS__POLL_S", "5"),
            ("ROOM__RULES__QUEUE_MODE", "free"),
            ("ROOM__RULES__STREAM_STOP_GRACE_SECONDS", "2"),
        ],
    );
    let _srs = start_srs(&binary, dir.path(), rtmp, api, &hub.address);
    let reachable = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", rtmp)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT, reachable).await.expect("SRS listens");

    let mut user = hub.member("u").await;
    assert!(refused(publish(rtmp, "none")).await, "published without a ticket");
    user.ok("seat_take", json!({})).await;
    let ticket = async || hub.get("/api/rooms/r1/publish-ticket?user_id=u").await.1["ticket"].as_str().unwrap().to_owned();
    let first = ticket().await;
    let publisher = publish(rtmp, &first);
    told(&mut user, "publishing").await;
    drop(publisher);
    told(&mut user, "lost").await;
    told(&mut user, "stream_stopped").await;
    user.ok("seat_take", json!({})).await;
    assert!(refused(publish(rtmp, &first)).await, "published with the ticket of an earlier seat");
    let publisher = publish(rtmp, &ticket().await);
    told(&mut user, "publishing").await;
    user.ok("seat_leave", json!({})).await;
    assert!(refused(publisher).await, "the stream ends with the seat");
}
