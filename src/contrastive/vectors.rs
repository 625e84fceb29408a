//! Similarities of vectors, and their gradient by the vectors.

use crate::elementary::root;
use crate::error::check_length;
use crate::lanes::{Backend, Kernel, Lanes, dispatch};
use crate::logits::Logits;
use crate::run::{join, tasks};
use crate::{Error, NAN, Run};

/// What a similarity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Similarity {
    /// The dot product.
    Dot,
    /// The dot product of the vectors divided by their lengths.
    Cosine,
}

/// Which key goes with which query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Key i with query i: as many similarities as queries.
    Each,
    /// Every key with every query: similarities `[queries, keys]`.
    All,
    /// Query i with the keys `i m` to `i m + m - 1`: similarities `[queries, m]`.
    Own {
        /// Keys a query.
        m: usize,
    },
}

/// Two sets of vectors and what is asked of them.
///
/// ```
/// use preflane::Run;
/// use preflane::contrastive::{Pairing, Similarity, Vectors};
/// use preflane::logits::Logits;
///
/// let queries = Logits::new(&[3.0, 4.0], 1, 2)?;
/// let keys = Logits::new(&[4.0, 3.0, 0.0, 2.0], 2, 2)?;
/// let mut out = [0.0; 2];
/// let vectors = Vectors { queries, keys, similarity: Similarity::Cosine, pairing: Pairing::All };
/// Run::default().similarities(vectors, &mut out)?;
/// assert_eq!(out, [0.96, 0.8]);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Vectors<'a> {
    /// `[n, d]`.
    pub queries: Logits<'a, f32>,
    /// `[keys, d]`, as many as the pairing says.
    pub keys: Logits<'a, f32>,
    /// What the similarity of a query and a key is.
    pub similarity: Similarity,
    /// Which keys each query is compared with.
    pub pairing: Pairing,
}

impl Vectors<'_> {
    /// Similarities a query, after all checks.
    fn check(&self, backend: Backend) -> Result<usize, Error> {
        let Self { queries, keys, similarity, pairing } = *self;
        check_length("columns of keys", queries.columns(), keys.columns())?;
        let (each, need) = match pairing {
            Pairing::Each => (1, queries.rows()),
            Pairing::All => (keys.rows(), keys.rows()),
            Pairing::Own { m } => (m, queries.rows().saturating_mul(m)),
        };
        check_length("rows of keys", need, keys.rows())?;
        if similarity == Similarity::Cosine {
            for (argument, vectors) in [("queries", queries), ("keys", keys)] {
                for row in 0..vectors.rows() {
                    if dot(backend, vectors.row(row), vectors.row(row)) == 0.0 {
                        return Err(Error::ZeroVector { argument, row });
                    }
                }
            }
        }
        Ok(each)
    }
}

impl Pairing {
    /// The key of a query's similarity.
    fn key(self, query: usize, place: usize) -> usize {
        match self {
            Self::Each => query,
            Self::All => place,
            Self::Own { m } => query * m + place,
        }
    }
}

