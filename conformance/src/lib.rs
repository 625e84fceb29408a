//! The room that proves preflane's first promise: the same input bits give the same output bits on every CPU level and
//! platform.
//!
//! A fixed set of inputs ([`inputs`]) goes through every loss, every elementary function, the logits' kernels and the streaming
//! evaluator; the bits of all outputs,
//! little-endian, go into one SHA-256 digest a case, and `conformance/digests.txt` holds what they must be. The library part
//! is no_std and never allocates, so the same code runs on a server and on a microcontroller (`tests/firmware`);
//! `tests/platforms.sh` runs it everywhere.
//!
//! After a deliberate change of the numerics, write the digests anew from the top of the repository:
//!
//! ```text
//! cargo run --release -p preflane-conformance -- --print > conformance/digests.txt
//! ```
//!
//! What the digests cannot promise: outputs of the losses are f32 and they work in f64, so that a change of the last
//! f64 bit seldom reaches them (of logits, the f64 bits of every log-sum-exp are hashed). A coefficient changed by 1e-9 shows; one fused multiply-add did not when it was tried. The
//! `midpoints` rows narrow that gap and do not close it.
//!
//! When a platform differs, `preflane-conformance --rows NAME` prints inputs and outputs behind one digest in
//! hexadecimal; compare what two platforms or levels say.
#![no_std]

use core::array::from_fn;
use core::fmt;

use preflane::losses::{CASES, Description, LOSSES, Shape};
use preflane::{Backend, Error, ExactSum, Loss, Metrics, Outputs, Pairs, Reference, Run};
use sha2::{Digest as _, Sha256};

pub mod answers;
pub mod expected;
pub mod inputs;
pub mod logits;
pub mod streaming;

use inputs::{Arguments, LogitRows, Rows, Set};

/// Outputs of one pair, in the order in which they are hashed: losses, chosen and rejected rewards, margins, gradients
/// by both policy log-probabilities, by beta, and by both reference log-probabilities.
pub const OUTPUTS: usize = 9;

/// Columns of the inputs of pairs.
pub const INPUTS: usize = 6;

/// How many of the [`OUTPUTS`] a reference-free evaluation has.
pub const OUTPUTS_FREE: usize = 7;

/// Rows that [`Blocks`] evaluates at a time: little enough for the stack of a microcontroller.
pub const BLOCK: usize = 64;

/// A loss of the list with one set of its parameters, those that [`Description::case`] gives.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The loss.
    pub description: &'static Description,
    /// Which set.
    pub index: usize,
}

impl Case {
    /// The losses of a shape, each with all sets of parameters, or for the long inputs with the first one.
    pub fn of(set: Set, shape: Shape) -> impl Iterator<Item = Case> {
        let sets = if set == Set::Long { 1 } else { CASES };
        let of_shape = LOSSES.iter().copied().filter(move |description| description.shape == shape);
        of_shape.flat_map(move |description| (0..sets).map(move |index| Case { description, index }))
    }

    /// Whether it is one of the few that an emulated machine computes.
    pub const fn is_of_few(&self) -> bool {
        !self.description.nearest || self.index == self.description.number as usize % CASES
    }

    /// The families of rows that it is hashed over in a set.
    pub const fn rows(&self, set: Set) -> &'static [Rows] {
        match (self.description.nearest, set) {
            (true, Set::Core) => Rows::ALL,
            (true, _) => &[],
            (false, set) => Rows::of(set),
        }
    }

    /// The loss of pairs.
    pub fn loss(&self) -> Result<Loss, Error> {
        Loss::new(self.description, &self.description.case(self.index))
    }
}

/// With or without a reference model, with or without weights.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Whether the reference's log-probabilities are given.
    pub reference: bool,
    /// Whether weights are given.
    pub weights: bool,
}

impl Form {
    /// The four forms in the order in which they are hashed.
    pub const ALL: [Form; 4] = [
        Form { reference: true, weights: false },
        Form { reference: true, weights: true },
        Form { reference: false, weights: false },
        Form { reference: false, weights: true },
    ];

