//! The C interface with hostile arguments: null, misaligned, overlapping, huge, with integers that are no constants. What it
//! takes gives the results of the Rust functions over copies; what it refuses leaves memory alone; AddressSanitizer watches.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use crate::{Choices, bits, choices};
use preflane::capi::*;
use preflane::contrastive::{InfoNceOutputs, Similarities};
use preflane::labelled::{Labelled, LabelledMetrics, LabelledOutputs};
use preflane::listed::{ListOutputs, ListScratch, Lists};
use preflane::logits::{
    Gradient, Labels, Layout, LogSumExp, Logits, LogitsMut, Reduction, RowSum, RowSumState, Scaling, Seeds, Sequences,
    Step, StepBuffers, StepOutputs, Targets, TokenCounts, TokenOutputs,
};
use preflane::losses::{Description, LOSSES, Shape};
use preflane::streaming::{Evaluator, Limits, Monitor, Side};
use preflane::{Backend, ExactSum, LabelledLoss, ListedLoss, Loss, Metrics, Pairs, Reference, Run};
use preflane_judge::Random;
use preflane_judge::classes::{Source, Values};

/// Bytes that all pointers point into: aligned to 8, with room behind for what is misaligned.
const ARENA: usize = 2048;

type Arena = [u64; ARENA / 8 + 1];

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    let mut arena: Arena = [0; ARENA / 8 + 1];
    // From a seed: value by value it would use up all choices before the first argument.
    let mut contents = Values::new(Random(v.source.word().into()));
    for pair in &mut arena {
        let [a, b] = [contents.any(), contents.any()].map(|x| u64::from(x.to_bits()));
        *pair = a << 32 | b;
    }
    match v.below(12) {
        0 | 1 => pairs(&mut v, &mut arena),
        2 => tokens(&mut v, &mut arena),
        3 => gradient(&mut v, &mut arena),
        4 => sequences(&mut v, &mut arena),
        5 => step(&mut v, &mut arena),
        6 => exact_sum(&mut v, &mut arena),
        7 => labelled_answers(&mut v, &mut arena),
        8 => listed_answers(&mut v, &mut arena),
        9 => contrastive(&mut v, &mut arena),
        10 => streaming(&mut v, &mut arena),
        _ => row_sum(&mut v, &mut arena),
    }
}

/// A pointer into the arena with room for `bytes`: mostly in a place of its own and aligned.
fn place(v: &mut Choices<'_>, base: *mut u8, slot: usize, bytes: usize) -> *mut u8 {
    let room = ARENA.saturating_sub(bytes.min(ARENA));
    let offset = match v.below(32) {
        0 => return null_mut(),
        // Over others.
        1 => v.below(room + 1) / 8 * 8,
        // Off by less than the alignment.
        2 => slot.min(room) + 1 + v.below(3),
        3 => v.below(room + 1) / 4 * 4,
        _ => slot.min(room),
    };
    base.wrapping_add(offset)
}

/// A size that no memory has, of elements of two bytes or more, or a small one.
fn huge(v: &mut Choices<'_>, small: usize) -> usize {
    match v.below(24) {
        0 => usize::MAX,
        1 => usize::MAX / 2 - v.below(3),
        2 => isize::MAX as usize + v.below(3),
        3 => usize::MAX - v.below(300),
        _ => small,
    }
}

/// An integer that stands for a constant, or should.
fn constant(v: &mut Choices<'_>, least: i32, most: i32) -> i32 {
    match v.below(24) {
        0 => v.source.word() as i32,
        1 => most + 1,
        2 => least - 1,
        _ => least + v.below((most - least + 1) as usize) as i32,
    }
}

/// A field for later: 0, or refused.
fn reserved(v: &mut Choices<'_>) -> u32 {
    if v.once_in(40) { v.source.word() | 1 } else { 0 }
}

/// Metrics that no pairs give: a tie of none, or a bit that no sum sets.
fn damaged(v: &mut Choices<'_>) -> Metrics {
    let mut words = [0_u64; size_of::<Metrics>() / 8];
    match v.below(2) {
        0 => words[3] = 1,
        _ => words[8 + 5 * v.below(7) + 4] = 1 << 63,
    }
    // SAFETY: any bits are metrics, and there are as many of them.
    unsafe { std::mem::transmute(words) }
}

fn run_of(v: &mut Choices<'_>) -> preflane_run {
    preflane_run { level: constant(v, 0, 4), threads: if v.once_in(60) { 2 } else { v.below(2) as u32 } }
}

fn no_error() -> preflane_error {
    preflane_error {
        code: -1,
        reserved: 7,
        row: 7,
        argument: [1; PREFLANE_ARGUMENT_SIZE],
        message: [1; PREFLANE_MESSAGE_SIZE],
    }
}

/// That a code and its error belong together, and that what was refused wrote nothing.
fn check(code: i32, error: &preflane_error, before: &Arena, after: &Arena) {
    assert!((0..=19).contains(&code), "code {code}");
    // The threads may be short; nothing else here is of another kind.
    assert!(code != 12 && code != 13, "code {code}");
    // A call that is done leaves the error as it was.
    assert!(error.code == code || code == 0 && error.code == -1, "code {code}, error {}", error.code);
    if code != 0 {
        assert!(before == after, "code {code}, but something was written");
        assert!(error.message.contains(&0) && error.argument.contains(&0) && error.message[0] > 0);
    }
}

/// Some floats of the arena as they were, at the place of a pointer; reads are by copies, for a pointer may be misaligned.
fn floats(arena: &Arena, base: *const u8, at: *const f32, n: usize) -> Vec<f32> {
    let start = at.addr() - base.addr();
    // SAFETY: the arena is plain integers.
    let bytes = unsafe { std::slice::from_raw_parts(arena.as_ptr().cast::<u8>(), size_of_val(arena)) };
    bytes[start..start + 4 * n].as_chunks().0.iter().map(|&b| f32::from_ne_bytes(b)).collect()
}

/// Labels of the arena as they were.
fn labels_of(arena: &Arena, base: *const u8, at: *const u8, n: usize) -> Vec<i64> {
    let words = floats(arena, base, at.cast(), 2 * n);
    words.as_chunks::<2>().0.iter().map(|w| i64::from(w[0].to_bits()) | i64::from(w[1].to_bits()) << 32).collect()
}

/// A loss of the list, or what should be refused as none.
fn given_loss(v: &mut Choices<'_>) -> preflane_loss {
    let loss = LOSSES[v.below(LOSSES.len())];
    let mut parameters = [0.0; PREFLANE_LOSS_PARAMETERS];
    for (to, parameter) in parameters.iter_mut().zip(loss.parameters) {
        *to = if v.once_in(16) { f64::from(v.any()) } else { parameter.grid[v.below(parameter.grid.len())] };
    }
    if v.once_in(24) {
        parameters[v.below(PREFLANE_LOSS_PARAMETERS)] = f64::from(v.any());
    }
    let kind = if v.once_in(24) { v.source.word() as i32 } else { loss.number };
    preflane_loss { kind, reserved: reserved(v), parameters }
}

