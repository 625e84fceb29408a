//! Every level against every other, whatever the lengths, strides and places: pairs, matrices of logits, whole steps.
//! A row alone, and a step put together from its parts, are the independent paths.

use crate::{Choices, Columns, Results, bits, check_nan, choices, loss, on_every_level, scaling};
use half::{bf16, f16};
use preflane::logits::{
    Element, Gradient, Labels, Layout, LogSumExp, Logits, LogitsMut, Reduction, Seeds, Sequences, Step, StepBuffers,
    StepOutputs, Targets, TokenOutputs,
};
use preflane::{Backend, Metrics, Outputs, Pairs, Run};
use preflane_judge::classes::Values;
use preflane_judge::{Random, crc32};

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    match v.below(4) {
        0 | 1 => pairs(&mut v, Random(crc32(data).into())),
        2 => match v.below(3) {
            0 => matrix(&mut v, bf16::from_f32, bf16::to_f32),
            1 => matrix(&mut v, f16::from_f32, f16::to_f32),
            _ => matrix(&mut v, |x| x, |x| x),
        },
        _ => step(&mut v),
    }
}

fn pairs(v: &mut Choices<'_>, mut windows: Random) {
    let (_, loss) = loss(v);
    let value = if v.once_in(3) { Values::any } else { Values::logp };
    let n = v.below(70);
    let columns = Columns::new(v, n, value);
    let wanted = v.below(512);
    let mut results = Results::new(n);
    let (_, metrics) = on_every_level(|backend| {
        let mut metrics = Metrics::new();
        results = Results::new(n);
        Run::on(backend)
            .evaluate(&loss, columns.pairs(0..n), results.outputs(wanted), Some(&mut metrics))
            .expect("good arguments");
        (results.bits(), metrics)
    });
    assert_eq!(metrics.pairs(), n as u64);
    // Some of them, at any place and of any number: by all bytes, for those that would decide it are seldom changed.
    for _ in 0..6 {
        let [a, b] = [(); 2].map(|()| windows.bits() as usize % (n + 1));
        let (start, end) = (a.min(b), a.max(b));
        on_every_level(|backend| {
            let (mut some, mut metrics) = (Results::new(end - start), Metrics::new());
            Run::on(backend)
                .evaluate(&loss, columns.pairs(start..end), some.outputs(wanted), Some(&mut metrics))
                .expect("good arguments");
            for (some, all) in some.0.iter().zip(&results.0) {
                assert_eq!(bits(some), bits(&all[start..end]), "rows {start} to {end} of {n}");
            }
            metrics
        });
    }
    // Each row alone has the bits that it has among others; what was not asked for is not written.
    let row = v.below(n.max(1));
    if row < n {
        let mut alone = Results::new(1);
        Run::on(Backend::SCALAR)
            .evaluate(&loss, columns.pairs(row..row + 1), alone.outputs(usize::MAX), None)
            .expect("good arguments");
        for (k, (alone, together)) in alone.0.iter().zip(&results.0).enumerate() {
            let want = if wanted >> k & 1 == 1 { alone[0].to_bits() } else { 0xdead };
            assert_eq!(together[row].to_bits(), want, "output {k} of row {row} of {n}");
            check_nan(alone);
        }
    }
}

