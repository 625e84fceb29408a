//! AOT's order of rows (Melnyk et al. 2024, arXiv 2406.05882): what the losses `aot` and `aot_unpaired` compare are not the two sides of a
//! pair but two distributions, each in order.
//!
//! [`order`] finds the permutations, exactly; [`gather`] puts columns into that order, so that the losses can go over them row by row; and
//! [`scatter`] brings gradients back to the rows that they belong to.
//!
//! ```
//! use preflane::aot::{self, Compared};
//! use preflane::{Loss, Outputs, Pairs, Run};
//!
//! let (pc, pr) = ([-12.5, -10.0, -30.0], [-14.0, -9.0, -31.0]);
//! let (rc, rr) = ([-13.0, -10.0, -29.0], [-13.25, -11.0, -29.0]);
//! let pairs = Pairs::new(&pc, &pr, &rc, &rr);
//! let (mut policy, mut reference) = ([0; 3], [0; 3]);
//! aot::order(pairs, Compared::Margins, &mut policy, &mut reference)?;
//! // Of the policy's margins 1.5, -1 and 1 the second is the least; of the reference's 0.25, 1 and 0 the third.
//! assert_eq!((policy, reference), ([1, 2, 0], [2, 0, 1]));
//!
//! let mut columns = [[0.0; 3]; 4];
//! for (column, (from, order)) in columns.iter_mut().zip([(&pc, &policy), (&pr, &policy), (&rc, &reference), (&rr, &reference)]) {
//!     aot::gather(from, order, column)?;
//! }
//! let [a, b, c, d] = &columns;
//! let (mut by_chosen, mut by_policy) = ([0.0; 3], [0.0; 3]);
//! let outputs = Outputs { grad_chosen_logps: Some(&mut by_chosen), ..Default::default() };
//! Run::default().evaluate(&Loss::aot(0.1, 0.0)?, Pairs::new(a, b, c, d), outputs, None)?;
//! aot::scatter(&by_chosen, &policy, &mut by_policy)?;
//! # Ok::<(), preflane::Error>(())
//! ```

use crate::error::check_length;
use crate::exact::rough_log_ratio;
use crate::pairs::{Pairs, sign_of_h};
use crate::{Error, NAN};
use core::cmp::Ordering;

/// Which two distributions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The policy's margins `pc - pr` and the reference's `rc - rr`: the loss `aot`. The first order is that of the policy's columns, the second
    /// that of the reference's.
    Margins,
    /// The log-ratios of the chosen answers and those of the rejected ones: the loss `aot_unpaired`. The first order is that of the chosen
    /// answers' columns, the second that of the rejected ones'.
    LogRatios,
}

/// Finds the two orders, least first: `first[k]` is the row of the k-th least value of the first distribution.
///
/// Differences are compared exactly. Equal ones stay in the order of their rows, and those that are NaN come last, in that order too; so the
/// orders depend on nothing else. Without a reference its log-probabilities are 0.
///
/// # Errors
/// [`Error::Length`] for an order or a column that is not as long as the pairs, before anything is written.
pub fn order(pairs: Pairs<'_>, compared: Compared, first: &mut [usize], second: &mut [usize]) -> Result<(), Error> {
    let n = pairs.len();
    pairs.check(None)?;
    check_length("first", n, first.len())?;
    check_length("second", n, second.len())?;
    let reference = pairs.reference.map(|reference| [reference.chosen_logps, reference.rejected_logps]);
    let policy = [pairs.policy_chosen_logps, pairs.policy_rejected_logps];
    let at = |column: Option<&[f32]>, row: usize| column.map_or(0.0, |x| x.get(row).copied().unwrap_or(NAN));
    let [chosen, rejected] = [0, 1].map(|side| (Some(policy[side]), reference.map(|columns| columns[side])));
    let (of_first, of_second) = match compared {
        Compared::Margins => ((chosen.0, rejected.0), (chosen.1, rejected.1)),
        Compared::LogRatios => (chosen, rejected),
    };
    for (order, (more, less)) in [(first, of_first), (second, of_second)] {
        for (row, to) in order.iter_mut().enumerate() {
            *to = row;
        }
        let value = |row: usize| (at(more, row), at(less, row));
        sort(order, |i, j| compare(value(i), value(j)).then(i.cmp(&j)) == Ordering::Less);
    }
    Ok(())
}

/// Sorts rows in place, as a heap: the sorts of `core` have a path to a panic, for comparisons that are no order.
fn sort(rows: &mut [usize], less: impl Fn(usize, usize) -> bool) {
    let n = rows.len();
    let at = |rows: &[usize], place: usize| rows.get(place).copied().unwrap_or(0);
    // First every row with places below it, from the last one on; then the greatest row goes behind the others, again and again.
    for step in (0..n + n / 2).rev() {
        let (mut place, end) = if step < n { (0, step) } else { (step - n, n) };
        let mut row = at(rows, place);
        if step < n {
            let greatest = core::mem::replace(&mut row, at(rows, end));
            rows.get_mut(end).into_iter().for_each(|last| *last = greatest);
        }
        loop {
            let mut below = 2 * place + 1;
            if below >= end {
                break;
            }
            below += usize::from(below + 1 < end && less(at(rows, below), at(rows, below + 1)));
            let other = at(rows, below);
            if !less(row, other) {
                break;
            }
            rows.get_mut(place).into_iter().for_each(|to| *to = other);
            place = below;
        }
        if place < end {
            rows.get_mut(place).into_iter().for_each(|to| *to = row);
        }
    }
}

/// Compares two differences exactly; NaN is above all.
fn compare((a, b): (f32, f32), (c, d): (f32, f32)) -> Ordering {
    let rough = |x, y| rough_log_ratio(&[x, 0.0, y, 0.0]);
    let (one, other) = (rough(a, b), rough(c, d));
    match (one.is_nan(), other.is_nan()) {
        (false, false) if one.is_finite() && other.is_finite() => {
            sign_of_h(&[a, c, b, d]).partial_cmp(&0.0).unwrap_or(Ordering::Equal)
        }
        (false, false) => one.partial_cmp(&other).unwrap_or(Ordering::Equal),
        (one, other) => one.cmp(&other),
    }
}

/// Writes `from[order[k]]` to `to[k]`.
///
/// # Errors
/// [`Error::Length`] for slices of different lengths, [`Error::Offsets`] for an order that names no row; nothing is written then.
pub fn gather(from: &[f32], order: &[usize], to: &mut [f32]) -> Result<(), Error> {
    check(order, from, to)?;
    for (to, &row) in to.iter_mut().zip(order) {
        *to = from.get(row).copied().unwrap_or(NAN);
    }
    Ok(())
}

/// Writes `from[k]` to `to[order[k]]`.
///
/// # Errors
/// [`Error::Length`] for slices of different lengths, [`Error::Offsets`] for an order that names no row; nothing is written then.
pub fn scatter(from: &[f32], order: &[usize], to: &mut [f32]) -> Result<(), Error> {
    check(order, from, to)?;
    for (&from, &row) in from.iter().zip(order) {
        if let Some(to) = to.get_mut(row) {
            *to = from;
        }
    }
    Ok(())
}

fn check(order: &[usize], from: &[f32], to: &[f32]) -> Result<(), Error> {
    check_length("order", from.len(), order.len())?;
    check_length("to", from.len(), to.len())?;
    match order.iter().enumerate().find(|(_, row)| **row >= from.len()) {
        Some((index, &value)) => Err(Error::Offsets { index, value, requirement: "a row of the columns" }),
        None => Ok(()),
    }
}
