//! The streaming evaluator: calls in any order against a plain record of them, saved bytes that are damaged or hostile.
#![no_main]

use libfuzzer_sys::fuzz_target;
use preflane::streaming::storage::{Slot, Slots, Storage};
use preflane::streaming::{Alarm, Answer, Evaluator, Limits, Monitor, Scored, Side, Threshold};
use preflane::{Backend, Error, ExactSum, Metrics, Outputs, Pairs, evaluate, evaluate_pair};
use preflane_fuzz::{Choices, bits, check_nan, choices, loss};
use preflane_judge::classes::Source;

/// A monitor of the size that is fuzzed.
type Fuzzed = Monitor<3>;

fuzz_target!(|data: &[u8]| {
    let mut v = choices(data);
    let (monitor, scored) = calls(&mut v);
    window(&monitor, &scored);
    bytes(&mut v, &monitor);
});

/// One answer's tokens, as they were given.
#[derive(Default)]
struct Tokens(Vec<(f32, Option<f32>)>);

impl Tokens {
    fn sum(&self, of: impl Fn(&(f32, Option<f32>)) -> f32) -> f32 {
        let mut sum = ExactSum::new();
        self.0.iter().for_each(|token| sum.add(of(token)));
        sum.sum()
    }
    fn check(&self, answer: &Answer, whole: Option<f32>) {
        assert_eq!(answer.tokens as usize, self.0.len());
        let mut sums = vec![self.sum(|token| token.0)];
        let mut got = vec![answer.logps];
        let by_token = self.0[0].1.is_some();
        assert_eq!(answer.reference.is_some(), by_token || whole.is_some());
        if let Some(reference) = answer.reference {
            got.push(reference.logps);
            sums.push(if by_token { self.sum(|token| token.1.unwrap()) } else { whole.unwrap() });
            assert_eq!(reference.drift.is_some(), by_token);
            if let Some(drift) = reference.drift {
                check_nan(&[drift.k1, drift.k3]);
                assert!(!(drift.k3 < 0.0));
            }
        }
        assert_eq!(bits(&got), bits(&sums));
    }
}

fn calls(v: &mut Choices<'_>) -> (Fuzzed, Vec<Scored>) {
    let (_, _, loss) = loss(v);
    let limits = Limits::new(1 + v.below(3) as u32).unwrap();
    let limits = limits.with(Alarm::Displacement, Threshold { raise: 0.5, clear: 0.3 }).unwrap();
    let (mut evaluator, mut monitor, mut scored) = (Evaluator::new(loss), Fuzzed::new(), Vec::new());
    let mut open: Option<(Side, Tokens)> = None;
    let mut first: Option<(Side, Tokens, Option<f32>)> = None;
    for _ in 0..v.below(40) {
        let before = evaluator;
        let side = if v.once_in(2) { Side::Chosen } else { Side::Rejected };
        let reference = v.once_in(2).then(|| v.any());
        let refused = match v.below(8) {
            0 | 1 => {
                let right = open.is_none() && first.as_ref().is_none_or(|(first, ..)| *first != side);
                if right {
                    open = Some((side, Tokens::default()));
                }
                let got = evaluator.begin(side);
                assert_eq!(got.is_ok(), right);
                got.err()
            }
            2..=4 => {
                let policy = v.any();
                let right = open
                    .as_ref()
                    .is_some_and(|(_, Tokens(tokens))| tokens.iter().all(|t| t.1.is_some() == reference.is_some()));
                if right {
                    open.as_mut().unwrap().1.0.push((policy, reference));
                }
                let got = evaluator.token(policy, reference);
                assert_eq!(got.is_ok(), right);
                got.err()
            }
            5 | 6 => {
                let got = evaluator.end(reference);
                let ended = match (&got, open.take()) {
                    (Ok(_), Some((side, tokens))) => Some((side, tokens, reference)),
                    (Err(_), kept) => {
                        open = kept;
                        None
                    }
                    (Ok(_), None) => panic!("an answer that never began has ended"),
                };
                match (got, ended, first.take()) {
                    (Ok(None), ended, None) => first = ended,
                    (Ok(Some(pair)), Some(second), Some(ended)) => {
                        let (chosen, rejected) =
                            if second.0 == Side::Chosen { (second, ended) } else { (ended, second) };
                        chosen.1.check(&pair.chosen, chosen.2);
                        rejected.1.check(&pair.rejected, rejected.2);
                        monitor.push(&pair, &limits);
                        scored.push(pair);
                    }
                    (Err(_), None, ended) => {
                        first = ended;
                        assert_eq!(format!("{evaluator:?}"), format!("{before:?}"));
                        let empty = open.as_ref().is_some_and(|(_, tokens)| tokens.0.is_empty());
                        let error = evaluator.end(reference).unwrap_err();
                        assert_eq!(matches!(error, Error::EmptySequence { .. }), empty);
                    }
                    (got, ..) => panic!("{got:?} out of turn"),
                }
                None
            }
            _ => {
                evaluator.abandon();
                (open, first) = (None, None);
                None
            }
        };
        if refused.is_some() {
            assert_eq!(format!("{evaluator:?}"), format!("{before:?}"), "a call that was refused changed something");
        }
    }
    // Pair by pair and in batches.
    let mut whole = Metrics::new();
    for pair in &scored {
        let reference = pair.chosen.reference.zip(pair.rejected.reference).map(|(c, r)| (c.logps, r.logps));
        let alone = evaluate_pair(&loss, pair.chosen.logps, pair.rejected.logps, reference);
        assert_eq!(format!("{alone:?}"), format!("{:?}", pair.pair));
        let (c, r) = reference.unwrap_or_default();
        let (pc, pr, rc, rr) = ([pair.chosen.logps], [pair.rejected.logps], [c], [r]);
        let pairs = if reference.is_some() { Pairs::new(&pc, &pr, &rc, &rr) } else { Pairs::reference_free(&pc, &pr) };
        evaluate(Backend::detect(), &loss, pairs, Outputs::default(), Some(&mut whole)).unwrap();
    }
    assert_eq!(&whole, monitor.metrics());
    (monitor, scored)
}

