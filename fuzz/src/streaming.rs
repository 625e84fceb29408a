//! The streaming evaluator: calls in any order against a plain record of them, its pairs against whole batches, the monitor
//! against a plain window; damaged and made-up saved bytes against a plain reader of them; power lost at any write.

use std::ops::Range;

use crate::{
    Choices, JUDGED, Results, backends, bits, check_mean, check_nan, choices, loss, pair_results, ratio_order, scaling,
};
use preflane::logits::{LogSumExp, Reduction};
use preflane::streaming::storage::{RECORD_OVERHEAD, Slot, Slots, Storage, StorageError};
use preflane::streaming::{Alarm, Answer, Evaluator, Limits, Monitor, ReferenceAnswer, Scored, Side, Threshold};
use preflane::{Error, Loss, Metrics, Pairs, Run};
use preflane_judge::classes::{Source, Values};
use preflane_judge::sums::mean;
use preflane_judge::{crc32, float, k3, ulps};

/// Pairs in the window.
const WINDOW: usize = 3;

/// A monitor of the size that is fuzzed.
type Fuzzed = Monitor<WINDOW>;

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    let states = calls(&mut v);
    bytes(&mut v, &states[states.len() - 1]);
    slots(&mut v, &states);
}

/// One answer as it was given.
#[derive(Clone)]
struct Given {
    side: Side,
    /// Log-probabilities of policy and reference.
    tokens: Vec<(f32, Option<f32>)>,
    /// The reference's of the whole answer.
    whole: Option<f32>,
}

impl Given {
    fn is_referenced(&self) -> bool {
        self.whole.is_some() || self.tokens.iter().any(|token| token.1.is_some())
    }

    fn check(&self, got: &Answer, means: bool) {
        let n = self.tokens.len() as u64;
        let count = if means { n } else { 1 };
        let (policy, reference): (Vec<f32>, Vec<Option<f32>>) = self.tokens.iter().copied().unzip();
        assert_eq!(u64::from(got.tokens), n);
        check_mean(got.logps, &policy, count);
        let by_token: Option<Vec<f32>> = reference.into_iter().collect();
        match (by_token, self.whole, got.reference) {
            (None, None, None) => (),
            (None, Some(whole), Some(ReferenceAnswer { logps, drift: None })) => {
                assert_eq!(logps.to_bits(), whole.to_bits());
            }
            (Some(reference), None, Some(ReferenceAnswer { logps, drift: Some(drift) })) => {
                check_mean(logps, &reference, count);
                let differences: Vec<f32> = policy.iter().copied().chain(reference.iter().map(|x| -x)).collect();
                check_mean(drift.k1, &differences, n);
                check_k3(drift.k3, &policy, &reference);
            }
            _ => panic!("{got:?} of {:?} and {:?}", self.tokens, self.whole),
        }
    }
}

fn check_k3(got: f32, policy: &[f32], reference: &[f32]) {
    check_nan(&[got]);
    let tokens = || policy.iter().zip(reference);
    if tokens().all(|(p, r)| p.is_finite() && r.is_finite()) {
        if !JUDGED {
            return;
        }
        let sum = tokens().fold(float(0.0), |sum, (&p, &r)| sum + k3(p, r));
        let error = ulps(got, &mean(&sum, policy.len() as u64));
        assert!(error <= 0.501, "k3 {got:e} of {policy:?} and {reference:?}: {error} ULP");
    } else {
        let unlike = tokens().any(|(&p, &r)| (r - p).is_nan());
        assert!(if unlike { got.is_nan() } else { got == f32::INFINITY }, "{got:e} of {policy:?} and {reference:?}");
    }
}

