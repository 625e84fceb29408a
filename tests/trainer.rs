//! The trainer that owns its memory, beside the calls that it stands for.

use half::bf16;
use preflane::logits::{
    Element, Labels, Layout, LogSumExp, LogitsMut, Reduction, Scaling, Sequences, Step, StepBuffers, StepOutputs,
    Targets, TokenCounts,
};
use preflane::{Batch, Error, Loss, Metrics, Reference, Run, StepResults, Trainer};
use preflane_judge::Random;

const V: usize = 29;
const T: usize = 7;

/// How a batch is laid out and reduced.
#[derive(Clone, Copy, Debug)]
struct Way {
    layout: Layout,
    reduction: Reduction,
    shifted: bool,
    ignore: i64,
    scaling: Scaling,
    grad_scale: Option<f64>,
}

/// What TRL does.
const TRL: Way = Way {
    layout: Layout::ChosenFirst,
    reduction: Reduction::Sum,
    shifted: true,
    ignore: -100,
    scaling: Scaling::NONE,
    grad_scale: None,
};

fn loss() -> Loss {
    Loss::robust(0.3, 0.1).unwrap()
}

fn trainer(way: Way) -> Trainer {
    let trainer = Trainer::new(loss())
        .with_layout(way.layout)
        .with_reduction(way.reduction)
        .with_ignore_index(way.ignore)
        .with_scaling(way.scaling);
    let trainer = if way.shifted { trainer } else { trainer.with_targets_as_labels() };
    match way.grad_scale {
        Some(scale) => trainer.with_grad_scale(scale).unwrap(),
        None => trainer,
    }
}

/// One step by [`Run::step`]: what the trainer must give, and the gradient in place of the logits.
fn separately<T2: Element>(
    way: Way,
    logits: &mut [T2],
    stride: usize,
    labels: Labels<'_>,
    reference: Option<Reference<'_>>,
    weights: Option<&[f32]>,
) -> StepResults {
    let rows = labels.len();
    let pairs = rows / T / 2;
    let targets = if way.shifted { Targets::shifted(labels, T).unwrap() } else { Targets::new(labels) };
    let mut sums = vec![LogSumExp::default(); rows];
    let (mut token_grads, mut by_chosen, mut by_rejected) = (vec![7.0; rows], vec![7.0; pairs], vec![7.0; pairs]);
    let column = || vec![7.0; pairs];
    let mut results = StepResults {
        losses: column(),
        chosen_rewards: column(),
        rejected_rewards: column(),
        margins: column(),
        token_logps: vec![7.0; rows],
        tokens: TokenCounts::default(),
        metrics: Metrics::new(),
        ..Default::default()
    };
    (results.logps.chosen, results.logps.rejected) = (column(), column());
    let step = Step {
        loss: loss(),
        scaling: way.scaling,
        sequences: Sequences::new(targets.with_ignore_index(way.ignore), T, way.layout, way.reduction).unwrap(),
        reference,
        weights,
        column: None,
        grad_scale: way.grad_scale.unwrap_or(1.0 / pairs as f64),
        zero_padding: true,
    };
    let buffers = StepBuffers {
        token_logps: &mut results.token_logps,
        log_sum_exps: &mut sums,
        token_grads: &mut token_grads,
        chosen_logps: &mut results.logps.chosen,
        rejected_logps: &mut results.logps.rejected,
        grad_chosen_logps: &mut by_chosen,
        grad_rejected_logps: &mut by_rejected,
    };
    let outputs = StepOutputs {
        losses: Some(&mut results.losses),
        chosen_rewards: Some(&mut results.chosen_rewards),
        rejected_rewards: Some(&mut results.rejected_rewards),
        margins: Some(&mut results.margins),
    };
    let view = LogitsMut::with_stride(logits, rows, V, stride).unwrap();
    results.tokens = Run::default().step(&step, view, buffers, outputs, Some(&mut results.metrics)).unwrap();
    results
}

fn labels(random: &mut Random, pairs: usize, ignore: i64) -> Vec<i64> {
    let mut labels: Vec<i64> = (0..2 * pairs * T).map(|_| (random.bits() % V as u64) as i64).collect();
    labels.iter_mut().filter(|_| random.bits().is_multiple_of(4)).for_each(|label| *label = ignore);
    // No answer is empty.
    (0..2 * pairs).for_each(|sequence| labels[sequence * T + 1] = 3);
    labels
}

fn values(random: &mut Random, n: usize, from: f64, to: f64) -> Vec<f32> {
    (0..n).map(|_| (from + (to - from) * random.unit()) as f32).collect()
}

fn ways() -> Vec<Way> {
    let scaling = Scaling::new(0.7, 1.0, Some(20.0)).unwrap();
    vec![
        TRL,
        Way { layout: Layout::Interleaved, ..TRL },
        Way { reduction: Reduction::Mean, ..TRL },
        Way { reduction: Reduction::LengthDesensitized { alpha: 0.4 }, shifted: false, ..TRL },
        Way { ignore: -1, grad_scale: Some(-0.125), ..TRL },
        Way { scaling, ..TRL },
    ]
}

