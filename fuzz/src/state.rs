//! Saved states as any bytes: refused, or a state that keeps the laws; never a panic.

use std::mem::size_of;
use std::ptr::{null, null_mut};

use crate::{Choices, JUDGED, backends, check_nan, choices, scaling};
use preflane::capi::{
    preflane_beta_of_batch, preflane_mean_log_ratio, preflane_mean_log_ratio_add, preflane_mean_log_ratio_merge,
    preflane_mean_log_ratio_restore, preflane_mean_log_ratio_save, preflane_mean_log_ratio_value,
    preflane_metrics_merge, preflane_metrics_report, preflane_report, preflane_row_sum_merge, preflane_row_sum_value,
};
use preflane::logits::{LogSumExp, RowSum, RowSumState};
use preflane::{ExactSum, Metrics};
use preflane_judge::classes::Source;
use preflane_judge::sums::{limbs, mean};
use preflane_judge::{Float, ulps};

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    match v.below(4) {
        0 => exact_sum(&mut v),
        1 => metrics(&mut v),
        2 => mean_log_ratio(&mut v),
        _ => row_sum(&mut v),
    }
}

/// 64-bit words: often few bits, or all of them, so that ends and carries are met.
fn word(v: &mut Choices<'_>) -> u64 {
    match v.below(6) {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << v.below(64),
        3 => v.below(256) as u64,
        _ => u64::from(v.source.word()) << 32 | u64::from(v.source.word()),
    }
}

/// A struct of plain integers from words.
///
/// # Safety
/// Any bits are a T.
unsafe fn plain<T: Copy>(words: &[u64]) -> T {
    assert!(size_of::<T>() <= size_of_val(words));
    // SAFETY: as many bytes are there; any are a T.
    unsafe { words.as_ptr().cast::<T>().read_unaligned() }
}

/// A sum's limbs; the highest 4 bits of the last are its flags: 1 NaN, 2 and 4 the infinities, 8 none.
fn sum_words(v: &mut Choices<'_>) -> [u64; 5] {
    let flags = if v.once_in(3) { u64::from(v.source.word()) } else { 0 };
    let mut words = [(); 5].map(|()| word(v));
    words[4] = words[4] & LAST | flags << 60;
    words
}

/// The bits of the last limb that are the number's.
const LAST: u64 = u64::MAX >> 4;

/// That a sum says what its bytes mean.
fn check_sum(sum: &ExactSum, words: [u64; 5], count: u64) {
    let (got, over) = (sum.sum(), sum.mean(count));
    check_nan(&[got, over]);
    match words[4] >> 60 {
        0 if !JUDGED => (),
        0 => {
            let exact = limbs(words);
            assert!(ulps(got, &exact) <= 0.5, "{words:x?}: {got:e}");
            assert!(count == 0 || ulps(over, &mean(&exact, count)) <= 0.5, "{words:x?} over {count}: {over:e}");
        }
        2 => assert_eq!(got, f32::INFINITY),
        4 => assert_eq!(got, f32::NEG_INFINITY),
        _ => assert!(got.is_nan()),
    }
}

fn exact_sum(v: &mut Choices<'_>) {
    let (a, b) = (sum_words(v), sum_words(v));
    // SAFETY: integers.
    let (x, y): (ExactSum, ExactSum) = unsafe { (plain(&a), plain(&b)) };
    let count = word(v);
    check_sum(&x, a, count);
    check_sum(&y, b, count);
    let (mut xy, mut yx) = (x, y);
    xy.merge(&y);
    yx.merge(&x);
    assert_eq!(xy.sum().to_bits(), yx.sum().to_bits());
    assert_eq!(xy.mean(count).to_bits(), yx.mean(count).to_bits());
    // Merging is the addition of the integers, which wrap.
    let mut both = [0; 5];
    let mut carry = false;
    for (i, out) in both.iter_mut().enumerate() {
        let (s, c) = a[i].overflowing_add(b[i]);
        let (s, d) = s.overflowing_add(carry.into());
        (*out, carry) = (s, c || d);
    }
    both[4] = both[4] & LAST | (a[4] | b[4]) & !LAST;
    check_sum(&xy, both, count);
    xy.add(v.any());
    check_nan(&[xy.sum()]);
}

