//! `preflane verify`: what CI shows of the contract, shown on the user's own machine.

mod accuracy;
mod digests;
mod elementary;
mod merges;
mod report;

use preflane::{Backend, Level};

use crate::args::Verify;
use crate::failure::Failure;
use crate::machine;

/// One check and what came of it.
pub struct Check {
    /// Its name.
    pub name: String,
    /// How many results it looked at.
    pub cases: u64,
    /// What was found of them.
    pub found: String,
    /// What did not hold; empty if all did.
    pub broken: Vec<String>,
}

impl Check {
    /// Whether there is nothing against it.
    pub fn held(&self) -> bool {
        self.broken.is_empty() && self.cases > 0
    }
}

/// Every level of this CPU.
fn backends() -> Vec<Backend> {
    Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()).collect()
}

/// Runs all checks; the report, and whether all held.
pub fn run(options: &Verify) -> Result<(String, bool), Failure> {
    machine::start(None, None)?;
    let list = digests::list(options.digests.as_deref())?;
    let backends = backends();
    let mut checks = digests::checks(&backends, &list);
    let same = if checks.iter().all(Check::held) { "" } else { "not " };
    let whose = if options.digests.is_some() { "given" } else { "committed" };
    let definition = format!("definition {}, digests {same}as {whose}", preflane::DEFINITION);
    checks.extend(elementary::checks(&backends, options.full));
    checks.extend(accuracy::checks(&backends));
    checks.extend(merges::checks(&backends));
    let held = checks.iter().all(Check::held);
    Ok((report::text(&checks, held, &definition), held))
}

/// Runs a test's body where a debug build's kernels have room.
#[cfg(test)]
fn with_room(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(machine::STACK);
    thread.spawn(body).expect("a thread").join().expect("no panic");
}
