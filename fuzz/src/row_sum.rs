//! A row in chunks and shards, of any size, on any level, merged in any order, sent as bytes: the bits of the whole.

use crate::{backends, choices, scaling};
use preflane::Error;
use preflane::logits::{LogSumExp, RowSum};

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    let scaling = scaling(v.scaling());
    let mut row = v.logits(200, true);
    if v.once_in(6) {
        let at = v.below(row.len());
        row[at] = v.any();
    }
    let n = row.len();
    let target = (!v.once_in(5)).then(|| v.below(n));
    let whole = v.pick(backends());
    let whole = LogSumExp::of(whole, &row, &scaling);

    let mut shards = Vec::new();
    let mut start = 0;
    while start < n {
        let end = n.min(start + 1 + v.below(n.min(40)));
        let here = target.filter(|at| (start..end).contains(at)).map(|at| at - start);
        let backend = v.pick(backends());
        // Into a shard of its own, or added to one that there is.
        if shards.is_empty() || v.once_in(2) {
            shards.push(RowSum::new(scaling));
        }
        let at = v.below(shards.len());
        shards[at].add(backend, &row[start..end], here).expect("a target within the columns");
        start = end;
    }
    while shards.len() > 1 {
        let other = v.below(shards.len());
        let mut other = shards.swap_remove(other);
        if v.once_in(2) {
            other = RowSum::restore(&other.state()).expect("a state that was given");
        }
        let into = v.below(shards.len());
        shards[into].merge(&other);
    }
    let merged = shards[0].log_sum_exp();
    let parts = |x: &LogSumExp| (x.rest.to_bits(), x.max.to_bits());
    assert_eq!(parts(&merged), parts(&whole), "{row:?} {scaling:?}");
    match target {
        Some(target) => {
            let want = whole.logp(row[target], &scaling);
            let got = shards[0].token_logp().expect("a shard held the target");
            assert_eq!(got.to_bits(), want.to_bits(), "{row:?} target {target} {scaling:?}");
        }
        None => assert_eq!(shards[0].token_logp(), Err(Error::NoTarget)),
    }
}
