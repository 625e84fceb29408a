//! Whether a mean is that of the data or of a few rows.

use super::rows::{Foremost, NAMED, Order, Row};

/// Of fewer rows none is called an outlier of the others, unless it outweighs them this many times.
const FEW_ROWS: u64 = 20;
const FEW_TIMES: f64 = 20.0;
/// The part of the rows that may be outliers.
const PART: u64 = 100;
/// Of the heaviest row's weight, what another must have to be an outlier beside it.
const PEER: f64 = 0.1;

/// A mean in the making, and the rows that weigh most in it. Only finite values count.
///
/// The sum is one of `f64` in the order of the rows, so that neither chunks nor threads show in it.
#[derive(Clone, Debug)]
pub struct Weighed {
    count: u64,
    magnitudes: f64,
    heaviest: Foremost,
}

/// Rows that together outweigh all others.
#[derive(Debug)]
pub struct Carried {
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// Their values, the heaviest first.
    pub values: Vec<f32>,
}

impl Weighed {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self { count: 0, magnitudes: 0.0, heaviest: Foremost::new(Order::Heaviest) }
    }

    /// The values that follow, and the row of each; one whose other result is not finite does not count either.
    pub fn add(&mut self, values: &[f32], others: &[f32], row: impl Fn(usize) -> Row) {
        let is_finite = |value: f32, other: f32| value.is_finite() & other.is_finite();
        for (&value, &other) in values.iter().zip(others) {
            self.count += u64::from(is_finite(value, other));
            self.magnitudes += f64::from(if is_finite(value, other) { value.abs() } else { 0.0 });
        }
        if self.heaviest.may_take(values) {
            for (index, (&value, &other)) in values.iter().zip(others).enumerate() {
                if is_finite(value, other) {
                    self.heaviest.offer(value, || row(index));
                }
            }
        }
    }

    /// The fewest rows that weigh more than all others together, if they are few enough to be outliers.
    pub fn carried(&self) -> Option<Carried> {
        let (most, times) = match self.count {
            0..3 => return None,
            3..FEW_ROWS => (1, FEW_TIMES),
            count => (count.div_ceil(PART).min(NAMED as u64) as usize, 1.0),
        };
        let mut weight = 0.0;
        for few in 1..=most {
            let value = f64::from(self.heaviest.items.get(few - 1)?.value);
            // The last straw is no outlier.
            if value.abs() < PEER * f64::from(self.heaviest.items[0].value.abs()) {
                return None;
            }
            weight += value.abs();
            if weight > times * (self.magnitudes - weight) {
                let mut rows: Vec<_> = self.heaviest.items[..few].iter().map(|item| item.row).collect();
                rows.sort_by_key(|row| row.number);
                let values = self.heaviest.items[..few].iter().map(|item| item.value).collect();
                return Some(Carried { rows, values });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::At;
    use super::*;
    use crate::input::Chunk;

    fn carried(values: &[f32]) -> Option<(Vec<u64>, Vec<f32>)> {
        let (mut weighed, chunk) = (Weighed::new(), Chunk::default());
        let at = At { before: 0, file: 0, chunk: &chunk };
        weighed.add(values, values, |index| at.row(index));
        weighed.carried().map(|c| (c.rows.iter().map(|row| row.number).collect(), c.values))
    }

    #[test]
    fn few_rows_that_outweigh_all_others() {
        let mut values = [0.5; 300];
        assert_eq!(carried(&values), None);
        values[7] = -149.0;
        assert_eq!(carried(&values), None);
        values[7] = -150.5;
        assert_eq!(carried(&values), Some((vec![8], vec![-150.5])));
        // Infinite and unknown ones are others' business.
        values[0] = f32::INFINITY;
        values[1] = f32::NAN;
        assert_eq!(carried(&values).unwrap().0, [8]);
        // Three of 300 are few, four are not.
        let mut values = [0.5; 300];
        values[..4].fill(45.0);
        assert_eq!(carried(&values), None);
        values[3] = 0.5;
        assert_eq!(carried(&values), None);
        values[..3].fill(50.0);
        assert_eq!(carried(&values), Some((vec![1, 2, 3], vec![50.0; 3])));
    }

    #[test]
    fn of_very_few_rows_none_is_called_an_outlier() {
        assert_eq!(carried(&[1e30]), None);
        assert_eq!(carried(&[1.0, 1e30]), None);
        assert_eq!(carried(&[0.1, -0.1, 0.0, 3.9]), None);
        assert_eq!(carried(&[0.1, -0.1, -983.0]), Some((vec![3], vec![-983.0])));
    }
}