    /// Number of outputs of a pair.
    pub const fn outputs(self) -> usize {
        if self.reference { OUTPUTS } else { OUTPUTS_FREE }
    }

    /// The pairs of these columns (policy chosen, policy rejected, reference chosen, reference rejected, weights, and what the loss takes
    /// beside them, if it does).
    pub fn pairs<'a>(self, loss: &Loss, columns: [&'a [f32]; INPUTS]) -> Pairs<'a> {
        let [pc, pr, chosen_logps, rejected_logps, weights, column] = columns;
        Pairs {
            policy_chosen_logps: pc,
            policy_rejected_logps: pr,
            reference: self.reference.then_some(Reference { chosen_logps, rejected_logps }),
            weights: self.weights.then_some(weights),
            column: loss.description().column.map(|_| column),
        }
    }

    /// Places for all outputs of this form.
    pub fn all<'a>(self, columns: [&'a mut [f32]; OUTPUTS]) -> Outputs<'a> {
        let [loss, rewards_c, rewards_r, margin, by_chosen, by_rejected, by_beta, by_ref_c, by_ref_r] = columns;
        Outputs {
            losses: Some(loss),
            chosen_rewards: Some(rewards_c),
            rejected_rewards: Some(rewards_r),
            margins: Some(margin),
            grad_chosen_logps: Some(by_chosen),
            grad_rejected_logps: Some(by_rejected),
            grad_beta: Some(by_beta),
            grad_ref_chosen_logps: self.reference.then_some(by_ref_c),
            grad_ref_rejected_logps: self.reference.then_some(by_ref_r),
        }
    }
}

/// A function over a slice, at the level of a back end.
pub type SliceFunction = fn(Backend, &[f32], &mut [f32]) -> Result<(), Error>;

/// An elementary function in both of its shapes.
#[derive(Debug)]
pub struct Function {
    /// Part of the digest's name.
    pub name: &'static str,
    /// Over a slice.
    pub slice: SliceFunction,
    /// A function of one number.
    pub one: fn(f32) -> f32,
}

macro_rules! functions {
    ($($name:ident)+) => {
        &[$(Function {
            name: stringify!($name),
            slice: preflane::elementary::slices::$name,
            one: preflane::elementary::$name,
        }),+]
    };
}

/// Every elementary function.
pub const FUNCTIONS: &[Function] = functions!(exp log log1p expm1 log1mexp sigmoid log_sigmoid softplus);

/// What a digest is of.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// A loss: its name and the number of its set of parameters.
    Loss(Case),
    /// Anything else.
    Other(&'static str),
}

/// The name of a digest: the set, then what was computed, then from which inputs.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// The set of inputs.
    pub set: Set,
    /// The loss or function.
    pub what: What,
    /// The family of inputs.
    pub inputs: &'static str,
    /// What was hashed.
    pub part: &'static str,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.set.name())?;
        f.write_str("/")?;
        match self.what {
            What::Loss(Case { description, index }) => {
                f.write_str(description.name)?;
                f.write_str("/")?;
                fmt::Display::fmt(&index, f)?;
            }
            What::Other(name) => f.write_str(name)?,
        }
        for part in ["/", self.inputs, "/", self.part] {
            f.write_str(part)?;
        }
        Ok(())
    }
}

/// The library refused an input that it promises to take.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// The digest that could not be computed.
    pub name: Name,
    /// What the library said.
    pub error: Error,
}

