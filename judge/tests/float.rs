//! The arithmetic against the processor's, against itself in more bits, and by identities. With the feature `mpfr` every
//! operation here is also done by MPFR.

mod common;

use common::{BINARY, UNARY, apply, number};
use preflane_judge::{Float, PRECISIONS, Random, Special};

/// Doubles of all sizes, among them subnormal ones, with few bits and with many.
fn double(random: &mut Random) -> f64 {
    loop {
        let bits =
            random.bits() & random.pick(&[u64::MAX, !0xffff_ffff, !0x000f_ffff_ffff_ffff | 1, 0x801f_ffff_ffff_ffff]);
        let x = f64::from_bits(bits);
        if x.is_finite() {
            return x;
        }
    }
}

/// A significand with long runs of equal bits, about which roundings turn.
fn pattern(random: &mut Random, precision: u32) -> Float {
    let mut x = Float::with_val(precision, random.pick(&[1, 3]));
    for _ in 0..random.bits() % 5 {
        let step = Float::with_val(precision, 1) >> (random.bits() % u64::from(precision + 8)) as i32;
        if random.bits() & 1 == 0 { x += step } else { x -= step }
    }
    if random.bits() & 3 == 0 {
        x *= random.unit();
    }
    if random.bits() & 1 == 0 { x } else { -x }
}

/// The same double, zeros by their sign.
#[track_caller]
fn same(got: f64, want: f64, what: &str) {
    assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{what}: {got:e}, not {want:e}");
}

/// Exact results of doubles go to the double that the processor has for them, down to subnormal ones and up to infinity.
#[test]
fn conversions_round_as_the_processor_does() {
    let mut random = Random(1);
    let exact = |x: f64| Float::with_val(53, x);
    for _ in 0..30_000 {
        // Exponents near each other, so that products and quotients fall on both ends of the range, too.
        let (a, b) = (double(&mut random), double(&mut random));
        let near = a * (random.unit() - 0.5) * random.pick(&[1.0, 1e-8, 1e-16]);
        same(Float::with_val(4400, &exact(a) + &exact(b)).to_f64(), a + b, "sum");
        same(Float::with_val(4400, &exact(a) - &exact(near)).to_f64(), a - near, "difference");
        same(Float::with_val(106, &exact(a) * &exact(b)).to_f64(), a * b, "product");
        // A quotient of doubles is no nearer to a midpoint than 2^-54 of itself.
        same(Float::with_val(300, &exact(a) / &exact(b)).to_f64(), a / b, "quotient");
        same(Float::with_val(300, exact(a).sqrt_ref()).to_f64(), a.sqrt(), "square root");
        let [c, d] = [a, b].map(|x| f32::from_bits(x.to_bits() as u32)).map(|x| if x.is_finite() { x } else { 1.5 });
        let product = Float::with_val(48, &exact(c.into()) * &exact(d.into())).to_f32();
        same(product.into(), (c * d).into(), "product in f32");
        same(Float::with_val(200, a).to_f32().into(), (a as f32).into(), "f64 in f32");
    }
    for (text, f64_bits, f32_bits) in [
        // Half of the least goes to 0, the least bit more than that to the least.
        ("0x1p-1075", 0, 0),
        ("0x10000000000000000000000000000000000000001p-1235", 1, 0),
        ("0x1p-150", 0x3690_0000_0000_0000, 0),
        ("0x10000000000000000000000000000000000000001p-310", 0x3690_0000_0000_0000, 1),
        ("0x3p-1075", 2, 0),
        ("0x3p-150", 0x36a8_0000_0000_0000, 2),
        ("0x1p-1076", 0, 0),
        ("0x1p-1000000", 0, 0),
        ("0x1p1000000", 0x7ff0_0000_0000_0000, 0x7f80_0000),
        // The greatest subnormal and a half: the least normal.
        ("0x1ffffffffffffep-1075", 0x000f_ffff_ffff_ffff, 0),
        ("0x1fffffffffffffp-1075", 0x0010_0000_0000_0000, 0),
    ] {
        for (sign, x) in [(0, number(text)), (1, -number(text))] {
            assert_eq!(x.to_f64().to_bits(), f64_bits | sign << 63, "{text} in f64");
            assert_eq!(x.to_f32().to_bits(), f32_bits | (sign as u32) << 31, "{text} in f32");
        }
    }
}

