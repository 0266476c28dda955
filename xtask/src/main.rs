//! The project's own commands: `cargo xtask test` runs every check and test there is.
use std::process::{Command, ExitCode};

const STEPS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("hub and wire build without a runtime", &["check", "--lib", "--no-default-features"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("tests", &["test", "--workspace"]),
];

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("test" | "ci") => all(),
        _ => {
            eprintln!("usage: cargo xtask test");
            ExitCode::from(2)
        }
    }
}

fn all() -> ExitCode {
    for (name, args) in STEPS {
        println!("== {name}");
        match Command::new("cargo").args(*args).status() {
            Ok(status) if status.success() => {}
            Ok(status) => {
                eprintln!("{name}: {status}");
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("{name}: cargo cannot be started: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