/// Collects bits.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes the bits of one number.
    pub fn float(&mut self, value: f32) {
        self.0.update(value.to_bits().to_le_bytes());
    }

    /// Takes the bits of all rows of these output columns, row by row.
    pub fn rows(&mut self, columns: &[&[f32]]) {
        for row in 0..columns[0].len() {
            columns.iter().for_each(|column| self.float(column[row]));
        }
    }

    /// Takes bytes.
    #[cfg(all(test, feature = "std"))]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn option(&mut self, value: Option<f32>) {
        self.0.update([u8::from(value.is_some())]);
        self.float(value.unwrap_or(0.0));
    }

    fn short(&mut self, value: u16) {
        self.0.update(value.to_le_bytes());
    }

    fn integer(&mut self, value: u64) {
        self.0.update(value.to_le_bytes());
    }

    fn sum(&mut self, sum: &ExactSum, count: u64) {
        self.float(sum.sum());
        self.float(sum.mean(count));
    }

    fn metrics(&mut self, metrics: &Metrics) {
        let report = metrics.report();
        let means = [
            report.loss,
            report.rewards_chosen,
            report.rewards_rejected,
            report.rewards_accuracies,
            report.rewards_margins,
            report.logps_chosen,
            report.logps_rejected,
        ];
        means.into_iter().for_each(|mean| self.float(mean));
        for fell in [report.chosen_fell, report.rejected_fell, report.both_fell] {
            self.option(fell);
        }
        let counts = [
            report.pairs,
            report.ties,
            report.nonfinite,
            metrics.pairs(),
            metrics.accurate(),
            metrics.ties(),
            metrics.nonfinite(),
            metrics.chosen_fell(),
            metrics.rejected_fell(),
            metrics.both_fell(),
        ];
        counts.into_iter().for_each(|count| self.integer(count));
        let sums = [
            metrics.loss(),
            metrics.rewards_chosen(),
            metrics.rewards_rejected(),
            metrics.margins(),
            metrics.logps_chosen(),
            metrics.logps_rejected(),
        ];
        sums.into_iter().for_each(|sum| self.sum(sum, metrics.pairs()));
    }

    /// The first 64 bits of the digest.
    pub fn finish(self) -> u64 {
        let digest = self.0.finalize();
        digest[..8].iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte))
    }
}

/// A way to run the library over a family of inputs. However it cuts, orders and shares out the rows, the digests are
/// the same: it must hand the outputs over in the order of the inputs.
pub trait Runner {
    /// Evaluates `loss` over all `rows`, hands all outputs to `hasher`, and returns the metrics.
    fn pairs(&mut self, loss: &Loss, rows: &Rows, form: Form, hasher: &mut Hasher) -> Result<Metrics, Error>;

    /// Evaluates `function` at all `arguments` and hands the values to `hasher`.
    fn elementary(&mut self, function: &Function, arguments: &Arguments, hasher: &mut Hasher) -> Result<(), Error>;

    /// Where it runs.
    fn backend(&self) -> Backend;

    /// Whether few digests are enough, as on what emulates a machine: of each loss by value those of one set of parameters, which is another
    /// from loss to loss.
    fn is_brief(&self) -> bool {
        false
    }

    /// Takes all `rows` forwards and backwards and hands the results to `hasher`.
    fn logits(&mut self, rows: &LogitRows, hasher: &mut Hasher) -> Result<(), Error>;
}

/// Another runner, with few digests.
#[derive(Debug)]
pub struct Brief<R>(pub R);

impl<R: Runner + ?Sized> Runner for Brief<&mut R> {
    fn pairs(&mut self, loss: &Loss, rows: &Rows, form: Form, hasher: &mut Hasher) -> Result<Metrics, Error> {
        self.0.pairs(loss, rows, form, hasher)
    }
    fn elementary(&mut self, function: &Function, arguments: &Arguments, hasher: &mut Hasher) -> Result<(), Error> {
        self.0.elementary(function, arguments, hasher)
    }
    fn backend(&self) -> Backend {
        self.0.backend()
    }
    fn is_brief(&self) -> bool {
        true
    }
    fn logits(&mut self, rows: &LogitRows, hasher: &mut Hasher) -> Result<(), Error> {
        self.0.logits(rows, hasher)
    }
}

/// Whether the digest of that name is one of the few.
pub fn is_of_few(name: &str) -> bool {
    let mut parts = name.split('/').skip(1);
    let loss = parts.next().and_then(|name| LOSSES.iter().find(|loss| loss.name == name));
    match (loss, parts.next().and_then(|index| index.parse().ok())) {
        (Some(description), Some(index)) => Case { description, index }.is_of_few(),
        _ => true,
    }
}

