//! What a run costs: size of the state, depth of the stack, instructions. Prints `NAME VALUE`, one a line.
#![no_std]
#![no_main]

use core::hint::black_box;
use preflane::Error;
use preflane::logits::Scaling;
use preflane::losses::{Cdpo, Dpo, Hinge, Ipo, OneOf, Robust, SimPo};
use preflane::streaming::storage::{RECORD_OVERHEAD, Slots};
use preflane::streaming::{Alarm, Evaluator, Limits, Monitor, Scored, Side, Threshold};
use preflane_example_evaluation::{Memory, PAIRS};
use preflane_example_footprint::clock::Clock;
use preflane_example_footprint::stack::{called, depth, pointer};
use semihosting::println;
use semihosting::process::ExitCode;

const WINDOW: usize = 32;
const RECORD: usize = Monitor::<WINDOW>::BYTES + RECORD_OVERHEAD;

/// Values that meet in every combination: ordinary ones; ones that cancel, so that a row goes to 384 bits; the ends of
/// the range; what is not finite.
const VALUES: [f32; 8] = [-12.5, -14.0, 0.0, -1e-30, 1e30, -3.4e38, f32::NEG_INFINITY, f32::NAN];

/// The losses that are defined by their operations: what a device is likely to choose from. What needs most stack stands first, for each that
/// follows is a call deeper.
type Set = OneOf<Robust, OneOf<Cdpo, OneOf<Dpo, OneOf<Ipo, OneOf<Hinge, SimPo>>>>>;

fn dpo() -> Result<Set, Error> {
    Dpo::new(0.1).map(|loss| OneOf::Second(OneOf::Second(OneOf::First(loss))))
}

/// Each with everyday parameters.
fn losses() -> [Result<Set, Error>; 6] {
    use OneOf::{First, Second};
    [
        dpo(),
        Cdpo::new(0.1, 0.1).map(|loss| Second(First(loss))),
        Robust::new(0.1, 0.1).map(First),
        Ipo::new(0.1).map(|loss| Second(Second(Second(First(loss))))),
        Hinge::new(0.1).map(|loss| Second(Second(Second(Second(First(loss)))))),
        SimPo::new(0.1, 0.5).map(|loss| Second(Second(Second(Second(Second(loss)))))),
    ]
}

#[inline(never)]
fn token(evaluator: &mut Evaluator<Set>, policy: f32, reference: Option<f32>) -> Result<(), Error> {
    evaluator.token(policy, reference)
}

#[inline(never)]
fn end(evaluator: &mut Evaluator<Set>, reference: Option<f32>) -> Result<Option<Scored>, Error> {
    evaluator.end(reference)
}

/// A pair of one token an answer, and the stack pointer where it was scored.
#[inline(never)]
fn one(evaluator: &mut Evaluator<Set>, [pc, pr, rc, rr]: [f32; 4]) -> Result<(usize, Option<Scored>), Error> {
    evaluator.begin(Side::Chosen)?;
    token(evaluator, pc, Some(rc))?;
    end(evaluator, None)?;
    evaluator.begin(Side::Rejected)?;
    token(evaluator, pr, Some(rr))?;
    let called_at = pointer();
    Ok((called_at, end(evaluator, None)?))
}

/// All combinations of the values, and pairs at the zeros of losses and gradients.
fn adversarial(evaluator: &mut Evaluator<Set>) -> Result<usize, Error> {
    let n = VALUES.len();
    let mut called_at = 0;
    for row in 0..n.pow(4) {
        let value = |place: u32| VALUES[row / n.pow(place) % n];
        called_at = black_box(one(evaluator, [value(0), value(1), value(2), value(3)])?).0;
    }
    // The differences 1/(2 beta), 1/beta and ln(9)/beta, where losses cancel or bend.
    for margin in [5.0, 10.0, 21.972_246, -21.972_246] {
        called_at = black_box(one(evaluator, [margin - 1.0, -2.0, -1.0, -2.0])?).0;
    }
    Ok(called_at)
}

