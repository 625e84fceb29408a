//! Estimates of the divergence of policy and reference: token by token, with exact sums over sequences.
//!
//! With `d = policy - reference` of a token's log-probabilities, Schulman's three (Approximating KL Divergence, 2020):
//!
//! - k1 is `d`, unbiased and of high variance; its derivative by the policy's log-probability is 1.
//! - k2 is `d^2 / 2`, biased and of low variance; its derivative is `d`.
//! - k3 is `e^-d - 1 + d`, unbiased, of low variance and never negative; its derivative is `1 - e^-d`.
//!
//! Worked values at policy -1.5, reference -2 (d = 0.5): 0.5, 0.125, 0.106530659712633; derivatives 1, 0.5, 0.393469340287367.

use crate::error::{check_length, check_offsets};
use crate::exact::{BLOCK, Double, Float384, log_ratio, rough_log_ratio};
use crate::lanes::{Backend, HAS_WIDE, Kernel, Lanes, dispatch};
use crate::losses::{Real, Tracked, Value};
use crate::metrics::Sums;
use crate::outputs::{Columns, Nearest, Sink};
use crate::{Error, ExactSum, NAN};

/// Which estimate of the divergence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KlEstimate {
    /// `d`.
    K1,
    /// `d^2 / 2`.
    K2,
    /// `e^-d - 1 + d`.
    K3,
}

/// Log-probabilities of tokens that the policy gave, sequence after sequence, in nats. The first two slices have the same length.
#[derive(Clone, Copy, Debug)]
pub struct KlTokens<'a> {
    /// The policy's log-probability of each token.
    pub policy_logps: &'a [f32],
    /// The reference model's.
    pub ref_logps: &'a [f32],
    /// Where each sequence begins among the tokens, and the number of tokens last: 0, 3, 5 are a sequence of three tokens and one of two.
    pub offsets: &'a [usize],
}

/// Where the results go; any of them may be left out. No result is -0: every zero is +0.
#[derive(Debug, Default)]
pub struct KlOutputs<'a> {
    /// The estimate of each token.
    pub estimates: Option<&'a mut [f32]>,
    /// The estimate's derivative by the policy's log-probability, token by token; by the reference's it is the opposite.
    pub grad_logps: Option<&'a mut [f32]>,
    /// The sum over each sequence.
    pub sums: Option<&'a mut [f32]>,
    /// The mean over each sequence's tokens.
    pub means: Option<&'a mut [f32]>,
}

/// The first `n` elements and the others.
fn halves(x: Option<&mut [f32]>, n: usize) -> (Option<&mut [f32]>, Option<&mut [f32]>) {
    x.and_then(|x| x.split_at_mut_checked(n)).map_or((None, None), |(head, tail)| (Some(head), Some(tail)))
}

impl<'a> KlOutputs<'a> {
    /// Those of some sequences and their tokens, and the others.
    pub(crate) fn split(self, sequences: usize, tokens: usize) -> (Self, Self) {
        let (estimates, more_estimates) = halves(self.estimates, tokens);
        let (grad_logps, more_logps) = halves(self.grad_logps, tokens);
        let (sums, more_sums) = halves(self.sums, sequences);
        let (means, more_means) = halves(self.means, sequences);
        let more = Self { estimates: more_estimates, grad_logps: more_logps, sums: more_sums, means: more_means };
        (Self { estimates, grad_logps, sums, means }, more)
    }
}

impl<'a> KlTokens<'a> {
    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `n` sequences and the others. Offsets were checked.
    pub(crate) fn split(&self, n: usize) -> (Self, Self) {
        let base = self.offsets.first().copied().unwrap_or(0);
        let (end, all) = (self.offsets.get(n).copied().unwrap_or(0) - base, self.policy_logps.len());
        let part = |sequences: core::ops::Range<usize>, tokens: core::ops::Range<usize>| Self {
            policy_logps: self.policy_logps.get(tokens.clone()).unwrap_or_default(),
            ref_logps: self.ref_logps.get(tokens).unwrap_or_default(),
            offsets: self.offsets.get(sequences.start..sequences.end + 1).unwrap_or_default(),
        };
        (part(0..n, 0..end), part(n..self.len(), end..all))
    }
}

/// All that is checked before anything is written.
pub(crate) fn check(tokens: &KlTokens<'_>, outputs: &KlOutputs<'_>) -> Result<(), Error> {
    let n = tokens.policy_logps.len();
    check_length("ref_logps", n, tokens.ref_logps.len())?;
    check_offsets(
        tokens.offsets,
        n,
        ["0, where the first sequence begins", "the number of tokens, where the last sequence ends"],
    )?;
    for (argument, output, length) in [
        ("estimates", &outputs.estimates, n),
        ("grad_logps", &outputs.grad_logps, n),
        ("sums", &outputs.sums, tokens.len()),
        ("means", &outputs.means, tokens.len()),
    ] {
        output.as_ref().map_or(Ok(()), |output| check_length(argument, length, output.len()))?;
    }
    let ends = tokens.offsets.iter().zip(tokens.offsets.iter().skip(1));
    match ends.clone().position(|(start, end)| start == end) {
        Some(sequence) => Err(Error::EmptySequence { sequence }),
        None => Ok(()),
    }
}

/// An estimate and its derivative by the policy's log-probability, of that less the reference's.
#[inline(always)]
fn estimate_of<R: Real>(kind: KlEstimate, d: R) -> [R; 2] {
    match kind {
        KlEstimate::K1 => [d, R::from_f64(1.0)],
        KlEstimate::K2 => [d * d * R::from_f64(0.5), d],
        KlEstimate::K3 => [(-d).exp_m1_less(), -(-d).exp_m1()],
    }
}