/// Runs in blocks of [`BLOCK`] rows, in fixed memory.
#[derive(Clone, Copy, Debug)]
pub struct Blocks(pub Backend);

/// Columns of one block.
struct Block<const COLUMNS: usize>([[f32; BLOCK]; COLUMNS]);

impl<const COLUMNS: usize> Block<COLUMNS> {
    const ZERO: Self = Self([[0.0; BLOCK]; COLUMNS]);

    fn columns(&self, len: usize) -> [&[f32]; COLUMNS] {
        self.0.each_ref().map(|column| &column[..len])
    }

    fn columns_mut(&mut self, len: usize) -> [&mut [f32]; COLUMNS] {
        self.0.each_mut().map(|column| &mut column[..len])
    }
}

/// The starts and lengths of the blocks of `len` rows.
fn blocks(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).step_by(BLOCK).map(move |start| (start, BLOCK.min(len - start)))
}

/// What row `index` has beside its log-probabilities: the numbers of the column's grid in turn, 0 where the loss takes nothing.
pub fn beside(description: &Description, index: usize) -> f32 {
    description.column.map_or(0.0, |column| column.grid[index % column.grid.len()] as f32)
}

/// What the log-probabilities of a loss lie within: of one that has exponentials of them less far out, for the products of those beyond are
/// what no exact value defines.
pub fn reach(description: &Description) -> f32 {
    if description.nearest && description.formula.contains("e^") { 65_536.0 } else { f32::MAX }
}

/// Writes row `index` into its place in the columns.
pub fn place(loss: &Loss, rows: &Rows, index: usize, columns: &mut [&mut [f32]; INPUTS], at: usize) {
    let row = rows.row(index);
    let (column, reach) = (beside(loss.description(), index), reach(loss.description()));
    let within = |x: f32| if x.is_finite() { x.clamp(-reach, reach) } else { x };
    let [pc, pr] = [row.policy_chosen, row.policy_rejected].map(within);
    let [rc, rr] = [row.ref_chosen, row.ref_rejected].map(within);
    let values = [pc, pr, rc, rr, row.weight, column];
    for (column, value) in columns.iter_mut().zip(values) {
        column[at] = value;
    }
}

impl Runner for Blocks {
    fn pairs(&mut self, loss: &Loss, rows: &Rows, form: Form, hasher: &mut Hasher) -> Result<Metrics, Error> {
        let (mut input, mut output) = (Block::<INPUTS>::ZERO, Block::<OUTPUTS>::ZERO);
        let mut metrics = Metrics::new();
        for (start, len) in blocks(rows.len) {
            let mut columns = input.columns_mut(len);
            (0..len).for_each(|at| place(loss, rows, start + at, &mut columns, at));
            let pairs = form.pairs(loss, input.columns(len));
            Run::on(self.0).evaluate(loss, pairs, form.all(output.columns_mut(len)), Some(&mut metrics))?;
            hasher.rows(&output.columns(len)[..form.outputs()]);
        }
        Ok(metrics)
    }

    fn elementary(&mut self, function: &Function, arguments: &Arguments, hasher: &mut Hasher) -> Result<(), Error> {
        let (mut input, mut output) = ([0.0; BLOCK], [0.0; BLOCK]);
        for (start, len) in blocks(arguments.len) {
            (0..len).for_each(|at| input[at] = arguments.value(start + at));
            (function.slice)(self.0, &input[..len], &mut output[..len])?;
            hasher.rows(&[&output[..len]]);
        }
        Ok(())
    }

    fn backend(&self) -> Backend {
        self.0
    }

    fn logits(&mut self, rows: &LogitRows, hasher: &mut Hasher) -> Result<(), Error> {
        logits::hash(self.0, rows, logits::Columns::Whole, hasher)
    }
}

