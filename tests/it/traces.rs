//! Traces as a collector receives them: a small one of our own takes what the hub posts.
use crate::hub::{DEADLINE, Hub};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// Takes requests, and passes their path and body on.
async fn collector() -> (String, mpsc::UnboundedReceiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, sender.clone()));
        }
    });
    (address, receiver)
}

async fn take(mut stream: TcpStream, sender: mpsc::UnboundedSender<(String, Value)>) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let request = text.split_once("\r\n\r\n").and_then(|(head, body)| {
            let head = head.to_lowercase();
            let length: usize = head.split("content-length: ").nth(1)?.lines().next()?.parse().ok()?;
            (body.len() >= length).then(|| (head.lines().next().unwrap_or_default().to_owned(), body.to_owned()))
        });
        if let Some((line, body)) = request {
            sender.send((line, serde_json::from_str(&body).unwrap())).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
            bytes.clear();
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn attribute<'a>(of: &'a Value, key: &str) -> &'a Value {
    let list = of["attributes"].as_array().unwrap();
    &list.iter().find(|pair| pair["key"] == key).unwrap_or_else(|| panic!("{key} in {of}"))["value"]
}

fn nanos(span: &Value, key: &str) -> u64 {
    span[key].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_collector_is_told_where_the_time_of_a_command_went() {
    let (address, mut told) = collector().await;
    let dir = tempfile::tempdir().unwrap();
    let endpoint = format!("http://{address}");
    let hub = Hub::with(dir.path(), &[("TELEMETRY__OTLP_ENDPOINT", &endpoint), ("TELEMETRY__INTERVAL_MS", "50")]);
    let mut own = hub.member("own").await;
    own.ok("queue_join", json!({"note": "a private word"})).await;
    assert_eq!(own.ask("queue_leave", json!({"if_rev": 0})).await["name"], "stale_rev");
    let mut roots = Vec::new();
    while roots.len() < 2 {
        let (line, export) = timeout(DEADLINE, told.recv()).await.expect("traces in time").unwrap();
        assert_eq!(line, "post /v1/traces http/1.1");
        assert!(!export.to_string().contains("private"), "{export}");
        let resource = &export["resourceSpans"][0];
        assert_eq!(attribute(&resource["resource"], "service.name")["stringValue"], "michub");
        let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap().clone();
        for root in spans.iter().filter(|span| span["parentSpanId"] == "") {
            let parts: Vec<&Value> = spans.iter().filter(|span| span["parentSpanId"] == root["spanId"]).collect();
            for part in &parts {
                assert_eq!(part["traceId"], root["traceId"]);
                assert!(nanos(part, "startTimeUnixNano") >= nanos(root, "startTimeUnixNano"), "{part} in {root}");
                assert!(nanos(part, "endTimeUnixNano") <= nanos(root, "endTimeUnixNano"), "{part} in {root}");
            }
            let names: Vec<&str> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
            roots.push((attribute(root, "michub.rev")["intValue"].clone(), names.join(" "), root.clone()));
        }
    }
    let (rev, parts, root) = &roots[0];
    assert_eq!((rev, parts.as_str()), (&json!("1"), "wait decide commit fan-out"));
    assert_eq!(attribute(root, "michub.room_id")["stringValue"], "r1");
    assert_eq!(attribute(root, "michub.commands")["intValue"], "1");
    assert_eq!(attribute(root, "michub.outcome")["stringValue"], "done");
    assert_eq!((&roots[1].0, roots[1].1.as_str()), (&json!("1"), "wait decide fan-out"));
}

#[tokio::test]
async fn a_collector_that_is_away_costs_nothing_but_traces() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = format!("http://127.0.0.1:{}/own/path", xtask::bed::free_port().unwrap());
    let hub = Hub::with(dir.path(), &[("TELEMETRY__OTLP_ENDPOINT", &endpoint), ("TELEMETRY__INTERVAL_MS", "10")]);
    let mut own = hub.member("own").await;
    for turn in 0..100 {
        own.ok("seat_lock", json!({"seat_nos": [3], "on": turn % 2 == 0})).await;
    }
    let dropped = async {
        while !hub.metrics().await.lines().any(|line| line.starts_with("michub_traces_dropped_total ") && !line.ends_with(" 0")) {
        }
    };
    timeout(DEADLINE, dropped).await.expect("dropped traces are counted");
}
