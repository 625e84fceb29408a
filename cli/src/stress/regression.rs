//! Regression tests, ready to paste: the input, the truth, how far off it may be.

use std::fmt::Write;

use preflane_judge::Form;

use super::hunt::Finding;
use super::number::{Type, hex, plain};
use super::task::{Shape, Task};
use super::verdict::Fault;
use crate::args::{Language, Stress};

/// A test of the finding.
pub fn test(finding: &Finding, task: &Task, number: Type, language: Language) -> String {
    match language {
        Language::Rust => rust(finding, task, number),
        Language::C => c(finding, task, number),
        Language::Pytest => pytest(finding, task, number),
    }
}

/// A name for the test: what fails, and in which result.
fn name(finding: &Finding) -> String {
    let words = format!("{} {}", finding.result, finding.fault.words());
    words
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_")
        .to_lowercase()
}

/// The truth, rounded to double precision, and the bound.
fn wanted(finding: &Finding) -> Option<(f64, f64)> {
    let expected = finding.checked.expected.as_ref()?.to_f64();
    // What depends on the batch must have the same bits, and is compared otherwise.
    (finding.fault != Fault::Unsteady).then_some((expected, finding.checked.allowed))
}

fn comment(finding: &Finding, sign: &str) -> String {
    format!("{sign} {}: {}. Got {}.\n", finding.fault.words(), finding.cause, plain(finding.checked.got))
}

fn list(values: &[f64], each: impl Fn(f64) -> String) -> String {
    values.iter().map(|x| each(*x)).collect::<Vec<_>>().join(", ")
}

/// The rows of a batch, and which of them is meant.
type Placed = (Vec<Vec<f64>>, usize);

/// The rows of the two batches, for what depends on the batch; else the row alone.
fn batches(finding: &Finding) -> (Vec<Vec<f64>>, usize, Option<Placed>) {
    let values = |rows: &[super::task::Row]| rows.iter().map(|row| row.values.clone()).collect::<Vec<_>>();
    match &finding.batch {
        Some(batch) => (values(&batch.rows), batch.position, Some((values(&batch.other), batch.other_position))),
        None => (vec![finding.row.values.clone()], 0, None),
    }
}

fn rust(finding: &Finding, task: &Task, number: Type) -> String {
    let mut text = comment(finding, "//");
    let (rows, position, other) = batches(finding);
    let kind = if number == Type::F64 { "f64" } else { "f32" };
    let row = |values: &Vec<f64>| {
        let bits = |x: f64| {
            if kind == "f64" {
                format!("f64::from_bits({})", Type::F64.bits(x))
            } else {
                format!("f32::from_bits({})", Type::F32.bits(x))
            }
        };
        format!("[{}]", list(values, bits))
    };
    let array = |rows: &[Vec<f64>]| format!("[{}]", rows.iter().map(row).collect::<Vec<_>>().join(", "));
    let _ = writeln!(
        text,
        "// `results` is the code under test: a batch in, [{}] of each row out.",
        result_list(finding, task)
    );
    let _ = writeln!(text, "#[test]\nfn {}() {{", name(finding));
    let _ = writeln!(text, "    let got = results(&{})[{position}][{}];", array(&rows), finding.checked.result);
    match (wanted(finding), other) {
        (Some((expected, allowed)), _) => {
            let _ = writeln!(text, "    let expected: f64 = {};", float(expected));
            let _ = writeln!(
                text,
                "    assert!((f64::from(got) - expected).abs() <= {}, \"{{got:e}} is not {{expected:e}}\");",
                float(allowed)
            );
        }
        (None, Some((rows, position))) => {
            let _ =
                writeln!(text, "    let other = results(&{})[{position}][{}];", array(&rows), finding.checked.result);
            let _ = writeln!(text, "    assert_eq!(got.to_bits(), other.to_bits(), \"{}\");", finding.cause);
        }
        (None, None) => {
            let _ = writeln!(text, "    assert!(got.is_finite(), \"{{got}}\");");
        }
    }
    text + "}\n"
}

/// A literal of double precision in Rust.
fn float(x: f64) -> String {
    if x.is_finite() {
        format!("{x:e}")
    } else if x.is_nan() {
        "f64::NAN".to_owned()
    } else if x > 0.0 {
        "f64::INFINITY".to_owned()
    } else {
        "f64::NEG_INFINITY".to_owned()
    }
}

/// The label of a labelled answer, which stands beside the numbers.
fn label(finding: &Finding) -> String {
    match finding.row.labels[..] {
        [label] => format!("; the label is {label}"),
        _ => String::new(),
    }
}

fn result_list(finding: &Finding, task: &Task) -> String {
    if task.is_sequences() {
        format!("logp, gradients; {} labels {:?}", finding.row.labels.len(), finding.row.labels)
    } else {
        let names: Vec<String> =
            (0..=2 * task.answers(&finding.row)).map(|result| task.result(&finding.row, result)).collect();
        names.join(", ") + &label(finding)
    }
}