/// The same trainer through batches that grow and shrink, so that what an earlier step left would show.
#[test]
fn steps_are_those_of_the_separate_calls() {
    let mut random = Random(41);
    for way in ways() {
        let mut trainer = trainer(way);
        for pairs in [3, 5, 1, 4] {
            let labels = labels(&mut random, pairs, way.ignore);
            let short: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
            let (chosen, rejected) = (values(&mut random, pairs, -20.0, 0.0), values(&mut random, pairs, -20.0, 0.0));
            let weights = values(&mut random, pairs, 0.0, 2.0);
            let reference = Reference { chosen_logps: &chosen, rejected_logps: &rejected };
            let shape = [2 * pairs, T, V];
            for stride in [V, V + 3] {
                let logits = values(&mut random, 2 * pairs * T * stride, -4.5, 4.5);
                let plain = Batch::new(shape, &labels).with_stride(stride);
                let full =
                    Batch::new(shape, &short).with_reference(reference).with_weights(&weights).with_stride(stride);
                for (batch, reference, weights) in [(plain, None, None), (full, Some(reference), Some(&weights[..]))] {
                    let (mut ours, mut theirs) = (logits.clone(), logits.clone());
                    let want = separately(way, &mut theirs, stride, Labels::I64(&labels), reference, weights);
                    let logps = trainer.logps(&ours, batch).unwrap();
                    let got = trainer.step(&mut ours, batch).unwrap();
                    assert_eq!(*got, want, "{way:?}, {pairs} pairs");
                    assert_eq!(logps, want.logps);
                    assert_eq!(got.report(), want.metrics.report());
                    assert!(ours.iter().zip(&theirs).all(|(a, b)| a.to_bits() == b.to_bits()), "{way:?}");
                }
            }
        }
    }
}

#[test]
fn other_threads_and_types_of_logits() {
    let mut random = Random(42);
    let pairs = 4;
    let labels = labels(&mut random, pairs, -100);
    let logits: Vec<bf16> = values(&mut random, 2 * pairs * T * V, -4.0, 4.0).into_iter().map(bf16::from_f32).collect();
    let mut theirs = logits.clone();
    let want = separately(TRL, &mut theirs, V, Labels::I64(&labels), None, None);
    for run in [Run::default(), Run::default().threads(2).unwrap(), Run::on(preflane::Backend::SCALAR).in_pool()] {
        let mut ours = logits.clone();
        let mut trainer = trainer(TRL).with_run(run);
        assert_eq!(*trainer.step(&mut ours, Batch::new([2 * pairs, T, V], &labels)).unwrap(), want);
        assert_eq!(ours, theirs);
    }
    // No pairs, no gradient.
    let results = trainer(TRL).step::<f32>(&mut [], Batch::new([0, T, V], &[0_i64; 0])).cloned();
    assert_eq!(results, Ok(StepResults::default()));
}

/// Each error names what is wrong, and the logits are as they were.
#[test]
fn errors_name_the_argument() {
    let pairs = 2;
    let rows = 2 * pairs * T;
    let labels = vec![1_i64; rows];
    let good = Batch::new([2 * pairs, T, V], &labels);
    let mut trainer = trainer(TRL);
    let mut message = |length: usize, batch: Batch<'_>| {
        let mut logits = vec![0.5_f32; length];
        let error = trainer.step(&mut logits, batch).unwrap_err();
        assert!(logits.iter().all(|&x| x == 0.5), "{error}");
        // A reference and weights are none of its business.
        let same = trainer.logps(&logits, batch).err();
        assert!(same.is_none_or(|same| same == error), "{error}, {same:?}");
        error.to_string()
    };
    let shape = |sequences, tokens, vocabulary| Batch::new([sequences, tokens, vocabulary], &labels);
    let n = rows * V;
    assert_eq!(
        message(n, shape(3, T, V)),
        "sequences is 3; it must be even: each pair has a chosen and a rejected one"
    );
    assert_eq!(message(n, shape(4, 0, V)), "tokens is 0; it must be at least 1");
    assert_eq!(message(n, shape(4, T, 0)), "vocabulary is 0; it must be at least 1");
    assert_eq!(message(n, shape(6, T, V)), "labels has 28 elements where 42 are needed");
    assert_eq!(message(n - 1, good), "logits has 811 elements where 812 are needed");
    assert_eq!(message(n + 1, good), "logits has 813 elements where 812 are needed");
    assert_eq!(message(n, good.with_stride(V - 1)), "stride is 28; it must be at least the vocabulary");
    assert_eq!(message(n, good.with_stride(V + 1)), "logits has 812 elements where 840 are needed");
    assert_eq!(
        message(n, shape(usize::MAX - 1, T, V)),
        format!("labels has 28 elements where {} are needed", usize::MAX)
    );
    let reference = good.with_reference((&[0.0; 2], &[0.0; 3]));
    assert_eq!(message(n, reference), "ref_rejected_logps has 3 elements where 2 are needed");
    assert_eq!(message(n, good.with_weights(&[1.0; 1])), "weights has 1 elements where 2 are needed");
    let negative = "the weight of row 1 is -1; weights must be finite and at least 0";
    assert_eq!(message(n, good.with_weights(&[1.0, -1.0])), negative);
    let mut wrong = labels.clone();
    wrong[rows - 1] = V as i64;
    let message_of_target = "the target of row 26 is 29; the columns are 0 to 28";
    assert_eq!(message(n, Batch::new([4, T, V], &wrong)), message_of_target);
    wrong[T..2 * T].fill(-100);
    let empty = "sequence 1 has no token that counts: none came, or every target of it is masked";
    assert_eq!(message(n, Batch::new([4, T, V], &wrong)), empty);

    let scale = |scale| Trainer::new(loss()).with_grad_scale(scale).map(drop);
    for value in [0.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(scale(value), Err(Error::Parameter { name: "grad_scale", .. })), "{value}");
    }
    assert_eq!(scale(0.25), Ok(()));
    // The next step is none the worse for those that failed.
    let mut logits = vec![0.5; n];
    assert_eq!(trainer.step(&mut logits, good).unwrap().losses.len(), pairs);
}
