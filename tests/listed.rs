//! Listed answers against the judge: every result is the nearest `f32`, on random, realistic, edge and adversarial lists.

use preflane::listed::{ListMetrics, ListOutputs, ListScratch, Lists};
use preflane::losses::{CASES, LOSSES, Shape};
use preflane::{Error, ExactSum, ListedLoss, Loss, Outputs, Pairs, Run};
use preflane_judge::{
    Answers, Float, Form, Inputs, Random, Textbook, answers_near, is_nearest_within, log_ratio, midpoint, textbook,
    ulps,
};

/// A loss and its definition.
struct Judged {
    loss: ListedLoss,
    textbook: Textbook,
}

/// Every loss of listed answers, with each set of parameters that tests take; another beta if one is given.
fn judged(beta: Option<f64>) -> Vec<Judged> {
    let listed = LOSSES.iter().filter(|loss| loss.shape == Shape::Listed);
    let with_cases = listed.flat_map(|loss| (0..CASES).map(move |case| (loss, loss.case(case).to_vec())));
    with_cases
        .map(|(loss, mut parameters)| {
            if loss.parameters[0].name == "beta" {
                parameters[0] = beta.unwrap_or(parameters[0]);
            }
            let textbook = textbook(loss.name, &parameters).expect("every loss has a definition");
            assert_eq!(textbook.definition().form, Form::Listed);
            Judged { loss: ListedLoss::new(loss, &parameters).unwrap(), textbook }
        })
        .collect()
}

/// Whether a list of so many answers is a pair of DPO.
fn is_pair(loss: &ListedLoss, answers: usize) -> bool {
    answers == 2 && ["plackett_luce", "plackett_luce_top", "s_dpo"].contains(&loss.description().name)
}

fn plackett_luce(beta: f64) -> ListedLoss {
    ListedLoss::new(preflane::losses::find("plackett_luce").unwrap(), &[beta]).unwrap()
}

/// Every loss of listed answers once, with an everyday set of parameters but for beta.
fn every_loss(beta: f64) -> Vec<Judged> {
    judged(Some(beta)).into_iter().step_by(CASES).collect()
}

/// A list: the policy's and the reference's log-probability of each answer, the best first; and its weight.
#[derive(Clone, Debug)]
struct List {
    answers: Vec<[f32; 2]>,
    weight: f32,
    /// What stands beside the log-probabilities; nothing for what [`column`] makes up.
    column: Vec<f32>,
}

fn list(answers: impl IntoIterator<Item = [f32; 2]>) -> List {
    List { answers: answers.into_iter().collect(), weight: 1.0, column: Vec::new() }
}

/// What the loss takes of each answer beside log-probabilities: numbers of the column's grid in turn, from one that depends on the list.
fn column(loss: &ListedLoss, list: &List) -> Vec<f32> {
    let Some(column) = loss.description().column else { return Vec::new() };
    if !list.column.is_empty() {
        return list.column.clone();
    }
    let from = list.answers.first().map_or(0, |answer| answer[0].to_bits() >> 3) as usize;
    (from..from + list.answers.len()).map(|i| column.grid[i % column.grid.len()] as f32).collect()
}

/// Results of lists and of their answers.
struct Results {
    losses: Vec<f32>,
    grad_beta: Vec<f32>,
    /// Of each answer the reward and the derivatives by the policy's and by the reference's log-probability.
    answers: [Vec<f32>; 3],
    metrics: ListMetrics,
}

impl Results {
    fn bits(&self) -> Vec<u32> {
        let [rewards, by_policy, by_reference] = &self.answers;
        [&self.losses, &self.grad_beta, rewards, by_policy, by_reference]
            .into_iter()
            .flatten()
            .map(|x| x.to_bits())
            .collect()
    }
}

/// `scratch` holds what was there before: nothing that matters.
fn results(loss: &ListedLoss, lists: &[List], reference: bool, scratch: &mut Vec<ListScratch>) -> Results {
    results_of(Run::default(), loss, lists, reference, scratch)
}

fn results_of(run: Run, loss: &ListedLoss, lists: &[List], reference: bool, scratch: &mut Vec<ListScratch>) -> Results {
    let [policy, of_reference] =
        [0, 1].map(|k| lists.iter().flat_map(|list| list.answers.iter().map(move |x| x[k])).collect::<Vec<f32>>());
    let weights: Vec<f32> = lists.iter().map(|list| list.weight).collect();
    let mut offsets = vec![0];
    lists.iter().for_each(|list| offsets.push(offsets[offsets.len() - 1] + list.answers.len()));
    let columns: Vec<f32> = lists.iter().flat_map(|list| column(loss, list)).collect();
    let given = Lists {
        policy_logps: &policy,
        ref_logps: reference.then_some(&of_reference),
        offsets: &offsets,
        weights: weights.iter().any(|weight| *weight != 1.0).then_some(&weights),
        column: loss.description().column.map(|_| &columns[..]),
    };
    assert_eq!((given.len(), given.is_empty()), (lists.len(), lists.is_empty()));
    let untouched = f32::from_bits(0xdead);
    let mut results = Results {
        losses: vec![untouched; lists.len()],
        grad_beta: vec![untouched; lists.len()],
        answers: [(); 3].map(|()| vec![untouched; policy.len()]),
        metrics: ListMetrics::new(),
    };
    let [rewards, grad_logps, grad_ref_logps] = results.answers.each_mut().map(|x| Some(x.as_mut_slice()));
    let outputs = ListOutputs {
        losses: Some(&mut results.losses),
        grad_beta: Some(&mut results.grad_beta),
        rewards,
        grad_logps,
        grad_ref_logps,
    };
    if scratch.len() < given.longest() {
        scratch.resize(given.longest(), ListScratch::default());
    }
    run.evaluate_listed(loss, given, outputs, Some(&mut results.metrics), scratch).unwrap();
    results
}