/// Tokens of one sequence, over the lanes of a level.
struct KlKernel<'k, 'o> {
    kind: KlEstimate,
    policy: &'k [f32],
    reference: &'k [f32],
    results: &'k mut [Option<&'o mut [f32]>; 2],
}

impl Kernel for KlKernel<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { kind, policy, reference, results } = self;
        let n = policy.len();
        let whole = if L::N > 1 { n - n % L::N } else { 0 };
        let mut at = 0;
        while at < whole {
            let d = Tracked::difference(L::load(policy, at), L::load(reference, at));
            let mut columns = Columns { results, at };
            let undecided = put(kind, d, &mut columns) & (u32::MAX >> (32 - L::N));
            if undecided != 0 {
                settle(kind, policy, reference, results, at, undecided);
            }
            at += L::N;
        }
        while at < n {
            let rows = (n - at).min(32);
            settle(kind, policy, reference, results, at, u32::MAX >> (32 - rows));
            at += rows;
        }
    }
}

/// Hands the results on and returns the lanes of which one is undecided.
#[inline(always)]
fn put<V: Value>(kind: KlEstimate, d: Tracked<V>, sink: &mut impl Sink<V::Bound>) -> u32 {
    let mut out = Nearest::new(sink, None);
    out.depend_on(d);
    let [estimate, by_policy] = estimate_of(kind, d);
    out.put::<0>(estimate);
    out.put::<1>(by_policy);
    out.undecided()
}

/// Settles the tokens `at + i` for every bit `i` of `tokens`.
#[inline(never)]
fn settle(
    kind: KlEstimate,
    policy: &[f32],
    reference: &[f32],
    results: &mut [Option<&mut [f32]>; 2],
    at: usize,
    mut tokens: u32,
) {
    while tokens != 0 {
        let token = at + tokens.trailing_zeros() as usize;
        tokens &= tokens - 1;
        let get = |x: &[f32]| x.get(token).copied().unwrap_or(NAN);
        for (output, result) in results.iter_mut().zip(one(kind, get(policy), get(reference))) {
            if let Some(output) = output.as_mut().and_then(|output| output.get_mut(token)) {
                *output = result;
            }
        }
    }
}

/// The estimate of a token, and its derivative by the policy's log-probability.
fn one(kind: KlEstimate, policy: f32, reference: f32) -> [f32; 2] {
    let mut results = [NAN; 2];
    let inputs = [policy, 0.0, reference, 0.0];
    let rough = rough_log_ratio(&inputs);
    if rough.is_nan() {
        return results;
    }
    let d = Tracked::difference(f64::from(policy), reference.into());
    if rough.is_finite() && (put(kind, d, &mut results) == 0 || HAS_WIDE && by_doubles(kind, &inputs, &mut results)) {
        return results;
    }
    exact(kind, &inputs)
}

/// Whether double-double numbers decide both.
#[inline(never)]
fn by_doubles(kind: KlEstimate, &[policy, _, reference, _]: &[f32; 4], results: &mut [f32; 2]) -> bool {
    let d = Tracked::difference(Double::new(policy.into()), Double::new(reference.into()));
    put(kind, d, results) == 0
}

#[cold]
#[inline(never)]
fn exact(kind: KlEstimate, inputs: &[f32; 4]) -> [f32; 2] {
    let d: Float384 = log_ratio(inputs);
    estimate_of(kind, d).map(|result| result.rounded_by_value() + 0.0)
}

/// Arguments that were checked, on the calling thread; the total is added to.
pub(crate) fn evaluate_checked(
    backend: Backend,
    kind: KlEstimate,
    tokens: &KlTokens<'_>,
    outputs: &mut KlOutputs<'_>,
    mut total: Option<&mut ExactSum>,
) {
    let base = tokens.offsets.first().copied().unwrap_or(0);
    let is_summed = outputs.sums.is_some() || outputs.means.is_some() || total.is_some();
    let mut scratch = [0.0; BLOCK];
    for (sequence, ends) in tokens.offsets.windows(2).enumerate() {
        let &[first, end] = ends else { continue };
        let (mut start, end) = (first - base, end - base);
        let count = (end - start) as u64;
        let mut sum = ExactSum::new();
        while start < end {
            let part = start..end.min(start + BLOCK);
            let [policy, reference] =
                [tokens.policy_logps, tokens.ref_logps].map(|x| x.get(part.clone()).unwrap_or_default());
            let mut results = [&mut outputs.estimates, &mut outputs.grad_logps]
                .map(|x| x.as_deref_mut().and_then(|x| x.get_mut(part.clone())));
            if is_summed && kind != KlEstimate::K1 && results[0].is_none() {
                results[0] = scratch.get_mut(..part.len());
            }
            dispatch(backend, KlKernel { kind, policy, reference, results: &mut results });
            if kind == KlEstimate::K1 && is_summed {
                // Exact before any rounding.
                let [mut plus, mut minus] = [ExactSum::new(); 2];
                dispatch(backend, Sums { sums: [&mut plus, &mut minus], columns: [policy, reference] });
                sum.merge(&plus);
                sum.merge(&minus.negated());
            } else if is_summed {
                let estimates = results[0].as_deref().unwrap_or_default();
                dispatch(backend, Sums { sums: [&mut sum], columns: [estimates] });
            }
            start = part.end;
        }
        let put = |to: &mut Option<&mut [f32]>, value: f32| {
            if let Some(to) = to.as_mut().and_then(|to| to.get_mut(sequence)) {
                *to = value;
            }
        };
        if is_summed {
            put(&mut outputs.sums, sum.sum());
            put(&mut outputs.means, sum.mean(count));
        }
        if let Some(total) = &mut total {
            total.merge(&sum);
        }
    }
}