/// Whether pairs could have given metrics of these words.
fn possible(words: &[u64]) -> bool {
    let [pairs, referenced, accurate, ties, nonfinite, chosen_fell, rejected_fell, both_fell, ..] = *words else {
        return false;
    };
    u128::from(accurate) + u128::from(ties) <= u128::from(pairs)
        && referenced <= pairs
        && nonfinite <= pairs
        && chosen_fell <= referenced
        && rejected_fell <= referenced
        && both_fell <= chosen_fell
        && both_fell <= rejected_fell
        && words[8..].chunks(5).all(|sum| sum[4] >> 63 == 0)
}

fn metrics(v: &mut Choices<'_>) {
    let words = [(); 2].map(|()| {
        let mut words: Vec<u64> = (0..8).map(|_| word(v)).collect();
        (0..7).for_each(|_| words.extend(sum_words(v)));
        if !v.once_in(4) {
            // Counts that go together, and that two of may be added.
            words[0] >>= 2;
            for (count, most) in [(1, 0), (2, 0), (4, 0), (5, 1), (6, 1)] {
                words[count] %= words[most] + 1;
            }
            words[3] %= words[0] - words[2] + 1;
            words[7] %= words[5].min(words[6]) + 1;
            words[8..].chunks_mut(5).for_each(|sum| sum[4] &= u64::MAX >> 1);
        }
        words
    });
    assert_eq!(size_of::<Metrics>(), 8 * words[0].len());
    // SAFETY: integers.
    let [a, b]: [Metrics; 2] = words.each_ref().map(|words| unsafe { plain(words) });
    if let Some(bad) = [0, 1].into_iter().find(|&i| !possible(&words[i])) {
        let (bad, mut good) = ([a, b][bad], Metrics::new());
        let mut changed = bad;
        // SAFETY: integers and floats.
        let mut out: preflane_report = unsafe { plain(&[0; 16]) };
        // SAFETY: all are there, and apart.
        unsafe {
            assert_eq!(preflane_metrics_report(&bad, &mut out, null_mut()), 3);
            assert_eq!(preflane_metrics_merge(&mut good, &bad, null_mut()), 3);
            assert_eq!(preflane_metrics_merge(&mut changed, &good, null_mut()), 3);
        }
        assert_eq!((good, changed), (Metrics::new(), bad));
        return;
    }
    let means = |metrics: &Metrics| {
        // SAFETY: integers and floats.
        let mut out: preflane_report = unsafe { plain(&[0; 16]) };
        // SAFETY: both are there.
        assert_eq!(unsafe { preflane_metrics_report(metrics, &mut out, null_mut()) }, 0);
        [
            out.loss,
            out.rewards_chosen,
            out.rewards_rejected,
            out.rewards_accuracies,
            out.rewards_margins,
            out.logps_chosen,
            out.logps_rejected,
            out.chosen_fell,
            out.rejected_fell,
            out.both_fell,
        ]
    };
    let got = means(&a);
    check_nan(&got);
    // A share is the quotient of its counts; the loss's mean that of its sum.
    let [pairs, referenced, accurate, ..] = words[0][..] else { unreachable!("there are eight") };
    let share = |count: u64, of: u64| mean(&Float::with_val(1000, count), of);
    if pairs > 0 && JUDGED {
        // Counts beyond 2^53 are rounded first.
        let bound = if accurate < 1 << 53 { 0.5 } else { 0.500_001 };
        assert!(ulps(got[3], &share(accurate, pairs)) <= bound, "{accurate} of {pairs}: {:e}", got[3]);
    }
    assert_eq!(got[7].is_nan(), referenced == 0);
    let sum: [u64; 5] = words[0][13..18].try_into().expect("five");
    check_sum(a.loss(), sum, pairs);
    assert_eq!(got[0].to_bits(), a.loss().mean(pairs).to_bits());

    if a.pairs().checked_add(b.pairs()).is_none() {
        // More pairs than can be counted: the counts stay at their ends, where they no longer go together.
        return;
    }
    let (mut ab, mut ba) = (a, b);
    // SAFETY: all are there, and apart.
    unsafe {
        assert_eq!(preflane_metrics_merge(&mut ab, &b, null_mut()), 0);
        assert_eq!(preflane_metrics_merge(&mut ba, &a, null_mut()), 0);
    }
    assert_eq!(means(&ab).map(f32::to_bits), means(&ba).map(f32::to_bits));
    assert_eq!(ab.pairs(), a.pairs().saturating_add(b.pairs()));
}

