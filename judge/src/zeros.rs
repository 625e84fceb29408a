//! Where a loss or a derivative passes through 0, or bends: found by bisection on the textbook's expression, for any loss and
//! parameters. There sums cancel and branches change, and code goes wrong.

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::Float;
use crate::pairs::log_ratios;
use crate::textbook::{Form, Inputs, Textbook};

/// Bits of a place beyond its first: more than the four `f32` of a pair can come near.
const BITS: u32 = 120;

/// Bits at first, for a sign.
const LEAST: u32 = 64;

/// Bits at most: a sign that they do not show is none.
const MOST: u32 = 512;

/// Places are looked for from `2^-SPAN` to `2^SPAN`, in units of 1 and of `1/beta`.
const SPAN: i32 = 24;

/// What a row looks like: the sign of each result, where there is one, and the branches that were taken.
#[derive(Clone)]
struct Look {
    signs: SmallVec<[Option<Ordering>; 4]>,
    branches: u64,
}

impl Look {
    fn is_like(&self, other: &Self) -> bool {
        let is_like = |(a, b): (&Option<Ordering>, &Option<Ordering>)| a.is_none() || b.is_none() || a == b;
        self.branches == other.branches && self.signs.iter().zip(&other.signs).all(is_like)
    }
}

/// A line of rows.
type Line<'a> = &'a dyn Fn(&Float) -> Inputs;

impl Textbook {
    /// Rows at which the loss or a derivative of it is 0, changes its sign, or bends, to some 120 bits: of pairs along lines through the
    /// origin and beside it, of labelled rows about some reference points, of lists of three with two of them held.
    pub fn zeros(&self) -> Vec<Inputs> {
        let mut rows = Vec::new();
        let mut add = |line: Line<'_>| rows.extend(self.zeros_along(line));
        let at = |x: f64| Float::with_val(BITS, x);
        match self.definition().form {
            Form::Pairwise if self.definition().of_difference => add(&|t| Inputs::new([t.clone(), at(0.0)])),
            Form::Pairwise => {
                // A log-probability of 0 has no odds.
                let held: &[f64] = if self.definition().below_zero { &[-1.0] } else { &[0.0, -1.0] };
                for &held in held {
                    add(&|t| Inputs::new([t.clone(), at(held)]));
                    add(&|t| Inputs::new([at(held), t.clone()]));
                }
                add(&|t| Inputs::new([t.clone(), -t.clone()]));
            }
            Form::Labelled => {
                for reference_point in [0.0, 0.625] {
                    for is_desirable in [true, false] {
                        add(&|t| Inputs::labelled(t.clone(), is_desirable, reference_point));
                    }
                }
            }
            Form::Listed => {
                for place in 0..3 {
                    add(&|t| {
                        Inputs::new(std::array::from_fn::<_, 3, _>(|k| {
                            if k == place { t.clone() } else { at(k as f64 / -4.0) }
                        }))
                    });
                }
            }
        }
        rows
    }

    /// The same along one line.
    fn zeros_along(&self, line: Line<'_>) -> Vec<Inputs> {
        let places = self.grid();
        let mut found: Vec<Float> = Vec::new();
        let mut before: Option<(Float, Look)> = None;
        for place in places {
            let look = self.look(&line(&place));
            if let Some((from, other)) = before.take().filter(|(_, other)| !other.is_like(&look)) {
                found.push(self.bisected(line, from, &other, place.clone()));
            }
            before = Some((place, look));
        }
        found.iter().map(line).collect()
    }

    /// Where the look changes between two places.
    fn bisected(&self, line: Line<'_>, mut from: Float, look: &Look, mut to: Float) -> Float {
        loop {
            let middle = (Float::with_val(BITS, &from) + &to) >> 1;
            let width = Float::with_val(BITS, &to - &from);
            if middle.is_zero()
                || middle == from
                || middle == to
                || width <= (middle.clone().abs() >> (BITS as i32 - 2))
            {
                return middle;
            }
            if self.look(&line(&middle)).is_like(look) { from = middle } else { to = middle }
        }
    }

    fn look(&self, row: &Inputs) -> Look {
        let (balls, trace) = self.known(LEAST..=MOST, row, |ball| ball.sign().is_some() || ball.has_underflown());
        Look { signs: balls.iter().map(|ball| ball.sign()).collect(), branches: trace.branches }
    }

    /// Places in their order, four in each octave.
    fn grid(&self) -> Vec<Float> {
        // 1/beta is about this power of two.
        let scale = -Float::with_val(BITS, self.beta()).get_exp().unwrap_or(0);
        let mut octaves: Vec<i32> = (-SPAN..=SPAN).chain(scale - SPAN..=scale + SPAN).collect();
        octaves.sort_unstable();
        octaves.dedup();
        let octave = |e: i32| [1.0, 1.25, 1.5, 1.75].map(|x| Float::with_val(BITS, x) << e);
        let places: Vec<Float> = octaves.into_iter().flat_map(octave).collect();
        let negative = places.iter().rev().map(|x| -x.clone());
        negative.chain(places.iter().cloned()).collect()
    }
}

/// Rows of four log-probabilities whose log-ratios are as near to those of a pair as `f32` allows, and their neighbours; none
/// where `f32` has no such numbers. If only the difference counts all four share in it, to some 96 bits.
pub fn rows_near(textbook: &Textbook, pair: &Inputs) -> Vec<[f32; 4]> {
    let [u, v] = &pair.log_ratios[..] else { return Vec::new() };
    let parts = |x: &Float| {
        let mut rest = x.clone();
        std::array::from_fn::<f32, 4, _>(|_| {
            let part = rest.to_f32();
            if part.is_finite() {
                rest -= part;
            }
            part
        })
    };
    let nearest = if textbook.definition().of_difference {
        let [a, b, c, d] = parts(&Float::with_val(2 * BITS, u - v));
        [a, -c, -b, d]
    } else {
        let ([a, b, ..], [c, d, ..]) = (parts(u), parts(v));
        [a, c, -b, -d]
    };
    if !nearest.iter().all(|x| x.is_finite()) {
        return Vec::new();
    }
    let [pc, pr, rc, rr] = nearest;
    // The nearest, those of fewer parts, and neighbours.
    let mut rows = vec![nearest, [pc, 0.0, 0.0, 0.0], [pc, pr, 0.0, 0.0], [pc, 0.0, rc, 0.0], [pc, pr, rc, 0.0]];
    rows.extend([[pc.next_up(), pr, rc, rr], [pc, pr, rc.next_down(), rr], [pc, pr.next_up(), rc, rr]]);
    let is_inside =
        |row: &[f32; 4]| !textbook.definition().below_zero || log_ratios(*row).iter().all(|ratio| *ratio < 0);
    rows.retain(|row| row.iter().all(|x| x.is_finite()) && is_inside(row));
    rows
}
