//! Shards, connections and the handshake over real sockets, with sessions that echo.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod hub;
mod peer;
mod slow;

use hub::Hub;
use michub::server::{
    clock::Clock,
    net::{
        proxies::{Network, Proxies},
        shard::NetSettings,
    },
};
use peer::{BINARY, CLOSE, CONTINUE, PING, PONG, Peer, TEXT};
use std::{io::Write, time::Duration};

fn settings() -> NetSettings {
    let mut settings = NetSettings::new("127.0.0.1:0".parse().unwrap(), Clock::new());
    settings.shards = 1;
    settings
}

#[test]
fn text_is_echoed_and_a_ping_is_answered() {
    let hub = Hub::start(settings());
    let mut peer = Peer::open(hub.address);
    peer.send(TEXT, b"hello");
    assert_eq!(peer.frame(), Some((TEXT, b"hello".to_vec())));
    peer.send(PING, b"there?");
    assert_eq!(peer.frame(), Some((PONG, b"there?".to_vec())));
    peer.send(CLOSE, &1000u16.to_be_bytes());
    assert_eq!(peer.close_code(), 1000);
    assert_eq!(peer.frame(), None);
}

#[test]
fn a_frame_that_follows_the_request_at_once_is_not_lost() {
    let hub = Hub::start(settings());
    let mut peer = Peer::connect(hub.address);
    let mut bytes = Peer::request(hub.address, "").into_bytes();
    bytes.extend(peer::frame(TEXT, true, b"early"));
    peer.0.write_all(&bytes).unwrap();
    assert!(peer.head().starts_with("HTTP/1.1 101"));
    assert_eq!(peer.frame(), Some((TEXT, b"early".to_vec())));
}

#[test]
fn a_connection_of_0_bytes_is_closed() {
    let hub = Hub::start(NetSettings { handshake_timeout_ms: 150, ..settings() });
    assert_eq!(Peer::connect(hub.address).frame(), None);
}

#[test]
fn half_a_header_is_closed() {
    let hub = Hub::start(NetSettings { handshake_timeout_ms: 150, ..settings() });
    let mut peer = Peer::connect(hub.address);
    peer.0.write_all(b"GET /ws HTTP/1.1\r\nHost: x").unwrap();
    peer.wait_for_end();
}

#[test]
fn bad_handshakes_are_refused() {
    let hub = Hub::start(NetSettings { allowed_origins: vec!["https://app.example".into()], ..settings() });
    let own = format!("http://{}", hub.address);
    let cases: &[(&str, &str, u16)] = &[
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426),
        ("Upgrade: websocket", "X: y", 426),
        ("Connection: Upgrade", "Connection: close", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: short", 400),
        ("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc", 400),
        ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
        ("GET", "POST", 405),
        ("Host: ", "X: ", 400),
        ("\r\n\r\n", "\r\nHost: other\r\n\r\n", 400),
        ("\r\n\r\n", "\r\nOrigin: https://app.example\r\n\r\n", 101),
        ("\r\n\r\n", &format!("\r\nOrigin: {own}\r\n\r\n"), 101),
    ];
    for (from, to, status) in cases {
        let mut peer = Peer::connect(hub.address);
        peer.0.write_all(Peer::request(hub.address, "").replacen(from, to, 1).as_bytes()).unwrap();
        assert!(peer.head().starts_with(&format!("HTTP/1.1 {status} ")), "{to}");
    }
}

#[test]
fn foreign_origins_are_refused() {
    let hub = Hub::start(NetSettings { allowed_origins: vec!["https://app.example".into()], ..settings() });
    let port = hub.address.port();
    let foreign = [
        "null",
        "",
        "https://evil.example",
        "http://app.example",
        "https://APP.example",
        "https://app.example:443",
        "https://app.example/",
        "https://app.example.evil.example",
        "https://evil-app.example",
        "https://app.example@evil.example",
        "https://xn--app-example",
        "https://app.example, https://evil.example",
        "https://app.example\r\nOrigin: https://evil.example",
        "http://127.0.0.1",
        "http://localhost:1",
        "file://",
        "http://",
        &format!("ftp://127.0.0.1:{port}"),
        &format!("http://127.0.0.1:{port}.evil.example"),
        &format!("http://127.0.0.1:{port}0"),
    ];
    for origin in foreign {
        let mut peer = Peer::connect(hub.address);
        peer.0.write_all(Peer::request(hub.address, &format!("Origin: {origin}\r\n")).as_bytes()).unwrap();
        assert!(peer.head().starts_with("HTTP/1.1 403 "), "{origin}");
    }
}

