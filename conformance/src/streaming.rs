//! Pairs token by token, through a monitor and its bytes.

use preflane::streaming::{Alarm, Answer, Evaluator, Limits, Monitor, Scored, Side, Threshold};
use preflane::{Error, Loss};

use crate::Hasher;
use crate::inputs::Rows;

/// Pairs in the window.
const WINDOW: usize = 9;

/// Hashes what a family comes to. Answer `i` has the log-probabilities of one to four rows from `i` on as its tokens.
pub fn hash(rows: &Rows, hasher: &mut Hasher) -> Result<(), Error> {
    let limits = Limits::new(4)?
        .with(Alarm::Displacement, Threshold { raise: 0.5, clear: 0.25 })?
        .with(Alarm::MarginCollapse, Threshold { raise: -1.0, clear: 1.0 })?
        .with(Alarm::KlK3, Threshold { raise: 2.0, clear: 1.0 })?;
    let mut evaluator = Evaluator::new(Loss::dpo(0.1)?);
    let mut monitor = Monitor::<WINDOW>::new();
    for first in 0..rows.len {
        for (side, tokens) in [(Side::Rejected, 1 + first % 4), (Side::Chosen, 1 + first % 3)] {
            evaluator.begin(side)?;
            for token in first..first + tokens {
                let row = rows.row(token % rows.len);
                let (policy, reference) = match side {
                    Side::Chosen => (row.policy_chosen, row.ref_chosen),
                    Side::Rejected => (row.policy_rejected, row.ref_rejected),
                };
                evaluator.token(policy, Some(reference))?;
            }
            if let Some(scored) = evaluator.end(None)? {
                pair(&scored, hasher);
                let changes = monitor.push(&scored, &limits);
                for alarm in Alarm::ALL {
                    hasher.integer(changes.raised.contains(alarm).into());
                    hasher.integer(changes.cleared.contains(alarm).into());
                    hasher.option(monitor.window().statistic(alarm));
                }
                hasher.option(monitor.window().quantile(0.3));
            }
        }
    }
    hasher.metrics(monitor.metrics());
    let mut bytes = [0; Monitor::<WINDOW>::BYTES];
    let length = monitor.save(&mut bytes)?;
    bytes.iter().take(length).for_each(|&byte| hasher.integer(byte.into()));
    Ok(())
}

fn pair(scored: &Scored, hasher: &mut Hasher) {
    let pair = &scored.pair;
    let values = [
        pair.loss,
        pair.chosen_reward,
        pair.rejected_reward,
        pair.margin,
        pair.grad_chosen_logps,
        pair.grad_rejected_logps,
        pair.grad_beta,
    ];
    values.into_iter().for_each(|value| hasher.float(value));
    for Answer { tokens, logps, reference } in [scored.chosen, scored.rejected] {
        hasher.integer(tokens.into());
        hasher.float(logps);
        hasher.option(reference.map(|reference| reference.logps));
        let drift = reference.and_then(|reference| reference.drift);
        hasher.option(drift.map(|drift| drift.k1));
        hasher.option(drift.map(|drift| drift.k3));
    }
}
