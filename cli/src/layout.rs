//! What reports are made of: numbers in columns, counts, shares, paragraphs.

use anstyle::{AnsiColor, Style};

use crate::output::number;

/// The width of a report.
pub const WIDTH: usize = 80;
/// A column of numbers.
pub const COLUMN: usize = 20;
/// Its part before the decimal point.
const BEFORE_POINT: usize = 10;

/// A heading.
pub const HEADING: Style = Style::new().bold();
/// What stands beside the matter.
pub const QUIET: Style = Style::new().dimmed();
/// What deserves a look.
pub const WATCH: Style = AnsiColor::Yellow.on_default().bold();

/// A number in its shortest form.
pub fn short(value: f32) -> String {
    let mut text = Vec::new();
    number(value, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A number in a column, its decimal point below that of the others.
pub fn aligned(number: &str) -> String {
    let end = number.find(['.', 'e', ' ']).unwrap_or(number.len());
    let (before, after) = number.split_at(end);
    format!("{before:>BEFORE_POINT$}{after:<width$}", width = COLUMN - BEFORE_POINT)
}

/// A remark beside a number.
pub fn quiet(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{QUIET}{text}{QUIET:#}") }
}

/// A part of all in percent.
pub fn percent(count: u64, all: u64) -> String {
    let share = 100.0 * count as f64 / all.max(1) as f64;
    match count {
        0 => "0 %".to_owned(),
        _ if share < 0.1 => "< 0.1 %".to_owned(),
        _ if count < all && share > 99.9 => "> 99.9 %".to_owned(),
        _ => format!("{share:.1} %"),
    }
}

/// A count with its noun, which takes an s.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A number to some digits, without zeros at its end.
pub fn rough(value: f64, significant: i32) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e6).contains(&magnitude) {
        let digits = (significant - 1 - magnitude.log10().floor() as i32).max(0) as usize;
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        let text = format!("{value:.2e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
        format!("{digits}e{exponent}")
    }
}

/// Text in lines of the report's width, each indented.
pub fn wrap(text: &str, indent: &str) -> String {
    fold(text, indent, indent, WIDTH)
}

/// Text after a title, its lines of some width, each indented as far as the title reaches.
pub fn wrapped(text: &str, title: &str, width: usize) -> String {
    fold(text, title, &" ".repeat(title.chars().count()), width)
}

/// Text in lines, the first after a title and the others indented.
fn fold(text: &str, title: &str, indent: &str, width: usize) -> String {
    let mut text_of_all = String::new();
    let (mut line, mut length, mut is_empty) = (title.to_owned(), title.chars().count(), true);
    for word in text.split_whitespace() {
        let more = word.chars().count();
        if !is_empty && length + 1 + more > width {
            text_of_all += &line;
            text_of_all.push('\n');
            (line, length, is_empty) = (indent.to_owned(), indent.chars().count(), true);
        }
        if !is_empty {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        (length, is_empty) = (length + more, false);
    }
    text_of_all + &line
}
