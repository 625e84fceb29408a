//! What each column of log-probabilities shows by itself, in fixed memory and in one pass: how large its numbers are, the smallest
//! of them, and values that stand for something else.

use super::rows::{At, Row, Rows};

/// Bits of an `f32` that do not tell magnitudes apart: 16 bins to a factor of two.
const DROPPED_BITS: u32 = 19;
const BINS: usize = (f32::INFINITY.to_bits() >> DROPPED_BITS) as usize;
/// How many distinct values are kept of the smallest.
const LOWEST: usize = 8;
/// From here on every `f32` is a whole number, and adding it rounds what is smaller to one.
const ALL_WHOLE: f32 = 8_388_608.0;
/// The medians are of so many rows,
const ALL_ROWS: usize = 1 << 17;
/// and of one in so many of those that follow.
const SOME_ROWS: usize = 16;
/// So many rows are looked over at a time; one by one only where there is reason to.
const BLOCK: usize = 1024;

/// What lies apart from others is no log-probability only from here on: short answers lie apart from long ones.
const LOW: f32 = -999.0;

/// What programs write for a log-probability that there is none of, or for minus infinity.
pub const STAND_INS: [f32; 25] = [
    -1.0,
    -100.0,
    -999.0,
    -1000.0,
    -9_999.0,
    -99_999.0,
    -999_999.0,
    -9_999_999.0,
    -1e4,
    -1e5,
    -1e6,
    -1e7,
    -1e8,
    -1e9,
    -1e10,
    -1e12,
    -1e15,
    -1e20,
    -1e30,
    -1e38,
    -65_504.0,
    -2_147_483_648.0,
    -9_223_372_036_854_775_808.0,
    // The smallest of bf16 and of f32.
    -3.389_531_4e38,
    f32::MIN,
];

/// How often magnitudes occur.
#[derive(Clone, Debug)]
pub struct Magnitudes {
    bins: Box<[u64]>,
}

impl Magnitudes {
    fn new() -> Self {
        Self { bins: vec![0; BINS].into() }
    }

    fn bin(value: f32) -> usize {
        (value.abs().to_bits() >> DROPPED_BITS) as usize
    }

    /// The middle one, to 4 %; 0 where half of the values are that.
    pub fn median(&self) -> Option<f64> {
        let all: u64 = self.bins.iter().sum();
        let mut below = 0;
        let bin = self.bins.iter().position(|count| {
            below += count;
            2 * below > all
        })?;
        let end = |bin: usize| f64::from(f32::from_bits((bin as u32) << DROPPED_BITS));
        Some(if bin == 0 { 0.0 } else { (end(bin) + end(bin + 1)) / 2.0 })
    }

    fn add(&mut self, value: f32) {
        if let Some(bin) = self.bins.get_mut(Self::bin(value)) {
            *bin += 1;
        }
    }
}

/// The smallest distinct values, smallest first.
#[derive(Clone, Debug, Default)]
pub struct Lowest {
    /// Each with its rows.
    pub items: Vec<(f32, Rows)>,
}

impl Lowest {
    /// All values that are to be offered are at most this.
    fn limit(&self) -> f32 {
        if self.items.len() < LOWEST { f32::MAX } else { self.items.last().map_or(f32::MAX, |(value, _)| *value) }
    }

    fn offer(&mut self, value: f32, row: impl FnOnce() -> Row) {
        let at = self.items.partition_point(|(other, _)| *other < value);
        match self.items.get_mut(at) {
            Some((other, rows)) if *other == value => rows.add(row),
            _ if at < LOWEST => {
                self.items.truncate(LOWEST - 1);
                let mut rows = Rows::default();
                rows.add(row);
                self.items.insert(at, (value, rows));
            }
            _ => {}
        }
    }
}

/// A column of log-probabilities. Infinite values and NaN are not looked at.
#[derive(Clone, Debug)]
pub struct Column {
    /// How large its numbers are.
    pub magnitudes: Magnitudes,
    /// The smallest of them.
    pub lowest: Lowest,
    /// How many numbers there are.
    pub count: u64,
    /// How many of them are whole.
    pub whole: u64,
    /// The smallest magnitude but 0; infinity without one.
    pub least: f32,
    /// The rows of the last chunk whose value is 0, above it, or stands for something else.
    pub marks: Vec<usize>,
    /// How often the value is exactly 0.
    pub zeros: u64,
    /// How often it is each of [`STAND_INS`].
    pub stand_ins: [u64; STAND_INS.len()],
}

