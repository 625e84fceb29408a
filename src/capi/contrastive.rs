//! InfoNCE from similarities, its symmetric form, and the similarities of vectors.

use super::arguments::{Arguments, Checked, Input, Output, read};
use super::failure::{Failure, Outcome, constants, flags, preflane_error, report};
use super::run::preflane_run;
use super::views::matrix_length;
use crate::contrastive::{
    Against, Groups, GroupsLoss, GroupsOutputs, InfoNceOutputs, MeanOver, Pairing, Similarities, Similarity,
    SymmetricSums, Vectors,
};
use crate::logits::{LogSumExp, Logits, LogitsMut, Scaling};
use preflane_against::*;
use preflane_mean_over::*;
use preflane_pairing::*;
use preflane_similarity::*;

/// A matrix of floats to read: [rows, columns], row-major, with stride elements from one row to the next. What lies beyond the columns
/// of a row is never read.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_matrix {
    /// The first element.
    pub data: *const f32,
    /// How many rows.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
    /// At least the columns.
    pub stride: usize,
}

/// A matrix of floats to write: [rows, columns], row-major, with stride elements from one row to the next. What lies beyond the columns
/// of a row is left alone.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_matrix_mut {
    /// The first element.
    pub data: *mut f32,
    /// How many rows.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
    /// At least the columns.
    pub stride: usize,
}

impl preflane_matrix {
    /// The elements from the first to the last.
    fn length(&self, name: &'static str) -> Result<usize, Failure> {
        if self.rows == 0 || self.columns == 0 {
            return Ok(0);
        }
        matrix_length(name, self.rows, self.columns, self.stride, false)
    }

    pub(super) fn input<'a>(&self, arguments: &mut Arguments, name: &'static str) -> Result<Input<'a, f32>, Failure> {
        Ok(arguments.input(name, self.data, self.length(name)?))
    }

    /// # Safety
    /// The caller vouches for the memory, as [`Input::slice`] demands.
    pub(super) unsafe fn view<'a>(&self, data: Input<'a, f32>, checked: &Checked) -> Result<Logits<'a, f32>, Failure> {
        // A matrix of no rows has no elements, whatever its stride.
        let stride = if self.rows == 0 { self.columns } else { self.stride };
        // SAFETY: the caller's.
        Ok(Logits::with_stride(unsafe { data.slice(checked) }, self.rows, self.columns, stride)?)
    }
}

impl preflane_matrix_mut {
    pub(super) fn output<'a>(&self, arguments: &mut Arguments, name: &'static str) -> Result<Output<'a, f32>, Failure> {
        let Self { data, rows, columns, stride } = *self;
        let length = preflane_matrix { data, rows, columns, stride }.length(name)?;
        Ok(arguments.output(name, data, length))
    }

    /// # Safety
    /// The caller vouches for the memory, as [`Output::slice`] demands.
    pub(super) unsafe fn view<'a>(
        &self,
        data: Output<'a, f32>,
        checked: &Checked,
    ) -> Result<LogitsMut<'a, f32>, Failure> {
        let stride = if self.rows == 0 { self.columns } else { self.stride };
        // SAFETY: the caller's.
        Ok(LogitsMut::with_stride(unsafe { data.slice(checked) }, self.rows, self.columns, stride)?)
    }
}

/// Similarities of some rows: to one positive each, and to as many negatives as there are columns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_similarities {
    /// The similarity of each row to its positive: as many as the negatives have rows.
    pub positives: *const f32,
    /// The similarities of each row to its negatives. With 0 columns there are none, its pointer may be null, and every loss is 0.
    pub negatives: preflane_matrix,
    /// [rows, columns] without padding: 1 where a negative counts, 0 where it does not; other values are refused. What does not count may
    /// hold anything, NaN included. Null: all count.
    pub mask: *const u8,
}