/// Judges every result of every list; `exact` says what is right.
fn judge_lists(loss: &ListedLoss, lists: &[List], name: &dyn std::fmt::Debug, exact: impl Fn(&List) -> Answers) {
    let got = results(loss, lists, true, &mut Vec::new());
    let mut first = 0;
    for (i, one) in lists.iter().enumerate() {
        let List { answers, weight, .. } = one;
        let exact = exact(one);
        let [of_beta, of_logp] = &exact.slack;
        let none = Float::with_val(64, 0.0);
        let check = |what: &str, got: f32, exact: &Float| {
            let slack = match what {
                "grad_beta" => of_beta,
                _ if what.starts_with("grad") => of_logp,
                _ => &none,
            };
            let shown = answers.iter().take(8).map(|answer| answer.map(f32::to_bits));
            // Two answers have the bits of a pair, and its bound.
            let is_right =
                is_nearest_within(got, exact, slack) || is_pair(loss, answers.len()) && ulps(got, exact) <= 0.501;
            assert!(
                is_right,
                "{name:?} {answers:?} ({:x?}) weight {weight:e}: {what} is {got:e}, exact {exact:.20}",
                shown.collect::<Vec<_>>(),
            );
        };
        check("loss", got.losses[i], &exact.loss);
        check("grad_beta", got.grad_beta[i], &exact.by_beta);
        for k in 0..answers.len() {
            let [reward, by_policy, by_reference] = got.answers.each_ref().map(|column| column[first + k]);
            check(&format!("reward {k}"), reward, &exact.rewards[k]);
            check(&format!("grad_logps {k}"), by_policy, &exact.by_logps[k]);
            check(&format!("grad_ref_logps {k}"), by_reference, &-exact.by_logps[k].clone());
        }
        first += answers.len();
    }
}

fn judge(Judged { loss, textbook }: &Judged, lists: &[List]) {
    judge_lists(loss, lists, textbook, |one| {
        let column: Vec<f64> = column(loss, one).into_iter().map(f64::from).collect();
        preflane_judge::listed(&textbook.clone().with_columns(&column), &one.answers, one.weight)
    });
}

/// Lists of all small sizes, answers by what `answer` makes.
fn lists(random: &mut Random, sizes: std::ops::Range<usize>, answer: impl Fn(&mut Random) -> [f32; 2]) -> Vec<List> {
    sizes.map(|n| list((0..n).map(|_| answer(random)))).collect()
}

fn realistic(random: &mut Random) -> [f32; 2] {
    let reference = random.logp();
    [(f64::from(reference) + (random.unit() - 0.6) * 40.0) as f32, reference]
}

#[test]
fn realistic_lists() {
    let mut random = Random(1);
    for beta in [0.01, 0.1, 0.5, 2.5] {
        for judged in every_loss(beta) {
            for _ in 0..12 {
                judge(&judged, &lists(&mut random, 0..8, realistic));
            }
        }
    }
    judged(None).iter().for_each(|judged| judge(judged, &lists(&mut random, 0..7, realistic)));
}

#[test]
fn weighted_lists() {
    let mut random = Random(2);
    for judged in judged(None) {
        let mut all: Vec<List> = (0..4).flat_map(|_| lists(&mut random, 0..6, realistic)).collect();
        for (i, list) in all.iter_mut().enumerate() {
            list.weight = match i % 5 {
                0 => random.unit() as f32,
                1 => 0.0,
                2 => random.finite().abs(),
                3 => f32::MAX,
                _ => f32::MIN_POSITIVE,
            };
        }
        judge(&judged, &all);
    }
}

#[test]
fn any_finite_bits() {
    let mut random = Random(3);
    for beta in [f64::MIN_POSITIVE, 1e-310, 1e-40, 1e-3, 0.1, 1.0, 1e3, 1e40, 1e300, f64::MAX] {
        for judged in every_loss(beta) {
            for _ in 0..3 {
                judge(&judged, &lists(&mut random, 1..6, |random| [random.finite(), random.finite()]));
            }
        }
    }
}

#[test]
fn edges() {
    let values =
        [0.0, -0.0, f32::from_bits(1), -f32::MIN_POSITIVE, -1.0 - f32::EPSILON, -104.0, 1e30, f32::MAX, f32::MIN];
    let mut all = Vec::new();
    for a in values {
        for b in values {
            all.extend([list([[a, b]]), list([[a, 0.0], [0.0, b], [b, a]]), list([[a, b], [b, b], [b, a], [a, -2.0]])]);
        }
    }
    for beta in [0.1, 1.0] {
        every_loss(beta).iter().for_each(|judged| judge(judged, &all));
    }
}

/// Answers whose differences are small beside themselves.
#[test]
fn cancellation() {
    let mut random = Random(4);
    for beta in [0.1, 1.0] {
        let mut all = Vec::new();
        for _ in 0..40 {
            let big = random.pick(&[1e30_f32, 3.4e38, 1e10, 16_777_216.0, 1.5e20, 18_014_398_509_481_984.0]);
            let mut small = || random.pick(&[1e-30_f32, 1.0, 0.3, 1e-45, -2.5, 7.5e-8]);
            let (a, b, c) = (small(), small(), small());
            all.push(list([[big, a], [big, b], [big, c]]));
            all.push(list([[big, big], [a, b], [-big, -big], [c, a]]));
            all.push(list([[big, a], [big.next_down(), b], [c, -big]]));
        }
        every_loss(beta).iter().for_each(|judged| judge(judged, &all));
    }
}

