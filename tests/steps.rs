//! From logits to the loss and back to the logits: sequences, layouts, and whole training steps against `f64`.

use preflane::logits::{
    Labels, Layout, LogSumExp, LogitsMut, Reduction, Scaling, Sequences, Step, StepBuffers, StepOutputs, Targets,
};
use preflane::{Backend, Error, Level, Loss, Metrics, Reference, Run};
use preflane_judge::{Random, float, ulps};

const V: usize = 29;
const T: usize = 7;

/// What one step gives.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stepped {
    grads: Vec<f32>,
    token_logps: Vec<f32>,
    chosen: Vec<f32>,
    rejected: Vec<f32>,
    losses: Vec<f32>,
    metrics: Metrics,
}

#[derive(Clone, Copy)]
struct Batch<'a> {
    logits: &'a [f32],
    labels: &'a [i64],
    reference: [&'a [f32]; 2],
    layout: Layout,
    reduction: Reduction,
    shifted: bool,
}

fn stepped(run: Run, batch: Batch<'_>) -> Stepped {
    let rows = batch.labels.len();
    let pairs = rows / T / 2;
    let targets = match batch.shifted {
        true => Targets::shifted(Labels::I64(batch.labels), T).unwrap(),
        false => Targets::new(Labels::I64(batch.labels)),
    };
    let mut stepped = Stepped {
        grads: batch.logits.to_vec(),
        token_logps: vec![7.0; rows],
        chosen: vec![7.0; pairs],
        rejected: vec![7.0; pairs],
        losses: vec![7.0; pairs],
        metrics: Metrics::new(),
    };
    let mut sums = vec![LogSumExp::default(); rows];
    let (mut token_grads, mut gc, mut gr) = (vec![7.0; rows], vec![7.0; pairs], vec![7.0; pairs]);
    let step = Step {
        loss: Loss::dpo(0.3).unwrap(),
        scaling: Scaling::NONE,
        sequences: Sequences::new(targets, T, batch.layout, batch.reduction).unwrap(),
        reference: Some(Reference { chosen_logps: batch.reference[0], rejected_logps: batch.reference[1] }),
        weights: None,
        column: None,
        grad_scale: 1.0 / pairs as f64,
        zero_padding: false,
    };
    let buffers = StepBuffers {
        token_logps: &mut stepped.token_logps,
        log_sum_exps: &mut sums,
        token_grads: &mut token_grads,
        chosen_logps: &mut stepped.chosen,
        rejected_logps: &mut stepped.rejected,
        grad_chosen_logps: &mut gc,
        grad_rejected_logps: &mut gr,
    };
    let outputs = StepOutputs { losses: Some(&mut stepped.losses), ..Default::default() };
    let logits = LogitsMut::new(&mut stepped.grads, rows, V).unwrap();
    run.step(&step, logits, buffers, outputs, Some(&mut stepped.metrics)).unwrap();
    stepped
}