fn c(finding: &Finding, task: &Task, number: Type) -> String {
    let kind = if number == Type::F64 { "double" } else { "float" };
    let suffix = if number == Type::F64 { "f64" } else { "f32" };
    let literal = |x: f64| if number == Type::F64 { hex(x) } else { format!("{}f", hex(x)) };
    let (rows, position, other) = batches(finding);
    let mut text = comment(finding, "//");
    text += "#include <math.h>\n#include <stdio.h>\n#include <string.h>\n\n#include \"preflane_stress.h\"\n\nint main(void) {\n";
    let result = finding.checked.result;
    let call = |text: &mut String, rows: &[Vec<f64>], position: usize, name: &str| {
        if task.is_sequences() {
            let labels: Vec<String> = match &finding.batch {
                Some(batch) => if name == "got" { &batch.rows } else { &batch.other }
                    .iter()
                    .flat_map(|row| &row.labels)
                    .map(i64::to_string)
                    .collect(),
                None => finding.row.labels.iter().map(i64::to_string).collect(),
            };
            let width = rows[0].len();
            let positions = finding.row.labels.len();
            let mean = i32::from(task.shape == Shape::Sequences { mean: true });
            let _ = writeln!(text, "    const int64_t {name}_labels[] = {{{}}};", labels.join(", "));
            let _ = writeln!(text, "    const {kind} {name}_logits[] = {{{}}};", list(&rows.concat(), literal));
            let _ = writeln!(text, "    {kind} {name}_logps[{}], {name}_grads[{}];", rows.len(), rows.len() * width);
            let _ = writeln!(
                text,
                "    if (preflane_stress_logits_{suffix}({}, {positions}, {}, {mean}, {name}_logits, {name}_labels, {name}_logps, {name}_grads)) return 1;",
                rows.len(),
                width / positions.max(1)
            );
            let place = if result == 0 {
                format!("{name}_logps[{position}]")
            } else {
                format!("{name}_grads[{}]", position * width + result - 1)
            };
            let _ = writeln!(text, "    {kind} {name} = {place};");
            return;
        }
        let n = task.answers(&finding.row);
        let count = rows.len();
        if task.shape == Shape::Answers(Form::Listed) {
            // Answer after answer, list after list.
            for (model, range) in [("policy", 0..n), ("ref", n..2 * n)] {
                let all: Vec<f64> = rows.iter().flat_map(|row| row[range.clone()].to_vec()).collect();
                let _ = writeln!(text, "    const {kind} {name}_{model}[] = {{{}}};", list(&all, literal));
            }
            let size = count * n;
            let _ =
                writeln!(text, "    {kind} {name}_losses[{count}], {name}_by_policy[{size}], {name}_by_ref[{size}];");
            let _ = writeln!(
                text,
                "    if (preflane_stress_listed_{suffix}({count}, {n}, &parameters, {name}_policy, {name}_ref, {name}_losses, {name}_by_policy, {name}_by_ref)) return 1;"
            );
            let place = match result.checked_sub(1) {
                None => format!("{name}_losses[{position}]"),
                Some(k) if k < n => format!("{name}_by_policy[{}]", position * n + k),
                Some(k) => format!("{name}_by_ref[{}]", position * n + k - n),
            };
            let _ = writeln!(text, "    {kind} {name} = {place};");
            return;
        }
        let (inputs, outputs) = (rows[0].len(), 1 + 2 * n);
        let column = |k: usize| list(&rows.iter().map(|row| row[k]).collect::<Vec<_>>(), literal);
        let _ = writeln!(
            text,
            "    const {kind} {name}_in[{inputs}][{count}] = {{{}}};",
            (0..inputs).map(|k| format!("{{{}}}", column(k))).collect::<Vec<_>>().join(", ")
        );
        let _ = writeln!(text, "    {kind} {name}_out[{outputs}][{count}];");
        let mut ins: Vec<String> = (0..inputs).map(|k| format!("{name}_in[{k}]")).collect();
        if task.shape == Shape::Answers(Form::Labelled) {
            let labels: Vec<String> = match &finding.batch {
                Some(batch) => if name == "got" { &batch.rows } else { &batch.other }
                    .iter()
                    .flat_map(|row| &row.labels)
                    .map(i64::to_string)
                    .collect(),
                None => finding.row.labels.iter().map(i64::to_string).collect(),
            };
            let _ = writeln!(text, "    const int32_t {name}_labels[] = {{{}}};", labels.join(", "));
            ins.push(format!("{name}_labels"));
        }
        let outs = (0..outputs).map(|k| format!("{name}_out[{k}]")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "    if (preflane_stress_{}_{suffix}({count}, &parameters, {}, {outs})) return 1;",
            task.shape.word(),
            ins.join(", ")
        );
        let _ = writeln!(text, "    {kind} {name} = {name}_out[{result}][{position}];");
    };
    if !task.is_sequences() {
        let or_nan = |name: &str| task.textbook.parameter(name).map_or("NAN".to_owned(), plain);
        let mut fields: Vec<String> = Stress::OPTIONS.into_iter().map(or_nan).collect();
        let (names, values) = (task.textbook.definition().parameters, task.textbook.values());
        if names.iter().any(|name| !Stress::OPTIONS.contains(name)) {
            let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            let _ = writeln!(text, "    static const char *const names[] = {{{}}};", quoted.join(", "));
            let _ = writeln!(text, "    static const double values[] = {{{}}};", list(values, plain));
            fields.extend([names.len().to_string(), "names".to_owned(), "values".to_owned()]);
        } else {
            // What a function of the first four parameters alone does not look at.
            fields.extend(["0", "NULL", "NULL"].map(str::to_owned));
        }
        let _ = writeln!(text, "    const preflane_stress_parameters parameters = {{{}}};", fields.join(", "));
    }
    call(&mut text, &rows, position, "got");
    let literal = |x: f64| {
        if x.is_finite() {
            hex(x)
        } else if x > 0.0 {
            "INFINITY".to_owned()
        } else {
            "-INFINITY".to_owned()
        }
    };
    match (wanted(finding), other) {
        (Some((expected, allowed)), _) => {
            let _ = writeln!(text, "    double expected = {}; /* {} */", literal(expected), plain(expected));
            let _ = writeln!(text, "    int is_right = fabs(got - expected) <= {};", literal(allowed));
        }
        (None, Some((rows, position))) => {
            call(&mut text, &rows, position, "other");
            text += "    double expected = other;\n    int is_right = memcmp(&got, &other, sizeof got) == 0;\n";
        }
        (None, None) => text += "    double expected = 0;\n    int is_right = isfinite(got);\n",
    }
    text += "    if (!is_right) printf(\"got %.17g, expected %.17g\\n\", (double)got, expected);\n    return !is_right;\n}\n";
    text
}

