//! S-DPO (Chen et al. 2024, arXiv 2406.09215): one chosen answer, which comes first, against all others at once,
//! `L = softplus(log-sum-exp of z_j over j > 1, less z_1)`. It is the first choice of Plackett-Luce. A list of two answers is a pair of DPO, one of
//! fewer gives 0.
//!
//! Worked values at z = (0.5, -0.25, 0.1): loss 0.762060461642, gradient (-0.533296189666, 0.220455270038, 0.312840919628).

use super::plackett_luce::first_choices;
use super::{Dpo, List, ListFormula, Real, SDpo};

impl ListFormula for SDpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    fn of_two(&self) -> Option<Dpo> {
        Some(Dpo { beta: self.beta })
    }
    fn evaluate<R: Real>(&self, list: &mut impl List<R>) {
        first_choices(list, 1);
    }
}
