//! Compares what this machine computes with `conformance/digests.txt`; see the library's documentation.

use std::collections::BTreeSet;
use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use preflane::losses::{CASES, LOSSES, Shape};
use preflane::{Backend, Error, Level, Loss, Metrics, Outputs, Run};
use preflane_conformance::expected::{committed, differences, parse};
use preflane_conformance::inputs::{Arguments, LogitRows, Rows, Set};
use preflane_conformance::logits::Columns as Pieces;
use preflane_conformance::{
    Blocks, Brief, Case, Form, Function, Hasher, INPUTS, Name, OUTPUTS, Runner, What, digests, is_of_few, place, reach,
};

const USAGE: &str = "\
preflane-conformance [OPTION...]
  (none)             compare every available level, or the one in PREFLANE_LEVEL, with conformance/digests.txt
  --brief            leave out ways of cutting the input that cost much and do not depend on the platform
  --core             leave out the wide and the long set too
  --require LEVELS   fail unless each of these levels (comma-separated) was compared
  --print            write the digests of the scalar level in the format of conformance/digests.txt
  --compare-stdin    compare lines `NAME DIGEST`, few of the core set, from a device, with conformance/digests.txt
  --rows NAME        print inputs and outputs behind a digest in hexadecimal, at PREFLANE_LEVEL
Exit status: 0 all the same, 1 a difference, 2 wrong usage or a level that this machine lacks.";

const HEADER: &str = "\
# What preflane's outputs must be, bit for bit: the first 64 bits of a SHA-256 over them.
# Written by preflane-conformance --print; its documentation says when.";

/// The committed digests.
struct Expected(Vec<(&'static str, u64)>);

impl Expected {
    fn committed() -> Self {
        Self(committed().collect())
    }

    fn of(&self, set: Set) -> Vec<(&'static str, u64)> {
        let in_set = |name: &str| name.split('/').next() == Some(set.name());
        self.0.iter().copied().filter(|(name, _)| in_set(name)).collect()
    }
}

/// The outcome of comparing.
#[derive(Default)]
struct Tally {
    compared: usize,
    differ: usize,
    configurations: usize,
}

/// Compares computed digests, in order, with the expected ones and prints one line.
fn compare(tally: &mut Tally, title: &str, expected: &[(&str, u64)], got: &[(String, u64)], seconds: f64) {
    let problems = differences(expected, got);
    tally.compared += got.len();
    tally.configurations += 1;
    match problems.first() {
        None => println!("same    {title:34} {:5} digests {seconds:7.2} s", got.len()),
        Some(first) => {
            tally.differ += problems.len();
            println!("DIFFERS {title:34} {:5} digests, {} differ, first: {first}", got.len(), problems.len());
        }
    }
    // A device run or an emulator may take minutes; each line is wanted at once.
    let _ = std::io::stdout().flush();
}

/// A case in columns.
struct Columns {
    input: [Vec<f32>; INPUTS],
    output: [Vec<f32>; OUTPUTS],
}

impl Columns {
    /// The rows in the given order.
    fn new(loss: &Loss, rows: &Rows, order: impl Iterator<Item = usize>) -> Self {
        let mut input = [(); INPUTS].map(|()| vec![0.0; rows.len]);
        let mut places = input.each_mut().map(Vec::as_mut_slice);
        order.enumerate().for_each(|(at, index)| place(loss, rows, index, &mut places, at));
        Self { input, output: [(); OUTPUTS].map(|()| vec![0.0; rows.len]) }
    }

    /// The columns of rows `start..end`.
    fn part(&mut self, start: usize, end: usize) -> ([&[f32]; INPUTS], [&mut [f32]; OUTPUTS]) {
        (self.input.each_ref().map(|c| &c[start..end]), self.output.each_mut().map(|c| &mut c[start..end]))
    }

    /// Hands over the outputs, row `place(i)` as the `i`th.
    fn hash(&self, form: Form, hasher: &mut Hasher, place: impl Fn(usize) -> usize) {
        for row in 0..self.output[0].len() {
            self.output[..form.outputs()].iter().for_each(|column| hasher.float(column[place(row)]));
        }
    }
}

/// How the rows are handed to the library.
#[derive(Clone, Copy)]
enum Way {
    /// In blocks of 64, as on a microcontroller.
    Blocks,
    /// All in one call.
    Whole,
    /// All in one call to the batched layer.
    Threads(usize),
    /// All in one call, in another order.
    Permuted,
    /// In parts of many sizes, their metrics merged last to first.
    Parts,
    /// One call an output, all others left out; elementary functions one number at a time.
    Single,
}

/// How much is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    All,
    /// Few cases and few ways.
    Brief,
    /// Of the core set alone.
    Core,
}

impl Way {
    /// The ways in which a set is run: every cut and order for the core, those that more
    /// rows matter to for the others, and threads where there are rows enough for several.
    fn of(set: Set, extent: Extent) -> &'static [Way] {
        use Way::{Blocks, Parts, Permuted, Single, Threads, Whole};
        match set {
            Set::Core if extent != Extent::All => &[Blocks, Parts],
            _ if extent == Extent::Core => &[],
            Set::Wide if extent == Extent::Brief => &[Whole],
            Set::Long if extent == Extent::Brief => &[Threads(3)],
            Set::Core => &[Blocks, Whole, Permuted, Parts, Single],
            Set::Wide => &[Whole, Parts],
            Set::Long => &[Threads(1), Threads(2), Threads(3), Threads(8)],
        }
    }

    fn name(self) -> String {
        match self {
            Way::Blocks => "blocks of 64".into(),
            Way::Whole => "one call".into(),
            Way::Threads(1) => "batch, 1 thread".into(),
            Way::Threads(n) => format!("batch, {n} threads"),
            Way::Permuted => "permuted".into(),
            Way::Parts => "odd parts, merged".into(),
            Way::Single => "one output a call".into(),
        }
    }
}

