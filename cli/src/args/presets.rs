//! What trainers mean by the names of losses: `--preset`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use preflane::losses::{self, Description};

use super::losses::Parameters;
use crate::failure::Failure;

/// The conventions of a trainer.
#[derive(Debug)]
pub struct Preset {
    /// What `--preset` takes.
    pub name: &'static str,
    /// Whose they are.
    pub of: &'static str,
    /// What its names mean, each once.
    pub conventions: &'static [Convention],
}

/// What a trainer means by one name.
#[derive(Debug)]
pub struct Convention {
    /// The name, as the list of losses resolves it.
    pub given: &'static str,
    /// The loss that it means.
    pub means: &'static str,
    /// Its parameters that have another default there.
    pub defaults: &'static [(&'static str, f64)],
    /// What its input must be, and what differs.
    pub says: &'static str,
}

const fn same(given: &'static str, says: &'static str) -> Convention {
    Convention { given, means: given, defaults: &[], says }
}

impl Convention {
    /// The same with other defaults.
    const fn with(self, defaults: &'static [(&'static str, f64)]) -> Self {
        Self { defaults, ..self }
    }
}

const SUMS: &str = "log-probabilities are sums over the answer";
const MEANS: &str = "log-probabilities are means over the answer's tokens";

/// All presets.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "trl-1.16",
        of: "TRL 1.16",
        conventions: &[
            same("dpo", "sums over the answer; label_smoothing is not used by sigmoid there (robust has it)"),
            same("hinge", SUMS),
            same("ipo", MEANS),
            same("robust", SUMS).with(&[("label_smoothing", 0.0)]),
            same(
                "exo_pair",
                "sums over the answer; TRL's default label_smoothing 0 gives no number, the paper's 0.001 stands in",
            )
            .with(&[("label_smoothing", 1e-3)]),
            same("nca_pair", SUMS),
            same("bco_pair", "sums over the answer; no running shift there: 0"),
            same("sppo_hard", SUMS),
            same("apo_zero", SUMS),
            same("apo_down", SUMS),
            same("discopop", SUMS).with(&[("tau", 0.05)]),
            same("sigmoid_norm", MEANS),
            same("nll", "sft: the mean over all tokens of the batch there, of each answer by itself here"),
            same("forward_kl", "f_divergence_type forward_kl with sigmoid; sums over the answer"),
            same("js_divergence", "f_divergence_type js_divergence with sigmoid; sums over the answer"),
            same("alpha_divergence", "sums over the answer; TRL clamps the exponent at 80, which this does not")
                .with(&[("alpha", 0.5)]),
            same("kto", "sums; the reference point is the mean of the mismatched answers' log-ratios, clamped at 0"),
            same("apo_zero_unpaired", SUMS),
            same("cpo", "sums over the answer; nll is the mean over the chosen answer's tokens")
                .with(&[("label_smoothing", 0.0), ("alpha", 1.0)]),
            same("simpo", "means over the answer's tokens; gamma is not scaled by beta")
                .with(&[("beta", 0.1), ("gamma", 0.5)]),
            same("alphapo", MEANS).with(&[("beta", 0.1), ("alpha", 0.0), ("gamma", 0.5)]),
            same("orpo", "means over the answer's tokens; nll is of prompt and answer"),
        ],
    },
    Preset {
        name: "trl-0.24",
        of: "TRL 0.24",
        conventions: &[
            Convention {
                given: "dpo",
                means: "cdpo",
                defaults: &[("label_smoothing", 0.0)],
                says: "sums over the answer; sigmoid with label_smoothing is cdpo",
            },
            same("hinge", SUMS),
            same("ipo", MEANS),
            same("robust", SUMS).with(&[("label_smoothing", 0.0)]),
            same("exo_pair", "sums over the answer; label_smoothing 0 becomes 0.001 there")
                .with(&[("label_smoothing", 1e-3)]),
            same("bco_pair", "sums over the answer; the shift is the running mean of the rewards there: give --shift"),
            same("nca_pair", SUMS),
            same("sppo_hard", SUMS),
            same("apo_zero", SUMS),
            same("apo_down", SUMS),
            same("discopop", SUMS).with(&[("tau", 0.05)]),
            same("rpo", "rpo_alpha; nll is the mean over the chosen answer's tokens"),
            same("kto", "sums; the reference point is the mean of the mismatched answers' log-ratios, clamped at 0"),
            same("apo_zero_unpaired", SUMS),
            same("bco", "the reference point is the running mean of the log-ratios of all answers"),
            same("simpo", "means over the answer's tokens; gamma is not scaled by beta")
                .with(&[("beta", 0.1), ("gamma", 0.5)]),
            same("orpo", "means over the answer's tokens; nll is of prompt and answer"),
        ],
    },
    Preset {
        name: "liger-0.8",
        of: "Liger-Kernel 0.8",
        conventions: &[
            same("dpo", "sums over the answer; label_smoothing is accepted there and not used"),
            same("hinge", SUMS),
            same("robust", SUMS).with(&[("label_smoothing", 0.0)]),
            same("exo_pair", "sums over the answer; label_smoothing must be given there, the paper's 0.001 stands in")
                .with(&[("label_smoothing", 1e-3)]),
            same("nca_pair", SUMS),
            same("bco_pair", "sums over the answer; no running shift there: 0"),
            same("sppo_hard", SUMS),
            same("apo_zero", SUMS),
            same("apo_down", SUMS),
            same("discopop", SUMS).with(&[("tau", 0.05)]),
            same("simpo", "means over the answer's tokens; gamma is not scaled by beta"),
            same("cpo", "sums over the answer; nll is the mean over the chosen answer's tokens"),
            same("orpo", "means over the answer's tokens; nll is of the answer alone"),
            same("kto", "sums; the reference point is what the caller passes, not clamped"),
        ],
    },
    Preset {
        name: "openrlhf-0.11",
        of: "OpenRLHF 0.11",
        conventions: &[
            Convention {
                given: "dpo",
                means: "cdpo",
                defaults: &[("label_smoothing", 0.0)],
                says: "sums over the answer; label_smoothing makes it cdpo",
            },
            same("ipo", SUMS),
            same("rpo", "nll is the mean over answers of their sums, not of all tokens"),
        ],
    },
    Preset {
        name: "halos",
        of: "HALOs",
        conventions: &[
            same("dpo", SUMS),
            same("cdpo", SUMS),
            same("ipo", MEANS),
            Convention {
                given: "simpo",
                means: "simpo_ratio",
                defaults: &[],
                says: "means over the answer's tokens; gamma is scaled by beta: --gamma-beta-ratio",
            },
            same("slic", "max(0, delta - h) of the policy's log-probabilities alone"),
            same("kto", "sums; the reference point is the mean of the mismatched answers' log-ratios, clamped at 0"),
            same("reward_model", "bradley-terry: scores of a reward model"),
        ],
    },
    Preset {
        name: "paper",
        of: "the papers that the losses are from",
        conventions: &[
            same("dpo", SUMS),
            same("cdpo", SUMS),
            same("robust", SUMS),
            same("ipo", "sums over the answer, as equation 17 is written; its authors confirmed means to TRL"),
            Convention {
                given: "simpo",
                means: "simpo_ratio",
                defaults: &[],
                says: "means over the answer's tokens; gamma is scaled by beta in the paper's code: --gamma-beta-ratio",
            },
            same("exo_pair", SUMS).with(&[("label_smoothing", 1e-3)]),
            Convention {
                given: "hinge",
                means: "slic",
                defaults: &[],
                says: "SLiC: max(0, delta - h) of the policy alone",
            },
            same("discopop", SUMS).with(&[("tau", 0.05)]),
            same("bco_pair", "sums over the answer; the shift is the running mean of the rewards: give --shift"),
            same("kto", "sums; the reference point is the mean of the mismatched answers' log-ratios, clamped at 0"),
            same("orpo", "means over the answer's tokens; nll is of the answer"),
        ],
    },
];

