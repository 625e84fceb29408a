//! What in the data deserves a look, in plain words.

use super::Scored;
use super::columns::{STAND_INS, stand_in};
use super::outliers::Carried;
use super::rows::{NAMED, Row, Rows};
use crate::input::Tokens;
use crate::layout::{counted, percent, rough};

/// Shares below this are no finding: some displaced or saturated pairs are in all data.
const SHARE: f64 = 0.1;

/// Defines [`Code`] with its names.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What a finding is of. The names are for programs, and stay.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// The name, which `docs/findings.md` explains.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$variant),*];
        }
    };
}

codes! {
    /// A log-probability or a result is nan or infinite.
    NotFinite = "not_finite";
    /// Integers, where log-probabilities are hardly ever whole.
    WholeNumbers = "whole_numbers";
    /// Above 0.
    PositiveLogps = "positive_logps";
    /// Policy and reference agree in every row.
    PolicyIsReference = "policy_is_reference";
    /// They agree on the chosen or on the rejected answers.
    SameColumns = "same_columns";
    /// A file has the rows of another.
    SameFile = "same_file";
    /// All of a column of the reference is 0.
    ReferenceAllZero = "reference_all_zero";
    /// Some of the reference is 0.
    ReferenceZero = "reference_zero";
    /// Some of the policy is 0.
    PolicyZero = "policy_zero";
    /// A number that stands for something else.
    StandIn = "stand_in";
    /// Log-probabilities far below all others.
    FarBelow = "far_below";
    /// Policy and reference on different scales.
    SumsAgainstMeans = "sums_against_means";
    /// Sums where the loss is one of means.
    SumsForMeans = "sums_for_means";
    /// A few rows outweigh all others.
    Outlier = "outlier";
    /// More wrong than right.
    RejectedPreferred = "rejected_preferred";
    /// Both log-probabilities fell.
    Displacement = "displacement";
    /// Labels of one kind alone.
    OneClass = "one_class";
    /// Lists of one answer.
    SingleAnswers = "single_answers";
    /// Units that hardly train any more.
    GradientVanished = "gradient_vanished";
    /// Equal rewards.
    Ties = "ties";
    /// A text file whose last line has no end.
    NoLineEnd = "no_line_end";
}

/// One thing to watch.
pub struct Finding {
    /// What it is of.
    pub code: Code,
    /// What the data shows, in a few words.
    pub headline: String,
    /// What it means and what to try.
    pub advice: String,
    /// How many rows it is about.
    pub count: u64,
    /// The first of them, where they can be told.
    pub rows: Vec<Row>,
}

impl Finding {
    /// About so many rows, none of which stands out.
    pub fn new(code: Code, count: u64, headline: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { code, headline: headline.into(), advice: advice.into(), count, rows: Vec::new() }
    }

    /// About the given rows.
    fn of_rows(code: Code, rows: &Rows, headline: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { rows: rows.first.clone(), ..Self::new(code, rows.count, headline, advice) }
    }
}

/// What the readers said of the files.
fn noted(scored: &Scored) -> impl Iterator<Item = Finding> {
    scored.notes.iter().map(|note| Finding::new(Code::NoLineEnd, 1, note.headline.clone(), note.advice.clone()))
}

/// All findings, the most serious first.
pub fn findings(scored: &Scored) -> Vec<Finding> {
    let scales = scales(scored).or_else(|| sums_for_means(scored));
    let mut findings: Vec<Finding> = not_finite(scored).into_iter().collect();
    if is_of_logps(scored) {
        findings.extend([whole_numbers(scored), positive(scored)].into_iter().flatten());
    }
    findings.extend(same_columns(scored));
    findings.extend(same_files(scored));
    if is_of_logps(scored) {
        findings.extend(zeros(scored));
        findings.extend(stand_ins(scored));
    }
    findings.extend(far_below(scored));
    // What is on another scale is not swapped, nor displaced, nor solved.
    if scales.is_some() {
        findings.extend(scales);
    } else {
        findings.extend(outliers(scored));
        findings.extend(scored.shape.findings());
        findings.extend(saturated(scored));
    }
    findings.extend(ties(scored));
    findings.extend(noted(scored));
    findings
}

/// Whether so many of all are enough to be told.
pub fn is_much(count: u64, all: u64) -> bool {
    count as f64 >= SHARE * all as f64 && count > 0
}

