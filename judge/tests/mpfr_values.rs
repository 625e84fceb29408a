//! The arithmetic's bits against worked values of MPFR. With the feature `mpfr` each operation here is also done by MPFR, so that the
//! file is compared with it anew.

mod common;

use common::{BINARY, UNARY, apply, number};

#[test]
fn every_operation_has_the_bits_of_mpfr() {
    let mut counts = [0; UNARY.len() + BINARY.len() + 3];
    let names: Vec<&str> = UNARY.into_iter().chain(BINARY).chain(["round", "to_f64", "to_f32"]).collect();
    for line in include_str!("data/mpfr.txt").lines().filter(|line| !line.starts_with('#')) {
        let (operation, want) = line.split_once(" = ").expect("a result");
        let mut words = operation.split(' ');
        let (name, precision) = (words.next().expect("a name"), words.next().expect("a precision"));
        let operands: Vec<_> = words.map(number).collect();
        let got = apply(name, precision.parse().expect("bits"), &operands);
        assert_eq!(format!("{got:x}"), want, "{operation}");
        counts[names.iter().position(|n| *n == name).expect("a known name")] += 1;
    }
    for (name, count) in names.iter().zip(counts) {
        assert!(count >= 90, "{name}: {count} values");
    }
}
