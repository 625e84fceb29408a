//! The report: the machine, then a line a check.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use preflane::{Backend, Level};

use super::Check;
use crate::layout::HEADING;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Longer inputs are cut: a row of logits may be long.
const LONGEST: usize = 1_500;

/// The whole report, with colours.
pub fn text(checks: &[Check], held: bool, definition: &str) -> String {
    let mut text = String::new();
    // Writing into memory does not fail.
    let _ = machine(&mut text)
        .and_then(|()| lines(&mut text, checks))
        .and_then(|()| writeln!(text, "\n  {definition}"))
        .and_then(|()| verdict(&mut text, checks, held));
    text
}

fn machine(out: &mut String) -> std::fmt::Result {
    let names = |wanted: bool| {
        let names: Vec<_> =
            Level::ALL.into_iter().filter(|level| level.is_available() == wanted).map(Level::name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    writeln!(out, "{HEADING}preflane {} on this machine{HEADING:#}\n", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  CPU        {}, {cores} cores", cpu())?;
    writeln!(
        out,
        "  levels     {} (best {}; absent: {})",
        names(true),
        Backend::detect().level().name(),
        names(false)
    )?;
    // Linux tells its version there; others are named alone.
    let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    writeln!(out, "  system     {} {}", std::env::consts::OS, version.trim())?;
    writeln!(out, "  build      {build}, {}\n", std::env::consts::ARCH)
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn cpu() -> String {
    let brand = raw_cpuid::CpuId::new().get_processor_brand_string();
    brand.map_or("unknown".to_owned(), |brand| brand.as_str().trim().to_owned())
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn cpu() -> String {
    std::env::consts::ARCH.to_owned()
}

fn lines(out: &mut String, checks: &[Check]) -> std::fmt::Result {
    writeln!(out, "  {:24} {:>11}", "check", "cases")?;
    for check in checks {
        let (style, word) = if check.held() { (GOOD, "held") } else { (BAD, "BROKEN") };
        writeln!(out, "  {:24} {:>11}  {style}{word}{style:#}  {}", check.name, check.cases, check.found)?;
        for broken in &check.broken {
            let cut: String = broken.chars().take(LONGEST).collect();
            writeln!(out, "    {cut}")?;
        }
    }
    Ok(())
}

fn verdict(out: &mut String, checks: &[Check], held: bool) -> std::fmt::Result {
    let cases: u64 = checks.iter().map(|check| check.cases).sum();
    let broken = checks.iter().filter(|check| !check.held()).count();
    if held {
        writeln!(out, "\n{GOOD}All held:{GOOD:#} {} checks, {cases} cases.", checks.len())
    } else {
        writeln!(
            out,
            "\n{BAD}{broken} of {} checks did not hold.{BAD:#} Please report it with all of the above.",
            checks.len()
        )
    }
}
