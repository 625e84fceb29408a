//! JSON lines: one object a line; what is not finite becomes a string.

use std::io::Write;

use super::rows::{format_rows, value};
use super::{ColumnWriter, Target, Values};
use crate::failure::Failure;

/// A JSON lines file.
pub struct JsonLines {
    target: Target,
    /// Each column's key as JSON, with what stands before it.
    keys: Vec<String>,
}

impl JsonLines {
    pub fn new(target: Target) -> Self {
        let keys = (target.fields.iter().enumerate())
            .map(|(i, field)| format!("{}{}: ", if i == 0 { "{" } else { ", " }, serde_json::Value::from(field.name)))
            .collect();
        Self { target, keys }
    }
}

impl ColumnWriter for JsonLines {
    fn write(&mut self, columns: &[Values<'_>]) -> Result<(), Failure> {
        let parts = format_rows(columns, |values, text| {
            for (key, number) in self.keys.iter().zip(values) {
                text.extend_from_slice(key.as_bytes());
                value(number, b"\"", text);
            }
            text.extend_from_slice(b"}\n");
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
