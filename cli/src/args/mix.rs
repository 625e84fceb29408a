//! Sums of losses: `--mix`.

use preflane::losses::{self, Description, Parameter, Shape};
use preflane::{Loss, Mix};

use super::losses::Parameters;
use crate::failure::Failure;

/// A sum of losses, and what there is to say of it as of a loss.
#[derive(Clone, Copy, Debug)]
pub struct Mixed {
    /// What evaluates it.
    pub mix: Mix,
    /// Its parameters are those of all terms.
    pub description: &'static Description,
}

/// Reads `name:weight,name:weight`, with the parameters that were given.
///
/// # Errors
/// Text that is none, and what the library refuses.
pub fn mixed(text: &str, parameters: &Parameters) -> Result<Mixed, Failure> {
    let fail = |message: String| Failure::new(format!("--mix {text}: {message}"));
    let (mut terms, mut nll, mut all) = (Vec::new(), None, Vec::<Parameter>::new());
    let mut described: Vec<(f64, &Description)> = Vec::new();
    for term in text.split(',') {
        let (name, weight) =
            term.split_once(':').ok_or_else(|| fail(format!("{term} is not a loss:weight, as in dpo:0.8")))?;
        let (name, weight) = (name.trim().replace('-', "_"), weight.trim());
        let weight: f64 = weight.parse().map_err(|_| fail(format!("{weight} is no number")))?;
        if name == "nll" || name == "sft" {
            if nll.replace(weight).is_some() {
                return Err(fail("nll stands there twice".to_owned()));
            }
            continue;
        }
        let loss =
            losses::find(&name).ok_or_else(|| fail(format!("there is no loss {name}; preflane losses lists all")))?;
        for parameter in loss.parameters {
            if all.iter().all(|other| other.name != parameter.name) {
                all.push(*parameter);
            }
        }
        described.push((weight, loss));
    }
    for (weight, loss) in &described {
        let values = parameters.of_term(loss).map_err(|e| fail(e.to_string()))?;
        terms.push((*weight, Loss::new(loss, &values).map_err(|e| fail(e.to_string()))?));
    }
    let mix = Mix::new(&terms).and_then(|mix| nll.map_or(Ok(mix), |weight| mix.with_nll(weight)));
    let mix = mix.map_err(|e| fail(e.to_string()))?;
    let told = described.iter().map(|(weight, loss)| (*weight, loss.name)).chain(nll.map(|weight| (weight, "nll")));
    let formula = told.map(|(weight, name)| format!("{weight} {name}")).collect::<Vec<_>>().join(" + ");
    // Once in a run.
    let description = Box::leak(Box::new(Description {
        number: 0,
        name: "mix",
        aliases: &[],
        shape: Shape::Pairwise,
        parameters: Vec::leak(all),
        reference: described.first().is_some_and(|(_, loss)| loss.reference),
        column: mix.column().copied(),
        reference_point: None,
        nearest: true,
        formula: String::leak(formula),
        source: "a sum of losses",
    }));
    Ok(Mixed { mix, description })
}