/// In 53 bits each operation is that of a processor, whose results are normal numbers here.
#[test]
fn operators_round_as_the_processor_does() {
    let mut random = Random(2);
    let mut odd = || (random.unit() - 0.5) * random.pick(&[1.0, 1.0, 3.0, 1e-9, 1e17]) + random.pick(&[0.0, 1.0, -1.0]);
    for _ in 0..30_000 {
        let (a, b) = (odd(), odd());
        let x = || Float::with_val(53, a);
        for (got, want) in [
            (x() + b, a + b),
            (x() - b, a - b),
            (x() * b, a * b),
            (x() / b, a / b),
            (a - Float::with_val(53, b), a - b),
            (x().square(), a * a),
            (x().recip(), 1.0 / a),
            (x().abs().sqrt(), a.abs().sqrt()),
            (-x() >> 7, -a / 128.0),
        ] {
            same(got.to_f64(), want, "in 53 bits");
        }
        assert_eq!(x().partial_cmp(&b), a.partial_cmp(&b));
        let [c, d] = [a as f32, b as f32];
        let y = || Float::with_val(24, c);
        for (got, want) in [(y() + d, c + d), (y() - d, c - d), (y() * d, c * d), (y() / d, c / d)] {
            assert_eq!(got.to_f32().to_bits(), want.to_bits());
        }
    }
}

/// In any precision the result is that of many more bits, rounded.
#[test]
fn results_are_those_of_more_bits() {
    let mut random = Random(3);
    for _ in 0..4_000 {
        let precision = (random.bits() % random.pick(&[12, 70, 200, 600])) as u32 + 1;
        let length = (random.bits() % 400) as u32 + 1;
        let exponent = (random.bits() % random.pick(&[4, 40, 300])) as i32;
        let exponent = if random.bits() & 1 == 0 { exponent } else { -exponent };
        let x = pattern(&mut random, length) << exponent;
        let by = (random.bits() % 800) as i32 - 400;
        let y = pattern(&mut random, precision.max(40)) << by;
        for name in UNARY {
            let got = apply(name, precision, std::slice::from_ref(&x));
            let more = apply(name, 1_200, std::slice::from_ref(&x));
            check(name, &got, &Float::with_val(precision, &more), &[&x]);
        }
        for name in BINARY {
            let operands = [x.clone(), y.clone()];
            // Enough for sums to be exact.
            let more = apply(name, 4_000, &operands);
            check(name, &apply(name, precision, &operands), &Float::with_val(precision, &more), &[&x, &y]);
        }
    }
}

#[track_caller]
fn check(name: &str, got: &Float, want: &Float, operands: &[&Float]) {
    assert!(
        format!("{got:x}") == format!("{want:x}") && got.prec() == want.prec(),
        "{name} of {operands:x?} in {} bits: {got:x}, with more bits {want:x}",
        got.prec()
    );
}

