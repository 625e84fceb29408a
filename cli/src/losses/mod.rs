//! `preflane losses`: the list of losses, for people, for programs and for the documentation.

#[cfg(feature = "judge")]
mod picture;

use std::fmt::Write;

use preflane::losses::{Description, LOSSES, Parameter, Shape};
use serde::Serialize;

use crate::args::{Losses, PRESETS, kinds, losses_of, option};
use crate::failure::Failure;
use crate::json;
use crate::layout::{HEADING, QUIET, WIDTH, quiet, wrapped};

/// What the formulas are written in.
const NOTATION: [&str; 5] = [
    "u and v are the chosen and the rejected answer's log-ratio of policy to reference (without a reference, their \
     log-probability), h = u - v, z = beta h.",
    "A labelled answer has one log-ratio u, z = beta u, and z0 = beta times the reference point, which is the same for all.",
    "Of listed answers, from best to worst, each has its z_j = beta u_j.",
    "Of segments of trajectories a score of the preferred one stands for u and one of the other for v; s is a similarity of \
     two samples.",
    "sigmoid(x) = 1/(1 + e^-x), softplus(x) = ln(1 + e^x).",
];

/// What a loss compares, in a word and in more of them.
pub fn shape(shape: Shape) -> (&'static str, &'static str) {
    match shape {
        Shape::Pairwise => ("pairwise", "pairs: a chosen and a rejected answer to one prompt"),
        Shape::Labelled => ("labelled", "labelled answers: one answer a row, desirable or not"),
        Shape::Listed => ("listed", "lists: the answers to one prompt, from best to worst"),
        Shape::Contrastive => {
            ("contrastive", "similarities of samples, which the library evaluates and `score` does not take")
        }
    }
}

/// The command: what it prints.
pub fn run(options: &Losses) -> Result<String, Failure> {
    #[cfg(feature = "judge")]
    if options.picture {
        return picture::svg();
    }
    if options.presets {
        return Ok(presets());
    }
    let all = LOSSES.iter().copied();
    let named: Vec<&'static Description> =
        all.filter(|loss| options.names.is_empty() || options.names.contains(loss)).collect();
    Ok(if options.json {
        json::text(&named.into_iter().map(Object::of).collect::<Vec<_>>())
    } else if options.markdown {
        markdown(&named)
    } else {
        text(&named)
    })
}

/// What trainers mean by the names of losses.
fn presets() -> String {
    let mut out = String::new();
    for preset in PRESETS {
        // Writing into memory does not fail.
        let _ = writeln!(out, "{HEADING}--preset {}{HEADING:#}  {}", preset.name, quiet(preset.of));
        for convention in preset.conventions {
            let title = format!("  {:<18}", convention.given);
            let set: String = convention.defaults.iter().map(|(name, value)| format!("{name} {value}, ")).collect();
            let text = format!("{}: {set}{}", convention.means, convention.says);
            let _ = writeln!(out, "{}", wrapped(&text, &title, WIDTH));
        }
        out.push('\n');
    }
    out
}

/// The shapes, in the order in which they are told.
const SHAPES: [Shape; 4] = [Shape::Pairwise, Shape::Labelled, Shape::Listed, Shape::Contrastive];

/// A title with a capital letter.
fn title(shape: Shape) -> String {
    let text = self::shape(shape).1;
    text[..1].to_ascii_uppercase() + &text[1..]
}