/// Runs whole families in one of these ways.
struct Whole {
    backend: Backend,
    way: Way,
}

/// A permutation of `0..len` that leaves no neighbours.
fn permuted(index: usize, len: usize) -> usize {
    // A prime above every length, so it divides none.
    const STEP: usize = 1_000_003;
    (index * STEP + len / 3) % len
}

/// The bounds of parts of 1, 2, ... rows and more, around the widths of lanes and blocks.
fn parts(len: usize) -> impl Iterator<Item = (usize, usize)> {
    const SIZES: [usize; 12] = [1, 7, 64, 3, 129, 2, 17, 8, 31, 5_000, 16, 9];
    let mut start = 0;
    SIZES.into_iter().cycle().map_while(move |size| {
        let end = len.min(start + size);
        let part = (start < len).then_some((start, end));
        start = end;
        part
    })
}

impl Runner for Whole {
    fn pairs(&mut self, loss: &Loss, rows: &Rows, form: Form, hasher: &mut Hasher) -> Result<Metrics, Error> {
        let Self { backend, way, .. } = *self;
        let len = rows.len;
        let mut metrics = Metrics::new();
        if let Way::Permuted = way {
            let mut columns = Columns::new(loss, rows, (0..len).map(|at| permuted(at, len)));
            let (input, output) = columns.part(0, len);
            Run::on(backend).evaluate(loss, form.pairs(loss, input), form.all(output), Some(&mut metrics))?;
            let mut back = vec![0; len];
            (0..len).for_each(|at| back[permuted(at, len)] = at);
            columns.hash(form, hasher, |row| back[row]);
            return Ok(metrics);
        }
        let mut columns = Columns::new(loss, rows, 0..len);
        match way {
            Way::Threads(threads) => {
                let (input, output) = columns.part(0, len);
                let pairs = form.pairs(loss, input);
                let outputs = form.all(output);
                Run::on(backend).threads(threads)?.evaluate(loss, pairs, outputs, Some(&mut metrics))?;
            }
            Way::Parts => {
                let mut merge = Vec::new();
                for (start, end) in parts(len) {
                    let (input, output) = columns.part(start, end);
                    let mut part = Metrics::new();
                    Run::on(backend).evaluate(loss, form.pairs(loss, input), form.all(output), Some(&mut part))?;
                    merge.push(part);
                }
                merge.iter().rev().for_each(|part| metrics.merge(part));
            }
            Way::Single => {
                for wanted in 0..form.outputs() {
                    let (input, output) = columns.part(0, len);
                    Run::on(backend).evaluate(loss, form.pairs(loss, input), only(wanted, form.all(output)), None)?;
                }
                let (input, _) = columns.part(0, len);
                Run::on(backend).evaluate(loss, form.pairs(loss, input), Outputs::default(), Some(&mut metrics))?;
            }
            Way::Blocks | Way::Whole | Way::Permuted => {
                let (input, output) = columns.part(0, len);
                Run::on(backend).evaluate(loss, form.pairs(loss, input), form.all(output), Some(&mut metrics))?;
            }
        }
        columns.hash(form, hasher, |row| row);
        Ok(metrics)
    }

