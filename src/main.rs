//! The michub binary: reads the command line, does what it asks for ([`cli::run`]), and says why if that fails.
mod cli;

use clap::Parser;
use std::{io::Write, process::ExitCode};

fn main() -> ExitCode {
    match cli::run(cli::args::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A closed stderr changes nothing about it.
            let _ = writeln!(std::io::stderr(), "michub: {failure}");
            ExitCode::FAILURE
        }
    }
}