fn matrix<T: Element>(v: &mut Choices<'_>, narrow: fn(f32) -> T, widen: fn(T) -> f32) {
    let scaling = scaling(v.scaling());
    let (rows, columns) = (1 + v.below(4), 1 + v.below(40));
    let (stride, offset) = (columns + v.below(4), v.below(4));
    let mut data = vec![narrow(f32::NAN); offset + rows * stride];
    let mut pool = v.logits(64, true);
    if v.once_in(4) {
        let at = v.below(pool.len());
        pool[at] = v.any();
    }
    for row in 0..rows {
        for column in 0..columns {
            data[offset + row * stride + column] = narrow(pool[(row * 17 + column) % pool.len()]);
        }
    }
    let labels: Vec<i32> = (0..rows).map(|_| if v.once_in(5) { -100 } else { v.below(columns) as i32 }).collect();
    let seeds: Vec<f32> = (0..rows).map(|_| if v.once_in(6) { v.any() } else { v.logp() }).collect();
    let how = Gradient { accumulate: v.once_in(4), zero_padding: v.once_in(3) };
    let targets = Targets::new(Labels::I32(&labels));
    let logits = Logits::with_stride(&data[offset..], rows, columns, stride).expect("it fits");
    let forward = |backend, logits: Logits<'_, T>, targets: Targets<'_>, rows: usize| {
        let mut sums = vec![LogSumExp::default(); rows];
        let (mut logps, mut entropies, mut squares) = (vec![7.0; rows], vec![7.0; rows], vec![7.0; rows]);
        let outputs = TokenOutputs {
            logps: Some(&mut logps),
            log_sum_exps: Some(&mut sums),
            entropies: Some(&mut entropies),
            log_sum_squares: Some(&mut squares),
            ..Default::default()
        };
        Run::on(backend).token_logps(logits, targets, &scaling, outputs).expect("good arguments");
        check_nan(&logps);
        let results: Vec<_> = (0..rows)
            .map(|i| [logps[i].to_bits(), entropies[i].to_bits(), squares[i].to_bits(), sums[i].max.to_bits()])
            .collect();
        let rests: Vec<_> = sums.iter().map(|sum| sum.rest.to_bits()).collect();
        (sums, results, rests)
    };
    let backward =
        |backend, logits: Logits<'_, T>, targets: Targets<'_>, sums: &[LogSumExp], seeds: &[f32], rows: usize| {
            let mut grads: Vec<f32> = (0..rows * stride).map(|i| i as f32 / 64.0).collect();
            let view = LogitsMut::with_stride(&mut grads, rows, columns, stride).expect("it fits");
            let seeds = Seeds { log_sum_exps: sums, grad_logps: seeds };
            Run::on(backend).logits_grad(logits, targets, &scaling, seeds, how, view).expect("good arguments");
            bits(&grads)
        };
    let (results, rests, grads) = on_every_level(|backend| {
        let (sums, results, rests) = forward(backend, logits, targets, rows);
        (results, rests, backward(backend, logits, targets, &sums, &seeds, rows))
    });
    for (row, label) in labels.iter().enumerate() {
        let x: Vec<T> = logits.row(row).to_vec();
        let alone = Logits::new(&x, 1, columns).expect("one row");
        let label = [*label];
        let target = Targets::new(Labels::I32(&label));
        let (sums, result, rest) = forward(Backend::SCALAR, alone, target, 1);
        assert_eq!((result[0], rest[0]), (results[row], rests[row]), "row {row} alone");
        if !how.accumulate {
            let alone = backward(Backend::SCALAR, alone, target, &sums, &seeds[row..=row], 1);
            assert_eq!(alone[..columns], grads[row * stride..][..columns], "gradient of row {row} alone");
        }
        let masked = label[0] == -100;
        if masked {
            assert_eq!(results[row][0], 0);
            assert!(how.accumulate || grads[row * stride..][..columns].iter().all(|&x| x == 0), "a masked row");
        }
        for (i, got) in grads[row * stride..][columns..stride].iter().enumerate() {
            let before = ((row * stride + columns + i) as f32 / 64.0).to_bits();
            assert_eq!(*got, if how.zero_padding { 0 } else { before }, "padding of row {row}");
        }
        // The largest is one of the logits.
        let max = f32::from_bits(results[row][3]);
        assert!(masked || max.is_nan() || x.iter().any(|&x| widen(x) == max));
    }
}