/// The parameters, if it is a loss of that shape and those that it does not have are 0.
fn parameters(loss: &preflane_loss, shape: Shape) -> Option<(&'static Description, &[f64])> {
    let description = LOSSES.iter().find(|known| known.number == loss.kind && known.shape == shape)?;
    let (given, unused) = loss.parameters.split_at(description.parameters.len());
    (loss.reserved == 0 && unused.iter().all(|&x| x == 0.0)).then_some((description, given))
}

/// The Rust library's loss of pairs, if it is one.
fn loss_of(loss: &preflane_loss) -> Option<Loss> {
    let (description, given) = parameters(loss, Shape::Pairwise)?;
    Loss::new(description, given).ok()
}

/// Memory of a call, to tell by another rule than the library's whether it is good.
#[derive(Clone, Copy)]
struct Used {
    start: usize,
    bytes: usize,
    align: usize,
    written: bool,
    needed: bool,
}

fn used<T>(at: *const T, n: usize, written: bool, needed: bool) -> Used {
    Used { start: at.addr(), bytes: n.saturating_mul(size_of::<T>()), align: align_of::<T>(), written, needed }
}

/// Whether all memory is there, aligned and apart.
fn sound(memory: &[Used]) -> bool {
    let there: Vec<_> = memory.iter().filter(|m| m.bytes > 0 && m.start != 0).collect();
    let apart = |a: &Used, b: &Used| a.start + a.bytes <= b.start || b.start + b.bytes <= a.start;
    memory.iter().all(|m| m.bytes == 0 || m.start != 0 || !m.needed)
        && there.iter().all(|m| m.start % m.align == 0)
        && there
            .iter()
            .enumerate()
            .all(|(i, a)| there[i + 1..].iter().all(|b| !(a.written || b.written) || apart(a, b)))
}

fn pairs(v: &mut Choices<'_>, arena: &mut Arena) {
    let before = *arena;
    let base = arena.as_mut_ptr().cast::<u8>();
    let n = v.below(12);
    let length = huge(v, n);
    // Out of a huge length no memory is made: it is refused, whatever the pointers.
    let mut slot = 0;
    let mut next = |v: &mut Choices<'_>| {
        let at = place(v, base, slot, 4 * n).cast::<f32>();
        slot += 64;
        at
    };
    let free = v.once_in(4);
    let inputs = [next(v), next(v), next(v), next(v)];
    let weights = if v.once_in(3) { next(v) } else { null_mut() };
    let loss = given_loss(v);
    // A column mostly where the loss takes one.
    let takes = LOSSES.iter().any(|known| known.number == loss.kind && known.column.is_some());
    let column = if takes != v.once_in(30) { next(v) } else { null_mut() };
    let outputs: [*mut f32; 9] = [(); 9].map(|()| if v.once_in(3) { null_mut() } else { next(v) });
    let [pc, pr, rc, rr] = inputs;
    let reference_free = if v.once_in(20) { constant(v, 0, 1) } else { i32::from(free) };
    let reference = if free && !v.once_in(20) { [null_mut(); 2] } else { [rc, rr] };
    let given = preflane_pairs {
        length,
        policy_chosen_logps: pc,
        policy_rejected_logps: pr,
        ref_chosen_logps: reference[0],
        ref_rejected_logps: reference[1],
        weights,
        column,
        reference_free,
        reserved: reserved(v),
    };
    let [losses, chosen_rewards, rejected_rewards, margins, g0, g1, g2, g3, g4] = outputs;
    let out = preflane_pair_outputs {
        losses,
        chosen_rewards,
        rejected_rewards,
        margins,
        grad_chosen_logps: g0,
        grad_rejected_logps: g1,
        grad_ref_chosen_logps: g2,
        grad_ref_rejected_logps: g3,
        grad_beta: g4,
    };
    let run = run_of(v);
    let mut error = no_error();
    let begun = if v.once_in(30) { damaged(v) } else { Metrics::new() };
    let mut metrics = begun;
    let metrics_at = if v.once_in(4) { null_mut() } else { &raw mut metrics };
    let loss_at = if v.once_in(40) { null() } else { &raw const loss };
    // SAFETY: every pointer is null or has room in the arena for what its length says; lengths beyond it are refused.
    let code = unsafe { preflane_evaluate(run, loss_at, &given, &out, metrics_at, &mut error) };
    check(code, &error, &before, arena);

    // The other path: the same conditions in other words, and the Rust function over copies.
    let unreserved = given.reserved == 0;
    let counted_well = metrics_at.is_null() || begun == Metrics::new();
    let loss = loss_of(&loss);
    let level = [None, Some(0), Some(1), Some(2), Some(3)].get(run.level as usize).copied();
    let level = level.is_some_and(|level| level.is_none_or(|i| preflane::Level::ALL[i].is_available()));
    let referenced = reference_free == 0;
    let of_reference = if referenced { n } else { 0 };
    let mut memory = vec![used(pc, n, false, true), used(pr, n, false, true), used(weights, n, false, false)];
    memory.extend(reference.map(|at| used(at, of_reference, false, true)));
    memory.extend(outputs.map(|at| used(at, n, true, false)));
    let wanted = loss.and_then(|loss| loss.description().column);
    memory.push(used(column, n, false, wanted.is_some()));
    let columned = n > 0 && !column.is_null();
    let flag = matches!(reference_free, 0 | 1) && (referenced || reference.iter().all(|x| x.is_null()));
    let good = length == n && loss.is_some() && level && flag && !loss_at.is_null() && sound(&memory);
    if !(good && unreserved && counted_well && (wanted.is_some() || !columned)) {
        assert_ne!(code, 0, "taken, though it is not sound");
        assert_eq!(metrics, begun);
        return;
    }
    let read = |at: *const f32| if n == 0 || at.is_null() { vec![] } else { floats(&before, base, at, n) };
    let [pc, pr, weights_read, column_read] = [pc, pr, weights, column].map(|at| read(at));
    let [rc, rr] = reference.map(|at| if referenced { read(at) } else { vec![] });
    let weighted = n > 0 && !weights.is_null();
    if column_read.iter().any(|&x| wanted.is_some_and(|wanted| wanted.check(x.into()).is_err())) {
        assert_eq!(code, 19, "a number that the loss does not take");
        return;
    }
    if weighted && weights_read.iter().any(|w| !(w.is_finite() && *w >= 0.0)) {
        assert_eq!(code, 6, "a weight that is none");
        return;
    }
    assert_eq!(code, 0, "refused with code {code}, though it is sound");
    let copies = Pairs {
        policy_chosen_logps: &pc,
        policy_rejected_logps: &pr,
        reference: referenced.then_some(Reference { chosen_logps: &rc, rejected_logps: &rr }),
        weights: weighted.then_some(&weights_read),
        column: wanted.map(|_| &column_read[..]),
    };
    let mut results = crate::Results::new(n);
    let mut counted = Metrics::new();
    let loss = loss.expect("it is good");
    Run::on(Backend::SCALAR)
        .evaluate(&loss, copies, results.outputs(usize::MAX), Some(&mut counted))
        .expect("C took it");
    for (at, want) in outputs.into_iter().zip(&results.0) {
        if !at.is_null() && n > 0 {
            assert_eq!(bits(&floats(arena, base, at, n)), bits(want));
        }
    }
    if !metrics_at.is_null() {
        assert_eq!(metrics, counted);
    }
}

