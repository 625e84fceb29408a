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

            /// Length of [`to_bytes`](Self::to_bytes).
            pub const BYTES: usize = crate::saved::OVERHEAD + Self::CONTENT;
            /// Counts, and sums of five limbs.
            const CONTENT: usize = 8 * ($count_total + 5 * $sum_total);

            /// The state as bytes: the same on every machine, with a version and a checksum.
            pub fn to_bytes(&self) -> [u8; Self::BYTES] {
                let mut bytes = [0; Self::BYTES];
                // The length fits.
                let _ = crate::saved::write(crate::saved::Kind::$Metrics, Self::CONTENT, &mut bytes, |to| {
                    $(to.u64(self.$count);)*
                    for sum in self.sums() {
                        sum.to_limbs().into_iter().for_each(|limb| to.u64(limb));
                    }
                });
                bytes
            }

            /// From bytes of [`to_bytes`](Self::to_bytes).
            ///
            /// # Errors
            /// [`Error::SavedState`](crate::Error::SavedState) for bytes that are cut off, damaged, of another version or of another kind.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, crate::Error> {
                let mut from = crate::saved::read(crate::saved::Kind::$Metrics, bytes)?;
                let mut metrics = Self::new();
                let metrics = metrics.read(&mut from).map(|()| metrics);
                metrics.filter(|metrics| from.is_empty() && metrics.is_sound()).ok_or(crate::saved::IMPOSSIBLE)
            }

            fn read(&mut self, from: &mut crate::saved::Reader<'_>) -> Option<()> {
                $(self.$count = from.u64()?;)*
                $(
                    let mut limbs = [0; _];
                    for limb in &mut limbs {
                        *limb = from.u64()?;
                    }
                    self.$sum = crate::ExactSum::from_limbs(limbs)?;
                )*
                Some(())
            }
        }
    };
}

pub(crate) use tally;
