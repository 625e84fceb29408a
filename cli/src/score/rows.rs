//! Rows worth naming: the first of those that have something in common, and those with the largest numbers.

use crate::failure::Place;
use crate::input::Chunk;

/// How many rows are named.
pub const NAMED: usize = 5;

/// A row of the data set and where it came from.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Counted from 1 over all files, with the rows that were left out.
    pub number: u64,
    /// An index into the files.
    pub file: usize,
    /// Its place there.
    pub place: Place,
}

/// Where a chunk stands in the data set.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// The rows of the files before its file.
    pub before: u64,
    /// The index of its file.
    pub file: usize,
    /// The chunk.
    pub chunk: &'a Chunk,
}

impl At<'_> {
    /// A row of the chunk.
    pub fn row(&self, index: usize) -> Row {
        Row { number: self.before + self.chunk.number(index), file: self.file, place: self.chunk.place(index) }
    }
}

/// Rows that have something in common: how many there are, and the first ones.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Row>,
}

impl Rows {
    /// One more, which follows those before it. Answers of a list that is a row are in one row, which is named once.
    pub fn add(&mut self, row: impl FnOnce() -> Row) {
        self.count += 1;
        if self.first.len() < NAMED {
            let row = row();
            if self.first.last().is_none_or(|last| last.number != row.number) {
                self.first.push(row);
            }
        }
    }
}

/// A row and its value.
#[derive(Clone, Copy, Debug)]
pub struct Valued {
    /// The value.
    pub value: f32,
    /// The row.
    pub row: Row,
}

/// What comes first.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// The largest value.
    Largest,
    /// The smallest one.
    Smallest,
    /// The largest magnitude.
    Heaviest,
}

impl Order {
    /// What is the larger the earlier a value comes.
    fn key(self, value: f32) -> f32 {
        match self {
            Self::Largest => value,
            Self::Smallest => -value,
            Self::Heaviest => value.abs(),
        }
    }
}

/// The rows whose values come first in some order, the first one first; of equal ones the earlier row.
#[derive(Clone, Debug)]
pub struct Foremost {
    order: Order,
    /// The rows.
    pub items: Vec<Valued>,
    /// The last one's key, once there are as many as are named: none up to it is of interest.
    least: f32,
}

impl Foremost {
    /// Of no rows yet.
    pub fn new(order: Order) -> Self {
        Self { order, items: Vec::new(), least: f32::NEG_INFINITY }
    }

    /// The values of a chunk, which follow those before them, and the row of each; only finite values count.
    pub fn offer_all(&mut self, values: &[f32], row: impl Fn(usize) -> Row) {
        if self.may_take(values) {
            for (index, &value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                self.offer(value, || row(index));
            }
        }
    }

    /// Whether one of the values may be among the first: most chunks have none.
    pub fn may_take(&self, values: &[f32]) -> bool {
        values.iter().fold(false, |found, &value| found | ((self.order.key(value) > self.least) & value.is_finite()))
    }

    /// One more row, which follows those before it. Its value is finite.
    pub fn offer(&mut self, value: f32, row: impl FnOnce() -> Row) {
        let key = self.order.key(value);
        if key <= self.least {
            return;
        }
        self.items.truncate(NAMED - 1);
        let at = self.items.partition_point(|other| self.order.key(other.value) >= key);
        self.items.insert(at, Valued { value, row: row() });
        if let [.., last] = &self.items[..]
            && self.items.len() == NAMED
        {
            self.least = self.order.key(last.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_foremost_rows() {
        let values = [3.0, -7.0, 5.0, 3.0, 0.0, 5.0, 1.0, -2.0, 3.0];
        let of = |order| {
            let mut foremost = Foremost::new(order);
            for (i, &value) in values.iter().enumerate() {
                let number = i as u64 + 1;
                foremost.offer(value, || Row { number, file: 0, place: Place::Row(number) });
            }
            foremost.items.iter().map(|item| (item.value, item.row.number)).collect::<Vec<_>>()
        };
        assert_eq!(of(Order::Largest), [(5.0, 3), (5.0, 6), (3.0, 1), (3.0, 4), (3.0, 9)]);
        assert_eq!(of(Order::Smallest), [(-7.0, 2), (-2.0, 8), (0.0, 5), (1.0, 7), (3.0, 1)]);
        assert_eq!(of(Order::Heaviest), [(-7.0, 2), (5.0, 3), (5.0, 6), (3.0, 1), (3.0, 4)]);
    }
}