/// Results of InfoNCE, one a row but for the gradient by the negatives; null leaves one out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_info_nce_outputs {
    /// Loss of each row: at least 0, within 0.51 ULP.
    pub losses: *mut f32,
    /// Derivative by the similarity to the positive, -(1 - p+) / temperature, within 0.51 ULP.
    pub grad_positives: *mut f32,
    /// Derivative by the similarities to the negatives, p_j / temperature, [rows, columns], within 0.51 ULP; 0 where masked.
    pub grad_negatives: *mut f32,
    /// Elements from one row of grad_negatives to the next: at least the columns. Without grad_negatives it is not looked at.
    pub grad_negatives_stride: usize,
    /// Derivative by the temperature, of each row: within half a ULP and 2^-32 of the sum of the terms' magnitudes.
    pub grad_temperature: *mut f32,
}

/// InfoNCE (arXiv 1807.03748) of every row: the log-sum-exp of s / temperature over the positive and the negatives that count, less that
/// of the positive. `nonfinite` (null: left out) gets how many rows have a loss that is not finite. DPO is InfoNCE with one negative,
/// with beta (policy - reference) for similarities and temperature 1.
///
/// A row's results depend on that row alone, and not on the order of its negatives (but for the last bits of the gradient by the
/// temperature). A NaN or +inf that counts makes its row NaN; a negative of -inf is as good as masked.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a temperature outside of 1e-12 to 1e12, a stride below the columns, a byte of
/// the mask that is neither 0 nor 1, with its place), LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// `similarities` and `outputs` point to their structs and these to arrays of the sizes they state, but for those that may be null;
/// `nonfinite` is null or points to a uint64_t; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_info_nce(
    run: preflane_run,
    similarities: *const preflane_similarities,
    temperature: f64,
    outputs: *const preflane_info_nce_outputs,
    nonfinite: *mut u64,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let similarities = unsafe { read("similarities", similarities) }?;
        // SAFETY: likewise.
        let outputs = unsafe { read("outputs", outputs) }?;
        let given = similarities.negatives;
        let (n, m) = (given.rows, given.columns);
        let mut arguments = Arguments::new();
        let positives = arguments.input("positives", similarities.positives, n);
        let negatives = given.input(&mut arguments, "negatives")?;
        let mask_length = n.checked_mul(m).ok_or(Failure::TooLarge("mask"))?;
        let mask = arguments.input_if("mask", similarities.mask, mask_length);
        let grads = preflane_matrix_mut {
            data: outputs.grad_negatives,
            rows: if outputs.grad_negatives.is_null() { 0 } else { n },
            columns: m,
            stride: outputs.grad_negatives_stride,
        };
        let losses = arguments.output_if("losses", outputs.losses, n);
        let grad_positives = arguments.output_if("grad_positives", outputs.grad_positives, n);
        let grad_negatives = grads.output(&mut arguments, "grad_negatives")?;
        let grad_temperature = arguments.output_if("grad_temperature", outputs.grad_temperature, n);
        let nonfinite = arguments.output_if("nonfinite", nonfinite, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        flags("mask", unsafe { mask.slice_if(&checked) }.unwrap_or_default())?;
        // SAFETY: likewise. The mask's bytes are bools, as was just seen.
        unsafe {
            let similarities = Similarities {
                positives: positives.slice(&checked),
                negatives: if m == 0 { None } else { Some(given.view(negatives, &checked)?) },
                mask: mask.cast::<bool>().slice_if(&checked),
            };
            let outputs = InfoNceOutputs {
                losses: losses.slice_if(&checked),
                grad_positives: grad_positives.slice_if(&checked),
                grad_negatives: if m == 0 || grads.data.is_null() {
                    None
                } else {
                    Some(grads.view(grad_negatives, &checked)?)
                },
                grad_temperature: grad_temperature.slice_if(&checked),
            };
            let found = run.info_nce(similarities, temperature, outputs)?;
            nonfinite.slice_if(&checked).unwrap_or_default().fill(found);
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The symmetric form of InfoNCE within a batch (CLIP, arXiv 2103.00020): row i's positive is column i, all others are its negatives, and
/// the other way round. The loss is half of the sum of `mean_rows` and `mean_columns`: the mean over the rows and the mean over the
/// columns, correctly rounded means of losses that are each within 0.51 ULP.
///
/// The means of no rows are NaN.
///
/// `similarities` is square, [n, n]. `row_sums` and `column_sums` are memory of n elements each, which are overwritten and may be read
/// afterwards. `grads` (null: left out) is a matrix of the same size, which gets the derivative of the loss by the similarities, each within
/// 0.51 ULP.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a temperature outside of 1e-12 to 1e12, a stride below the columns), LEVEL,
/// THREADS; nothing is written then.
///
/// # Safety
/// The structs point to arrays of the sizes they state, `row_sums` and `column_sums` to n elements, `mean_rows` and `mean_columns` to a
/// float; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_symmetric(
    run: preflane_run,
    similarities: *const preflane_matrix,
    temperature: f64,
    row_sums: *mut LogSumExp,
    column_sums: *mut LogSumExp,
    grads: *const preflane_matrix_mut,
    mean_rows: *mut f32,
    mean_columns: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let given = unsafe { read("similarities", similarities) }?;
        let n = given.rows;
        crate::error::check_length("columns of similarities", n, given.columns)?;
        // SAFETY: likewise.
        let grads = if grads.is_null() { None } else { Some(unsafe { read("grads", grads) }?) };
        if let Some(grads) = grads {
            crate::error::check_length("rows of grads", n, grads.rows)?;
            crate::error::check_length("columns of grads", n, grads.columns)?;
        }
        let mut arguments = Arguments::new();
        let data = given.input(&mut arguments, "similarities")?;
        let row_sums = arguments.output("row_sums", row_sums, n);
        let column_sums = arguments.output("column_sums", column_sums, n);
        let out = match grads {
            Some(grads) => Some((grads, grads.output(&mut arguments, "grads")?)),
            None => None,
        };
        let mean_rows = arguments.output("mean_rows", mean_rows, 1);
        let mean_columns = arguments.output("mean_columns", mean_columns, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let [of_rows, of_columns] = if n == 0 {
                Scaling::temperature(temperature)?;
                [crate::NAN; 2]
            } else {
                let sums = SymmetricSums { rows: row_sums.slice(&checked), columns: column_sums.slice(&checked) };
                let grads = match out {
                    Some((grads, out)) => Some(grads.view(out, &checked)?),
                    None => None,
                };
                run.symmetric(given.view(data, &checked)?, temperature, sums, grads)?
            };
            mean_rows.slice(&checked).fill(of_rows);
            mean_columns.slice(&checked).fill(of_columns);
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// What an anchor's positive is compared with.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_against {
    /// All other samples, the anchor's other positives among them.
    PREFLANE_AGAINST_OTHERS = 1,
    /// The positive itself and the anchor's negatives; other positives are left out.
    PREFLANE_AGAINST_NEGATIVES = 2,
}

/// What the mean of a loss is taken over.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_mean_over {
    /// All pairs of an anchor and a positive.
    PREFLANE_MEAN_OVER_PAIRS = 1,
    /// All anchors, each of which has the mean over its positives; one without positives has a loss of 0.
    PREFLANE_MEAN_OVER_ANCHORS = 2,
    /// The anchors that have positives.
    PREFLANE_MEAN_OVER_ANCHORS_WITH_POSITIVES = 3,
}

constants!(
    preflane_against, "against", "a preflane_against: 1 or 2",
    PREFLANE_AGAINST_OTHERS PREFLANE_AGAINST_NEGATIVES
);
constants!(
    preflane_mean_over, "mean", "a preflane_mean_over: 1 to 3",
    PREFLANE_MEAN_OVER_PAIRS PREFLANE_MEAN_OVER_ANCHORS PREFLANE_MEAN_OVER_ANCHORS_WITH_POSITIVES
);

/// Samples in groups: every sample is an anchor, the others of its group are its positives, those of other groups its negatives.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_groups {
    /// The similarity of every sample to every other, square. What stands on the diagonal is not looked at.
    pub similarities: preflane_matrix,
    /// The group of each sample: as many as there are rows.
    pub labels: *const i64,
    /// A preflane_against.
    pub against: i32,
    /// A preflane_mean_over.
    pub mean: i32,
}