/// What a call must do.
#[derive(Debug, PartialEq)]
enum Outcome {
    Taken,
    OutOfOrder(&'static str),
    Empty(usize),
    NoColumn,
}

fn outcome<T>(result: &Result<T, Error>) -> Outcome {
    match result {
        Ok(_) => Outcome::Taken,
        Err(Error::OutOfOrder { call, .. }) => Outcome::OutOfOrder(call),
        Err(Error::EmptySequence { sequence }) => Outcome::Empty(*sequence),
        Err(Error::Target { row: 0, .. }) => Outcome::NoColumn,
        Err(error) => panic!("{error}"),
    }
}

/// The monitor's states one after the other, the first of them empty.
fn calls<'a>(v: &mut Choices<'a>) -> Vec<Fuzzed> {
    let (_, loss) = loss(v);
    let means = v.once_in(3);
    let limits = limits(v);
    let value = if v.once_in(3) { Values::any } else { Values::logp };
    // How the reference comes: with each token, with the end, or not at all; now and then against that.
    let manner = v.below(3);
    let reduction = if means { Reduction::Mean } else { Reduction::Sum };
    let mut evaluator = Evaluator::new(loss).with_reduction(reduction).expect("a sum or a mean");
    let (mut open, mut first): (Option<Given>, Option<Given>) = (None, None);
    let (mut states, mut scored) = (vec![Fuzzed::new()], Vec::new());
    for _ in 0..v.below(160) {
        let before = evaluator;
        let against = v.once_in(12);
        let reference = |v: &mut Choices<'a>, at: usize| ((manner == at) != against).then(|| value(v));
        let (expected, got) = match v.below(16) {
            0..=2 => {
                let due = if first.as_ref().is_some_and(|first| first.side == Side::Chosen) {
                    Side::Rejected
                } else {
                    Side::Chosen
                };
                let other = if due == Side::Chosen { Side::Rejected } else { Side::Chosen };
                let side = if v.once_in(4) { other } else { due };
                let taken = open.is_none() && first.as_ref().is_none_or(|first| first.side != side);
                if taken {
                    open = Some(Given { side, tokens: Vec::new(), whole: None });
                }
                let expected = if taken { Outcome::Taken } else { Outcome::OutOfOrder("begin") };
                (expected, outcome(&evaluator.begin(side)))
            }
            call @ 3..=9 => {
                let reference = reference(v, 0);
                let name = if call < 9 { "token" } else { "logits" };
                let fits =
                    |given: &&mut Given| given.tokens.iter().all(|token| token.1.is_some() == reference.is_some());
                let open = open.as_mut().filter(fits);
                let row = if call < 9 { vec![value(v)] } else { v.logits(12, true) };
                let (got, logp) = if call < 9 {
                    (evaluator.token(row[0], reference), Some(row[0]))
                } else {
                    let scaling = scaling(v.scaling());
                    let column = v.below(row.len() + 1);
                    let whole = LogSumExp::of(v.pick(backends()), &row, &scaling);
                    let logp = row.get(column).map(|&logit| whole.logp(logit, &scaling));
                    (evaluator.logits(&row, column, &scaling, reference), logp)
                };
                let expected = match (open, logp) {
                    (None, _) => Outcome::OutOfOrder(name),
                    (Some(_), None) => Outcome::NoColumn,
                    (Some(open), Some(logp)) => {
                        open.tokens.push((logp, reference));
                        Outcome::Taken
                    }
                };
                (expected, outcome(&got))
            }
            10..=14 => {
                let whole = reference(v, 1);
                let given = open.clone().map(|given| Given { whole, ..given });
                let twice = |given: &Given| whole.is_some() && given.tokens.iter().any(|token| token.1.is_some());
                let expected = match (&given, &first) {
                    (Some(given), _) if given.tokens.is_empty() => {
                        Outcome::Empty(if given.side == Side::Chosen { 0 } else { 1 })
                    }
                    (Some(given), _) if twice(given) => Outcome::OutOfOrder("end"),
                    (Some(given), Some(first)) if given.is_referenced() != first.is_referenced() => {
                        Outcome::OutOfOrder("end")
                    }
                    (Some(_), _) => Outcome::Taken,
                    (None, _) => Outcome::OutOfOrder("end"),
                };
                let got = evaluator.end(whole);
                let got_outcome = outcome(&got);
                if let (Outcome::Taken, Ok(pair), Some(given)) = (&expected, got, given) {
                    open = None;
                    match (first.take(), pair) {
                        (None, None) => first = Some(given),
                        (Some(other), Some(pair)) => {
                            let chosen_last = given.side == Side::Chosen;
                            let (chosen, rejected) = if chosen_last { (given, other) } else { (other, given) };
                            chosen.check(&pair.chosen, means);
                            rejected.check(&pair.rejected, means);
                            scored.push(pair);
                            let next = watch(v, &states[states.len() - 1], &pair, &limits, &scored);
                            states.push(next);
                        }
                        (_, pair) => panic!("{pair:?} out of turn"),
                    }
                }
                (expected, got_outcome)
            }
            _ => {
                if v.once_in(4) {
                    evaluator.abandon();
                    (open, first) = (None, None);
                }
                continue;
            }
        };
        assert_eq!(got, expected);
        if got != Outcome::Taken {
            // By what is printed, for NaN is unlike itself.
            assert_eq!(format!("{evaluator:?}"), format!("{before:?}"), "what was refused changed something");
        }
    }
    let metrics = whole(v, &loss, &scored);
    assert_eq!(&metrics, states[states.len() - 1].metrics());
    states
}

