//! Plackett-Luce DPO of a partial ranking: the first answers are ranked from best to worst, as many as `top` says, and all others are below
//! them without an order of their own. The sum of Plackett-Luce goes over the choices of the ranked ones alone. `top` of 1 is S-DPO, and
//! from one less than there are answers on it is Plackett-Luce.
//!
//! Worked values at z = (0.5, -0.25, 0.1) and top 1: those of S-DPO.

use super::plackett_luce::first_choices;
use super::{Dpo, List, ListFormula, PlackettLuceTop, Real};

impl ListFormula for PlackettLuceTop {
    fn beta(&self) -> f64 {
        self.beta
    }
    fn of_two(&self) -> Option<Dpo> {
        Some(Dpo { beta: self.beta })
    }
    fn evaluate<R: Real>(&self, list: &mut impl List<R>) {
        first_choices(list, self.top as usize);
    }
}