/// Results of groups; null leaves one out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_groups_outputs {
    /// The mean loss, correctly rounded from losses that are each within 0.51 ULP; 0 where it is over nothing.
    pub loss: *mut f32,
    /// How many pairs of an anchor and a positive there are.
    pub pairs: *mut u64,
    /// How many anchors have positives.
    pub anchors: *mut u64,
    /// Loss of each anchor, the mean over its positives, within 0.51 ULP; 0 for one without positives.
    pub losses: *mut f32,
    /// Derivative of the mean loss by the similarities, [n, n], the anchor's row by its column; 0 on the diagonal. By a negative, and by an
    /// only positive, it is within 0.55 ULP; by one of several positives within half a ULP and 2^-29 of the weight of the pair.
    pub grads: *mut f32,
    /// Elements from one row of grads to the next: at least the columns. Without grads it is not looked at.
    pub grads_stride: usize,
}

/// NT-Xent (arXiv 2002.05709) and SupCon (arXiv 2004.11362) of samples in groups, in each of their conventions. NT-Xent as SimCLR and
/// lightly have it is PREFLANE_AGAINST_OTHERS with PREFLANE_MEAN_OVER_PAIRS, as pytorch-metric-learning has it PREFLANE_AGAINST_NEGATIVES with
/// PREFLANE_MEAN_OVER_PAIRS. SupCon is PREFLANE_AGAINST_OTHERS with PREFLANE_MEAN_OVER_ANCHORS in its authors' code and
/// PREFLANE_MEAN_OVER_ANCHORS_WITH_POSITIVES in pytorch-metric-learning.
///
/// A NaN or +inf beside the diagonal makes its row's results NaN; -inf is as good as left out.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a temperature outside of 1e-12 to 1e12, a stride below the columns, a number that is
/// none of its enumeration), LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// `groups` and `outputs` point to their structs and these to arrays of the sizes they state, but for those that may be null; `error` is
/// null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_evaluate_groups(
    run: preflane_run,
    groups: *const preflane_groups,
    temperature: f64,
    outputs: *const preflane_groups_outputs,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let given = unsafe { read("groups", groups) }?;
        // SAFETY: likewise.
        let outputs = unsafe { read("outputs", outputs) }?;
        let against = match preflane_against::of(given.against)? {
            PREFLANE_AGAINST_OTHERS => Against::Others,
            PREFLANE_AGAINST_NEGATIVES => Against::Negatives,
        };
        let mean = match preflane_mean_over::of(given.mean)? {
            PREFLANE_MEAN_OVER_PAIRS => MeanOver::Pairs,
            PREFLANE_MEAN_OVER_ANCHORS => MeanOver::Anchors,
            PREFLANE_MEAN_OVER_ANCHORS_WITH_POSITIVES => MeanOver::AnchorsWithPositives,
        };
        let n = given.similarities.rows;
        crate::error::check_length("columns of similarities", n, given.similarities.columns)?;
        Scaling::temperature(temperature)?;
        let grads = preflane_matrix_mut {
            data: outputs.grads,
            rows: if outputs.grads.is_null() { 0 } else { n },
            columns: n,
            stride: outputs.grads_stride,
        };
        let mut arguments = Arguments::new();
        let similarities = given.similarities.input(&mut arguments, "similarities")?;
        let labels = arguments.input("labels", given.labels, n);
        let loss = arguments.output_if("loss", outputs.loss, 1);
        let pairs = arguments.output_if("pairs", outputs.pairs, 1);
        let anchors = arguments.output_if("anchors", outputs.anchors, 1);
        let losses = arguments.output_if("losses", outputs.losses, n);
        let by = grads.output(&mut arguments, "grads")?;
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let result = if n == 0 {
                GroupsLoss { loss: 0.0, pairs: 0, anchors: 0 }
            } else {
                let similarities = given.similarities.view(similarities, &checked)?;
                let groups = Groups { similarities, labels: labels.slice(&checked), against, mean };
                let grads = if grads.data.is_null() { None } else { Some(grads.view(by, &checked)?) };
                run.groups(groups, temperature, GroupsOutputs { losses: losses.slice_if(&checked), grads })?
            };
            loss.slice_if(&checked).unwrap_or_default().fill(result.loss);
            pairs.slice_if(&checked).unwrap_or_default().fill(result.pairs);
            anchors.slice_if(&checked).unwrap_or_default().fill(result.anchors);
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// What a similarity of two vectors is.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_similarity {
    /// The dot product.
    PREFLANE_SIMILARITY_DOT = 1,
    /// The dot product of the vectors divided by their lengths.
    PREFLANE_SIMILARITY_COSINE = 2,
}