/// Shares whose sum is exactly 1 leave a derivative of exactly 0, which no beta makes more: the other answers are too far away to have a share.
#[test]
fn shares_that_cancel_against_a_huge_beta() {
    let of_policy = |logps: &[f32]| list(logps.iter().map(|logp| [*logp, 0.0]));
    let rows = [
        of_policy(&[-9.019_608_5, 12_672.0, 12_672.0, 0.0, 0.0, 0.0, 0.0]),
        of_policy(&[-2.715_360_7e23, -2.715_360_7e23, -2.0, 0.0, 0.0, 0.0, 0.0]),
        of_policy(&[3.0, 3.0, 3.0, 3.0, 3.0]),
    ];
    for beta in [1.718_712_739_618_936_5e161, 2.657_057_513_439_796_3e303] {
        judge(&judged(Some(beta)).swap_remove(0), &rows);
    }
}

/// Where a result passes through 0, and where one lies next to a midpoint of two `f32`, which only many bits can round.
#[test]
fn near_zeros_and_midpoints() {
    let mut seen = 0;
    for (beta, mut judged) in
        [0.1, 3.0].into_iter().flat_map(|beta| every_loss(beta).into_iter().map(move |x| (beta, x)))
    {
        let three: Vec<f64> = judged.loss.description().column.map_or(Vec::new(), |column| column.grid[..3].to_vec());
        judged.textbook = judged.textbook.with_columns(&three);
        let three: Vec<f32> = three.into_iter().map(|x| x as f32).collect();
        let mut near = |place: &Inputs| {
            let near = answers_near(place).into_iter();
            let near: Vec<List> = near.map(|answers| List { column: three.clone(), ..list(answers) }).collect();
            seen += near.len();
            judge(&judged, &near);
        };
        judged.textbook.zeros().iter().for_each(&mut near);
        let exact = |row: &Inputs| judged.textbook.exact(row);
        for held in [-3.5, 0.0, 6.25] {
            let row = |u: &Float| {
                // Held where one `f32` is: what is near says all of the midpoint.
                let at = |x: f64| Float::with_val(120, f64::from((x / beta) as f32));
                Inputs::new([at(0.5), u.clone(), at(held)])
            };
            let results: [&dyn Fn(&Inputs) -> Float; 5] = [
                &|row| exact(row).loss,
                &|row| exact(row).by_log_ratios[0].clone(),
                &|row| exact(row).by_log_ratios[1].clone(),
                &|row| exact(row).by_log_ratios[2].clone(),
                &|row| exact(row).by_beta,
            ];
            for result in results {
                for x in [-30.0, -4.4, -0.7, 0.9, 2.3, 5.7, 41.0] {
                    let u = x / beta;
                    near(&midpoint(row, result, [u, u * 1.001].map(|u| Float::with_val(120, u))));
                }
            }
        }
    }
    assert!(seen > 900, "{seen}");
}

/// The definition in one pass, for lists that are long: in so many bits that nothing that cancels matters.
fn in_one_pass(beta: f64, answers: &[[f32; 2]], weight: f32) -> Answers {
    const BITS: u32 = 1_500;
    let number = |x: f64| Float::with_val(BITS, x);
    let u: Vec<Float> = answers.iter().map(|answer| Float::with_val(BITS, log_ratio(*answer))).collect();
    let z: Vec<Float> = u.iter().map(|u| number(beta) * u).collect();
    let e: Vec<Float> = z.iter().map(|z| Float::with_val(BITS, z.exp_ref())).collect();
    // The sum of e_j over j >= k.
    let mut rest = e.clone();
    for k in (0..e.len().saturating_sub(1)).rev() {
        let sum = rest[k + 1].clone() + &rest[k];
        rest[k] = sum;
    }
    let weight = f64::from(weight);
    let (mut loss, mut by_beta, mut shares) = (number(0.0), number(0.0), number(0.0));
    let mut by_logps = Vec::new();
    for k in 0..z.len() {
        loss = loss + Float::with_val(BITS, rest[k].ln_ref()) - &z[k];
        shares += number(1.0) / &rest[k];
        let by_z = e[k].clone() * &shares - 1.0_f64;
        by_beta += by_z.clone() * &u[k];
        by_logps.push(by_z * beta * weight);
    }
    let rewards = z.clone();
    let slack = [number(0.0), number(0.0)];
    Answers { loss: loss * weight, by_beta: by_beta * weight, rewards, by_logps, slack }
}

#[test]
fn long_lists() {
    let mut random = Random(5);
    for (beta, n, spread) in [(0.1, 1_000, 60.0), (1.0, 1_000, 3.0), (0.5, 300, 200.0), (0.1, 9, 30.0)] {
        let loss = plackett_luce(beta);
        let answers: Vec<[f32; 2]> = (0..n)
            .map(|i| {
                let reference = random.logp();
                let from_best = if i % 10 == 0 { 0.0 } else { 0.5 * spread * i as f64 / n as f64 };
                [(f64::from(reference) + random.unit() * spread - from_best) as f32, reference]
            })
            .collect();
        judge_lists(&loss, &[list(answers), list([[0.0, 0.0]])], &"plackett_luce", |one| {
            in_one_pass(beta, &one.answers, one.weight)
        });
    }
    // All alike: ln 1000!, and the best answer is one of a thousand.
    let alike = results(&plackett_luce(0.5), &[list([[-3.0, -2.0]; 1_000])], true, &mut Vec::new());
    assert_eq!(alike.losses[0], 5_912.128_178_488_163_f64 as f32);
    assert_eq!(alike.answers[1][0], (-0.999 * 0.5) as f32);
    // The answers' sum is 0 of its own accord: each falls by what another rises.
    assert_eq!(
        (alike.grad_beta[0], alike.answers[1].iter().map(|x| f64::from(*x)).sum::<f64>().abs() < 1e-4),
        (0.0, true)
    );
}

