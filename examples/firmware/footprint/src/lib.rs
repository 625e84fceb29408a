//! What the images share: start-up, and input that the compiler cannot foresee.
#![no_std]

pub mod clock;
pub mod stack;

use core::hint::black_box;
use preflane::losses::{Cdpo, Dpo, Ipo, OneOf};
use preflane::streaming::{Evaluator, Scored, Side};
use preflane::{Error, PairLoss};

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;

/// A device's own set of losses.
pub type Three = OneOf<Dpo, OneOf<Cdpo, Ipo>>;

/// One of the set, chosen while the program runs.
///
/// # Errors
/// The library's.
pub fn any_loss() -> Result<Three, Error> {
    let (beta, label_smoothing) = (black_box(0.1), black_box(0.1));
    match black_box(0_u32) {
        0 => Dpo::new(beta).map(OneOf::First),
        1 => Cdpo::new(beta, label_smoothing).map(|loss| OneOf::Second(OneOf::First(loss))),
        _ => Ipo::new(beta).map(|loss| OneOf::Second(OneOf::Second(loss))),
    }
}

/// A pair of two tokens an answer.
///
/// # Errors
/// The library's.
#[inline(always)]
pub fn pair<L: PairLoss>(evaluator: &mut Evaluator<L>) -> Result<Option<Scored>, Error> {
    let mut scored = None;
    for side in [Side::Chosen, Side::Rejected] {
        evaluator.begin(side)?;
        for _ in 0..black_box(2) {
            evaluator.token(black_box(-1.0), black_box(Some(-1.5)))?;
        }
        scored = evaluator.end(black_box(None))?;
    }
    Ok(scored)
}

/// No image has one to offer: a run that comes here fails.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    semihosting::process::ExitCode::FAILURE.exit_process()
}