/// Rows by number, with the place where there are several files.
fn names(scored: &Scored, rows: &[Row], count: u64) -> String {
    // Several of them may be in one row.
    let are_more = rows.len() == NAMED && count > NAMED as u64;
    let noun = if rows.len() == 1 { "row" } else { "rows" };
    let mut names: Vec<_> = rows.iter().map(|row| scored.name(row)).collect();
    if are_more {
        names.push("...".to_owned());
    }
    format!("{noun} {}", names.join(", "))
}

/// What a column holds, in words.
fn name_of(scored: &Scored, column: usize) -> String {
    let sides = scored.watched.sides;
    let model = if column < sides.len() { "policy" } else { "reference" };
    format!("{model} {}", sides[column % sides.len()]).trim_end().to_owned()
}

fn not_finite(scored: &Scored) -> Option<Finding> {
    let (rows, all, unit) = (&scored.watched.nonfinite, scored.shape.counts().units, scored.shape.unit());
    let weighted = if scored.weighted { " A weight of 0 does not leave a row out." } else { "" };
    (rows.count > 0).then(|| {
        let named = names(scored, &rows.first, rows.count);
        Finding::of_rows(
            Code::NotFinite,
            rows,
            format!("{} of {all} not finite: {named}", counted(rows.count, unit)),
            format!(
                "A log-probability there is nan or infinite, or a result is beyond 32 bits; one such row can make a mean \
                 nan or infinite. Common causes: an empty completion, an overflow in half precision, a masked token that \
                 was summed.{weighted}"
            ),
        )
    })
}

/// Of columns whose types do not tell, so many numbers must all be whole.
const WHOLE_NUMBERS: u64 = 64;
/// Or all of them as large as this at least: the bits of floats, read as integers.
const LIKE_BITS: f32 = 1000.0;

fn whole_numbers(scored: &Scored) -> Option<Finding> {
    let columns = &scored.watched.columns;
    let numbers: u64 = columns.iter().map(|column| column.count).sum();
    let all_whole = numbers > 0 && columns.iter().all(|column| column.whole == column.count);
    let like_bits = columns.iter().all(|column| column.least >= LIKE_BITS);
    (all_whole && (scored.watched.integers || like_bits || numbers >= WHOLE_NUMBERS)).then(|| {
        Finding::new(
            Code::WholeNumbers,
            scored.shape.counts().rows,
            "All log-probabilities are whole numbers",
            "They hardly ever are. These may be the bits of 16-bit floats stored as integers (bf16 then gives numbers \
             around -16000 or 49500), token ids or counts, or values that were rounded.",
        )
    })
}

/// Losses of scores, values or similarities, which may be above 0, exactly 0 or whole as well as not.
const OF_SCORES: [&str; 12] = [
    "reward_model",
    "sql",
    "eql",
    "eql_clipped",
    "gumbel",
    "gumbel_rescaled",
    "iql",
    "cpl",
    "partial_return",
    "regret",
    "dppo",
    "siglip",
];

/// Whether the loss takes log-probabilities.
fn is_of_logps(scored: &Scored) -> bool {
    !OF_SCORES.contains(&scored.loss.name)
}

fn positive(scored: &Scored) -> Option<Finding> {
    let (rows, all) = (&scored.watched.positive, scored.shape.counts().rows);
    (rows.count > 0).then(|| {
        let named = names(scored, &rows.first, rows.count);
        Finding::of_rows(
            Code::PositiveLogps,
            rows,
            format!(
                "Log-probabilities above 0 in {} ({}): {named}",
                counted(rows.count, scored.shape.row()),
                percent(rows.count, all)
            ),
            "A probability is at most 1, so its logarithm is at most 0. These may be losses (the sign is then wrong), \
             perplexities or probabilities.",
        )
    })
}

fn same_columns(scored: &Scored) -> Option<Finding> {
    let same = scored.watched.sameness.as_ref()?;
    let rows = scored.shape.counts().rows;
    if same.iter().all(|same| *same) {
        return Some(if scored.is_one_file {
            Finding::new(
                Code::PolicyIsReference,
                rows,
                "Policy and reference are the same file",
                "Every reward and margin is then 0. --policy and --reference each need their own model's file.",
            )
        } else {
            Finding::new(
                Code::PolicyIsReference,
                rows,
                "Policy and reference are the same in every row",
                "Either nothing was trained, or the columns of one model stand in the place of the other's.",
            )
        });
    }
    let sides = scored.watched.sides.iter().zip(same);
    let (side, other) = (sides.clone().find(|(_, same)| **same)?.0, sides.clone().find(|(_, same)| !**same)?.0);
    Some(Finding::new(
        Code::SameColumns,
        rows,
        format!("The {side} log-probs of policy and reference are the same in every row"),
        format!("The {other} ones differ, so one of the two {side} columns is probably a copy of the other."),
    ))
}

