//! Comma-separated values with a header.

use std::io::Write;

use super::rows::{format_rows, value};
use super::{ColumnWriter, Target, Values};
use crate::failure::Failure;

/// A CSV file.
pub struct Csv {
    target: Target,
}

impl Csv {
    pub fn new(mut target: Target) -> Result<Self, Failure> {
        let mut header = csv::Writer::from_writer(Vec::new());
        header.write_record(target.fields.iter().map(|field| field.name)).map_err(|e| target.failure(e))?;
        let header = header.into_inner().map_err(|e| target.failure(e))?;
        target.file.file().write_all(&header).map_err(|e| target.failure(e))?;
        Ok(Self { target })
    }
}

impl ColumnWriter for Csv {
    fn write(&mut self, columns: &[Values<'_>]) -> Result<(), Failure> {
        // Numbers need no quotes.
        let parts = format_rows(columns, |values, text| {
            for (i, number) in values.enumerate() {
                if i > 0 {
                    text.push(b',');
                }
                value(number, b"", text);
            }
            text.push(b'\n');
        });
        for part in parts {
            self.target.file.file().write_all(&part).map_err(|e| self.target.failure(e))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        self.target.publish()
    }
}