/// A preset by its name.
pub fn by_name() -> impl TypedValueParser<Value = &'static Preset> {
    let values: Vec<_> = PRESETS.iter().map(|preset| PossibleValue::new(preset.name).help(preset.of)).collect();
    PossibleValuesParser::new(values)
        .map(|name| PRESETS.iter().find(|preset| preset.name == name).expect("the parser lets no other name through"))
}

impl Preset {
    /// What a name means there; gives the parameters the defaults that they have there. With it a sentence for people.
    ///
    /// # Errors
    /// A loss that the trainer does not have.
    pub fn resolve(
        &self,
        given: &'static Description,
        parameters: &mut Parameters,
    ) -> Result<(&'static Description, String), Failure> {
        let Some(convention) = self.conventions.iter().find(|convention| convention.given == given.name) else {
            let names: Vec<_> = self.conventions.iter().map(|convention| convention.given).collect();
            let there = names.join(", ");
            return Err(Failure::new(format!("--preset {}: it has no loss {}; it has {there}", self.name, given.name)));
        };
        let loss = losses::find(convention.means).expect("a test goes over all of them");
        for (name, default) in convention.defaults {
            let parameter = loss.parameters.iter().find(|parameter| parameter.name == *name);
            parameters.default_to(parameter.expect("a test goes over all of them"), *default);
        }
        Ok((loss, format!("preset {}: {} is {}; {}", self.name, given.name, loss.name, convention.says)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_convention_is_of_the_list() {
        for preset in PRESETS {
            for (i, convention) in preset.conventions.iter().enumerate() {
                let given = losses::find(convention.given).unwrap();
                assert_eq!(given.name, convention.given);
                let twice = preset.conventions[..i].iter().any(|other| other.given == convention.given);
                assert!(!twice, "{} {}", preset.name, convention.given);
                let (loss, says) = preset.resolve(given, &mut Parameters::default()).unwrap();
                assert!(says.contains(loss.name));
                for (name, value) in convention.defaults {
                    let parameter = loss.parameters.iter().find(|parameter| parameter.name == *name).unwrap();
                    parameter.check(*value).unwrap();
                }
            }
        }
    }
}
