//! What the options of `preflane score` ask for, checked before any work.

use preflane::losses::{Description, LOSSES, ReferencePoint, Shape as Kinds};
use preflane::{Loss, MeanLogRatio};

use super::labelled::{LabelledRows, Point};
use super::listed::{ListColumns, ListRows};
use super::pairs::PairRows;
use super::shape::Shape;
use super::source::Source;
use crate::args::Score;
use crate::failure::{Failure, name_list};
use crate::format::is_stdin;
use crate::input::{ColumnReader, Kind, Wanted};
use crate::output;
use crate::provenance::{Agreement, Provenance};

/// What is to be done.
pub struct Plan {
    /// The parameters of the loss.
    pub parameters: Vec<f64>,
    /// Whether the reference's log-probabilities are read.
    pub is_referenced: bool,
    /// The columns to read.
    pub wanted: Vec<Wanted>,
    /// What evaluates them.
    pub shape: Box<dyn Shape>,
}

/// Checks the options, the loss by the library.
///
/// # Errors
/// A parameter that the loss does not have or allow, an option that is for another shape of loss, a column named twice.
pub fn plan(options: &Score) -> Result<Plan, Failure> {
    let loss = options.loss;
    if ["aot", "aot_unpaired"].contains(&loss.name) {
        let message = "compares the rows of a training batch in order, and a file is none; the library's `aot` puts a batch in order";
        return Err(Failure::new(format!("--loss {}: {message}", loss.name)));
    }
    let parameters = options.parameters.of(loss)?;
    check_shape(options)?;
    check_reference(options)?;
    if loss.column.is_none() && options.columns.column.is_some() {
        let message = "takes nothing beside log-probabilities; leave --column out";
        return Err(Failure::new(format!("--loss {}: {message}", loss.name)));
    }
    if let Some(column) = loss.column
        && options.sequences.policy.is_some()
    {
        let message =
            format!("takes the column {} beside log-probabilities, and files of sequences have none", column.name);
        let remedy = "give one file with all columns instead of --policy";
        return Err(Failure::new(format!("--loss {}: {message}; {remedy}", loss.name)));
    }
    let is_referenced = loss.reference && !options.reference_free;
    let wanted = columns(options, is_referenced)?;
    let is_weighted = options.columns.weights.is_some();
    let shape: Box<dyn Shape> = match loss.shape {
        Kinds::Pairwise => match &options.mixed {
            Some(sum) => Box::new(PairRows::new(sum.mix, loss, &parameters, is_referenced, is_weighted)),
            None => {
                let one = Loss::new(loss, &parameters).map_err(Failure::new)?;
                Box::new(PairRows::new(one, loss, &parameters, is_referenced, is_weighted))
            }
        },
        Kinds::Labelled => {
            let point = match (options.answers.reference_point, loss.reference_point) {
                (None, Some(kind)) => Point::Mean { wanted: wanted.clone(), kind, mean: MeanLogRatio::new() },
                (given, _) => Point::Given(given.unwrap_or(0.0)),
            };
            Box::new(LabelledRows::new(loss, &parameters, is_referenced, is_weighted, point)?)
        }
        Kinds::Listed => {
            let (rank, weight) = (options.answers.rank.clone(), options.columns.weights.clone());
            let columns = ListColumns { reference: is_referenced, column: column_name(options), rank, weight };
            Box::new(ListRows::new(loss, &parameters, columns)?)
        }
        Kinds::Contrastive => return Err(contrastive(loss)),
    };
    Ok(Plan { parameters, is_referenced, wanted, shape })
}

/// That no file has what the loss takes.
fn contrastive(loss: &Description) -> Failure {
    let message =
        "takes similarities of samples, which files of log-probabilities do not have; the library evaluates it";
    Failure::new(format!("--loss {}: {message}", loss.name))
}

/// The name of the column that the loss takes beside log-probabilities, if it takes one.
pub fn column_name(options: &Score) -> Option<String> {
    let own = options.loss.column?.name;
    Some(options.columns.column.clone().unwrap_or_else(|| own.to_owned()))
}