/// Which key goes with which query.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_pairing {
    /// Key i goes with query i: there are as many similarities as queries.
    PREFLANE_PAIRING_EACH = 1,
    /// Every key goes with every query: the similarities are [queries, keys].
    PREFLANE_PAIRING_ALL = 2,
    /// Query i goes with the keys i m to i m + m - 1, m being keys_per_query: the similarities are [queries, m].
    PREFLANE_PAIRING_OWN = 3,
}

constants!(
    preflane_similarity, "similarity", "a preflane_similarity: 1 or 2",
    PREFLANE_SIMILARITY_DOT PREFLANE_SIMILARITY_COSINE
);
constants!(
    preflane_pairing, "pairing", "a preflane_pairing: 1 to 3",
    PREFLANE_PAIRING_EACH PREFLANE_PAIRING_ALL PREFLANE_PAIRING_OWN
);

/// Two sets of vectors and what is asked of them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_vectors {
    /// One query a row.
    pub queries: preflane_matrix,
    /// One key a row: as many as the pairing says, with the columns of the queries.
    pub keys: preflane_matrix,
    /// For PREFLANE_PAIRING_OWN the keys of a query; for the others 0.
    pub keys_per_query: usize,
    /// A preflane_similarity.
    pub similarity: i32,
    /// A preflane_pairing.
    pub pairing: i32,
}