fn matrix(v: &mut Choices<'_>) -> (usize, usize, usize, i32) {
    let (rows, columns) = (v.below(5), if v.once_in(30) { 0 } else { 1 + v.below(8) });
    let stride = if v.once_in(30) { columns.saturating_sub(1) } else { columns + v.below(3) };
    (rows, columns, stride, constant(v, 1, 3))
}

/// Labels in the arena that mostly are columns.
fn put_labels(v: &mut Choices<'_>, base: *mut u8, at: usize, n: usize, columns: usize) {
    for i in 0..n {
        let label: i64 = match v.below(12) {
            0 => -100,
            1 if v.once_in(4) => i64::from(v.source.word() as i32),
            _ => v.below(columns.max(1)) as i64,
        };
        // SAFETY: within the arena: n is small.
        unsafe { base.add(at).cast::<i64>().add(i).write_unaligned(label) };
    }
}

fn tokens(v: &mut Choices<'_>, arena: &mut Arena) {
    let base = arena.as_mut_ptr().cast::<u8>();
    let (rows, columns, stride, dtype) = matrix(v);
    put_labels(v, base, 1024, rows, columns);
    let before = *arena;
    let data = place(v, base, 0, 4 * rows * stride.max(columns));
    let labels = place(v, base, 1024, 8 * rows);
    let logps = place(v, base, 1152, 4 * rows).cast::<f32>();
    let sums = place(v, base, 1280, 16 * rows).cast::<LogSumExp>();
    let entropies = if v.once_in(2) { null_mut() } else { place(v, base, 1408, 4 * rows).cast::<f32>() };
    let top1 = if v.once_in(2) { null_mut() } else { place(v, base, 1536, rows) };
    let logits = preflane_logits {
        data: data.cast(),
        rows: huge(v, rows),
        columns,
        stride: huge(v, stride),
        dtype,
        reserved: reserved(v),
    };
    let label_type = constant(v, 2, 2);
    let targets = preflane_targets {
        labels: labels.cast(),
        length: huge(v, rows),
        ignore_index: -100,
        shifted_tokens: if v.once_in(6) { v.below(4) } else { 0 },
        label_type,
        reserved: reserved(v),
    };
    let range = if v.once_in(3) {
        preflane_rows { first: v.below(rows + 1), count: v.below(rows + 1) }
    } else {
        preflane_rows { first: 0, count: usize::MAX }
    };
    let null_f32 = null_mut::<f32>();
    let outputs = preflane_token_outputs {
        logps,
        log_sum_exps: sums,
        entropies,
        log_sum_squares: null_f32,
        mean_logits: null_f32,
        top1,
    };
    let scaling = preflane_scaling {
        temperature: if v.once_in(8) { f64::from(v.any()) } else { 0.7 },
        logit_scale: 1.0,
        soft_cap: 0.0,
    };
    let scaling_at = if v.once_in(2) { null() } else { &raw const scaling };
    let run = run_of(v);
    let mut counts = TokenCounts::default();
    let mut error = no_error();
    // A matrix whose size wraps round, or that a row of one is not, would be read beyond the arena.
    if logits.rows != rows
        && logits.stride == stride
        && (rows > 0 || columns == 0)
        && logits.rows.checked_mul(stride).is_some_and(|x| x < 1 << 50)
    {
        return;
    }
    // SAFETY: as in `pairs`.
    let code =
        unsafe { preflane_token_logps(run, &logits, &targets, scaling_at, range, &outputs, &mut counts, &mut error) };
    check(code, &error, &before, arena);
    assert!(code != 0 || (logits.reserved == 0 && targets.reserved == 0), "a field for later was looked over");
    if code != 0
        || logits.dtype != 1
        || logits.rows != rows
        || rows == 0
        || targets.shifted_tokens != 0
        || label_type != 2
    {
        return;
    }
    // The Rust function over copies.
    let (first, n) = (range.first, if range.count == usize::MAX { rows - range.first } else { range.count });
    if n == 0 || logps.is_null() {
        return;
    }
    let read = |at: *const f32, n: usize| floats(&before, base, at, n);
    // A huge one is taken where the rows are one.
    let stride = logits.stride;
    let x = read(data.cast::<f32>().wrapping_add(first * stride), (n - 1) * stride + columns);
    let y = labels_of(&before, base, labels.wrapping_add(8 * first), n);
    let view = Logits::with_stride(&x, n, columns, stride).expect("C took it");
    let scaling = if scaling_at.is_null() {
        Scaling::NONE
    } else {
        Scaling::temperature(scaling.temperature).expect("C took it")
    };
    let mut want = vec![7.0; n];
    let outputs = TokenOutputs { logps: Some(&mut want), ..Default::default() };
    let counted = Run::on(Backend::SCALAR)
        .token_logps(view, Targets::new(Labels::I64(&y)), &scaling, outputs)
        .expect("C took it");
    let got = floats(arena, base, logps.wrapping_add(first), n);
    let level = run.level;
    assert_eq!(
        bits(&got),
        bits(&want),
        "level {level}: {n} x {columns}, stride {stride}: {x:?} targets {y:?} {scaling:?}"
    );
    assert_eq!(counts, counted);
}

