//! A monitor over a stream of tokens, as on a device or beside a running trainer: each pair is scored as its tokens come, in fixed
//! memory, and alarms are raised and cleared over the last pairs.
//!
//! ```sh
//! cargo run --release --example monitor
//! ```
//!
//! It prints, with the same digits on every machine:
//!
//! ```text
//! pair 115: Displacement raised at 0.5000
//! pair 142: KlK3 raised at 0.0200
//! pair 220: KlK3 cleared at 0.0096
//! pair 223: Displacement cleared at 0.2500
//!
//! all pairs:     300
//! loss           0.5298
//! accuracy       1.0000
//! chosen fell    0.3333
//! last 32 pairs: margin 0.3088
//! ```

use preflane::streaming::{Alarm, Evaluator, Limits, Monitor, Side, Threshold};
use preflane::{Error, Loss};

/// Pairs that the alarms look back on.
const WINDOW: usize = 32;

/// A stand-in for two models that answer: log-probabilities of tokens, by the policy and by the reference. In its middle third the
/// policy unlearns: it makes both answers less probable than the reference does, the rejected one more so. DPO's loss
/// likes that.
struct Stream {
    state: u32,
}

impl Stream {
    /// From 0 to 1.
    fn unit(&mut self) -> f32 {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.state >> 8) as f32 / (1 << 24) as f32
    }

    /// A token of an answer of pair `pair`.
    fn token(&mut self, pair: usize, side: Side) -> (f32, f32) {
        let reference = -0.5 - 3.0 * self.unit();
        let learnt = match (side, (100..200).contains(&pair)) {
            (Side::Chosen, false) => 0.08,
            (Side::Rejected, false) => -0.05,
            (Side::Chosen, true) => -0.06,
            (Side::Rejected, true) => -0.25,
        };
        (reference + learnt + 0.2 * (self.unit() - 0.5), reference)
    }
}

fn main() -> Result<(), Error> {
    // No alarm before the window holds 16 pairs. What lies between the two thresholds changes nothing.
    let limits = Limits::new(16)?
        .with(Alarm::Displacement, Threshold { raise: 0.5, clear: 0.25 })?
        .with(Alarm::KlK3, Threshold { raise: 0.02, clear: 0.01 })?;
    let mut evaluator = Evaluator::new(Loss::dpo(0.1)?);
    let mut monitor = Monitor::<WINDOW>::new();
    let mut stream = Stream { state: 1 };

    for pair in 0..300 {
        for side in [Side::Chosen, Side::Rejected] {
            evaluator.begin(side)?;
            for _ in 0..24 {
                let (policy, reference) = stream.token(pair, side);
                evaluator.token(policy, Some(reference))?;
            }
            // The pair's results come with the end of its second answer.
            let Some(scored) = evaluator.end(None)? else { continue };
            let changes = monitor.push(&scored, &limits);
            for alarm in Alarm::ALL {
                let statistic = monitor.window().statistic(alarm).unwrap_or(f32::NAN);
                if changes.raised.contains(alarm) {
                    println!("pair {pair:>3}: {alarm:?} raised at {statistic:.4}");
                }
                if changes.cleared.contains(alarm) {
                    println!("pair {pair:>3}: {alarm:?} cleared at {statistic:.4}");
                }
            }
        }
    }

    let report = monitor.metrics().report();
    println!();
    println!("all pairs:     {}", report.pairs);
    println!("loss           {:.4}", report.loss);
    println!("accuracy       {:.4}", report.rewards_accuracies);
    println!("chosen fell    {:.4}", report.chosen_fell.unwrap_or(f32::NAN));
    let window = monitor.window().report();
    println!("last {} pairs: margin {:.4}", window.pairs, window.rewards_margins.unwrap_or(f32::NAN));
    Ok(())
}
