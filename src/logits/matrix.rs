//! Logits as a matrix, and the tokens that they are asked about.

use super::Element;
use crate::Error;
use crate::error::check_length;

/// Logits `[rows, columns]`, row-major, with `stride >= columns` elements from one row to the next. What lies beyond
/// `columns` in a row (a padded vocabulary) is never read.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    stride: usize,
}

/// That the slice holds the matrix: every row whole, the last one's padding excepted.
fn check_matrix(length: usize, rows: usize, columns: usize, stride: usize) -> Result<(), Error> {
    if columns == 0 {
        return Err(Error::Parameter { name: "columns", value: 0.0, requirement: "at least 1" });
    }
    if stride < columns {
        return Err(Error::Parameter { name: "stride", value: stride as f64, requirement: "at least the columns" });
    }
    let need = match rows.checked_sub(1) {
        None => Some(0),
        Some(before) => before.checked_mul(stride).and_then(|x| x.checked_add(columns)),
    };
    match need {
        Some(need) if length >= need => Ok(()),
        need => Err(Error::Length { argument: "logits", expected: need.unwrap_or(usize::MAX), got: length }),
    }
}

impl<'a, T: Element> Logits<'a, T> {
    /// Rows without padding.
    ///
    /// # Errors
    /// [`Error::Length`] unless the slice has `rows * columns` elements or more, [`Error::Parameter`] for no columns.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Result<Self, Error> {
        Self::with_stride(data, rows, columns, columns)
    }

    /// Rows `stride` elements apart.
    ///
    /// # Errors
    /// As [`Logits::new`], and [`Error::Parameter`] for a stride below the columns.
    pub fn with_stride(data: &'a [T], rows: usize, columns: usize, stride: usize) -> Result<Self, Error> {
        check_matrix(data.len(), rows, columns, stride)?;
        Ok(Self { data, rows, columns, stride })
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns: the vocabulary's size.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `rows` rows from `start` on, for a host that shares the work out itself.
    ///
    /// # Errors
    /// [`Error::Length`] if there are fewer.
    pub fn row_range(&self, start: usize, rows: usize) -> Result<Self, Error> {
        match start.checked_add(rows) {
            Some(end) if end <= self.rows => Ok(self.rows_from(start, rows)),
            _ => Err(Error::Length { argument: "row_range", expected: self.rows, got: start.saturating_add(rows) }),
        }
    }

    /// Rows that are there.
    pub(crate) fn rows_from(&self, start: usize, rows: usize) -> Self {
        Self { data: self.data.get(start * self.stride..).unwrap_or_default(), rows, ..*self }
    }

    /// One row; empty if there is none of that number.
    #[inline]
    pub fn row(&self, row: usize) -> &'a [T] {
        if row >= self.rows {
            return &[];
        }
        let start = row * self.stride;
        self.data.get(start..start + self.columns).unwrap_or_default()
    }
}

/// Logits, or their gradient, to write to: as [`Logits`].
#[derive(Debug)]
pub struct LogitsMut<'a, T> {
    data: &'a mut [T],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a, T: Element> LogitsMut<'a, T> {
    /// Rows without padding.
    ///
    /// # Errors
    /// As [`Logits::new`].
    pub fn new(data: &'a mut [T], rows: usize, columns: usize) -> Result<Self, Error> {
        Self::with_stride(data, rows, columns, columns)
    }

    /// Rows `stride` elements apart.
    ///
    /// # Errors
    /// As [`Logits::with_stride`].
    pub fn with_stride(data: &'a mut [T], rows: usize, columns: usize, stride: usize) -> Result<Self, Error> {
        check_matrix(data.len(), rows, columns, stride)?;
        Ok(Self { data, rows, columns, stride })
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// To read.
    pub fn view(&self) -> Logits<'_, T> {
        Logits { data: self.data, rows: self.rows, columns: self.columns, stride: self.stride }
    }

    /// The same matrix, for a call that takes it by value.
    pub fn reborrow(&mut self) -> LogitsMut<'_, T> {
        LogitsMut { data: self.data, rows: self.rows, columns: self.columns, stride: self.stride }
    }

    /// One row's columns and its padding.
    #[inline]
    pub(super) fn row_and_padding(&mut self, row: usize) -> (&mut [T], &mut [T]) {
        let start = row * self.stride;
        let end = (start + self.stride).min(self.data.len());
        match self.data.get_mut(start..end).and_then(|x| x.split_at_mut_checked(self.columns)) {
            Some(parts) if row < self.rows => parts,
            _ => (&mut [], &mut []),
        }
    }

    /// The first `rows` rows and the others.
    #[cfg(feature = "std")]
    pub(crate) fn split(self, rows: usize) -> (Self, Self) {
        let rows = rows.min(self.rows);
        let at = (rows * self.stride).min(self.data.len());
        let (head, tail) = self.data.split_at_mut(at);
        (Self { data: head, rows, ..self }, Self { data: tail, rows: self.rows - rows, ..self })
    }
}

/// Token ids, one a row.
#[derive(Clone, Copy, Debug)]
pub enum Labels<'a> {
    /// 32-bit.
    I32(&'a [i32]),
    /// 64-bit.
    I64(&'a [i64]),
}

impl Labels<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::I32(x) => x.len(),
            Self::I64(x) => x.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Each row's target column, or the mark of a row that does not count.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    labels: Labels<'a>,
    ignore: i64,
}

/// Hugging Face's and PyTorch's mark of a masked token.
const IGNORE: i64 = -100;

impl<'a> Targets<'a> {
    /// With -100 as the mark of a masked row.
    pub fn new(labels: Labels<'a>) -> Self {
        Self::with_ignore_index(labels, IGNORE)
    }

    /// With a mark of one's own.
    pub fn with_ignore_index(labels: Labels<'a>, ignore: i64) -> Self {
        Self { labels, ignore }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `n` rows from `start` on.
    pub(crate) fn range(&self, start: usize, n: usize) -> Self {
        let labels = match self.labels {
            Labels::I32(x) => Labels::I32(x.get(start..start + n).unwrap_or_default()),
            Labels::I64(x) => Labels::I64(x.get(start..start + n).unwrap_or_default()),
        };
        Self { labels, ..*self }
    }

    /// The column of a row; `None` if it is masked. Targets were checked.
    #[inline]
    pub(crate) fn column(&self, row: usize) -> Option<usize> {
        let label = match self.labels {
            Labels::I32(x) => x.get(row).copied().map_or(self.ignore, i64::from),
            Labels::I64(x) => x.get(row).copied().unwrap_or(self.ignore),
        };
        if label == self.ignore { None } else { usize::try_from(label).ok() }
    }

    /// That there is one a row, each a column or the mark.
    pub(crate) fn check(&self, rows: usize, columns: usize) -> Result<(), Error> {
        check_length("targets", rows, self.len())?;
        let bad = |label: i64| label != self.ignore && usize::try_from(label).map_or(true, |x| x >= columns);
        let found = match self.labels {
            Labels::I32(x) => x.iter().map(|&x| x.into()).enumerate().find(|&(_, x)| bad(x)),
            Labels::I64(x) => x.iter().copied().enumerate().find(|&(_, x)| bad(x)),
        };
        match found {
            Some((row, label)) => Err(Error::Target { row, label, columns }),
            None => Ok(()),
        }
    }
}