/// The same pairs in batches: their bits and metrics.
fn whole(v: &mut Choices<'_>, loss: &Loss, scored: &[Scored]) -> Metrics {
    let mut metrics = Metrics::new();
    for referenced in [false, true] {
        let these: Vec<&Scored> = scored.iter().filter(|pair| pair.chosen.reference.is_some() == referenced).collect();
        let columns = these.iter().map(|scored| logps(scored));
        let mut apart = [(); 4].map(|()| Vec::new());
        columns.for_each(|logps| apart.iter_mut().zip(logps).for_each(|(column, x)| column.push(x)));
        let [pc, pr, rc, rr] = &apart;
        let pairs = if referenced { Pairs::new(pc, pr, rc, rr) } else { Pairs::reference_free(pc, pr) };
        let mut results = Results::new(these.len());
        Run::on(v.pick(backends()))
            .evaluate(loss, pairs, results.outputs(usize::MAX), Some(&mut metrics))
            .expect("columns of one length");
        for (row, scored) in these.iter().enumerate() {
            let got = pair_results(&scored.pair);
            assert_eq!(bits(&got), bits(&results.0.each_ref().map(|column| column[row])), "{scored:?}");
        }
    }
    metrics
}

/// Policy chosen and rejected, reference chosen and rejected: 0 without one.
fn logps(scored: &Scored) -> [f32; 4] {
    let [rc, rr] = [scored.chosen, scored.rejected].map(|answer| answer.reference.map_or(0.0, |it| it.logps));
    [scored.chosen.logps, scored.rejected.logps, rc, rr]
}

/// Some thresholds: shares and margins that are met.
fn limits(v: &mut Choices<'_>) -> Limits {
    let mut limits = Limits::new(1 + v.below(5) as u32).expect("at least one");
    for alarm in Alarm::ALL {
        if v.once_in(3) {
            continue;
        }
        let raise = if v.once_in(2) { v.pick(&[0.0, 0.25, 0.5, 1.0]) } else { v.logp() / 64.0 };
        let apart = v.pick(&[0.0, 0.0, 0.25, 1.0]);
        let clear = if alarm == Alarm::MarginCollapse { raise + apart } else { raise - apart };
        limits = limits.with(alarm, Threshold { raise, clear }).expect("on the right side");
    }
    limits
}