#[test]
fn subprotocols_are_chosen() {
    let hub = Hub::start(settings());
    let head = |offer: &str| {
        let mut peer = Peer::connect(hub.address);
        peer.0.write_all(Peer::request(hub.address, &format!("Sec-WebSocket-Protocol: {offer}\r\n")).as_bytes()).unwrap();
        (peer.head().to_ascii_lowercase(), peer)
    };
    let (answer, mut peer) = head("hub.v1.json, bearer.abc.def");
    assert!(answer.contains("sec-websocket-protocol: hub.v1.json\r\n"));
    peer.send(TEXT, b"bearer?");
    assert_eq!(peer.frame(), Some((TEXT, b"abc.def".to_vec())));
    let (answer, mut peer) = head("chat.v9");
    assert!(answer.contains("sec-websocket-protocol: chat.v9\r\n"));
    assert!(peer.text().starts_with(r#"{"type":"closing","code":4006,"name":"unsupported_protocol""#));
    assert_eq!(peer.close_code(), 4006);
}

#[test]
fn other_paths_reach_the_router() {
    let hub = Hub::start(settings());
    let mut peer = Peer::connect(hub.address);
    peer.0.write_all(b"GET /hi HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(peer.head().starts_with("HTTP/1.1 200 "));
}

#[test]
fn too_large_is_1009() {
    let hub = Hub::start(settings());
    let mut peer = Peer::open(hub.address);
    peer.send(TEXT, &vec![b'x'; 16_384]);
    assert_eq!(peer.frame().unwrap().1.len(), 16_384);
    peer.send(TEXT, &vec![b'x'; 16_385]);
    assert_eq!(peer.close_code(), 1009);
}

#[test]
fn too_large_in_fragments_is_1009() {
    let hub = Hub::start(settings());
    let mut peer = Peer::open(hub.address);
    peer.send_part(TEXT, false, &[b'x'; 10_000]);
    peer.send_part(CONTINUE, false, &[b'x'; 10_000]);
    assert_eq!(peer.close_code(), 1009);
}

#[test]
fn a_flood_of_empty_fragments_is_1009() {
    let hub = Hub::start(settings());
    let mut peer = Peer::open(hub.address);
    let mut flood = peer::frame(TEXT, false, b"");
    for _ in 0..20_000 {
        flood.extend(peer::frame(CONTINUE, false, b""));
        flood.extend(peer::frame(PONG, true, b""));
    }
    let _ = peer.0.write_all(&flood);
    assert_eq!(peer.close_code(), 1009);
}

#[test]
fn an_unfinished_message_is_1009_in_time() {
    let hub = Hub::start(NetSettings { message_timeout_ms: 100, ..settings() });
    let mut peer = Peer::open(hub.address);
    peer.send_part(TEXT, false, b"never");
    assert_eq!(peer.close_code(), 1009);
    let mut peer = Peer::open(hub.address);
    peer.0.write_all(&[0x81, 0xfe, 0x10]).unwrap();
    assert_eq!(peer.close_code(), 1009);
}

#[test]
fn what_is_no_text_or_no_frame_has_its_code() {
    let hub = Hub::start(settings());
    let mut peer = Peer::open(hub.address);
    peer.send(TEXT, &[0xc3, 0x28]);
    assert_eq!(peer.close_code(), 1007);
    let mut peer = Peer::open(hub.address);
    peer.0.write_all(&[0xf1, 0x80, 0, 0, 0, 0]).unwrap();
    assert_eq!(peer.close_code(), 1002);
    let mut peer = Peer::open(hub.address);
    peer.0.write_all(&[0x81, 0x01, b'x']).unwrap();
    assert_eq!(peer.close_code(), 1002, "unmasked");
    let mut peer = Peer::open(hub.address);
    peer.send(BINARY, b"x");
    assert_eq!(peer.text(), "binary");
}

#[test]
fn silence_is_pinged_and_then_closed() {
    let hub = Hub::start(NetSettings { ping_interval_ms: 100, heartbeat_timeout_ms: 1_500, ..settings() });
    let mut peer = Peer::open(hub.address);
    assert_eq!(peer.frame(), Some((PING, Vec::new())));
    peer.send(PONG, b"");
    while let Some((opcode, payload)) = peer.frame() {
        if opcode == TEXT {
            assert!(payload.starts_with(br#"{"type":"closing","code":4108,"name":"heartbeat_timeout""#));
            break;
        }
    }
    assert_eq!(peer.close_code(), 4108);
}

#[test]
fn after_our_close_there_is_one_close_frame_only() {
    let hub = Hub::start(settings());
    let mut peer = Peer::open(hub.address);
    peer.send(TEXT, b"close me");
    peer.send(PING, b"late");
    peer.send(CLOSE, &1000u16.to_be_bytes());
    assert!(peer.text().contains("4129"));
    assert_eq!(peer.close_code(), 4129);
    assert_eq!(peer.frame(), None);
}

#[test]
fn whoever_was_closed_for_sending_too_much_finds_the_code_when_he_reads_at_last() {
    let hub = Hub::start(NetSettings { ping_interval_ms: 250, heartbeat_timeout_ms: 60_000, ..settings() });
    let (mut loud, mut clock) = (Peer::open(hub.address), Peer::open(hub.address));
    loud.send(TEXT, b"close me");
    // Three seconds, by the hub's own pings.
    for _ in 0..12 {
        assert_eq!(clock.frame(), Some((PING, Vec::new())));
        clock.send(PONG, b"");
        loud.send(TEXT, b"more and more");
    }
    assert!(loud.text().contains("4129"));
    assert_eq!(loud.close_code(), 4129);
}

#[test]
fn our_half_stays_open_until_the_client_answers() {
    let hub = Hub::start(settings());
    // Somebody who is held up for long enough sees the end in spite of it: one of many is not.
    let stays_open = (0..20).any(|_| {
        let mut peer = Peer::open(hub.address);
        peer.send(TEXT, b"close me");
        peer.text();
        assert_eq!(peer.close_code(), 4129);
        peer.0.set_nonblocking(true).unwrap();
        let seen = peer.0.peek(&mut [0]);
        peer.0.set_nonblocking(false).unwrap();
        peer.send(CLOSE, &4129u16.to_be_bytes());
        assert_eq!(peer.frame(), None);
        seen.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    });
    assert!(stays_open);
}

#[test]
fn a_slow_reader_is_closed_and_others_go_on() {
    let hub = Hub::start(settings());
    let mut slow = Peer::open(hub.address);
    let mut quick = Peer::open(hub.address);
    for peer in [&mut slow, &mut quick] {
        peer.send(TEXT, b"join");
        assert_eq!(peer.text(), "joined");
    }
    let mut issuer = Peer::open(hub.address);
    // Loopback buffers hide about ten megabytes: 400 frames of 64 KiB are more than that.
    for _ in 0..400 {
        issuer.send(TEXT, b"frame 65536");
        assert_eq!(quick.frame().unwrap().1.len(), 65_536);
    }
    let closing = loop {
        match slow.try_frame() {
            Ok(Some((TEXT, payload))) if payload.starts_with(b"{") => break String::from_utf8(payload).unwrap(),
            Ok(Some((opcode, payload))) => assert_eq!((opcode, payload.len()), (TEXT, 65_536)),
            // Reset: this test itself was too slow for the two seconds that a closed connection has.
            Ok(None) => panic!("ended without a reason"),
            Err(error) => break format!("{:?} 4102", error.kind()),
        }
    };
    assert!(closing.contains("4102") && !closing.starts_with("WouldBlock"), "{closing}");
    issuer.send(TEXT, b"frame 10");
    assert_eq!(quick.frame().unwrap().1.len(), 10);
}

#[test]
fn a_room_keeps_its_order_around_joins_and_acks() {
    let hub = Hub::start(settings());
    let mut peer = Peer::open(hub.address);
    peer.send(TEXT, b"order");
    let got: Vec<String> = (0..7).map(|_| peer.text()).collect();
    assert_eq!(got, ["snapshot", "one", "ack", "two", "three", "last", "echo"]);
}

#[test]
fn the_gate_keeps_room_frames_until_the_welcome() {
    let hub = Hub::start(settings());
    let mut peer = Peer::open(hub.address);
    peer.send(TEXT, b"gate");
    assert_eq!([peer.text(), peer.text(), peer.text()], ["welcome", "snapshot", "one"]);
}

#[test]
fn a_second_hub_is_refused() {
    let hub = Hub::start(settings());
    let second = michub::server::net::shards::Bound::new(NetSettings { listen: hub.address, ..settings() });
    assert_eq!(second.err().map(|error| error.kind()), Some(std::io::ErrorKind::AddrInUse));
}

#[test]
fn caps_answer_503_before_the_upgrade() {
    let mut settings = settings();
    settings.caps.per_address = 1;
    let hub = Hub::start(settings);
    let _held = Peer::open(hub.address);
    let mut second = Peer::connect(hub.address);
    second.0.write_all(Peer::request(hub.address, "").as_bytes()).unwrap();
    let head = second.head().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 503 ") && head.contains("retry-after:"), "{head}");
}

#[test]
fn caps_count_clients_not_their_proxy() {
    let mut settings = settings();
    (settings.caps.per_address, settings.http_caps.per_address) = (1, 1);
    settings.proxies = Proxies::new(&[Network::parse("127.0.0.0/8").unwrap()]);
    let hub = Hub::start(settings);
    let open = |forwarded: &str| {
        let mut peer = Peer::connect(hub.address);
        let request = Peer::request(hub.address, &format!("X-Forwarded-For: 6.6.6.6, {forwarded}\r\n"));
        peer.0.write_all(request.as_bytes()).unwrap();
        (peer.head()[9..12].to_owned(), peer)
    };
    let first = open("1.1.1.1");
    let second = open("1.1.1.2");
    let third = open("1.1.1.1");
    assert_eq!([first.0, second.0, third.0], ["101", "101", "503"]);
}

#[test]
fn connections_that_are_no_sockets_yet_have_a_cap() {
    let mut settings = settings();
    settings.http_caps.total = 1;
    let hub = Hub::start(settings);
    let mut first = Peer::connect(hub.address);
    let mut second = Peer::connect(hub.address);
    second.0.write_all(Peer::request(hub.address, "").as_bytes()).unwrap();
    let head = second.head().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 503 ") && head.contains("retry-after:"), "{head}");
    first.0.write_all(Peer::request(hub.address, "").as_bytes()).unwrap();
    assert!(first.head().starts_with("HTTP/1.1 101 "));
    first.send(TEXT, b"in");
    assert_eq!(first.text(), "in");
    let mut third = Peer::open(hub.address);
    third.send(TEXT, b"too");
    assert_eq!(third.text(), "too");
}

#[test]
fn a_drain_tells_everybody_and_ends() {
    let hub = Hub::start(NetSettings { shards: 2, drain_timeout_ms: 10_000, ..settings() });
    let mut peers: Vec<Peer> = (0..8).map(|_| Peer::open(hub.address)).collect();
    let unread = Peer::connect(hub.address);
    hub.stop.send(true).unwrap();
    for peer in &mut peers {
        assert!(peer.text().starts_with(r#"{"type":"closing","code":4101,"name":"draining","retry_after_ms":"#));
        assert_eq!(peer.close_code(), 4101);
    }
    drop(peers);
    let address = hub.address;
    hub.join();
    drop(unread);
    assert!(std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err());
}
