//! `preflane stress`: somebody else's loss, and the input where it goes wrong.

mod cause;
mod generate;
mod host;
mod hunt;
mod json;
mod number;
mod picture;
mod regression;
mod report;
mod shrink;
mod subject;
mod task;
mod verdict;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::args::{Stress, StressHost};
use crate::failure::Failure;
use crate::output::{self, WholeFile};
use hunt::{Budget, Hunt, Seen};
use subject::Subject;
use task::Task;
use verdict::Judge;

/// All that a report says.
pub struct Stressed {
    /// The judge, with what it judged.
    pub judge: Judge,
    /// What came of it.
    pub seen: Seen,
    /// Where chance began.
    pub seed: u64,
    /// The code under test.
    pub command: String,
}

/// The command: what it prints, and whether something was found.
pub fn run(options: &Stress) -> Result<(String, bool), Failure> {
    let task = Task::new(options)?;
    check_outputs(options)?;
    let command = command(options, &task)?;
    let mut subject = Subject::start(&command, options.time_limit)?;
    let hello = subject.hello();
    if !hello.shape.is_like(task.shape) {
        let (has, needs) = (hello.shape.word(), task.shape.word());
        let message = format!("the code under test takes {has}, --loss {} needs one that takes {needs}", task.name());
        return Err(Failure::new(message));
    }
    let judge = Judge { task, number: hello.number, bound: options.bound, strict: options.strict };
    let budget = options.time.map_or(Budget::Count(options.count), Budget::Time);
    let seen = Hunt { subject: &mut subject, judge: &judge }.run(budget, options.seed, options.all)?;
    subject.finish()?;
    let shown = match &options.library {
        Some(library) => library.display().to_string(),
        None => options.command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "),
    };
    let stressed = Stressed { judge, seen, seed: options.seed, command: shown };
    write(options, &stressed)?;
    let text = if options.json {
        json::text(&stressed, options.regression)
    } else {
        report::text(&stressed, options.regression)
    };
    Ok((text, !stressed.seen.findings.is_empty()))
}

/// The process that holds a library.
pub fn host(options: &StressHost) -> Result<(), Failure> {
    let Some(shape) = task::Shape::of_word(&options.takes) else {
        return Err(Failure::new(format!("--takes {}: pairs, labelled, listed or logits is needed", options.takes)));
    };
    host::serve(&options.library, options.symbol.as_deref(), shape)
}

/// What to start: a library gets a process of this program, for it may crash.
fn command(options: &Stress, task: &Task) -> Result<Vec<OsString>, Failure> {
    let Some(library) = &options.library else { return Ok(options.command.clone()) };
    // A bare name would be looked for where the system keeps its libraries.
    let path = std::path::absolute(library).map_err(|e| Failure::of_file(library, e))?;
    if !path.is_file() {
        return Err(Failure::of_file(library, "there is no such file; --library needs a shared library"));
    }
    let program = std::env::current_exe().map_err(|e| Failure::new(format!("this program cannot be found: {e}")))?;
    let mut command = vec![program.into_os_string(), "stress-host".into(), path.into_os_string()];
    if let Some(symbol) = &options.symbol {
        command.extend(["--symbol".into(), symbol.into()]);
    }
    command.extend(["--takes".into(), task.shape.word().into()]);
    Ok(command)
}

/// Finds early what would else be found late.
fn check_outputs(options: &Stress) -> Result<(), Failure> {
    for (path, endings, option) in
        [(&options.out, &["md", "json"][..], "--out"), (&options.picture, &["svg"][..], "--picture")]
    {
        let Some(path) = path else { continue };
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        if !endings.contains(&ending) {
            return Err(Failure::of_file(
                path,
                format!("{option} needs a name that ends in .{}", endings.join(" or .")),
            ));
        }
        output::check_inputs(option, path, options.library.as_deref())?;
    }
    let picture = picture(options);
    for path in options.out.iter().chain(&picture) {
        output::check_place(path)?;
    }
    match (&options.out, &picture) {
        (Some(out), Some(picture)) if output::is_same_file(out, picture) => {
            Err(Failure::of_file(picture, format!("is also {}; the picture needs a file of its own", out.display())))
        }
        _ => Ok(()),
    }
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "md")
}

/// Where the picture goes: Markdown shows one, which without a name of its own has the report's.
fn picture(options: &Stress) -> Option<PathBuf> {
    let beside = || options.out.as_ref().filter(|out| is_markdown(out)).map(|out| out.with_extension("svg"));
    options.picture.clone().or_else(beside)
}

fn write(options: &Stress, stressed: &Stressed) -> Result<(), Failure> {
    let picture = picture(options);
    if let Some(path) = &picture {
        save(path, &picture::svg(stressed)?)?;
    }
    if let Some(out) = &options.out {
        let text = if is_markdown(out) {
            let name = picture.as_deref().map_or(String::new(), |picture| link(out, picture));
            report::markdown(stressed, options.regression, &name)
        } else {
            json::text(stressed, options.regression)
        };
        save(out, &text)?;
    }
    Ok(())
}

/// The picture as the report finds it.
fn link(report: &Path, picture: &Path) -> String {
    let is_beside = report.parent() == picture.parent();
    let path = if is_beside { picture.file_name().map(Path::new).unwrap_or(picture) } else { picture };
    path.display().to_string()
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = WholeFile::create(path)?;
    file.file().write_all(text.as_bytes()).map_err(|e| output::cannot_write(path, e))?;
    file.publish()
}
