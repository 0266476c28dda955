//! HTTP that is slow on purpose: neither a body nor an answer may take longer than its time, also if a byte moves now and then.
use crate::{hub::Hub, peer::Peer, settings};
use michub::server::net::shard::NetSettings;
use std::{
    io::{Read, Write},
    time::Duration,
};

fn hub() -> Hub {
    Hub::start(NetSettings { message_timeout_ms: 300, ..settings() })
}

#[test]
fn a_body_has_its_time() {
    let hub = hub();
    let mut peer = Peer::connect(hub.address);
    peer.0.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    peer.0.write_all(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n").unwrap();
    // A byte every 20 ms would take half an hour.
    let ended = (0..500).any(|_| peer.0.write_all(b"x").is_err() || peer.0.read(&mut [0; 1024]).is_ok());
    assert!(ended);
    peer.0.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    peer.wait_for_end();
}

#[test]
fn an_answer_that_nobody_reads_has_its_time() {
    let hub = hub();
    let mut peer = Peer::connect(hub.address);
    peer.0.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    peer.0.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    // 64 bytes now and then: what waits at this end could be read for hours, but the line is dead.
    let is_dead = (0..500).any(|_| {
        let _ = peer.0.read(&mut [0; 64]);
        std::thread::park_timeout(Duration::from_millis(20));
        peer.0.take_error().unwrap().is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    });
    assert!(is_dead);
}