/// Means of any counts and limbs: C takes them if rows could have given them, and then they keep the laws.
fn mean_log_ratio(v: &mut Choices<'_>) {
    let words = [(); 2].map(|()| {
        let mut words = vec![word(v), word(v)];
        words.extend(sum_words(v));
        if !v.once_in(4) {
            words[0] >>= 2;
            words[1] >>= 2;
            words[6] &= LAST;
        }
        words
    });
    assert_eq!(size_of::<preflane_mean_log_ratio>(), 8 * words[0].len());
    let is_possible = |words: &[u64]| words[6] >> 60 == 0 && (words[0] > 0 || words[2..].iter().all(|limb| *limb == 0));
    // SAFETY: integers.
    let [a, b]: [preflane_mean_log_ratio; 2] = words.each_ref().map(|words| unsafe { plain(words) });
    let bits = |state: &preflane_mean_log_ratio| -> [u64; 7] {
        // SAFETY: seven integers.
        unsafe { std::ptr::from_ref(state).cast::<[u64; 7]>().read() }
    };
    let (value, length) = (v.any(), v.below(3));
    let values = vec![value; length];
    for (state, words) in [a, b].iter().zip(&words) {
        let (mut changed, mut out, mut bytes) = (*state, [7.0_f32; 3], [0_u8; 72]);
        // SAFETY: all are there, and apart.
        let codes = unsafe {
            let [mean, mismatched, all] = out.each_mut().map(std::ptr::from_mut);
            [
                preflane_mean_log_ratio_value(state, mean, mismatched, all, null_mut()),
                preflane_mean_log_ratio_save(state, bytes.as_mut_ptr(), bytes.len(), null_mut()),
                preflane_mean_log_ratio_add(&mut changed, values.as_ptr(), values.as_ptr(), length, null_mut()),
            ]
        };
        if !is_possible(words) {
            assert_eq!((codes, out, bytes, bits(&changed)), ([3; 3], [7.0; 3], [0; 72], bits(state)));
            continue;
        }
        assert_eq!(codes, [0; 3]);
        check_nan(&out);
        let sum: [u64; 5] = words[2..].try_into().expect("five");
        check_sum(&state.log_ratios, sum, words[0]);
        assert_eq!(out[0].to_bits(), state.log_ratios.mean(words[0]).to_bits());
        let mut again = b;
        // SAFETY: all are there, and apart.
        assert_eq!(unsafe { preflane_mean_log_ratio_restore(bytes.as_ptr(), 72, &mut again, null_mut()) }, 0);
        assert_eq!(bits(&again), bits(state));
        // A value less itself changes no sum.
        assert_eq!(bits(&changed)[2..], bits(state)[2..]);
    }
    let (mut ab, mut ba, mut beta) = (a, b, 7.0);
    // SAFETY: all are there, and apart.
    let codes = unsafe {
        [
            preflane_mean_log_ratio_merge(&mut ab, &b, null_mut()),
            preflane_mean_log_ratio_merge(&mut ba, &a, null_mut()),
            preflane_beta_of_batch(&a, &b, 0.25, 0.5, &mut beta, null_mut()),
        ]
    };
    if words.iter().all(|words| is_possible(words)) {
        assert_eq!(codes, [0; 3]);
        assert!(bits(&ab) == bits(&ba) && beta >= 1e-3);
    } else {
        assert_eq!((codes, beta), ([3; 3], 7.0));
        assert!(bits(&ab) == bits(&a) && bits(&ba) == bits(&b));
    }
}