fn close(got: f32, want: f64) {
    assert!((f64::from(got) / want - 1.0).abs() < 1e-7, "{got:e}, not {want:e}");
}

#[test]
fn worked_values() {
    let policy: [f32; 3] = [0.5, -0.25, 0.1];
    let got = results(&plackett_luce(1.0), &[list(policy.map(|x| [x, 0.0]))], false, &mut Vec::new());
    close(got.losses[0], 1.64544261706);
    for (got, want) in got.answers[1].iter().zip([-0.533296189666, -0.366162308879, 0.899458498545]) {
        close(*got, want);
    }
    assert_eq!(got.answers[0], policy);
    close(got.grad_beta[0], 0.5 * -0.533296189666 + 0.25 * 0.366162308879 + 0.1 * 0.899458498545);
}

/// A list of plain log-ratios under a loss by its name, with what stands beside them.
fn plain(name: &str, parameters: &[f64], policy: &[f32], column: &[f32]) -> Results {
    let loss = ListedLoss::new(preflane::losses::find(name).unwrap(), parameters).unwrap();
    let given = List { column: column.to_vec(), ..list(policy.iter().map(|x| [*x, 0.0])) };
    results(&loss, &[given], true, &mut Vec::new())
}

/// From the formulas in arithmetic of 50 digits, apart from the library and the judge.
#[test]
fn worked_values_of_the_others() {
    let (z, rewards) = ([0.5, -0.25, 0.1], [1.0, 0.0, 0.5]);
    let check = |name: &str, parameters: &[f64], column: &[f32], loss: f64, gradients: [f64; 3], by_beta: f64| {
        let got = plain(name, parameters, &z, column);
        close(got.losses[0], loss);
        for (got, want) in got.answers[1].iter().zip(gradients) {
            close(*got, want);
        }
        if by_beta == 0.0 { assert_eq!(got.grad_beta[0], 0.0) } else { close(got.grad_beta[0], by_beta) }
    };
    check(
        "s_dpo",
        &[1.0],
        &[],
        0.7620604621083,
        [-0.5332961898839, 0.2204552699357, 0.3128409199482],
        -0.2904778199649,
    );
    check(
        "info_nca",
        &[1.0, 1.0],
        &rewards,
        1.024681608357,
        [-0.03977658093953, 0.0341315467098, 0.005645034229722],
        -0.02785667371583,
    );
    check(
        "nca",
        &[1.0, 1.0],
        &rewards,
        1.356763161708,
        [0.01626949816165, 0.04119434761628, 0.02906862349387],
        0.0007430245694598,
    );
    check(
        "lipo",
        &[1.0],
        &rewards,
        0.4808132892735,
        [-0.3565951337099, 0.2637673132219, 0.09282782048798],
        -0.2349566129733,
    );
    check("real", &[0.5], &[1.0, 0.0, 0.0], 1.35280789267, [-0.53788284274, 0.4289568170867, 0.8638129543706], 0.0);
    check(
        "a2po",
        &[1.0, 0.5],
        &rewards,
        0.08408520201082,
        [0.1029978919254, 0.2696645585921, 0.1696645595855],
        0.001049262526059,
    );
    check(
        "plackett_luce_top",
        &[1.0, 2.0],
        &[],
        1.645442618401,
        [-0.5332961898839, -0.366162309343, 0.8994584992269],
        -0.08516166634319,
    );
    check(
        "mdpo",
        &[1.0, 0.5],
        &[],
        1.593033439673,
        [-1.22213364107, 0.3208213008246, 0.4013123402456],
        -0.6511409111187,
    );
}

/// Fewer answers than a loss needs, or answers of one kind alone, are skipped and counted.
#[test]
fn what_has_nothing_to_compare_is_skipped() {
    for description in LOSSES.iter().filter(|loss| loss.shape == Shape::Listed) {
        let loss = ListedLoss::new(description, &description.defaults()).unwrap();
        let alone = ["nca", "a2po", "mdpo"].contains(&description.name);
        let got = results(&loss, &[list([]), list([[-3.0, -2.5]])], true, &mut Vec::new());
        assert_eq!(got.metrics.skipped(), if alone { 1 } else { 2 }, "{}", description.name);
        assert_eq!((got.losses[0], got.grad_beta[0]), (0.0, 0.0));
        assert_eq!(got.losses[1] != 0.0 && got.answers[1][0] != 0.0, alone, "{}", description.name);
        assert_eq!(got.metrics.report().skipped, got.metrics.skipped());
    }
    for side in [0.0, 1.0] {
        let got = plain("real", &[0.5], &[-1.0, -700.0, 3.0], &[side; 3]);
        assert_eq!((got.losses[0], &got.answers[1][..], got.metrics.skipped()), (0.0, &[0.0; 3][..], 1));
    }
    assert_eq!(plain("real", &[0.5], &[-1.0, 3.0], &[1.0, 0.0]).metrics.skipped(), 0);
}

