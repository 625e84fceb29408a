//! Rows as text, formatted in parallel.

use rayon::prelude::*;

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

/// The text of all rows, in order.
pub fn format_rows(
    columns: &[&[f32]],
    row: impl Fn(&mut dyn Iterator<Item = f32>, &mut Vec<u8>) + Sync,
) -> Vec<Vec<u8>> {
    let rows = columns.first().map_or(0, |column| column.len());
    let tasks = rows.div_ceil(TASK_ROWS);
    (0..tasks)
        .into_par_iter()
        .map(|task| {
            let mut text = Vec::new();
            for index in task * TASK_ROWS..rows.min((task + 1) * TASK_ROWS) {
                row(&mut columns.iter().map(|column| column[index]), &mut text);
            }
            text
        })
        .collect()
}
