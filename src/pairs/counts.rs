//! What the metrics count of pairs.

/// What the metrics count rather than sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counts {
    pub accurate: u32,
    pub ties: u32,
    pub nonfinite: u32,
    pub chosen_fell: u32,
    pub rejected_fell: u32,
    pub both_fell: u32,
}

impl Counts {
    pub fn add(&mut self, more: &Self) {
        self.accurate += more.accurate;
        self.ties += more.ties;
        self.nonfinite += more.nonfinite;
        self.chosen_fell += more.chosen_fell;
        self.rejected_fell += more.rejected_fell;
        self.both_fell += more.both_fell;
    }
}