/// The monitor after one pair more, by way of bytes now and then; against all pairs so far.
fn watch(v: &mut Choices<'_>, before: &Fuzzed, pair: &Scored, limits: &Limits, scored: &[Scored]) -> Fuzzed {
    let mut monitor = before.clone();
    if v.once_in(4) {
        monitor.restore(&saved(before)).expect("bytes that it wrote");
    }
    let changes = monitor.push(pair, limits);
    let last = &scored[scored.len().saturating_sub(WINDOW)..];
    let report = monitor.window().report();
    assert_eq!(report.pairs as usize, last.len());

    let values = |of: &dyn Fn(&Scored) -> Option<f32>| last.iter().filter_map(of).collect::<Vec<f32>>();
    let share = |of: &dyn Fn(&Scored) -> Option<bool>| values(&|pair| of(pair).map(|x| if x { 1.0 } else { 0.0 }));
    let fell = |pair: &Scored, i: usize| logps(pair)[i] < logps(pair)[i + 2];
    let referenced = |pair: &Scored| pair.chosen.reference.is_some();
    let drift = |answer: &Answer| answer.reference.and_then(|it| it.drift);
    let drifts = |pair: &Scored| drift(&pair.chosen).zip(drift(&pair.rejected));
    let middle = |a: f32, b: f32| ((f64::from(a) + f64::from(b)) / 2.0) as f32;
    let nonfinite = |pair: &Scored| {
        let results = pair_results(&pair.pair);
        !logps(pair).iter().chain(&results[..4]).all(|x| x.is_finite())
    };
    let margins = values(&|pair| Some(pair.pair.margin));
    let chosen_fell = share(&|pair| referenced(pair).then(|| fell(pair, 0)));
    let k1 = values(&|pair| drifts(pair).map(|(a, b)| middle(a.k1, b.k1)));
    let k3 = values(&|pair| drifts(pair).map(|(a, b)| middle(a.k3, b.k3)));
    let nonfinite = share(&|pair| Some(nonfinite(pair)));
    let statistic = |got: Option<f32>, values: &[f32]| {
        assert_eq!(got.is_some(), !values.is_empty());
        if let Some(got) = got {
            check_mean(got, values, values.len() as u64);
        }
    };
    statistic(report.rewards_margins, &margins);
    statistic(report.rewards_accuracies, &share(&|pair| Some(ratio_order(logps(pair)).is_some_and(|o| o.is_gt()))));
    statistic(report.chosen_fell, &chosen_fell);
    statistic(report.both_fell, &share(&|pair| referenced(pair).then(|| fell(pair, 0) && fell(pair, 1))));
    statistic(report.kl_k1, &k1);
    statistic(report.kl_k3, &k3);
    statistic(report.nonfinite, &nonfinite);

    // The alarms by their rule: up where the threshold is reached, down where the statistic is back, else as they were.
    let of_alarm = [report.chosen_fell, report.rewards_margins, report.kl_k1, report.kl_k3, report.nonfinite];
    for (alarm, value) in Alarm::ALL.into_iter().zip(of_alarm) {
        assert_eq!(monitor.window().statistic(alarm).map(f32::to_bits), value.map(f32::to_bits));
        let was = before.raised().contains(alarm);
        let mut is = was;
        let ready = last.len() == WINDOW || last.len() >= limits.least_pairs() as usize;
        if let (Some(Threshold { raise, clear }), Some(value), true) = (limits.threshold(alarm), value, ready) {
            let sign = if alarm == Alarm::MarginCollapse { -1.0 } else { 1.0 };
            if sign * value >= sign * raise {
                is = true;
            } else if sign * value <= sign * clear {
                is = false;
            }
        }
        assert_eq!(monitor.raised().contains(alarm), is, "{alarm:?} at {value:?}, {limits:?}");
        assert_eq!(changes.raised.contains(alarm), is && !was);
        assert_eq!(changes.cleared.contains(alarm), was && !is);
    }

    let mut sorted = margins;
    sorted.retain(|margin| !margin.is_nan());
    sorted.sort_by(f32::total_cmp);
    let share = if v.once_in(4) { v.any() } else { v.below(256) as f32 / 255.0 };
    for q in [0.0, 0.5, 1.0, share] {
        // The least of which so many are not above: exact, for the product has 26 bits.
        let enough = |rank: &usize| *rank as f64 >= f64::from(q) * sorted.len() as f64;
        let rank = (1..=sorted.len()).find(enough).filter(|_| q >= 0.0);
        let want = rank.map(|rank| sorted[rank - 1].to_bits());
        assert_eq!(monitor.window().quantile(q).map(f32::to_bits), want, "{q} of {sorted:?}");
    }
    assert_eq!(report.median_margin.map(f32::to_bits), monitor.window().quantile(0.5).map(f32::to_bits));
    monitor
}

fn saved<const N: usize>(monitor: &Monitor<N>) -> Vec<u8> {
    let mut bytes = vec![0; Monitor::<N>::BYTES];
    let length = monitor.save(&mut bytes).expect("room for the largest");
    bytes.truncate(length);
    bytes
}

/// Where the parts of a saved monitor lie: magic, kind, version and length; counts and sums; alarms and number of rows.
const HEADER: usize = 12;
const COUNTS: usize = 8;
const TOTALS: usize = HEADER + 8 * (COUNTS + 7 * 5);
const ROWS: usize = TOTALS + 8;
const ROW: usize = 16;

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word))
}

fn put(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
}

/// With the checksum over all before it in its last four bytes.
fn seal(bytes: &mut [u8]) {
    let end = bytes.len() - 4;
    put(bytes, end, crc32(&bytes[..end]));
}

