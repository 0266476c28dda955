//! Nothing is said on the wire that no golden vector shows: the names are read off the sources of `wire`, and looked for in `tests/vectors`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::{hub::code::Code, wire::close::Close};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn source(path: &str) -> String {
    fs::read_to_string(here(path)).unwrap()
}

fn vectors(name: &str) -> Vec<Value> {
    serde_json::from_str(&source(&format!("tests/vectors/{name}"))).unwrap()
}

/// The frames of the hub in the golden file, those inside an answer to a poll included.
fn frames() -> Vec<Value> {
    let whole = vectors("server.json").into_iter().map(|mut vector| vector["frame"].take());
    whole.flat_map(|frame| frame["updates"].as_array().cloned().unwrap_or_default().into_iter().chain([frame])).collect()
}

fn missing(wanted: BTreeSet<String>, shown: &BTreeSet<String>) -> Vec<String> {
    assert!(!wanted.is_empty(), "nothing was read off the source");
    wanted.into_iter().filter(|name| !shown.contains(name)).collect()
}

/// The words of `"word" =>` in a function.
fn arms(text: &str, function: &str) -> BTreeSet<String> {
    let body = text.split_once(function).unwrap().1.split_once("\n}\n").unwrap().0;
    let arm = |line: &str| Some(line.trim_start().strip_prefix('"')?.split_once("\" =>")?.0.to_owned());
    body.lines().filter(|line| line.len() - line.trim_start().len() == 8).filter_map(arm).collect()
}

#[test]
fn every_frame_of_a_client_has_a_vector() {
    let mut wanted = arms(&source("src/wire/client.rs"), "\nfn frame(");
    wanted.extend(arms(&source("src/wire/command.rs"), "\npub fn parse("));
    assert!(wanted.len() > 45, "{wanted:?}");
    let says = vectors("client.json").into_iter().filter_map(|mut vector| match vector["parsed"]["says"].take() {
        Value::String(name) => Some(name),
        Value::Object(frame) => frame.into_iter().next().map(|(name, _)| name),
        _ => None,
    });
    assert_eq!(missing(wanted, &says.collect()), [""; 0], "no vector in client.json");
}

#[test]
fn every_frame_of_the_hub_has_a_vector() {
    let mut wanted = BTreeSet::from(["error".to_owned()]);
    let files = fs::read_dir(here("src/wire")).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        let text = fs::read_to_string(file).unwrap();
        for line in text.lines() {
            let renamed = line.trim().strip_prefix("#[serde(tag = \"type\", rename = \"");
            wanted.extend(renamed.and_then(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()));
        }
    }
    assert!(wanted.len() > 10, "{wanted:?}");
    let shown = frames().iter().filter_map(|frame| frame["type"].as_str().map(str::to_owned)).collect();
    assert_eq!(missing(wanted, &shown), [""; 0], "no vector in server.json");
}

#[test]
fn every_event_has_a_vector() {
    let text = source("src/wire/event/mod.rs");
    let body = text.split_once("pub enum EventJson {").unwrap().1.split_once("\n}\n").unwrap().0;
    let variant = |line: &str| {
        let name = line.strip_prefix("    ")?.split([' ', '{', ',']).next()?;
        name.starts_with(char::is_uppercase).then(|| {
            let snake = |c: char| if c.is_uppercase() { format!("_{}", c.to_lowercase()) } else { c.to_string() };
            name.chars().map(snake).collect::<String>().trim_start_matches('_').to_owned()
        })
    };
    let wanted: BTreeSet<String> = body.lines().filter_map(variant).collect();
    assert!(wanted.len() > 30, "{wanted:?}");
    let events = frames().into_iter().flat_map(|mut frame| frame["events"].take().as_array().cloned().unwrap_or_default());
    let shown = events.map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(missing(wanted, &shown), [""; 0], "no vector in server.json");
}

#[test]
fn every_code_has_a_vector() {
    let named = |kind: &str| -> BTreeSet<String> {
        frames().iter().filter(|frame| frame["type"] == kind).map(|frame| frame["name"].as_str().unwrap().to_owned()).collect()
    };
    let codes = Code::ALL.iter().map(|code| code.name().to_owned()).collect();
    assert_eq!(missing(codes, &named("error")), [""; 0], "no error in server.json");
    let closes = Close::ALL.iter().map(|close| close.name().to_owned()).collect();
    assert_eq!(missing(closes, &named("closing")), [""; 0], "no closing in server.json");
}