fn gradient(v: &mut Choices<'_>, arena: &mut Arena) {
    let base = arena.as_mut_ptr().cast::<u8>();
    let (rows, columns, stride, dtype) = matrix(v);
    put_labels(v, base, 1024, rows, columns);
    // Log-sum-exps as rows have them, but for some.
    for row in 0..rows {
        let rest = if v.once_in(30) { f64::from(v.any()) } else { f64::from(v.any().abs().min(50.0)) };
        let max = if v.once_in(30) { v.any() } else { v.any().clamp(-1e30, 1e30) };
        let max = if rest.is_nan() || !max.is_nan() { max } else { 0.0 };
        let sum = LogSumExp { rest, max, reserved: reserved(v) };
        // SAFETY: within the arena, which is aligned: there are few rows.
        unsafe { base.add(1152).cast::<LogSumExp>().add(row).write(sum) };
    }
    let before = *arena;
    let room = 4 * rows * stride.max(columns);
    let data = place(v, base, 0, room);
    let grads = place(v, base, 512, room);
    let labels = place(v, base, 1024, 8 * rows);
    let sums = place(v, base, 1152, 16 * rows).cast::<LogSumExp>();
    let by_logps = place(v, base, 1280, 4 * rows).cast::<f32>();
    let targets = preflane_targets_i64(labels.cast(), rows);
    let how = preflane_gradient { accumulate: constant(v, 0, 1), zero_padding: constant(v, 0, 1) };
    let all = preflane_rows { first: if v.once_in(8) { huge(v, 1) } else { 0 }, count: usize::MAX };
    let run = run_of(v);
    let mut error = no_error();
    let in_place = v.once_in(2);
    let to = preflane_logits_mut {
        data: if in_place { data } else { grads }.cast(),
        rows,
        columns: if v.once_in(30) { columns + 1 } else { columns },
        stride: stride.max(columns),
        dtype: if v.once_in(8) { constant(v, 1, 3) } else { dtype },
        reserved: 0,
    };
    let from = preflane_logits { data: data.cast::<c_void>(), rows, columns, stride, dtype, reserved: 0 };
    // SAFETY: as in `pairs`; a column more than there are has no room in the last row only if it were taken, and it is not:
    // strides are at least the columns, and the arena is longer than what any place spans.
    let code = unsafe {
        if in_place {
            preflane_logits_grad_in_place(run, &to, &targets, null(), all, sums, by_logps, how, &mut error)
        } else {
            preflane_logits_grad(run, &from, &targets, null(), all, sums, by_logps, how, &to, &mut error)
        }
    };
    check(code, &error, &before, arena);
    if code != 0 || rows == 0 || to.dtype != 1 || (dtype != 1 && !in_place) || all.first != 0 {
        return;
    }
    // The Rust functions over copies.
    let (columns, stride) = (to.columns, to.stride);
    let whole = if how.zero_padding == 1 { stride } else { columns };
    let n = (rows - 1) * stride + whole;
    let y = labels_of(&before, base, labels, rows);
    let targets = Targets::new(Labels::I64(&y));
    let seeds = floats(&before, base, by_logps, rows);
    let log_sum_exps: Vec<LogSumExp> = (0..rows)
        .map(|row| {
            let words = floats(&before, base, sums.cast::<f32>().wrapping_add(4 * row), 4);
            let rest = u64::from(words[1].to_bits()) << 32 | u64::from(words[0].to_bits());
            LogSumExp { rest: f64::from_bits(rest), max: words[2], reserved: words[3].to_bits() }
        })
        .collect();
    for sum in &log_sum_exps {
        let possible = sum.rest.is_nan() || ((0.0..f64::INFINITY).contains(&sum.rest) && sum.max.is_finite());
        assert!(possible && sum.reserved == 0, "taken: {sum:?}");
    }
    let seeds = Seeds { log_sum_exps: &log_sum_exps, grad_logps: &seeds };
    let how = Gradient { accumulate: how.accumulate == 1, zero_padding: how.zero_padding == 1 };
    let mut want = floats(&before, base, to.data.cast(), n);
    let view = LogitsMut::with_stride(&mut want, rows, columns, stride).expect("C took it");
    if in_place {
        Run::on(Backend::SCALAR)
            .logits_grad_in_place(view, targets, &Scaling::NONE, seeds, how.zero_padding)
            .expect("C took it");
    } else {
        let x = floats(&before, base, data.cast(), (rows - 1) * stride + columns);
        let x = Logits::with_stride(&x, rows, columns, stride).expect("C took it");
        Run::on(Backend::SCALAR).logits_grad(x, targets, &Scaling::NONE, seeds, how, view).expect("C took it");
    }
    assert_eq!(bits(&floats(arena, base, to.data.cast(), n)), bits(&want));
}

fn step(v: &mut Choices<'_>, arena: &mut Arena) {
    let base = arena.as_mut_ptr().cast::<u8>();
    let (pairs, tokens) = (v.below(3), 1 + v.below(2));
    let rows = 2 * pairs * tokens;
    let (_, columns, stride, dtype) = matrix(v);
    put_labels(v, base, 512, rows, columns);
    let before = *arena;
    let data = place(v, base, 0, 4 * rows * stride.max(columns));
    let labels = place(v, base, 512, 8 * rows);
    let mut slot = 640;
    let mut next = |v: &mut Choices<'_>, bytes: usize| {
        let at = place(v, base, slot, bytes);
        slot += bytes.next_multiple_of(64).max(64);
        at.cast::<f32>()
    };
    let sums = next(v, 16 * rows).cast::<LogSumExp>();
    let [token_logps, token_grads] = [(); 2].map(|()| next(v, 4 * rows));
    let [chosen_logps, rejected_logps, grad_chosen_logps, grad_rejected_logps] = [(); 4].map(|()| next(v, 4 * pairs));
    let [rc, rr, weights, losses, margins] = [(); 5].map(|()| next(v, 4 * pairs));
    let weights = if v.once_in(3) { weights } else { null_mut() };
    let losses = if v.once_in(3) { null_mut() } else { losses };
    let free = v.once_in(3);
    let [ref_chosen_logps, ref_rejected_logps] = if free && !v.once_in(20) { [null_mut(); 2] } else { [rc, rr] };
    let mut targets = preflane_targets_i64(labels.cast(), huge(v, rows));
    targets.shifted_tokens = if v.once_in(4) { tokens + usize::from(v.once_in(8)) } else { 0 };
    let loss = given_loss(v);
    let given = preflane_step {
        loss,
        sequences: preflane_sequences {
            targets,
            tokens: huge(v, tokens),
            alpha: if v.once_in(8) { f64::from(v.any()) } else { 0.0 },
            layout: constant(v, 1, 2),
            reduction: constant(v, 1, 3),
        },
        scaling: null(),
        ref_chosen_logps,
        ref_rejected_logps,
        weights,
        column: null(),
        grad_scale: if v.once_in(8) { f64::from(v.any()) } else { 0.5 },
        reference_free: i32::from(free),
        zero_padding: constant(v, 0, 1),
    };
    let reserved = reserved(v);
    let logits = preflane_logits_mut { data: data.cast(), rows: huge(v, rows), columns, stride, dtype, reserved };
    let buffers = preflane_step_buffers {
        token_logps,
        log_sum_exps: sums,
        token_grads,
        chosen_logps,
        rejected_logps,
        grad_chosen_logps,
        grad_rejected_logps,
    };
    let outputs = preflane_step_outputs { losses, chosen_rewards: null_mut(), rejected_rewards: null_mut(), margins };
    let outputs_at = if v.once_in(8) { null() } else { &raw const outputs };
    let run = run_of(v);
    let begun = if v.once_in(30) { damaged(v) } else { Metrics::new() };
    let (mut metrics, mut counts, mut error) = (begun, TokenCounts::default(), no_error());
    // SAFETY: as in `pairs`; other rows than labels are refused, and no memory has as many labels as the huge ones.
    let code =
        unsafe { preflane_step_run(run, &given, &logits, &buffers, outputs_at, &mut metrics, &mut counts, &mut error) };
    check(code, &error, &before, arena);
    if code != 0 {
        assert_eq!(metrics, begun);
    } else {
        let shift = given.sequences.targets.shifted_tokens;
        assert!(begun == Metrics::new() && given.grad_scale != 0.0 && reserved == 0, "taken, though it is not sound");
        assert!(shift == 0 || shift == given.sequences.tokens, "targets shifted by {shift}");
    }
    if code != 0 || dtype != 1 || rows == 0 || given.sequences.tokens != tokens {
        return;
    }
    // The Rust function over copies.
    let zero_padding = given.zero_padding == 1;
    let n = (rows - 1) * stride + if zero_padding { stride } else { columns };
    let y = labels_of(&before, base, labels, rows);
    let targets = Targets::new(Labels::I64(&y));
    let targets = if given.sequences.targets.shifted_tokens != 0 {
        Targets::shifted(Labels::I64(&y), tokens).expect("C took it")
    } else {
        targets
    };
    let layout = if given.sequences.layout == 1 { Layout::ChosenFirst } else { Layout::Interleaved };
    let reduction = match given.sequences.reduction {
        1 => Reduction::Sum,
        2 => Reduction::Mean,
        _ => Reduction::LengthDesensitized { alpha: given.sequences.alpha },
    };
    let sequences = Sequences::new(targets, tokens, layout, reduction).expect("C took it");
    let read = |at: *const f32| if at.is_null() { vec![] } else { floats(&before, base, at, pairs) };
    let [rc, rr, weights] = [ref_chosen_logps, ref_rejected_logps, weights].map(|at| read(at));
    let rust = Step {
        loss: loss_of(&loss).expect("C took it"),
        scaling: Scaling::NONE,
        sequences,
        reference: (!free).then_some(Reference { chosen_logps: &rc, rejected_logps: &rr }),
        weights: (!weights.is_empty()).then_some(&weights),
        column: None,
        grad_scale: given.grad_scale,
        zero_padding,
    };
    let mut x = floats(&before, base, data.cast(), n);
    let mut log_sum_exps = vec![LogSumExp::default(); rows];
    let [mut by_row, mut by_row_too] = [(); 2].map(|()| vec![7.0; rows]);
    let mut by_pair = [(); 6].map(|()| vec![7.0; pairs]);
    let [chosen, rejected, grad_chosen, grad_rejected, losses_want, margins_want] = &mut by_pair;
    let rust_buffers = StepBuffers {
        token_logps: &mut by_row,
        log_sum_exps: &mut log_sum_exps,
        token_grads: &mut by_row_too,
        chosen_logps: chosen,
        rejected_logps: rejected,
        grad_chosen_logps: grad_chosen,
        grad_rejected_logps: grad_rejected,
    };
    let rust_outputs = StepOutputs { losses: Some(losses_want), margins: Some(margins_want), ..Default::default() };
    let mut counted = Metrics::new();
    let view = LogitsMut::with_stride(&mut x, rows, columns, stride).expect("C took it");
    let found =
        Run::on(Backend::SCALAR).step(&rust, view, rust_buffers, rust_outputs, Some(&mut counted)).expect("C took it");
    assert_eq!((counts, metrics), (found, counted));
    assert_eq!(bits(&floats(arena, base, data.cast(), n)), bits(&x));
    let [chosen, rejected, grad_chosen, grad_rejected, losses_want, margins_want] = &by_pair;
    let asked = !outputs_at.is_null();
    for (at, want) in [
        (token_logps, &by_row),
        (token_grads, &by_row_too),
        (chosen_logps, chosen),
        (rejected_logps, rejected),
        (grad_chosen_logps, grad_chosen),
        (grad_rejected_logps, grad_rejected),
        (if asked { losses } else { null_mut() }, losses_want),
        (if asked { margins } else { null_mut() }, margins_want),
    ] {
        if !at.is_null() {
            assert_eq!(bits(&floats(arena, base, at, want.len())), bits(want));
        }
    }
}

