//! Rules of the house that no compiler checks, read off the sources.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty());
    files
}

#[test]
fn every_file_says_what_it_holds() {
    for (path, text) in ["src", "tests", "xtask/src"].into_iter().flat_map(sources) {
        assert!(text.starts_with("//!"), "{} does not open with a doc", path.display());
    }
}

#[test]
fn the_hub_is_pure() {
    for (path, text) in sources("src/hub") {
        for word in ["crate::wire", "crate::server", "async ", "serde", "rand::", "tokio", "std::time::", "std::net", "std::fs"] {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
        assert!(!text.contains("jiff") || path.ends_with("windows.rs"), "{} knows time zones", path.display());
    }
    for (path, text) in sources("src/wire") {
        for word in ["crate::server", "async ", "rand::", "tokio", "std::net", "std::fs"] {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn no_test_sleeps() {
    let nap = ["sleep", "("].concat();
    for (path, text) in sources("tests") {
        assert!(!text.contains(&nap), "{} sleeps", path.display());
    }
}

#[test]
fn time_is_read_in_one_place() {
    for (path, text) in sources("src") {
        let reads = text.contains("Instant::now(") || text.contains("SystemTime::now(");
        assert!(!reads || path.ends_with("server/clock.rs"), "{} reads a clock", path.display());
    }
}

#[test]
fn the_tests_that_the_documents_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/TESTING.md")).unwrap();
    let named: Vec<(&str, &str)> = text.split('`').filter_map(|word| word.split_once("::")).collect();
    let named: Vec<_> = named.into_iter().filter(|(file, _)| file.ends_with(".rs") || file.ends_with(".js")).collect();
    assert!(named.len() > 60, "{} tests", named.len());
    for (file, test) in named {
        let source = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let is_there = if file.ends_with(".rs") { source.contains(&format!("fn {test}(")) } else { source.contains(test) };
        assert!(is_there, "{file} has no test {test}");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let read = |file: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let page = read("docs/ARCHITECTURE.md");
    let table = page.split_once("## Dependencies").unwrap().1;
    let rows = table.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    let reasons: Vec<&str> = rows.flat_map(|row| row.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')).collect();
    let mut named = 0;
    for manifest in ["Cargo.toml", "xtask/Cargo.toml", "tests/sim/Cargo.toml"] {
        let text = read(manifest);
        let tables = text.split("\n[").filter(|part| part.lines().next().unwrap().ends_with("dependencies]"));
        let lines = tables.flat_map(|part| part.lines().skip(1)).filter_map(|line| line.split_once('='));
        for name in lines.map(|(name, _)| name.trim()).filter(|name| !name.starts_with('#') && !name.contains(['"', ' '])) {
            named += 1;
            let ours = ["michub", "xtask"].contains(&name);
            assert!(ours || reasons.contains(&name), "docs/ARCHITECTURE.md does not say what {manifest} needs {name} for");
        }
    }
    assert!(named > 40, "{named} dependencies");
}

#[test]
fn the_places_that_the_documents_name_are_there() {
    const PLACES: [&str; 10] =
        ["hub/", "wire/", "server/", "src/", "tests/", "xtask/", "deploy/", "clients/", "web-demo/", "benches/"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut named = 0;
    for page in pages.chain([root.join("README.md")]).filter(|page| page.extension().is_some_and(|end| end == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        let words = text.split('`').skip(1).step_by(2).chain(text.split("─▶ ").skip(1));
        let words = words.map(|word| word.split([' ', ',', '\n']).next().unwrap()).map(|word| word.split("::").next().unwrap());
        for word in words.filter(|word| PLACES.iter().any(|place| word.starts_with(place)) && !word.contains(['*', '…', '$'])) {
            named += 1;
            let there = ["", "src"].iter().map(|dir| root.join(dir).join(word));
            let there = there.flat_map(|path| [path.with_extension("rs"), path]).any(|path| path.exists());
            assert!(there, "{} names {word}, which is not there", page.display());
        }
    }
    assert!(named > 60, "{named} places");
}
