//! Losses of lists of answers.

use preflane::listed::{ListMetrics, ListOutputs, ListScratch, Lists};
use preflane::losses::Description;
use preflane::{ExactSum, ListedLoss, Run};

use super::findings::{Code, Finding};
use super::shape::{Counts, Fault, Figure, Mean, NAN, Shape, Share, Summary, Sums, Units, scale_of_rewards};
use crate::failure::Failure;
use crate::input::Chunk;
use crate::layout::{counted, percent, short};
use crate::output::{Field, Kind, Values};

/// The columns of `--out`, in this order.
const FIELDS: [Field; 4] = [
    Field::new("list", Kind::I64),
    Field::new("loss", Kind::F32),
    Field::new("rewards", Kind::F32),
    Field::new("grad_logps", Kind::F32),
];

/// Lists on their way.
pub struct ListRows {
    loss: ListedLoss,
    columns: ListColumns,
    /// In the order of the rows.
    results: Results,
    /// The number of each answer's list, and its loss.
    numbers: Vec<i64>,
    answer_losses: Vec<f32>,
    margins: Vec<f32>,
    gradients: Vec<f32>,
    weights: Vec<f32>,
    nonfinite: Vec<usize>,
    scratch: Vec<ListScratch>,
    metrics: ListMetrics,
    /// Over the lists whose numbers are all finite.
    finite: ListMetrics,
    /// Those of them that have a margin.
    compared: u64,
    finite_margins: ExactSum,
    /// Lists of one answer.
    single: u64,
}

/// Which columns there are after the policy's, in this order.
pub struct ListColumns {
    /// The reference's log-probability.
    pub reference: bool,
    /// What the loss takes of each answer beside log-probabilities, by the name of its column.
    pub column: Option<String>,
    /// The rank, likewise.
    pub rank: Option<String>,
    /// The weight, likewise.
    pub weight: Option<String>,
}

/// The results of some lists.
#[derive(Default)]
struct Results {
    losses: Vec<f32>,
    rewards: Vec<f32>,
    gradients: Vec<f32>,
}

/// Some lists, from best to worst.
#[derive(Default)]
struct Ordered {
    policy: Vec<f32>,
    reference: Vec<f32>,
    column: Vec<f32>,
    weights: Vec<f32>,
    offsets: Vec<usize>,
}

impl ListRows {
    /// None yet.
    pub fn new(loss: &Description, parameters: &[f64], columns: ListColumns) -> Result<Self, Failure> {
        Ok(Self {
            loss: ListedLoss::new(loss, parameters).map_err(Failure::new)?,
            columns,
            results: Results::default(),
            numbers: Vec::new(),
            answer_losses: Vec::new(),
            margins: Vec::new(),
            gradients: Vec::new(),
            weights: Vec::new(),
            nonfinite: Vec::new(),
            scratch: Vec::new(),
            metrics: ListMetrics::new(),
            finite: ListMetrics::new(),
            compared: 0,
            finite_margins: ExactSum::new(),
            single: 0,
        })
    }

    /// A column after the policy's, by how many of the others stand before it.
    fn column(chunk: &Chunk, before: [bool; 3]) -> &[f32] {
        &chunk.columns[1 + before.into_iter().filter(|is_there| *is_there).count()]
    }