/// What of vectors is known before their memory is.
struct Checks {
    similarity: Similarity,
    pairing: Pairing,
    /// How many similarities there are.
    length: usize,
}

impl preflane_vectors {
    fn check(&self) -> Result<Checks, Failure> {
        let similarity = match preflane_similarity::of(self.similarity)? {
            PREFLANE_SIMILARITY_DOT => Similarity::Dot,
            PREFLANE_SIMILARITY_COSINE => Similarity::Cosine,
        };
        let (queries, keys, m) = (self.queries.rows, self.keys.rows, self.keys_per_query);
        let pairing = preflane_pairing::of(self.pairing)?;
        if !matches!(pairing, PREFLANE_PAIRING_OWN) && m != 0 {
            let requirement = "0: this pairing has none";
            return Err(crate::Error::Parameter { name: "keys_per_query", value: m as f64, requirement }.into());
        }
        crate::error::check_length("columns of keys", self.queries.columns, self.keys.columns)?;
        let (pairing, each) = match pairing {
            PREFLANE_PAIRING_EACH => (Pairing::Each, 1),
            PREFLANE_PAIRING_ALL => (Pairing::All, keys),
            PREFLANE_PAIRING_OWN => (Pairing::Own { m }, m),
        };
        let length = queries.checked_mul(each).ok_or(Failure::TooLarge("similarities"))?;
        Ok(Checks { similarity, pairing, length })
    }

