//! The value of a state under the best of some policies, softened so that it has a gradient by all.

use super::settle::{Formula, Number, nearest, settle, single};
use crate::error::check_length;
use crate::logits::{Logits, LogitsMut, Scaling};
use crate::losses::{Real, Tracked};
use crate::{Error, NAN, Run};

impl Run {
    /// The soft maximum of each row: `V = sum of p_j v_j` with `p = softmax(v / temperature)`. With `v_j` the value of a state under policy j
    /// (successor features times the weights of a reward), it is the value that Knox et al. (arXiv 2206.02231) take their
    /// regrets from, at a temperature of 0.001.
    ///
    /// A NaN makes its row NaN; a policy of -inf is as good as absent.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a temperature outside of 1e-12 to 1e12, [`Error::Length`]; before anything is written.
    pub fn soft_maximum(self, values: Logits<'_, f32>, temperature: f64, out: &mut [f32]) -> Result<(), Error> {
        Scaling::temperature(temperature)?;
        check_length("out", values.rows(), out.len())?;
        for (row, out) in out.iter_mut().enumerate() {
            let state = State { values: values.row(row), temperature };
            *out = match state.kind() {
                Kind::Finite => nearest(&state),
                Kind::Undefined => NAN,
                Kind::Absent => f32::NEG_INFINITY,
                Kind::Infinite(_) => f32::INFINITY,
            };
        }
        Ok(())
    }

    /// The gradient by the values, given that by each soft maximum: `g p_j (1 + (v_j - V) / temperature)`.
    ///
    /// Where one value is infinite it has all of the gradient; where several are, theirs is NaN.
    ///
    /// # Errors
    /// Those of [`soft_maximum`](Run::soft_maximum).
    pub fn soft_maximum_grad(
        self,
        values: Logits<'_, f32>,
        temperature: f64,
        grads: &[f32],
        mut out: LogitsMut<'_, f32>,
    ) -> Result<(), Error> {
        Scaling::temperature(temperature)?;
        check_length("grads", values.rows(), grads.len())?;
        check_length("rows of the gradient", values.rows(), out.rows())?;
        check_length("columns of the gradient", values.columns(), out.columns())?;
        for (row, &grad) in grads.iter().enumerate() {
            let state = State { values: values.row(row), temperature };
            let (out, _) = out.row_and_padding(row);
            state.grads(grad, out);
        }
        Ok(())
    }
}

/// The values of a state.
#[derive(Clone, Copy)]
struct State<'a> {
    values: &'a [f32],
    temperature: f64,
}

/// What its values are.
enum Kind {
    /// Numbers, and -inf.
    Finite,
    /// NaN is among them.
    Undefined,
    /// All are -inf.
    Absent,
    /// So many are infinite.
    Infinite(usize),
}

impl State<'_> {
    fn kind(&self) -> Kind {
        let infinite = self.values.iter().filter(|&&value| value == f32::INFINITY).count();
        if self.values.iter().any(|value| value.is_nan()) {
            Kind::Undefined
        } else if infinite > 0 {
            Kind::Infinite(infinite)
        } else if self.most().is_finite() {
            Kind::Finite
        } else {
            Kind::Absent
        }
    }

    fn most(&self) -> f32 {
        self.values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// A value less the greatest, and `e^` that by the temperature.
    fn term<R: Real>(&self, value: f32) -> (R, R) {
        let less = single::<R>(value) - single(self.most());
        (less, (less / R::from_f64(self.temperature)).exp())
    }

    /// The sum of the exponentials, and the soft maximum less the greatest value.
    fn sums<R: Real>(&self) -> (R, R) {
        let (mut sum, mut weighed) = (R::from_f64(0.0), R::from_f64(0.0));
        for &value in self.values.iter().filter(|value| value.is_finite()) {
            let (less, power) = self.term::<R>(value);
            sum = sum + power;
            weighed = weighed + power * less;
        }
        (sum, weighed / sum)
    }

    fn grads(&self, grad: f32, out: &mut [f32]) {
        match self.kind() {
            _ if grad.is_nan() => return out.fill(NAN),
            Kind::Undefined | Kind::Absent => return out.fill(NAN),
            Kind::Infinite(n) => {
                for (out, &value) in out.iter_mut().zip(self.values) {
                    *out = match (value == f32::INFINITY, n) {
                        (false, _) => 0.0,
                        (true, 1) => grad + 0.0,
                        (true, _) => NAN,
                    };
                }
                return;
            }
            Kind::Finite => {}
        }
        let sums = self.sums::<Tracked>();
        for (out, &value) in out.iter_mut().zip(self.values) {
            // Of an infinite gradient the sign.
            let finite = if grad.is_infinite() { grad.signum() } else { grad };
            let by = By { state: *self, grad: finite, value };
            *out = match value {
                f32::NEG_INFINITY => 0.0,
                _ => by.of(sums).rounded().unwrap_or_else(|| settle(&by)),
            };
            if grad.is_infinite() && *out != 0.0 {
                *out = f32::INFINITY.copysign(*out);
            }
        }
    }
}

impl Formula for State<'_> {
    fn value<R: Number>(&self) -> R {
        single::<R>(self.most()) + self.sums::<R>().1
    }
}

/// The derivative by one value.
struct By<'a> {
    state: State<'a>,
    grad: f32,
    value: f32,
}

impl By<'_> {
    fn of<R: Real>(&self, (sum, above): (R, R)) -> R {
        let (less, power) = self.state.term::<R>(self.value);
        let slope = R::from_f64(1.0) + (less - above) / R::from_f64(self.state.temperature);
        single::<R>(self.grad) * (power / sum * slope)
    }
}

impl Formula for By<'_> {
    fn value<R: Number>(&self) -> R {
        self.of(self.state.sums())
    }
}
