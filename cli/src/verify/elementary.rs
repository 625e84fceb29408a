//! The elementary functions: the nearest f32, at some millions of inputs or at all.

use std::sync::Mutex;

use preflane::Backend;
use preflane_conformance::{FUNCTIONS, Function};
use preflane_judge::elementary;
use preflane_judge::sweep::{CHUNKS, Candidate, Extent, sweep};

use super::Check;
use crate::progress::Progress;

/// One check a function.
pub fn checks(backends: &[Backend], full: bool) -> Vec<Check> {
    let extent = if full { Extent::Full } else { Extent::Stratified };
    let all = CHUNKS * FUNCTIONS.len() as u64;
    let progress = Mutex::new((Progress::of_steps("elementary functions", all), 0));
    let step = || {
        if let Ok(mut progress) = progress.lock() {
            progress.1 += 1;
            let done = progress.1;
            progress.0.update(done);
        }
    };
    FUNCTIONS.iter().map(|function| check(function, backends, extent, &step)).collect()
}

fn check(function: &Function, backends: &[Backend], extent: Extent, step: &(dyn Fn() + Sync)) -> Check {
    let name = function.name.to_owned();
    let Some(judge) = elementary::Function::named(function.name) else {
        return Check { name, cases: 0, found: String::new(), broken: vec!["the judge does not know it".into()] };
    };
    let runs: Vec<_> = (backends.iter())
        .map(|&backend| move |x: &[f32], out: &mut [f32]| (function.slice)(backend, x, out).expect("of one length"))
        .collect();
    let candidates: Vec<_> =
        (backends.iter().zip(&runs)).map(|(backend, run)| Candidate { name: backend.level().name(), run }).collect();
    match sweep(judge, &candidates, extent, step) {
        Ok(swept) => {
            let found = format!("all correctly rounded on {} levels", backends.len());
            Check { name, cases: swept.inputs, found, broken: Vec::new() }
        }
        Err(difference) => Check { name, cases: 1, found: "not so".into(), broken: vec![difference.to_string()] },
    }
}
