//! The table of metrics against everything that has to agree with it: the sources that count, and the page that operators read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use michub::server::telemetry::metrics::table::ALL;
use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

const PAGE: &str = "docs/OPERATIONS.md";
const BEGIN: &str = "<!-- metrics: MICHUB_BLESS=1 cargo test --test metrics writes them -->\n";
const END: &str = "<!-- end of metrics -->";

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every quoted name of a metric in the sources, the table itself aside.
fn counted(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            counted(&entry, found);
        } else if !entry.ends_with("metrics/table.rs") {
            let text = fs::read_to_string(&entry).unwrap();
            let quoted =
                text.split('"').skip(1).step_by(2).filter(|name| name.starts_with("michub_") || name.starts_with("process_"));
            let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            found.extend(quoted.filter(is_name).map(str::to_owned));
        }
    }
}

#[test]
fn the_table_is_what_is_counted() {
    let mut found = BTreeSet::new();
    counted(&here("src/server"), &mut found);
    let known: BTreeSet<String> = ALL.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(known, found);
    assert!(ALL.is_sorted_by(|a, b| a.name < b.name), "by name, each once");
    for metric in ALL {
        assert_eq!(metric.name.ends_with("_total"), metric.kind.name() == "counter", "{}", metric.name);
    }
}

#[test]
fn the_page_shows_the_table() {
    let mut table = "| metric | kind | labels | says |\n|---|---|---|---|\n".to_owned();
    for metric in ALL {
        let labels: Vec<String> = metric.labels.split_whitespace().map(|label| format!("`{label}`")).collect();
        writeln!(table, "| `{}` | {} | {} | {} |", metric.name, metric.kind.name(), labels.join(" "), metric.help).unwrap();
    }
    let text = fs::read_to_string(here(PAGE)).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the marks of the table");
    let (shown, after) = rest.split_once(END).unwrap();
    if std::env::var_os("MICHUB_BLESS").is_some() {
        fs::write(here(PAGE), format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(shown, table, "MICHUB_BLESS=1 cargo test --test metrics writes it");
    }
}
