//! Weighted sums of losses, as trainers mix them.

use crate::Error;
use crate::evaluate::formula;
use crate::exact::{Double, Float384};
use crate::lanes::{Backend, HAS_WIDE};
use crate::losses::{Loss, NLL, Pair, Parameter, Tracked};
use crate::pairs::{SettledRow, SettlingNumber, Stage, Staged};

/// A weighted sum of losses of pairs, itself a loss of pairs: MPO (Wang et al. 2024, arXiv 2411.10442) is 0.8 DPO + 0.2 BCO + the likelihood of the chosen
/// answer, and RPO (Pang et al. 2024, arXiv 2404.19733) a loss and the likelihood.
///
/// Its value is the exact sum of the exact losses, and every result the nearest number to that, whatever defines the terms alone. Derivatives
/// are summed with the same weights, that by beta for a beta that all terms share. Rewards are those of the terms.
///
/// ```
/// use preflane::{Loss, Mix, Outputs, Pairs, Run};
///
/// // MPO with beta 0.1; the likelihood of the chosen answers is a column, for it is a mean over tokens in most trainers.
/// let mpo = Mix::new(&[(0.8, Loss::dpo(0.1)?), (0.2, Loss::bco_pair(0.1, 0.0)?)])?.with_nll(1.0)?;
/// let pairs = Pairs::new(&[-12.5], &[-14.0], &[-13.0], &[-13.25]).with_column(&[1.25]);
/// let mut losses = [0.0];
/// let outputs = Outputs { losses: Some(&mut losses), ..Default::default() };
/// Run::default().evaluate(&mpo, pairs, outputs, None)?;
/// assert_eq!(losses, [2.0210412]);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    /// Those beyond `used` have weight 0.
    terms: [(f64, Loss); Mix::MOST_TERMS],
    used: usize,
    nll: Option<f64>,
}

impl Mix {
    /// The most terms that a mix has, its likelihood apart.
    pub const MOST_TERMS: usize = 4;

    /// The sum of `weight * loss`.
    ///
    /// # Errors
    /// [`Error::Full`] for more than [`MOST_TERMS`](Self::MOST_TERMS), [`Error::Parameter`] for none, and, with the number of the term as its value
    /// (from 0), for a weight that is not finite, a loss that is defined with a reference model beside one that is defined without, two losses of different beta,
    /// and two that take different columns.
    pub fn new(terms: &[(f64, Loss)]) -> Result<Self, Error> {
        let Some(&(_, first)) = terms.first() else {
            return Err(Error::Parameter { name: "terms", value: 0.0, requirement: "at least one" });
        };
        if terms.len() > Self::MOST_TERMS {
            return Err(Error::Full { what: "a mix", capacity: Self::MOST_TERMS });
        }
        let mut mix = Self { terms: [(0.0, first); Self::MOST_TERMS], used: terms.len(), nll: None };
        let mut beta = None;
        for (i, (to, &(weight, loss))) in mix.terms.iter_mut().zip(terms).enumerate() {
            let refused = |requirement| Error::Parameter { name: "the term", value: i as f64, requirement };
            let described = loss.description();
            if !weight.is_finite() {
                return Err(refused("one with a finite weight"));
            }
            if described.reference != first.description().reference {
                return Err(refused(
                    "one with a reference model if the first has one, and without if the first has none",
                ));
            }
            if described.parameters.first().is_some_and(|parameter| parameter.name == "beta") {
                let own = formula(&loss).beta();
                if *beta.get_or_insert(own) != own {
                    return Err(refused("one with the beta of the terms before"));
                }
            }
            *to = (weight, loss);
        }
        let mut columns = mix.terms().filter_map(|(_, loss)| loss.description().column);
        let column = columns.next();
        if let Some(other) = columns.find(|other| column.is_some_and(|column| column.name != other.name)) {
            let value = mix.terms().position(|(_, loss)| loss.description().column == Some(other)).unwrap_or_default();
            let requirement = "one that takes the column of the terms before, or none";
            return Err(Error::Parameter { name: "the term", value: value as f64, requirement });
        }
        Ok(mix)
    }

    /// The same sum with `weight` times the likelihood term, the column `nll` of the pairs: the negative log-likelihood of the chosen answers.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a weight that is not finite, and for terms that take another column.
    pub fn with_nll(self, weight: f64) -> Result<Self, Error> {
        let refused = |requirement| Err(Error::Parameter { name: "the weight of nll", value: weight, requirement });
        if !weight.is_finite() {
            return refused("finite");
        }
        if self.column().is_some_and(|column| column.name != NLL.name) {
            return refused("left out, for the terms take another column");
        }
        Ok(Self { nll: Some(weight), ..self })
    }

    /// The terms and their weights, the likelihood apart.
    pub fn terms(&self) -> impl Iterator<Item = (f64, &Loss)> {
        self.terms.iter().take(self.used).map(|(weight, loss)| (*weight, loss))
    }

    /// What pairs have beside log-probabilities: the number that its terms take, if any does.
    pub fn column(&self) -> Option<&'static Parameter> {
        let of_terms = self.terms().find_map(|(_, loss)| loss.description().column.as_ref());
        of_terms.or(self.nll.map(|_| &NLL))
    }

    fn formulas(&self) -> impl Iterator<Item = (f64, &dyn Staged)> {
        self.terms().map(|(weight, loss)| (weight, formula(loss)))
    }
}

impl Mix {
    fn settle<R: SettlingNumber>(&self, row: &mut SettledRow<'_, R>) {
        let mut sums = [R::from_f64(0.0); 4];
        for (weight, formula) in self.formulas() {
            row.add(weight, formula, &mut sums);
        }
        let [loss, ..] = &mut sums;
        *loss = *loss + row.column() * R::from_f64(self.nll.unwrap_or_default());
        row.take(sums);
    }
}

impl Staged for Mix {
    fn beta(&self) -> f64 {
        let betas = self.formulas().map(|(_, formula)| formula.beta());
        // A loss without beta says 1.
        betas.reduce(|a, b| if a == 1.0 { b } else { a }).unwrap_or(1.0)
    }
    fn is_by_value(&self) -> bool {
        true
    }
    fn stage(&self, backend: Backend, rows: usize, stage: &mut Stage) {
        stage.add_up(backend, rows, self.formulas(), self.nll.unwrap_or_default());
    }
    fn doubles(&self, row: &mut SettledRow<'_, Tracked<Double>>) {
        if HAS_WIDE {
            self.settle(row);
        }
    }
    fn exact(&self, row: &mut SettledRow<'_, Float384>) {
        self.settle(row);
    }
}
