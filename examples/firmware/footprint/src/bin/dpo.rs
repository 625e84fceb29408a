//! Pairs with one loss that is known at compile time.
#![no_std]
#![no_main]

use core::hint::black_box;
use preflane::Error;
use preflane::losses::Dpo;
use preflane::streaming::Evaluator;
use preflane_example_footprint::pair;

fn run() -> Result<(), Error> {
    let mut evaluator = Evaluator::new(Dpo::new(black_box(0.1))?);
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