fn same_files(scored: &Scored) -> Option<Finding> {
    let repeated = scored.watched.repeated();
    if repeated.is_empty() {
        return None;
    }
    let name = |file: usize| scored.files[file].display();
    let mut named: Vec<_> = (repeated.iter().take(NAMED))
        .map(|&[first, again]| {
            let [path, other] = [first, again].map(|file| &scored.files[file]);
            if path == other {
                format!("{} is given twice", name(again))
            } else {
                format!("{} has the rows of {}", name(again), name(first))
            }
        })
        .collect();
    if repeated.len() > NAMED {
        named.push("...".to_owned());
    }
    let count = repeated.iter().map(|&[_, again]| scored.file_units[again]).sum();
    let headline = format!("The same rows twice: {}", named.join(", "));
    let advice = "They count twice in every mean. Leave one of the two out, unless that is meant.";
    Some(Finding::new(Code::SameFile, count, headline, advice))
}

fn zeros(scored: &Scored) -> Vec<Finding> {
    let (all, watched) = (scored.shape.counts().rows, &scored.watched);
    // Only where there is a reference are there columns beyond the policy's.
    let of_reference = watched.sides.iter().zip(&watched.columns[watched.columns.len().min(watched.sides.len())..]);
    let all_zero: Vec<&str> =
        of_reference.clone().filter(|(_, column)| column.zeros == all).map(|(side, _)| *side).collect();
    let which = match &all_zero[..] {
        [] => None,
        _ if watched.sides.len() == 1 => Some("The reference is".to_owned()),
        [side] => Some(format!("The reference's {side} column is")),
        _ => Some("Both reference columns are".to_owned()),
    };
    let mut findings: Vec<_> = (which.iter())
        .map(|which| {
            Finding::new(
                Code::ReferenceAllZero,
                all,
                format!("{which} 0 in every row"),
                "A log-probability of 0 would mean that the reference is certain of every answer; most likely the column \
                 was never filled. Compute the reference again, or score with --reference-free.",
            )
        })
        .collect();
    let [policy, reference] = &scored.watched.zeros;
    for (code, rows, whose, remedy) in [
        (Code::ReferenceZero, reference, "reference", "Compute the reference of these rows again, or leave them out."),
        (Code::PolicyZero, policy, "policy", "Compute these rows again, or leave them out."),
    ] {
        if rows.count == 0 || code == Code::ReferenceZero && which.is_some() {
            continue;
        }
        let (share, named) = (percent(rows.count, all), names(scored, &rows.first, rows.count));
        findings.push(Finding::of_rows(
            code,
            rows,
            format!(
                "The {whose} is exactly 0 in {} of {all} ({share}): {named}",
                counted(rows.count, scored.shape.row())
            ),
            format!(
                "A log-probability of 0 means that the model is certain of every token; most likely the value was never \
                 filled, or no token counted. {remedy}"
            ),
        ));
    }
    findings
}

fn stand_ins(scored: &Scored) -> Vec<Finding> {
    let columns = &scored.watched.columns;
    let is_marked = |index: &usize| columns.iter().any(|column| column.is_marked_by(*index));
    (0..STAND_INS.len())
        .filter(is_marked)
        .map(|index| {
            let (value, rows) = (rough(STAND_INS[index].into(), 7), &scored.watched.stand_ins[index]);
            let sides = (columns.iter().enumerate()).filter(|(_, column)| column.stand_ins[index] > 0);
            let sides = sides.map(|(side, _)| name_of(scored, side)).collect::<Vec<_>>().join(", ");
            let named = names(scored, &rows.first, rows.count);
            Finding::of_rows(
                Code::StandIn,
                rows,
                format!(
                    "{value} stands for something else in {} ({sides}): {named}",
                    counted(rows.count, scored.shape.row())
                ),
                "Programs write such a number where there is no log-probability, or for minus infinity: an empty answer, a \
                 masked token that was summed, an overflow. It counts as a number in every mean here. Compute these rows \
                 again, leave them out, or write nan.",
            )
        })
        .collect()
}

