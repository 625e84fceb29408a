//! Logits as a matrix, and the tokens that they are asked about.

use super::Element;
use crate::Error;
use crate::error::check_length;

/// Logits `[rows, columns]`, row-major, with `stride >= columns` elements from one row to the next. What lies beyond
/// `columns` in a row (a padded vocabulary) is never read.
///
/// ```
/// use preflane::logits::Logits;
///
/// // Two rows over a vocabulary of three, padded to four.
/// let data = [1.0_f32, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0];
/// let logits = Logits::with_stride(&data, 2, 3, 4)?;
/// assert_eq!(logits.row(1), [4.0, 5.0, 6.0]);
/// # Ok::<(), preflane::Error>(())
/// ```
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
    /// A matrix of rows without padding.
    ///
    /// # Errors
    /// [`Error::Length`] unless the slice has `rows * columns` elements or more, [`Error::Parameter`] for no columns.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Result<Self, Error> {
        Self::with_stride(data, rows, columns, columns)
    }

    /// A matrix of rows `stride` elements apart.
    ///
    /// # Errors
    /// [`Error::Length`] unless the slice holds every row whole, the last one's padding excepted; [`Error::Parameter`] for no columns
    /// and for a stride below the columns.
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

/// Logits, or their gradient, to write to, laid out as [`Logits`].
#[derive(Debug)]
pub struct LogitsMut<'a, T> {
    data: &'a mut [T],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a, T: Element> LogitsMut<'a, T> {
    /// A matrix of rows without padding.
    ///
    /// # Errors
    /// [`Error::Length`] unless the slice has `rows * columns` elements or more, [`Error::Parameter`] for no columns.
    pub fn new(data: &'a mut [T], rows: usize, columns: usize) -> Result<Self, Error> {
        Self::with_stride(data, rows, columns, columns)
    }

    /// A matrix of rows `stride` elements apart.
    ///
    /// # Errors
    /// [`Error::Length`] unless the slice holds every row whole, the last one's padding excepted; [`Error::Parameter`] for no columns
    /// and for a stride below the columns.
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

    /// The same matrix, to read.
    pub fn view(&self) -> Logits<'_, T> {
        Logits { data: self.data, rows: self.rows, columns: self.columns, stride: self.stride }
    }

    /// One row's columns and its padding.
    #[inline]
    pub(crate) fn row_and_padding(&mut self, row: usize) -> (&mut [T], &mut [T]) {
        let start = row * self.stride;
        let end = (start + self.stride).min(self.data.len());
        match self.data.get_mut(start..end).and_then(|x| x.split_at_mut_checked(self.columns)) {
            Some(parts) if row < self.rows => parts,
            _ => (&mut [], &mut []),
        }
    }

    /// The first `rows` rows and the others.
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
    /// 32-bit labels.
    I32(&'a [i32]),
    /// 64-bit labels.
    I64(&'a [i64]),
}

impl<'a> From<&'a [i32]> for Labels<'a> {
    fn from(labels: &'a [i32]) -> Self {
        Self::I32(labels)
    }
}

impl<'a> From<&'a [i64]> for Labels<'a> {
    fn from(labels: &'a [i64]) -> Self {
        Self::I64(labels)
    }
}

impl<'a, const N: usize> From<&'a [i32; N]> for Labels<'a> {
    fn from(labels: &'a [i32; N]) -> Self {
        Self::I32(labels)
    }
}

impl<'a, const N: usize> From<&'a [i64; N]> for Labels<'a> {
    fn from(labels: &'a [i64; N]) -> Self {
        Self::I64(labels)
    }
}

#[cfg(feature = "std")]
impl<'a> From<&'a std::vec::Vec<i32>> for Labels<'a> {
    fn from(labels: &'a std::vec::Vec<i32>) -> Self {
        Self::I32(labels)
    }
}

#[cfg(feature = "std")]
impl<'a> From<&'a std::vec::Vec<i64>> for Labels<'a> {
    fn from(labels: &'a std::vec::Vec<i64>) -> Self {
        Self::I64(labels)
    }
}

impl Labels<'_> {
    /// How many labels.
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
///
/// ```
/// use preflane::logits::{Labels, Targets};
///
/// // Two sequences of three tokens, as Hugging Face labels them.
/// let labels = [-100, 5, 7, -100, 2, 9];
/// let targets = Targets::shifted(Labels::I32(&labels), 3)?;
/// assert_eq!(targets.len(), 6);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    labels: Labels<'a>,
    ignore: i64,
    /// Rows a sequence if the labels are shifted, else 0.
    shift: usize,
    /// The rows that are meant.
    first: usize,
    rows: usize,
}

/// Hugging Face's and PyTorch's mark of a masked token.
const IGNORE: i64 = -100;

impl<'a> Targets<'a> {
    /// Targets row by row, with -100 as the mark of a masked row.
    pub fn new(labels: Labels<'a>) -> Self {
        Self { labels, ignore: IGNORE, shift: 0, first: 0, rows: labels.len() }
    }

    /// Labels `[sequences, tokens]` in the convention of Hugging Face: the logits of position t predict the label of
    /// position t + 1, so a sequence's first label is not used and its last row counts as masked.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no tokens, [`Error::Length`] unless the labels are whole sequences.
    pub fn shifted(labels: Labels<'a>, tokens: usize) -> Result<Self, Error> {
        if tokens == 0 {
            return Err(Error::Parameter { name: "tokens", value: 0.0, requirement: "at least 1" });
        }
        let whole = labels.len().div_ceil(tokens).saturating_mul(tokens);
        check_length("labels", whole, labels.len())?;
        Ok(Self { shift: tokens, ..Self::new(labels) })
    }

    /// The same targets, with another mark of a masked row.
    pub fn with_ignore_index(self, ignore: i64) -> Self {
        Self { ignore, ..self }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows a sequence, if the labels are shifted.
    pub(crate) fn shift(&self) -> Option<usize> {
        (self.shift > 0).then_some(self.shift)
    }

    /// `rows` rows from `start` on.
    pub(crate) fn range(&self, start: usize, rows: usize) -> Self {
        Self { first: self.first + start, rows, ..*self }
    }

    /// The label of a row; `None` if it is masked.
    #[inline]
    fn label(&self, row: usize) -> Option<i64> {
        let mut place = self.first + row;
        if self.shift > 0 {
            place += 1;
            if place.is_multiple_of(self.shift) {
                return None;
            }
        }
        let label = match self.labels {
            Labels::I32(x) => x.get(place).map(|&x| i64::from(x)),
            Labels::I64(x) => x.get(place).copied(),
        };
        label.filter(|&label| label != self.ignore)
    }

    /// The column of a row; `None` if it is masked. Targets were checked.
    #[inline]
    pub(crate) fn column(&self, row: usize) -> Option<usize> {
        usize::try_from(self.label(row)?).ok()
    }

    /// That there is one a row, each a column or the mark.
    pub(crate) fn check(&self, rows: usize, columns: usize) -> Result<(), Error> {
        check_length("targets", rows, self.len())?;
        for row in 0..rows {
            if let Some(label) = self.label(row)
                && usize::try_from(label).map_or(true, |x| x >= columns)
            {
                return Err(Error::Target { row, label, columns });
            }
        }
        Ok(())
    }
}
