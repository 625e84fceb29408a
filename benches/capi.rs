//! What a call through the C interface costs beside the same call from Rust, by turns:
//! `cargo bench --features capi --bench capi`. See `benches/README.md`.
#![allow(unsafe_code, reason = "calls what C calls")]

mod measure;

use measure::{Random, Subject, by_turns, print_load};
use preflane::capi::*;
use preflane::logits::{Labels, LogSumExp, Logits, Scaling, Targets, TokenOutputs};
use preflane::{Loss, Metrics, Outputs, Pairs, Run};
use std::hint::black_box;
use std::ptr::{null, null_mut};

const RUN: preflane_run = preflane_run { level: preflane_level::PREFLANE_LEVEL_BEST as i32, threads: 0 };

fn compare(name: &str, mut rust: impl FnMut() + Send, mut c: impl FnMut() + Send) {
    let times = by_turns(&mut (), &mut [Subject::new(1, |()| rust()), Subject::new(1, |()| c())]);
    let difference = times.spread(|round| round[1] - round[0]);
    println!(
        "{name:<28} {:>12.1} {:>12.1} {:>10.1}   ({:.1} to {:.1})",
        times.of(0).median,
        times.of(1).median,
        difference.median,
        difference.low,
        difference.high
    );
}

fn pairs(random: &mut Random, n: usize) {
    let columns = [(); 4].map(|()| (0..n).map(|_| random.uniform(-60.0, -10.0) as f32).collect::<Vec<_>>());
    let [pc, pr, rc, rr] = &columns;
    let (mut losses, mut gradients, mut metrics) = (vec![0.0; n], vec![0.0; n], Metrics::new());
    let (mut c_losses, mut c_gradients, mut c_metrics) = (losses.clone(), gradients.clone(), metrics);
    let loss = Loss::dpo(0.1).unwrap();
    let mut parameters = [0.0; PREFLANE_LOSS_PARAMETERS];
    parameters[0] = 0.1;
    let c_loss = preflane_loss { kind: loss.description().number, reserved: 0, parameters };
    compare(
        &format!("evaluate, {n} pairs"),
        || {
            let outputs =
                Outputs { losses: Some(&mut losses), grad_chosen_logps: Some(&mut gradients), ..Outputs::default() };
            let pairs = black_box(Pairs::new(pc, pr, rc, rr));
            Run::default().evaluate(black_box(&loss), pairs, outputs, Some(&mut metrics)).unwrap();
        },
        || {
            let pairs = preflane_pairs {
                column: null(),
                length: n,
                policy_chosen_logps: pc.as_ptr(),
                policy_rejected_logps: pr.as_ptr(),
                ref_chosen_logps: rc.as_ptr(),
                ref_rejected_logps: rr.as_ptr(),
                weights: null(),
                reference_free: 0,
                reserved: 0,
            };
            let outputs = preflane_pair_outputs {
                losses: c_losses.as_mut_ptr(),
                chosen_rewards: null_mut(),
                rejected_rewards: null_mut(),
                margins: null_mut(),
                grad_chosen_logps: c_gradients.as_mut_ptr(),
                grad_rejected_logps: null_mut(),
                grad_ref_chosen_logps: null_mut(),
                grad_ref_rejected_logps: null_mut(),
                grad_beta: null_mut(),
            };
            let (pairs, outputs) = (black_box(&pairs), black_box(&outputs));
            // SAFETY: the columns are as long as the pairs say.
            let code = unsafe { preflane_evaluate(RUN, &c_loss, pairs, outputs, &mut c_metrics, null_mut()) };
            assert_eq!(code, 0);
        },
    );
}

fn rows(random: &mut Random, rows: usize, columns: usize) {
    let logits: Vec<f32> = (0..rows * columns).map(|_| random.uniform(-8.0, 8.0) as f32).collect();
    let labels = vec![3_i32; rows];
    let (mut logps, mut sums) = (vec![0.0; rows], vec![LogSumExp::default(); rows]);
    let (mut c_logps, mut c_sums) = (logps.clone(), sums.clone());
    compare(
        &format!("token_logps, {rows} x {columns}"),
        || {
            let outputs =
                TokenOutputs { logps: Some(&mut logps), log_sum_exps: Some(&mut sums), ..TokenOutputs::default() };
            let logits = Logits::new(black_box(&logits[..]), rows, columns).unwrap();
            let targets = Targets::new(Labels::I32(&labels));
            Run::default().token_logps(logits, targets, &Scaling::NONE, outputs).unwrap();
        },
        || {
            let view = preflane_logits {
                data: logits.as_ptr().cast(),
                rows,
                columns,
                stride: columns,
                dtype: preflane_dtype::PREFLANE_F32 as i32,
                reserved: 0,
            };
            let targets = preflane_targets_i32(labels.as_ptr(), rows);
            let outputs = preflane_token_outputs {
                logps: c_logps.as_mut_ptr(),
                log_sum_exps: c_sums.as_mut_ptr(),
                entropies: null_mut(),
                log_sum_squares: null_mut(),
                mean_logits: null_mut(),
                top1: null_mut(),
            };
            let all = preflane_rows { first: 0, count: usize::MAX };
            let (view, outputs) = (black_box(&view), black_box(&outputs));
            // SAFETY: the arrays are as long as the view says.
            let code =
                unsafe { preflane_token_logps(RUN, view, &targets, null(), all, outputs, null_mut(), null_mut()) };
            assert_eq!(code, 0);
        },
    );
}

fn main() {
    print_load();
    println!("{:<28} {:>12} {:>12} {:>10}   (quartiles)", "ns a call", "from Rust", "from C", "difference");
    let mut random = Random::new();
    for n in [1, 8, 64, 1024] {
        pairs(&mut random, n);
    }
    for (n, columns) in [(1, 256), (1, 32_000), (16, 4096)] {
        rows(&mut random, n, columns);
    }
}