fn far_below(scored: &Scored) -> Vec<Finding> {
    let columns = scored.watched.columns.iter().enumerate();
    columns
        .filter_map(|(side, column)| {
            let values = column.far_below()?;
            // Said already, in better words.
            let is_said = |value: f32| {
                stand_in(value).is_some_and(|index| column.is_marked_by(index))
            };
            let mut rows = Rows::default();
            let mut all: Vec<Row> = Vec::new();
            for (_, these) in values.iter().filter(|(value, _)| !is_said(*value)) {
                rows.count += these.count;
                all.extend(&these.first);
            }
            all.sort_by_key(|row| row.number);
            all.dedup_by_key(|row| row.number);
            all.truncate(NAMED);
            rows.first = all;
            (rows.count > 0).then(|| {
                let (lowest, named) = (rough(values[0].0.into(), 4), names(scored, &rows.first, rows.count));
                let side = name_of(scored, side);
                Finding::of_rows(
                    Code::FarBelow,
                    &rows,
                    format!("{} far below all others ({lowest}, {}): {named}", counted(rows.count, "value"), side),
                    "These may stand for minus infinity or for a log-probability that there is none of, or an answer was cut \
                     or joined to others.",
                )
            })
        })
        .collect()
}

/// From so large a median of log-probabilities on they are no means over tokens: the logarithm of a vocabulary.
const LARGEST_MEAN: f64 = 12.0;
/// So many times as large sums are at least: answers of three tokens, and what the medians are rounded by.
const FEWEST_TOKENS: f64 = 2.75;

/// Whether policy and reference are sums and means, told by the medians of their sizes. All answers must say so: a policy may well
/// unlearn one.
fn scales(scored: &Scored) -> Option<Finding> {
    scored.watched.sameness.as_ref()?;
    let sides = scored.watched.sides;
    let medians: Vec<f64> = scored.watched.columns.iter().map(|c| c.magnitudes.median()).collect::<Option<_>>()?;
    let (policy, reference) = medians.split_at(sides.len());
    let are_means_of = |means: &[f64], sums: &[f64]| {
        let is_mean_of = |mean: f64, sum: f64| mean > 0.0 && mean <= LARGEST_MEAN && sum >= FEWEST_TOKENS * mean;
        means.iter().zip(sums).all(|(mean, sum)| is_mean_of(*mean, *sum))
    };
    let (sums, means) = if are_means_of(reference, policy) {
        ("policy", "reference")
    } else if are_means_of(policy, reference) {
        ("reference", "policy")
    } else {
        return None;
    };
    let [policy, reference] = [policy, reference].map(|medians| rough(medians[0], 2));
    let answers = format!("{} answers", sides[0]);
    Some(Finding::new(
        Code::SumsAgainstMeans,
        scored.shape.counts().rows,
        format!("Sums against means: the {sums} is on another scale than the {means}"),
        format!(
            "The {sums} looks like sums over the tokens and the {means} like means (half of the {} are beyond \
             -{policy} for the policy, beyond -{reference} for the reference). Rewards, margins and losses then say \
             nothing. Make both alike: sums for DPO.",
            answers.trim_start()
        ),
    ))
}

/// Whether the log-probabilities are sums, where the loss is defined on means over the tokens: as the files say, or else as the
/// option that made them says, or else as their sizes show.
fn sums_for_means(scored: &Scored) -> Option<Finding> {
    // The list has it in the formula's words.
    if !scored.loss.formula.contains("token means") {
        return None;
    }
    let said = scored.provenance.iter().find_map(|said| said.get("reduce"));
    let are_large = || {
        let medians = scored.watched.columns.iter().map(|column| column.magnitudes.median());
        medians.flatten().all(|median| median > LARGEST_MEAN) && scored.watched.columns.iter().any(|c| c.count > 0)
    };
    let how = match (said, scored.tokens) {
        (Some("sum"), _) => "as the files say",
        (None, Some(Tokens::Sum | Tokens::Discounted(_))) => "by --tokens sum",
        (None, None) if are_large() => "by their size",
        _ => return None,
    };
    let name = scored.loss.name;
    Some(Finding::new(
        Code::SumsForMeans,
        scored.shape.counts().rows,
        format!("Sums where {name} takes means: the log-probabilities are sums over the tokens, {how}"),
        format!(
            "{name} is defined on means over the tokens of an answer; on sums its margins grow with the length, and beta and \
             the other parameters mean something else. Divide by the number of tokens: preflane logps --reduce mean makes \
             means, --tokens mean makes them of lists of tokens."
        ),
    ))
}

