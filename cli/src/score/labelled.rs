//! Losses of labelled answers.

use preflane::labelled::{Labelled, LabelledMetrics, LabelledOutputs, evaluate_answer};
use preflane::losses::{Description, ReferencePoint};
use preflane::{ExactSum, LabelledLoss, MeanLogRatio, Run};

use super::findings::{Code, Finding};
use super::shape::{
    Counts, Fault, Figure, Mean, Readers, Shape, Share, Summary, Sums, Units, parameter, resize, scale_of_rewards,
    without,
};
use super::source::Source;
use crate::failure::Failure;
use crate::input::{self, Chunk, Recording, Wanted};
use crate::layout::{counted, rough, short};
use crate::output::{Field, Kind, Values};

/// The columns of `--out`, in this order.
const FIELDS: [Field; 3] =
    [Field::new("loss", Kind::F32), Field::new("rewards", Kind::F32), Field::new("grad_logps", Kind::F32)];

/// Labelled answers on their way.
pub struct LabelledRows {
    loss: LabelledLoss,
    is_referenced: bool,
    is_weighted: bool,
    point: Point,
    results: [Vec<f32>; FIELDS.len()],
    desirable: Vec<bool>,
    margins: Vec<f32>,
    nonfinite: Vec<usize>,
    metrics: LabelledMetrics,
    /// Over the answers whose numbers are all finite.
    finite: LabelledMetrics,
    finite_margins: ExactSum,
    /// Desirable answers, and others, that the policy finds less likely than the reference does.
    fell: [u64; 2],
}

/// The reference point.
pub enum Point {
    /// The user's.
    Given(f32),
    /// What the loss makes of a mean log-ratio; known when all rows have been read.
    Mean {
        /// The columns of the whole file.
        wanted: Vec<Wanted>,
        /// Which mean.
        kind: ReferencePoint,
        /// Over the rows so far.
        mean: MeanLogRatio,
    },
}

impl LabelledRows {
    /// None yet.
    pub fn new(
        loss: &Description,
        parameters: &[f64],
        is_referenced: bool,
        is_weighted: bool,
        point: Point,
    ) -> Result<Self, Failure> {
        if let Point::Given(point) = point
            && !point.is_finite()
        {
            return Err(Failure::new(format!("--reference-point is {}; it must be finite", short(point))));
        }
        if let Point::Given(point) = point
            && point != 0.0
            && loss.reference_point.is_none()
        {
            let message = "compares with no reference point; leave --reference-point out";
            return Err(Failure::new(format!("--loss {}: it {message}", loss.name)));
        }
        Ok(Self {
            loss: LabelledLoss::new(loss, parameters).map_err(Failure::new)?,
            is_referenced,
            is_weighted,
            point,
            results: Default::default(),
            desirable: Vec::new(),
            margins: Vec::new(),
            nonfinite: Vec::new(),
            metrics: LabelledMetrics::new(),
            finite: LabelledMetrics::new(),
            finite_margins: ExactSum::new(),
            fell: [0; 2],
        })
    }

    fn point(&self) -> f32 {
        match self.point {
            Point::Given(point) => point,
            Point::Mean { kind, mean, .. } => mean.reference_point(kind),
        }
    }

    /// A parameter of the loss, if it has one of that name.
    fn parameter(&self, name: &str) -> Option<f64> {
        parameter(self.loss.description(), &self.loss.parameters(), name)
    }

    /// The columns of log-probabilities; that of the labels follows.
    fn logps(&self) -> usize {
        1 + usize::from(self.is_referenced)
    }

    fn answers<'c>(&self, columns: &'c [Vec<f32>], desirable: &'c [bool]) -> Labelled<'c> {
        let weights = columns.last().filter(|_| self.is_weighted).map(Vec::as_slice);
        let beside = columns.len() - 1 - usize::from(self.is_weighted);
        let column = self.loss.description().column.map(|_| columns[beside].as_slice());
        let ref_logps = self.is_referenced.then(|| columns[1].as_slice());
        Labelled { policy_logps: &columns[0], ref_logps, desirable, reference_point: self.point(), weights, column }
    }
}

