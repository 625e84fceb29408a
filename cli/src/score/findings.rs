//! What in the data deserves a look, in plain words.

use super::Scored;
use super::columns::{STAND_INS, stand_in};
use super::outliers::Carried;
use super::rows::{NAMED, Row, Rows};
use super::watched::{POLICY_CHOSEN, POLICY_REJECTED, REF_CHOSEN, REF_REJECTED};
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
    /// A few rows outweigh all others.
    Outlier = "outlier";
    /// More pairs wrong than right.
    RejectedPreferred = "rejected_preferred";
    /// Both log-probabilities fell.
    Displacement = "displacement";
    /// Pairs that hardly train any more.
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
    fn new(code: Code, count: u64, headline: impl Into<String>, advice: impl Into<String>) -> Self {
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
    let scales = scales(scored);
    let mut findings: Vec<Finding> =
        [not_finite(scored), whole_numbers(scored), positive(scored), same_columns(scored)]
            .into_iter()
            .flatten()
            .collect();
    findings.extend(same_files(scored));
    findings.extend(zeros(scored));
    findings.extend(stand_ins(scored));
    findings.extend(far_below(scored));
    // What is on another scale is not swapped, nor displaced, nor solved.
    if scales.is_some() {
        findings.extend(scales);
    } else {
        findings.extend(outliers(scored));
        findings.extend([inverted(scored), displaced(scored), saturated(scored)].into_iter().flatten());
    }
    findings.extend(ties(scored));
    findings.extend(noted(scored));
    findings
}

fn is_much(count: u64, pairs: u64) -> bool {
    count as f64 >= SHARE * pairs as f64 && count > 0
}

/// Rows by number, with the place where there are several files.
fn names(scored: &Scored, rows: &[Row], count: u64) -> String {
    let noun = if count == 1 { "row" } else { "rows" };
    let mut names: Vec<_> = rows.iter().map(|row| scored.name(row)).collect();
    if count > rows.len() as u64 {
        names.push("...".to_owned());
    }
    format!("{noun} {}", names.join(", "))
}

/// What a column holds, in words.
fn name_of(column: usize) -> &'static str {
    match column {
        POLICY_CHOSEN => "policy chosen",
        POLICY_REJECTED => "policy rejected",
        REF_CHOSEN => "reference chosen",
        _ => "reference rejected",
    }
}

fn not_finite(scored: &Scored) -> Option<Finding> {
    let (rows, all) = (&scored.watched.nonfinite, scored.metrics.pairs());
    let weighted = if scored.weighted { " A weight of 0 does not leave a row out." } else { "" };
    (rows.count > 0).then(|| {
        let named = names(scored, &rows.first, rows.count);
        Finding::of_rows(
            Code::NotFinite,
            rows,
            format!("{} of {all} not finite: {named}", counted(rows.count, "pair")),
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
            scored.metrics.pairs(),
            "All log-probabilities are whole numbers",
            "They hardly ever are. These may be the bits of 16-bit floats stored as integers (bf16 then gives numbers \
             around -16000 or 49500), token ids or counts, or values that were rounded.",
        )
    })
}

fn positive(scored: &Scored) -> Option<Finding> {
    let (rows, all) = (&scored.watched.positive, scored.metrics.pairs());
    (rows.count > 0).then(|| {
        let named = names(scored, &rows.first, rows.count);
        Finding::of_rows(
            Code::PositiveLogps,
            rows,
            format!(
                "Log-probabilities above 0 in {} ({}): {named}",
                counted(rows.count, "pair"),
                percent(rows.count, all)
            ),
            "A probability is at most 1, so its logarithm is at most 0. These may be losses (the sign is then wrong), \
             perplexities or probabilities.",
        )
    })
}

fn same_columns(scored: &Scored) -> Option<Finding> {
    let same = scored.watched.sameness?;
    let pairs = scored.metrics.pairs();
    let one = |side: &str, other: &str| {
        Finding::new(
            Code::SameColumns,
            pairs,
            format!("The {side} log-probs of policy and reference are the same in every row"),
            format!("The {other} ones differ, so one of the two {side} columns is probably a copy of the other."),
        )
    };
    match (same.chosen, same.rejected) {
        (true, true) if scored.is_one_file => Some(Finding::new(
            Code::PolicyIsReference,
            pairs,
            "Policy and reference are the same file",
            "Every reward and margin is then 0. --policy and --reference each need their own model's file.",
        )),
        (true, true) => Some(Finding::new(
            Code::PolicyIsReference,
            pairs,
            "Policy and reference are the same in every row",
            "Either nothing was trained, or the columns of one model stand in the place of the other's.",
        )),
        (true, false) => Some(one("chosen", "rejected")),
        (false, true) => Some(one("rejected", "chosen")),
        (false, false) => None,
    }
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
    let count = repeated.iter().map(|&[_, again]| scored.file_pairs[again]).sum();
    let headline = format!("The same rows twice: {}", named.join(", "));
    let advice = "They count twice in every mean. Leave one of the two out, unless that is meant.";
    Some(Finding::new(Code::SameFile, count, headline, advice))
}