/// Where terms are equal what is left is 0, not what rounding left of them; and where everything is equal a share is a share.
#[test]
fn equal_answers_and_equal_rewards() {
    let equal = [-1.5; 4];
    let nothing = |got: Results| {
        assert!(got.answers[1].iter().chain([&got.grad_beta[0]]).all(|x| x.to_bits() == 0), "{:?}", got.answers[1]);
    };
    nothing(plain("info_nca", &[0.1, 1.0], &equal, &[7.0; 4]));
    // The policy's shares are those of the rewards already, which are next to nothing for one and next to all for another.
    nothing(plain("info_nca", &[1.0, 1.0], &[0.5, -300.0, 0.25, 90.0], &[1.5, -299.0, 1.25, 91.0]));
    nothing(plain("a2po", &[0.1, 1.0], &[0.0; 4], &[3.25; 4]));
    close(plain("info_nca", &[0.1, 1.0], &equal, &[7.0; 4]).losses[0], 4.0_f64.ln());
    close(plain("plackett_luce_top", &[1.0, 2.0], &equal, &[]).losses[0], 12.0_f64.ln());
    // The optimum of NCA: z is the logarithm of the answers' number times the share.
    let got = plain("nca", &[1.0, 1.0], &[0.0; 4], &[-2.0; 4]);
    nothing(got);
    // Ties of the policy rank by place, and answers of equal relevance are not compared.
    let tied = plain("lipo", &[1.0], &[2.0, 2.0, 2.0], &[1.0, 0.0, 1.0]);
    let discount = |rank: f64| 1.0 / (1.0 + rank).ln();
    close(tied.losses[0], 2.0_f64.ln() * (discount(1.0) - discount(3.0)));
    nothing(plain("lipo", &[1.0], &[2.0, -2.0, 1.0], &[0.5; 3]));
}

/// Far from 0, where code with plain exponentials overflows.
#[test]
fn saturation() {
    let far = [-2000.0, 3000.0, -100.0];
    assert_eq!(plain("s_dpo", &[1.0], &far, &[]).losses[0], 5000.0);
    assert_eq!(plain("info_nca", &[1.0, 0.01], &far, &[1.0, 0.0, 0.0]).losses[0], 5000.0);
    assert_eq!(plain("real", &[0.05], &far, &[1.0, 0.0, 0.0]).losses[0], 100_000.0);
    assert_eq!(plain("real", &[0.05], &far, &[1.0, 0.0, 0.0]).answers[1], [-20.0, 20.0, 0.0]);
    assert_eq!(plain("lipo", &[1.0], &far, &[1024.0, 0.0, 0.0]).losses[0], f32::INFINITY);
    // A reward far below the others has no share, and the value is that of the best one less a logarithm.
    let got = plain("a2po", &[1.0, 1.0], &[0.0, 0.0], &[0.0, -1000.0]);
    let value = -(2.0_f64.ln());
    close(got.losses[0], 0.5 * (value * value + (value + 1000.0) * (value + 1000.0)));
    // beta1 without bounds: the value is the mean.
    close(plain("a2po", &[1.0, 1e30], &[0.0, 0.0], &[1.0, -1.0]).losses[0], 1.0);
    assert_eq!(
        plain("nca", &[1.0, 1.0], &[f32::NEG_INFINITY, f32::NEG_INFINITY], &[0.0, 0.0]).losses[0],
        f32::INFINITY
    );
    assert_eq!(plain("mdpo", &[1.0, 0.5], &[f32::NEG_INFINITY, 0.0, 1.0], &[]).losses[0], f32::INFINITY);
    assert_eq!(plain("mdpo", &[1.0, 0.5], &[f32::INFINITY, 0.0, 1.0], &[]).losses[0], 0.0);
    assert!(plain("info_nca", &[1.0, 1.0], &[f32::INFINITY, f32::INFINITY, 0.0], &[0.0; 3]).losses[0].is_nan());
}

/// The special cases that one formula has of another.
#[test]
fn partial_rankings_are_what_they_generalise() {
    let mut random = Random(10);
    for _ in 0..30 {
        let all = lists(&mut random, 0..7, realistic);
        let bits = |name, parameters: &[f64]| {
            let loss = ListedLoss::new(preflane::losses::find(name).unwrap(), parameters).unwrap();
            results(&loss, &all, true, &mut Vec::new()).bits()
        };
        assert_eq!(bits("plackett_luce_top", &[0.3, 1.0]), bits("s_dpo", &[0.3]));
        assert_eq!(bits("plackett_luce_top", &[0.3, 5.0]), bits("plackett_luce", &[0.3]));
    }
}

/// Columns are looked at before anything is written.
#[test]
fn bad_columns_are_named() {
    let refused = |name: &str, column: Option<&[f32]>| {
        let description = preflane::losses::find(name).unwrap();
        let loss = ListedLoss::new(description, &description.defaults()).unwrap();
        let lists = Lists { column, ..Lists::new(&[-1.0; 3], &[-2.0; 3], &[0, 3]) };
        let mut losses = [7.0];
        let outputs = ListOutputs { losses: Some(&mut losses), ..Default::default() };
        let error = Run::default().evaluate_listed(&loss, lists, outputs, None, &mut [ListScratch::default(); 3]);
        assert_eq!(losses, [7.0]);
        error.unwrap_err()
    };
    let length = |expected, got| Error::Length { argument: "column", expected, got };
    assert_eq!(refused("s_dpo", Some(&[1.0; 3])), length(0, 3));
    assert_eq!(refused("nca", None), length(3, 0));
    assert_eq!(refused("nca", Some(&[1.0; 2])), length(3, 2));
    let outside = |name, value, requirement| Error::Column { name, row: 1, value, requirement };
    assert_eq!(refused("real", Some(&[1.0, 0.5, 0.0])), outside("right", 0.5, "1 or 0"));
    let large = refused("lipo", Some(&[1.0, 1025.0, 0.0]));
    assert_eq!(large, outside("relevance", 1025.0, "at least -1024 and at most 1024"));
    assert_eq!(refused("a2po", Some(&[1.0, f32::INFINITY, 0.0])), outside("reward", f32::INFINITY, "finite"));
    let [whole, good] = [2.5, 2.0].map(|top| ListedLoss::plackett_luce_top(0.1, top));
    assert!(matches!(whole, Err(Error::Parameter { name: "top", .. })) && good.is_ok());
}

