//! The results of a pair: the one place that lists them.

use crate::Error;
use crate::error::check_length;

/// Declares every result in turn: its place, its name in [`Outputs`], its name in [`Pair`], what it is.
macro_rules! outputs {
    ($($PLACE:ident $column:ident $field:ident $doc:literal)*) => {
        /// Where the results go; any of them may be left out. Each is as long as the pairs.
        ///
        /// No result is -0: every zero is +0.
        #[derive(Debug, Default)]
        pub struct Outputs<'a> {
            $(#[doc = $doc] pub $column: Option<&'a mut [f32]>,)*
        }

        /// One pair's results.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct Pair {
            $(#[doc = $doc] pub $field: f32,)*
        }

        /// The places of the results among all.
        #[allow(non_camel_case_types, reason = "they name constants")]
        enum Place { $($PLACE,)* COUNT }
        /// The places of the results among all.
        pub(crate) mod place {
            $(pub const $PLACE: usize = super::Place::$PLACE as usize;)*
        }
        /// How many results there are.
        pub(crate) const RESULTS: usize = Place::COUNT as usize;
        const NAMES: [&str; RESULTS] = [$(stringify!($column)),*];

        impl Pair {
            pub(crate) fn new(results: &[f32; RESULTS]) -> Self {
                Self { $($field: results[place::$PLACE]),* }
            }
        }

        impl<'a> Outputs<'a> {
            /// After checking every length.
            #[inline]
            pub(crate) fn into_slices(self, n: usize) -> Result<OutputSlices<'a>, Error> {
                let slices = [$(self.$column),*];
                for (name, slice) in NAMES.iter().zip(&slices) {
                    if let Some(slice) = slice {
                        check_length(name, n, slice.len())?;
                    }
                }
                Ok(slices)
            }
        }
    };
}

outputs! {
    LOSS losses loss "Loss, times the weight."
    CHOSEN_REWARD chosen_rewards chosen_reward "Implicit reward of the chosen answer: `beta (policy_chosen_logps - ref_chosen_logps)`."
    REJECTED_REWARD rejected_rewards rejected_reward "Implicit reward of the rejected answer: `beta (policy_rejected_logps - ref_rejected_logps)`."
    MARGIN margins margin "The exact difference of the two rewards, rounded once."
    GRAD_CHOSEN grad_chosen_logps grad_chosen_logps "Derivative of the weighted loss by `policy_chosen_logps`."
    GRAD_REJECTED grad_rejected_logps grad_rejected_logps "Derivative of the weighted loss by `policy_rejected_logps`."
    GRAD_REF_CHOSEN grad_ref_chosen_logps grad_ref_chosen_logps "Derivative of the weighted loss by `ref_chosen_logps`."
    GRAD_REF_REJECTED grad_ref_rejected_logps grad_ref_rejected_logps "Derivative of the weighted loss by `ref_rejected_logps`."
    GRAD_BETA grad_beta grad_beta "Derivative of the pair's weighted loss by beta."
}

/// The first of the results are what the metrics sum: loss, rewards and margin.
pub(crate) const SUMMED: usize = 4;

/// The outputs as an array.
pub(crate) type OutputSlices<'a> = [Option<&'a mut [f32]>; RESULTS];
