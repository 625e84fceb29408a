//! The command `preflane`: log-probabilities, losses, rewards and gradients of preference pairs in files.

mod abrupt;
mod args;
mod json;
mod layout;
mod logps;
mod losses;
mod machine;
mod output;
mod progress;
mod score;
#[cfg(feature = "judge")]
mod stress;
#[cfg(feature = "judge")]
mod verify;

use std::io::{self, ErrorKind, Write};
use std::panic;
use std::process::ExitCode;

use clap::Parser;

use preflane_cli::{failure, format, input, provenance};

use args::{Command, CommandLine};
use failure::{Failure, name_list};

/// Something that was looked for was found.
const FOUND: u8 = 1;
/// Bad input, impossible parameters, or a file that cannot be written.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    abrupt::watch();
    say_panics_in_one_line();
    input::quiet_hook();
    // The stack of the first thread grows as it is used: where memory is limited, that ends in a fault that nobody can tell from a
    // defect. That of another is there from its start.
    match std::thread::Builder::new().stack_size(machine::STACK).spawn(run) {
        // What panicked has said so.
        Ok(running) => running.join().unwrap_or(ExitCode::from(FAILED)),
        Err(e) => fail(&Failure::new(format!("no thread can be started: {e}"))),
    }
}

fn run() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => return refuse(&error),
    };
    // The text, and whether all is well.
    let said = match command_line.command {
        Command::Score(options) => score::run(*options).map(|text| (text, true)),
        Command::Losses(options) => losses::run(&options).map(|text| (text, true)),
        Command::Logps(options) => logps::run(&options).map(|text| (text, true)),
        #[cfg(feature = "judge")]
        Command::Stress(options) => stress::run(&options).map(|(text, found)| (text, !found)),
        #[cfg(feature = "judge")]
        Command::StressHost(options) => {
            return stress::host(&options).map_or_else(|e| fail(&e), |()| ExitCode::SUCCESS);
        }
        #[cfg(feature = "judge")]
        Command::Verify(options) => verify::run(&options),
        #[cfg(not(feature = "judge"))]
        Command::Stress(_) | Command::StressHost(_) => Err(without_judge("stress")),
        #[cfg(not(feature = "judge"))]
        Command::Verify(_) => Err(without_judge("verify")),
    };
    for note in output::written().into_iter().filter_map(|written| written.note) {
        let _ = writeln!(io::stderr(), "preflane: {note}");
    }
    match said.and_then(|(text, well)| print(&text).map(|()| well)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FOUND),
        Err(failure) => fail(&failure),
    }
}

/// A panic is a defect of this program. It is told in one line, like everything that went wrong; who asks for a backtrace gets it.
fn say_panics_in_one_line() {
    let full = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|wish| wish != "0") {
            return full(info);
        }
        let said = info.payload();
        let said = said.downcast_ref::<&str>().copied().or_else(|| said.downcast_ref::<String>().map(String::as_str));
        let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
        fail(&Failure::new(format!("a defect of preflane, please report it: {}{place}", said.unwrap_or("a panic"))));
    }));
}

/// A command that this build lacks.
#[cfg(not(feature = "judge"))]
fn without_judge(command: &str) -> Failure {
    Failure::new(format!("{command}: built without the feature judge; it is on by default: cargo install preflane-cli"))
}

fn print(text: &str) -> Result<(), Failure> {
    // Drops the colours where they do not belong.
    let mut stdout = anstream::AutoStream::auto(io::stdout().lock());
    let printed = match abrupt::is_stdout_closed() {
        true => Err(io::Error::other("it is closed")),
        false => stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()),
    };
    match printed {
        Ok(()) => Ok(()),
        // Whoever read the report has read enough of it.
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(e) => {
            // What else was asked for is there none the less.
            let written: String =
                output::written().iter().map(|file| format!("; {} is written and whole", file.name())).collect();
            Err(Failure::new(format!("standard output: cannot be written: {e}{written}")))
        }
    }
}

fn fail(failure: &Failure) -> ExitCode {
    // Where nobody can be told, the status has to do.
    let _ = io::stderr().write_all(format!("preflane: {failure}\n").as_bytes());
    ExitCode::from(FAILED)
}

/// Help and version as clap prints them; its errors as one line.
fn refuse(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    use clap::error::{ContextKind, ContextValue};

    /// The arguments that are names of losses.
    const NAME_LOSSES: [&str; 2] = ["--loss <NAME>", "[NAME]..."];
    if !error.use_stderr() {
        return print(&error.render().ansi().to_string()).map_or_else(|e| fail(&e), |()| ExitCode::SUCCESS);
    }
    if error.kind() == DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(FAILED);
    }
    let mut text = error.to_string();
    if let Some(ContextValue::Strings(names)) = error.get(ContextKind::ValidValue) {
        text = text.replace(&names.join(", "), &name_list(names.iter().map(String::as_str)));
    }
    if error.get(ContextKind::InvalidArg).is_some_and(|arg| NAME_LOSSES.contains(&&*arg.to_string())) {
        text += "\n\npreflane losses lists all";
    }
    let said: Vec<String> = (text.trim_start_matches("error: ").split("\n\n"))
        .filter(|part| !part.trim_start().starts_with("Usage:") && !part.starts_with("For more information"))
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    fail(&Failure::new(said.join("; ")))
}