fn step(v: &mut Choices<'_>) {
    let (_, loss) = loss(v);
    let scaling = scaling(v.scaling());
    let (pairs, tokens, columns) = (1 + v.below(2), 1 + v.below(4), 1 + v.below(20));
    let (rows, shifted) = (2 * pairs * tokens, v.once_in(2));
    let pool = v.logits(50, true);
    let data: Vec<f32> = (0..rows * columns).map(|i| pool[i % pool.len()]).collect();
    let labels: Vec<i64> = (0..rows).map(|_| if v.once_in(4) { -100 } else { v.below(columns) as i64 }).collect();
    let targets = Targets::new(Labels::I64(&labels));
    let targets = if shifted { Targets::shifted(Labels::I64(&labels), tokens).expect("whole ones") } else { targets };
    let layout = if v.once_in(2) { Layout::ChosenFirst } else { Layout::Interleaved };
    let reduction = match v.below(3) {
        0 => Reduction::Sum,
        1 => Reduction::Mean,
        _ => Reduction::LengthDesensitized { alpha: v.below(5) as f64 / 4.0 },
    };
    let Ok(sequences) = Sequences::new(targets, tokens, layout, reduction) else { return };
    let columns_of_pairs = Columns::new(v, pairs, Values::logp);
    let given = columns_of_pairs.pairs(0..pairs);
    let grad_scale = 1.0 / pairs as f64;
    let run = |backend| {
        let mut logits = data.clone();
        let (mut token_logps, mut token_grads) = (vec![7.0; rows], vec![7.0; rows]);
        let mut log_sum_exps = vec![LogSumExp::default(); rows];
        let [mut chosen, mut rejected, mut by_chosen, mut by_rejected, mut losses] = [(); 5].map(|()| vec![7.0; pairs]);
        let step = Step {
            loss,
            scaling,
            sequences,
            reference: given.reference,
            weights: given.weights,
            column: None,
            grad_scale,
            zero_padding: false,
        };
        let buffers = StepBuffers {
            token_logps: &mut token_logps,
            log_sum_exps: &mut log_sum_exps,
            token_grads: &mut token_grads,
            chosen_logps: &mut chosen,
            rejected_logps: &mut rejected,
            grad_chosen_logps: &mut by_chosen,
            grad_rejected_logps: &mut by_rejected,
        };
        let outputs = StepOutputs { losses: Some(&mut losses), ..Default::default() };
        let mut metrics = Metrics::new();
        let view = LogitsMut::new(&mut logits, rows, columns).expect("it fits");
        let counts = Run::on(backend).step(&step, view, buffers, outputs, Some(&mut metrics));
        counts.map(|counts| (counts, metrics, bits(&losses), bits(&logits)))
    };
    let Ok((counts, metrics, losses, grads)) = on_every_level(run) else {
        // A sequence without a token that counts.
        assert!(labels.contains(&-100) || shifted);
        return;
    };
    // The same from its parts.
    let backend = crate::backends()[v.below(crate::backends().len())];
    let logits = Logits::new(&data, rows, columns).expect("it fits");
    let (mut logps, mut sums) = (vec![7.0; rows], vec![LogSumExp::default(); rows]);
    let outputs = TokenOutputs { logps: Some(&mut logps), log_sum_exps: Some(&mut sums), ..Default::default() };
    let parts = Run::on(backend).token_logps(logits, targets, &scaling, outputs).expect("good arguments");
    assert_eq!(parts, counts);
    let [mut chosen, mut rejected, mut by_chosen, mut by_rejected, mut again] = [(); 5].map(|()| vec![7.0; pairs]);
    sequences.logps(&logps, &mut chosen, &mut rejected).expect("the step did it");
    let outputs = Outputs {
        losses: Some(&mut again),
        grad_chosen_logps: Some(&mut by_chosen),
        grad_rejected_logps: Some(&mut by_rejected),
        ..Default::default()
    };
    let mut counted = Metrics::new();
    let batch = Pairs { policy_chosen_logps: &chosen, policy_rejected_logps: &rejected, ..given };
    Run::on(backend).evaluate(&loss, batch, outputs, Some(&mut counted)).expect("the step did it");
    assert_eq!((bits(&again), counted), (losses, metrics));
    let mut token_grads = vec![7.0; rows];
    sequences.token_grads(&by_chosen, &by_rejected, grad_scale, &mut token_grads).expect("the step did it");
    let mut apart = vec![7.0; rows * columns];
    let view = LogitsMut::new(&mut apart, rows, columns).expect("it fits");
    let seeds = Seeds { log_sum_exps: &sums, grad_logps: &token_grads };
    Run::on(backend).logits_grad(logits, targets, &scaling, seeds, Gradient::default(), view).expect("the step did it");
    assert_eq!(bits(&apart), grads);
}