/// The same step in `f64`, from the formulas: per pair loss, and the logits' gradient.
fn oracle(batch: Batch<'_>, logits: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let rows = batch.labels.len();
    let pairs = rows / T / 2;
    let target = |row: usize| {
        let label = match (batch.shifted, row % T == T - 1) {
            (true, true) => return None,
            (true, false) => batch.labels[row + 1],
            (false, _) => batch.labels[row],
        };
        (label != -100).then_some(label as usize)
    };
    let softmax = |row: usize| {
        let x = &logits[row * V..][..V];
        let max = x.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = x.iter().map(|x| (x - max).exp()).sum();
        x.iter().map(|x| (x - max).exp() / sum).collect::<Vec<f64>>()
    };
    let counted = |s: usize| (s * T..(s + 1) * T).filter(|&row| target(row).is_some()).collect::<Vec<_>>();
    let weights = |rows: &[usize], common: usize| {
        (0..rows.len())
            .map(|place| match batch.reduction {
                Reduction::Sum => 1.0,
                Reduction::Mean => 1.0 / rows.len() as f64,
                Reduction::LengthDesensitized { alpha } => {
                    if place < common {
                        1.0
                    } else {
                        alpha
                    }
                }
            })
            .collect::<Vec<f64>>()
    };
    let (mut losses, mut grads) = (vec![0.0; pairs], vec![0.0; logits.len()]);
    for (pair, loss) in losses.iter_mut().enumerate() {
        let (c, r) = match batch.layout {
            Layout::ChosenFirst => (pair, pairs + pair),
            Layout::Interleaved => (2 * pair, 2 * pair + 1),
        };
        let (c, r) = (counted(c), counted(r));
        let common = c.len().min(r.len());
        let logp = |rows: &[usize]| -> f64 {
            rows.iter().zip(weights(rows, common)).map(|(&row, w)| w * softmax(row)[target(row).unwrap()].ln()).sum()
        };
        let reference = [f64::from(batch.reference[0][pair]), f64::from(batch.reference[1][pair])];
        let z = 0.3 * ((logp(&c) - reference[0]) - (logp(&r) - reference[1]));
        *loss = (-z).exp().ln_1p();
        let slope = -0.3 / (1.0 + z.exp()) / pairs as f64;
        for (rows, sign) in [(&c, 1.0), (&r, -1.0)] {
            for (&row, w) in rows.iter().zip(weights(rows, common)) {
                for (column, p) in softmax(row).into_iter().enumerate() {
                    let hit = f64::from(u8::from(column == target(row).unwrap()));
                    grads[row * V + column] = sign * slope * w * (hit - p);
                }
            }
        }
    }
    (losses, grads)
}

fn labels(random: &mut Random, pairs: usize) -> Vec<i64> {
    let mut labels: Vec<i64> = (0..2 * pairs * T).map(|_| (random.bits() % V as u64) as i64).collect();
    for label in &mut labels {
        if random.bits().is_multiple_of(4) {
            *label = -100;
        }
    }
    // No answer is empty.
    for s in 0..2 * pairs {
        labels[s * T + 1] = 3;
    }
    labels
}

const REDUCTIONS: [Reduction; 4] = [
    Reduction::Sum,
    Reduction::Mean,
    Reduction::LengthDesensitized { alpha: 0.0 },
    Reduction::LengthDesensitized { alpha: 0.4 },
];

#[test]
fn one_step() {
    let mut random = Random(11);
    let pairs = 5;
    for layout in [Layout::ChosenFirst, Layout::Interleaved] {
        for reduction in REDUCTIONS {
            for shifted in [false, true] {
                let labels = labels(&mut random, pairs);
                let logits: Vec<f32> = (0..2 * pairs * T * V).map(|_| random.unit() as f32 * 9.0 - 4.5).collect();
                let reference: Vec<f32> = (0..2 * pairs).map(|_| -20.0 * random.unit() as f32).collect();
                let reference = [&reference[..pairs], &reference[pairs..]];
                let batch = Batch { logits: &logits, labels: &labels, reference, layout, reduction, shifted };
                let ours = stepped(Run::default(), batch);
                let wide: Vec<f64> = logits.iter().map(|&x| x.into()).collect();
                let (losses, grads) = oracle(batch, &wide);
                for (a, b) in ours.losses.iter().zip(&losses) {
                    assert!((f64::from(*a) - b).abs() <= 1e-5 * b.abs().max(1e-3), "{a} {b}");
                }
                for (a, b) in ours.grads.iter().zip(&grads) {
                    assert!((f64::from(*a) - b).abs() <= 1e-5 * b.abs().max(1e-6), "{a} {b}");
                }
                for level in Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()) {
                    assert_eq!(stepped(Run::on(level), batch), ours);
                }
                for threads in [1, 2, 3, 8] {
                    assert_eq!(stepped(Run::default().threads(threads).unwrap(), batch), ours);
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    assert_eq!(pool.install(|| stepped(Run::default().in_pool(), batch)), ours);
                }
            }
        }
    }
}

