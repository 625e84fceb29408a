//! Losses of pairs.

use preflane::losses::Description;
use preflane::{Metrics, Outputs, PairLoss, Pairs, Run, evaluate_pair};

use super::findings::{Code, Finding, is_much};
use super::shape::{Counts, Fault, Mean, Shape, Share, Summary, Sums, Units, resize, scale_of_rewards, without};
use crate::input::Chunk;
use crate::layout::{counted, percent};
use crate::output::{Field, Kind, Values};

/// The columns of `--out`, in this order.
const FIELDS: [Field; 6] = [
    Field::new("loss", Kind::F32),
    Field::new("chosen_rewards", Kind::F32),
    Field::new("rejected_rewards", Kind::F32),
    Field::new("margins", Kind::F32),
    Field::new("grad_chosen_logps", Kind::F32),
    Field::new("grad_rejected_logps", Kind::F32),
];

/// Pairs on their way.
pub struct PairRows<L> {
    loss: L,
    takes_column: bool,
    beta: f64,
    is_referenced: bool,
    is_weighted: bool,
    results: [Vec<f32>; FIELDS.len()],
    nonfinite: Vec<usize>,
    metrics: Metrics,
    /// Over the pairs whose numbers are all finite.
    finite: Metrics,
}

impl<L: PairLoss> PairRows<L> {
    /// None yet.
    pub fn new(loss: L, described: &Description, parameters: &[f64], is_referenced: bool, is_weighted: bool) -> Self {
        Self {
            loss,
            takes_column: described.column.is_some(),
            beta: scale_of_rewards(described, parameters),
            is_referenced,
            is_weighted,
            results: Default::default(),
            nonfinite: Vec::new(),
            metrics: Metrics::new(),
            finite: Metrics::new(),
        }
    }

    fn logps(&self) -> usize {
        if self.is_referenced { 4 } else { 2 }
    }

    /// The wanted columns as the library takes them.
    fn pairs<'c>(&self, columns: &'c [Vec<f32>]) -> Pairs<'c> {
        let mut columns = columns.iter().map(Vec::as_slice);
        let mut next = || columns.next().expect("the reader yields every wanted column");
        let (chosen, rejected) = (next(), next());
        let pairs = match self.is_referenced {
            true => Pairs::new(chosen, rejected, next(), next()),
            false => Pairs::reference_free(chosen, rejected),
        };
        let pairs = if self.takes_column { pairs.with_column(next()) } else { pairs };
        if self.is_weighted { pairs.with_weights(next()) } else { pairs }
    }
}

impl<L: PairLoss> Shape for PairRows<L> {
    fn unit(&self) -> &'static str {
        "pair"
    }

    fn sides(&self) -> &'static [&'static str] {
        &["chosen", "rejected"]
    }

    fn margin(&self) -> &'static str {
        "reward of the chosen answer less that of the rejected one"
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn evaluate(&mut self, run: &Run, chunk: &Chunk) -> Result<(), Fault> {
        let rows = chunk.rows();
        resize(&mut self.results, rows);
        self.nonfinite.clear();
        let mut metrics = Metrics::new();
        let pairs = self.pairs(&chunk.columns);
        let [loss, chosen, rejected, margins, grad_chosen, grad_rejected] =
            self.results.each_mut().map(|column| Some(column.as_mut_slice()));
        let outputs = Outputs {
            losses: loss,
            chosen_rewards: chosen,
            rejected_rewards: rejected,
            margins,
            grad_chosen_logps: grad_chosen,
            grad_rejected_logps: grad_rejected,
            ..Outputs::default()
        };
        run.evaluate(&self.loss, pairs, outputs, Some(&mut metrics))?;
        self.metrics.merge(&metrics);
        if metrics.nonfinite() == 0 {
            self.finite.merge(&metrics);
            return Ok(());
        }
        // As the library counts them: a log-probability, the loss, a reward or the margin.
        let looked_at = || chunk.columns[..self.logps()].iter().chain(&self.results[..4]);
        self.nonfinite = (0..rows).filter(|&row| looked_at().any(|column| !column[row].is_finite())).collect();
        let finite = without(&chunk.columns, &self.nonfinite);
        run.evaluate(&self.loss, self.pairs(&finite), Outputs::default(), Some(&mut self.finite))?;
        Ok(())
    }

    fn units<'s>(&'s self, chunk: &'s Chunk) -> Units<'s> {
        let [losses, _, _, margins, gradients, _] = &self.results;
        let weights = self.pairs(&chunk.columns).weights;
        Units { losses, margins, gradients, weights, offsets: &[], nonfinite: &self.nonfinite }
    }

    fn out(&self) -> Vec<Values<'_>> {
        self.results.iter().map(|column| Values::F32(column)).collect()
    }

    fn counts(&self) -> Counts {
        let (metrics, units) = (&self.metrics, self.metrics.pairs());
        Counts { units, rows: units, nonfinite: metrics.nonfinite(), ties: Some(metrics.ties()) }
    }

    fn sums(&self) -> Sums {
        let (finite, units) = (&self.finite, self.finite.pairs());
        Sums { units, losses: *finite.loss(), compared: units, margins: *finite.margins() }
    }

    fn summary(&self) -> Summary {
        let (metrics, pairs) = (&self.metrics, self.metrics.pairs());
        let (all, finite) = (metrics.report(), self.finite.report());
        let mean = |name, all, finite, note| Mean { name, all, finite, note };
        let fell = |name, key, count, note| match self.is_referenced {
            true => Share { name, key, count: Some((count, pairs)), note },
            false => Share { name, key, count: None, note: "needs a reference" },
        };
        let below = "policy below reference";
        Summary {
            title: counted(pairs, "pair"),
            settings: Vec::new(),
            figures: Vec::new(),
            means: vec![
                mean("loss", all.loss, finite.loss, String::new()),
                mean("rewards/chosen", all.rewards_chosen, finite.rewards_chosen, String::new()),
                mean("rewards/rejected", all.rewards_rejected, finite.rewards_rejected, String::new()),
                mean(
                    "rewards/accuracies",
                    all.rewards_accuracies,
                    finite.rewards_accuracies,
                    format!("{} of {pairs}", metrics.accurate()),
                ),
                mean("rewards/margins", all.rewards_margins, finite.rewards_margins, String::new()),
                mean("logps/chosen", all.logps_chosen, finite.logps_chosen, String::new()),
                mean("logps/rejected", all.logps_rejected, finite.logps_rejected, String::new()),
            ],
            shares: vec![
                fell("chosen fell", "displacement/chosen_fell", metrics.chosen_fell(), below),
                fell("rejected fell", "displacement/rejected_fell", metrics.rejected_fell(), below),
                fell("both fell", "displacement/both_fell", metrics.both_fell(), "likelihood displacement"),
            ],
            finite: self.finite.pairs(),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        [self.inverted(), self.displaced()].into_iter().flatten().collect()
    }

    fn slope(&self, log_ratio: f32) -> f32 {
        evaluate_pair(&self.loss, log_ratio, 0.0, None).grad_chosen_logps
    }

    fn beta(&self) -> f64 {
        self.beta
    }
}

impl<L: PairLoss> PairRows<L> {
    fn inverted(&self) -> Option<Finding> {
        let metrics = &self.metrics;
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

    fn displaced(&self) -> Option<Finding> {
        let (metrics, all) = (&self.metrics, self.metrics.pairs());
        (self.is_referenced && is_much(metrics.both_fell(), all)).then(|| {
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
}
