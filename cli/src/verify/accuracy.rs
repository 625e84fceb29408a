//! The largest error of every result against the judge.

use std::sync::{LazyLock, Mutex};

use half::{bf16, f16};
use preflane::contrastive::{InfoNceOutputs, Similarities};
use preflane::logits::{
    Element, Gradient, Labels, LogSumExp, Logits, LogitsMut, Scaling, Seeds, Targets, TokenOutputs,
};
use preflane::losses::{Description, LOSSES, Parameter, Shape};
use preflane::{Backend, ExactSum, Loss, Outputs, Pairs, Run};
use preflane_judge::classes::Values;
use preflane_judge::logits::{Parameters, Row};
use preflane_judge::{
    Float, Format, RESULTS, Random, Textbook, contrastive, log_ratios, pair, rows_near, sums, textbook,
};
use rayon::prelude::*;

use super::Check;
use crate::progress::Progress;

/// Rounds; each has pairs, rows of logits, rows of similarities and sums.
const ROUNDS: u64 = 2_000;
const PAIRS: usize = 100;
const ROWS: usize = 50;
const SIMILARITIES: usize = 20;
const SUMS: usize = 50;

/// What is judged, with the published bounds in units in the last place. The results of a pair come first.
const OUTPUTS: [(&str, f64); 20] = {
    let mut outputs = [("", 0.501); 20];
    let mut k = 0;
    while k < RESULTS.len() {
        outputs[k].0 = RESULTS[k];
        k += 1;
    }
    outputs[LOGP] = ("token log-probability", 0.51);
    outputs[ENTROPY] = ("entropy", 0.51);
    outputs[SQUARES] = ("ln sum p^2", 0.51);
    outputs[GRADIENT] = ("logit's gradient, f32", 0.51);
    outputs[GRADIENT + 1] = ("logit's gradient, bf16", 0.501);
    outputs[GRADIENT + 2] = ("logit's gradient, f16", 0.501);
    outputs[INFO_NCE] = ("InfoNCE loss", 0.51);
    outputs[INFO_NCE + 1] = ("InfoNCE by positive", 0.51);
    outputs[INFO_NCE + 2] = ("InfoNCE by negative", 0.51);
    outputs[SUM] = ("exact sum", 0.5);
    outputs[SUM + 1] = ("exact mean", 0.5);
    outputs
};
const LOGP: usize = 9;
const ENTROPY: usize = 10;
const SQUARES: usize = 11;
const GRADIENT: usize = 12;
const INFO_NCE: usize = 15;
const SUM: usize = 18;

/// The largest error of one output so far.
#[derive(Clone, Debug, Default)]
struct Worst {
    cases: u64,
    error: f64,
    /// The input behind the first error beyond the bound.
    broken: Option<String>,
}

/// One an output.
#[derive(Clone, Debug)]
struct Table([Worst; OUTPUTS.len()]);

impl Table {
    fn new() -> Self {
        Self(std::array::from_fn(|_| Worst::default()))
    }

    fn add(&mut self, output: usize, format: Format, got: f32, exact: &Float, input: impl Fn() -> String) {
        let error = format.ulps(got, exact);
        let worst = &mut self.0[output];
        worst.cases += 1;
        worst.error = worst.error.max(error);
        if error > OUTPUTS[output].1 {
            worst.broken.get_or_insert_with(|| format!("{got:e} ({error} ULP from {exact:.12}): {}", input()));
        }
    }

    fn and(mut self, other: Self) -> Self {
        for (worst, more) in self.0.iter_mut().zip(other.0) {
            worst.cases += more.cases;
            worst.error = worst.error.max(more.error);
            worst.broken = worst.broken.take().or(more.broken);
        }
        self
    }
}

/// One check an output.
pub fn checks(backends: &[Backend]) -> Vec<Check> {
    let progress = Mutex::new((Progress::of_steps("accuracy", ROUNDS), 0));
    let round = |round: u64| {
        let mut table = Table::new();
        let mut values = Values::new(Random(round));
        // The levels have the same bits: each takes its turn.
        let backend = backends[round as usize % backends.len()];
        pairs(&mut values, backend, &mut table);
        (0..ROWS).for_each(|_| logits(&mut values, backend, &mut table));
        (0..SIMILARITIES).for_each(|_| similarities(&mut values, backend, &mut table));
        (0..SUMS).for_each(|_| exact_sums(&mut values, &mut table));
        if let Ok(mut progress) = progress.lock() {
            progress.1 += 1;
            let done = progress.1;
            progress.0.update(done);
        }
        table
    };
    let table = (0..ROUNDS).into_par_iter().map(round).reduce(Table::new, Table::and).and(zeros(backends));
    OUTPUTS.iter().zip(table.0).map(|(&(name, bound), worst)| check(name, bound, worst)).collect()
}

