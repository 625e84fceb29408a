//! Preference losses: one file for each formula, and the list of them all.
//!
//! A loss has a [`Shape`], which says what it compares: the two answers of a pair ([`Loss`]), one labelled answer ([`LabelledLoss`]), or
//! the answers of a ranked list ([`ListedLoss`]); those of [`contrastive`](crate::contrastive) are functions. [`LOSSES`] describes every loss: its name, what trainers call it, its formula, its
//! parameters with their ranges, and its source. [`find`] looks one up by name. Each loss is also a type of its own, and [`OneOf`]
//! combines two of them where flash is scarce.
//!
//! Notation, as in the papers: `u` and `v` are the chosen and the rejected answer's log-ratio of policy to reference, `h = u - v` and
//! `z = beta h`. A labelled answer has one log-ratio `u`, `z = beta u`, and `z0`, which is beta times the reference point. Of listed
//! answers each has its `z_j = beta u_j`. Of segments of trajectories a score of the preferred one stands for u and one of the other for v,
//! without a reference ([`segments`](crate::segments)); `s` is a similarity of two samples. `sigmoid(x) = 1/(1+e^-x)` and `softplus(x) = ln(1+e^x)`.
//!
//! A formula gives the loss and its derivatives. The kernel of its shape does what is the same for all losses: log-ratios, rewards,
//! weights, rounding, and rows that `f64` cannot decide.

mod a2po;
mod alphapo;
mod aot;
mod aot_unpaired;
mod apo_down;
mod apo_zero;
mod apo_zero_unpaired;
mod bco;
mod bco_pair;
mod cdpo;
mod checked;
mod cpl;
mod cpo;
mod cpo_hinge;
mod cpo_ipo;
mod cpo_simpo;
mod discopop;
mod divergences;
mod dpo;
mod dpop;
mod dppo;
mod eql;
mod eql_clipped;
mod exact;
mod exo_pair;
mod formula;
mod gumbel;
mod gumbel_rescaled;
mod hinge;
mod info_nca;
mod ipo;
mod iql;
mod kto;
mod link;
mod lipo;
mod list;
mod mdpo;
mod nca;
mod nca_pair;
mod nll;
mod odpo;
mod one_of;
mod orpo;
mod parameter;
mod partial_return;
mod plackett_luce;
mod plackett_luce_top;
mod r_dpo;
mod real;
mod real_list;
mod rebel;
mod regret;
mod reward_model;
mod robust;
mod rpo;
mod rpo_bwd;
mod rpo_fwd;
mod rpo_sq;
mod s_dpo;
mod score;
mod siglip;
mod sigmoid_norm;
mod simper;
mod simpo;
mod simpo_ratio;
mod slic;
mod soft_dpo;
mod soft_ipo;
mod sppo_hard;
mod sql;
mod todo;
mod tracked;
mod xpo;

pub(crate) use checked::Checked;
pub(crate) use formula::{Answer, AnswerFormula, List, ListFormula, Pair, PairFormula, Place, Sum};
pub use one_of::OneOf;
pub(crate) use parameter::NLL;
pub use parameter::Parameter;
use real::exp_difference;
pub(crate) use real::{Logistic, Real};
pub(crate) use tracked::{Choice, Tracked, Value};

use crate::Error;
use parameter::*;

/// What a loss compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A chosen and a rejected answer to one prompt.
    Pairwise,
    /// One answer, desirable or not.
    Labelled,
    /// Any number of answers to one prompt, from best to worst.
    Listed,
    /// Similarities of samples: [`contrastive`](crate::contrastive) has a function of its own for each such loss.
    Contrastive,
}

/// Which mean a labelled answer's log-ratio is compared with: what its reference point estimates. [`MeanLogRatio`](crate::MeanLogRatio) keeps
/// either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferencePoint {
    /// The mean log-ratio of mismatched pairs of prompt and answer, or 0 if that is negative: an estimate of the divergence of policy and
    /// reference.
    Mismatched,
    /// The mean log-ratio of all answers, desirable or not.
    All,
}

/// A loss as the list has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Description {
    /// The number that stands for it in C programs and files. It never changes.
    pub number: i32,
    /// Its name.
    pub name: &'static str,
    /// What trainers call it.
    pub aliases: &'static [&'static str],
    /// What it compares.
    pub shape: Shape,
    /// Its parameters, in the order of its constructor; the scale of the rewards, beta, comes first.
    pub parameters: &'static [Parameter],
    /// Whether it is defined with a reference model. One that is not takes none by default.
    pub reference: bool,
    /// What it takes beside log-probabilities: a number a pair or labelled answer, or a number of each answer of a list. Most losses
    /// take nothing. Its grid has values for tests.
    pub column: Option<Parameter>,
    /// What the log-ratio of a labelled answer is compared with. Of a loss that compares it with nothing the reference point must be 0.
    pub reference_point: Option<ReferencePoint>,
    /// Whether every result is the nearest number to its exact value; else it is within a bound (0.501 ULP of a loss of pairs), and what
    /// defines its bits are the operations of the definition.
    pub nearest: bool,
    /// The loss in the notation of [`losses`](self): `h = (policy_chosen_logps - ref_chosen_logps) - (policy_rejected_logps -
    /// ref_rejected_logps)`, `z = beta h`.
    pub formula: &'static str,
    /// Where the formula is from.
    pub source: &'static str,
}