/// Where the rows of a saved monitor lie; `None` if the bytes are none. By the format's description alone.
fn rows(bytes: &[u8]) -> Option<Range<usize>> {
    if bytes.len() < ROWS + 4 || bytes[..6] != *b"PFLN\x02\x01" {
        return None;
    }
    let end = HEADER + word(bytes, 8) as usize;
    if end < ROWS || bytes.len() < end + 4 || word(bytes, end) != crc32(&bytes[..end]) {
        return None;
    }
    let count = |i: usize| {
        let at = HEADER + 8 * i;
        u64::from(word(bytes, at + 4)) << 32 | u64::from(word(bytes, at))
    };
    let [pairs, referenced, accurate, ties, nonfinite, chosen_fell, rejected_fell, both_fell] =
        std::array::from_fn(count);
    let counts = u128::from(accurate) + u128::from(ties) <= u128::from(pairs)
        && referenced <= pairs
        && nonfinite <= pairs
        && chosen_fell <= referenced
        && rejected_fell <= referenced
        && both_fell <= chosen_fell
        && both_fell <= rejected_fell;
    let sums = (0..7).all(|sum| count(COUNTS + 5 * sum + 4) >> 63 == 0);
    let (alarms, n) = (word(bytes, TOTALS), word(bytes, TOTALS + 4));
    let flags = bytes[ROWS..end].chunks(ROW).all(|row| row.len() == ROW && word(row, ROW - 4) < 64);
    let whole = ROWS as u64 + ROW as u64 * u64::from(n) == end as u64;
    (counts && sums && alarms < 32 && flags && whole && u64::from(n) <= pairs).then_some(ROWS..end)
}

/// Saved bytes, changed.
fn changed(v: &mut Choices<'_>, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..v.below(4) {
        let (n, near) = (bytes.len(), v.below(300));
        // Half of the changes where words decide something.
        let at = match v.below(6) {
            0 => near % HEADER,
            1 => TOTALS + near % 8,
            2 => HEADER + near % (8 * COUNTS),
            _ => (near * 2 + v.below(2)) % n,
        };
        match v.below(8) {
            0..=2 => bytes[at] = v.source.byte(),
            3 | 4 => bytes[at] ^= 1 << v.below(8),
            // Some rows more or less, told or not.
            5 => {
                let rows: Vec<u8> = (0..4 * v.below(5)).flat_map(|_| v.source.word().to_le_bytes()).collect();
                let at = n - 4;
                bytes.splice(at..at, rows);
                let rows = (bytes.len() - ROWS - 4) / ROW;
                put(&mut bytes, TOTALS + 4, rows as u32);
                for row in bytes[ROWS..].chunks_exact_mut(ROW) {
                    let flags = word(row, ROW - 4) & 63;
                    put(row, ROW - 4, flags);
                }
            }
            6 => {
                let rows = (n - ROWS - 4) / ROW;
                bytes.drain(ROWS..ROWS + ROW * v.below(rows + 1));
            }
            _ => {
                let (pairs, more) = (v.source.word(), v.below(2));
                put(&mut bytes, HEADER + 4 * more, pairs);
            }
        }
    }
    if v.once_in(2) {
        let content = bytes.len() - HEADER - 4;
        put(&mut bytes, 8, content as u32);
    }
    // With a right checksum the content alone decides.
    if !v.once_in(3) {
        seal(&mut bytes);
    }
    match v.below(16) {
        0 => bytes.truncate(v.below(bytes.len())),
        1 => bytes.extend([v.source.byte(); 20]),
        _ => (),
    }
    bytes
}

fn bytes(v: &mut Choices<'_>, monitor: &Fuzzed) {
    let given = saved(monitor);
    assert!(rows(&given).is_some_and(|rows| rows.end + 4 == given.len()));
    let bytes = changed(v, given);
    restore::<1>(monitor, &bytes);
    restore::<WINDOW>(monitor, &bytes);
    restore::<8>(monitor, &bytes);
}

/// What is taken is what would be written, but for the rows that have no room.
fn restore<const N: usize>(monitor: &Fuzzed, bytes: &[u8]) {
    let mut restored = Monitor::<N>::new();
    restored.restore(&saved(monitor)).expect("bytes that it wrote");
    let before = saved(&restored);
    match (restored.restore(bytes), rows(bytes)) {
        (Ok(()), Some(rows)) => {
            let kept = rows.start.max(rows.end.saturating_sub(ROW * N))..rows.end;
            let mut want = bytes[..ROWS].to_vec();
            want.extend(&bytes[kept.clone()]);
            want.extend([0; 4]);
            // Two bytes that mean nothing.
            want[6..8].fill(0);
            put(&mut want, 8, (ROWS - HEADER + kept.len()) as u32);
            put(&mut want, TOTALS + 4, (kept.len() / ROW) as u32);
            seal(&mut want);
            assert_eq!(saved(&restored), want);
            let _ = (restored.window().report(), restored.metrics().report());
        }
        (Err(Error::SavedState { .. }), None) => assert_eq!(saved(&restored), before),
        (got, want) => panic!("{got:?}, rows at {want:?}"),
    }
}

