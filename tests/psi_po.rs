//! Psi-PO (Azar et al. 2023): the paper's optimum, and what training with the library's gradients converges to on its bandits.
//! The values are derived by hand from the optimum, worked out in 9 digits.

use preflane::listed::ListScratch;
use preflane::psi_po::{Psi, optimum};
use preflane::{Error, Loss, Outputs, Pairs, Run};

/// Of tau: the sigmoid of 1/(2 tau), the optimum of IPO over three answers in a total order, and the third's share where the first two are
/// as good as each other and only one was ever compared with it.
const WORKED: [(f64, f64, [f64; 3], f64); 5] = [
    (0.1, 0.993307149, [0.964369789, 0.034402921, 0.001227290], 0.003357662),
    (0.5, 0.731058579, [0.562741686, 0.288921215, 0.148337098], 0.155362403),
    (1.0, 0.622459331, [0.448440864, 0.321321920, 0.230237216], 0.232696538),
    (2.0, 0.562176501, [0.390165788, 0.330268209, 0.279566003], 0.280265065),
    (5.0, 0.524979187, [0.355785750, 0.332840054, 0.311374196], 0.311493309),
];

fn best(psi: Psi, preferences: &[f32], behaviour: &[f32], reference: &[f32], tau: f64) -> Result<Vec<f32>, Error> {
    let n = behaviour.len();
    let (mut policy, mut scratch) = (vec![0.0; n], vec![ListScratch::default(); n]);
    optimum(psi, preferences, behaviour, reference, tau, &mut policy, &mut scratch).map(|()| policy)
}

const IN_ORDER: [f32; 9] = [0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.5];

#[test]
fn worked_optima() {
    for (tau, two, three, _) in WORKED {
        let of_two = best(Psi::Identity, &[0.5, 1.0, 0.0, 0.5], &[1.0; 2], &[1.0; 2], tau).unwrap();
        let of_three = best(Psi::Identity, &IN_ORDER, &[1.0; 3], &[0.25; 3], tau).unwrap();
        for (got, want) in of_two.iter().chain(&of_three).zip([two, 1.0 - two].iter().chain(&three)) {
            assert!((f64::from(*got) - want).abs() < 6e-10 + 6e-8 * want, "{got} {want}");
        }
        // Any function; an answer that the reference never gives; weights that do not add up to 1.
        assert_eq!(of_three, best(Psi::Of(|p| p), &IN_ORDER, &[2.0; 3], &[7.0; 3], tau).unwrap());
        let without = best(Psi::Identity, &IN_ORDER, &[1.0; 3], &[1.0, 0.0, 1.0], tau).unwrap();
        assert_eq!(without[1], 0.0);
        assert!((without[0] + without[2] - 1.0).abs() < 1e-7);
    }
    // However little regularisation there is.
    assert_eq!(best(Psi::Identity, &IN_ORDER, &[1.0; 3], &[1.0; 3], 1e-300).unwrap(), [1.0, 0.0, 0.0]);
    assert_eq!(best(Psi::Identity, &IN_ORDER, &[1.0; 3], &[1.0; 3], 1e300).unwrap(), [1.0 / 3.0; 3]);
    assert_eq!(best(Psi::Identity, &[], &[], &[], 1.0).unwrap(), []);
}

/// With the logit and preferences of a Bradley-Terry model it is the optimum of RLHF: reference times `e^(reward/tau)`.
#[test]
fn the_logit_is_rlhf() {
    let rewards = [1.25, -0.5, 0.0, 2.0];
    let reference = [0.1_f32, 0.2, 0.3, 0.4];
    let preferences: Vec<f32> =
        rewards.iter().flat_map(|a| rewards.iter().map(move |b| (1.0 / (1.0 + f64::exp(b - a))) as f32)).collect();
    for behaviour in [[1.0; 4], [0.1, 0.0, 0.0, 3.0]] {
        let got = best(Psi::Logit, &preferences, &behaviour, &reference, 0.7).unwrap();
        let terms: Vec<f64> = rewards.iter().zip(reference).map(|(r, p)| f64::from(p) * (r / 0.7_f64).exp()).collect();
        for (got, term) in got.iter().zip(&terms) {
            let want = term / terms.iter().sum::<f64>();
            // Preferences are of f32.
            assert!((f64::from(*got) / want - 1.0).abs() < 1e-6, "{got} {want}");
        }
    }
}

#[test]
fn refused() {
    let refused = |psi, preferences: &[f32], behaviour: &[f32], tau| {
        best(psi, preferences, behaviour, &[1.0; 2], tau).unwrap_err().to_string()
    };
    let right = [0.5, 0.75, 0.25, 0.5];
    assert!(refused(Psi::Identity, &right[..3], &[1.0; 2], 1.0).contains("preferences has 3 elements where 4"));
    assert!(refused(Psi::Identity, &right, &[1.0; 2], 0.0).contains("tau is 0"));
    assert!(refused(Psi::Identity, &right, &[0.0; 2], 1.0).contains("behaviour"));
    assert!(refused(Psi::Identity, &right, &[-1.0, 1.0], 1.0).contains("behaviour"));
    assert!(refused(Psi::Identity, &[0.5, 1.5, 0.0, 0.5], &[1.0; 2], 1.0).contains("preferences"));
    assert!(refused(Psi::Identity, &[0.5, f32::NAN, 0.0, 0.5], &[1.0; 2], 1.0).contains("preferences"));
    assert!(refused(Psi::Logit, &[0.5, 1.0, 0.0, 0.5], &[1.0; 2], 1.0).contains("for its logit"));
    assert!(refused(Psi::Of(|p| 1.0 / (p - 0.25)), &right, &[1.0; 2], 1.0).contains("Psi is finite"));
}

