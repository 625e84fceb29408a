//! Two logs, word by word. Words that are numbers are the same if they stand for the same bits.

use anyhow::{Result, bail};

/// What was compared and found the same.
#[derive(Debug, Default, PartialEq)]
pub struct Same {
    pub lines: usize,
    pub numbers: usize,
}

/// A piece of a line.
#[derive(Debug, PartialEq)]
enum Word<'a> {
    Text(&'a str),
    Integer(u64),
    /// The bits of an `f32`: all results are. Their texts may differ where two of the fewest digits are equally near.
    Number(u32),
}

/// Compares the whole of both.
pub fn lines(expected: &[String], logged: &[String]) -> Result<Same> {
    let mut same = Same::default();
    for (line, (expected, logged)) in expected.iter().zip(logged).enumerate() {
        let (ours, theirs) = (words(expected), words(logged));
        if ours != theirs {
            let place = ours.iter().zip(&theirs).take_while(|(ours, theirs)| ours == theirs).count();
            let word = |line: &str| pieces(line).nth(place).unwrap_or("the end of the line").to_owned();
            bail!(
                "line {} differs: {} where this machine has {}\n  device: {logged}\n  here:   {expected}",
                line + 1,
                word(logged),
                word(expected)
            );
        }
        same.lines += 1;
        same.numbers += ours.iter().filter(|word| !matches!(word, Word::Text(_))).count();
    }
    if let Some(missing) = expected.get(logged.len()) {
        bail!(
            "the device logged {} lines of {}; the first that is missing:\n  {missing}",
            logged.len(),
            expected.len()
        );
    }
    if let Some(additional) = logged.get(expected.len()) {
        bail!(
            "the device logged {} lines where {} were due; the first too many:\n  {additional}",
            logged.len(),
            expected.len()
        );
    }
    Ok(same)
}

/// Names and numbers; what separates them; nothing left out.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let wordy = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    line.as_bytes()
        .chunk_by(move |&a, &b| wordy(a.into()) == wordy(b.into()))
        .map(|piece| std::str::from_utf8(piece).unwrap_or("not text"))
}

fn words(line: &str) -> Vec<Word<'_>> {
    pieces(line)
        .map(|piece| {
            if let Ok(integer) = piece.parse::<u64>() {
                Word::Integer(integer)
            } else if let Ok(number) = piece.parse::<f32>() {
                // There is one NaN only, and its sign is not printed.
                Word::Number(number.to_bits())
            } else {
                Word::Text(piece)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Same, lines};

    fn compare(expected: &[&str], logged: &[&str]) -> Result<Same, String> {
        let owned = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
        lines(&owned(expected), &owned(logged)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_same_numbers_in_another_layout() {
        let ours = ["pair 1: Pair { loss: 1e-6, margin: 1e16, k1: Some(-0.0) }"];
        let theirs = ["pair 1: Pair { loss: 0.000001, margin: 10000000000000000.0, k1: Some(-0.0) }"];
        assert_eq!(compare(&ours, &theirs), Ok(Same { lines: 1, numbers: 4 }));
    }

    #[test]
    fn digits_equally_near() {
        assert!(compare(&["-0.12695313"], &["-0.12695312"]).is_ok());
        assert!(compare(&["-0.12695313"], &["-0.12695314"]).is_err());
    }

    #[test]
    fn what_differs() {
        let ours = ["pair 1: loss 0.69314718"];
        for (theirs, says) in [
            ("pair 1: loss 0.69314724", "0.69314724"),
            ("pair 2: loss 0.69314718", "2"),
            ("pair 1: lost 0.69314718", "lost"),
            ("pair 1: loss 0.69314718 more", " "),
            ("pair 1: loss ", "the end of the line"),
            ("pair 1: loss NaN", "NaN"),
            ("pair 1: loss -0.69314718", "-0.69314718"),
        ] {
            let said = compare(&ours, &[theirs]).unwrap_err();
            assert!(said.starts_with(&format!("line 1 differs: {says} where")), "{said}");
        }
        assert!(compare(&["0.0"], &["-0.0"]).is_err());
    }

    #[test]
    fn lines_missing_or_too_many() {
        assert!(compare(&["a", "b"], &["a"]).unwrap_err().contains("1 lines of 2"));
        assert!(compare(&["a"], &["a", "b"]).unwrap_err().contains("2 lines where 1"));
    }
}