fn check(name: &str, bound: f64, Worst { cases, error, broken }: Worst) -> Check {
    let found = format!("{error:.5} ULP, at most {bound}");
    Check { name: name.to_owned(), cases, found, broken: broken.into_iter().collect() }
}

fn pairs(v: &mut Values<Random>, backend: Backend, table: &mut Table) {
    let description = v.pick(&PAIRWISE);
    let parameters: Vec<f64> = description.parameters.iter().map(|parameter| chosen(v, parameter)).collect();
    let judged = Judged::new(description, &parameters);
    let ordinary = v.once_in(2);
    let mut columns = [(); 4].map(|()| Vec::with_capacity(PAIRS));
    for _ in 0..PAIRS {
        columns.iter_mut().for_each(|column| column.push(if ordinary { v.logp() } else { v.finite() }));
    }
    judged.add(&columns, backend, table);
}

/// The losses of pairs.
static PAIRWISE: LazyLock<Vec<&Description>> =
    LazyLock::new(|| LOSSES.iter().copied().filter(|loss| loss.shape == Shape::Pairwise).collect());

/// A value of a parameter: of its grid, or of any size in its range.
fn chosen(v: &mut Values<Random>, parameter: &Parameter) -> f64 {
    let any = [v.beta(), v.label_smoothing(), v.weight().into()];
    let any: Vec<f64> = any.into_iter().filter(|value| parameter.check(*value).is_ok()).collect();
    if any.is_empty() || v.once_in(2) { v.pick(parameter.grid) } else { v.pick(&any) }
}

/// A loss of pairs and its definition.
struct Judged {
    loss: Loss,
    textbook: Textbook,
    column: Option<f32>,
}

impl Judged {
    fn new(description: &Description, parameters: &[f64]) -> Self {
        let loss = Loss::new(description, parameters).expect("parameters within their ranges");
        let textbook = textbook(description.name, parameters).expect("the judge knows every loss");
        // Of what a loss takes beside log-probabilities an everyday number.
        let column = description.column.map(|column| column.grid[0] as f32);
        let columns: Vec<f64> = column.into_iter().map(f64::from).collect();
        Self { loss, textbook: textbook.with_columns(&columns), column }
    }

    /// Every result of some pairs.
    fn add(&self, columns: &[Vec<f32>; 4], backend: Backend, table: &mut Table) {
        let [pc, pr, rc, rr] = columns;
        let mut results = [(); 9].map(|()| vec![0.0; pc.len()]);
        let [losses, chosen, rejected, margins, by_pc, by_pr, by_rc, by_rr, by_beta] = results.each_mut().map(Some);
        let outputs = Outputs {
            losses: losses.map(Vec::as_mut_slice),
            chosen_rewards: chosen.map(Vec::as_mut_slice),
            rejected_rewards: rejected.map(Vec::as_mut_slice),
            margins: margins.map(Vec::as_mut_slice),
            grad_chosen_logps: by_pc.map(Vec::as_mut_slice),
            grad_rejected_logps: by_pr.map(Vec::as_mut_slice),
            grad_ref_chosen_logps: by_rc.map(Vec::as_mut_slice),
            grad_ref_rejected_logps: by_rr.map(Vec::as_mut_slice),
            grad_beta: by_beta.map(Vec::as_mut_slice),
        };
        let column = self.column.map(|value| vec![value; pc.len()]);
        let pairs = Pairs { column: column.as_deref(), ..Pairs::new(pc, pr, rc, rr) };
        Run::on(backend).evaluate(&self.loss, pairs, outputs, None).expect("columns of one length");
        for row in 0..pc.len() {
            let logps = columns.each_ref().map(|column| column[row]);
            if self.textbook.is_out_of_reach(&log_ratios(logps)) {
                continue;
            }
            for (k, exact) in pair(&self.textbook, logps, 1.0).iter().enumerate() {
                table.add(k, Format::F32, results[k][row], exact, || format!("{:?} {logps:?}", self.textbook));
            }
        }
    }
}

