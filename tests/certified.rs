//! Certified kernels give the bits of the definition: on every level, for rows that are made to be hard on them.

use half::{bf16, f16};
use preflane::logits::{Element, Labels, LogSumExp, Logits, LogitsMut, Scaling, Seeds, Targets, TokenOutputs};
use preflane::{Backend, Level, Run};

struct Bits(u64);

impl Bits {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u32 << 24) as f32
    }

    fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f32) as usize % n.max(1)
    }
}

/// A row of some kind, and what it is scaled by.
fn row(bits: &mut Bits, kind: usize) -> (Vec<f32>, Scaling) {
    let columns = [1, 2, 5, 16, 17, 33, 257, 2047, 2048, 2049, 4100][bits.below(11)];
    let (spread, shift) = ([0.0, 0.5, 3.0, 20.0, 300.0][bits.below(5)], 40.0 * (bits.unit() - 0.5));
    let mut x: Vec<f32> =
        (0..columns).map(|_| spread * (bits.unit() + bits.unit() + bits.unit() - 1.5) + shift).collect();
    let place = bits.below(columns);
    match kind % 14 {
        1 => x[place] = f32::NAN,
        2 => x[place] = f32::INFINITY,
        3 => x.iter_mut().step_by(2).for_each(|x| *x = f32::NEG_INFINITY),
        4 => x.fill(f32::NEG_INFINITY),
        5 => {
            x.fill(f32::NEG_INFINITY);
            x[place] = 3.5;
        }
        6 => x[place] = 30.0,
        7 => x[place] = 3e38,
        8 => x.iter_mut().for_each(|x| *x = -x.abs() * 1e36),
        9 => x.iter_mut().for_each(|x| *x *= 1e-40),
        10 => x.fill(-0.0),
        11 => x.iter_mut().for_each(|x| *x = x.round()),
        12 => x.iter_mut().step_by(3).for_each(|x| *x -= 95.0),
        _ => {}
    }
    let scaling = match bits.below(6) {
        0 => Scaling::temperature(0.7).unwrap(),
        1 => Scaling::new(1.3, 0.0625, None).unwrap(),
        2 => Scaling::temperature(0.01).unwrap(),
        3 => Scaling::new(1.0, 1.0, Some(30.0)).unwrap(),
        _ => Scaling::NONE,
    };
    (x, scaling)
}

/// Everything of a row, as bits.
fn bits_of<T: Element>(backend: Backend, x: &[T], scaling: &Scaling, seed: f32, bits: fn(T) -> u32) -> Vec<u64> {
    let (run, mut x) = (Run::on(backend), x.to_vec());
    let (mut logps, mut sums) = ([0.0], [LogSumExp::default()]);
    let labels = [x.len() as i64 / 2];
    let targets = || Targets::new(Labels::I64(&labels));
    let outputs = TokenOutputs { logps: Some(&mut logps), log_sum_exps: Some(&mut sums), ..Default::default() };
    let columns = x.len();
    run.token_logps(Logits::new(&x, 1, columns).unwrap(), targets(), scaling, outputs).unwrap();
    let seeds = Seeds { log_sum_exps: &sums, grad_logps: &[seed] };
    run.logits_grad_in_place(LogitsMut::new(&mut x, 1, columns).unwrap(), targets(), scaling, seeds, false).unwrap();
    let [LogSumExp { rest, max, .. }] = sums;
    let row = [u64::from(logps[0].to_bits()), rest.to_bits(), max.to_bits().into()];
    row.into_iter().chain(x.into_iter().map(|x| bits(x).into())).collect()
}

#[test]
fn certified_kernels_give_the_bits_of_the_definition() {
    for level in Level::ALL {
        let Ok(backend) = Backend::new(level) else { continue };
        let mut bits = Bits(level as u64 + 1);
        for kind in 0..2_500 {
            let (x, scaling) = row(&mut bits, kind);
            let seed = [-1.0, 0.25, -1e-3, 3e-7, 1e-30, 1e30, -65504.0, 0.0][bits.below(8)];
            let (brain, half): (Vec<_>, Vec<_>) = x.iter().map(|&x| (bf16::from_f32(x), f16::from_f32(x))).unzip();
            let defined = backend.by_definition();
            let what = format!("{level:?}, row {kind} of {} columns, seed {seed:e}, {scaling:?}", x.len());
            let single = |backend| bits_of(backend, &x, &scaling, seed, f32::to_bits);
            assert_eq!(single(backend), single(defined), "f32: {what}");
            let brain = |backend| bits_of(backend, &brain, &scaling, seed, |x: bf16| x.to_bits().into());
            assert_eq!(brain(backend), brain(defined), "bf16: {what}");
            let half = |backend| bits_of(backend, &half, &scaling, seed, |x: f16| x.to_bits().into());
            assert_eq!(half(backend), half(defined), "f16: {what}");
        }
    }
}

#[test]
fn a_back_end_says_which_way_it_goes() {
    let backend = Backend::detect();
    assert_eq!(backend.by_definition().level(), backend.level());
    assert_eq!(backend.by_definition(), backend.by_definition().by_definition());
    assert_ne!(backend.by_definition(), backend);
}
