//! Why a result is wrong, in words, as far as input and result tell.

use super::number::Type;
use super::task::{Row, Task};
use super::verdict::{Checked, Fault, Judge};
use crate::args::Formula;

/// The cause. It names no numbers, so that inputs which fail for one reason have one text.
pub fn cause(judge: &Judge, row: &Row, checked: &Checked) -> String {
    let said = if judge.task.is_sequences() { of_sequence(judge, row, checked) } else { of_pair(judge, row, checked) };
    said.to_owned()
}

/// The largest number whose exp a type holds; 16-bit code computes in 32 bits, if it computes well.
fn largest_exponent(number: Type) -> f64 {
    number.largest().ln()
}

fn of_sequence(judge: &Judge, row: &Row, checked: &Checked) -> &'static str {
    let Some(exact) = &checked.expected else { return "0/0: the mean over no tokens" };
    let vocabulary = row.values.len() / row.labels.len().max(1);
    let is_masked = match checked.result.checked_sub(1) {
        Some(k) => row.labels[k / vocabulary] < 0,
        None => row.labels.iter().all(|label| *label < 0),
    };
    let largest = row.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match checked.fault {
        Some(Fault::NotFinite) if row.labels.iter().all(|label| *label < 0) => "0/0: no token counts",
        Some(Fault::NotFinite) if is_masked => "a masked position is not left out",
        Some(Fault::NotFinite) if largest > largest_exponent(judge.number) => {
            "overflow of exp: the largest logit is not subtracted first"
        }
        Some(Fault::NotFinite) => "log of 0: a softmax that underflows before the log",
        _ if is_masked => "a masked position counts",
        _ if checked.result == 0 && checked.got > 0.0 => "a log-probability above 0",
        _ if exact.to_f64().abs() < 1e-3 && checked.result == 0 => {
            "log of a probability near 1: what is left of 1 is lost"
        }
        _ => precision(judge.number, "sums or differences of the logits lose digits"),
    }
}

/// What 16 bits explain.
fn precision(number: Type, otherwise: &'static str) -> &'static str {
    match number {
        Type::Bf16 => "half precision: bf16 carries 8 bits",
        Type::F16 => "half precision: f16 carries 11 bits",
        _ => otherwise,
    }
}

fn of_pair(judge: &Judge, row: &Row, checked: &Checked) -> &'static str {
    let task = &judge.task;
    let [pc, pr, rc, rr] = [0, 1, 2, 3].map(|k| row.values[k]);
    let (u, v) = (pc - rc, pr - rr);
    let h = u - v;
    let z = task.beta * h;
    let half = judge.number.unit_roundoff();
    let exact = checked.expected.as_ref().map_or(f64::NAN, preflane_judge::Float::to_f64);
    // What the formula takes the exp of.
    let exponent = match task.formula {
        Formula::ForwardKl => (-u).max(-v),
        Formula::Discopop => z.abs().max((z / task.tau.unwrap_or(1.0)).abs()),
        Formula::OddsRatio | Formula::Ipo | Formula::Hinge => 0.0,
        _ => z.abs(),
    };
    let overflows = exponent > largest_exponent(judge.number);
    // exp(-z) is small here, exp(z) not needed.
    let is_same = checked.got.is_nan() && (u == 0.0 || v == 0.0 || h == 0.0) && (!overflows || z > 0.0);
    // 1 - e^x is 0.
    let is_certain = task.formula == Formula::OddsRatio && u.max(v).exp_m1().abs() <= 2.0 * half;
    match checked.fault {
        Some(Fault::NotFinite) if is_certain && checked.result > 0 => {
            "1 - exp(x) has become 0, and the gradient divides by it, perhaps in a branch that is not taken"
        }
        Some(Fault::NotFinite) if is_certain => "log of 0: 1 - exp(x) has become 0, where expm1(x) has not",
        Some(Fault::NotFinite) if is_same && !matches!(task.formula, Formula::Discopop | Formula::ForwardKl) => {
            "0/0: policy and reference are the same"
        }
        Some(Fault::NotFinite) if overflows && checked.got.is_nan() => {
            "overflow of exp, and infinity times 0 or less infinity after it"
        }
        Some(Fault::NotFinite) if overflows => "overflow of exp, or the log of a sigmoid that has become 0",
        Some(Fault::NotFinite) if checked.result > 0 && checked.got.is_nan() => {
            "the gradient of a branch that is not taken, infinity times 0"
        }
        Some(Fault::NotFinite) => "not finite, though no exp overflows here",
        Some(Fault::Zero | Fault::Off | Fault::Sign) if is_near_certain(task, u, v) => {
            "cancellation: 1 - exp(x) keeps few digits near 0, where expm1(x) keeps all"
        }
        Some(Fault::Zero | Fault::Off | Fault::Sign) if is_beside_one(judge, checked, exact) => {
            if checked.result == 0 {
                "absorption: 1 + exp(-z) or sigmoid(z) is rounded near 1 before the log, where log1p(exp(-z)) is not"
            } else {
                "cancellation: 1 - sigmoid(z) near 0, where sigmoid(-z) keeps its digits"
            }
        }
        Some(Fault::Sign) if near(-checked.got, exact, 1e-3) => "the sign is reversed",
        Some(Fault::Off | Fault::Sign | Fault::Zero) => {
            named(judge, row, checked, exact).unwrap_or_else(|| digits(judge, row, checked, exact))
        }
        _ => "unknown",
    }
}

