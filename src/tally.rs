//! The macro of what metrics are: counts, and exact sums, that add up in any order.

/// Declares metrics: their counts and their sums, each with what it is.
macro_rules! tally {
    ($(#[$doc:meta])* $Metrics:ident {
        counts: $count_total:literal { $($(#[$count_doc:meta])* $count:ident;)* }
        sums: $sum_total:literal { $($(#[$sum_doc:meta])* $sum:ident;)* }
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[repr(C)]
        pub struct $Metrics {
            $($count: u64,)*
            $($sum: crate::ExactSum,)*
        }

        impl $Metrics {
            /// Nothing yet.
            pub const fn new() -> Self {
                Self { $($count: 0,)* $($sum: crate::ExactSum::new(),)* }
            }

            $($(#[$count_doc])* pub const fn $count(&self) -> u64 { self.$count })*
            $($(#[$sum_doc])* pub const fn $sum(&self) -> &crate::ExactSum { &self.$sum })*

            /// Adds what another state has seen: the same bits for every order and partition.
            pub fn merge(&mut self, other: &Self) {
                $(self.$count = self.$count.saturating_add(other.$count);)*
                $(self.$sum.merge(&other.$sum);)*
            }

            fn sums(&self) -> [&crate::ExactSum; $sum_total] {
                [$(&self.$sum),*]
            }
        }
    };
}

pub(crate) use tally;
