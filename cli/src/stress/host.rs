//! The other side of the protocol for shared libraries: a process that loads one and answers for it. It may crash.
#![allow(unsafe_code, reason = "functions of a library that nobody has checked")]

use std::ffi::{CString, c_char};
use std::io::{self, BufRead, Write};
use std::path::Path;

use libloading::{Library, Symbol};

use preflane_judge::Form;

use super::number::{Type, plain};
use super::subject::HELLO;
use super::task::Shape;
use crate::failure::Failure;

/// `preflane_stress_parameters` of the header. What stands after the first four came later.
#[repr(C)]
struct Parameters {
    beta: f64,
    label_smoothing: f64,
    tau: f64,
    gamma: f64,
    count: usize,
    names: *const *const c_char,
    values: *const f64,
}

/// What a batch's first line says of them, and what the C form points to.
struct Given {
    names: Vec<CString>,
    pointers: Vec<*const c_char>,
    values: Vec<f64>,
}

impl Given {
    fn new(head: &str) -> Self {
        let given = head.split_whitespace().filter_map(|word| word.split_once('='));
        let given = given.filter_map(|(name, value)| Some((CString::new(name).ok()?, value.parse::<f64>().ok()?)));
        let (names, values): (Vec<CString>, Vec<f64>) = given.unzip();
        Self { pointers: names.iter().map(|name| name.as_ptr()).collect(), names, values }
    }

    /// A parameter by its name; NaN if the loss has none of that name.
    fn named(&self, name: &str) -> f64 {
        let place = self.names.iter().position(|other| other.as_bytes() == name.as_bytes());
        place.map_or(f64::NAN, |place| self.values[place])
    }

    fn to_c(&self) -> Parameters {
        Parameters {
            beta: self.named("beta"),
            label_smoothing: self.named("label_smoothing"),
            tau: self.named("tau"),
            gamma: self.named("gamma"),
            count: self.values.len(),
            names: self.pointers.as_ptr(),
            values: self.values.as_ptr(),
        }
    }
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

/// Labelled answers of the header.
type Labelled<T> = unsafe extern "C" fn(
    usize,
    *const Parameters,
    *const T,
    *const T,
    *const T,
    *const i32,
    *mut T,
    *mut T,
    *mut T,
) -> i32;

/// Lists of answers of the header.
type Listed<T> =
    unsafe extern "C" fn(usize, usize, *const Parameters, *const T, *const T, *mut T, *mut T, *mut T) -> i32;

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
fn symbols(shape: Shape) -> [String; 2] {
    [Type::F32, Type::F64].map(|number| format!("preflane_stress_{}_{}", shape.word(), number.name()))
}

/// Answers batches on standard input until it ends.
pub fn serve(path: &Path, symbol: Option<&str>, shape: Shape) -> Result<(), Failure> {
    // SAFETY: the library's own code runs, as the user wants; should it misbehave, only this process ends.
    let library =
        unsafe { Library::new(path) }.map_err(|e| Failure::of_file(path, format!("cannot be loaded: {e}")))?;
    let names = symbol.map_or_else(|| symbols(shape).to_vec(), |name| vec![name.to_owned()]);
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
        answer::<f64>(&library, &name, shape, Type::F64)
    } else if name.ends_with(Type::F32.name()) {
        answer::<f32>(&library, &name, shape, Type::F32)
    } else {
        return Err(Failure::new(format!("--symbol {name}: its type is unknown; the name must end in _f32 or _f64")));
    };
    served.map_err(|e| Failure::of_file(path, e))
}

