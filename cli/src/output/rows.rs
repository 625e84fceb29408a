//! Rows as text, formatted in parallel.

use rayon::prelude::*;

use super::column::{Value, Values, rows};

/// Rows that one task formats.
const TASK_ROWS: usize = 4096;

/// The shortest decimal that reads back as the same number; nan, inf and -inf for the others.
pub fn number(value: f32, text: &mut Vec<u8>) {
    if value.is_finite() {
        serde_json::to_writer(text, &value).expect("a number goes into memory");
    } else {
        text.extend_from_slice(if value.is_nan() {
            b"nan"
        } else if value > 0.0 {
            b"inf"
        } else {
            b"-inf"
        });
    }
}

/// A number of either kind, as [`number`]; what is not finite goes between quotes.
pub fn value(value: Value, quote: &[u8], text: &mut Vec<u8>) {
    match value {
        Value::F32(value) if value.is_finite() => number(value, text),
        Value::F32(value) => {
            text.extend_from_slice(quote);
            number(value, text);
            text.extend_from_slice(quote);
        }
        Value::I64(value) => serde_json::to_writer(text, &value).expect("a number goes into memory"),
    }
}

/// The text of all rows, in order.
pub fn format_rows(
    columns: &[Values<'_>],
    row: impl Fn(&mut dyn Iterator<Item = Value>, &mut Vec<u8>) + Sync,
) -> Vec<Vec<u8>> {
    let rows = rows(columns);
    let tasks = rows.div_ceil(TASK_ROWS);
    (0..tasks)
        .into_par_iter()
        .map(|task| {
            let mut text = Vec::new();
            for index in task * TASK_ROWS..rows.min((task + 1) * TASK_ROWS) {
                row(&mut columns.iter().map(|column| column.get(index)), &mut text);
            }
            text
        })
        .collect()
}
