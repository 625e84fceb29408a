//! The other side of the protocol for shared libraries: a process that loads one and answers for it. It may crash.
#![allow(unsafe_code, reason = "functions of a library that nobody has checked")]

use std::io::{self, BufRead, Write};
use std::path::Path;

use libloading::{Library, Symbol};

use super::number::{Type, plain};
use super::subject::HELLO;
use crate::failure::Failure;

/// `preflane_stress_parameters` of the header.
#[repr(C)]
struct Parameters {
    beta: f64,
    label_smoothing: f64,
    tau: f64,
    gamma: f64,
}

/// Pairs of the header, for a type of numbers.
type Pairs<T> = unsafe extern "C" fn(
    usize,
    *const Parameters,
    *const T,
    *const T,
    *const T,
    *const T,
    *mut T,
    *mut T,
    *mut T,
    *mut T,
    *mut T,
) -> i32;

/// Logits of the header.
type Logits<T> = unsafe extern "C" fn(usize, usize, usize, i32, *const T, *const i64, *mut T, *mut T) -> i32;

/// A number of the library's type, with the NaN that marks what was not written.
trait Number: Copy {
    const UNTOUCHED: Self;
    fn of(x: f64) -> Self;
    fn wide(self) -> f64;
    fn is_untouched(self) -> bool;
}

impl Number for f32 {
    const UNTOUCHED: Self = f32::from_bits(0x7fc5_a17e);
    fn of(x: f64) -> Self {
        x as f32
    }
    fn wide(self) -> f64 {
        self.into()
    }
    fn is_untouched(self) -> bool {
        self.to_bits() == Self::UNTOUCHED.to_bits()
    }
}

impl Number for f64 {
    const UNTOUCHED: Self = f64::from_bits(0x7ff8_5a17_e5a1_7e5a);
    fn of(x: f64) -> Self {
        x
    }
    fn wide(self) -> f64 {
        self
    }
    fn is_untouched(self) -> bool {
        self.to_bits() == Self::UNTOUCHED.to_bits()
    }
}

/// What the header's functions are called; the first that a library has is taken.
fn symbols(logits: bool) -> [String; 2] {
    let what = if logits { "logits" } else { "pairs" };
    [Type::F32, Type::F64].map(|number| format!("preflane_stress_{what}_{}", number.name()))
}

/// Answers batches on standard input until it ends.
pub fn serve(path: &Path, symbol: Option<&str>, logits: bool) -> Result<(), Failure> {
    // SAFETY: the library's own code runs, as the user wants; should it misbehave, only this process ends.
    let library =
        unsafe { Library::new(path) }.map_err(|e| Failure::of_file(path, format!("cannot be loaded: {e}")))?;
    let names = symbol.map_or_else(|| symbols(logits).to_vec(), |name| vec![name.to_owned()]);
    let mut found = None;
    for name in &names {
        // SAFETY: only whether it is there matters.
        if unsafe { library.get::<*const ()>(name.as_bytes()) }.is_ok() {
            found = Some(name.clone());
            break;
        }
    }
    let Some(name) = found else {
        return Err(Failure::of_file(path, format!("has no function {}", names.join(" and no "))));
    };
    let served = if name.ends_with(Type::F64.name()) {
        answer::<f64>(&library, &name, logits, Type::F64)
    } else if name.ends_with(Type::F32.name()) {
        answer::<f32>(&library, &name, logits, Type::F32)
    } else {
        return Err(Failure::new(format!("--symbol {name}: its type is unknown; the name must end in _f32 or _f64")));
    };
    served.map_err(|e| Failure::of_file(path, e))
}