fn exact_sum(v: &mut Choices<'_>, arena: &mut Arena) {
    let base = arena.as_mut_ptr().cast::<u8>();
    let n = v.below(40);
    let values = place(v, base, 0, 4 * n).cast::<f32>();
    let [sum, other] = [512, 640].map(|slot| place(v, base, slot, size_of::<ExactSum>()).cast::<ExactSum>());
    for sum in [sum, other] {
        if !sum.is_null() && sum.is_aligned() {
            // SAFETY: it has its room.
            unsafe { sum.write(ExactSum::new()) };
        }
    }
    if v.once_in(30) && !sum.is_null() && sum.is_aligned() {
        // A bit that no sum sets. SAFETY: it has its room, of five words.
        unsafe { sum.cast::<u64>().add(4).write(1 << 63) };
        let before = *arena;
        let (mut error, mut value) = (no_error(), 7.0);
        // SAFETY: all are there.
        unsafe {
            assert_eq!(preflane_sum_value(sum, 1, &mut value, null_mut(), &mut error), 3);
            check(3, &error, &before, arena);
            assert_ne!(preflane_sum_merge(other, sum, &mut error), 0);
            assert_ne!(preflane_sum_add(sum, values, n, &mut error), 0);
        }
        check(error.code, &error, &before, arena);
        assert_eq!(value, 7.0);
        return;
    }
    let before = *arena;
    let length = huge(v, n);
    let memory = [used(values, n, false, true), used(sum, 1, true, true)];
    let mut error = no_error();
    // SAFETY: as in `pairs`.
    let code = unsafe { preflane_sum_add(sum, values, length, &mut error) };
    check(code, &error, &before, arena);
    assert_eq!(code == 0, length == n && sound(&memory), "code {code}");
    if code != 0 {
        return;
    }
    let mut want = ExactSum::new();
    let added = if n == 0 { vec![] } else { floats(&before, base, values, n) };
    added.iter().for_each(|&x| want.add(x));
    // SAFETY: C took it.
    let got = unsafe { *sum };
    assert_eq!(got, want);
    let before = *arena;
    error = no_error();
    // SAFETY: as in `pairs`.
    let code = unsafe { preflane_sum_merge(other, sum, &mut error) };
    check(code, &error, &before, arena);
    assert_eq!(code == 0, sound(&[used(sum, 1, false, true), used(other, 1, true, true)]), "code {code}");
    let before = *arena;
    let [value, mean] = [768, 832].map(|slot| place(v, base, slot, 4).cast::<f32>());
    let count = u64::from(v.source.word()) >> v.below(32);
    error = no_error();
    // SAFETY: as in `pairs`.
    let code = unsafe { preflane_sum_value(sum, count, value, mean, &mut error) };
    check(code, &error, &before, arena);
    let memory = [used(sum, 1, false, true), used(value, 1, true, false), used(mean, 1, true, false)];
    assert_eq!(code == 0, sound(&memory), "code {code}");
    if code == 0 {
        for (at, want) in [(value, want.sum()), (mean, want.mean(count))] {
            if !at.is_null() {
                assert_eq!(bits(&floats(arena, base, at, 1)), bits(&[want]));
            }
        }
    }
}

fn sequences(v: &mut Choices<'_>, arena: &mut Arena) {
    let base = arena.as_mut_ptr().cast::<u8>();
    let (pairs, tokens) = (v.below(4), v.below(5));
    let rows = 2 * pairs * tokens;
    put_labels(v, base, 1024, rows, 50);
    let before = *arena;
    let labels = place(v, base, 1024, 8 * rows);
    let mut targets = preflane_targets_i64(labels.cast(), rows);
    targets.shifted_tokens = if v.once_in(3) { tokens + usize::from(v.once_in(8)) } else { 0 };
    let given = preflane_sequences {
        targets,
        tokens: huge(v, tokens),
        alpha: if v.once_in(3) { f64::from(v.any()) } else { 0.0 },
        layout: constant(v, 1, 2),
        reduction: constant(v, 1, 3),
    };
    let per_token = place(v, base, 0, 4 * rows).cast::<f32>();
    let chosen = place(v, base, 512, 4 * rows).cast::<f32>();
    let rejected = place(v, base, 704, 4 * rows).cast::<f32>();
    let mut error = no_error();
    // SAFETY: as in `pairs`: other tokens than there are make no more pairs than there are rows.
    let code = unsafe {
        if v.once_in(2) {
            preflane_sequence_logps(&given, per_token, chosen, rejected, &mut error)
        } else {
            preflane_token_grads(&given, chosen, rejected, 0.5, per_token, &mut error)
        }
    };
    check(code, &error, &before, arena);
    let shift = given.targets.shifted_tokens;
    assert!(code != 0 || shift == 0 || shift == given.tokens, "targets shifted by {shift}");
}