/// That no option is given that is for losses of another shape.
fn check_shape(options: &Score) -> Result<(), Failure> {
    const PAIRS: &[Kinds] = &[Kinds::Pairwise];
    const LABELLED: &[Kinds] = &[Kinds::Labelled];
    const LISTED: &[Kinds] = &[Kinds::Listed];
    const ANSWERS: &[Kinds] = &[Kinds::Labelled, Kinds::Listed];
    let (pairs, answers) = (&options.columns, &options.answers);
    let given = [
        ("--policy", options.sequences.policy.is_some(), PAIRS),
        ("--policy-chosen", pairs.policy_chosen.is_some(), PAIRS),
        ("--policy-rejected", pairs.policy_rejected.is_some(), PAIRS),
        ("--ref-chosen", pairs.ref_chosen.is_some(), PAIRS),
        ("--ref-rejected", pairs.ref_rejected.is_some(), PAIRS),
        ("--policy-logps", answers.policy_logps.is_some(), ANSWERS),
        ("--ref-logps", answers.ref_logps.is_some(), ANSWERS),
        ("--label", answers.label.is_some(), LABELLED),
        ("--reference-point", answers.reference_point.is_some(), LABELLED),
        ("--policy-kl", answers.policy_kl.is_some(), LABELLED),
        ("--ref-kl", answers.ref_kl.is_some(), LABELLED),
        ("--group", answers.group.is_some(), LISTED),
        ("--rank", answers.rank.is_some(), LISTED),
    ];
    let loss = options.loss;
    match given.into_iter().find(|(_, is_given, shapes)| *is_given && !shapes.contains(&loss.shape)) {
        Some((option, _, shapes)) => {
            let is_one = |other: &&&Description| shapes.contains(&other.shape);
            let names = name_list(LOSSES.iter().filter(is_one).map(|other| other.name));
            let of = shapes.iter().map(|shape| what(*shape)).collect::<Vec<_>>().join(" or ");
            let message = format!("{option} is for losses of {of} ({names}); this one is of {}", what(loss.shape));
            Err(Failure::new(format!("--loss {}: {message}", loss.name)))
        }
        None => Ok(()),
    }
}

/// What losses of a shape compare.
fn what(shape: Kinds) -> &'static str {
    match shape {
        Kinds::Pairwise => "pairs",
        Kinds::Labelled => "labelled answers",
        Kinds::Listed => "lists of answers",
        Kinds::Contrastive => "similarities of samples",
    }
}

/// That no column or file of a reference is named for a loss that has none.
fn check_reference(options: &Score) -> Result<(), Failure> {
    let (pairs, answers, loss) = (&options.columns, &options.answers, options.loss);
    let given = [
        ("--reference", options.sequences.reference.is_some()),
        ("--ref-chosen", pairs.ref_chosen.is_some()),
        ("--ref-rejected", pairs.ref_rejected.is_some()),
        ("--ref-logps", answers.ref_logps.is_some()),
        ("--ref-kl", answers.ref_kl.is_some()),
    ];
    // A mean of mismatched pairs that nothing takes.
    let mismatched = [("--policy-kl", answers.policy_kl.is_some()), ("--ref-kl", answers.ref_kl.is_some())];
    if let Some((option, _)) = mismatched.into_iter().find(|(_, is_given)| *is_given)
        && loss.reference_point != Some(ReferencePoint::Mismatched)
    {
        let message = "compares with no mean of mismatched pairs; leave";
        return Err(Failure::new(format!("--loss {}: it {message} {option} out", loss.name)));
    }
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) if !loss.reference => {
            let message = format!("is defined without a reference; leave {option} out");
            Err(Failure::new(format!("--loss {}: {message}", loss.name)))
        }
        _ if loss.reference_point.is_some() && options.reference_free && answers.reference_point.is_none() => {
            let message = "without a reference there is no mean log-ratio to it; --reference-point X is needed";
            Err(Failure::new(format!("--reference-free: {message}")))
        }
        _ => Ok(()),
    }
}

