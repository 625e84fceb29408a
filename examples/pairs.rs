//! Preference pairs from slices: the loss, the implicit rewards and the gradient of each, and a report of all.
//!
//! ```sh
//! cargo run --release --example pairs
//! ```
//!
//! It prints, with the same digits on every machine:
//!
//! ```text
//! pair  loss    chosen   rejected  margin   dL/d(policy chosen)
//! 0     0.6326  +0.0500  -0.0750   +0.1250  -0.0469
//! 1     0.8401  -0.1250  +0.1500   -0.2750  -0.0568
//! 2     0.5334  -0.1000  -0.4500   +0.3500  -0.0413
//! 3     0.6685  +0.0750  +0.0250   +0.0500  -0.0488
//! 4     0.5651  +0.0500  -0.2250   +0.2750  -0.0432
//! 5     0.6931  +0.0500  +0.0500   +0.0000  -0.0500
//!
//! loss                0.655455
//! rewards/accuracies  0.666667
//! rewards/margins     0.087500
//! chosen fell         0.333333
//! both fell           0.166667
//! ```

use preflane::{Error, Loss, Pairs, Run};

fn main() -> Result<(), Error> {
    // Log-probabilities of whole answers in nats, one row a pair: each the sum over an answer's tokens.
    let policy_chosen = [-12.50, -30.25, -41.00, -8.75, -22.00, -19.50];
    let policy_rejected = [-14.00, -28.00, -47.50, -9.00, -25.25, -19.75];
    let ref_chosen = [-13.00, -29.00, -40.00, -9.50, -22.50, -20.00];
    let ref_rejected = [-13.25, -29.50, -43.00, -9.25, -23.00, -20.25];

    let pairs = Pairs::new(&policy_chosen, &policy_rejected, &ref_chosen, &ref_rejected);
    let scores = Run::default().score(&Loss::dpo(0.1)?, pairs)?;

    println!("pair  loss    chosen   rejected  margin   dL/d(policy chosen)");
    for i in 0..pairs.len() {
        println!(
            "{i}     {:.4}  {:+.4}  {:+.4}   {:+.4}  {:+.4}",
            scores.losses[i],
            scores.chosen_rewards[i],
            scores.rejected_rewards[i],
            scores.margins[i],
            scores.grad_chosen_logps[i],
        );
    }

    // Under TRL's names; sums and means are exact and rounded once, so that no order of the pairs changes them.
    let report = scores.report();
    println!();
    println!("loss                {:.6}", report.loss);
    println!("rewards/accuracies  {:.6}", report.rewards_accuracies);
    println!("rewards/margins     {:.6}", report.rewards_margins);
    println!("chosen fell         {:.6}", report.chosen_fell.unwrap_or(f32::NAN));
    println!("both fell           {:.6}", report.both_fell.unwrap_or(f32::NAN));
    Ok(())
}
