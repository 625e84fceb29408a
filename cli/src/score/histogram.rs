//! A histogram in fixed memory that depends on nothing but the values: neither on their order nor on how they came.
//!
//! Values are counted in fixed bins, 256 to a factor of two (the first 16 bits of the number but its sign), and binned
//! again for display once all are known. The rows of the display end on multiples of a round width, which for widths
//! of the size of margins are also the ends of bins, so that display is exact there.

/// Bits of an `f32` that tell values apart: all of the exponent and the first 8 of the fraction.
const DROPPED_BITS: u32 = 15;
/// Bins of one sign; the last one is infinity's.
const BINS: usize = (f32::INFINITY.to_bits() >> DROPPED_BITS) as usize + 1;
/// The most rows of the display between its tails.
const MOST_ROWS: usize = 18;
/// The part of the values that may go into each tail.
const TAIL: f64 = 0.005;

/// Counts of values.
pub struct Histogram {
    negative: Box<[u64]>,
    positive: Box<[u64]>,
    nan: u64,
}

/// A row of the display: values from `low` to `high`. An end belongs to the row farther from zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The lower end; none in the lower tail.
    pub low: Option<f64>,
    /// The upper end; none in the upper tail.
    pub high: Option<f64>,
    /// Values in it.
    pub count: u64,
}

/// One bin: its ends and its count.
#[derive(Clone, Copy)]
struct Bin {
    low: f64,
    high: f64,
    count: u64,
}

impl Bin {
    fn middle(self) -> f64 {
        (self.low + self.high) / 2.0
    }
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self { negative: vec![0; BINS].into(), positive: vec![0; BINS].into(), nan: 0 }
    }

    /// Counts a value.
    pub fn add(&mut self, value: f32) {
        let bin = (value.abs().to_bits() >> DROPPED_BITS) as usize;
        if value.is_nan() {
            self.nan += 1;
        } else if value < 0.0 {
            self.negative[bin] += 1;
        } else {
            self.positive[bin] += 1;
        }
    }

    /// Values that are not a number, and so in no row.
    pub fn nan(&self) -> u64 {
        self.nan
    }

    /// The value below which the given part of the finite values lies, to about 0.2 %.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let bins = self.finite_bins();
        let total: u64 = bins.iter().map(|bin| bin.count).sum();
        let rank = (part * total.saturating_sub(1) as f64).round() as u64;
        let mut below = 0;
        bins.iter()
            .find(|bin| {
                below += bin.count;
                below > rank
            })
            .map(|bin| bin.middle())
    }

    /// The display, from low to high: rows of one width, with tails where values lie beyond.
    pub fn rows(&self) -> Vec<Row> {
        let Some((low, high)) = self.range() else { return Vec::new() };
        let width = width(low, high);
        let (first, last) = ((low / width).floor() as i64, (high / width).floor() as i64);
        let end = |index: i64| index as f64 * width;
        let mut rows: Vec<Row> =
            (first..=last).map(|index| Row { low: Some(end(index)), high: Some(end(index + 1)), count: 0 }).collect();
        let mut tails = [0, 0];
        for bin in self.bins() {
            let middle = bin.middle();
            if middle < end(first) {
                tails[0] += bin.count;
            } else if middle >= end(last + 1) {
                tails[1] += bin.count;
            } else {
                let index = ((middle / width).floor() as i64).clamp(first, last) - first;
                rows[index as usize].count += bin.count;
            }
        }
        if tails[0] > 0 {
            rows.insert(0, Row { low: None, high: Some(end(first)), count: tails[0] });
        }
        if tails[1] > 0 {
            rows.push(Row { low: Some(end(last + 1)), high: None, count: tails[1] });
        }
        rows
    }

    /// What the display covers between its tails: all finite values, or all but a few far ones; and zero if near.
    fn range(&self) -> Option<(f64, f64)> {
        let bins = self.finite_bins();
        let (all_low, all_high) = (bins.first()?.middle(), bins.last()?.middle());
        let (most_low, most_high) = (self.quantile(TAIL)?, self.quantile(1.0 - TAIL)?);
        let few_far = all_high - all_low > 2.0 * (most_high - most_low) && most_high > most_low;
        let (low, high) = if few_far { (most_low, most_high) } else { (all_low, all_high) };
        let span = high - low;
        Some(if low > 0.0 && low <= span {
            (0.0, high)
        } else if high < 0.0 && -high <= span {
            (low, 0.0)
        } else {
            (low, high)
        })
    }

    /// The bins that hold something, from low to high.
    fn bins(&self) -> Vec<Bin> {
        let end = |index: usize| match f32::from_bits((index as u32) << DROPPED_BITS) {
            // The finite numbers end at 2^128.
            f32::INFINITY => 2.0_f64.powi(128),
            end => end.into(),
        };
        let full = |counts: &'_ [u64]| -> Vec<(usize, u64)> {
            counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
        };
        let bin = |sign: f64, index: usize, count: u64| {
            let (near, far) = match index + 1 {
                BINS => (f64::INFINITY, f64::INFINITY),
                next => (end(index), end(next)),
            };
            Bin { low: (sign * near).min(sign * far), high: (sign * near).max(sign * far), count }
        };
        let negative = full(&self.negative).into_iter().rev().map(|(i, count)| bin(-1.0, i, count));
        let positive = full(&self.positive).into_iter().map(|(i, count)| bin(1.0, i, count));
        negative.chain(positive).collect()
    }

    fn finite_bins(&self) -> Vec<Bin> {
        self.bins().into_iter().filter(|bin| bin.middle().is_finite()).collect()
    }
}