/// How many sets of parameters [`Description::case`] gives that are all different.
pub const CASES: usize = 5;

impl Description {
    /// A set of parameters, for tests: of each parameter the value at `index` in its grid, which is gone through again and again. The
    /// first set is an everyday one.
    pub fn case(&self, index: usize) -> Values {
        self.values(|p| p.grid.get(index % p.grid.len().max(1)).copied().unwrap_or(p.default))
    }

    /// The parameters that people mean who give none.
    pub fn defaults(&self) -> Values {
        self.values(|parameter| parameter.default)
    }

    fn values(&self, value: impl Fn(&Parameter) -> f64) -> Values {
        let mut values = Values { values: [0.0; MOST_PARAMETERS], used: self.parameters.len() };
        for (to, parameter) in values.values.iter_mut().zip(self.parameters) {
            *to = value(parameter);
        }
        values
    }
}

/// The most parameters that a loss has.
pub const MOST_PARAMETERS: usize = 3;

/// The parameters of a loss as numbers, as many as its description names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    values: [f64; MOST_PARAMETERS],
    used: usize,
}

impl Values {
    fn new<const N: usize>(given: [f64; N]) -> Self {
        const { assert!(N <= MOST_PARAMETERS) };
        let mut values = [0.0; MOST_PARAMETERS];
        values[..N].copy_from_slice(&given);
        Self { values, used: N }
    }
}

impl core::ops::Deref for Values {
    type Target = [f64];
    fn deref(&self) -> &[f64] {
        self.values.get(..self.used).unwrap_or_default()
    }
}

/// The loss of that name or alias. Case does not matter, and `-` is as good as `_`.
pub fn find(name: &str) -> Option<&'static Description> {
    let plain = |c: u8| if c == b'-' { b'_' } else { c.to_ascii_lowercase() };
    let same = |known: &str| known.bytes().map(plain).eq(name.bytes().map(plain));
    LOSSES.iter().copied().find(|loss| same(loss.name) || loss.aliases.iter().any(|alias| same(alias)))
}

/// The loss of that number.
pub fn find_number(number: i32) -> Option<&'static Description> {
    LOSSES.iter().copied().find(|loss| loss.number == number)
}

/// Makes the type of every loss.
macro_rules! types {
    ($($number:literal $Type:ident $name:ident [$($alias:literal),*] ($($parameter:ident: $KIND:ident),*) $reference:literal $([$COLUMN:ident])?
        $formula:literal $source:literal;)*) => {$(
        #[doc = concat!("The loss `", stringify!($name), "`: `", $formula, "`.")]
        ///
        #[doc = concat!("Source: ", $source, ".")]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $Type {
            $($parameter: f64,)*
        }

        impl $Type {
            /// The loss with these parameters, each taken exactly. Their ranges stand in [`LOSSES`].
            ///
            /// # Errors
            /// [`Error::Parameter`] for one outside its range.
            pub fn new($($parameter: f64),*) -> Result<Self, Error> {
                $(let $parameter = $KIND.named(stringify!($parameter)).check($parameter)?;)*
                Ok(Self { $($parameter),* })
            }
        }
    )*};
}

/// Makes the enum of all losses of a shape.
macro_rules! any_loss {
    ($(#[$doc:meta])* $Any:ident { $($number:literal $Type:ident $name:ident [$($alias:literal),*]
        ($($parameter:ident: $KIND:ident),*) $reference:literal $([$COLUMN:ident])? $formula:literal $source:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum $Any {
            $(
                #[doc = concat!("The loss `", stringify!($name), "`: `", $formula, "`.")]
                $Type($Type),
            )*
        }

        impl $Any {
            $(
                #[doc = concat!("The loss `", stringify!($name), "`: `", $formula, "`.")]
                ///
                /// # Errors
                /// [`Error::Parameter`] for a parameter outside its range.
                pub fn $name($($parameter: f64),*) -> Result<Self, Error> {
                    $Type::new($($parameter),*).map(Self::$Type)
                }
            )*

            /// The loss that is described, with parameters in the order of its description.
            ///
            /// # Errors
            /// [`Error::Parameter`] for a parameter outside its range, and for a loss of another shape; [`Error::Length`] for too many
            /// or too few parameters.
            pub fn new(description: &Description, parameters: &[f64]) -> Result<Self, Error> {
                crate::error::check_length("parameters", description.parameters.len(), parameters.len())?;
                match (description.number, parameters) {
                    $(($number, &[$($parameter),*]) => Self::$name($($parameter),*),)*
                    _ => Err(Error::Parameter {
                        name: "loss",
                        value: description.number.into(),
                        requirement: "a loss of the shape that this call evaluates",
                    }),
                }
            }

            /// Its place in the list.
            pub fn description(&self) -> &'static Description {
                match self {
                    $(Self::$Type(_) => &describe::$Type,)*
                }
            }

            /// Its parameters, in the order of the description.
            pub fn parameters(&self) -> Values {
                match self {
                    $(Self::$Type(_loss) => Values::new([$(_loss.$parameter),*]),)*
                }
            }
        }
    };
}