    /// What the loss takes beside log-probabilities: each number in its range.
    fn beside<'c>(&self, chunk: &'c Chunk) -> Result<Option<&'c [f32]>, Fault> {
        let (Some(name), Some(taken)) = (&self.columns.column, self.loss.description().column) else { return Ok(None) };
        let values = Self::column(chunk, [self.columns.reference, false, false]);
        match values.iter().position(|value| taken.check((*value).into()).is_err()) {
            Some(row) => {
                let message = format!("{}; it must be {}", short(values[row]), taken.requirement);
                Err(Fault::Row(row, name.clone(), message))
            }
            None => Ok(Some(values)),
        }
    }

    fn ranks<'c>(&self, chunk: &'c Chunk) -> Option<(&'c [f32], &str)> {
        let name = self.columns.rank.as_deref()?;
        Some((Self::column(chunk, [self.columns.reference, self.columns.column.is_some(), false]), name))
    }

    /// The weight of each list, which all of its answers have.
    fn weigh(&mut self, chunk: &Chunk) -> Result<(), Fault> {
        self.weights.clear();
        let Some(name) = &self.columns.weight else { return Ok(()) };
        let before = [self.columns.reference, self.columns.column.is_some(), self.columns.rank.is_some()];
        let weights = Self::column(chunk, before);
        for ends in chunk.offsets.windows(2) {
            let first = weights[ends[0]];
            if let Some(row) = (ends[0]..ends[1]).find(|&row| weights[row] != first && !first.is_nan()) {
                let message =
                    format!("{}, but {} before in its list; a list has one weight", short(weights[row]), short(first));
                return Err(Fault::Row(row, name.clone(), message));
            }
            self.weights.push(first);
        }
        Ok(())
    }

    /// The rows of every list, from best to worst.
    fn order(&self, chunk: &Chunk) -> Result<Vec<usize>, Fault> {
        let mut rows: Vec<usize> = (0..chunk.rows()).collect();
        let Some((ranks, name)) = self.ranks(chunk) else { return Ok(rows) };
        if let Some(row) = ranks.iter().position(|rank| !rank.is_finite()) {
            let message = format!("{}; a rank is a finite number, 1 for the best answer", short(ranks[row]));
            return Err(Fault::Row(row, name.to_owned(), message));
        }
        for ends in chunk.offsets.windows(2) {
            let list = &mut rows[ends[0]..ends[1]];
            list.sort_by(|&a, &b| ranks[a].total_cmp(&ranks[b]));
            if let Some(pair) = list.windows(2).find(|pair| ranks[pair[0]] == ranks[pair[1]]) {
                let message = format!(
                    "rank {} stands twice in its list; answers of equal rank are not compared",
                    short(ranks[pair[1]])
                );
                return Err(Fault::Row(pair[1], name.to_owned(), message));
            }
        }
        Ok(rows)
    }

    fn ordered(&self, chunk: &Chunk, rows: &[usize], beside: Option<&[f32]>) -> Ordered {
        let pick = |column: &[f32]| rows.iter().map(|&row| column[row]).collect();
        Ordered {
            column: beside.map_or(Vec::new(), pick),
            policy: pick(&chunk.columns[0]),
            reference: if self.columns.reference { pick(&chunk.columns[1]) } else { Vec::new() },
            weights: self.weights.clone(),
            offsets: chunk.offsets.clone(),
        }
    }

    fn lists<'o>(&self, ordered: &'o Ordered) -> Lists<'o> {
        Lists {
            policy_logps: &ordered.policy,
            ref_logps: self.columns.reference.then_some(&*ordered.reference),
            offsets: &ordered.offsets,
            weights: self.columns.weight.as_ref().map(|_| &*ordered.weights),
            column: self.columns.column.as_ref().map(|_| &*ordered.column),
        }
    }
}

impl Ordered {
    /// Without the lists that are given in order.
    fn without(&self, left_out: &[usize]) -> Self {
        let (mut kept, mut left_out) = (Self { offsets: vec![0], ..Self::default() }, left_out.iter().peekable());
        for (list, ends) in self.offsets.windows(2).enumerate() {
            if left_out.next_if_eq(&&list).is_none() {
                let rows = ends[0]..ends[1];
                kept.policy.extend(&self.policy[rows.clone()]);
                kept.reference.extend(self.reference.get(rows.clone()).unwrap_or_default());
                kept.column.extend(self.column.get(rows).unwrap_or_default());
                kept.weights.extend(self.weights.get(list));
                kept.offsets.push(kept.policy.len());
            }
        }
        kept
    }
}