fn state() {
    println!("state_evaluator {}", size_of::<Evaluator<Set>>());
    println!("state_monitor {}", size_of::<Monitor<WINDOW>>());
    println!("state_window_row {}", size_of::<Monitor<WINDOW>>() - size_of::<Monitor<{ WINDOW - 1 }>>());
    println!("state_scored {}", size_of::<Scored>());
    println!("state_saved {}", Monitor::<WINDOW>::BYTES);
}

fn limits() -> Result<Limits, Error> {
    let mut limits = Limits::new(1)?;
    for alarm in Alarm::ALL {
        limits = limits.with(alarm, Threshold { raise: 0.5, clear: 0.5 })?;
    }
    Ok(limits)
}

fn stacks() -> Result<(), Error> {
    let limits = limits()?;
    let mut monitor = Monitor::<WINDOW>::new();
    let mut evaluator = Evaluator::new(dpo()?);
    let mut last = None;
    println!(
        "stack_ordinary {}",
        depth(|| {
            let (called_at, scored) = one(&mut evaluator, black_box([-12.5, -14.0, -13.0, -13.25])).unwrap_or_default();
            last = scored;
            called_at
        })
    );
    let mut most = 0;
    for loss in losses() {
        let mut evaluator = Evaluator::new(loss?);
        most = most.max(depth(|| adversarial(&mut evaluator).unwrap_or_default()));
    }
    println!("stack_pairs {}", most);
    if let Some(scored) = &last {
        println!("stack_push {}", depth(|| called(|| monitor.push(scored, &limits))));
        println!("stack_reports {}", depth(|| called(|| (monitor.metrics().report(), monitor.window().report()))));
    }
    let row = black_box([0.5_f32, -1.0, 2.0, -0.25]);
    evaluator.begin(Side::Chosen)?;
    println!("stack_logits {}", depth(|| called(|| evaluator.logits(&row, 1, &Scaling::NONE, Some(-1.0)))));
    let mut record = [0; RECORD];
    if let Ok((mut slots, _)) = Slots::open(Memory::<RECORD>::new(), &mut monitor, &mut record) {
        println!("stack_save {}", depth(|| called(|| slots.save(&monitor, &mut record))));
    }
    if let Some(saved) = monitor.save(&mut record).ok().and_then(|length| record.get(..length)) {
        println!("stack_restore {}", depth(|| called(|| monitor.restore(saved))));
    }
    Ok(())
}

/// Instructions, over all pairs in flash.
fn instructions(clock: &mut Clock) -> Result<(), Error> {
    let limits = limits()?;
    let (mut tokens, mut in_tokens, mut in_pairs, mut in_pushes) = (0_u32, 0_u64, 0_u64, 0_u64);
    let mut evaluator = Evaluator::new(black_box(dpo()?));
    let mut monitor = Monitor::<WINDOW>::new();
    for pair in &PAIRS {
        let mut scored = None;
        for (side, answer) in [(Side::Chosen, &pair.chosen), (Side::Rejected, &pair.rejected)] {
            evaluator.begin(side)?;
            for (&policy, &reference) in answer.policy.iter().zip(answer.reference) {
                in_tokens +=
                    clock.instructions(|| token(&mut evaluator, black_box(policy), black_box(Some(reference))));
                tokens += 1;
            }
            in_pairs += clock.instructions(|| scored = end(&mut evaluator, None).ok().flatten());
        }
        if let Some(scored) = &scored {
            in_pushes += clock.instructions(|| monitor.push(scored, &limits));
        }
    }
    println!("instructions_token {}", in_tokens / u64::from(tokens));
    println!("instructions_pair {}", in_pairs / PAIRS.len() as u64);
    println!("instructions_push {}", in_pushes / PAIRS.len() as u64);
    let row = black_box([0.5_f32; 256]);
    evaluator.begin(Side::Chosen)?;
    let in_row = clock.instructions(|| evaluator.logits(&row, 1, &Scaling::NONE, Some(-1.0)));
    println!("instructions_logit {}", in_row / row.len() as u64);
    Ok(())
}

#[preflane_example_footprint::entry]
fn main() -> ! {
    state();
    let done = Clock::new().map(|mut clock| stacks().and_then(|()| instructions(&mut clock)).is_ok());
    if done == Some(true) { ExitCode::SUCCESS } else { ExitCode::FAILURE }.exit_process()
}
