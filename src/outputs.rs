//! The results of rows: the macro that lists them in one place, and where kernels put them.

use crate::lanes::Lanes;
use crate::losses::{Tracked, Value};

/// Declares every result in turn: its place, its name as a column, its name in a single row, what it is.
macro_rules! outputs {
    ($(#[$doc:meta])* $Outputs:ident, $(#[$row_doc:meta])* $Row:ident { $($PLACE:ident $column:ident $field:ident $what:literal)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $Outputs<'a> {
            $(#[doc = $what] pub $column: Option<&'a mut [f32]>,)*
        }

        $(#[$row_doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $Row {
            $(#[doc = $what] pub $field: f32,)*
        }

        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "they name constants")]
        enum Place { $($PLACE,)* COUNT }
        /// The places of the results among all.
        pub(crate) mod place {
            $(pub const $PLACE: usize = super::Place::$PLACE as usize;)*
        }
        /// How many results there are.
        pub(crate) const RESULTS: usize = Place::COUNT as usize;
        /// The outputs as an array.
        pub(crate) type OutputSlices<'a> = [Option<&'a mut [f32]>; RESULTS];

        impl $Row {
            pub(crate) fn new(results: &[f32; RESULTS]) -> Self {
                Self { $($field: results[place::$PLACE]),* }
            }
        }

        impl<'a> $Outputs<'a> {
            /// After checking every length.
            #[inline]
            pub(crate) fn into_slices(self, n: usize) -> Result<OutputSlices<'a>, crate::Error> {
                $(if let Some(slice) = &self.$column {
                    crate::error::check_length(stringify!($column), n, slice.len())?;
                })*
                Ok([$(self.$column),*])
            }
        }
    };
}

pub(crate) use outputs;

/// Takes the results of a block of rows, each by its place among all.
pub(crate) trait Sink<L> {
    /// Whether the result is asked for.
    fn wants<const PLACE: usize>(&self) -> bool;
    fn put<const PLACE: usize>(&mut self, value: L);
    /// Takes a result that cannot be -0.
    fn put_plain<const PLACE: usize>(&mut self, value: L);
    /// Takes a result by its opposite.
    fn put_opposite<const PLACE: usize>(&mut self, value: L);
}

/// The block from row `at` on in columns, of which some may not be asked for.
pub(crate) struct Columns<'r, 'o, const N: usize> {
    pub results: &'r mut [Option<&'o mut [f32]>; N],
    pub at: usize,
}

impl<L: Lanes, const N: usize> Sink<L> for Columns<'_, '_, N> {
    #[inline(always)]
    fn wants<const PLACE: usize>(&self) -> bool {
        self.results[PLACE].is_some()
    }
    #[inline(always)]
    fn put<const PLACE: usize>(&mut self, value: L) {
        if let Some(to) = &mut self.results[PLACE] {
            value.store_result(to, self.at);
        }
    }
    #[inline(always)]
    fn put_plain<const PLACE: usize>(&mut self, value: L) {
        if let Some(to) = &mut self.results[PLACE] {
            value.store(to, self.at);
        }
    }
    #[inline(always)]
    fn put_opposite<const PLACE: usize>(&mut self, value: L) {
        if let Some(to) = &mut self.results[PLACE] {
            value.store_opposite(to, self.at);
        }
    }
}

/// A row alone.
impl<const N: usize> Sink<f64> for [f32; N] {
    #[inline(always)]
    fn wants<const PLACE: usize>(&self) -> bool {
        true
    }
    #[inline(always)]
    fn put<const PLACE: usize>(&mut self, value: f64) {
        value.store_result(self, PLACE);
    }
    #[inline(always)]
    fn put_plain<const PLACE: usize>(&mut self, value: f64) {
        value.store(self, PLACE);
    }
    #[inline(always)]
    fn put_opposite<const PLACE: usize>(&mut self, value: f64) {
        value.store_opposite(self, PLACE);
    }
}

/// Takes results with bounds of their errors, weighs those that a weight multiplies, and says of which lanes all that are asked for are decided.
pub(crate) struct Nearest<'s, V: Value, S> {
    sink: &'s mut S,
    /// If it is not 1 in every lane.
    weight: Option<V>,
    decided: <V::Bound as Lanes>::Mask,
}

impl<'s, V: Value, S: Sink<V::Bound>> Nearest<'s, V, S> {
    #[inline(always)]
    pub fn new(sink: &'s mut S, weight: Option<V>) -> Self {
        let zero = V::Bound::splat(0.0);
        Self { sink, weight, decided: zero.eq(zero) }
    }

    /// Says on what all results depend: where it is not finite none is decided, whichever are asked for.
    #[inline(always)]
    pub fn depend_on(&mut self, argument: Tracked<V>) {
        let (argument, _) = argument.with_bound();
        let finite = argument.rough().abs().lt(V::Bound::splat(f64::INFINITY));
        self.decided = V::Bound::and(self.decided, finite);
    }

    /// Takes a result that no weight multiplies.
    #[inline(always)]
    pub fn put<const PLACE: usize>(&mut self, result: Tracked<V>) {
        if self.sink.wants::<PLACE>() {
            let (value, decided) = result.decided();
            self.decided = V::Bound::and(self.decided, decided);
            self.sink.put::<PLACE>(value);
        }
    }

    /// The result times the weight.
    #[inline(always)]
    fn weighed(&self, result: Tracked<V>) -> Tracked<V> {
        match self.weight {
            Some(weight) => result * Tracked::new(weight),
            None => result,
        }
    }

    /// Takes a result, to be weighed.
    #[inline(always)]
    pub fn put_weighed<const PLACE: usize>(&mut self, result: Tracked<V>) {
        if self.sink.wants::<PLACE>() {
            self.put::<PLACE>(self.weighed(result));
        }
    }

    /// Takes a result, to be weighed, whose opposite has a place too.
    #[inline(always)]
    pub fn put_weighed_both<const PLACE: usize, const OPPOSITE: usize>(&mut self, result: Tracked<V>) {
        if self.sink.wants::<PLACE>() || self.sink.wants::<OPPOSITE>() {
            let (value, decided) = self.weighed(result).decided();
            self.decided = V::Bound::and(self.decided, decided);
            self.sink.put::<PLACE>(value);
            self.sink.put_opposite::<OPPOSITE>(value);
        }
    }

    /// Takes a result that is sure.
    #[inline(always)]
    pub fn put_sure<const PLACE: usize>(&mut self, value: V::Bound) {
        self.sink.put::<PLACE>(value);
    }

    /// The lanes of which a result is undecided.
    #[inline(always)]
    pub fn undecided(&self) -> u32 {
        !V::Bound::bits(self.decided) & (u32::MAX >> (32 - V::Bound::N))
    }
}