/// Computes all digests of a set and calls back with each, always in the same order.
pub fn digests(set: Set, runner: &mut dyn Runner, sink: &mut dyn FnMut(Name, u64)) -> Result<(), Refused> {
    let brief = runner.is_brief();
    for case in Case::of(set, Shape::Pairwise).filter(|case| !brief || case.is_of_few()) {
        for rows in case.rows(set) {
            let name = |part| Name { set, what: What::Loss(case), inputs: rows.name, part };
            let refused = |part| move |error| Refused { name: name(part), error };
            let loss = case.loss().map_err(refused("ref"))?;
            if case.description.nearest {
                let mut hasher = Hasher::default();
                for form in Form::ALL {
                    let metrics = runner.pairs(&loss, rows, form, &mut hasher).map_err(refused("pairs"))?;
                    hasher.metrics(&metrics);
                }
                sink(name("pairs"), hasher.finish());
                continue;
            }
            let [mut with_reference, mut free, mut metrics] = from_fn(|_| Hasher::default());
            for form in Form::ALL {
                let (part, hasher) = if form.reference { ("ref", &mut with_reference) } else { ("free", &mut free) };
                metrics.metrics(&runner.pairs(&loss, rows, form, hasher).map_err(refused(part))?);
            }
            sink(name("ref"), with_reference.finish());
            sink(name("free"), free.finish());
            sink(name("metrics"), metrics.finish());
        }
    }
    for shape in [Shape::Labelled, Shape::Listed] {
        for case in Case::of(set, shape).filter(|case| !brief || case.is_of_few()) {
            for rows in case.rows(set) {
                let name = Name { set, what: What::Loss(case), inputs: rows.name, part: "answers" };
                let mut hasher = Hasher::default();
                answers::hash(runner.backend(), &case, rows, &mut hasher).map_err(|error| Refused { name, error })?;
                sink(name, hasher.finish());
            }
        }
    }
    for function in FUNCTIONS {
        for arguments in Arguments::of(set) {
            let name = Name { set, what: What::Other(function.name), inputs: arguments.name, part: "values" };
            let mut hasher = Hasher::default();
            runner.elementary(function, arguments, &mut hasher).map_err(|error| Refused { name, error })?;
            sink(name, hasher.finish());
        }
    }
    for rows in LogitRows::of(set) {
        let name = Name { set, what: What::Other("logits"), inputs: rows.name, part: "rows" };
        let mut hasher = Hasher::default();
        runner.logits(rows, &mut hasher).map_err(|error| Refused { name, error })?;
        sink(name, hasher.finish());
    }
    // The long set is for threads.
    for rows in Rows::of(set).iter().filter(|_| set != Set::Long) {
        let name = Name { set, what: What::Other("streaming"), inputs: rows.name, part: "monitor" };
        let mut hasher = Hasher::default();
        streaming::hash(rows, &mut hasher).map_err(|error| Refused { name, error })?;
        sink(name, hasher.finish());
    }
    for arguments in Arguments::of(set) {
        sink(Name { set, what: What::Other("exact-sum"), inputs: arguments.name, part: "sums" }, sums(arguments));
    }
    Ok(())
}

/// Running sums of the arguments, added one by one and merged from 7 parts in turn. Infinities and NaN would hide all
/// that comes after them, so those are skipped, but added at the end.
fn sums(arguments: &Arguments) -> u64 {
    let mut hasher = Hasher::default();
    let (mut whole, mut parts): (_, [ExactSum; 7]) = (ExactSum::default(), from_fn(|_| ExactSum::default()));
    let mut count = 0;
    for at in 0..arguments.len {
        let value = arguments.value(at);
        if value.is_finite() {
            whole.add(value);
            parts[at % 7].add(value);
            count += 1;
            if u64::is_multiple_of(count, 32) {
                hasher.sum(&whole, count);
            }
        }
    }
    let mut merged = ExactSum::default();
    parts.iter().rev().for_each(|part| merged.merge(part));
    hasher.sum(&merged, count);
    for special in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        merged.add(special);
        whole.merge(&merged);
        hasher.sum(&merged, count);
        hasher.sum(&whole, count);
    }
    hasher.finish()
}