/// No answer and one have nothing to rank; two have the bits of DPO on that pair, whatever they are.
#[test]
fn none_one_and_two() {
    let mut random = Random(6);
    let inf = f32::INFINITY;
    for beta in [0.1, 1.0, 1e30, 1e-30] {
        let (loss, dpo) = (plackett_luce(beta), Loss::dpo(beta).unwrap());
        let got =
            results(&loss, &[list([]), list([[-3.0, -2.5]]), list([[f32::MAX, f32::MIN]])], true, &mut Vec::new());
        assert_eq!((got.losses.clone(), got.grad_beta.clone()), (vec![0.0; 3], vec![0.0; 3]));
        assert_eq!((got.answers[1].clone(), got.answers[2].clone()), (vec![0.0; 2], vec![0.0; 2]));
        assert!(got.bits().iter().all(|bits| *bits != (-0.0_f32).to_bits()));
        let mut rows: Vec<[f32; 4]> =
            (0..400).map(|i| [(); 4].map(|()| if i % 3 == 0 { random.finite() } else { random.logp() })).collect();
        for special in [f32::NAN, inf, -inf, 0.0, f32::MAX, f32::from_bits(1)] {
            for place in 0..4 {
                let mut row = [-1.0, -2.5, -1.5, -2.0];
                row[place] = special;
                rows.push(row);
                rows.push([row[0], special, row[2], row[3]]);
            }
        }
        let weights: Vec<f32> = (0..rows.len()).map(|i| [1.0, 0.0, 0.3, 1e30][i % 4]).collect();
        let columns: [Vec<f32>; 4] = std::array::from_fn(|k| rows.iter().map(|row| row[k]).collect());
        let [pc, pr, rc, rr] = &columns;
        let mut of_dpo = [(); 8].map(|()| vec![7.0; rows.len()]);
        let [losses, chosen, rejected, by_pc, by_pr, by_rc, by_rr, grad_beta] =
            of_dpo.each_mut().map(|x| Some(&mut x[..]));
        let outputs = Outputs {
            losses,
            chosen_rewards: chosen,
            rejected_rewards: rejected,
            margins: None,
            grad_chosen_logps: by_pc,
            grad_rejected_logps: by_pr,
            grad_ref_chosen_logps: by_rc,
            grad_ref_rejected_logps: by_rr,
            grad_beta,
        };
        Run::default().evaluate(&dpo, Pairs::new(pc, pr, rc, rr).with_weights(&weights), outputs, None).unwrap();
        let pairs: Vec<List> = rows
            .iter()
            .zip(&weights)
            .map(|(&[pc, pr, rc, rr], &weight)| List { weight, ..list([[pc, rc], [pr, rr]]) })
            .collect();
        let got = results(&loss, &pairs, true, &mut Vec::new());
        let of_answers = |column: &[f32]| column.chunks(2).map(|x| [x[0], x[1]]).collect::<Vec<_>>();
        let [rewards, by_policy, by_reference] = got.answers.each_ref().map(|column| of_answers(column));
        for (i, row) in rows.iter().enumerate() {
            let want = of_dpo.each_ref().map(|column| column[i].to_bits());
            let [[rewards, rejected], by_policy, by_reference] = [rewards[i], by_policy[i], by_reference[i]];
            let [loss, by_beta] = [got.losses[i], got.grad_beta[i]];
            let got = [loss, rewards, rejected, by_policy[0], by_policy[1], by_reference[0], by_reference[1], by_beta];
            assert_eq!(got.map(f32::to_bits), want, "{row:?} weight {}", weights[i]);
        }
    }
}

/// A list has the bits that it has alone: whatever came before it, in the scratch too.
#[test]
fn lists_do_not_know_their_neighbours() {
    let mut random = Random(7);
    for Judged { loss, .. } in judged(None) {
        let mut all: Vec<List> = (0..3).flat_map(|_| lists(&mut random, 0..7, realistic)).collect();
        all[5].answers[1][0] = f32::NAN;
        all[12].answers[3] = [random.finite(), random.finite()];
        all[13].answers[0][0] = f32::NEG_INFINITY;
        let mut scratch = vec![ListScratch::default(); 20];
        for reference in [true, false] {
            let together = results(&loss, &all, reference, &mut scratch);
            let mut first = 0;
            for (i, one) in all.iter().enumerate() {
                let alone = results(&loss, std::slice::from_ref(one), reference, &mut scratch);
                let n = one.answers.len();
                let mut want = vec![together.losses[i].to_bits(), together.grad_beta[i].to_bits()];
                for column in &together.answers {
                    want.extend(column[first..first + n].iter().map(|x| x.to_bits()));
                }
                assert_eq!(alone.bits(), want, "{loss:?} {one:?}");
                first += n;
            }
        }
        let free: Vec<List> = all.iter().map(|one| list(one.answers.iter().map(|answer| [answer[0], 0.0]))).collect();
        assert_eq!(results(&loss, &all, false, &mut scratch).bits(), results(&loss, &free, true, &mut scratch).bits());
    }
}

/// So many that threads share them, which have scratch of their own.
#[test]
fn threads_and_partitions_give_the_same_bits() {
    let mut random = Random(9);
    let loss = plackett_luce(0.3);
    let mut all: Vec<List> = (0..130).flat_map(|_| lists(&mut random, 0..7, realistic)).collect();
    for (i, list) in all.iter_mut().enumerate() {
        list.weight = (i % 7) as f32;
        if let (true, Some(answer)) = (i % 50 == 0, list.answers.last_mut()) {
            answer[0] = f32::from_bits(random.bits() as u32);
        }
    }
    let whole = results(&loss, &all, true, &mut Vec::new());
    for threads in [2, 3] {
        let run = Run::default().threads(threads).unwrap();
        let threaded = results_of(run, &loss, &all, true, &mut Vec::new());
        assert!(threaded.bits() == whole.bits() && threaded.metrics == whole.metrics, "{threads} threads");
    }
    let (mut losses, mut gradients) = (Vec::new(), Vec::new());
    for part in all.chunks(311) {
        let part = results(&loss, part, true, &mut Vec::new());
        losses.extend(part.losses.iter().map(|x| x.to_bits()));
        gradients.extend(part.answers[1].iter().map(|x| x.to_bits()));
    }
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(losses == bits(&whole.losses) && gradients == bits(&whole.answers[1]));
}

