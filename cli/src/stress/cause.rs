//! Why a result is wrong, in words, as far as input and result tell.

use preflane_judge::{DEFINITIONS, Form, Textbook, Trace, textbook};

use super::number::Type;
use super::task::{Row, Shape, Task};
use super::verdict::{Checked, Fault, Judge};

/// The cause. It names no numbers, so that inputs which fail for one reason have one text.
pub fn cause(judge: &Judge, row: &Row, checked: &Checked) -> String {
    if judge.task.is_sequences() {
        of_sequence(judge, row, checked).to_owned()
    } else {
        of_answers(judge, row, checked)
    }
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

/// Each answer's log-ratio, and their first and last's difference; of one alone that from what it is compared with.
fn ratios(task: &Task, row: &Row) -> (Vec<f64>, f64) {
    let n = task.answers(row);
    let ratios: Vec<f64> = (0..n).map(|k| row.values[k] - row.values[n + k]).collect();
    let other = if n > 1 { ratios[n - 1] } else { row.values[2 * n..].iter().sum() };
    let difference = ratios[0] - other;
    (ratios, difference)
}

fn of_answers(judge: &Judge, row: &Row, checked: &Checked) -> String {
    let task = &judge.task;
    let (ratios, h) = ratios(task, row);
    let z = task.beta() * h;
    let half = judge.number.unit_roundoff();
    let exact = checked.expected.as_ref().map_or(f64::NAN, preflane_judge::Float::to_f64);
    let trace = task.trace(row);
    // What the formula takes the exp of.
    let exponent = trace.exp.unwrap_or(0.0).max(trace.sigmoid.unwrap_or(0.0));
    let overflows = exponent > largest_exponent(judge.number);
    // exp(-z) is small here, exp(z) not needed.
    let is_same = checked.got.is_nan() && (ratios.contains(&0.0) || h == 0.0) && (!overflows || z > 0.0);
    // 1 - e^x is 0.
    let is_certain = trace.exp_m1.is_some_and(|left| left <= 2.0 * half);
    let said = match checked.fault {
        Some(Fault::NotFinite) if is_certain && checked.result > 0 => {
            "1 - exp(x) has become 0, and the gradient divides by it, perhaps in a branch that is not taken"
        }
        Some(Fault::NotFinite) if is_certain => "log of 0: 1 - exp(x) has become 0, where expm1(x) has not",
        Some(Fault::NotFinite) if is_same && trace.exp.is_none() => "0/0: policy and reference are the same",
        Some(Fault::NotFinite) if overflows && checked.got.is_nan() => {
            "overflow of exp, and infinity times 0 or less infinity after it"
        }
        Some(Fault::NotFinite) if overflows => "overflow of exp, or the log of a sigmoid that has become 0",
        Some(Fault::NotFinite) if checked.result > 0 && checked.got.is_nan() => {
            "the gradient of a branch that is not taken, infinity times 0"
        }
        Some(Fault::NotFinite) => "not finite, though no exp overflows here",
        Some(Fault::Zero | Fault::Off | Fault::Sign) if trace.exp_m1.is_some_and(|left| left < 0.01) => {
            "cancellation: 1 - exp(x) keeps few digits near 0, where expm1(x) keeps all"
        }
        Some(Fault::Zero | Fault::Off | Fault::Sign) if is_beside_one(judge, &trace, checked, exact) => {
            if checked.result == 0 {
                "absorption: 1 + exp(-z) or sigmoid(z) is rounded near 1 before the log, where log1p(exp(-z)) is not"
            } else {
                "cancellation: 1 - sigmoid(z) near 0, where sigmoid(-z) keeps its digits"
            }
        }
        Some(Fault::Sign) if near(-checked.got, exact, 1e-3) => "the sign is reversed",
        Some(Fault::Off | Fault::Sign | Fault::Zero) => {
            return named(judge, row, checked, exact).unwrap_or_else(|| digits(judge, row, checked, exact).to_owned());
        }
        _ => "unknown",
    };
    said.to_owned()
}

/// A small result with the absolute error of something near 1.
fn is_beside_one(judge: &Judge, trace: &Trace, checked: &Checked, exact: f64) -> bool {
    let of_sigmoid = trace.sigmoid.is_some();
    let scale = if checked.result == 0 { 1.0 } else { judge.task.beta() };
    let half = judge.number.unit_roundoff();
    // What is left of 1 is 0 or a few of its units.
    let is_left = checked.got == 0.0 || checked.got.abs() >= half * scale / 8.0;
    of_sigmoid && is_left && exact.abs() < scale / 32.0 && (checked.got - exact).abs() <= 4.0 * half * scale
}

fn near(a: f64, b: f64, share: f64) -> bool {
    (a - b).abs() <= share * b.abs()
}

/// Another formula, or the right one times something.
fn named(judge: &Judge, row: &Row, checked: &Checked, exact: f64) -> Option<String> {
    let task = &judge.task;
    // Right for the other formula, by the same measures.
    let is_other = |textbook: Textbook, row: &Row| {
        let judge = Judge { task: Task { textbook, ..task.clone() }, ..*judge };
        let mut answer = vec![None; checked.result];
        answer.push(Some(checked.got));
        judge.check(row, &answer).first().is_some_and(|checked| checked.fault.is_none())
    };
    let right = &task.textbook;
    let is_loss = checked.result == 0;
    let mut others: Vec<(Textbook, &Row, String)> = Vec::new();
    // A parameter that may be 0 is left out so.
    for (k, name) in right.definition().parameters.iter().enumerate() {
        let mut values = right.values().to_vec();
        values[k] = 0.0;
        let is_allowed = preflane_judge::Parameter::named(name).is_some_and(|parameter| parameter.allows(0.0));
        if let Some(other) = textbook(right.definition().name, &values).filter(|other| is_allowed && other != right) {
            others.push((other, row, format!("another formula: the {} is ignored", name.replace('_', " "))));
        }
    }
    // A loss with the same parameters, or by its value alone one with some of them.
    for definition in DEFINITIONS.iter().filter(|other| other.form == right.definition().form) {
        let values: Option<Vec<f64>> = definition.parameters.iter().map(|name| right.parameter(name)).collect();
        let has_all = definition.parameters.len() == right.values().len();
        let is_likely = has_all && right.values().len() > 1 || !has_all && is_loss;
        if let Some(other) = values.and_then(|values| textbook(definition.name, &values)).filter(|_| is_likely) {
            others.push((other, row, format!("another formula: this is {}", definition.name.replace('_', "-"))));
        }
    }
    others.retain(|(other, ..)| other.definition().name != right.definition().name || other != right);
    let n = task.answers(row);
    let with = |order: &dyn Fn(usize) -> Option<usize>| {
        let mut values = row.values.clone();
        (0..2 * n).for_each(|k| values[k] = order(k).map_or(0.0, |k| row.values[k]));
        Row { values, labels: row.labels.clone() }
    };
    let without_reference = with(&|k| (k < n).then_some(k));
    if !task.reference_free {
        others.push((right.clone(), &without_reference, "another formula: the reference is ignored".to_owned()));
    }
    let reversed = with(&|k| Some(if k < n { n - 1 - k } else { 3 * n - 1 - k }));
    if is_loss && n > 1 {
        let what = if task.shape == Shape::Answers(Form::Pairwise) {
            "chosen and rejected are exchanged"
        } else {
            "the order is reversed"
        };
        others.push((right.clone(), &reversed, format!("another formula: {what}")));
    }
    for (other, row, name) in others {
        if is_other(other, row) {
            return Some(name);
        }
    }
    let share = judge.number.unit_roundoff().max(1e-7) * 32.0;
    let beta = task.beta();
    let factors = [
        (2.0, "off by a factor of 2"),
        (0.5, "off by a factor of 1/2"),
        (beta, "off by a factor of beta"),
        (1.0 / beta, "off by a factor of 1/beta"),
    ];
    factors
        .into_iter()
        .find(|(factor, _)| *factor != 1.0 && near(checked.got, exact * factor, share))
        .map(|(_, name)| name.to_owned())
}

/// Lost digits.
fn digits(judge: &Judge, row: &Row, checked: &Checked, exact: f64) -> &'static str {
    let sizes: f64 = row.values.iter().map(|x| x.abs()).sum();
    let (_, h) = ratios(&judge.task, row);
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
