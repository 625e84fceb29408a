//! Logits to log-probabilities, statistics and the gradient, against the judge.

use crate::{bits, choices, on_every_level, scaling};
use half::{bf16, f16};
use preflane::Run;
use preflane::logits::{Element, Gradient, Labels, LogSumExp, Logits, LogitsMut, Seeds, Targets, TokenOutputs};
use preflane_judge::logits::{Parameters, Row, mean};
use preflane_judge::{Float, Format, ulps};

/// The published bounds: of log-probabilities and statistics, of gradients in `f32`, in the halves.
const LOGP: f64 = 0.51;
const GRADIENT: f64 = 0.51;
const HALF_GRADIENT: f64 = 0.501;

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    let parameters = v.scaling();
    let row = v.logits(70, true);
    let target = v.below(row.len());
    let seed = match v.below(4) {
        0 => v.finite(),
        1 => -1.0,
        _ => 0.037,
    };
    match v.below(4) {
        0 => judge(&halves(&row, bf16::from_f32), bf16::to_f32, Format::BF16, target, seed, parameters),
        1 => judge(&halves(&row, f16::from_f32), f16::to_f32, Format::F16, target, seed, parameters),
        _ => judge(&row, |x| x, Format::F32, target, seed, parameters),
    }
}

/// The same logits in a narrower type, those that leave its range halved until they fit.
fn halves<T: Copy + PartialOrd>(row: &[f32], narrow: fn(f32) -> T) -> Vec<T> {
    let most = narrow(f32::INFINITY);
    let least = narrow(f32::NEG_INFINITY);
    let fit = |&x: &f32| {
        let mut x = x;
        while x.is_finite() && (narrow(x) >= most || narrow(x) <= least) {
            x /= 2.0;
        }
        narrow(x)
    };
    row.iter().map(fit).collect()
}

fn judge<T: Element>(row: &[T], widen: fn(T) -> f32, format: Format, target: usize, seed: f32, parameters: Parameters) {
    let n = row.len();
    let single: Vec<f32> = row.iter().map(|&x| widen(x)).collect();
    let scaling = scaling(parameters);
    let labels = [target as i64];
    let targets = Targets::new(Labels::I64(&labels));
    let logits = Logits::new(row, 1, n).expect("one row");
    let exact = Row::new(&single, parameters);
    let what = || format!("{format:?} {single:?} target {target}, {parameters:?}, seed {seed:e}");

    let mut sums = [LogSumExp::default()];
    let [logp, entropy, squares, average, top1] = on_every_level(|backend| {
        let (mut logps, mut entropies, mut squares, mut means, mut top1) = ([7.0], [7.0], [7.0], [7.0], [false]);
        let outputs = TokenOutputs {
            logps: Some(&mut logps),
            log_sum_exps: Some(&mut sums),
            entropies: Some(&mut entropies),
            log_sum_squares: Some(&mut squares),
            mean_logits: Some(&mut means),
            top1: Some(&mut top1),
        };
        Run::on(backend).token_logps(logits, targets, &scaling, outputs).expect("good arguments");
        let all = [logps[0], entropies[0], squares[0], means[0], u8::from(top1[0]).into()];
        all.map(f32::to_bits)
    })
    .map(f32::from_bits);
    let check = |name: &str, got: f32, exact: &Float, bound: f64| {
        let error = ulps(got, exact);
        assert!(error <= bound, "{}: {name} {got:e}, exact {exact:.20}, {error} ULP", what());
    };
    check("logp", logp, &exact.logp(target), LOGP);
    assert!(logp <= 0.0 && !(logp == 0.0 && logp.is_sign_negative()), "{}: logp {logp}", what());
    check("entropy", entropy, &exact.entropy(), LOGP);
    check("ln sum p^2", squares, &exact.log_sum_squares(), LOGP);
    if single.iter().all(|x| x.is_finite()) {
        check("mean", average, &mean(&single), 0.5);
    }
    let first = single.iter().position(|&x| single.iter().all(|&y| y <= x)) == Some(target);
    assert_eq!(top1 == 1.0, first, "{}: top-1", what());

    let seeds = Seeds { log_sum_exps: &sums, grad_logps: &[seed] };
    let grads = on_every_level(|backend| {
        let mut apart = row.to_vec();
        let view = LogitsMut::new(&mut apart, 1, n).expect("one row");
        Run::on(backend)
            .logits_grad(logits, targets, &scaling, seeds, Gradient::default(), view)
            .expect("good arguments");
        let mut place = row.to_vec();
        let view = LogitsMut::new(&mut place, 1, n).expect("one row");
        Run::on(backend).logits_grad_in_place(view, targets, &scaling, seeds, false).expect("good arguments");
        let [apart, place] = [apart, place].map(|x| bits(&x.into_iter().map(widen).collect::<Vec<_>>()));
        assert_eq!(apart, place, "{}: in place", what());
        apart
    });
    let bound = if format == Format::F32 { GRADIENT } else { HALF_GRADIENT };
    for (column, got) in grads.into_iter().map(f32::from_bits).enumerate() {
        let exact = exact.gradient(column, target, seed);
        let error = format.ulps(got, &exact);
        assert!(error <= bound, "{}: gradient {column} {got:e}, exact {exact:.20}, {error} ULP", what());
    }
}