    fn elementary(&mut self, function: &Function, arguments: &Arguments, hasher: &mut Hasher) -> Result<(), Error> {
        let len = arguments.len;
        let value = |at| arguments.value(if let Way::Permuted = self.way { permuted(at, len) } else { at });
        let input: Vec<f32> = (0..len).map(value).collect();
        let mut output = vec![0.0; len];
        match self.way {
            Way::Parts => parts(len).try_for_each(|(start, end)| {
                (function.slice)(self.backend, &input[start..end], &mut output[start..end])
            })?,
            Way::Single => output.iter_mut().zip(&input).for_each(|(y, &x)| *y = (function.one)(x)),
            _ => (function.slice)(self.backend, &input, &mut output)?,
        }
        if let Way::Permuted = self.way {
            let mut ordered = vec![0.0; len];
            (0..len).for_each(|at| ordered[permuted(at, len)] = output[at]);
            output = ordered;
        }
        hasher.rows(&[&output]);
        Ok(())
    }

    fn backend(&self) -> Backend {
        self.backend
    }

    fn logits(&mut self, rows: &LogitRows, hasher: &mut Hasher) -> Result<(), Error> {
        let way = if let Way::Parts = self.way { Pieces::Chunks } else { Pieces::Whole };
        preflane_conformance::logits::hash(self.backend, rows, way, hasher)
    }
}