fn row_sum(v: &mut Choices<'_>, arena: &mut Arena) {
    let base = arena.as_mut_ptr().cast::<u8>();
    let n = v.below(40);
    let state = place(v, base, 1024, size_of::<RowSumState>()).cast::<RowSumState>();
    let columns = place(v, base, 0, 4 * n);
    let mut error = no_error();
    if !state.is_null() && state.is_aligned() && !v.once_in(8) {
        // SAFETY: it has its room.
        assert_eq!(unsafe { preflane_row_sum_init(state, null(), &mut error) }, 0);
    }
    let before = *arena;
    let (dtype, length) = (constant(v, 1, 3), huge(v, n));
    let target = match v.below(5) {
        0 => i64::from(v.source.word() as i32),
        1 => i64::MIN,
        2 => v.below(n + 1) as i64,
        _ => -1,
    };
    let run = run_of(v);
    let mut error = no_error();
    // SAFETY: as in `pairs`.
    let code = unsafe { preflane_row_sum_add(run, state, columns.cast(), dtype, length, target, &mut error) };
    check(code, &error, &before, arena);
    if code == 0 {
        // SAFETY: it is a state now, and aligned.
        let state = unsafe { *state };
        assert!(RowSum::restore(&state).is_some(), "{state:?}");
    }
}

/// A pointer for each slot, one after the other.
struct Slots {
    base: *mut u8,
    slot: usize,
}

impl Slots {
    fn next(&mut self, v: &mut Choices<'_>, bytes: usize) -> *mut u8 {
        let at = place(v, self.base, self.slot, bytes);
        self.slot += bytes.next_multiple_of(64).max(64);
        at
    }
    fn maybe(&mut self, v: &mut Choices<'_>, bytes: usize) -> *mut u8 {
        if v.once_in(3) { null_mut() } else { self.next(v, bytes) }
    }
}

/// Whether a level that was asked for is there.
fn is_level(run: &preflane_run) -> bool {
    let level = [None, Some(0), Some(1), Some(2), Some(3)].get(run.level as usize).copied();
    level.is_some_and(|level| level.is_none_or(|i| preflane::Level::ALL[i].is_available()))
}

fn are_weights(weights: &[f32]) -> bool {
    weights.iter().all(|w| w.is_finite() && *w >= 0.0)
}

fn labelled_answers(v: &mut Choices<'_>, arena: &mut Arena) {
    let base = arena.as_mut_ptr().cast::<u8>();
    let n = v.below(10);
    let mut slots = Slots { base, slot: 0 };
    let labels = slots.next(v, n);
    for i in 0..n {
        let byte = if v.once_in(40) { v.source.byte() } else { v.below(2) as u8 };
        // SAFETY: the first slot has room for them.
        unsafe { base.add(i).write(byte) };
    }
    let before = *arena;
    let policy = slots.next(v, 4 * n).cast::<f32>();
    let reference = slots.maybe(v, 4 * n).cast::<f32>();
    let weights = slots.maybe(v, 4 * n).cast::<f32>();
    let column = if v.once_in(20) { slots.next(v, 4 * n).cast::<f32>() } else { null_mut() };
    let outputs = [(); 6].map(|()| slots.maybe(v, 4 * n).cast::<f32>());
    let given = preflane_labelled {
        length: huge(v, n),
        policy_logps: policy,
        ref_logps: reference,
        desirable: labels,
        weights,
        column,
        reference_point: if v.once_in(8) { v.any() } else { v.pick(&[0.5, 0.0]) },
        reference_free: if v.once_in(20) { constant(v, 0, 1) } else { i32::from(reference.is_null()) },
    };
    let [losses, rewards, grad_logps, grad_ref_logps, grad_beta, grad_bias] = outputs;
    let out = preflane_labelled_outputs { losses, rewards, grad_logps, grad_ref_logps, grad_beta, grad_bias };
    let loss = given_loss(v);
    let run = run_of(v);
    let mut error = no_error();
    // SAFETY: any bits are metrics; zeros are empty ones.
    let mut metrics: preflane_labelled_metrics = unsafe { std::mem::zeroed() };
    let begun = if v.once_in(30) { 9 } else { 0 };
    metrics.nonfinite = begun;
    // SAFETY: as in `pairs`.
    let code = unsafe { preflane_evaluate_labelled(run, &loss, &given, &out, &mut metrics, &mut error) };
    check(code, &error, &before, arena);
    let free = given.reference_free == 1;
    let known = parameters(&loss, Shape::Labelled).and_then(|(of, x)| LabelledLoss::new(of, x).ok());
    let mut memory = vec![used(policy, n, false, true), used(labels, n, false, true), used(weights, n, false, false)];
    memory.push(used(reference, if free { 0 } else { n }, false, true));
    memory.push(used(column, n, false, false));
    memory.extend(outputs.map(|at| used(at, n, true, false)));
    let described = known.as_ref().map(LabelledLoss::description);
    let good = given.length == n
        && described.is_some_and(|loss| loss.reference_point.is_some() || given.reference_point == 0.0)
        // No loss takes something beside log-probabilities.
        && (column.is_null() || n == 0)
        && matches!(given.reference_free, 0 | 1)
        && (!free || reference.is_null())
        && known.is_some()
        && is_level(&run)
        && begun == 0
        && given.reference_point.is_finite()
        && sound(&memory);
    if !good {
        assert_ne!(code, 0, "taken, though it is not sound");
        assert_eq!((metrics.nonfinite, metrics.desirable), (begun, 0));
        return;
    }
    let read = |at: *const f32| if n == 0 || at.is_null() { vec![] } else { floats(&before, base, at, n) };
    let [policy, reference, weighted, column_values] = [policy, reference, weights, column].map(|at| read(at));
    // SAFETY: the arena is plain integers, and the place was checked.
    let bytes: Vec<u8> =
        (0..n).map(|i| unsafe { *before.as_ptr().cast::<u8>().add(labels.addr() - base.addr() + i) }).collect();
    if bytes.iter().any(|&byte| byte > 1) || !are_weights(&weighted) {
        assert_eq!(code, if bytes.iter().any(|&byte| byte > 1) { 3 } else { 6 });
        return;
    }
    assert_eq!(code, 0, "refused with code {code}, though it is sound");
    let desirable: Vec<bool> = bytes.iter().map(|&byte| byte == 1).collect();
    let answers = Labelled {
        policy_logps: &policy,
        ref_logps: (!free).then_some(&reference[..]),
        desirable: &desirable,
        reference_point: given.reference_point,
        weights: (!weights.is_null() && n > 0).then_some(&weighted[..]),
        column: (!column.is_null() && n > 0).then_some(&column_values[..]),
    };
    let mut want = [(); 6].map(|()| vec![7.0; n]);
    let [a, b, c, d, e, f] = &mut want;
    let outputs_want = LabelledOutputs {
        losses: Some(a),
        rewards: Some(b),
        grad_logps: Some(c),
        grad_ref_logps: Some(d),
        grad_beta: Some(e),
        grad_bias: Some(f),
    };
    let mut counted = LabelledMetrics::new();
    let known = known.expect("it is good");
    Run::on(Backend::SCALAR).evaluate_labelled(&known, answers, outputs_want, Some(&mut counted)).expect("C took it");
    for (at, want) in outputs.into_iter().zip(&want) {
        if !at.is_null() && n > 0 {
            assert_eq!(bits(&floats(arena, base, at, n)), bits(want));
        }
    }
    let seen = (metrics.desirable, metrics.undesirable, metrics.nonfinite, metrics.loss);
    assert_eq!(seen, (counted.desirable(), counted.undesirable(), counted.nonfinite(), *counted.loss()));
}

