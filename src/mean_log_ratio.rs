//! The running mean of log-ratios that some losses compare with: an exact sum and a count.

use crate::error::check_length;
use crate::exact::{BLOCK, Float384};
use crate::lanes::{Backend, dispatch};
use crate::losses::ReferencePoint;
use crate::metrics::Sums;
use crate::tally::tally;
use crate::{Error, ExactSum, Pairs};

tally! {
    /// The mean of log-ratios of policy to reference over any number of answers, or of the differences of pairs' two log-ratios.
    ///
    /// Some losses compare with such a mean: KTO with that of mismatched pairs of prompt and answer, BCO with that of all answers so far,
    /// and beta-DPO with that of all pairs so far. Plain data of a fixed size, which has the same bits for every order of the rows and every
    /// partition of them among batches, threads, ranks and restarts: [`merge`](Self::merge) adds the parts, and what is clamped is clamped
    /// after it.
    ///
    /// A row with a log-probability that is infinite or NaN is counted and left out: one such row would else stay in the mean for good.
    ///
    /// ```
    /// use preflane::{MeanLogRatio, losses::ReferencePoint};
    ///
    /// // Mismatched pairs of prompt and answer on two ranks.
    /// let (mut rank, mut other) = (MeanLogRatio::new(), MeanLogRatio::new());
    /// rank.add(&[-40.0, -31.5], &[-41.0, -32.0])?;
    /// other.add(&[-27.0], &[-24.0])?;
    /// rank.merge(&other);
    /// assert_eq!((rank.rows(), rank.mean()), (3, -0.5));
    /// assert_eq!(rank.reference_point(ReferencePoint::Mismatched), 0.0);
    /// # Ok::<(), preflane::Error>(())
    /// ```
    MeanLogRatio {
        counts: 2 {
            /// Rows in the mean.
            rows;
            /// Rows left out, for a log-probability of theirs is infinite or NaN.
            nonfinite;
        }
        sums: 1 {
            /// Sum of the log-ratios, or of the differences.
            log_ratios;
        }
    }
}

/// The least beta that [`MeanLogRatio::beta`] gives.
const LEAST_BETA: f32 = 1e-3;

