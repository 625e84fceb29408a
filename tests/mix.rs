//! Sums of losses: the nearest results to the exact sums, in batches and alone, and what is refused.

use preflane::losses::{Description, LOSSES, Shape};
use preflane::{Backend, Error, Level, Loss, Metrics, Mix, Outputs, Pairs, Run, evaluate_pair};
use preflane_judge::{Float, Random, float, log_ratios, pair, textbook};

fn find(name: &str) -> &'static Description {
    preflane::losses::find(name).unwrap()
}

fn of(name: &str, parameters: &[f64]) -> Loss {
    Loss::new(find(name), parameters).unwrap()
}

/// Loss and derivatives by policy and reference log-probabilities of a judged sum, and that by beta.
fn exact(terms: &[(f64, &str, &[f64])], nll: f64, row: [f32; 4], column: f32, weight: f32) -> [Float; 6] {
    let mut sums: [Float; 6] = std::array::from_fn(|_| float(0.0));
    for (factor, name, parameters) in terms {
        let of = textbook(name, parameters).unwrap().with_columns(&[f64::from(column)]);
        let results = pair(&of, row, 1.0);
        // Loss, four gradients, and that by beta.
        for (sum, at) in sums.iter_mut().zip([0, 4, 5, 6, 7, 8]) {
            *sum = &*sum + &results[at] * float(*factor);
        }
    }
    sums[0] = &sums[0] + float(nll) * float(f64::from(column));
    sums.map(|sum| sum * float(f64::from(weight)))
}