fn row_sum(v: &mut Choices<'_>) {
    let good = |v: &mut Choices<'_>, scaling| {
        let mut sum = RowSum::new(scaling);
        let row = v.logits(40, true);
        let target = v.once_in(2).then(|| v.below(row.len()));
        sum.add(v.pick(backends()), &row, target).expect("a column");
        sum
    };
    let scale = scaling(v.scaling());
    let ours = good(v, scale);
    let mut state = ours.state();
    // A state with some words changed.
    for _ in 0..1 + v.below(3) {
        let word = word(v);
        let single = v.any();
        match v.below(14) {
            0 => state.temperature = f64::from_bits(word),
            1 => state.logit_scale = f64::from_bits(word),
            2 => state.soft_cap = f64::from_bits(word),
            3 => state.window = word as i64,
            4 => state.window = i64::from(single as i8) - 3,
            5 => state.high[0] = word,
            6 => state.high[1] = word,
            7 => state.low[0] = word,
            8 => state.low[1] = word,
            9 => state.ties = word,
            10 => state.max = single,
            11 => state.target = single,
            12 => state.flags = word as u32,
            _ => state.reserved = word as u32,
        }
    }
    // SAFETY: any bits are numbers.
    let (mut sum, mut logp): (LogSumExp, f32) = unsafe { (plain(&[0; 2]), 0.0) };
    // SAFETY: all are there, and apart.
    let code = unsafe { preflane_row_sum_value(&state, &mut sum, null_mut(), null_mut()) };
    let Some(mut restored) = RowSum::restore(&state) else {
        assert_ne!(code, 0, "C takes what Rust refuses: {state:?}");
        return;
    };
    assert_eq!(code, 0, "C refuses what Rust takes: {state:?}");
    let again = restored.log_sum_exp();
    assert_eq!((sum.rest.to_bits(), sum.max.to_bits()), (again.rest.to_bits(), again.max.to_bits()));
    let bytes = |state: &RowSumState| format!("{state:?}");
    let kept = restored.state();
    let twice = RowSum::restore(&kept).expect("a state that was given").state();
    assert_eq!(bytes(&kept), bytes(&twice));
    // SAFETY: all are there, and apart.
    unsafe {
        let code = preflane_row_sum_value(&state, null_mut(), &mut logp, null_mut());
        assert_eq!(code == 0, restored.token_logp().is_ok());
        let mut into = kept;
        let theirs = ours.state();
        let same = kept.temperature == theirs.temperature
            && kept.logit_scale == theirs.logit_scale
            && kept.soft_cap == theirs.soft_cap
            // A row has one target.
            && kept.flags & theirs.flags & 1 == 0;
        assert_eq!(preflane_row_sum_merge(&mut into, &theirs, null_mut()) == 0, same);
        assert_ne!(preflane_row_sum_merge(&mut into, null(), null_mut()), 0);
    }
    // Whatever it is, going on with it does no harm: also often enough for its integers to come to their ends.
    for _ in 0..v.below(140) {
        let copy = restored;
        restored.merge(&copy);
    }
    restored.merge(&ours);
    let row = v.logits(20, true);
    let held = restored.state().flags & 1 == 1;
    assert_eq!(restored.add(v.pick(backends()), &row, Some(0)).is_ok(), !held);
    let _ = (restored.log_sum_exp(), restored.token_logp(), RowSum::restore(&restored.state()));
    // Two sums that are none of hostile making keep the laws.
    let (mut a, mut b) = (ours, good(v, scale));
    let first = b;
    b.merge(&a);
    a.merge(&first);
    assert_eq!(
        bytes(&RowSumState { target: 0.0, flags: 0, ..a.state() }),
        bytes(&RowSumState { target: 0.0, flags: 0, ..b.state() })
    );
}