/// Sums of token log-probabilities are exact.
#[test]
fn sequences_sum_exactly() {
    let mut random = Random(12);
    for _ in 0..200 {
        let labels = labels(&mut random, 1);
        let targets = Targets::new(Labels::I64(&labels));
        let tokens: Vec<f32> = (0..2 * T).map(|_| -(random.unit() * 40.0 - 30.0).exp2() as f32).collect();
        let counted = |s: usize| (s * T..(s + 1) * T).filter(|&i| labels[i] != -100).collect::<Vec<_>>();
        let lengths = [counted(0).len(), counted(1).len()];
        for reduction in REDUCTIONS {
            let sequences = Sequences::new(targets, T, Layout::ChosenFirst, reduction).unwrap();
            let (mut chosen, mut rejected) = ([7.0], [7.0]);
            sequences.logps(&tokens, &mut chosen, &mut rejected).unwrap();
            for (s, got) in [chosen[0], rejected[0]].into_iter().enumerate() {
                assert_eq!(sequences.length(s), lengths[s]);
                let mut sum = float(0.0);
                for (place, i) in counted(s).into_iter().enumerate() {
                    let w = match reduction {
                        Reduction::LengthDesensitized { alpha } if place >= lengths[0].min(lengths[1]) => alpha,
                        _ => 1.0,
                    };
                    sum += float(w) * f64::from(tokens[i]);
                }
                if reduction == Reduction::Mean {
                    sum /= lengths[s] as u32;
                }
                assert!(ulps(got, &sum) <= 0.501, "{reduction:?}: {got:e}");
            }
        }
    }
}

/// Twenty steps of a bigram model by gradient descent, beside the same in `f64`.
#[test]
fn a_trajectory() {
    let mut random = Random(13);
    let pairs = 6;
    let labels = labels(&mut random, pairs);
    let inputs: Vec<usize> = (0..labels.len()).map(|_| random.bits() as usize % V).collect();
    let start: Vec<f64> = (0..V * V).map(|_| random.unit() * 2.0 - 1.0).collect();
    let (mut ours, mut exact) = (start.clone(), start);
    let gather = |weights: &[f64]| inputs.iter().flat_map(|&i| weights[i * V..][..V].to_vec()).collect::<Vec<f64>>();
    let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    // The frozen reference is the start.
    let zero = vec![0.0; pairs];
    let logits = single(&gather(&ours));
    let batch = Batch {
        logits: &logits,
        labels: &labels,
        reference: [&zero, &zero],
        layout: Layout::ChosenFirst,
        reduction: Reduction::Sum,
        shifted: false,
    };
    let first = stepped(Run::default(), batch);
    let reference = [&first.chosen[..], &first.rejected[..]];
    let mut losses = Vec::new();
    for step in 0..20 {
        let logits = single(&gather(&ours));
        let batch = Batch { logits: &logits, reference, ..batch };
        let result = stepped(Run::default(), batch);
        let (exact_losses, exact_grads) = oracle(batch, &gather(&exact));
        let exact_loss = exact_losses.iter().sum::<f64>() / pairs as f64;
        let loss = result.metrics.report().loss;
        assert!((f64::from(loss) - exact_loss).abs() < 2e-6 * exact_loss, "step {step}: {loss} {exact_loss}");
        losses.push(loss);
        for (row, &i) in inputs.iter().enumerate() {
            for column in 0..V {
                ours[i * V + column] -= 2.0 * f64::from(result.grads[row * V + column]);
                exact[i * V + column] -= 2.0 * exact_grads[row * V + column];
            }
        }
    }
    assert_eq!(losses[0], std::f32::consts::LN_2);
    assert!(losses[19] < 0.2, "{losses:?}");
    let drift = ours.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(drift < 1e-5, "{drift:e}");
}