#[test]
fn nearest_to_the_exact_sum() {
    let mut random = Random(31);
    let rows: Vec<[f32; 4]> = (0..100)
        .map(|i| {
            let spread = [1.0, 20.0, 300.0][i % 3];
            std::array::from_fn(|_| (-20.0 - spread * random.unit()) as f32)
        })
        .collect();
    let columns: [Vec<f32>; 4] = std::array::from_fn(|i| rows.iter().map(|row| row[i]).collect());
    let nll: Vec<f32> = (0..100).map(|_| random.unit() as f32 * 4.0).collect();
    let weights: Vec<f32> = (0..100).map(|i| [1.0, 0.25, 3.5][i % 3]).collect();
    type Terms<'a> = &'a [(f64, &'a str, &'a [f64])];
    let mixes: [(Terms<'_>, Option<f64>); 5] = [
        (&[(0.8, "dpo", &[0.1]), (0.2, "bco_pair", &[0.1, 0.0])], Some(1.0)),
        (&[(1.0, "ipo", &[0.5])], Some(0.2)),
        (&[(1.0, "rpo", &[0.1, 0.5]), (-0.5, "hinge", &[0.1]), (0.25, "exo_pair", &[0.1, 0.01])], None),
        // What is left where terms cancel.
        (&[(1.0, "cdpo", &[0.1, 0.0]), (-1.0, "dpo", &[0.1])], None),
        (&[(1.0, "apo_zero", &[0.1]), (1e-12, "sppo_hard", &[0.1])], None),
    ];
    for (terms, likelihood) in mixes {
        let losses: Vec<(f64, Loss)> = terms.iter().map(|(w, name, values)| (*w, of(name, values))).collect();
        let mut mix = Mix::new(&losses).unwrap();
        if let Some(weight) = likelihood {
            mix = mix.with_nll(weight).unwrap();
        }
        let takes = mix.column().is_some();
        let pairs = Pairs::new(&columns[0], &columns[1], &columns[2], &columns[3]).with_weights(&weights);
        let pairs = if takes { pairs.with_column(&nll) } else { pairs };
        for level in Level::ALL {
            let Ok(backend) = Backend::new(level) else { continue };
            let mut out = [(); 6].map(|()| vec![0.0; 100]);
            let [a, b, c, d, e, f] = out.each_mut().map(|x| Some(&mut x[..]));
            let outputs = Outputs {
                losses: a,
                grad_chosen_logps: b,
                grad_rejected_logps: c,
                grad_ref_chosen_logps: d,
                grad_ref_rejected_logps: e,
                grad_beta: f,
                ..Default::default()
            };
            let mut metrics = Metrics::new();
            Run::on(backend).evaluate(&mix, pairs, outputs, Some(&mut metrics)).unwrap();
            assert_eq!(metrics.pairs(), 100);
            for (i, row) in rows.iter().enumerate() {
                let column = if takes { nll[i] } else { 0.0 };
                let want = exact(terms, likelihood.unwrap_or(0.0), *row, column, weights[i]);
                for (got, want) in out.iter().zip(&want) {
                    assert_eq!(got[i], want.to_f32(), "{mix:?} {row:?} {level:?}");
                }
            }
        }
        // The rewards are those of beta.
        let [pc, pr, rc, rr] = rows[0];
        let alone = evaluate_pair(&mix, pc, pr, Some((rc, rr)));
        let dpo = evaluate_pair(&of("dpo", &[textbook_beta(terms)]), pc, pr, Some((rc, rr)));
        assert_eq!((alone.chosen_reward, alone.margin), (dpo.chosen_reward, dpo.margin));
        let [u, v] = log_ratios([pc, pr, rc, rr].map(f64::from));
        assert!(u - v != 0.0);
    }
}

fn textbook_beta(terms: &[(f64, &str, &[f64])]) -> f64 {
    terms[0].2[0]
}

/// A sum of one loss by value is that loss, for each of them.
#[test]
fn of_one_loss() {
    for description in LOSSES.iter().filter(|loss| loss.shape == Shape::Pairwise && loss.nearest) {
        let loss = Loss::new(description, &description.defaults()).unwrap();
        let mix = Mix::new(&[(1.0, loss)]).unwrap();
        let reference = description.reference.then_some((-13.0, -13.25));
        let (sum, alone) =
            (evaluate_pair(&mix, -12.5, -14.0, reference), evaluate_pair(&loss, -12.5, -14.0, reference));
        assert_eq!(format!("{sum:?}"), format!("{alone:?}"), "{loss:?}");
    }
}

#[test]
fn refused() {
    let dpo = Loss::dpo(0.1).unwrap();
    let refuses = |terms: &[(f64, Loss)], place: f64| {
        let refused = matches!(Mix::new(terms), Err(Error::Parameter { value, .. }) if value == place);
        assert!(refused, "{terms:?}: {:?}", Mix::new(terms));
    };
    refuses(&[], 0.0);
    refuses(&[(f64::NAN, dpo)], 0.0);
    refuses(&[(1.0, dpo), (f64::INFINITY, dpo)], 1.0);
    refuses(&[(1.0, dpo), (1.0, Loss::ipo(0.2).unwrap())], 1.0);
    refuses(&[(1.0, dpo), (1.0, of("simpo", &[0.1, 0.5]))], 1.0);
    refuses(&[(1.0, of("rebel", &[1.0])), (1.0, of("odpo", &[1.0]))], 1.0);
    assert!(matches!(Mix::new(&[(1.0, dpo); 5]), Err(Error::Full { capacity: 4, .. })));
    let mix = Mix::new(&[(1.0, of("rebel", &[1.0]))]).unwrap();
    assert!(mix.with_nll(1.0).is_err() && Mix::new(&[(1.0, dpo)]).unwrap().with_nll(f64::NAN).is_err());
    // What takes a column must be given one, and nothing else may be.
    let with_nll = Mix::new(&[(1.0, dpo)]).unwrap().with_nll(1.0).unwrap();
    let pairs = Pairs::new(&[-1.0], &[-2.0], &[-1.0], &[-2.0]);
    let evaluate = |mix: &Mix, pairs| Run::default().evaluate(mix, pairs, Outputs::default(), None);
    assert!(matches!(evaluate(&with_nll, pairs), Err(Error::Length { argument: "column", .. })));
    assert!(evaluate(&with_nll, pairs.with_column(&[1.0])).is_ok());
    assert!(evaluate(&Mix::new(&[(1.0, dpo)]).unwrap(), pairs.with_column(&[1.0])).is_err());
}