/// Columns to add up, and those to subtract.
struct Terms<'a> {
    plus: [&'a [f32]; 2],
    minus: [&'a [f32]; 2],
}

impl MeanLogRatio {
    /// Adds answers.
    ///
    /// # Errors
    /// [`Error::Length`], before anything is added.
    pub fn add(&mut self, policy_logps: &[f32], ref_logps: &[f32]) -> Result<(), Error> {
        check_length("ref_logps", policy_logps.len(), ref_logps.len())?;
        self.add_terms(policy_logps.len(), &Terms { plus: [policy_logps, &[]], minus: [ref_logps, &[]] });
        Ok(())
    }

    /// Adds pairs: of each the difference of its chosen and its rejected log-ratio.
    ///
    /// # Errors
    /// [`Error::Length`], before anything is added.
    pub fn add_pairs(&mut self, pairs: Pairs<'_>) -> Result<(), Error> {
        let n = pairs.len();
        let (chosen, rejected) = (pairs.policy_chosen_logps, pairs.policy_rejected_logps);
        check_length("policy_rejected_logps", n, rejected.len())?;
        let mut terms = Terms { plus: [chosen, &[]], minus: [rejected, &[]] };
        if let Some(reference) = pairs.reference {
            check_length("ref_chosen_logps", n, reference.chosen_logps.len())?;
            check_length("ref_rejected_logps", n, reference.rejected_logps.len())?;
            terms.plus[1] = reference.rejected_logps;
            terms.minus[1] = reference.chosen_logps;
        }
        self.add_terms(n, &terms);
        Ok(())
    }

    fn add_terms(&mut self, rows: usize, terms: &Terms<'_>) {
        let backend = Backend::detect();
        let mut start = 0;
        while start < rows {
            let n = (rows - start).min(BLOCK);
            let cut = |x: &'_ [f32]| x.get(start..start + n).unwrap_or_default().iter().all(|x| x.is_finite());
            if terms.plus.into_iter().chain(terms.minus).all(cut) {
                let block = |columns: [&'_ [f32]; 2]| {
                    let [mut a, mut b] = [ExactSum::new(); 2];
                    let columns = columns.map(|x| x.get(start..start + n).unwrap_or_default());
                    dispatch(backend, Sums { sums: [&mut a, &mut b], columns });
                    a.merge(&b);
                    a
                };
                self.log_ratios.merge(&block(terms.plus));
                self.log_ratios.merge(&block(terms.minus).negated());
                self.rows = self.rows.saturating_add(n as u64);
            } else {
                (start..start + n).for_each(|row| self.add_row(row, terms));
            }
            start += n;
        }
    }

    fn add_row(&mut self, row: usize, terms: &Terms<'_>) {
        let get = |x: &[f32]| x.get(row).copied().unwrap_or_default();
        let (plus, minus) = (terms.plus.map(get), terms.minus.map(get));
        if plus.iter().chain(&minus).all(|x| x.is_finite()) {
            plus.into_iter().chain(minus.map(|x| -x)).for_each(|x| self.log_ratios.add(x));
            self.rows = self.rows.saturating_add(1);
        } else {
            self.nonfinite = self.nonfinite.saturating_add(1);
        }
    }

    /// The mean, the nearest `f32` to the exact one; NaN without rows.
    pub fn mean(&self) -> f32 {
        self.log_ratios.mean(self.rows)
    }

    /// The reference point that a loss takes for such a mean, as [`Description`](crate::losses::Description) says. Without rows it is 0:
    /// of KTO without mismatched pairs, and of BCO before the first answer. It is infinite only where the mean is beyond `f32`.
    pub fn reference_point(&self, kind: ReferencePoint) -> f32 {
        match kind {
            _ if self.rows == 0 => 0.0,
            ReferencePoint::Mismatched => self.mean().max(0.0),
            ReferencePoint::All => self.mean(),
        }
    }

    /// The beta of beta-DPO (Wu et al. 2024, arXiv 2407.08639) for the pairs of a batch, whose state this is: the nearest `f32` to
    /// `beta (1 + strength (m - running))`, where m is this mean and `running` that of all pairs so far, both exact; at least 0.001. If
    /// either has no rows, there is nothing to compare, and it is beta.
    ///
    /// The paper's code has an exponential average in place of the mean of all pairs so far. That would depend on the order and on how ranks
    /// share the pairs, and this does not.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a beta that is not finite and above 0, and for a strength that is not finite and at least 0.
    pub fn beta(&self, running: &Self, beta: f64, strength: f64) -> Result<f32, Error> {
        let refused = |name, value, requirement| Err(Error::Parameter { name, value, requirement });
        if !(beta > 0.0 && beta.is_finite()) {
            return refused("beta", beta, "finite and greater than 0");
        }
        if !(strength >= 0.0 && strength.is_finite()) {
            return refused("strength", strength, "finite and at least 0");
        }
        let mut factor = Float384::from_f64(1.0);
        if self.rows != 0 && running.rows != 0 {
            let mut apart = self.log_ratios.quotient(self.rows) - running.log_ratios.quotient(running.rows);
            apart.multiply(strength);
            factor = factor + apart;
        }
        factor.multiply(beta);
        Ok(factor.rounded().max(LEAST_BETA))
    }

    /// Whether some rows could have given it: bytes from elsewhere may be anything.
    pub(crate) fn is_sound(&self) -> bool {
        let is_empty = self.log_ratios == ExactSum::new();
        self.sums().into_iter().all(ExactSum::is_finite) && (self.rows > 0 || is_empty)
    }
}
