//! `cargo xtask conform`: the hub against programs of other people. Each suite sets itself up, starts a hub of its own and says what it has seen;
//! `--write` puts that into docs/CONFORMANCE.md, between the marks of the suite.
mod autobahn;
mod clients;
pub mod hub;
mod python;
mod schemathesis;
mod slow;

use std::fs;

const DOCUMENT: &str = "docs/CONFORMANCE.md";

/// One line of a suite's table.
pub struct Row {
    /// What was tried.
    pub what: String,
    /// What came of it: one cell per column of the suite, with ` | ` between them.
    pub seen: String,
    /// Whether that is as it must be.
    pub good: bool,
}

impl Row {
    /// Makes a row.
    pub fn new(what: impl Into<String>, seen: impl Into<String>, good: bool) -> Self {
        Self { what: what.into(), seen: seen.into(), good }
    }

    fn line(&self) -> String {
        format!("| {} | {} | {} |", self.what, self.seen, if self.good { "good" } else { "**bad**" })
    }
}

/// A program, or several of a kind, and what it must find.
struct Suite {
    name: &'static str,
    /// The heads of what it has seen.
    columns: &'static [&'static str],
    /// Sets up, runs, and says what it has seen. Errors: it could not run.
    run: fn(&[String]) -> Result<Vec<Row>, String>,
}

const ALL: &[Suite] = &[
    Suite { name: "schemathesis", columns: &["seen"], run: schemathesis::run },
    Suite { name: "autobahn", columns: &["seen"], run: autobahn::run },
    Suite { name: "slow", columns: &["seen"], run: slow::run },
    Suite { name: "clients", columns: clients::NAMES, run: clients::run },
];

/// Plays the foreign clients that are installed in seconds. Errors: as `conform`.
pub fn quick() -> Result<(), String> {
    conform(&[&["clients", "--"], clients::QUICK].concat().iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Runs the suites that are named, or all; `--write` puts what they have seen into the document. What follows `--` goes to the suite.
///
/// Errors: a suite that could not run or has seen something bad.
pub fn conform(args: &[String]) -> Result<(), String> {
    let (own, rest) = match args.iter().position(|arg| arg == "--") {
        Some(at) => (args.get(..at).unwrap_or_default(), args.get(at + 1..).unwrap_or_default()),
        None => (args, [].as_slice()),
    };
    let (flags, names): (Vec<&String>, Vec<&String>) = own.iter().partition(|arg| arg.starts_with("--"));
    let known: Vec<&str> = ALL.iter().map(|suite| suite.name).collect();
    if flags.iter().any(|flag| *flag != "--write") || names.iter().any(|name| !known.contains(&name.as_str())) {
        return Err(format!("usage: cargo xtask conform [--write] [{}]... [-- ARGUMENTS]", known.join("|")));
    }
    let mut bad = Vec::new();
    for suite in ALL.iter().filter(|suite| names.is_empty() || names.iter().any(|name| *name == suite.name)) {
        println!("== {}", suite.name);
        let rows = (suite.run)(rest).map_err(|why| format!("{}: {why}", suite.name))?;
        let table: Vec<String> = rows.iter().map(Row::line).collect();
        println!("{}", table.join("\n"));
        if flags.iter().any(|flag| *flag == "--write") {
            write(suite, &table.join("\n"))?;
        }
        bad.extend(rows.into_iter().filter(|row| !row.good).map(|row| format!("{}: {}", suite.name, row.what)));
    }
    if bad.is_empty() { Ok(()) } else { Err(format!("not as it must be: {}", bad.join("; "))) }
}

/// Puts a table between the marks of its suite. Errors: the document has no such marks.
fn write(suite: &Suite, table: &str) -> Result<(), String> {
    let (name, columns) = (suite.name, suite.columns);
    let text = fs::read_to_string(DOCUMENT).map_err(|error| format!("{DOCUMENT}: {error}"))?;
    let (begin, end) =
        (format!("<!-- {name}: written by cargo xtask conform {name} --write -->\n"), format!("<!-- end of {name} -->"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("{DOCUMENT} has no marks for {name}"))?;
    let head = format!("| tried | {} | |\n|---|{}---|", columns.join(" | "), "---|".repeat(columns.len()));
    let text = format!("{before}{begin}{head}\n{table}\n{end}{after}");
    fs::write(DOCUMENT, text).map_err(|error| format!("{DOCUMENT}: {error}"))
}
