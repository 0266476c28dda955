//! One HTTP request at a time, by hand: enough to ask a hub for something as a backend.
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

const DEADLINE: Duration = Duration::from_secs(30);

/// Posts JSON with an API key and returns the answer. Errors: a status other than 2xx, no answer, no JSON.
pub fn post(address: &str, path: &str, key: &str, body: &Value) -> Result<Value, String> {
    let body = body.to_string();
    let head = format!("Authorization: Bearer {key}\r\nContent-Length: {}\r\n", body.len());
    let answer = exchange(address, &format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{head}\r\n{body}"));
    let answer = answer.map_err(|error| format!("{path}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("{path}: no answer"))?;
    if !head.starts_with("HTTP/1.1 2") {
        return Err(format!("{path}: {answer}"));
    }
    serde_json::from_str(body).map_err(|error| format!("{path}: {error}: {body}"))
}

fn exchange(address: &str, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