fn listed_answers(v: &mut Choices<'_>, arena: &mut Arena) {
    let base = arena.as_mut_ptr().cast::<u8>();
    let lists = v.below(4);
    let mut ends = vec![0];
    for list in 0..lists {
        ends.push(ends[list] + v.below(4));
    }
    let n = ends[lists];
    if v.once_in(12) {
        let place = v.below(lists + 1);
        let small = v.below(256);
        ends[place] = huge(v, small);
    }
    let mut slots = Slots { base, slot: 0 };
    let offsets = slots.next(v, 8 * (lists + 1)).cast::<usize>();
    for (i, &end) in ends.iter().enumerate() {
        // SAFETY: the first slot has room for them.
        unsafe { base.cast::<usize>().add(i).write(end) };
    }
    let before = *arena;
    let policy = slots.next(v, 4 * n).cast::<f32>();
    let reference = slots.maybe(v, 4 * n).cast::<f32>();
    let weights = slots.maybe(v, 4 * lists).cast::<f32>();
    let column = slots.maybe(v, 4 * n).cast::<f32>();
    let by_list = [(); 2].map(|()| slots.maybe(v, 4 * lists).cast::<f32>());
    let by_answer = [(); 3].map(|()| slots.maybe(v, 4 * n).cast::<f32>());
    let given = preflane_listed {
        answers: huge(v, n),
        lists: huge(v, lists),
        policy_logps: policy,
        ref_logps: reference,
        offsets,
        weights,
        column,
        reference_free: i32::from(reference.is_null()),
        reserved: reserved(v),
    };
    let [losses, grad_beta] = by_list;
    let [rewards, grad_logps, grad_ref_logps] = by_answer;
    let out = preflane_listed_outputs { losses, grad_beta, rewards, grad_logps, grad_ref_logps };
    let loss = given_loss(v);
    let run = run_of(v);
    let mut scratch = [preflane_list_scratch { state: [u64::MAX; 24] }; 4];
    let room = if v.once_in(12) { v.below(4) } else { 4 };
    let mut error = no_error();
    // A list more than there are ends beyond the offsets; a place that is no place at all is refused before.
    if given.lists != lists && given.lists < 1 << 50 {
        return;
    }
    // SAFETY: as in `pairs`.
    let code = unsafe {
        preflane_evaluate_listed(run, &loss, &given, &out, null_mut(), scratch.as_mut_ptr(), room, &mut error)
    };
    check(code, &error, &before, arena);
    if code != 0 {
        assert!(
            scratch[..].iter().all(|element| element.state == [u64::MAX; 24]),
            "refused, but something was written"
        );
        return;
    }
    // Without a list and an answer there may be no offsets.
    let given_ends = if offsets.is_null() { 0 } else { lists + 1 };
    // SAFETY: C took it; the arena is plain integers.
    let mut ends: Vec<usize> = (0..given_ends)
        .map(|i| unsafe {
            before.as_ptr().cast::<u8>().add(offsets.addr() - base.addr() + 8 * i).cast::<usize>().read()
        })
        .collect();
    ends.resize(lists + 1, 0);
    let (of, given_parameters) = parameters(&loss, Shape::Listed).expect("C took it");
    let known = ListedLoss::new(of, given_parameters).expect("C took it");
    let read = |at: *const f32, n| if n == 0 || at.is_null() { vec![] } else { floats(&before, base, at, n) };
    let (policy, reference_read, weighted) = (read(policy, n), read(reference, n), read(weights, lists));
    let beside = read(column, n);
    let copies = Lists {
        policy_logps: &policy,
        ref_logps: (!reference.is_null()).then_some(&reference_read[..]),
        offsets: &ends,
        weights: (!weights.is_null() && lists > 0).then_some(&weighted[..]),
        column: (!column.is_null() && n > 0).then_some(&beside[..]),
    };
    let mut want = [vec![7.0; lists], vec![7.0; lists], vec![7.0; n], vec![7.0; n], vec![7.0; n]];
    let [a, b, c, d, e] = &mut want;
    let outputs = ListOutputs {
        losses: Some(a),
        grad_beta: Some(b),
        rewards: Some(c),
        grad_logps: Some(d),
        grad_ref_logps: Some(e),
    };
    let mut memory = vec![ListScratch::default(); room];
    Run::on(Backend::SCALAR).evaluate_listed(&known, copies, outputs, None, &mut memory).expect("C took it");
    for (at, want) in by_list.into_iter().chain(by_answer).zip(&want) {
        if !at.is_null() && !want.is_empty() {
            assert_eq!(bits(&floats(arena, base, at, want.len())), bits(want));
        }
    }
}