/// The columns to read: those of log-probabilities, the policy's before the reference's; what the shape and the loss need beside them; the
/// weights if named, and the group of listed answers last.
fn columns(options: &Score, is_referenced: bool) -> Result<Vec<Wanted>, Failure> {
    let (pairs, answers) = (&options.columns, &options.answers);
    let mut wanted: Vec<(&str, Wanted)> = Vec::new();
    let mut add = |kind, option, name: &Option<String>, default: &str, remedy| {
        let name = name.clone().unwrap_or_else(|| default.to_owned());
        wanted.push((option, Wanted { name, remedy, kind }));
    };
    // A row of a listed loss is a whole list, or belongs to a group.
    let is_list = options.loss.shape == Kinds::Listed && answers.group.is_none();
    let logps = if is_list { Kind::Answers } else { Kind::Number };
    match options.loss.shape {
        Kinds::Pairwise => {
            add(logps, "--policy-chosen", &pairs.policy_chosen, "policy_chosen_logps", "--policy-chosen names another");
            let remedy = "--policy-rejected names another";
            add(logps, "--policy-rejected", &pairs.policy_rejected, "policy_rejected_logps", remedy);
            if is_referenced {
                let remedy = "--ref-chosen names another, --reference-free does without";
                add(logps, "--ref-chosen", &pairs.ref_chosen, "ref_chosen_logps", remedy);
                let remedy = "--ref-rejected names another, --reference-free does without";
                add(logps, "--ref-rejected", &pairs.ref_rejected, "ref_rejected_logps", remedy);
            }
        }
        Kinds::Labelled | Kinds::Listed => {
            add(logps, "--policy-logps", &answers.policy_logps, "policy_logps", "--policy-logps names another");
            if is_referenced {
                let remedy = "--ref-logps names another, --reference-free does without";
                add(logps, "--ref-logps", &answers.ref_logps, "ref_logps", remedy);
            }
        }
        Kinds::Contrastive => return Err(contrastive(options.loss)),
    }
    if options.loss.shape == Kinds::Labelled {
        add(Kind::Label, "--label", &answers.label, "label", "--label names another");
        if answers.reference_point.is_none() && options.loss.reference_point == Some(ReferencePoint::Mismatched) {
            let remedy = "--policy-kl names another, --reference-point X does without";
            add(Kind::Number, "--policy-kl", &answers.policy_kl, "policy_KL_logps", remedy);
            let remedy = "--ref-kl names another, --reference-point X does without";
            add(Kind::Number, "--ref-kl", &answers.ref_kl, "ref_KL_logps", remedy);
        }
    }
    if let Some(column) = options.loss.column {
        add(logps, "--column", &pairs.column, column.name, "--column names another");
    }
    if answers.rank.is_some() {
        add(logps, "--rank", &answers.rank, "", "--rank names another");
    }
    if pairs.weights.is_some() {
        add(Kind::Number, "--weights", &pairs.weights, "", "--weights names another");
    }
    if answers.group.is_some() {
        add(Kind::Group, "--group", &answers.group, "", "--group names another");
    }
    for (i, (option, Wanted { name, .. })) in wanted.iter().enumerate() {
        if let Some((other, _)) = wanted[..i].iter().find(|(_, other)| other.name == *name) {
            return Err(Failure::new(format!("{other} and {option} both name the column {name}; each needs its own")));
        }
    }
    if is_list && options.reading.tokens.is_some() {
        let message =
            "a row is a list of answers, not of tokens; with --group NAME, one answer a row, lists of tokens are read";
        return Err(Failure::new(format!("--tokens: {message}")));
    }
    Ok(wanted.into_iter().map(|(_, wanted)| wanted).collect())
}

/// What the files say before their rows are read.
pub struct Checked {
    /// What they say of themselves: those that say something.
    pub provenance: Vec<Provenance>,
    /// The only source, opened, if it is a file.
    pub reader: Option<Box<dyn ColumnReader>>,
}

/// Finds early what would else be found late.
pub fn check_files(options: &Score, plan: &Plan, sources: &[Source<'_>]) -> Result<Checked, Failure> {
    if options.sequences.policy.is_some() && options.sequences.reference.is_none() && plan.is_referenced {
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
