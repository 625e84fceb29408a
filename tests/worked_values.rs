//! Worked values of the formulas, from the literature's definitions in 30-digit arithmetic.

use std::f64::consts::LN_2;

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

/// Two segments: the derivations of the formulas' files.
#[test]
fn segments() {
    let with = |loss: &Loss, u: f32, v: f32, column: Option<f32>| {
        let (chosen, rejected, column) = ([u], [v], column.map(|x| [x]));
        let pairs = Pairs::reference_free(&chosen, &rejected);
        let pairs = Pairs { column: column.as_ref().map(|x| &x[..]), ..pairs };
        let mut results = [[0.0]; 3];
        let [a, b, c] = results.each_mut();
        let outputs =
            Outputs { losses: Some(a), grad_chosen_logps: Some(b), grad_rejected_logps: Some(c), ..Default::default() };
        Run::default().evaluate(loss, pairs, outputs, None).unwrap();
        results.map(|[x]| x)
    };
    // The scores are rounded to f32 before.
    let near = |got: f32, want: f64| assert!((f64::from(got) - want).abs() < 1e-7, "got {got:e}, want {want:e}");
    let cpl = Loss::cpl(1.0, 0.5).unwrap();
    let [half, by_u, by_v] = with(&cpl, -0.7, -1.2, Some(0.5));
    near(half, 0.975130864258);
    near(by_u, -0.0873478081210);
    near(by_v, -0.219038774367);
    near(with(&cpl, -0.7, -1.2, Some(1.0))[0], 0.744396660074);
    near(with(&cpl, -0.7, -1.2, Some(0.0))[0], 1.20586506844);
    for y in [0.0, 0.25, 1.0] {
        close(with(&Loss::partial_return().unwrap(), -2.0, -2.0, Some(y))[0], LN_2);
    }
    let regret = Loss::regret().unwrap();
    close(with(&regret, 1.0, 0.0, Some(1.0))[0], 1.3132616875182228);
    close(with(&regret, 1.0, 0.0, Some(1.0))[1], 1.0 - 0.2689414213699951);
    close(with(&regret, 1.0, 0.0, Some(0.0))[0], 0.31326168751822286);
    let dppo = Loss::dppo(0.1, 0.5).unwrap();
    let mean: f32 = [(0.2, 0.35), (0.2, 0.5), (0.35, 0.5)].map(|(u, v)| with(&dppo, u, v, None)[0]).iter().sum();
    near(mean / 3.0, 0.871092697192);
    // Where quotients of exponentials are 0/0.
    assert_eq!(with(&dppo, 40.0, 20.0, None), [300.0, 10.0, -5.0]);
}
