//! What the options of `preflane score` ask for, checked before any work.

use preflane::Loss;

use super::source::Source;
use crate::args::{LossName, Score};
use crate::failure::Failure;
use crate::format::is_stdin;
use crate::input::{ColumnReader, Wanted};
use crate::output;
use crate::provenance::{Agreement, Provenance};

/// The loss with its parameters, checked by the library.
pub fn loss(options: &Score) -> Result<Loss, Failure> {
    let (name, beta) = (options.loss, options.beta);
    let smoothing = match (name, options.label_smoothing) {
        (LossName::Cdpo | LossName::Robust, Some(smoothing)) => smoothing,
        (LossName::Cdpo | LossName::Robust, None) => {
            let message = "needs --label-smoothing, the share of flipped labels to assume, such as 0.1";
            return Err(Failure::new(format!("--loss {}: {message}", name.name())));
        }
        (_, Some(_)) => {
            let message = "has no label smoothing; --label-smoothing belongs to cdpo and robust";
            return Err(Failure::new(format!("--loss {}: {message}", name.name())));
        }
        (_, None) => 0.0,
    };
    let loss = match name {
        LossName::Dpo => Loss::dpo(beta),
        LossName::Cdpo => Loss::cdpo(beta, smoothing),
        LossName::Robust => Loss::robust(beta, smoothing),
        LossName::Ipo => Loss::ipo(beta),
        LossName::Hinge => Loss::hinge(beta),
    };
    loss.map_err(|e| Failure::new(format!("--loss {}: {e}", name.name())))
}

/// The columns to read: the policy's two, the reference's two unless reference-free, the weights if named.
pub fn columns(options: &Score) -> Result<Vec<Wanted>, Failure> {
    let columns = &options.columns;
    let named = |name: &Option<String>, default: &str| name.clone().unwrap_or_else(|| default.to_owned());
    let mut wanted = vec![
        ("--policy-chosen", columns.policy_chosen.clone(), "--policy-chosen names another"),
        ("--policy-rejected", columns.policy_rejected.clone(), "--policy-rejected names another"),
    ];
    if !options.reference_free {
        let remedy = "--ref-chosen names another, --reference-free does without";
        wanted.push(("--ref-chosen", named(&columns.ref_chosen, "ref_chosen_logps"), remedy));
        let remedy = "--ref-rejected names another, --reference-free does without";
        wanted.push(("--ref-rejected", named(&columns.ref_rejected, "ref_rejected_logps"), remedy));
    }
    if let Some(name) = &columns.weights {
        wanted.push(("--weights", name.clone(), "--weights names another"));
    }
    for (i, (option, name, _)) in wanted.iter().enumerate() {
        if let Some((other, ..)) = wanted[..i].iter().find(|(_, other, _)| other == name) {
            return Err(Failure::new(format!("{other} and {option} both name the column {name}; each needs its own")));
        }
    }
    Ok(wanted.into_iter().map(|(_, name, remedy)| Wanted { name, remedy }).collect())
}

/// What the files say before their rows are read.
pub struct Checked {
    /// What they say of themselves: those that say something.
    pub provenance: Vec<Provenance>,
    /// The only source, opened, if it is a file.
    pub reader: Option<Box<dyn ColumnReader>>,
}

/// Finds early what would else be found late.
pub fn check_files(options: &Score, sources: &[Source<'_>]) -> Result<Checked, Failure> {
    if options.sequences.policy.is_some() && options.sequences.reference.is_none() && !options.reference_free {
        let message = "needs --reference, the file of the reference's sequences, or --reference-free";
        return Err(Failure::new(format!("--policy: {message}")));
    }
    if sources.iter().filter(|source| is_stdin(source.path())).count() > 1 {
        return Err(Failure::new("standard input (-) stands twice among the files; it can be read once"));
    }
    let formats = sources.iter().filter_map(|source| source.format().transpose()).collect::<Result<Vec<_>, _>>()?;
    options.reading.check_used(&formats)?;
    if let Some(out) = &options.out {
        output::check(out, sources.iter().flat_map(Source::paths))?;
    }
    let mut checked = Checked { provenance: Vec::new(), reader: None };
    let mut agreement = Agreement::default();
    let is_only = sources.len() == 1;
    // Of a pipe nothing is read before the output is there.
    for source in sources.iter().filter(|source| source.can_be_reopened()) {
        let reader = source.open()?;
        if !options.ignore_provenance {
            let models = reader.metadata().iter().map(Provenance::read).collect::<Result<Vec<_>, _>>()?;
            for provenance in &models {
                agreement.add(provenance)?;
            }
            if let [policy, reference] = &models[..] {
                reference.check_batch(policy)?;
            }
            checked.provenance.extend(models.into_iter().filter(Provenance::is_said));
        }
        checked.reader = is_only.then_some(reader);
    }
    Ok(checked)
}