    /// # Safety
    /// The caller vouches for the memory, as [`Input::slice`] demands.
    unsafe fn view<'a>(
        &self,
        checks: &Checks,
        queries: Input<'a, f32>,
        keys: Input<'a, f32>,
        checked: &Checked,
    ) -> Result<Vectors<'a>, Failure> {
        let Checks { similarity, pairing, .. } = *checks;
        // SAFETY: the caller's.
        let (queries, keys) = unsafe { (self.queries.view(queries, checked)?, self.keys.view(keys, checked)?) };
        Ok(Vectors { queries, keys, similarity, pairing })
    }
}

/// Similarities of queries and keys, into `similarities`, which has as many elements as the pairing says. Each sum is in double, in
/// sixteen running sums of exact products that are added in a fixed tree, and is rounded once: within half a ULP and
/// (columns/16 + 5) 2^-53 of the sum of the products' magnitudes (of the cosine: of it by the lengths).
///
/// Errors: NULL, ALIGNMENT, LENGTH (also for another number of keys than the pairing says), OVERLAP, PARAMETER, ZERO_VECTOR (with the
/// row, for the cosine), LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// `vectors` points to its struct and that to matrices of the sizes they state, `similarities` to as many floats as the pairing says;
/// `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_vector_similarities(
    run: preflane_run,
    vectors: *const preflane_vectors,
    similarities: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let vectors = unsafe { read("vectors", vectors) }?;
        let checks = vectors.check()?;
        let mut arguments = Arguments::new();
        let queries = vectors.queries.input(&mut arguments, "queries")?;
        let keys = vectors.keys.input(&mut arguments, "keys")?;
        let out = arguments.output("similarities", similarities, checks.length);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe { run.similarities(vectors.view(&checks, queries, keys, &checked)?, out.slice(&checked))? };
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The gradient by the vectors from that by their similarities (`grad_similarities`, laid out as preflane_vector_similarities gives
/// them), added to what `grad_queries` and `grad_keys` hold, which are [rows, columns] without padding. These sums have an order, so the
/// calling thread does them.
///
/// Errors: those of preflane_vector_similarities; nothing is written then.
///
/// # Safety
/// `vectors` points to its struct and that to matrices of the sizes they state, `grad_similarities` to as many floats as the pairing
/// says, `grad_queries` and `grad_keys` to a float for each element of the queries and the keys; `error` is null or points to a
/// preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_vector_similarities_grad(
    run: preflane_run,
    vectors: *const preflane_vectors,
    grad_similarities: *const f32,
    grad_queries: *mut f32,
    grad_keys: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || -> Outcome {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let vectors = unsafe { read("vectors", vectors) }?;
        let checks = vectors.check()?;
        let elements =
            |matrix: &preflane_matrix, name| matrix.rows.checked_mul(matrix.columns).ok_or(Failure::TooLarge(name));
        let mut arguments = Arguments::new();
        let queries = vectors.queries.input(&mut arguments, "queries")?;
        let keys = vectors.keys.input(&mut arguments, "keys")?;
        let grads = arguments.input("grad_similarities", grad_similarities, checks.length);
        let to_queries = arguments.output("grad_queries", grad_queries, elements(&vectors.queries, "grad_queries")?);
        let to_keys = arguments.output("grad_keys", grad_keys, elements(&vectors.keys, "grad_keys")?);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            run.similarities_grad(
                vectors.view(&checks, queries, keys, &checked)?,
                grads.slice(&checked),
                to_queries.slice(&checked),
                to_keys.slice(&checked),
            )?;
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}
