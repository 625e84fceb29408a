//! Decodes what a device logged and compares it, line by line and number by number, with what this machine computes.

mod compare;
mod decode;
mod expected;

use anyhow::{Context, Result};
use clap::Parser;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Compares a device's log with this machine's results, bit for bit.
#[derive(Parser)]
struct Arguments {
    /// The firmware, for the texts that its log lacks.
    elf: PathBuf,
    /// What the device sent.
    log: PathBuf,
    /// Print the decoded log too.
    #[arg(long)]
    print: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let read = |path: &PathBuf| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let logged = decode::lines(&read(&arguments.elf)?, &read(&arguments.log)?)
        .with_context(|| format!("cannot decode {} with {}", arguments.log.display(), arguments.elf.display()))?;
    if arguments.print {
        logged.iter().for_each(|line| println!("{line}"));
    }
    let same = compare::lines(&expected::lines()?, &logged)?;
    println!("{} lines with {} numbers: same", same.lines, same.numbers);
    Ok(())
}
