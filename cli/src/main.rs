//! The command `preflane`: log-probabilities, losses, rewards and gradients of preference pairs in files.

mod args;
mod json;
mod layout;
mod logps;
mod machine;
mod output;
mod progress;
mod score;
#[cfg(feature = "judge")]
mod stress;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

use preflane_cli::{failure, format, input};

use args::{Command, CommandLine};
use failure::Failure;

/// `preflane stress` found something.
#[cfg(feature = "judge")]
const FOUND: u8 = 1;
/// Bad input, impossible parameters, or a file that cannot be written.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    input::quiet_hook();
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => return refuse(&error),
    };
    let done = match command_line.command {
        Command::Score(options) => score::run(&options).and_then(|text| print(&text)).map(|()| ExitCode::SUCCESS),
        Command::Logps(options) => logps::run(&options).and_then(|text| print(&text)).map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "judge")]
        Command::Stress(options) => stress::run(&options).and_then(|(text, found)| {
            print(&text)?;
            Ok(if found { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
        }),
        #[cfg(feature = "judge")]
        Command::StressHost(options) => stress::host(&options).map(|()| ExitCode::SUCCESS),
        #[cfg(not(feature = "judge"))]
        Command::Stress(_) | Command::StressHost(_) => Err(Failure::new(
            "stress: this program was built without its judge; build it with the feature judge, a default one",
        )),
    };
    match done {
        Ok(code) => code,
        Err(failure) => fail(&failure),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    // Drops the colours where they do not belong.
    let mut stdout = anstream::AutoStream::auto(io::stdout().lock());
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // Whoever read the report has read enough of it.
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(Failure::new(format!("standard output: cannot be written: {e}"))),
        Ok(()) => Ok(()),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    // Where nobody can be told, the status has to do.
    let _ = writeln!(io::stderr(), "preflane: {failure}");
    ExitCode::from(FAILED)
}

/// Help and version as clap prints them; its errors as one line.
fn refuse(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if !error.use_stderr() || error.kind() == DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { FAILED } else { 0 });
    }
    let text = error.to_string();
    let said: Vec<String> = (text.trim_start_matches("error: ").split("\n\n"))
        .filter(|part| !part.trim_start().starts_with("Usage:") && !part.starts_with("For more information"))
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    fail(&Failure::new(said.join("; ")))
}
