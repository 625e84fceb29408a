//! `preflane losses`: the list of losses, for people, for programs and for the documentation.

use std::fmt::Write;

use preflane::losses::{Description, LOSSES, Parameter, Shape};
use serde::Serialize;

use crate::args::{Losses, option};
use crate::json;
use crate::layout::{HEADING, QUIET, WIDTH, quiet, wrapped};

/// What the formulas are written in.
const NOTATION: [&str; 4] = [
    "u and v are the chosen and the rejected answer's log-ratio of policy to reference (without a reference, their \
     log-probability), h = u - v, z = beta h.",
    "A labelled answer has one log-ratio u, z = beta u, and z0 = beta times the reference point, which is the same for all.",
    "Of listed answers, from best to worst, each has its z_j = beta u_j.",
    "sigmoid(x) = 1/(1 + e^-x), softplus(x) = ln(1 + e^x).",
];

/// What a loss compares, in a word and in more of them.
pub fn shape(shape: Shape) -> (&'static str, &'static str) {
    match shape {
        Shape::Pairwise => ("pairwise", "pairs: a chosen and a rejected answer to one prompt"),
        Shape::Labelled => ("labelled", "labelled answers: one answer a row, desirable or not"),
        Shape::Listed => ("listed", "lists: the answers to one prompt, from best to worst"),
    }
}

/// The command: what it prints.
pub fn run(options: &Losses) -> String {
    let all = LOSSES.iter().copied();
    let named: Vec<&Description> =
        all.filter(|loss| options.names.is_empty() || options.names.contains(loss)).collect();
    if options.json {
        json::text(&named.into_iter().map(Object::of).collect::<Vec<_>>())
    } else if options.markdown {
        markdown(&named)
    } else {
        text(&named)
    }
}

/// One paragraph a loss.
fn text(losses: &[&Description]) -> String {
    let mut text = String::new();
    for loss in losses {
        let aliases = if loss.aliases.is_empty() { String::new() } else { format!("  {}", aliases(loss)) };
        // Writing into memory does not fail.
        let _ = writeln!(text, "{HEADING}{}{HEADING:#}{}", loss.name, quiet(&aliases));
        let compares = format!("{}, {}", shape(loss.shape).1, reference(loss));
        let lines = [("compares", compares), ("loss", loss.formula.to_owned())];
        let option = |parameter: &Parameter| (option(parameter), range(parameter));
        let options = loss.parameters.iter().map(option);
        let lines = lines.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(options);
        for (name, value) in lines.chain([("source".to_owned(), loss.source.to_owned())]) {
            let width = names_width();
            let _ = writeln!(text, "{}", wrapped(&value, &format!("  {name:width$}  "), WIDTH));
        }
        text += "\n";
    }
    for sentence in NOTATION {
        let _ = writeln!(text, "{QUIET}{}{QUIET:#}", wrapped(sentence, "", WIDTH));
    }
    text
}

/// The width of the longest name of an option: it does not depend on which losses are asked for.
fn names_width() -> usize {
    let names = LOSSES.iter().flat_map(|loss| loss.parameters).map(|parameter| option(parameter).len());
    names.max().unwrap_or(0)
}

fn aliases(loss: &Description) -> String {
    format!("also {}", loss.aliases.join(", "))
}

fn reference(loss: &Description) -> &'static str {
    if loss.reference { "with a reference" } else { "without a reference" }
}

/// The values of a parameter.
fn range(parameter: &Parameter) -> String {
    format!("{}: {}; {} unless given", parameter.meaning, parameter.requirement, parameter.default)
}

/// The page of the documentation.
fn markdown(losses: &[&Description]) -> String {
    let mut text = "# The losses\n\nThis page is printed by `preflane losses --markdown`; the terminal has it without that option, \
                    programs with `--json`.\n\n"
        .to_owned();
    for sentence in NOTATION {
        let _ = writeln!(text, "- {sentence}");
    }
    for kind in [Shape::Pairwise, Shape::Labelled, Shape::Listed] {
        let rows: Vec<_> = losses.iter().filter(|loss| loss.shape == kind).collect();
        if rows.is_empty() {
            continue;
        }
        let title = shape(kind).1;
        let _ = writeln!(text, "\n## {}{}\n", title[..1].to_ascii_uppercase(), &title[1..]);
        text += "| loss | formula | parameters | reference | source |\n|---|---|---|---|---|\n";
        for loss in rows {
            let others = loss.aliases.iter().map(|alias| format!(", `{alias}`")).collect::<String>();
            let parameters = loss.parameters.iter().map(|p| format!("`{}` {}", option(p), p.default));
            let _ = writeln!(
                text,
                "| `{}`{others} | `{}` | {} | {} | {} |",
                loss.name,
                loss.formula,
                parameters.collect::<Vec<_>>().join(", "),
                if loss.reference { "yes" } else { "no" },
                loss.source
            );
        }
    }
    text += "\n## The parameters\n\n| option | what it is | values | default |\n|---|---|---|---|\n";
    let mut seen: Vec<&str> = Vec::new();
    for parameter in losses.iter().flat_map(|loss| loss.parameters) {
        if !seen.contains(&parameter.name) {
            seen.push(parameter.name);
            let Parameter { meaning, requirement, default, .. } = parameter;
            let _ = writeln!(text, "| `{}` | {meaning} | {requirement} | {default} |", option(parameter));
        }
    }
    text
}

#[derive(Serialize)]
struct Object {
    name: &'static str,
    aliases: &'static [&'static str],
    number: i32,
    shape: &'static str,
    reference: bool,
    formula: &'static str,
    parameters: Vec<Option>,
    source: &'static str,
}

#[derive(Serialize)]
struct Option {
    name: &'static str,
    option: String,
    meaning: &'static str,
    requirement: &'static str,
    default: f64,
}

impl Object {
    fn of(loss: &'static Description) -> Self {
        let parameter = |parameter: &'static Parameter| Option {
            name: parameter.name,
            option: option(parameter),
            meaning: parameter.meaning,
            requirement: parameter.requirement,
            default: parameter.default,
        };
        Self {
            name: loss.name,
            aliases: loss.aliases,
            number: loss.number,
            shape: shape(loss.shape).0,
            reference: loss.reference,
            formula: loss.formula,
            parameters: loss.parameters.iter().map(parameter).collect(),
            source: loss.source,
        }
    }
}
