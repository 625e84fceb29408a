//! Pairs with any of the losses, from log-probabilities or rows of logits.
#![no_std]
#![no_main]

use core::hint::black_box;
use preflane::Error;
use preflane::logits::Scaling;
use preflane::streaming::{Evaluator, Side};
use preflane_example_footprint::{any_loss, pair};

fn run() -> Result<(), Error> {
    let mut evaluator = Evaluator::new(any_loss()?);
    let row = black_box([0.5_f32, -1.0, 2.0]);
    loop {
        evaluator.begin(Side::Chosen)?;
        evaluator.logits(&row, black_box(1), &Scaling::NONE, black_box(Some(-1.5)))?;
        evaluator.abandon();
        let _ = black_box(pair(&mut evaluator)?);
    }
}

#[preflane_example_footprint::entry]
fn main() -> ! {
    loop {
        let _ = black_box(run());
    }
}