/// The window against the last pairs themselves.
fn window(monitor: &Fuzzed, scored: &[Scored]) {
    let window = monitor.window();
    let mut margins: Vec<f32> = scored.iter().rev().take(3).map(|pair| pair.pair.margin).collect();
    assert_eq!(window.len(), margins.len());
    margins.retain(|margin| !margin.is_nan());
    margins.sort_by(f32::total_cmp);
    let ends = [margins.first().copied(), margins.last().copied()].map(|x| x.map(f32::to_bits));
    assert_eq!([window.quantile(0.0), window.quantile(1.0)].map(|x| x.map(f32::to_bits)), ends);
    let report = window.report();
    let shares = [report.rewards_accuracies, report.chosen_fell, report.both_fell, report.nonfinite];
    assert!(shares.into_iter().flatten().all(|share| (0.0..=1.0).contains(&share)));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// Two slots of plain memory.
struct Memory<'a>([&'a mut Vec<u8>; 2]);

impl Storage for Memory<'_> {
    type Error = ();
    fn read(&mut self, slot: Slot, into: &mut [u8]) -> Result<(), ()> {
        into.copy_from_slice(self.0[slot as usize].get(..into.len()).ok_or(())?);
        Ok(())
    }
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), ()> {
        self.0[slot as usize].get_mut(..bytes.len()).ok_or(())?.copy_from_slice(bytes);
        Ok(())
    }
}

fn bytes(v: &mut Choices<'_>, monitor: &Fuzzed) {
    let mut saved = vec![0; Fuzzed::BYTES];
    let length = monitor.save(&mut saved).unwrap();
    saved.truncate(length);
    let mut damaged = saved.clone();
    for _ in 0..v.below(4) {
        let at = v.below(damaged.len());
        damaged[at] = v.source.word() as u8;
    }
    if v.once_in(8) {
        damaged.truncate(v.below(damaged.len()));
    }
    if v.once_in(8) {
        damaged.extend([v.source.word() as u8; 20]);
    }
    // With a right checksum the content alone decides.
    if v.once_in(2) && damaged.len() > 12 {
        let end = damaged.len() - 4;
        let crc = crc32(&damaged[..end]);
        damaged[end..].copy_from_slice(&crc.to_le_bytes());
    }
    let mut restored = Fuzzed::new();
    match restored.restore(&damaged) {
        Ok(()) => {
            // What is taken is what would be written, but for rows that the window drops.
            let mut again = vec![0; Fuzzed::BYTES];
            let length = restored.save(&mut again).unwrap();
            if length <= damaged.len() && damaged[8..12] == again[8..12] {
                assert_eq!(again[..length - 4], damaged[..length - 4]);
            }
            let _ = (restored.window().report(), restored.metrics().report());
        }
        Err(error) => {
            assert!(matches!(error, Error::SavedState { .. }));
            assert_eq!(restored, Fuzzed::new());
            assert!(damaged != saved);
        }
    }
    let mut buffer = vec![0; 512];
    let mut slots = [vec![0xff; 512], vec![0; 512]];
    let from = v.below(100);
    slots[1][..damaged.len().min(512 - from)].copy_from_slice(&damaged[..damaged.len().min(512 - from)]);
    let [a, b] = &mut slots;
    let mut state = Fuzzed::new();
    // A whole record with a state of another kind is the only refusal.
    if let Ok((mut slots, _)) = Slots::open(Memory([a, b]), &mut state, &mut buffer) {
        slots.save(monitor, &mut buffer).unwrap();
        let (_, found) = Slots::open(slots.into_storage(), &mut state, &mut buffer).unwrap();
        assert!(found);
        let mut again = vec![0; Fuzzed::BYTES];
        let length = state.save(&mut again).unwrap();
        assert_eq!(again[..length], saved[..]);
    }
}
