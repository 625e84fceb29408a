//! The macro that lists the results of a row in one place.

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