/// What functions have to do with each other, to the last bits.
#[test]
fn functions_invert_and_add_up() {
    let mut random = Random(4);
    for round in 0..600 {
        let precision = [53, 128, 320, 1000][round % 4];
        let p = |x: f64| Float::with_val(precision, x);
        let x = pattern(&mut random, precision) << ((random.bits() % 12) as i32 - 8);
        let y = pattern(&mut random, precision) << ((random.bits() % 12) as i32 - 8);
        // In units of the last place of the wanted value, each a rounding or a few, times how a function spreads them.
        let near = |what: &str, got: Float, want: &Float, units: f64| {
            let error = (Float::with_val(64, &got - want) / want).abs();
            let allowed = Float::with_val(64, units) >> precision as i32;
            assert!(error <= allowed, "{what} of {x:x} and {y:x} in {precision} bits: {got:x}, {want:x}");
        };
        let size = 1.0 + x.to_f64().abs() + y.to_f64().abs();
        let (ex, ey) = (Float::with_val(precision, x.exp_ref()), Float::with_val(precision, y.exp_ref()));
        let sum = Float::with_val(precision + 64, &x + &y);
        near("e^(x+y) = e^x e^y", ex.clone() * &ey, &Float::with_val(precision, sum.exp_ref()), 8.0);
        near("e^ln", Float::with_val(precision + 64, ey.ln_ref()).exp(), &ey, 4.0);
        near("ln e^", Float::with_val(precision + 64, x.exp_ref()).ln(), &x, 4.0 + size);
        near("ln(1 + e^x - 1)", Float::with_val(precision + 64, x.exp_m1_ref()).ln_1p(), &x, 4.0 + size);
        near("e^x - 1", Float::with_val(2 * precision + 100, x.exp_ref()) - 1, &x.clone().exp_m1(), 4.0);
        near("ln(1 + x)", Float::with_val(2_500, &ey + 1).ln(), &ey.clone().ln_1p(), 4.0);
        let twice = Float::with_val(precision + 64, x.exp_ref()) + Float::with_val(precision + 64, -&x).exp();
        near("2 cosh", twice, &(x.clone().cosh() * 2), 4.0);
        let wide = Float::with_val(precision + 64, &x);
        let tanh = (wide.clone() * 2_i32).exp_m1() / (Float::with_val(precision + 64, &x * 2.0).exp() + 1);
        near("tanh", tanh, &wide.tanh(), 16.0);
        near("root's square", ex.clone().sqrt().square(), &ex, 4.0);
        near("x / y y", x.clone() / &y * &y, &x, 4.0);
        assert!(Float::with_val(precision, x.ln_ref()).is_nan() == (x < 0), "ln of {x:x}");
        assert_eq!(p(1.0).ln(), 0);
    }
}

/// NaN, infinities, signs of zero, and the ends of the range.
#[test]
fn specials() {
    let of = |x: Special| Float::with_val(100, x);
    let (zero, minus_zero, infinite, minus_infinite) =
        (of(Special::Zero), of(Special::NegZero), of(Special::Infinity), of(Special::NegInfinity));
    let nan = || of(Special::Nan);
    let text = |x: Float| format!("{x:x}");
    for (got, want) in [
        (zero.clone() + &minus_zero, "0x0p0"),
        (minus_zero.clone() + &minus_zero, "-0x0p0"),
        (minus_zero.clone() - &zero, "-0x0p0"),
        (of(Special::Zero) + 1 - 1, "0x0p0"),
        (minus_zero.clone() * 3, "-0x0p0"),
        (minus_zero.clone() * -3, "0x0p0"),
        (zero.clone() / &minus_zero, "nan"),
        (infinite.clone() - &infinite, "nan"),
        (infinite.clone() * &zero, "nan"),
        (infinite.clone() / &minus_infinite, "nan"),
        (minus_infinite.clone() * 2, "-inf"),
        (1 / minus_zero.clone(), "-inf"),
        (1 / minus_infinite.clone(), "-0x0p0"),
        (minus_zero.clone().sqrt(), "-0x0p0"),
        (minus_zero.clone().ln(), "-inf"),
        (minus_zero.clone().ln_1p(), "-0x0p0"),
        (minus_zero.clone().exp_m1(), "-0x0p0"),
        (minus_zero.clone().tanh(), "-0x0p0"),
        (minus_zero.clone().cosh(), "0x1p0"),
        (minus_infinite.clone().exp(), "0x0p0"),
        (minus_infinite.clone().exp_m1(), "-0x1p0"),
        (minus_infinite.clone().tanh(), "-0x1p0"),
        (minus_infinite.clone().cosh(), "inf"),
        (minus_infinite.clone().ln(), "nan"),
        (Float::with_val(100, -1).ln_1p(), "-inf"),
        (Float::with_val(100, -2).ln_1p(), "nan"),
        (Float::with_val(100, -1).sqrt(), "nan"),
        (infinite.clone().ln(), "inf"),
        (Float::with_val(100, 1e300).exp(), "inf"),
        (Float::with_val(100, -1e300).exp(), "0x0p0"),
        (Float::with_val(100, -1e300).exp_m1(), "-0x1p0"),
        (Float::with_val(100, 1e300).cosh(), "inf"),
        (Float::with_val(100, 1e300).tanh(), "0x1p0"),
        (-nan() + 1, "nan"),
        (nan().exp(), "nan"),
    ] {
        assert_eq!(text(got), want);
    }
    assert!(nan() != nan() && nan().partial_cmp(&1).is_none() && nan() != 1 && nan().get_exp().is_none());
    assert!(zero == minus_zero && zero == 0 && minus_zero.is_sign_negative() && infinite > f64::MAX);
    assert!(minus_infinite < -1e300 && minus_infinite.is_infinite() && !minus_infinite.is_finite() && zero.is_finite());
    // The greatest number is below 2^(2^30 - 1), the least 2^-2^30; half of that is a tie, which goes to 0.
    let one = || Float::with_val(100, 1);
    assert_eq!(text(one() << ((1 << 30) - 2)), "0x1p1073741822");
    assert_eq!(text(one() << ((1 << 30) - 1)), "inf");
    assert_eq!(text(-one() >> (1 << 30)), "-0x1p-1073741824");
    assert_eq!(text(-one() >> ((1 << 30) + 1)), "-0x0p0");
    assert_eq!(text((one() * 1.5) >> ((1 << 30) + 1)), "0x1p-1073741824");
    assert_eq!([text(one() << i32::MIN), text(one() >> i32::MIN)], ["0x0p0", "inf"]);
    // Just above the tie in exact arithmetic, though not once rounded.
    let above = (one() + (one() >> 99)) >> (1 << 29);
    assert_eq!(text(Float::with_val(10, &above * &(one() >> ((1 << 29) + 1)))), "0x1p-1073741824");
    assert_eq!(one().get_exp(), Some(1));
    assert_eq!(Float::with_val(10, 1023.9).get_exp(), Some(11));
}