/// Trains a softmax policy over `n` answers on all comparisons at once, from the uniform policy, which is the reference too.
fn train(loss: Loss, n: usize, data: &[(usize, usize)], rate: f64, steps: usize) -> Vec<f64> {
    let mut logits = vec![0.0_f64; n];
    let reference = vec![-(n as f64).ln() as f32; data.len()];
    let policy_of = |logits: &[f64]| -> Vec<f64> {
        let sum: f64 = logits.iter().map(|x| x.exp()).sum();
        logits.iter().map(|x| x.exp() / sum).collect()
    };
    for _ in 0..steps {
        let policy = policy_of(&logits);
        let logps = |side: fn(&(usize, usize)) -> usize| -> Vec<f32> {
            data.iter().map(|pair| policy[side(pair)].ln() as f32).collect()
        };
        let (chosen, rejected) = (logps(|pair| pair.0), logps(|pair| pair.1));
        let (mut by_chosen, mut by_rejected) = (vec![0.0; data.len()], vec![0.0; data.len()]);
        let outputs = Outputs {
            grad_chosen_logps: Some(&mut by_chosen),
            grad_rejected_logps: Some(&mut by_rejected),
            ..Default::default()
        };
        let pairs = Pairs::new(&chosen, &rejected, &reference, &reference);
        Run::default().evaluate(&loss, pairs, outputs, None).unwrap();
        let mut gradient = vec![0.0; n];
        for (pair, (by_chosen, by_rejected)) in data.iter().zip(by_chosen.iter().zip(&by_rejected)) {
            for (answer, by) in [(pair.0, by_chosen), (pair.1, by_rejected)] {
                for (j, (gradient, p)) in gradient.iter_mut().zip(&policy).enumerate() {
                    *gradient += f64::from(*by) * (f64::from(u8::from(j == answer)) - p) / data.len() as f64;
                }
            }
        }
        for (logit, gradient) in logits.iter_mut().zip(gradient) {
            *logit -= rate * gradient;
        }
    }
    policy_of(&logits)
}

#[track_caller]
fn near(got: &[f64], want: &[f64], tolerance: f64) {
    for (a, b) in got.iter().zip(want) {
        assert!((a - b).abs() < tolerance, "{got:?}, not {want:?}");
    }
}

const FIRST_WINS: [(usize, usize); 1] = [(0, 1)];
const ORDERED: [(usize, usize); 3] = [(0, 1), (1, 2), (0, 2)];
const CYCLE: [(usize, usize); 3] = [(0, 1), (1, 2), (2, 0)];
const BOTH_WAYS: [(usize, usize); 2] = [(0, 1), (1, 0)];
const BOTH_WAYS_AND_A_THIRD: [(usize, usize); 3] = [(0, 1), (1, 0), (0, 2)];

/// IPO keeps to the reference as tau says, whatever the data.
#[test]
fn ipo_converges_to_the_optimum() {
    for (tau, two, three, third) in WORKED {
        let ipo = Loss::ipo(tau).unwrap();
        near(&train(ipo, 2, &FIRST_WINS, 0.2, 2000), &[two, 1.0 - two], 1e-6);
        near(&train(ipo, 3, &ORDERED, 0.4, 2000), &three, 1e-6);
        near(&train(ipo, 3, &CYCLE, 0.4, 2000), &[1.0 / 3.0; 3], 1e-6);
        near(&train(ipo, 3, &BOTH_WAYS, 0.4, 2000), &[1.0 / 3.0; 3], 1e-6);
        let policy = train(ipo, 3, &BOTH_WAYS_AND_A_THIRD, 0.4, 4000);
        near(&policy, &[(1.0 - third) / 2.0, (1.0 - third) / 2.0, third], 1e-6);
    }
}

/// DPO forgets the reference wherever an answer always wins, whatever its beta.
#[test]
fn dpo_collapses() {
    for (tau, two, three, third) in WORKED {
        let dpo = Loss::dpo(tau).unwrap();
        // Steps as large as its slope allows.
        let rate = 8.0 / (tau * tau);
        let policy = train(dpo, 2, &FIRST_WINS, rate, 20_000);
        assert!(policy[0] > 0.9_f64.max(two), "tau {tau}: {policy:?}");
        let policy = train(dpo, 3, &ORDERED, rate, 20_000);
        assert!(policy[0] > three[0] && policy[0] > 0.8 && policy[2] < 0.02, "tau {tau}: {policy:?}");
        near(&train(dpo, 3, &CYCLE, rate / 8.0, 2000), &[1.0 / 3.0; 3], 1e-6);
        near(&train(dpo, 3, &BOTH_WAYS, rate / 8.0, 2000), &[1.0 / 3.0; 3], 1e-6);
        let policy = train(dpo, 3, &BOTH_WAYS_AND_A_THIRD, rate / 8.0, 20_000);
        assert!(policy[2] < 0.6 * third && (policy[0] - policy[1]).abs() < 0.1, "tau {tau}: {policy:?}");
    }
}