fn zeros(scored: &Scored) -> Vec<Finding> {
    let pairs = scored.metrics.pairs();
    let all_zero = |column: usize| scored.watched.columns.get(column).is_some_and(|column| column.zeros == pairs);
    let which = match (all_zero(REF_CHOSEN), all_zero(REF_REJECTED)) {
        (true, true) => Some("Both reference columns are"),
        (true, false) => Some("The reference's chosen column is"),
        (false, true) => Some("The reference's rejected column is"),
        (false, false) => None,
    };
    let mut findings: Vec<_> = (which.into_iter())
        .map(|which| {
            Finding::new(
                Code::ReferenceAllZero,
                pairs,
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
        let (share, named) = (percent(rows.count, pairs), names(scored, &rows.first, rows.count));
        findings.push(Finding::of_rows(
            code,
            rows,
            format!("The {whose} is exactly 0 in {} of {pairs} ({share}): {named}", counted(rows.count, "pair")),
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
            let sides = sides.map(|(side, _)| name_of(side)).collect::<Vec<_>>().join(", ");
            let named = names(scored, &rows.first, rows.count);
            Finding::of_rows(
                Code::StandIn,
                rows,
                format!("{value} stands for something else in {} ({sides}): {named}", counted(rows.count, "pair")),
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
            all.truncate(NAMED);
            rows.first = all;
            (rows.count > 0).then(|| {
                let (lowest, named) = (rough(values[0].0.into(), 4), names(scored, &rows.first, rows.count));
                Finding::of_rows(
                    Code::FarBelow,
                    &rows,
                    format!("{} far below all others ({lowest}, {}): {named}", counted(rows.count, "value"), name_of(side)),
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

/// Whether policy and reference are sums and means, told by the medians of their sizes. Both answers must say so: a policy may well
/// unlearn one.
fn scales(scored: &Scored) -> Option<Finding> {
    scored.watched.sameness?;
    let medians: Vec<f64> = scored.watched.columns.iter().map(|c| c.magnitudes.median()).collect::<Option<_>>()?;
    let are_means_of = |means: [usize; 2], sums: [usize; 2]| {
        means.into_iter().zip(sums).all(|(mean, sum)| {
            let (mean, sum) = (medians[mean], medians[sum]);
            mean > 0.0 && mean <= LARGEST_MEAN && sum >= FEWEST_TOKENS * mean
        })
    };
    let (policy, reference) = ([POLICY_CHOSEN, POLICY_REJECTED], [REF_CHOSEN, REF_REJECTED]);
    let (sums, means) = if are_means_of(reference, policy) {
        ("policy", "reference")
    } else if are_means_of(policy, reference) {
        ("reference", "policy")
    } else {
        return None;
    };
    let [policy, reference] = [POLICY_CHOSEN, REF_CHOSEN].map(|column| rough(medians[column], 2));
    Some(Finding::new(
        Code::SumsAgainstMeans,
        scored.metrics.pairs(),
        format!("Sums against means: the {sums} is on another scale than the {means}"),
        format!(
            "The {sums} looks like sums over the tokens and the {means} like means (half of the chosen answers are beyond \
             -{policy} for the policy, beyond -{reference} for the reference). Rewards, margins and losses then say \
             nothing. Make both alike: sums for DPO."
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
                    let all = if *name == "margin" { scored.finite.margins() } else { scored.finite.loss() };
                    let (pairs, mut others) = (scored.finite.pairs(), *all);
                    carried.values.iter().for_each(|value| others.add(-value));
                    let [with, without] = [all.mean(pairs), others.mean(pairs.saturating_sub(count))];
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

fn inverted(scored: &Scored) -> Option<Finding> {
    let metrics = &scored.metrics;
    let counted = metrics.pairs() - metrics.nonfinite().min(metrics.pairs());
    let wrong = counted.saturating_sub(metrics.accurate() + metrics.ties());
    (wrong > metrics.accurate()).then(|| {
        Finding::new(
            Code::RejectedPreferred,
            wrong,
            format!("The rejected answer has the higher reward in {} of the pairs", percent(wrong, metrics.pairs())),
            "The policy prefers what it was to avoid, more often than not. If that is a surprise, see whether chosen and \
             rejected, or policy and reference, are swapped.",
        )
    })
}

fn displaced(scored: &Scored) -> Option<Finding> {
    scored.watched.sameness?;
    let (metrics, all) = (&scored.metrics, scored.metrics.pairs());
    is_much(metrics.both_fell(), all).then(|| {
        Finding::new(
            Code::Displacement,
            metrics.both_fell(),
            format!("Both log-probs fell below the reference in {} of the pairs", percent(metrics.both_fell(), all)),
            format!(
                "Likelihood displacement: the margin may grow, yet the chosen answer became less likely too, and what both \
                 lost went to answers outside the pair. The chosen one fell in {} of all pairs. Worth trying: fewer steps \
                 or a lower learning rate, a larger beta, a likelihood term on the chosen answer (RPO, DPOP), leaving out \
                 pairs whose answers are nearly alike.",
                percent(metrics.chosen_fell(), all)
            ),
        )
    })
}

fn saturated(scored: &Scored) -> Option<Finding> {
    let (count, all) = (scored.watched.saturated?, scored.metrics.pairs());
    is_much(count, all).then(|| {
        Finding::new(
            Code::GradientVanished,
            count,
            format!("The gradient has vanished in {} of the pairs", percent(count, all)),
            "Their |dL/dz| is below 0.001 (1 is the slope of a pair that is entirely wrong): they no longer train, whatever \
             the number of steps. If you train on them, they are solved, or beta is too large for their margins.",
        )
    })
}

fn ties(scored: &Scored) -> Option<Finding> {
    let (count, all) = (scored.metrics.ties(), scored.metrics.pairs());
    // Already said in better words.
    if count == 0 || scored.watched.sameness.is_some_and(|same| same.chosen && same.rejected) {
        return None;
    }
    Some(Finding::new(
        Code::Ties,
        count,
        format!("{} ({}) tie: the two rewards are exactly equal", counted(count, "pair"), percent(count, all)),
        "A tie counts as not accurate. Usually the two answers of such a pair are identical.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