/// Which precision a result has.
#[test]
fn precision_is_of_what_is_given_by_value() {
    let (a, b) = (|| Float::with_val(40, 1.0), || Float::with_val(70, 3.0));
    assert_eq!(
        [(a() / b()).prec(), (a() / &b()).prec(), (&a() / b()).prec(), (2.0_f64 / b()).prec()],
        [40, 40, 70, 70]
    );
    assert_eq!(Float::with_val(9, &a() / &b()).prec(), 9);
    assert_eq!(Float::with_val(200, a() / b()), a() / b());
    let mut x = a();
    x /= b();
    x += 0.25_f32;
    assert_eq!((x.prec(), Float::new(7).prec()), (40, 7));
    x.set_prec(3);
    assert_eq!((x.prec(), x), (3, Float::with_val(3, 0.625)));
    for precision in [0, PRECISIONS.end() + 1] {
        let message = std::panic::catch_unwind(|| Float::new(precision)).unwrap_err();
        let message = message.downcast_ref::<String>().expect("a message");
        assert!(message.starts_with(&format!("precision {precision}: 1..=32768 bits")), "{message}");
    }
    // The greatest works, for functions too.
    assert_eq!(Float::with_val(*PRECISIONS.end(), 3).sqrt().square().to_f64(), 3.0);
}

#[test]
fn text() {
    let third = || Float::with_val(100, 1) / 3_i32;
    assert_eq!(
        format!("{:.5} {:.3e} {:.1}", third(), -third() * 1e-30, Float::with_val(9, 8)),
        "3.3333e-1 -3.33e-31 8e0"
    );
    assert_eq!(format!("{}", Float::with_val(200, 1e22)), "1.0000000000000000000e22");
    assert_eq!(format!("{:.4}", Float::with_val(200, 99_999.0)), "1.000e5");
    assert_eq!(format!("{:.30}", Float::with_val(200, 0.1)), "1.00000000000000005551115123126e-1");
    assert_eq!(
        format!("{:.3} {:.3}", Float::with_val(9, 1) << 1_000_000, Float::with_val(9, 1) >> 1_000_000),
        "9.90e301029 1.01e-301030"
    );
    let specials = [Special::Nan, Special::NegInfinity, Special::NegZero].map(|x| format!("{}", Float::with_val(9, x)));
    assert_eq!(specials, ["NaN", "-inf", "-0"]);
    for text in ["0x1p0", "-0xfp-3", "0x8000000000000000000000000000001p1000", "-inf", "nan", "0x0p0", "-0x0p0"] {
        assert_eq!(format!("{:x}", number(text)), text);
    }
}