fn outliers(scored: &Scored) -> Vec<Finding> {
    let means = [("margin", scored.watched.margins.carried()), ("loss", scored.watched.losses.carried())];
    let means: Vec<(&str, Carried)> = means.into_iter().filter_map(|(name, mean)| Some((name, mean?))).collect();
    let numbers = |carried: &Carried| carried.rows.iter().map(|row| row.number).collect::<Vec<_>>();
    // The same rows are named once.
    let together = match &means[..] {
        [(_, margin), (_, loss)] if numbers(margin) == numbers(loss) => 2,
        _ => 1,
    };
    (means.chunks(together))
        .map(|means| {
            let rows = means[0].1.rows.clone();
            let count = rows.len() as u64;
            let mut named = names(scored, &rows, count);
            named[..1].make_ascii_uppercase();
            let (verb, they) = if count == 1 { ("carries", "It outweighs") } else { ("carry", "They outweigh") };
            let what = means.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" and ");
            let without: Vec<_> = (means.iter())
                .map(|(name, carried)| {
                    let finite = scored.shape.sums();
                    let is_margin = *name == "margin";
                    let (all, units) =
                        if is_margin { (finite.margins, finite.compared) } else { (finite.losses, finite.units) };
                    let mut others = all;
                    carried.values.iter().for_each(|value| others.add(-value));
                    let [with, without] = [all.mean(units), others.mean(units.saturating_sub(count))];
                    format!("mean {name} {} with and {} without", rough(with.into(), 4), rough(without.into(), 4))
                })
                .collect();
            let advice = format!(
                "{they} all others together: {}. See whether the log-probabilities are right: an empty or cut answer, a \
                 number that stands for something else, a weight. The median is not moved by it.",
                without.join(", ")
            );
            Finding { rows, ..Finding::new(Code::Outlier, count, format!("{named} {verb} the mean {what}"), advice) }
        })
        .collect()
}

fn saturated(scored: &Scored) -> Option<Finding> {
    let (count, all, unit) = (scored.watched.saturated?, scored.shape.counts().units, scored.shape.unit());
    is_much(count, all).then(|| {
        Finding::new(
            Code::GradientVanished,
            count,
            format!("The gradient has vanished in {} of the {unit}s", percent(count, all)),
            if scored.shape.is_flat_where_wrong() {
                "Their |dL/dz| is below 0.001: they no longer train, whatever the number of steps. This loss is flat at both \
                 ends: they are solved, or so wrong that it gives them up, or beta is too large for their margins."
            } else {
                "Their |dL/dz| is below 0.001 (1 is the slope of a pair that is entirely wrong): they no longer train, whatever \
                 the number of steps. If you train on them, they are solved, or beta is too large for their margins."
            },
        )
    })
}

fn ties(scored: &Scored) -> Option<Finding> {
    let counts = scored.shape.counts();
    let (count, unit) = (counts.ties?, scored.shape.unit());
    // Already said in better words.
    if count == 0 || scored.watched.sameness.as_ref().is_some_and(|same| same.iter().all(|same| *same)) {
        return None;
    }
    Some(Finding::new(
        Code::Ties,
        count,
        format!("{} ({}) tie: the two rewards are exactly equal", counted(count, unit), percent(count, counts.units)),
        format!("A tie counts as not accurate. Usually the two answers of such a {unit} are identical."),
    ))
}

#[cfg(test)]
mod tests {
    use preflane::losses::find;

    use super::*;

    #[test]
    fn losses_of_scores_are_in_the_list() {
        for name in OF_SCORES {
            assert!(find(name).is_some_and(|loss| loss.name == name && loss.reference_point.is_none()), "{name}");
        }
    }

    /// Programs go by the codes: each stands once in the list that explains them, and no other does.
    #[test]
    fn the_codes_are_documented() {
        let page = include_str!("../../../docs/findings.md");
        let listed: Vec<&str> =
            (page.lines()).filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(code, _)| code).collect();
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(listed, codes);
        assert!(codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }
}