impl Run {
    /// Similarities of queries `[n, d]` and keys. The sum is in `f64`, in sixteen running sums of exact
    /// products that are added in a fixed tree, and is rounded once: within half a ULP and (d/16 + 5) 2^-53 of the sum of the
    /// products' magnitudes (of the cosine: of it by the lengths).
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Threads`], and for the cosine [`Error::ZeroVector`]; before anything is written.
    pub fn similarities(self, vectors: Vectors<'_>, out: &mut [f32]) -> Result<(), Error> {
        let each = vectors.check(self.backend())?;
        let queries = vectors.queries.rows();
        check_length("out", queries.saturating_mul(each), out.len())?;
        self.job(tasks(queries, each.saturating_mul(vectors.queries.columns())), |split| {
            vectors.similarities(self.backend(), split, each, 0, out);
        })
    }

    /// The gradient by the vectors, given that by the similarities (laid out as [`similarities`](Run::similarities) gives them),
    /// added to what `grad_queries` and `grad_keys` hold (`[rows, d]` without padding): in `f32`, a rounding for each
    /// similarity. These sums have an order, so one thread does them.
    ///
    /// The gradient by the dot product is `g k` and `g q`; by the cosine s it is `g (k/|k| - s q/|q|) / |q|` for the query, and for
    /// the key the same with both exchanged.
    ///
    /// # Errors
    /// [`Error::Length`], and for the cosine [`Error::ZeroVector`]; before anything is written.
    pub fn similarities_grad(
        self,
        vectors: Vectors<'_>,
        grads: &[f32],
        grad_queries: &mut [f32],
        grad_keys: &mut [f32],
    ) -> Result<(), Error> {
        let backend = self.backend();
        let each = vectors.check(backend)?;
        let Vectors { queries, keys, similarity, pairing } = vectors;
        let d = queries.columns();
        check_length("grads", queries.rows().saturating_mul(each), grads.len())?;
        check_length("grad_queries", queries.rows().saturating_mul(d), grad_queries.len())?;
        check_length("grad_keys", keys.rows().saturating_mul(d), grad_keys.len())?;
        for (query, grads) in grads.chunks(each.max(1)).enumerate() {
            let q = queries.row(query);
            for (place, &grad) in grads.iter().enumerate() {
                let key = pairing.key(query, place);
                let k = keys.row(key);
                let to_query = grad_queries.get_mut(query * d..(query + 1) * d).unwrap_or_default();
                let to_key = grad_keys.get_mut(key * d..(key + 1) * d).unwrap_or_default();
                let grad = f64::from(grad);
                let (other, own_q, own_k) = match similarity {
                    Similarity::Dot => (grad, 0.0, 0.0),
                    Similarity::Cosine => {
                        let (qq, kk) = (dot(backend, q, q), dot(backend, k, k));
                        let lengths = root(qq) * root(kk);
                        let s = dot(backend, q, k) / lengths;
                        (grad / lengths, grad * s / qq, grad * s / kk)
                    }
                };
                for (((to_query, to_key), &q), &k) in to_query.iter_mut().zip(to_key).zip(q).zip(k) {
                    let (q, k) = (f64::from(q), f64::from(k));
                    *to_query = added(*to_query, other * k - own_q * q);
                    *to_key = added(*to_key, other * q - own_k * k);
                }
            }
        }
        Ok(())
    }
}

impl Vectors<'_> {
    /// The similarities of the queries from `first` on, `each` a query.
    fn similarities(&self, backend: Backend, split: bool, each: usize, first: usize, out: &mut [f32]) {
        let Self { queries, keys, similarity, pairing } = *self;
        let here = out.len() / each.max(1);
        if split && tasks(here, each.saturating_mul(queries.columns())) > 1 {
            let (head, tail) = out.split_at_mut(here / 2 * each);
            join(
                || self.similarities(backend, true, each, first, head),
                || self.similarities(backend, true, each, first + here / 2, tail),
            );
            return;
        }
        for (query, out) in (first..).zip(out.chunks_mut(each.max(1))) {
            let q = queries.row(query);
            for (place, out) in out.iter_mut().enumerate() {
                let value = similarity.of(backend, q, keys.row(pairing.key(query, place))) as f32;
                *out = if value.is_nan() { NAN } else { value + 0.0 };
            }
        }
    }
}

impl Similarity {
    fn of(self, backend: Backend, a: &[f32], b: &[f32]) -> f64 {
        let product = dot(backend, a, b);
        match self {
            Self::Dot => product,
            // The squares' product leaves the range of f64 only where theirs of f32 are near its ends: one root each.
            Self::Cosine => product / (root(dot(backend, a, a)) * root(dot(backend, b, b))),
        }
    }
}

fn added(to: f32, more: f64) -> f32 {
    let value = (f64::from(to) + more) as f32;
    if value.is_nan() { NAN } else { value + 0.0 }
}

/// The dot product of vectors of one length.
fn dot(backend: Backend, a: &[f32], b: &[f32]) -> f64 {
    dispatch(backend, Dot { a, b })
}

struct Dot<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl Kernel for Dot<'_> {
    type Output = f64;
    /// Plain code in sixteen sums, which the compiler makes vectors of; the order is the same everywhere.
    #[inline(always)]
    fn run<L: Lanes>(self) -> f64 {
        let mut sums = [0.0; 16];
        let (a, b) = (self.a.chunks_exact(16), self.b.chunks_exact(16));
        let (rest_a, rest_b) = (a.remainder(), b.remainder());
        for (a, b) in a.zip(b) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += f64::from(*a) * f64::from(*b);
            }
        }
        for ((sum, a), b) in sums.iter_mut().zip(rest_a).zip(rest_b) {
            *sum += f64::from(*a) * f64::from(*b);
        }
        let mut width = 8;
        while width > 0 {
            let (low, high) = sums.split_at_mut(width);
            for (low, high) in low.iter_mut().zip(high) {
                *low += *high;
            }
            width /= 2;
        }
        let [sum, ..] = sums;
        sum
    }
}