/// An integer that compares as the number does; what is no number comes at either end.
fn in_order(value: f32) -> i32 {
    let bits = value.to_bits() as i32;
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

/// A slot for each number, of so many that most numbers share theirs with no stand-in.
const fn slot(value: f32) -> usize {
    (value.to_bits().wrapping_mul(0x9e37_79b1) >> 22) as usize
}

/// The slots of the stand-ins.
const SLOTS: [bool; 1024] = {
    let (mut slots, mut index) = ([false; 1024], 0);
    while index < STAND_INS.len() {
        slots[slot(STAND_INS[index])] = true;
        index += 1;
    }
    slots
};

/// Which of [`STAND_INS`] a value is.
pub fn stand_in(value: f32) -> Option<usize> {
    if SLOTS[slot(value)] { STAND_INS.iter().position(|stand_in| *stand_in == value) } else { None }
}

impl Column {
    /// Without a row.
    pub fn new() -> Self {
        Self {
            magnitudes: Magnitudes::new(),
            lowest: Lowest::default(),
            count: 0,
            whole: 0,
            least: f32::INFINITY,
            marks: Vec::new(),
            zeros: 0,
            stand_ins: [0; _],
        }
    }

    /// The rows that follow.
    pub fn add(&mut self, values: &[f32], at: At<'_>) {
        self.marks.clear();
        let first = at.before as usize;
        let all = ALL_ROWS.saturating_sub(first).min(values.len());
        // The first row from there on that is a multiple.
        let some = all + (SOME_ROWS - (first + all) % SOME_ROWS) % SOME_ROWS;
        let others = values.iter().skip(some).step_by(SOME_ROWS);
        values[..all].iter().chain(others).for_each(|&value| self.magnitudes.add(value));
        for (block, values) in values.chunks(BLOCK).enumerate() {
            self.add_block(values, block * BLOCK, at);
        }
    }

    /// Some of the rows that follow, the first of which is that of the chunk.
    fn add_block(&mut self, values: &[f32], first: usize, at: At<'_>) {
        // Branch-free and in integers, for the compiler to take many at a time.
        let (mut finite, mut whole, mut above) = (0_u32, 0_u32, 0_u32);
        let (mut least, mut lowest) = (i32::MAX, i32::MAX);
        for &value in values {
            let size = value.abs();
            let is_finite = size < f32::INFINITY;
            let is_whole = ((size + ALL_WHOLE) - ALL_WHOLE == size) | (size >= ALL_WHOLE);
            finite += u32::from(is_finite);
            whole += u32::from(is_finite & is_whole);
            above += u32::from(value > 0.0);
            let bits = size.to_bits() as i32;
            least = least.min(if bits == 0 { i32::MAX } else { bits });
            lowest = lowest.min(in_order(value));
        }
        self.least = self.least.min(f32::from_bits(least as u32));
        self.count += u64::from(finite);
        self.whole += u64::from(whole);
        // What stands for something else is a whole number, and those are rare.
        if whole + above > 0 {
            for (index, &value) in values.iter().enumerate() {
                let found = stand_in(value);
                if let Some(found) = found {
                    self.stand_ins[found] += 1;
                }
                self.zeros += u64::from(value == 0.0);
                if value >= 0.0 || found.is_some() {
                    self.marks.push(first + index);
                }
            }
        }
        if lowest <= in_order(self.lowest.limit()) {
            for (index, &value) in values.iter().enumerate() {
                if value.is_finite() && value <= self.lowest.limit() {
                    self.lowest.offer(value, || at.row(first + index));
                }
            }
        }
    }

    /// Whether the values that equal a stand-in are just that: they lie apart from all that stand for themselves, or recur in a
    /// column where few numbers are whole.
    pub fn is_marked_by(&self, index: usize) -> bool {
        const APART: f32 = 1.5;
        const OFTEN: u64 = 3;
        let (value, count) = (STAND_INS[index], self.stand_ins[index]);
        let ordinary = self.lowest.items.iter().map(|(value, _)| *value).find(|value| stand_in(*value).is_none());
        let is_apart = value <= LOW && ordinary.is_none_or(|ordinary| value < APART * ordinary.min(0.0));
        count > 0 && (is_apart || count >= OFTEN && 4 * count > self.whole - self.zeros)
    }

    /// The values far below all others, and their rows: each of several rows, or all of one.
    pub fn far_below(&self) -> Option<&[(f32, Rows)]> {
        let items = &self.lowest.items;
        let last = (1..items.len()).rev().find(|&next| {
            let recurs = items[..next].iter().all(|(_, rows)| rows.count > 1);
            let gap = if recurs { 4.0 } else { 10.0 };
            items[next - 1].0 <= LOW && items[next - 1].0 < gap * items[next].0.min(0.0)
        })?;
        let rows: u64 = items[..last].iter().map(|(_, rows)| rows.count).sum();
        (2 * rows < self.count).then(|| &items[..last])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Place;

    fn row(number: u64) -> Row {
        Row { number, file: 0, place: Place::Row(number) }
    }

    #[test]
    fn the_smallest_distinct_values_with_their_rows() {
        let mut lowest = Lowest::default();
        for (i, value) in (0..100).map(|i| (i, -((i * 37 % 50) as f32))) {
            lowest.offer(value, || row(i + 1));
        }
        let values: Vec<_> = lowest.items.iter().map(|(value, rows)| (*value, rows.count)).collect();
        assert_eq!(values, (0..LOWEST).map(|i| (-49.0 + i as f32, 2)).collect::<Vec<_>>());
        for (value, rows) in &lowest.items {
            for row in &rows.first {
                assert_eq!(-(((row.number - 1) * 37 % 50) as f32), *value);
            }
        }
    }

    #[test]
    fn magnitudes_are_near() {
        let mut magnitudes = Magnitudes::new();
        assert_eq!(magnitudes.median(), None);
        for i in 0..1001 {
            magnitudes.add(-0.5 * i as f32);
        }
        let median = magnitudes.median().unwrap();
        assert!((median / 250.0 - 1.0).abs() < 0.04, "{median}");
        assert_eq!(Magnitudes::bin(f32::MAX), BINS - 1);
        assert_eq!(Magnitudes::bin(f32::INFINITY), BINS);
    }
}
