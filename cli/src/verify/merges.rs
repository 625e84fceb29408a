//! The same state for every order and partition, across levels.

use preflane::logits::{LogSumExp, RowSum, Scaling};
use preflane::{Backend, ExactSum, Loss, Metrics, Outputs, Pairs, Run};
use preflane_judge::Random;
use preflane_judge::classes::Values;

use super::Check;
use crate::progress::Progress;

/// Rounds of each law.
const ROUNDS: u64 = 3_000;

/// Breaks a law if it can: what was given then.
type Law = fn(&mut Values<Random>, &[Backend]) -> Option<String>;

const LAWS: [(&str, Law); 3] = [("merged sums", sums), ("merged metrics", metrics), ("merged rows", rows)];

/// One check a law.
pub fn checks(backends: &[Backend]) -> Vec<Check> {
    let mut progress = Progress::of_steps("merges", ROUNDS * LAWS.len() as u64);
    let mut done = 0;
    let mut check = |(name, law): (&str, Law)| {
        let mut values = Values::new(Random(17));
        let mut broken = Vec::new();
        for _ in 0..ROUNDS {
            broken.extend(law(&mut values, backends));
            done += 1;
            progress.update(done);
        }
        let found = format!("{} differ", broken.len());
        broken.truncate(1);
        Check { name: name.into(), cases: ROUNDS, found, broken }
    };
    LAWS.map(&mut check).into()
}

fn sums(v: &mut Values<Random>, _: &[Backend]) -> Option<String> {
    let n = v.below(100);
    let values: Vec<f32> = (0..n).map(|_| v.any()).collect();
    let mut whole = ExactSum::new();
    let mut parts = vec![ExactSum::new(); 1 + v.below(6)];
    for &x in &values {
        whole.add(x);
        let at = v.below(parts.len());
        parts[at].add(x);
    }
    (v.merge(parts, ExactSum::merge) != whole).then(|| format!("{values:?}"))
}

fn metrics(v: &mut Values<Random>, backends: &[Backend]) -> Option<String> {
    let n = v.below(90);
    let columns = [(); 4].map(|()| (0..n).map(|_| v.any()).collect::<Vec<f32>>());
    let loss = Loss::robust(0.1, 0.1).expect("parameters within their ranges");
    let add = |backend, range: std::ops::Range<usize>, metrics: &mut Metrics| {
        let [pc, pr, rc, rr] = columns.each_ref().map(|column| &column[range.clone()]);
        Run::on(backend)
            .evaluate(&loss, Pairs::new(pc, pr, rc, rr), Outputs::default(), Some(metrics))
            .expect("of one length");
    };
    let mut whole = Metrics::new();
    add(backends[0], 0..n, &mut whole);
    let mut parts = vec![Metrics::new(); 1 + v.below(4)];
    let mut start = 0;
    while start < n {
        let end = n.min(start + 1 + v.below(40));
        let at = v.below(parts.len());
        add(v.pick(backends), start..end, &mut parts[at]);
        start = end;
    }
    (v.merge(parts, Metrics::merge) != whole).then(|| format!("{columns:?}"))
}

fn rows(v: &mut Values<Random>, backends: &[Backend]) -> Option<String> {
    let (temperature, logit_scale, soft_cap) = v.scaling();
    let scaling = Scaling::new(temperature, logit_scale, soft_cap).expect("parameters within their ranges");
    let row = v.logits(200, true);
    let whole = LogSumExp::of(backends[0], &row, &scaling);
    let mut parts = vec![RowSum::new(scaling); 1 + v.below(5)];
    let mut start = 0;
    while start < row.len() {
        let end = row.len().min(start + 1 + v.below(60));
        let at = v.below(parts.len());
        parts[at].add(v.pick(backends), &row[start..end], None).expect("no target");
        start = end;
    }
    let got = v.merge(parts, RowSum::merge).log_sum_exp();
    let same = got.rest.to_bits() == whole.rest.to_bits() && got.max.to_bits() == whole.max.to_bits();
    (!same).then(|| format!("{row:?} {scaling:?}"))
}