fn pytest(finding: &Finding, task: &Task, number: Type) -> String {
    let (rows, position, other) = batches(finding);
    let dtype = match number {
        Type::F32 => "torch.float32",
        Type::F64 => "torch.float64",
        Type::Bf16 => "torch.bfloat16",
        Type::F16 => "torch.float16",
    };
    let literal = |x: f64| format!("float.fromhex(\"{}\")", hex(x));
    let mut text = comment(finding, "#");
    let (function, takes) = if task.is_sequences() {
        (
            "sequence_logps",
            format!("(logits, labels), logits of shape [sequences, {}, vocabulary]", finding.row.labels.len()),
        )
    } else {
        ("loss", format!("({}){}", task.inputs(&finding.row).join(", "), label(finding)))
    };
    let _ = writeln!(text, "# `{function}` is the code under test, {takes}; {}.", task.parameters().replace(' ', ", "));
    let _ = writeln!(text, "import torch\n\nfrom your_package import {function}\n\n\ndef test_{}():", name(finding));
    let result = finding.checked.result;
    let call = |text: &mut String, rows: &[Vec<f64>], position: usize, name: &str| {
        if task.is_sequences() {
            let labels: Vec<&Vec<i64>> = match &finding.batch {
                Some(batch) => {
                    if name == "got" { &batch.rows } else { &batch.other }.iter().map(|row| &row.labels).collect()
                }
                None => vec![&finding.row.labels],
            };
            let positions = finding.row.labels.len().max(1);
            let _ = writeln!(
                text,
                "    logits = torch.tensor([{}], dtype={dtype}).reshape({}, {positions}, -1).requires_grad_()",
                list(&rows.concat(), literal),
                rows.len()
            );
            let _ = writeln!(text, "    results = {function}(logits, torch.tensor({labels:?}))");
            if result > 0 {
                let _ = writeln!(text, "    results.sum().backward()");
                let _ = writeln!(
                    text,
                    "    {name} = logits.grad.reshape({}, -1)[{position}, {}].item()",
                    rows.len(),
                    result - 1
                );
                return;
            }
        } else {
            let _ = writeln!(text, "    inputs = [");
            for k in 0..rows[0].len() {
                let column: Vec<f64> = rows.iter().map(|row| row[k]).collect();
                let _ = writeln!(
                    text,
                    "        torch.tensor([{}], dtype={dtype}, requires_grad=True),",
                    list(&column, literal)
                );
            }
            let _ = writeln!(text, "    ]\n    results = {function}(*inputs)");
            if result > 0 {
                let _ = writeln!(text, "    results.sum().backward()");
                let _ = writeln!(text, "    {name} = inputs[{}].grad[{position}].item()", result - 1);
                return;
            }
        }
        let _ = writeln!(text, "    {name} = results[{position}].item()");
    };
    call(&mut text, &rows, position, "got");
    match (wanted(finding), other) {
        (Some((expected, allowed)), _) => {
            let _ = writeln!(text, "    expected = float(\"{}\")", plain(expected));
            let _ = writeln!(
                text,
                "    assert abs(got - expected) <= float(\"{}\"), f\"{{got}} is not {{expected}}\"",
                plain(allowed)
            );
        }
        (None, Some((rows, position))) => {
            call(&mut text, &rows, position, "other");
            let _ = writeln!(text, "    assert got == other or (got != got and other != other), \"{}\"", finding.cause);
        }
        (None, None) => {
            let _ = writeln!(text, "    assert torch.isfinite(torch.tensor(got)), got");
        }
    }
    text
}