fn answer<T: Number>(library: &Library, name: &str, logits: bool, number: Type) -> io::Result<()> {
    let (stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    let [hello, version] = HELLO;
    let what = if logits { "logits" } else { "pairs" };
    writeln!(stdout, "{hello} {version} {what} {}", number.name())?;
    stdout.flush()?;
    let mut lines = stdin.lines();
    while let Some(head) = lines.next() {
        let text = if logits {
            // SAFETY: the user vouches that the function has the header's signature.
            let function = unsafe { library.get(name.as_bytes()) }.map_err(io::Error::other)?;
            answer_logits::<T>(&function, &head?, &mut lines)?
        } else {
            // SAFETY: likewise.
            let function = unsafe { library.get(name.as_bytes()) }.map_err(io::Error::other)?;
            answer_pairs::<T>(&function, &head?, &mut lines)?
        };
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
    }
    Ok(())
}

type Lines<'a> = &'a mut dyn Iterator<Item = io::Result<String>>;

fn answer_pairs<T: Number>(function: &Symbol<Pairs<T>>, head: &str, lines: Lines) -> io::Result<String> {
    let pairs = field(head, 1)? as usize;
    let mut columns = [const { Vec::new() }; 4];
    for _ in 0..pairs {
        let row: Vec<f64> = numbers(lines)?;
        columns.iter_mut().zip(row).for_each(|(column, x)| column.push(T::of(x)));
    }
    let named = |name| parameter(head, name).unwrap_or(f64::NAN);
    let parameters = Parameters {
        beta: named("beta"),
        label_smoothing: named("label_smoothing"),
        tau: named("tau"),
        gamma: named("gamma"),
    };
    let mut results = [const { Vec::new() }; 5];
    results.iter_mut().for_each(|result| *result = vec![T::UNTOUCHED; pairs]);
    let [pc, pr, rc, rr] = columns.each_ref().map(Vec::as_ptr);
    let [loss, by_pc, by_pr, by_rc, by_rr] = results.each_mut().map(Vec::as_mut_ptr);
    // SAFETY: all arrays have a number a pair and live until the call returns; the rest is the library's affair.
    let code = unsafe { function(pairs, &parameters, pc, pr, rc, rr, loss, by_pc, by_pr, by_rc, by_rr) };
    Ok(if code == 0 { rows(&results, pairs) } else { format!("error code {code}\n") })
}

fn answer_logits<T: Number>(function: &Symbol<Logits<T>>, head: &str, lines: Lines) -> io::Result<String> {
    let [sequences, positions, vocabulary] =
        [field(head, 1)? as usize, field(head, 2)? as usize, field(head, 3)? as usize];
    let (mut logits, mut labels) = (Vec::<T>::new(), Vec::new());
    for _ in 0..sequences {
        let row: Vec<f64> = numbers(lines)?;
        let (label, logit) = row.split_at(positions.min(row.len()));
        labels.extend(label.iter().map(|label| *label as i64));
        logits.extend(logit.iter().map(|x| T::of(*x)));
    }
    let mean = i32::from(parameter(head, "mean") == Some(1.0));
    let mut logps = vec![T::UNTOUCHED; sequences];
    let mut gradients = vec![T::UNTOUCHED; logits.len()];
    // SAFETY: the arrays are as long as the header says and live until the call returns.
    let code = unsafe {
        function(
            sequences,
            positions,
            vocabulary,
            mean,
            logits.as_ptr(),
            labels.as_ptr(),
            logps.as_mut_ptr(),
            gradients.as_mut_ptr(),
        )
    };
    if code != 0 {
        return Ok(format!("error code {code}\n"));
    }
    let per_row = positions * vocabulary;
    let mut results = vec![logps];
    results.extend((0..per_row).map(|k| (0..sequences).map(|row| gradients[row * per_row + k]).collect()));
    Ok(rows(&results, sequences))
}

/// A line a row. What was written in no row was not computed.
fn rows<T: Number>(results: &[Vec<T>], count: usize) -> String {
    let computed: Vec<bool> = results.iter().map(|result| !result.iter().all(|x| x.is_untouched())).collect();
    let mut text = String::new();
    for row in 0..count {
        let words: Vec<String> = (results.iter().zip(&computed))
            .map(|(result, computed)| if *computed { plain(result[row].wide()) } else { "-".to_owned() })
            .collect();
        text += &words.join(" ");
        text.push('\n');
    }
    text
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// A number of the first line, by its place.
fn field(head: &str, place: usize) -> io::Result<u64> {
    head.split_whitespace()
        .nth(place)
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| bad("a batch's first line lacks a size"))
}

/// A number of the first line, by its name.
fn parameter(head: &str, name: &str) -> Option<f64> {
    head.split_whitespace().filter_map(|word| word.split_once('=')).find(|(key, _)| *key == name)?.1.parse().ok()
}

fn numbers(lines: Lines) -> io::Result<Vec<f64>> {
    let line = lines.next().ok_or_else(|| bad("a batch ends in its middle"))??;
    line.split_whitespace()
        .map(|word| word.parse().map_err(|_| bad("a row holds something else than numbers")))
        .collect()
}
