//! The orders that AOT compares: exact, with ties and NaN where they are said to be, and gradients brought back.

use preflane::aot::{Compared, gather, order, scatter};
use preflane::{Error, Pairs};
use preflane_judge::{Float, Random, float};

/// `a - b`, exact.
fn difference(a: f32, b: f32) -> Float {
    float(a) - float(b)
}

#[test]
fn orders_are_those_of_exact_differences() {
    let mut random = Random(1);
    for n in [0, 1, 2, 3, 17, 200] {
        let values = [-1.0, -1.5, 1e30, -1e30, 1e-30, 0.0, -0.0, 3.25, -7.5e-8];
        let [pc, pr, rc, rr] = [(); 4].map(|()| (0..n).map(|_| random.pick(&values)).collect::<Vec<f32>>());
        let (mut first, mut second) = (vec![0; n], vec![0; n]);
        for compared in [Compared::Margins, Compared::LogRatios] {
            order(Pairs::new(&pc, &pr, &rc, &rr), compared, &mut first, &mut second).unwrap();
            let sides = match compared {
                Compared::Margins => [(&pc, &pr), (&rc, &rr)],
                Compared::LogRatios => [(&pc, &rc), (&pr, &rr)],
            };
            for (order, (more, less)) in [(&first, sides[0]), (&second, sides[1])] {
                let mut rows = order.clone();
                rows.sort_unstable();
                assert!(rows.into_iter().eq(0..n), "{order:?} is no permutation");
                for pair in order.windows(2) {
                    let [a, b] = [pair[0], pair[1]].map(|row| difference(more[row], less[row]));
                    assert!(a < b || a == b && pair[0] < pair[1], "{compared:?}: {pair:?}, {a:.20} and {b:.20}");
                }
            }
            let back: Vec<f32> = (0..n).map(|k| k as f32).collect();
            let (mut there, mut again) = (vec![0.0; n], vec![0.0; n]);
            gather(&back, &first, &mut there).unwrap();
            scatter(&there, &first, &mut again).unwrap();
            assert_eq!(again, back);
        }
    }
}

#[test]
fn nan_comes_last_and_infinities_at_the_ends() {
    let inf = f32::INFINITY;
    let pc = [f32::NAN, inf, 1.0, -inf, inf, 0.5];
    let pr = [0.0, 0.0, 0.0, 0.0, inf, 0.0];
    let pairs = Pairs::reference_free(&pc, &pr);
    let (mut first, mut second) = ([0; 6], [9; 6]);
    order(pairs, Compared::Margins, &mut first, &mut second).unwrap();
    assert_eq!((first, second), ([3, 5, 2, 1, 0, 4], [0, 1, 2, 3, 4, 5]));
}

#[test]
fn refusals_write_nothing() {
    let pairs = Pairs::reference_free(&[1.0, 2.0], &[3.0, 4.0]);
    let (mut two, mut three) = ([7; 2], [7; 3]);
    let error = order(pairs, Compared::Margins, &mut two, &mut three).unwrap_err();
    assert_eq!(error, Error::Length { argument: "second", expected: 2, got: 3 });
    assert_eq!((two, three), ([7; 2], [7; 3]));
    let mut to = [7.0; 2];
    let error = gather(&[1.0, 2.0], &[0, 2], &mut to).unwrap_err();
    assert_eq!(error, Error::Offsets { index: 1, value: 2, requirement: "a row of the columns" });
    assert_eq!(scatter(&[1.0, 2.0], &[0], &mut to), Err(Error::Length { argument: "order", expected: 2, got: 1 }));
    assert_eq!(to, [7.0; 2]);
}