/// Where each loss or its gradients are 0 or bend, by every value of the grids, as near as four `f32` come.
fn zeros(backends: &[Backend]) -> Table {
    let work: Vec<(&Description, Vec<f64>)> =
        PAIRWISE.iter().flat_map(|loss| grid(loss).map(move |at| (*loss, at))).collect();
    let of_one = |(k, (description, parameters)): (usize, &(&Description, Vec<f64>))| {
        let (judged, mut table) = (Judged::new(description, parameters), Table::new());
        let mut columns = [(); 4].map(|()| Vec::new());
        for row in judged.textbook.zeros().iter().flat_map(|zero| rows_near(&judged.textbook, zero)) {
            columns.iter_mut().zip(row).for_each(|(column, x)| column.push(x));
        }
        judged.add(&columns, backends[k % backends.len()], &mut table);
        table
    };
    work.par_iter().enumerate().map(of_one).reduce(Table::new, Table::and)
}

/// The usual parameters, but one which goes through its grid.
fn grid(description: &Description) -> impl Iterator<Item = Vec<f64>> {
    let usual: Vec<f64> = description.parameters.iter().map(|parameter| parameter.default).collect();
    description.parameters.iter().enumerate().flat_map(move |(k, parameter)| {
        let usual = usual.clone();
        parameter.grid.iter().map(move |value| {
            let mut parameters = usual.clone();
            parameters[k] = *value;
            parameters
        })
    })
}

fn logits(v: &mut Values<Random>, backend: Backend, table: &mut Table) {
    let parameters = v.scaling();
    let row = v.logits(16, true);
    // Of any size; gradients beyond the range of f16 are infinite there.
    let seed = v.logp();
    match v.below(4) {
        0 => judge_row(backend, &narrowed(&row, bf16::from_f32), bf16::to_f32, Format::BF16, parameters, seed, table),
        1 => judge_row(backend, &narrowed(&row, f16::from_f32), f16::to_f32, Format::F16, parameters, seed, table),
        _ => judge_row(backend, &row, |x| x, Format::F32, parameters, seed, table),
    }
}

/// In a narrower type; what is beyond its range becomes 1.
fn narrowed<T: Copy + Into<f32>>(row: &[f32], narrow: fn(f32) -> T) -> Vec<T> {
    let fit = |&x: &f32| if x.is_finite() && !narrow(x).into().is_finite() { narrow(1.0) } else { narrow(x) };
    row.iter().map(fit).collect()
}

fn judge_row<T: Element>(
    backend: Backend,
    row: &[T],
    widen: fn(T) -> f32,
    format: Format,
    parameters: Parameters,
    seed: f32,
    table: &mut Table,
) {
    let (n, target) = (row.len(), row.len() / 2);
    let single: Vec<f32> = row.iter().map(|&x| widen(x)).collect();
    let (temperature, logit_scale, soft_cap) = parameters;
    let scaling = Scaling::new(temperature, logit_scale, soft_cap).expect("parameters within their ranges");
    let labels = [target as i64];
    let targets = Targets::new(Labels::I64(&labels));
    let logits = Logits::new(row, 1, n).expect("one row");
    let (mut sums, mut logps, mut entropies, mut squares) = ([LogSumExp::default()], [0.0], [0.0], [0.0]);
    let outputs = TokenOutputs {
        logps: Some(&mut logps),
        log_sum_exps: Some(&mut sums),
        entropies: Some(&mut entropies),
        log_sum_squares: Some(&mut squares),
        ..Default::default()
    };
    Run::on(backend).token_logps(logits, targets, &scaling, outputs).expect("a target that is a column");
    let mut grads = row.to_vec();
    let view = LogitsMut::new(&mut grads, 1, n).expect("one row");
    let seeds = Seeds { log_sum_exps: &sums, grad_logps: &[seed] };
    Run::on(backend).logits_grad(logits, targets, &scaling, seeds, Gradient::default(), view).expect("one row of each");

    let exact = Row::new(&single, parameters);
    let input = || format!("{format:?} {single:?} target {target} scaling {parameters:?} seed {seed:e}");
    table.add(LOGP, Format::F32, logps[0], &exact.logp(target), input);
    table.add(ENTROPY, Format::F32, entropies[0], &exact.entropy(), input);
    table.add(SQUARES, Format::F32, squares[0], &exact.log_sum_squares(), input);
    let output = match format {
        Format::BF16 => GRADIENT + 1,
        Format::F16 => GRADIENT + 2,
        _ => GRADIENT,
    };
    for (column, &x) in single.iter().enumerate() {
        table.add(LOGP, Format::F32, sums[0].logp(x, &scaling), &exact.logp(column), input);
        table.add(output, format, widen(grads[column]), &exact.gradient(column, target, seed), input);
    }
}