impl Shape for LabelledRows {
    fn unit(&self) -> &'static str {
        "answer"
    }

    fn sides(&self) -> &'static [&'static str] {
        &[""]
    }

    fn margin(&self) -> &'static str {
        "reward less that of the reference point, with the sign of the label"
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn prepare(&mut self, sources: &[Source<'_>]) -> Result<Readers, Failure> {
        let label = self.logps();
        let mut readers = Readers::new();
        let Point::Mean { wanted, kind, mean } = &mut self.point else { return Ok(readers) };
        let [policy, reference] = match kind {
            ReferencePoint::Mismatched => [label + 1, label + 2],
            ReferencePoint::All => [0, 1],
        };
        for source in sources {
            let once = !source.can_be_reopened();
            let mut recording = once.then(|| Recording::new(source.path())).transpose()?;
            let mut reader = source.open()?;
            let end = input::each(&mut *reader, |chunk, _| {
                if let Some(recording) = &mut recording {
                    recording.add(chunk)?;
                }
                // Rows of no answer that is scored have no other use: one that is spoilt is a mistake.
                let of_no_answer = [policy, reference].into_iter().filter(|_| *kind == ReferencePoint::Mismatched);
                for column in of_no_answer {
                    if let Some((row, &value)) =
                        chunk.columns[column].iter().enumerate().find(|(_, value)| !value.is_finite())
                    {
                        let message = format!(
                            "{}; a finite number is needed, as the reference point is a mean of this column \
                             (--reference-point X does without)",
                            short(value)
                        );
                        let (place, name) = (chunk.place(row), &wanted[column].name);
                        return Err(Failure::of_value(source.path(), place, name, message));
                    }
                }
                mean.add(&chunk.columns[policy], &chunk.columns[reference]).map_err(Failure::new)
            })?;
            readers.push(recording.map(|recording| recording.replay(reader, &end)).transpose()?);
        }
        // Without a row there is no mean; that there is none, the first file tells.
        if !mean.reference_point(*kind).is_finite() {
            return Err(Failure::new(
                "the mean that makes the reference point is beyond 32 bits; --reference-point X gives it",
            ));
        }
        Ok(readers)
    }

    fn evaluate(&mut self, run: &Run, chunk: &Chunk) -> Result<(), Fault> {
        let rows = chunk.rows();
        resize(&mut self.results, rows);
        self.nonfinite.clear();
        self.desirable.clear();
        let logps = self.logps();
        self.desirable.extend(chunk.columns[logps].iter().map(|&label| label > 0.5));
        let mut metrics = LabelledMetrics::new();
        let answers = self.answers(&chunk.columns, &self.desirable);
        let [losses, rewards, grad_logps] = self.results.each_mut().map(|column| Some(column.as_mut_slice()));
        let outputs = LabelledOutputs { losses, rewards, grad_logps, ..LabelledOutputs::default() };
        run.evaluate_labelled(&self.loss, answers, outputs, Some(&mut metrics))?;
        self.metrics.merge(&metrics);

        let neutral = self.beta() * f64::from(self.point()) - self.parameter("bias").unwrap_or(0.0);
        let [losses, rewards, _] = &self.results;
        self.margins.clear();
        self.margins.extend(rewards.iter().zip(&self.desirable).map(|(&reward, &desirable)| {
            let above = (f64::from(reward) - neutral) as f32;
            if desirable { above } else { 0.0 - above }
        }));
        if let [policy, reference, ..] = &chunk.columns[..logps] {
            for ((policy, reference), &desirable) in policy.iter().zip(reference).zip(&self.desirable) {
                self.fell[usize::from(!desirable)] += u64::from(policy < reference);
            }
        }
        if metrics.nonfinite() == 0 {
            self.finite.merge(&metrics);
            self.margins.iter().for_each(|&margin| self.finite_margins.add(margin));
            return Ok(());
        }
        let looked_at = || chunk.columns[..logps].iter().chain([losses, rewards]);
        for row in 0..rows {
            if looked_at().all(|column| column[row].is_finite()) {
                self.finite_margins.add(self.margins[row]);
            } else {
                self.nonfinite.push(row);
            }
        }
        let finite = without(&chunk.columns, &self.nonfinite);
        let desirable: Vec<bool> = finite[logps].iter().map(|&label| label > 0.5).collect();
        let answers = self.answers(&finite, &desirable);
        run.evaluate_labelled(&self.loss, answers, LabelledOutputs::default(), Some(&mut self.finite))?;
        Ok(())
    }

    fn units<'s>(&'s self, chunk: &'s Chunk) -> Units<'s> {
        let [losses, _, gradients] = &self.results;
        let weights = self.answers(&chunk.columns, &self.desirable).weights;
        Units { losses, margins: &self.margins, gradients, weights, offsets: &[], nonfinite: &self.nonfinite }
    }

    fn out(&self) -> Vec<Values<'_>> {
        self.results.iter().map(|column| Values::F32(column)).collect()
    }

    fn counts(&self) -> Counts {
        let units = self.metrics.answers();
        Counts { units, rows: units, nonfinite: self.metrics.nonfinite(), ties: None }
    }

    fn sums(&self) -> Sums {
        let units = self.finite.answers();
        Sums { units, losses: *self.finite.loss(), compared: units, margins: self.finite_margins }
    }

    fn summary(&self) -> Summary {
        let (all, finite) = (self.metrics.report(), self.finite.report());
        let mean = |name, all, finite, note: &str| Mean { name, all, finite, note: note.to_owned() };
        let fell = |name, key, count, of| match self.is_referenced {
            true => Share { name, key, count: Some((count, of)), note: "policy below reference" },
            false => Share { name, key, count: None, note: "needs a reference" },
        };
        let mut point = format!("reference point {}", short(self.point()));
        if let Point::Mean { kind: ReferencePoint::Mismatched, mean, .. } = &self.point
            && mean.mean() < 0.0
        {
            point += &format!(" (the mean log-ratio is {}, below 0)", rough(mean.mean().into(), 4));
        }
        Summary {
            title: counted(self.metrics.answers(), "answer"),
            settings: vec![point],
            figures: vec![
                ("count/chosen", Figure::Count(all.desirable)),
                ("count/rejected", Figure::Count(all.undesirable)),
                ("reference_point", Figure::Number(self.point())),
            ],
            means: vec![
                mean("loss", all.loss, finite.loss, ""),
                mean(
                    "rewards/chosen",
                    all.rewards_chosen,
                    finite.rewards_chosen,
                    &format!("of {} desirable", all.desirable),
                ),
                mean(
                    "rewards/rejected",
                    all.rewards_rejected,
                    finite.rewards_rejected,
                    &format!("of {} undesirable", all.undesirable),
                ),
                mean("rewards/margins", all.rewards_margins, finite.rewards_margins, "their difference"),
                mean("logps/chosen", all.logps_chosen, finite.logps_chosen, ""),
                mean("logps/rejected", all.logps_rejected, finite.logps_rejected, ""),
            ],
            shares: vec![
                fell("desirable fell", "displacement/chosen_fell", self.fell[0], all.desirable),
                fell("undesirable fell", "displacement/rejected_fell", self.fell[1], all.undesirable),
            ],
            finite: self.finite.answers(),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let (all, finite) = (self.metrics.answers(), self.finite.report());
        let missing = match (self.metrics.desirable(), self.metrics.undesirable()) {
            (0, _) => Some(("desirable", "undesirable")),
            (_, 0) => Some(("undesirable", "desirable")),
            _ => None,
        };
        let one_class = missing.map(|(missing, there)| {
            Finding::new(
                Code::OneClass,
                all,
                format!("There is no {missing} answer"),
                format!(
                    "All labels are the same ({there}), and one class alone says nothing of a preference. See --label."
                ),
            )
        });
        let inverted = (finite.rewards_chosen < finite.rewards_rejected).then(|| {
            Finding::new(
                Code::RejectedPreferred,
                all,
                "Undesirable answers have the higher mean reward",
                "The policy prefers what it was to avoid. If that is a surprise, see whether the labels, or policy and \
                 reference, are swapped.",
            )
        });
        [one_class, inverted].into_iter().flatten().collect()
    }

    fn slope(&self, log_ratio: f32) -> f32 {
        evaluate_answer(&self.loss, log_ratio, None, true, 0.0).grad_logps
    }

    fn beta(&self) -> f64 {
        scale_of_rewards(self.loss.description(), &self.loss.parameters())
    }
}