/// For the terminal: shape by shape one paragraph a loss, then the options and the notation.
fn text(losses: &[&'static Description]) -> String {
    let mut text = String::new();
    for kind in SHAPES {
        let mut heading = format!("{HEADING}{}{HEADING:#}\n", title(kind));
        for loss in losses.iter().filter(|loss| loss.shape == kind) {
            text += &std::mem::take(&mut heading);
            text += "\n";
            let aliases = (!loss.aliases.is_empty()).then(|| format!("also {}", loss.aliases.join(", ")));
            let reference = (!loss.reference).then(|| "without a reference".to_owned());
            let notes: Vec<String> = [aliases, reference].into_iter().flatten().collect();
            let notes = if notes.is_empty() { String::new() } else { format!("  {}", quiet(&notes.join("; "))) };
            // Writing into memory does not fail.
            let _ = writeln!(text, "  {HEADING}{}{HEADING:#}{notes}", loss.name);
            let options = loss.parameters.iter().map(|p| format!("{} {}", option(p), p.default));
            let options = options.collect::<Vec<_>>().join(", ");
            let column = beside(loss).unwrap_or_default();
            let told = [("loss", loss.formula), ("options", &options), ("column", &column), ("source", loss.source)];
            for (name, value) in told.into_iter().filter(|(_, value)| !value.is_empty()) {
                let _ = writeln!(text, "{}", wrapped(value, &format!("    {name:7}  "), WIDTH));
            }
        }
        if heading.is_empty() {
            text += "\n";
        }
    }
    let _ =
        writeln!(text, "{HEADING}Options{HEADING:#} {QUIET}(of preflane score; above with their defaults){QUIET:#}\n");
    let all = kinds(losses);
    let width = all.iter().map(|parameter| option(parameter).len()).max().unwrap_or(0);
    for parameter in all {
        let told = format!("{}; {}", parameter.meaning, parameter.requirement);
        let _ = writeln!(text, "{}", wrapped(&told, &format!("  {:width$}  ", option(parameter)), WIDTH));
    }
    let _ = writeln!(text, "\n{HEADING}Notation{HEADING:#}\n");
    for sentence in NOTATION {
        let _ = writeln!(text, "{}", wrapped(sentence, "  ", WIDTH));
    }
    text
}

/// What a loss takes beside log-probabilities, in words.
fn beside(loss: &Description) -> std::option::Option<String> {
    loss.column.map(|column| format!("{}: {}; {}", column.name, column.meaning, column.requirement))
}

/// The page of the documentation.
fn markdown(losses: &[&'static Description]) -> String {
    let mut text = "# The losses\n\nThis page is printed by `preflane losses --markdown`; the terminal has it without that option, \
                    programs with `--json`.\n\n"
        .to_owned();
    for sentence in NOTATION {
        let _ = writeln!(text, "- {sentence}");
    }
    for kind in SHAPES {
        let rows: Vec<_> = losses.iter().filter(|loss| loss.shape == kind).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n## {}\n", title(kind));
        text += "| loss | formula | parameters | column | reference | source |\n|---|---|---|---|---|---|\n";
        for loss in rows {
            let others = loss.aliases.iter().map(|alias| format!(", `{alias}`")).collect::<String>();
            let parameters = loss.parameters.iter().map(|p| format!("`{}` {}", option(p), p.default));
            let _ = writeln!(
                text,
                "| `{}`{others} | `{}` | {} | {} | {} | {} |",
                loss.name,
                loss.formula.replace('|', "\\|"),
                parameters.collect::<Vec<_>>().join(", "),
                loss.column.map(|column| format!("`{}`", column.name)).unwrap_or_default(),
                if loss.reference { "yes" } else { "no" },
                loss.source
            );
        }
    }
    text += "\n## The parameters\n\n| option | what it is | values | default | losses |\n|---|---|---|---|---|\n";
    for parameter in kinds(losses) {
        let Parameter { meaning, requirement, default, .. } = parameter;
        let of = losses_of(parameter);
        let _ = writeln!(text, "| `{}` | {meaning} | {requirement} | {default} | {of} |", option(parameter));
    }
    text += "\n## The columns\n\nWhat a loss takes beside log-probabilities: a number a pair or labelled answer, of lists one an answer.\n\n";
    text += "| column | what it is | values |\n|---|---|---|\n";
    let mut told: Vec<Parameter> = Vec::new();
    for column in losses.iter().filter_map(|loss| loss.column) {
        if !told.contains(&column) {
            let _ = writeln!(text, "| `{}` | {} | {} |", column.name, column.meaning, column.requirement);
            told.push(column);
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
    #[serde(skip_serializing_if = "std::option::Option::is_none")]
    column: std::option::Option<Beside>,
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

/// What a loss takes beside log-probabilities.
#[derive(Serialize)]
struct Beside {
    name: &'static str,
    meaning: &'static str,
    requirement: &'static str,
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
            column: loss.column.map(|column| Beside {
                name: column.name,
                meaning: column.meaning,
                requirement: column.requirement,
            }),
            source: loss.source,
        }
    }
}