/// A probability so near 1 that what is left of 1 has few digits.
fn is_near_certain(task: &Task, u: f64, v: f64) -> bool {
    task.formula == Formula::OddsRatio && u.max(v).exp_m1().abs() < 0.01
}

/// A small result with the absolute error of something near 1.
fn is_beside_one(judge: &Judge, checked: &Checked, exact: f64) -> bool {
    let of_sigmoid = !matches!(judge.task.formula, Formula::Ipo | Formula::Hinge);
    let scale = if checked.result == 0 { 1.0 } else { judge.task.beta };
    let half = judge.number.unit_roundoff();
    // What is left of 1 is 0 or a few of its units.
    let is_left = checked.got == 0.0 || checked.got.abs() >= half * scale / 8.0;
    of_sigmoid && is_left && exact.abs() < scale / 32.0 && (checked.got - exact).abs() <= 4.0 * half * scale
}

fn near(a: f64, b: f64, share: f64) -> bool {
    (a - b).abs() <= share * b.abs()
}

/// Another formula, or the right one times something.
fn named(judge: &Judge, row: &Row, checked: &Checked, exact: f64) -> Option<&'static str> {
    let task = &judge.task;
    // Right for the other formula, by the same measures.
    let is_other = |other: &Task, row: &Row| {
        let judge = Judge { task: other.clone(), ..*judge };
        let mut answer = vec![None; checked.result];
        answer.push(Some(checked.got));
        judge.check(row, &answer).first().is_some_and(|checked| checked.fault.is_none())
    };
    let as_formula = |formula, label_smoothing| Task { formula, label_smoothing, ..task.clone() };
    let eps = task.label_smoothing;
    let is_loss = checked.result == 0;
    let without_reference = Row { values: vec![row.values[0], row.values[1], 0.0, 0.0], labels: Vec::new() };
    let swapped = Row { values: [1, 0, 3, 2].map(|k| row.values[k]).into(), labels: Vec::new() };
    let (dpo, cdpo, robust) = (Formula::Dpo, Formula::Cdpo, Formula::Robust);
    let others: [(bool, Task, &Row, &'static str); 6] = [
        (eps.is_some(), as_formula(dpo, None), row, "another formula: the label smoothing is ignored"),
        (task.formula == robust, as_formula(cdpo, eps), row, "another formula: this is cdpo"),
        (task.formula == cdpo, as_formula(robust, eps), row, "another formula: this is robust"),
        (task.formula != dpo && eps.is_none() && is_loss, as_formula(dpo, None), row, "another formula: this is dpo"),
        (!task.reference_free, task.clone(), &without_reference, "another formula: the reference is ignored"),
        (is_loss, task.clone(), &swapped, "another formula: chosen and rejected are exchanged"),
    ];
    for (applies, other, row, name) in others {
        if applies && is_other(&other, row) {
            return Some(name);
        }
    }
    let share = judge.number.unit_roundoff().max(1e-7) * 32.0;
    let factors = [
        (2.0, "off by a factor of 2"),
        (0.5, "off by a factor of 1/2"),
        (task.beta, "off by a factor of beta"),
        (1.0 / task.beta, "off by a factor of 1/beta"),
    ];
    factors
        .into_iter()
        .find(|(factor, _)| *factor != 1.0 && near(checked.got, exact * factor, share))
        .map(|(_, name)| name)
}

/// Lost digits.
fn digits(judge: &Judge, row: &Row, checked: &Checked, exact: f64) -> &'static str {
    let sizes: f64 = row.values.iter().map(|x| x.abs()).sum();
    let h = (row.values[0] - row.values[2]) - (row.values[1] - row.values[3]);
    if judge.number == Type::F64 && near(checked.got, exact, 1e-4) && checked.ulps > 1e5 {
        return "single precision somewhere in double";
    }
    if matches!(judge.number, Type::Bf16 | Type::F16) {
        return precision(judge.number, "");
    }
    if exact.abs().max(checked.got.abs()) < judge.number.least_normal() {
        return "underflow";
    }
    if near(checked.got, exact, 0.1) && sizes > 16.0 * h.abs() {
        return "cancellation: the differences of the log-probabilities lose digits";
    }
    if near(checked.got, exact, 0.1) { "lost digits" } else { "another value altogether" }
}