fn contrastive(v: &mut Choices<'_>, arena: &mut Arena) {
    let base = arena.as_mut_ptr().cast::<u8>();
    let (n, m) = (v.below(4), v.below(5));
    let mut slots = Slots { base, slot: 0 };
    let mask_at = slots.maybe(v, n * m);
    for i in 0..n * m {
        let byte = if v.once_in(60) { v.source.byte() } else { v.below(2) as u8 };
        // SAFETY: the first slot has room for them.
        unsafe { base.add(i).write(byte) };
    }
    let before = *arena;
    let positives = slots.next(v, 4 * n).cast::<f32>();
    let data = slots.next(v, 4 * n * m).cast::<f32>();
    let outputs = [(); 3].map(|()| slots.maybe(v, 4 * n).cast::<f32>());
    let grad_negatives = slots.maybe(v, 4 * n * m).cast::<f32>();
    let stride = if v.once_in(20) { m.saturating_sub(1) } else { m };
    let given = preflane_similarities {
        positives,
        negatives: preflane_matrix { data, rows: huge(v, n), columns: m, stride },
        mask: mask_at,
    };
    let [losses, grad_positives, grad_temperature] = outputs;
    let out = preflane_info_nce_outputs {
        losses,
        grad_positives,
        grad_negatives,
        grad_negatives_stride: stride,
        grad_temperature,
    };
    let temperature = if v.once_in(8) { f64::from(v.any()) } else { 0.5 };
    let (run, mut error, mut nonfinite) = (run_of(v), no_error(), 77);
    // A row more than there are is read beyond the arena.
    if given.negatives.rows != n && given.negatives.rows < 1 << 50 {
        return;
    }
    // SAFETY: as in `pairs`.
    let code = unsafe { preflane_info_nce(run, &given, temperature, &out, &mut nonfinite, &mut error) };
    check(code, &error, &before, arena);
    if code != 0 {
        assert_eq!(nonfinite, 77);
        return;
    }
    let read = |at: *const f32, n| if n == 0 || at.is_null() { vec![] } else { floats(&before, base, at, n) };
    let (positives, negatives) = (read(positives, n), read(data, n * m));
    // SAFETY: C took it; the arena is plain integers.
    let mask: Option<Vec<bool>> = (!mask_at.is_null()).then(|| {
        (0..n * m)
            .map(|i| unsafe { *before.as_ptr().cast::<u8>().add(mask_at.addr() - base.addr() + i) } == 1)
            .collect()
    });
    let similarities = Similarities {
        positives: &positives,
        negatives: (m > 0).then(|| Logits::new(&negatives, n, m).expect("C took it")),
        mask: mask.as_deref(),
    };
    let mut want = [vec![7.0; n], vec![7.0; n], vec![7.0; n]];
    let mut want_negatives = vec![7.0; n * m];
    let [a, b, c] = &mut want;
    let results = InfoNceOutputs {
        losses: Some(a),
        grad_positives: Some(b),
        grad_negatives: (m > 0).then(|| LogitsMut::new(&mut want_negatives, n, m).expect("C took it")),
        grad_temperature: Some(c),
    };
    let counted = Run::on(Backend::SCALAR).info_nce(similarities, temperature, results).expect("C took it");
    assert_eq!(nonfinite, counted);
    for (at, want) in outputs.into_iter().chain([grad_negatives]).zip(want.iter().chain([&want_negatives])) {
        if !at.is_null() && !want.is_empty() {
            assert_eq!(bits(&floats(arena, base, at, want.len())), bits(want));
        }
    }
}

/// Calls in any order against the Rust evaluator and monitor, on states that may be anything at first.
fn streaming(v: &mut Choices<'_>, arena: &mut Arena) {
    const CAPACITY: usize = 3;
    let base = arena.as_mut_ptr().cast::<u8>();
    let evaluator = base.cast::<preflane_evaluator>();
    let monitor = base.wrapping_add(512).cast::<preflane_monitor>();
    let rows = base.wrapping_add(1024).cast::<preflane_window_row>();
    let mut error = no_error();
    // SAFETY: each has its room.
    unsafe {
        if v.once_in(2) {
            // What no call left, which must not be more than refused.
            let before = *arena;
            let code = preflane_evaluator_begin(evaluator, 1, &mut error);
            check(code, &error, &before, arena);
            error = no_error();
            let before = *arena;
            let mut report = std::mem::zeroed();
            let code = preflane_monitor_report(monitor, rows, CAPACITY, &mut report, &mut error);
            check(code, &error, &before, arena);
        }
        let loss = preflane_loss { kind: 1, reserved: 0, parameters: [0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0] };
        assert_eq!(preflane_evaluator_init(evaluator, &loss, constant(v, 1, 2).clamp(1, 2), null_mut()), 0);
        monitor.write_bytes(0, 1);
    }
    // SAFETY: it was begun.
    let mut rust_evaluator = Evaluator::new(Loss::dpo(0.25).expect("beta"));
    let mut mean = false;
    // SAFETY: a copy tells which reduction it has, by what an answer of two tokens becomes.
    unsafe {
        let mut copy = *evaluator;
        let (mut scored, mut is_pair) = (std::mem::zeroed::<preflane_scored>(), 0);
        for side in [1, 2] {
            assert_eq!(preflane_evaluator_begin(&mut copy, side, null_mut()), 0);
            assert_eq!(preflane_evaluator_tokens(&mut copy, [-1.0, -1.0].as_ptr(), null(), 2, null_mut()), 0);
            assert_eq!(preflane_evaluator_end(&mut copy, null(), &mut scored, &mut is_pair, null_mut()), 0);
        }
        mean |= scored.chosen.logps == -1.0;
    }
    if mean {
        rust_evaluator = rust_evaluator.with_reduction(Reduction::Mean).expect("a mean");
    }
    let mut rust_monitor = Monitor::<CAPACITY>::new();
    let limits = Limits::new(1).expect("one");
    for _ in 0..v.below(30) {
        let before = *arena;
        error = no_error();
        let value = if v.once_in(6) { v.any() } else { -1.5 };
        let reference = v.once_in(2).then_some(-1.25_f32);
        let at = reference.as_ref().map_or(null(), |x| std::ptr::from_ref(x));
        // SAFETY: all arguments are there.
        let (code, took) = unsafe {
            match v.below(8) {
                0..=2 => {
                    let side = constant(v, 1, 2);
                    let code = preflane_evaluator_begin(evaluator, side, &mut error);
                    let rust = match side {
                        1 => rust_evaluator.begin(Side::Chosen).is_ok(),
                        2 => rust_evaluator.begin(Side::Rejected).is_ok(),
                        _ => false,
                    };
                    (code, rust)
                }
                3 | 4 => {
                    let code = preflane_evaluator_tokens(evaluator, &value, at, 1, &mut error);
                    (code, rust_evaluator.token(value, reference).is_ok())
                }
                5 => (preflane_evaluator_abandon(evaluator, &mut error), {
                    rust_evaluator.abandon();
                    true
                }),
                _ => {
                    let (mut scored, mut is_pair) = (std::mem::zeroed::<preflane_scored>(), 7);
                    let code = preflane_evaluator_end(evaluator, at, &mut scored, &mut is_pair, &mut error);
                    let rust = rust_evaluator.end(reference);
                    if let Ok(found) = &rust {
                        assert_eq!(is_pair, i32::from(found.is_some()));
                        if let Some(pair) = found {
                            let got = [scored.loss, scored.margin, scored.grad_chosen_logps, scored.chosen.k3];
                            let k3 = pair.chosen.reference.and_then(|x| x.drift).map_or(0.0, |x| x.k3);
                            assert_eq!(
                                bits(&got),
                                bits(&[pair.pair.loss, pair.pair.margin, pair.pair.grad_chosen_logps, k3])
                            );
                            rust_monitor.push(pair, &limits);
                            assert_eq!(
                                preflane_monitor_push(monitor, rows, CAPACITY, &scored, null(), null_mut(), &mut error),
                                0
                            );
                        }
                    }
                    (code, rust.is_ok())
                }
            }
        };
        assert_eq!(code == 0, took, "code {code}");
        check(code, &error, &before, arena);
    }
    let (mut bytes, mut written) = ([0; 1024], 0);
    // SAFETY: all arguments are there.
    let code = unsafe {
        preflane_monitor_save(monitor, rows, CAPACITY, bytes.as_mut_ptr(), bytes.len(), &mut written, &mut error)
    };
    assert_eq!(code, 0);
    let mut want = [0; 1024];
    let length = rust_monitor.save(&mut want).expect("there is room");
    assert_eq!(bytes[..written], want[..length]);
}
