//! Pairs with a set of three losses.
#![no_std]
#![no_main]

use core::hint::black_box;
use preflane::Error;
use preflane::streaming::Evaluator;
use preflane_example_footprint::{any_loss, pair};

fn run() -> Result<(), Error> {
    let mut evaluator = Evaluator::new(any_loss()?);
    loop {
        let _ = black_box(pair(&mut evaluator)?);
    }
}

#[preflane_example_footprint::entry]
fn main() -> ! {
    loop {
        let _ = black_box(run());
    }
}