fn similarities(v: &mut Values<Random>, backend: Backend, table: &mut Table) {
    let temperature = v.pick(&[1.0, 0.07, 0.05, 0.5, 0.1, 3.7]);
    let row = v.logits(16, false);
    let (positive, negatives) = (row[0], &row[1..]);
    let m = negatives.len();
    let (mut loss, mut by_positive, mut by_negatives) = ([0.0], [0.0], vec![0.0; m]);
    let outputs = InfoNceOutputs {
        losses: Some(&mut loss),
        grad_positives: Some(&mut by_positive),
        grad_negatives: LogitsMut::new(&mut by_negatives, 1, m).ok(),
        grad_temperature: None,
    };
    let rows = Similarities { positives: &[positive], negatives: Logits::new(negatives, 1, m).ok(), mask: None };
    Run::on(backend).info_nce(rows, temperature, outputs).expect("one row of each");
    let exact = contrastive::info_nce(positive, negatives, temperature);
    let input = || format!("positive {positive:e}, negatives {negatives:?}, temperature {temperature}");
    table.add(INFO_NCE, Format::F32, loss[0], &exact.loss, input);
    table.add(INFO_NCE + 1, Format::F32, by_positive[0], &exact.by_positive, input);
    for (got, exact) in by_negatives.iter().zip(&exact.by_negatives) {
        table.add(INFO_NCE + 2, Format::F32, *got, exact, input);
    }
}

fn exact_sums(v: &mut Values<Random>, table: &mut Table) {
    let n = v.below(40);
    let values: Vec<f32> = (0..n).map(|_| v.finite()).collect();
    let mut sum = ExactSum::new();
    values.iter().for_each(|&x| sum.add(x));
    let exact = sums::sum(&values);
    let count = n.max(1) as u64;
    let input = || format!("{values:?}");
    table.add(SUM, Format::F32, sum.sum(), &exact, input);
    table.add(SUM + 1, Format::F32, sum.mean(count), &sums::mean(&exact, count), input);
}

#[cfg(test)]
mod tests {
    use super::super::with_room;
    use super::*;

    #[test]
    fn an_error_beyond_the_bound_is_told() {
        let mut table = Table::new();
        let exact = preflane_judge::float(1.0) / preflane_judge::float(3.0);
        table.add(0, Format::F32, 1.0 / 3.0, &exact, || "right".into());
        let held = check(OUTPUTS[0].0, OUTPUTS[0].1, table.0[0].clone());
        assert!(held.held() && held.cases == 1, "{}", held.found);
        table.add(0, Format::F32, (1.0_f32 / 3.0).next_up(), &exact, || "wrong".into());
        let broken = check(OUTPUTS[0].0, OUTPUTS[0].1, table.and(Table::new()).0[0].clone());
        assert!(!broken.held() && broken.broken[0].ends_with("wrong"), "{:?}", broken.broken);
    }

    #[test]
    fn every_output_is_named_and_judged() {
        with_room(|| {
            let (mut values, mut table) = (Values::new(Random(1)), Table::new());
            for _ in 0..40 {
                logits(&mut values, Backend::detect(), &mut table);
                similarities(&mut values, Backend::detect(), &mut table);
            }
            pairs(&mut values, Backend::detect(), &mut table);
            exact_sums(&mut values, &mut table);
            for ((name, _), worst) in OUTPUTS.iter().zip(&table.0) {
                assert!(!name.is_empty() && worst.cases > 0 && worst.broken.is_none(), "{name}: {worst:?}");
            }
        });
    }
}