#[test]
fn special_values() {
    const INF: f32 = f32::INFINITY;
    let loss = plackett_luce(1.0);
    let one = |policy: &[f32], weight: f32| {
        let given = List { weight, ..list(policy.iter().map(|x| [*x, 0.0])) };
        results(&loss, &[given], true, &mut Vec::new())
    };
    // NaN, and the difference of equal infinities between neighbours.
    for bad in [[-1.0, f32::from_bits(0xffc1_2345), -2.0, -3.0], [-1.0, INF, INF, -3.0], [-INF, -INF, -1.0, 0.0]] {
        for weight in [1.0, 0.0, 2.0] {
            let got = one(&bad, weight);
            assert_eq!((got.losses[0].to_bits(), got.grad_beta[0].to_bits()), (0x7fc0_0000, 0x7fc0_0000), "{bad:?}");
            assert!(got.answers[1].iter().chain(&got.answers[2]).all(|x| x.to_bits() == 0x7fc0_0000), "{bad:?}");
            for (reward, policy) in got.answers[0].iter().zip(bad) {
                assert_eq!(reward.to_bits(), if policy.is_nan() { 0x7fc0_0000 } else { policy.to_bits() });
            }
            assert_eq!(got.metrics.nonfinite(), 1);
        }
    }
    // One answer has nothing that it depends on.
    let alone = one(&[f32::NAN], 1.0);
    assert_eq!((alone.losses[0], alone.answers[1][0], alone.metrics.nonfinite()), (0.0, 0.0, 1));
    assert!(results(&loss, &[list([[INF, INF], [-1.0, 0.0], [0.0, 0.0]])], true, &mut Vec::new()).losses[0].is_nan());
    // The limits: what is left is the loss of the others.
    let rest = one(&[-1.0, -3.0], 1.0);
    let (left, by_beta, by) = (rest.losses[0], rest.grad_beta[0], rest.answers[1][1]);
    let surely_best = one(&[INF, -1.0, -3.0], 1.0);
    assert_eq!((surely_best.losses[0], &surely_best.answers[1][..]), (left, &[0.0, -by, by][..]));
    assert_eq!(surely_best.grad_beta[0], by_beta, "an answer that weighs nothing");
    // Two equal infinities that are no neighbours; what an infinite best answer leaves, it leaves anywhere.
    assert!(one(&[INF, -1.0, INF], 1.0).losses[0].is_nan() && one(&[-INF, -1.0, -INF], 1.0).grad_beta[0].is_nan());
    let between = one(&[-1.0, -INF, -3.0], 1.0);
    assert_eq!((between.losses[0], between.grad_beta[0]), (INF, INF));
    let surely_last = one(&[-1.0, -3.0, -INF], 1.0);
    assert_eq!((surely_last.losses[0], &surely_last.answers[1][..]), (left, &[-by, by, 0.0][..]));
    assert_eq!(surely_last.grad_beta[0], by_beta, "an answer that weighs nothing");
    let lost = one(&[-INF, -1.0, -3.0], 1.0);
    assert_eq!((lost.losses[0], lost.answers[1][0], lost.answers[1][2]), (INF, -1.0, 2.0 * by));
    assert_eq!(lost.grad_beta[0], INF);
    let nothing = one(&[-INF, -1.0, -3.0], 0.0);
    assert_eq!(
        (nothing.losses[0].to_bits(), nothing.grad_beta[0].to_bits(), &nothing.answers[1][..]),
        (0, 0, &[0.0; 3][..])
    );
    assert_eq!(lost.answers[0], [-INF, -1.0, -3.0]);
}

