//! Worked values of the formulas, from the literature's definitions in 30-digit arithmetic.

use preflane::*;

fn close(got: f32, want: f64) {
    let want32 = want as f32;
    assert!(
        got == want32 || (f64::from(got) - want).abs() < 1e-11 * want.abs(),
        "got {got:e}, want {want32:e} (nearest to {want:e})"
    );
}

const PC: f32 = -12.5;
const PR: f32 = -14.0;
const REFERENCE: Option<(f32, f32)> = Some((-13.0, -13.25));

#[test]
fn one_pair_under_every_loss() {
    let dpo = evaluate_pair(&Loss::dpo(0.1).unwrap(), PC, PR, REFERENCE);
    close(dpo.loss, 0.632599035317);
    close(dpo.chosen_reward, 0.05);
    close(dpo.rejected_reward, -0.075);
    close(dpo.margin, 0.125);
    close(dpo.grad_chosen_logps, -0.0468790626626);
    close(dpo.grad_rejected_logps, 0.0468790626626);
    close(dpo.grad_ref_chosen_logps, 0.0468790626626);
    close(dpo.grad_ref_rejected_logps, -0.0468790626626);
    close(dpo.grad_beta, -0.0468790626626 * 12.5);
    close(evaluate_pair(&Loss::cdpo(0.1, 0.1).unwrap(), PC, PR, REFERENCE).loss, 0.645099035317);
    close(evaluate_pair(&Loss::robust(0.1, 0.1).unwrap(), PC, PR, REFERENCE).loss, 0.616974035317);
    let ipo = evaluate_pair(&Loss::ipo(0.1).unwrap(), PC, PR, REFERENCE);
    close(ipo.loss, 14.0625);
    close(ipo.grad_chosen_logps, -7.5);
    close(evaluate_pair(&Loss::dpo(0.1).unwrap(), PC, PR, None).loss, 0.62095704779);
}