/// Output `wanted` alone, counted in the order of hashing.
fn only(wanted: usize, all: Outputs<'_>) -> Outputs<'_> {
    let mut one = Outputs::default();
    match wanted {
        0 => one.losses = all.losses,
        1 => one.chosen_rewards = all.chosen_rewards,
        2 => one.rejected_rewards = all.rejected_rewards,
        3 => one.margins = all.margins,
        4 => one.grad_chosen_logps = all.grad_chosen_logps,
        5 => one.grad_rejected_logps = all.grad_rejected_logps,
        6 => one.grad_beta = all.grad_beta,
        7 => one.grad_ref_chosen_logps = all.grad_ref_chosen_logps,
        _ => one.grad_ref_rejected_logps = all.grad_ref_rejected_logps,
    }
    one
}

/// Compares one level in every way, or in some.
fn compare_level(backend: Backend, extent: Extent, tally: &mut Tally) {
    let expected = Expected::committed();
    for set in Set::ALL {
        for &way in Way::of(set, extent) {
            let start = Instant::now();
            // One output a call costs as much as all else together: a case of each loss that exact values define is enough.
            let brief = extent != Extent::All || matches!(way, Way::Single);
            let mut got = Vec::new();
            let mut sink = |name: Name, digest| got.push((name.to_string(), digest));
            let runner: &mut dyn Runner =
                if let Way::Blocks = way { &mut Blocks(backend) } else { &mut Whole { backend, way } };
            let outcome =
                if brief { digests(set, &mut Brief(runner), &mut sink) } else { digests(set, runner, &mut sink) };
            let title = format!("{} {} {}", backend.level().name(), set.name(), way.name());
            if let Err(refused) = outcome {
                println!("REFUSED {title}: {}: {}", refused.name, refused.error);
            }
            let mut expected = expected.of(set);
            expected.retain(|(name, _)| !brief || is_of_few(name));
            compare(tally, &title, &expected, &got, start.elapsed().as_secs_f64());
        }
    }
}

/// Every available level, or the one that `PREFLANE_LEVEL` forces.
fn levels() -> Result<Vec<Backend>, Error> {
    if std::env::var_os("PREFLANE_LEVEL").is_some() {
        return Ok(vec![Backend::from_env()?]);
    }
    Level::ALL.into_iter().filter(|level| level.is_available()).map(Backend::new).collect()
}

fn compare_levels(required: &[Level], extent: Extent) -> Result<ExitCode, Error> {
    let backends = levels()?;
    let mut tally = Tally::default();
    for &backend in &backends {
        compare_level(backend, extent, &mut tally);
    }
    let missing: BTreeSet<_> =
        required.iter().filter(|level| backends.iter().all(|b| b.level() != **level)).map(|l| l.name()).collect();
    for level in &missing {
        println!("MISSING level {level} is required and was not compared");
    }
    Ok(verdict(&tally, missing.is_empty()))
}

/// The last line and the exit status.
fn verdict(tally: &Tally, complete: bool) -> ExitCode {
    let Tally { compared, differ, configurations } = tally;
    println!("{compared} digests compared in {configurations} configurations, {differ} differ");
    if *differ == 0 && complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn compare_stdin() -> ExitCode {
    let lines: Vec<String> = std::io::stdin().lock().lines().map_while(Result::ok).collect();
    let got: Vec<_> =
        lines.iter().filter_map(|line| parse(line.trim_end())).map(|(name, digest)| (name.into(), digest)).collect();
    let mut tally = Tally::default();
    // What is no digest is the device's own report, of a panic for one.
    lines.iter().filter(|line| parse(line.trim_end()).is_none()).for_each(|line| println!("{line}"));
    let mut expected = Expected::committed().of(Set::Core);
    expected.retain(|(name, _)| is_of_few(name));
    compare(&mut tally, "core from the device", &expected, &got, 0.0);
    verdict(&tally, true)
}

fn print() -> Result<ExitCode, Error> {
    let backend = Backend::new(Level::Scalar)?;
    println!("{HEADER}\n# definition {}", preflane::DEFINITION);
    for description in LOSSES.iter().filter(|loss| loss.shape != Shape::Contrastive) {
        for index in 0..CASES {
            let values = description.case(index);
            let parameters = description.parameters.iter().zip(values.iter());
            let parameters: Vec<_> = parameters.map(|(p, value)| format!("{} {value:?}", p.name)).collect();
            println!("# {}/{index}: {}", description.name, parameters.join(", "));
        }
        if reach(description) < f32::MAX {
            println!("# {} within: {}", description.name, reach(description));
        }
        if let Some(column) = description.column {
            let grid: Vec<_> = column.grid.iter().map(|value| format!("{value:?}")).collect();
            println!("# {} column {}: {}", description.name, column.name, grid.join(" "));
        }
    }
    for set in Set::ALL {
        let outcome = digests(set, &mut Blocks(backend), &mut |name, digest| println!("{name} {digest:016x}"));
        if let Err(refused) = outcome {
            eprintln!("preflane-conformance: {}: {}", refused.name, refused.error);
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the bits behind the digest `wanted`.
fn rows(wanted: &str) -> Result<ExitCode, Error> {
    let backend = Backend::from_env()?;
    let hex = |values: &[f32]| values.iter().map(|v| format!(" {:08x}", v.to_bits())).collect::<String>();
    let mut found = false;
    for set in Set::ALL {
        for case in Case::of(set, Shape::Pairwise) {
            let loss = &case.loss()?;
            for family in case.rows(set) {
                for form in Form::ALL {
                    let part = match (case.description.nearest, form.reference) {
                        (true, _) => "pairs",
                        (false, true) => "ref",
                        (false, false) => "free",
                    };
                    if (Name { set, what: What::Loss(case), inputs: family.name, part }).to_string() != wanted {
                        continue;
                    }
                    found = true;
                    let mut columns = Columns::new(loss, family, 0..family.len);
                    let (input, output) = columns.part(0, family.len);
                    Run::on(backend).evaluate(loss, form.pairs(loss, input), form.all(output), None)?;
                    let weights = if form.weights { "weighted" } else { "plain" };
                    for at in 0..family.len {
                        let outputs: Vec<f32> = columns.output[..form.outputs()].iter().map(|c| c[at]).collect();
                        println!(
                            "{weights} {at}:{} ->{}",
                            hex(&columns.input.each_ref().map(|c| c[at])),
                            hex(&outputs)
                        );
                    }
                }
            }
        }
        for function in preflane_conformance::FUNCTIONS {
            for arguments in Arguments::of(set) {
                let name = Name { set, what: What::Other(function.name), inputs: arguments.name, part: "values" };
                if name.to_string() != wanted {
                    continue;
                }
                found = true;
                for at in 0..arguments.len {
                    let (x, mut y) = (arguments.value(at), [0.0]);
                    (function.slice)(backend, &[x], &mut y)?;
                    println!("{at}:{} ->{}", hex(&[x]), hex(&y));
                }
            }
        }
    }
    if !found {
        eprintln!("preflane-conformance: no rows behind a digest of this name: {wanted}");
    }
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn run() -> Result<ExitCode, Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (extent, arguments) = match arguments[..] {
        ["--brief", ref others @ ..] => (Extent::Brief, others),
        ["--core", ref others @ ..] => (Extent::Core, others),
        ref all => (Extent::All, all),
    };
    match *arguments {
        [] => compare_levels(&[], extent),
        ["--require", levels] => {
            compare_levels(&levels.split(',').map(Level::from_name).collect::<Result<Vec<_>, _>>()?, extent)
        }
        _ if extent != Extent::All => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
        ["--print"] => print(),
        ["--compare-stdin"] => Ok(compare_stdin()),
        ["--rows", name] => rows(name),
        ["--help" | "-h"] => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("preflane-conformance: {error}");
        ExitCode::from(2)
    })
}
