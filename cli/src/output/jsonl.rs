//! JSON lines: one object a line; what is not finite becomes a string.

use std::io::Write;

use super::rows::{format_rows, number};
use super::{ColumnWriter, Target};
use crate::failure::Failure;

/// A JSON lines file.
pub struct JsonLines {
    target: Target,
    /// Each column's key as JSON, with what stands before it.
    keys: Vec<String>,
}

impl JsonLines {
    pub fn new(target: Target) -> Self {
        let keys = (target.names.iter().enumerate())
            .map(|(i, name)| format!("{}{}: ", if i == 0 { "{" } else { ", " }, serde_json::Value::from(*name)))
            .collect();
        Self { target, keys }
    }
}

impl ColumnWriter for JsonLines {
    fn write(&mut self, columns: &[&[f32]]) -> Result<(), Failure> {
        let parts = format_rows(columns, |values, text| {
            for (key, value) in self.keys.iter().zip(values) {
                text.extend_from_slice(key.as_bytes());
                let quote: &[u8] = if value.is_finite() { b"" } else { b"\"" };
                text.extend_from_slice(quote);
                number(value, text);
                text.extend_from_slice(quote);
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