fn answer<T: Number>(library: &Library, name: &str, shape: Shape, number: Type) -> io::Result<()> {
    let (stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    let [hello, version] = HELLO;
    writeln!(stdout, "{hello} {version} {} {}", shape.word(), number.name())?;
    stdout.flush()?;
    let mut lines = stdin.lines();
    while let Some(head) = lines.next() {
        let (head, name) = (head?, name.as_bytes());
        let text = match shape {
            Shape::Sequences { .. } => {
                // SAFETY: the user vouches that the function has the header's signature.
                let function = unsafe { library.get(name) }.map_err(io::Error::other)?;
                answer_logits::<T>(&function, &head, &mut lines)?
            }
            Shape::Answers(Form::Pairwise) => {
                // SAFETY: likewise.
                let function = unsafe { library.get(name) }.map_err(io::Error::other)?;
                answer_pairs::<T>(&function, &head, &mut lines)?
            }
            Shape::Answers(Form::Labelled) => {
                // SAFETY: likewise.
                let function = unsafe { library.get(name) }.map_err(io::Error::other)?;
                answer_labelled::<T>(&function, &head, &mut lines)?
            }
            Shape::Answers(Form::Listed) => {
                // SAFETY: likewise.
                let function = unsafe { library.get(name) }.map_err(io::Error::other)?;
                answer_listed::<T>(&function, &head, &mut lines)?
            }
        };
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
    }
    Ok(())
}

type Lines<'a> = &'a mut dyn Iterator<Item = io::Result<String>>;

fn answer_pairs<T: Number>(function: &Symbol<Pairs<T>>, head: &str, lines: Lines) -> io::Result<String> {
    let pairs = field(head, 1)? as usize;
    let columns: [Vec<T>; 4] = columns(lines, pairs)?;
    let given = Given::new(head);
    let mut results = [const { Vec::new() }; 5];
    results.iter_mut().for_each(|result| *result = vec![T::UNTOUCHED; pairs]);
    let [pc, pr, rc, rr] = columns.each_ref().map(Vec::as_ptr);
    let [loss, by_pc, by_pr, by_rc, by_rr] = results.each_mut().map(Vec::as_mut_ptr);
    // SAFETY: all arrays have a number a pair and live until the call returns; the rest is the library's affair.
    let code = unsafe { function(pairs, &given.to_c(), pc, pr, rc, rr, loss, by_pc, by_pr, by_rc, by_rr) };
    Ok(if code == 0 { rows(&results, pairs) } else { format!("error code {code}\n") })
}

/// Rows as columns.
fn columns<T: Number, const N: usize>(lines: Lines, count: usize) -> io::Result<[Vec<T>; N]> {
    let mut columns = [const { Vec::new() }; N];
    for _ in 0..count {
        let row: Vec<f64> = numbers(lines)?;
        columns.iter_mut().zip(row).for_each(|(column, x)| column.push(T::of(x)));
    }
    Ok(columns)
}

fn answer_labelled<T: Number>(function: &Symbol<Labelled<T>>, head: &str, lines: Lines) -> io::Result<String> {
    let answers = field(head, 1)? as usize;
    let [labels, policy, reference, points]: [Vec<T>; 4] = columns(lines, answers)?;
    let labels: Vec<i32> = labels.into_iter().map(|label| label.wide() as i32).collect();
    let given = Given::new(head);
    let mut results = [const { Vec::new() }; 3];
    results.iter_mut().for_each(|result| *result = vec![T::UNTOUCHED; answers]);
    let [policy, reference, points] = [&policy, &reference, &points].map(|column| column.as_ptr());
    let [loss, by_policy, by_reference] = results.each_mut().map(Vec::as_mut_ptr);
    // SAFETY: all arrays have a number an answer and live until the call returns; the rest is the library's affair.
    let code = unsafe {
        let labels = labels.as_ptr();
        function(answers, &given.to_c(), policy, reference, points, labels, loss, by_policy, by_reference)
    };
    Ok(if code == 0 { rows(&results, answers) } else { format!("error code {code}\n") })
}

fn answer_listed<T: Number>(function: &Symbol<Listed<T>>, head: &str, lines: Lines) -> io::Result<String> {
    let [lists, answers] = [field(head, 1)? as usize, field(head, 2)? as usize];
    let (mut policy, mut reference) = (Vec::<T>::new(), Vec::<T>::new());
    for _ in 0..lists {
        let row: Vec<f64> = numbers(lines)?;
        let (of_policy, of_reference) = row.split_at(answers.min(row.len()));
        policy.extend(of_policy.iter().map(|x| T::of(*x)));
        reference.extend(of_reference.iter().map(|x| T::of(*x)));
    }
    let given = Given::new(head);
    let mut losses = vec![T::UNTOUCHED; lists];
    let [mut by_policy, mut by_reference] = [&policy, &reference].map(|x| vec![T::UNTOUCHED; x.len()]);
    // SAFETY: the arrays are as long as the header says and live until the call returns.
    let code = unsafe {
        function(
            lists,
            answers,
            &given.to_c(),
            policy.as_ptr(),
            reference.as_ptr(),
            losses.as_mut_ptr(),
            by_policy.as_mut_ptr(),
            by_reference.as_mut_ptr(),
        )
    };
    if code != 0 {
        return Ok(format!("error code {code}\n"));
    }
    let column = |by: &[T], k: usize| (0..lists).map(|row| by[row * answers + k]).collect();
    let mut results = vec![losses];
    results.extend((0..answers).map(|k| column(&by_policy, k)));
    results.extend((0..answers).map(|k| column(&by_reference, k)));
    Ok(rows(&results, lists))
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
    let mean = i32::from(Given::new(head).named("mean") == 1.0);
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

fn numbers(lines: Lines) -> io::Result<Vec<f64>> {
    let line = lines.next().ok_or_else(|| bad("a batch ends in its middle"))??;
    line.split_whitespace()
        .map(|word| word.parse().map_err(|_| bad("a row holds something else than numbers")))
        .collect()
}