/// Memory that loses power after some bytes of a write.
struct Flash {
    slots: [Vec<u8>; 2],
    power: usize,
}

impl Storage for &mut Flash {
    type Error = ();
    fn read(&mut self, slot: Slot, into: &mut [u8]) -> Result<(), ()> {
        into.copy_from_slice(self.slots[slot as usize].get(..into.len()).ok_or(())?);
        Ok(())
    }
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), ()> {
        let slot = &mut self.slots[slot as usize];
        if self.power == 0 {
            return Err(());
        }
        // Unlike the last byte, so that a record that is cut off is none by chance either.
        slot.fill(!bytes.last().copied().unwrap_or_default());
        let written = bytes.len().min(self.power - 1);
        slot[..written].copy_from_slice(&bytes[..written]);
        if written < bytes.len() { Err(()) } else { Ok(()) }
    }
}

/// States kept one after the other, with a loss of power at some: the last whole one is found.
fn slots(v: &mut Choices<'_>, states: &[Fuzzed]) {
    const SIZE: usize = Fuzzed::BYTES + RECORD_OVERHEAD;
    let mut buffer = [0; SIZE];
    let fill = v.source.byte();
    let mut flash = Flash { slots: [(); 2].map(|()| vec![fill; SIZE]), power: usize::MAX };
    let mut kept = None;
    // A record from before, of any generation; the other slot holds one too, the one before it, or a damaged one.
    if v.once_in(2) {
        let newest = v.below(2);
        let generation = if v.once_in(2) { v.source.word() } else { 0_u32.wrapping_sub(v.below(3) as u32) };
        let mut record = |slot: usize, generation: u32, state: &Fuzzed| {
            let state = saved(state);
            let mut record = generation.to_le_bytes().to_vec();
            record.extend((state.len() as u32).to_le_bytes());
            record.extend(&state);
            record.extend([0; 4]);
            seal(&mut record);
            flash.slots[slot][..record.len()].copy_from_slice(&record);
        };
        record(newest, generation, &states[states.len() - 1]);
        record(1 - newest, generation.wrapping_sub(1), &states[0]);
        kept = Some(saved(&states[states.len() - 1]));
        if v.once_in(2) {
            let at = v.below(60);
            flash.slots[1 - newest][at] ^= 1 << v.below(8);
        }
    }
    let mut state = Fuzzed::new();
    let find = |flash: &mut Flash, kept: &Option<Vec<u8>>| {
        let (mut state, mut buffer) = (Fuzzed::new(), [0; SIZE]);
        let (_, found) = Slots::open(flash, &mut state, &mut buffer).ok().expect("slots that can be read");
        assert_eq!(found.then(|| saved(&state)), *kept, "another state than the last");
    };
    find(&mut flash, &kept);
    for next in states.iter().take(12) {
        let lost = v.once_in(2);
        let power = if lost { v.below(SIZE + 8) } else { usize::MAX };
        let needed = saved(next).len() + RECORD_OVERHEAD + 1;
        let (mut slots, _) = Slots::open(&mut flash, &mut state, &mut buffer).ok().expect("slots that can be read");
        if v.once_in(4) {
            let short = &mut buffer[..v.below(needed - 1)];
            let refused = slots.save(next, short);
            assert!(matches!(refused, Err(StorageError::State(Error::Length { .. }))), "{refused:?}");
        }
        slots.into_storage().power = power;
        let (mut slots, _) = Slots::open(&mut flash, &mut state, &mut buffer).ok().expect("slots that can be read");
        let got = slots.save(next, &mut buffer);
        assert_eq!(got.is_ok(), power >= needed, "{got:?} with power for {power} of {needed} steps");
        if got.is_ok() {
            kept = Some(saved(next));
        }
        flash.power = usize::MAX;
        find(&mut flash, &kept);
    }
}