#[test]
fn metrics() {
    let mut random = Random(8);
    for Judged { loss, .. } in judged(None) {
        let mut all: Vec<List> = (0..9).flat_map(|_| lists(&mut random, 0..7, realistic)).collect();
        all[20].answers[1][0] = f32::MAX;
        for (i, one) in all.iter_mut().enumerate() {
            one.weight = random.unit() as f32;
            // Ties for the best, and near ones.
            if i % 5 == 3 && one.answers.len() > 1 {
                one.answers[0] = [-1.0, -2.0];
                one.answers[1] = if i % 2 == 0 { [-1.0, -2.0] } else { [-1.0_f32.next_up(), -2.0] };
            }
        }
        let got = results(&loss, &all, true, &mut Vec::new());
        let whole = got.metrics;
        let mut best = [(); 4].map(|()| ExactSum::new());
        let (mut accurate, mut nonfinite, mut first) = (0, 0, 0);
        for (i, one) in all.iter().enumerate() {
            let rewards = &got.answers[0][first..first + one.answers.len()];
            for (k, (reward, answer)) in rewards.iter().zip(&one.answers).enumerate() {
                let [chosen, rejected, logps_chosen, logps_rejected] = &mut best;
                let (rewards, logps) = if k == 0 { (chosen, logps_chosen) } else { (rejected, logps_rejected) };
                rewards.add(*reward);
                logps.add(answer[0]);
            }
            // By exact log-ratios: rewards may be equal after rounding.
            let ratios: Vec<Float> = one.answers.iter().map(|answer| log_ratio(*answer)).collect();
            accurate += u64::from(ratios.len() > 1 && ratios[1..].iter().all(|ratio| ratios[0] > *ratio));
            nonfinite += u64::from(!rewards.iter().chain([&got.losses[i]]).all(|x| x.is_finite()));
            first += one.answers.len();
        }
        assert_eq!((whole.lists(), whole.filled(), whole.answers()), (63, 54, first as u64));
        assert_eq!((whole.accurate(), whole.nonfinite()), (accurate, nonfinite));
        let got_sums = [whole.rewards_chosen(), whole.rewards_rejected(), whole.logps_chosen(), whole.logps_rejected()];
        assert_eq!(got_sums.map(|sum| *sum), best);
        let sum = |values: &mut dyn Iterator<Item = f32>| {
            let mut sum = ExactSum::new();
            values.for_each(|x| sum.add(x));
            sum
        };
        assert_eq!(*whole.loss(), sum(&mut got.losses.iter().copied()));
        assert_eq!(*whole.weights(), sum(&mut all.iter().map(|one| one.weight)));
        let report = whole.report();
        assert_eq!(report.loss.to_bits(), whole.loss().mean(63).to_bits());
        assert_eq!(report.rewards_chosen.to_bits(), best[0].mean(54).to_bits());
        assert_eq!(report.rewards_rejected.to_bits(), best[1].mean(first as u64 - 54).to_bits());
        assert_eq!(report.rewards_accuracies, (accurate as f64 / 63.0) as f32);
        assert!(accurate > 3);
        // Parts, back to front.
        let mut merged = ListMetrics::new();
        for part in all.chunks(8).rev() {
            let part: Vec<List> = part.iter().rev().cloned().collect();
            merged.merge(&results(&loss, &part, true, &mut Vec::new()).metrics);
        }
        assert_eq!(merged, whole);
    }
    let none = ListMetrics::new().report();
    assert!([none.loss, none.rewards_chosen, none.rewards_accuracies, none.logps_rejected].iter().all(|x| x.is_nan()));
}

#[test]
fn bad_input_is_named_before_anything_is_written() {
    let (four, three) = ([-1.0_f32; 4], [-1.0_f32; 3]);
    let loss = plackett_luce(0.1);
    let good = Lists::new(&four, &four, &[0, 3, 4]);
    assert_eq!(good.longest(), 3);
    let mut losses = [7.0; 2];
    let mut check = |lists: Lists<'_>, scratch: usize| {
        let mut metrics = ListMetrics::new();
        let outputs = ListOutputs { losses: Some(&mut losses), ..Default::default() };
        let mut scratch = vec![ListScratch::default(); scratch];
        let error =
            Run::default().evaluate_listed(&loss, lists, outputs, Some(&mut metrics), &mut scratch).unwrap_err();
        assert_eq!((losses, metrics), ([7.0; 2], ListMetrics::new()));
        error
    };
    let short = Error::Length { argument: "ref_logps", expected: 4, got: 3 };
    assert_eq!(check(Lists { ref_logps: Some(&three), ..good }, 3), short);
    let weights = Error::Length { argument: "weights", expected: 2, got: 3 };
    assert_eq!(check(Lists { weights: Some(&three), ..good }, 3), weights);
    let weight = check(Lists { weights: Some(&[1.0, -0.5]), ..good }, 3);
    assert_eq!(weight, Error::Weight { row: 1, value: -0.5 });
    assert_eq!(check(good, 2), Error::Full { what: "scratch", capacity: 2 });
    let wrong: [(&[usize], usize, usize); 8] = [
        (&[], 0, 0),
        (&[0], 0, 0),
        (&[0, 3], 1, 3),
        (&[0, 5], 1, 5),
        (&[1, 4], 0, 1),
        (&[0, 3, 2, 4], 2, 2),
        (&[0, usize::MAX, 4], 2, 4),
        (&[0, 4, usize::MAX], 2, usize::MAX),
    ];
    for (offsets, at, of) in wrong {
        match check(Lists { offsets, ..good }, 3) {
            Error::Offsets { index, value, .. } => assert_eq!((index, value), (at, of), "{offsets:?}"),
            other => panic!("{offsets:?}: {other:?}"),
        }
    }
    for (name, lists) in
        [("losses", true), ("grad_beta", true), ("rewards", false), ("grad_logps", false), ("grad_ref_logps", false)]
    {
        let expected = if lists { 2 } else { 4 };
        let (mut short, mut fits) = (vec![7.0; expected - 1], vec![7.0; 2]);
        let mut outputs = ListOutputs::default();
        match name {
            "losses" => outputs.losses = Some(&mut short),
            "grad_beta" => outputs.grad_beta = Some(&mut short),
            "rewards" => outputs.rewards = Some(&mut short),
            "grad_logps" => outputs.grad_logps = Some(&mut short),
            _ => outputs.grad_ref_logps = Some(&mut short),
        }
        if name != "losses" {
            outputs.losses = Some(&mut fits);
        }
        let mut scratch = [ListScratch::default(); 3];
        let error = Run::default().evaluate_listed(&loss, good, outputs, None, &mut scratch).unwrap_err();
        assert_eq!(error, Error::Length { argument: name, expected, got: expected - 1 });
        assert!(fits.iter().chain(&short).all(|x| *x == 7.0));
    }
    // No lists, and lists without answers, are no error.
    for offsets in [&[0][..], &[0, 0, 0]] {
        let none = Lists { policy_logps: &[], ref_logps: None, offsets, weights: None, column: None };
        Run::default().evaluate_listed(&loss, none, ListOutputs::default(), None, &mut []).unwrap();
    }
}
