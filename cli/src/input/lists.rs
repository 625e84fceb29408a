//! Lists of answers out of rows: a row each, or rows that follow each other and belong to one group.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Chunk, ColumnReader, Kind, Wanted};
use crate::failure::Failure;

/// Whether lists are wanted, of either form.
pub fn are_wanted(wanted: &[Wanted]) -> bool {
    wanted.iter().any(|wanted| matches!(wanted.kind, Kind::Answers | Kind::Group))
}

/// Whether each row of the file is a list.
pub fn are_rows(wanted: &[Wanted]) -> bool {
    wanted.iter().any(|wanted| wanted.kind == Kind::Answers)
}

/// Yields whole lists, whatever chunks their rows come in.
pub struct Lists {
    path: PathBuf,
    /// The column of the group, if rows have one.
    group: Option<String>,
    reader: Box<dyn ColumnReader>,
    inner: Chunk,
    /// The rows of a list that may go on, and its group.
    rest: Chunk,
    rest_group: Option<u64>,
    is_ended: bool,
    /// The groups of the lists so far.
    seen: HashSet<u64>,
}

impl Lists {
    /// Over the reader of `path`.
    pub fn new(path: &Path, wanted: &[Wanted], reader: Box<dyn ColumnReader>) -> Self {
        let group = wanted.iter().find(|wanted| wanted.kind == Kind::Group).map(|wanted| wanted.name.clone());
        Self {
            path: path.to_owned(),
            group,
            reader,
            inner: Chunk::default(),
            rest: Chunk::default(),
            rest_group: None,
            is_ended: false,
            seen: HashSet::new(),
        }
    }

    /// Moves rows that were read to the chunk, of which the last list may go on: that one becomes the rest.
    fn gather(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        let Self { inner, rest, rest_group, seen, .. } = self;
        for row in 0..inner.rows() {
            let group = inner.group(row);
            if *rest_group != Some(group) {
                rest.close(chunk);
                *rest_group = Some(group);
                if !seen.insert(group) {
                    let message = "its list ended before, and another began; the rows of a list follow each other";
                    let name = self.group.as_deref().unwrap_or_default();
                    return Err(Failure::of_value(&self.path, inner.place(row), name, message));
                }
            }
            rest.columns.resize_with(inner.columns.len(), Vec::new);
            for (to, from) in rest.columns.iter_mut().zip(&inner.columns) {
                to.push(from[row]);
            }
            rest.named.push((inner.number(row), inner.place(row)));
        }
        Ok(())
    }
}

impl Chunk {
    fn group(&self, row: usize) -> u64 {
        self.groups[self.kept.get(row).copied().unwrap_or(row)]
    }

    /// Appends these rows to a chunk, as one list, and forgets them.
    fn close(&mut self, chunk: &mut Self) {
        if self.named.is_empty() {
            return;
        }
        for (to, from) in chunk.columns.iter_mut().zip(&mut self.columns) {
            to.append(from);
        }
        chunk.named.append(&mut self.named);
        chunk.offsets.push(chunk.rows());
    }

    /// Where the lists begin that are rows of the file.
    fn find_lists(&mut self) {
        self.offsets = vec![0];
        let ends = (1..=self.rows()).filter(|&row| row == self.rows() || self.record(row) != self.record(row - 1));
        self.offsets = self.offsets.iter().copied().chain(ends).collect();
    }
}

impl ColumnReader for Lists {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        if self.group.is_none() {
            self.reader.read(chunk)?;
            chunk.find_lists();
            return Ok(());
        }
        chunk.named.clear();
        chunk.offsets.clear();
        chunk.offsets.push(0);
        chunk.columns.iter_mut().for_each(Vec::clear);
        while chunk.rows() == 0 && !self.is_ended {
            self.reader.read(&mut self.inner)?;
            chunk.columns.resize_with(self.inner.columns.len(), Vec::new);
            self.gather(chunk)?;
            if self.inner.rows() == 0 {
                self.rest.close(chunk);
                self.is_ended = true;
            }
        }
        chunk.skipped_before = self.inner.skipped();
        chunk.rows_before = self.inner.rows_before;
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.reader.progress()
    }

    fn behind(&self) -> Option<&dyn ColumnReader> {
        Some(&*self.reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a group and a number, in chunks of so many.
    struct Rows {
        rows: Vec<(u64, f32)>,
        step: usize,
        read: usize,
    }

    impl ColumnReader for Rows {
        fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
            chunk.advance(2);
            let end = self.rows.len().min(self.read + self.step);
            for &(group, number) in &self.rows[self.read..end] {
                chunk.columns[0].push(number);
                chunk.columns[1].push(0.0);
                chunk.groups.push(group);
            }
            self.read = end;
            Ok(())
        }

        fn progress(&self) -> f64 {
            0.0
        }
    }

    /// All lists, with the number of the row that each begins with.
    fn lists(groups: &[u64], step: usize) -> Result<Vec<(u64, Vec<f32>)>, Failure> {
        let rows = groups.iter().copied().zip((0..).map(|number| number as f32)).collect();
        let group = Wanted { name: "g".to_owned(), remedy: "", kind: Kind::Group };
        let wanted = [Wanted::number("x", ""), group];
        let mut lists = Lists::new(Path::new("a"), &wanted, Box::new(Rows { rows, step, read: 0 }));
        let (mut chunk, mut all) = (Chunk::default(), Vec::new());
        loop {
            lists.read(&mut chunk)?;
            if chunk.rows() == 0 {
                assert_eq!((chunk.before(), &*chunk.offsets), (groups.len() as u64, &[0][..]));
                return Ok(all);
            }
            assert_eq!(chunk.offsets.last(), Some(&chunk.rows()));
            for ends in chunk.offsets.windows(2) {
                all.push((chunk.number(ends[0]), chunk.columns[0][ends[0]..ends[1]].to_vec()));
            }
        }
    }

    #[test]
    fn lists_are_whole_whatever_the_chunks() {
        let groups = [7, 7, 7, 7, 7, 1, 2, 2, 9, 9, 9, 3];
        let whole = lists(&groups, groups.len()).unwrap();
        let lengths: Vec<_> = whole.iter().map(|(first, list)| (*first, list.len())).collect();
        assert_eq!(lengths, [(1, 5), (6, 1), (7, 2), (9, 3), (12, 1)]);
        assert!(whole.iter().flat_map(|(_, list)| list).copied().eq((0..12).map(|number| number as f32)));
        for step in 1..groups.len() {
            assert_eq!(lists(&groups, step).unwrap(), whole, "{step}");
        }
        for step in 1..5 {
            let said = lists(&[1, 1, 2, 1], step).unwrap_err().to_string();
            assert!(said.starts_with("a: row 4, column g: its list ended before"), "{said}");
        }
    }
}