/// Makes any of some losses a formula.
macro_rules! any_formula {
    ($Any:ident $Formula:ident $Row:ident $apart:ident { $($number:literal $Type:ident $name:ident [$($alias:literal),*]
        ($($parameter:ident: $KIND:ident),*) $reference:literal $([$COLUMN:ident])? $formula:literal $source:literal;)* } $($others:tt)*) => {
        impl $Formula for $Any {
            any_formula!(@more $Formula $($Type)*);
            fn beta(&self) -> f64 {
                match self {
                    $(Self::$Type(loss) => loss.beta(),)*
                    $($others => 1.0,)*
                }
            }
            #[inline(always)]
            fn evaluate<R: Real>(&self, row: &mut impl $Row<R>) {
                match self {
                    $(Self::$Type(loss) => formula::$apart(loss, row),)*
                    $($others => {})*
                }
            }
        }
    };
    // Each says for itself.
    (@more AnswerFormula $($Type:ident)*) => {
        const REFERENCE_POINT: Option<ReferencePoint> = None;
    };
    (@more PairFormula $($Type:ident)*) => {
        const BY_VALUE: bool = false;
        const ONE_OF_SEVERAL: bool = true;
    };
    (@more ListFormula $($Type:ident)*) => {
        fn of_two(&self) -> Option<Dpo> {
            match self {
                $(Self::$Type(loss) => loss.of_two(),)*
            }
        }
        fn fewest(&self) -> usize {
            match self {
                $(Self::$Type(loss) => loss.fewest(),)*
            }
        }
        fn is_of_differences(&self) -> bool {
            match self {
                $(Self::$Type(loss) => loss.is_of_differences(),)*
            }
        }
    };
}

macro_rules! everything {
    (operations { $($operations:tt)* } pairwise { $($pairwise:tt)* } labelled { $($labelled:tt)* } listed { $($listed:tt)* }
        contrastive { $($contrastive:tt)* }) => {
        types!($($operations)* $($pairwise)* $($labelled)* $($listed)*);
        any_loss! {
            /// Any loss of pairs, chosen at run time.
            Loss { $($operations)* $($pairwise)* }
        }
        // Those that are defined by their operations have one kernel together where flash is scarce; the others need none of their own.
        any_formula! { Loss PairFormula Pair pair_apart { $($operations)* } _ }
        any_loss! {
            /// Any loss of labelled answers, chosen at run time.
            LabelledLoss { $($labelled)* }
        }
        any_formula! { LabelledLoss AnswerFormula Answer answer_apart { $($labelled)* } }
        any_loss! {
            /// Any loss of listed answers, chosen at run time.
            ListedLoss { $($listed)* }
        }
        any_formula! { ListedLoss ListFormula List list_apart { $($listed)* } }

        /// The descriptions, by the type's name.
        #[allow(non_upper_case_globals, reason = "named as the types")]
        mod describe {
            use super::*;
            descriptions!(Pairwise $($operations)* $($pairwise)*);
            descriptions!(Labelled $($labelled)*);
            descriptions!(Listed $($listed)*);
            descriptions!(Contrastive $($contrastive)*);
        }
        all!($($operations)* $($pairwise)* $($labelled)* $($listed)* $($contrastive)*);
    };
}

macro_rules! descriptions {
    (@nearest Pairwise $Type:ident) => { <super::$Type as PairFormula>::BY_VALUE };
    (@nearest Contrastive $Type:ident) => { false };
    (@nearest $Shape:ident $Type:ident) => { true };
    (@point Labelled $Type:ident) => { <super::$Type as AnswerFormula>::REFERENCE_POINT };
    (@point $Shape:ident $Type:ident) => { None };
    ($Shape:ident $($number:literal $Type:ident $name:ident [$($alias:literal),*] ($($parameter:ident: $KIND:ident),*)
        $reference:literal $([$COLUMN:ident])? $formula:literal $source:literal;)*) => {$(
        pub static $Type: Description = Description {
            number: $number,
            name: stringify!($name),
            aliases: &[$($alias),*],
            shape: Shape::$Shape,
            parameters: const { &[$($KIND.named(stringify!($parameter))),*] },
            reference: $reference,
            column: const {
                #[allow(unused_mut, unused_assignments, reason = "few losses have one")]
                let mut column = None;
                $(column = Some(parameter::$COLUMN);)?
                column
            },
            reference_point: descriptions!(@point $Shape $Type),
            nearest: descriptions!(@nearest $Shape $Type),
            formula: $formula,
            source: $source,
        };
    )*};
}

macro_rules! all {
    ($($number:literal $Type:ident $name:ident [$($alias:literal),*] ($($parameter:ident: $KIND:ident),*) $reference:literal $([$COLUMN:ident])?
        $formula:literal $source:literal;)*) => {
        /// Every loss, shape by shape, in the order of the list.
        pub static LOSSES: &[&Description] = &[$(&describe::$Type),*];
    };
}

crate::for_each_loss!(everything);
