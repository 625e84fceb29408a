//! The part of the header that the list of losses makes.

use preflane::losses::{Description, LOSSES, Shape};

/// Columns of the header.
const WIDTH: usize = 120;

/// A comment whose lines are not too long; the later ones of a list's item are indented.
fn comment(indent: &str, text: &str, hanging: &str) -> String {
    let mut out = String::new();
    let mut line = format!("{indent}//");
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            out += &line;
            out += "\n";
            line = format!("{indent}//{hanging}");
        }
        line += " ";
        line += word;
    }
    out + &line + "\n"
}

/// An integer type of C with names for its values, as cbindgen writes it.
fn enumeration(name: &str, values: &str) -> String {
    let typed = "#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L\n  : int32_t\n#endif\n";
    let alias = format!(
        "#ifndef __cplusplus\n#if __STDC_VERSION__ >= 202311L\ntypedef enum {name} {name};\n#else\ntypedef int32_t {name};\n#endif\n#endif\n"
    );
    format!("enum {name}\n{typed} {{\n{values}}};\n{alias}")
}

fn constant(loss: &Description) -> String {
    format!("PREFLANE_LOSS_{}", loss.name.to_uppercase())
}

/// What `preflane_loss.kind` may be.
pub fn kinds() -> String {
    let notation = "Losses: what preflane_loss.kind may be, with the formula of each. u and v are the chosen and the rejected answer's \
        log-ratio of policy to reference (policy_chosen_logps - ref_chosen_logps, say), h = u - v, z = beta h. A labelled answer has \
        one log-ratio u and z = beta u, and a reference point z0; of listed answers each has its z_j = beta u_j. sigmoid(x) = \
        1/(1+e^-x), softplus(x) = ln(1+e^x). A number never changes, and one that is retired is never given again.";
    let values: String = LOSSES
        .iter()
        .map(|loss| {
            let text = if is_made(loss) {
                format!("{}: see preflane_{}.", loss.formula, loss.name)
            } else {
                format!("{}. Contrastive: it has a function of its own.", loss.formula)
            };
            format!("{}  {} = {},\n", comment("  ", &text, "  "), constant(loss), loss.number)
        })
        .collect();
    comment("", notation, "") + &enumeration("preflane_loss_kind", &values)
}

/// Whether a call takes the loss as a preflane_loss.
fn is_made(loss: &Description) -> bool {
    loss.shape != Shape::Contrastive
}

/// The function that makes a loss.
fn constructor(loss: &Description) -> String {
    let name = loss.name;
    let shape = match loss.shape {
        Shape::Pairwise => "pairs",
        Shape::Labelled => "labelled answers",
        Shape::Listed => "listed answers",
        Shape::Contrastive => "samples",
    };
    let reference = if loss.reference { "with a reference model" } else { "without a reference model" };
    let mut out = comment("", &format!("The loss {name} of {shape}, defined {reference}: {}.", loss.formula), "");
    out += "//\n";
    out += &comment("", &format!("Source: {}.", loss.source), "");
    if !loss.aliases.is_empty() {
        out += &comment("", &format!("Trainers also call it {}.", loss.aliases.join(" and ")), "");
    }
    if !loss.parameters.is_empty() {
        out += "//\n// Parameters:\n";
        for parameter in loss.parameters {
            let text = format!(
                "- {}: {}. It must be {}. By default it is {}.",
                parameter.name, parameter.meaning, parameter.requirement, parameter.default
            );
            out += &comment("", &text, "  ");
        }
    }
    if let Some(column) = &loss.column {
        let text = format!(
            "It takes a column, a number of each {}: {}, {}. It must be {}.",
            if loss.shape == Shape::Pairwise { "pair" } else { "answer" },
            column.name,
            column.meaning,
            column.requirement
        );
        out += "//\n";
        out += &comment("", &text, "");
    }
    let (declared, given) = arguments(loss);
    let declared = if declared.is_empty() { "void" } else { &declared };
    let given = if given.is_empty() { "0" } else { &given };
    let head = format!("PREFLANE_CONSTRUCTOR preflane_loss preflane_{name}({declared}) {{");
    out + &head + &format!("\n  preflane_loss loss = {{{}, 0, {{{given}}}}};\n  return loss;\n}}\n", constant(loss))
}

/// The parameters as they are declared and as they are given.
fn arguments(loss: &Description) -> (String, String) {
    let names: Vec<&str> = loss.parameters.iter().map(|parameter| parameter.name).collect();
    (names.iter().map(|name| format!("double {name}")).collect::<Vec<_>>().join(", "), names.join(", "))
}

/// The functions that make losses, and the list of them.
pub fn constructors() -> String {
    let mut out = String::from(
        "// The functions that make losses, one for each. They check nothing: the call that takes the loss does.\n\
         #if defined(__cplusplus) && __cplusplus >= 201402L\n\
         #define PREFLANE_CONSTRUCTOR constexpr\n\
         #else\n\
         #define PREFLANE_CONSTRUCTOR static inline\n\
         #endif\n",
    );
    for loss in LOSSES.iter().filter(|loss| is_made(loss)) {
        out += "\n";
        out += &constructor(loss);
    }
    out += "\n";
    out += &comment(
        "",
        "Every loss, for a macro X(name, (parameters as declared), (parameters as given)). Such a macro makes a function for each \
         loss, for example, as preflane.hpp does.",
        "",
    );
    out += "#define PREFLANE_FOR_EACH_LOSS(X)";
    for loss in LOSSES.iter().filter(|loss| is_made(loss)) {
        let (declared, given) = arguments(loss);
        out += &format!(" \\\n  X({}, ({declared}), ({given}))", loss.name);
    }
    out + "\n"
}