#[test]
fn errors_come_first() {
    let mut labels = vec![1_i64; 4 * T];
    let new = |labels: &[i64], tokens, reduction| {
        Sequences::new(Targets::new(Labels::I64(labels)), tokens, Layout::ChosenFirst, reduction).map(|x| x.pairs())
    };
    assert_eq!(new(&labels, T, Reduction::Sum), Ok(2));
    assert!(matches!(new(&labels, 0, Reduction::Sum), Err(Error::Parameter { name: "tokens", .. })));
    assert!(matches!(new(&labels, 5, Reduction::Sum), Err(Error::Length { argument: "targets", .. })));
    assert!(matches!(new(&labels[..3 * T], T, Reduction::Sum), Err(Error::Length { expected: 28, got: 21, .. })));
    for alpha in [-0.1, 1.1, f64::NAN] {
        let reduction = Reduction::LengthDesensitized { alpha };
        assert!(matches!(new(&labels, T, reduction), Err(Error::Parameter { name: "alpha", .. })));
    }
    labels[2 * T..3 * T].fill(-100);
    assert_eq!(new(&labels, T, Reduction::Sum), Err(Error::EmptySequence { sequence: 2 }));
    // A sequence whose only label is shifted away.
    labels[2 * T] = 5;
    let shifted = Targets::shifted(Labels::I64(&labels), T).unwrap();
    let error = Sequences::new(shifted, T, Layout::Interleaved, Reduction::Sum).unwrap_err();
    assert_eq!(error, Error::EmptySequence { sequence: 2 });
    assert!(Targets::shifted(Labels::I64(&labels), 0).is_err() && Targets::shifted(Labels::I64(&labels), 9).is_err());
    assert!(new(&[], T, Reduction::Sum).is_ok());
    // Sequences of other tokens than the targets are shifted by, both ways, though both divide the rows.
    let labels = [1_i64; 4 * T];
    for (shift, tokens) in [(T, 2 * T), (2 * T, T)] {
        let targets = Targets::shifted(Labels::I64(&labels), shift).unwrap();
        let error = Sequences::new(targets, tokens, Layout::ChosenFirst, Reduction::Sum).unwrap_err();
        assert!(matches!(error, Error::Parameter { name: "tokens", value, .. } if value == tokens as f64));
    }

    // A label outside of the vocabulary, a reference of the wrong length and a scale that trains nothing leave everything alone.
    let bad = [[1_i64; T], [V as i64; T]].concat();
    let good = [1_i64; 2 * T];
    for (labels, reference, grad_scale) in [
        (&bad[..], &[0.0][..], 1.0),
        (&good, &[0.0, 0.0], 1.0),
        (&good, &[0.0], 0.0),
        (&good, &[0.0], -0.0),
        (&good, &[0.0], f64::NAN),
        (&good, &[0.0], f64::INFINITY),
    ] {
        let targets = Targets::new(Labels::I64(labels));
        let mut logits = vec![0.5_f32; 2 * T * V];
        let (mut a, mut b, mut s) = ([7.0; 2 * T], [7.0; 2 * T], [LogSumExp::default(); 2 * T]);
        let [mut c, mut d, mut e, mut f] = [[7.0]; 4];
        let step = Step {
            loss: Loss::dpo(0.1).unwrap(),
            scaling: Scaling::NONE,
            sequences: Sequences::new(targets, T, Layout::ChosenFirst, Reduction::Sum).unwrap(),
            reference: Some(Reference { chosen_logps: reference, rejected_logps: &[0.0] }),
            weights: None,
            column: None,
            grad_scale,
            zero_padding: false,
        };
        let buffers = StepBuffers {
            token_logps: &mut a,
            log_sum_exps: &mut s,
            token_grads: &mut b,
            chosen_logps: &mut c,
            rejected_logps: &mut d,
            grad_chosen_logps: &mut e,
            grad_rejected_logps: &mut f,
        };
        let view = LogitsMut::new(&mut logits, 2 * T, V).unwrap();
        let error = Run::default().step(&step, view, buffers, StepOutputs::default(), None).unwrap_err();
        let of_scale = matches!(error, Error::Parameter { name: "grad_scale", .. });
        assert_eq!(of_scale, grad_scale != 1.0, "{grad_scale}: {error}");
        assert!(logits.iter().all(|&x| x == 0.5) && a == [7.0; 2 * T] && b == [7.0; 2 * T]);
        assert_eq!([c, d, e, f], [[7.0]; 4]);
    }
}
