//! Every loss, reward, margin and gradient of a pair against the judge.

use crate::{Columns, JUDGED, Results, choices, loss, on_every_level, pair_results};
use preflane::{Run, evaluate_pair};
use preflane_judge::classes::Values;
use preflane_judge::{RESULTS, log_ratios, pair, ulps};

/// The published bound.
const BOUND: f64 = 0.501;

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    let (textbook, loss) = loss(&mut v);
    let value = if v.once_in(8) { Values::any } else { Values::finite };
    // A row of some kinds goes through a path of its own only among ordinary ones.
    let n = 1 + v.below(6);
    let columns = Columns::new(&mut v, n, value);
    let mut results = Results::new(n);
    on_every_level(|backend| {
        Run::on(backend)
            .evaluate(&loss, columns.pairs(0..n), results.outputs(usize::MAX), None)
            .expect("good arguments");
        results.bits()
    });
    for row in 0..n {
        let (logps, weight) = columns.row(row);
        let got = results.0.each_ref().map(|column| column[row]);
        let nan = got.iter().find(|x| x.is_nan() && x.to_bits() != 0x7fc0_0000);
        assert!(nan.is_none(), "{textbook:?} {logps:?} weight {weight:e}: {:x?}", got.map(f32::to_bits));
        if !JUDGED {
            // The rest can be said of it.
        } else if logps.iter().all(|x| x.is_finite()) && textbook.is_out_of_reach(&log_ratios(logps)) {
            // Nor is there an exact value to compare with.
        } else if logps.iter().all(|x| x.is_finite()) {
            for ((got, exact), name) in got.iter().zip(pair(&textbook, logps, weight)).zip(RESULTS) {
                let error = ulps(*got, &exact);
                assert!(
                    error <= BOUND,
                    "{textbook:?} {logps:?} weight {weight:e}: {name} {got:e}, exact {exact:.20}, {error} ULP"
                );
            }
        } else if logps.iter().any(|x| x.is_nan()) {
            let [loss, chosen, rejected, margin, gradients @ ..] = got;
            assert_eq!(
                chosen.is_nan(),
                logps[0].is_nan() || logps[2].is_nan() || logps[0] - logps[2] != logps[0] - logps[2]
            );
            assert_eq!(
                rejected.is_nan(),
                logps[1].is_nan() || logps[3].is_nan() || logps[1] - logps[3] != logps[1] - logps[3]
            );
            assert!(
                loss.is_nan() && margin.is_nan() && gradients.iter().all(|x| x.is_nan()),
                "{textbook:?} {logps:?} {got:?}"
            );
        }
        if !columns.weighted {
            let [pc, pr, rc, rr] = logps;
            let alone = evaluate_pair(&loss, pc, pr, columns.reference.then_some((rc, rr)));
            assert_eq!(pair_results(&alone).map(f32::to_bits), got.map(f32::to_bits), "{textbook:?} {logps:?} alone");
        }
    }
}
