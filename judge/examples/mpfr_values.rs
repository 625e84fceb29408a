//! Prints the worked values of `tests/data/mpfr.txt`: results of which MPFR and the judge have the same bits, for every operation.
//!
//! `cargo run --release -p preflane-judge --features mpfr --example mpfr_values >judge/tests/data/mpfr.txt`

#[path = "../tests/common/mod.rs"]
mod common;

use common::{BINARY, UNARY, apply};
use preflane_judge::{Float, Random, Special};

/// Some bits of any pattern: often long runs of one bit, about which roundings turn.
fn pattern(random: &mut Random, precision: u32) -> Float {
    let mut x = Float::with_val(precision, 1);
    for _ in 0..random.bits() % 4 + 1 {
        let step = Float::with_val(precision, 1) >> (random.bits() % u64::from(precision)) as i32;
        if random.bits() & 1 == 0 { x += step } else { x -= step }
    }
    if random.bits() & 3 == 0 {
        x *= Float::with_val(precision, 1) / 3
    }
    x
}

/// Where functions bend, end, or are beside something simple.
fn arguments(precision: u32, random: &mut Random) -> Vec<Float> {
    let wide = |x: f64| Float::with_val(64, x);
    let one = || Float::with_val(4 * precision, 1);
    let power = |e: i32| one() << e;
    let p = precision as i32;
    let mut all: Vec<Float> = [
        0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 0.1, -0.1, -1.5, 1e-10, 1e-40, 12.5, -87.3, 709.8, -745.2, 1e6, -1e9, 3e30,
    ]
    .into_iter()
    .map(wide)
    .collect();
    all.extend([Special::Nan, Special::Infinity, Special::NegInfinity].map(|x| Float::with_val(precision, x)));
    // Beside 1, and what has so many bits that the result is next to a midpoint.
    for e in [-1, -7, -20, -64, -p / 2, -p - 1, -p, 1 - p] {
        all.extend([power(e), -power(e), one() + power(e), one() - power(e)]);
    }
    for e in [-30, -p, -100_000] {
        let beside_midpoint = (one() + power(-p)) << e;
        all.extend([beside_midpoint.clone(), -beside_midpoint]);
    }
    // The ends of the range: e^x overflows and underflows about 2^30 ln 2.
    all.extend([power((1 << 30) - 2), power(2 - (1 << 30)), -power((1 << 30) - 2)]);
    all.extend([744_261_117.5, 744_261_118.5, -744_261_118.0, -744_261_119.5].map(wide));
    // Squares of midpoints, and their neighbours.
    let midpoint = one() + power(-p);
    let square = Float::with_val(4 * precision, midpoint.square_ref());
    all.extend([square.clone(), square.clone() + power(-3 * p), square - power(-3 * p)]);
    for e in [-40, -3, 0, 4] {
        all.push(pattern(random, precision) << e);
        all.push(-(pattern(random, precision / 2) << e));
    }
    all
}

fn line(name: &str, precision: u32, operands: &[Float]) {
    let words: Vec<String> = operands.iter().map(|x| format!("{x:x}")).collect();
    println!("{name} {precision} {} = {:x}", words.join(" "), apply(name, precision, operands));
}

fn main() {
    println!(
        "# Operation, precision, operands = result, of which MPFR has the same bits. Printed by examples/mpfr_values.rs."
    );
    let mut random = Random(1);
    for precision in [128, 320, 1000] {
        let p = precision as i32;
        let arguments = arguments(precision, &mut random);
        for name in UNARY {
            arguments.iter().for_each(|x| line(name, precision, std::slice::from_ref(x)));
        }
        let one = || Float::with_val(2 * precision, 1);
        let power = |e: i32| one() << e;
        let special = |x: Special| Float::with_val(precision, x);
        let (least, most) = (power(-(1 << 30)), power((1 << 30) - 2));
        let mut pairs = vec![
            // Ties, and a little to either side of them.
            (one(), power(-p)),
            (one() + power(1 - p), power(-p)),
            (one(), power(-p) + power(-2 * p + 1)),
            (one(), -power(-p - 1)),
            (one(), -power(-p - 1) - power(-2 * p)),
            (one() + power(-p), one() + power(-p)),
            (one() + power(-p), one() - power(-p)),
            // What cancels to one bit, to nothing, and not at all.
            (one(), -one() + power(-2 * p + 1)),
            (one(), -one()),
            (one(), power(-100_000)),
            (one(), -power(-100_000)),
            // Exact quotients, and those beside midpoints.
            ((one() + power(-p)) * 3, one() * 3),
            ((one() + power(-p)) * 3 + power(-2 * p + 3), one() * 3),
            (one() - power(-2 * p), one() + power(-p)),
            (one(), one() * 3),
            // The ends of the range.
            (most.clone() * 1.75, most.clone() * 0.5),
            (most.clone(), one() * 3),
            (most, -one() * 0.125),
            (least.clone() * 1.5, one() * 0.5),
            (least.clone(), one() * 0.5),
            (least.clone() * 1.25, -least.clone()),
            (least * 3, one() * 7),
        ];
        let specials = [Special::Zero, Special::NegZero, Special::Infinity, Special::NegInfinity, Special::Nan];
        pairs.extend(specials.iter().flat_map(|a| specials.iter().map(|b| (special(*a), special(*b)))));
        pairs.extend(specials.iter().flat_map(|a| [(special(*a), -one()), (one(), special(*a))]));
        for i in 0..16 {
            let (a, b) = (pattern(&mut random, precision), pattern(&mut random, 2 * precision - 30));
            pairs.push((a, b << [0, 1, -1, -64, 63, -p, p, -p - 70][i % 8]));
        }
        for name in BINARY {
            pairs.iter().for_each(|(a, b)| line(name, precision, &[a.clone(), b.clone()]));
        }
        arguments.iter().for_each(|x| line("round", precision - 60, std::slice::from_ref(x)));
    }
    // About the least numbers of f64 and f32, their halves, and the greatest; about the normal numbers' ends and ties.
    let one = || Float::with_val(200, 1);
    for (name, precision, least, most) in [("to_f64", 53, -1074, 1024), ("to_f32", 24, -149, 128)] {
        for e in [least - 2, least - 1, least, least + 1, least + 20, least + precision, 0, most - 1, most] {
            for fraction in [0, 1, precision - 1, precision, 64, 130] {
                for x in [one() + (one() >> fraction), (one() << 1) - (one() >> fraction)] {
                    line(name, 53, &[x.clone() << e]);
                    line(name, 53, &[-(x << e)]);
                }
            }
        }
    }
}