/// The least round width with which few enough rows cover the range, not finer than the bins at its ends, and
/// not finer than the value if there is but one.
fn width(low: f64, high: f64) -> f64 {
    let largest = low.abs().max(high.abs());
    let finest = if low < high { largest / 128.0 } else { largest };
    let fits = |width: f64| width >= finest && (high / width).floor() - (low / width).floor() < MOST_ROWS as f64;
    // Halves below 1, for those are the ends of bins; 1, 2, 5 above, for those are easy to read.
    let mut width = 1.0;
    if fits(width) {
        while width > f64::from(f32::MIN_POSITIVE) && fits(width / 2.0) {
            width /= 2.0;
        }
        return width;
    }
    for step in [2.0, 2.5, 2.0].into_iter().cycle() {
        width *= step;
        if fits(width) {
            break;
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|&value| histogram.add(value));
        histogram
    }

    #[test]
    fn rows_hold_every_number_once() {
        let values: Vec<f32> =
            (-400..1000).map(|i| i as f32 / 37.0).chain([f32::INFINITY, -1e30, f32::NAN, -0.0]).collect();
        let histogram = of(&values);
        let rows = histogram.rows();
        assert_eq!(rows.iter().map(|row| row.count).sum::<u64>() + histogram.nan(), values.len() as u64);
        assert_eq!(histogram.nan(), 1);
        for row in &rows {
            let (low, high) = (row.low.unwrap_or(f64::NEG_INFINITY), row.high.unwrap_or(f64::INFINITY));
            let inside =
                |value: f64| if value < 0.0 { low < value && value <= high } else { low <= value && value < high };
            let expected = values
                .iter()
                .filter(|value| inside(f64::from(**value)) || (**value == f32::INFINITY && row.high.is_none()));
            // -0.0 counts as 0, and 0 belongs to the row above it.
            assert_eq!(row.count, expected.count() as u64, "{row:?}");
        }
    }

    #[test]
    fn zero_ends_a_row() {
        let rows = of(&[-1.5, -0.1, 0.0, 0.1, 3.0]).rows();
        assert!(rows.iter().any(|row| row.low == Some(0.0)));
        assert!(rows.iter().any(|row| row.high == Some(0.0)));
        let below: u64 = rows.iter().filter(|row| row.high.is_some_and(|high| high <= 0.0)).map(|row| row.count).sum();
        assert_eq!(below, 2);
    }

    #[test]
    fn extremes_have_rows() {
        for values in
            [&[f32::MAX][..], &[-f32::MAX, f32::MAX], &[0.0], &[f32::MIN_POSITIVE], &[1e-45], &[7.0, 7.0], &[1e30, 1.0]]
        {
            let rows = of(values).rows();
            assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), values.len() as u64, "{values:?}");
            assert!(rows.len() <= MOST_ROWS + 2, "{values:?}: {} rows", rows.len());
        }
        assert!(of(&[f32::INFINITY, f32::NAN]).rows().is_empty());
    }

    #[test]
    fn quantiles_are_near() {
        let values: Vec<f32> = (0..=1000).map(|i| i as f32).collect();
        let histogram = of(&values);
        for part in [0.05, 0.5, 0.95] {
            let quantile = histogram.quantile(part).unwrap();
            assert!((quantile / (1000.0 * part) - 1.0).abs() < 0.004, "{part}: {quantile}");
        }
        assert_eq!(of(&[]).quantile(0.5), None);
    }
}