impl Shape for ListRows {
    fn unit(&self) -> &'static str {
        "list"
    }

    fn row(&self) -> &'static str {
        "answer"
    }

    fn sides(&self) -> &'static [&'static str] {
        &[""]
    }

    fn margin(&self) -> &'static str {
        "reward of the best answer less the highest of the others"
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn evaluate(&mut self, run: &Run, chunk: &Chunk) -> Result<(), Fault> {
        let (answers, lists) = (chunk.rows(), chunk.offsets.len().saturating_sub(1));
        self.weigh(chunk)?;
        let rows = self.order(chunk)?;
        let ordered = self.ordered(chunk, &rows, self.beside(chunk)?);
        let mut results =
            Results { losses: vec![0.0; lists], rewards: vec![0.0; answers], gradients: vec![0.0; answers] };
        let input = self.lists(&ordered);
        self.scratch.resize(input.longest().max(self.scratch.len()), ListScratch::default());
        let outputs = ListOutputs {
            losses: Some(&mut results.losses),
            rewards: Some(&mut results.rewards),
            grad_logps: Some(&mut results.gradients),
            ..ListOutputs::default()
        };
        let (mut metrics, before) = (ListMetrics::new(), self.metrics.lists());
        let mut scratch = std::mem::take(&mut self.scratch);
        run.evaluate_listed(&self.loss, input, outputs, Some(&mut metrics), &mut scratch)?;
        self.metrics.merge(&metrics);

        for buffer in [&mut self.margins, &mut self.gradients, &mut self.answer_losses] {
            buffer.clear();
        }
        self.numbers.clear();
        self.nonfinite.clear();
        for (list, ends) in chunk.offsets.windows(2).enumerate() {
            let (rows, loss) = (ends[0]..ends[1], results.losses[list]);
            let (rewards, gradients) = (&results.rewards[rows.clone()], &results.gradients[rows.clone()]);
            // Of one answer there is no margin.
            let others = rewards.iter().skip(1).copied();
            let highest = others.reduce(|a, b| if a.is_nan() || b.is_nan() { NAN } else { a.max(b) });
            self.margins.push(highest.map_or(NAN, |highest| rewards[0] - highest));
            self.gradients.push(gradients.iter().fold(0.0, |a: f32, b| if b.is_nan() { NAN } else { a.max(b.abs()) }));
            self.single += u64::from(rows.len() == 1);
            self.numbers.extend(rows.clone().map(|_| (before as usize + list + 1) as i64));
            self.answer_losses.extend(rows.clone().map(|_| loss));
            let looked_at = [&ordered.policy, &results.rewards, &ordered.reference];
            let is_bad = |values: &[f32]| values.iter().any(|value| !value.is_finite());
            if !loss.is_finite() || looked_at.iter().any(|x| is_bad(x.get(rows.clone()).unwrap_or_default())) {
                self.nonfinite.push(list);
            } else if ends[1] - ends[0] > 1 {
                self.compared += 1;
                self.finite_margins.add(self.margins[list]);
            }
        }
        if self.nonfinite.is_empty() {
            self.finite.merge(&metrics);
        } else {
            let finite = ordered.without(&self.nonfinite);
            let outputs = ListOutputs::default();
            run.evaluate_listed(&self.loss, self.lists(&finite), outputs, Some(&mut self.finite), &mut scratch)?;
        }
        self.scratch = scratch;

        // Back in the order of the rows.
        let in_place = |from: &[f32], to: &mut Vec<f32>| {
            to.resize(answers, 0.0);
            rows.iter().zip(from).for_each(|(&row, &value)| to[row] = value);
        };
        in_place(&results.rewards, &mut self.results.rewards);
        in_place(&results.gradients, &mut self.results.gradients);
        self.results.losses = results.losses;
        Ok(())
    }

    fn units<'s>(&'s self, chunk: &'s Chunk) -> Units<'s> {
        Units {
            losses: &self.results.losses,
            margins: &self.margins,
            gradients: &self.gradients,
            weights: self.columns.weight.as_ref().map(|_| &*self.weights),
            offsets: &chunk.offsets,
            nonfinite: &self.nonfinite,
        }
    }

    fn out(&self) -> Vec<Values<'_>> {
        let Results { rewards, gradients, .. } = &self.results;
        vec![Values::I64(&self.numbers), Values::F32(&self.answer_losses), Values::F32(rewards), Values::F32(gradients)]
    }

    fn counts(&self) -> Counts {
        let metrics = &self.metrics;
        Counts { units: metrics.lists(), rows: metrics.answers(), nonfinite: metrics.nonfinite(), ties: None }
    }

    fn sums(&self) -> Sums {
        let (units, losses) = (self.finite.lists(), *self.finite.loss());
        Sums { units, losses, compared: self.compared, margins: self.finite_margins }
    }

    fn summary(&self) -> Summary {
        let (all, finite) = (self.metrics.report(), self.finite.report());
        let mean = |name, all, finite, note: &str| Mean { name, all, finite, note: note.to_owned() };
        let accurate = format!("{} of {}", self.metrics.accurate(), all.lists);
        let uncompared = Share {
            name: "uncompared",
            key: "uncompared_share",
            count: Some((all.skipped, all.lists)),
            note: "lists with nothing to compare",
        };
        Summary {
            title: format!("{} of {}", counted(all.lists, "list"), counted(all.answers, "answer")),
            settings: Vec::new(),
            figures: vec![("answers", Figure::Count(all.answers)), ("uncompared", Figure::Count(all.skipped))],
            means: vec![
                mean("loss", all.loss, finite.loss, ""),
                mean("rewards/chosen", all.rewards_chosen, finite.rewards_chosen, "of the best answers"),
                mean("rewards/rejected", all.rewards_rejected, finite.rewards_rejected, "of all others"),
                mean("rewards/accuracies", all.rewards_accuracies, finite.rewards_accuracies, &accurate),
                mean("logps/chosen", all.logps_chosen, finite.logps_chosen, ""),
                mean("logps/rejected", all.logps_rejected, finite.logps_rejected, ""),
            ],
            shares: if all.skipped > 0 { vec![uncompared] } else { Vec::new() },
            finite: self.finite.lists(),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let (lists, finite) = (self.metrics.lists(), self.finite.report());
        // Some losses need no more.
        let single = (self.single > 0 && self.metrics.skipped() > 0).then(|| {
            let share = percent(self.single, lists);
            Finding::new(
                Code::SingleAnswers,
                self.single,
                format!("{} ({share}) of one answer", counted(self.single, "list")),
                "There is nothing to compare it with: its loss and gradients are 0, and it counts as not accurate. See \
                 whether the answers of one prompt stand together.",
            )
        });
        let inverted = (finite.rewards_chosen < finite.rewards_rejected).then(|| {
            Finding::new(
                Code::RejectedPreferred,
                lists,
                "The best answers have a lower mean reward than the others",
                "The policy prefers what it was to avoid. If that is a surprise, see whether answers stand from worst to \
                 best, or ranks count from the worst, or policy and reference are swapped.",
            )
        });
        [single, inverted].into_iter().flatten().collect()
    }

    fn slope(&self, log_ratio: f32) -> f32 {
        let mut gradients = [0.0; 2];
        let lists =
            Lists { policy_logps: &[log_ratio, 0.0], ref_logps: None, offsets: &[0, 2], weights: None, column: None };
        let outputs = ListOutputs { grad_logps: Some(&mut gradients), ..ListOutputs::default() };
        match Run::default().evaluate_listed(&self.loss, lists, outputs, None, &mut [ListScratch::default(); 2]) {
            Ok(()) => gradients[0],
            Err(_) => NAN,
        }
    }

    fn beta(&self) -> f64 {
        scale_of_rewards(self.loss.description(), &self.loss.parameters())
    }
}
