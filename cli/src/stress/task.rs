//! What is computed: the loss with its parameters, its inputs, and what the judge says of them.

use clap::ValueEnum;
use preflane_judge::{Float, Kind, PRECISION, Relative, log_ratios, pair_of_log_ratios, relative, sequence};

use super::number::{Type, plain};
use crate::args::{Formula, Stress};
use crate::failure::Failure;

/// One input. For pairs its four log-probabilities; for sequences labels, and a row of logits for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Log-probabilities or logits.
    pub values: Vec<f64>,
    /// Empty for pairs.
    pub labels: Vec<i64>,
}

/// The results of a pair, in order.
pub const RESULTS: [&str; 5] =
    ["loss", "grad_policy_chosen", "grad_policy_rejected", "grad_ref_chosen", "grad_ref_rejected"];
/// Its inputs.
pub const INPUTS: [&str; 4] = ["policy_chosen", "policy_rejected", "ref_chosen", "ref_rejected"];

/// What the truth is, result by result.
pub struct Truth {
    /// None where there is no such thing: a mean over nothing.
    pub results: Vec<Option<Float>>,
    /// Beyond the results' own sizes, those of the terms that ordinary code adds up to them.
    pub terms: Vec<f64>,
}

/// The loss with its parameters.
#[derive(Clone, Debug)]
pub struct Task {
    /// Which.
    pub formula: Formula,
    /// Its strength.
    pub beta: f64,
    /// Its label smoothing.
    pub label_smoothing: Option<f64>,
    /// DiscoPOP's.
    pub tau: Option<f64>,
    /// SimPO's.
    pub gamma: Option<f64>,
    /// Whether the reference is 0.
    pub reference_free: bool,
}

impl Task {
    /// What the options ask for, checked.
    pub fn new(options: &Stress) -> Result<Self, Failure> {
        let formula = options.loss;
        let name = formula.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
        let refuse = |message: &str| Err(Failure::new(format!("--loss {name}: {message}")));
        let smooths = matches!(formula, Formula::Cdpo | Formula::Robust);
        match options.label_smoothing {
            None if smooths => return refuse("needs --label-smoothing, the share of flipped labels, such as 0.1"),
            Some(_) if !smooths => {
                return refuse("has no label smoothing; --label-smoothing belongs to cdpo and robust");
            }
            Some(eps) if !(0.0..0.5).contains(&eps) => {
                return refuse(&format!("--label-smoothing {eps}: at least 0 and below 0.5 is needed"));
            }
            _ => {}
        }
        if !(options.beta > 0.0 && options.beta.is_finite()) {
            return refuse(&format!("--beta {}: a finite number above 0 is needed", options.beta));
        }
        if options.tau.is_some() && formula != Formula::Discopop {
            return refuse("has no tau; --tau belongs to discopop");
        }
        if options.tau.is_some_and(|tau| !(tau > 0.0 && tau.is_finite())) {
            return refuse("--tau: a finite number above 0 is needed");
        }
        if options.gamma.is_some() && formula != Formula::Simpo {
            return refuse("has no gamma; --gamma belongs to simpo");
        }
        if options.gamma.is_some_and(|gamma| !gamma.is_finite()) {
            return refuse("--gamma: a finite number is needed");
        }
        let without = matches!(formula, Formula::OddsRatio | Formula::Simpo);
        let tau = (formula == Formula::Discopop).then(|| options.tau.unwrap_or(0.05));
        let gamma = (formula == Formula::Simpo).then(|| options.gamma.unwrap_or(0.5));
        let task = Self {
            formula,
            beta: options.beta,
            label_smoothing: options.label_smoothing,
            tau,
            gamma,
            reference_free: options.reference_free || without,
        };
        if task.is_sequences() && options.reference_free {
            return refuse("has no reference; --reference-free belongs to the pair losses");
        }
        Ok(task)
    }

    /// Whether it takes logits.
    pub fn is_sequences(&self) -> bool {
        matches!(self.formula, Formula::SumLogps | Formula::MeanLogps)
    }

    /// Its name on the command line.
    pub fn name(&self) -> String {
        self.formula.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }

    /// Its name and parameters.
    pub fn title(&self) -> String {
        let mut title = self.name();
        if !self.is_sequences() {
            for parameter in self.parameters().split(' ') {
                title += ", ";
                title += &parameter.replace(['=', '_'], " ");
            }
        }
        title
    }

    /// The parameters as the protocol has them.
    pub fn parameters(&self) -> String {
        if self.is_sequences() {
            return format!("mean={}", u8::from(self.formula == Formula::MeanLogps));
        }
        let mut text = format!("beta={}", plain(self.beta));
        for (name, value) in [("label_smoothing", self.label_smoothing), ("tau", self.tau), ("gamma", self.gamma)] {
            if let Some(value) = value {
                text += &format!(" {name}={}", plain(value));
            }
        }
        text
    }

    /// A batch as the protocol has it. All rows have the same shape.
    pub fn request(&self, rows: &[Row]) -> String {
        let shape = match rows.first() {
            Some(row) if self.is_sequences() => {
                format!("logits {} {} {}", rows.len(), row.labels.len(), row.values.len() / row.labels.len().max(1))
            }
            _ => format!("pairs {}", rows.len()),
        };
        let mut text = format!("{shape} {}\n", self.parameters());
        for row in rows {
            let labels = row.labels.iter().map(i64::to_string);
            let words: Vec<String> = labels.chain(row.values.iter().map(|x| plain(*x))).collect();
            text += &words.join(" ");
            text.push('\n');
        }
        text
    }

    /// How many numbers an answer may have: the loss alone, with the policy's gradients, with all.
    pub fn takes(&self, row: &Row, numbers: usize) -> bool {
        if self.is_sequences() { [1, 1 + row.values.len()].contains(&numbers) } else { [1, 3, 5].contains(&numbers) }
    }

    /// A result's name.
    pub fn result(&self, row: &Row, index: usize) -> String {
        if !self.is_sequences() {
            return RESULTS[index].to_owned();
        }
        let vocabulary = row.values.len() / row.labels.len().max(1);
        match index.checked_sub(1) {
            None => "logp".to_owned(),
            Some(k) => format!("gradient by logit {} of position {}", k % vocabulary, k / vocabulary),
        }
    }

    /// Constants that ordinary code subtracts from the difference of the log-ratios.
    fn constant(&self) -> f64 {
        match self.formula {
            Formula::Ipo => 0.5 / self.beta,
            Formula::Hinge => 1.0 / self.beta,
            Formula::Simpo => self.gamma.unwrap_or(0.0).abs() / self.beta,
            _ => 0.0,
        }
    }

    /// How much larger what is lost in a small step may be in a result.
    pub fn magnified(&self, row: &Row) -> f64 {
        match self.formula {
            Formula::SumLogps | Formula::MeanLogps => 1.0,
            // The gradients divide by 1 - e^x.
            Formula::OddsRatio => self.beta.max(1.0) / -row.values[0].max(row.values[1]).exp_m1(),
            _ => self.beta.max(1.0 / self.beta),
        }
    }

    /// The errors of the two log-ratios that `units` of relative error in everything that is subtracted make; infinite
    /// where the type has no room for that.
    pub fn doubt(&self, row: &Row, units: f64, number: Type) -> [f64; 2] {
        let [pc, pr, rc, rr] = [0, 1, 2, 3].map(|k| row.values[k].abs());
        let all = pc + pr + rc + rr + self.constant();
        if all * self.beta.max(1.0) > number.largest() / 4.0 {
            return [f64::INFINITY; 2];
        }
        match self.formula {
            Formula::ForwardKl => [(pc + rc + 1.0) * units, (pr + rr + 1.0) * units],
            Formula::OddsRatio => [pc * units, pr * units],
            _ => [all * units; 2],
        }
    }

    /// A pair's truth, its two log-ratios shifted.
    pub fn pair(&self, row: &Row, shift: [f64; 2]) -> Truth {
        let mut ratios = log_ratios([row.values[0], row.values[1], row.values[2], row.values[3]]);
        for (ratio, shift) in ratios.iter_mut().zip(shift) {
            // As exact as they are, and with room for a shift of a few units.
            ratio.set_prec(ratio.prec().max(PRECISION));
            *ratio += shift;
        }
        let [u, v] = [ratios[0].to_f64(), ratios[1].to_f64()];
        let eps = self.label_smoothing.unwrap_or(0.0);
        let kind = match self.formula {
            Formula::Dpo => Ok(Kind::Dpo),
            Formula::Cdpo => Ok(Kind::Cdpo(eps)),
            Formula::Robust => Ok(Kind::Robust(eps)),
            Formula::Ipo => Ok(Kind::Ipo),
            Formula::Hinge => Ok(Kind::Hinge),
            Formula::Discopop => Err(Relative::DiscoPop { tau: self.tau.unwrap_or(0.05) }),
            Formula::ForwardKl => Err(Relative::ForwardKl),
            Formula::OddsRatio => Err(Relative::OddsRatio),
            Formula::Simpo => Err(Relative::SimPo { gamma: self.gamma.unwrap_or(0.0) }),
            Formula::SumLogps | Formula::MeanLogps => return Truth { results: Vec::new(), terms: Vec::new() },
        };
        let [loss, by_u, by_v] = match kind {
            Ok(kind) => {
                let [loss, .., by_u, by_v, _, _, _] = pair_of_log_ratios(kind, self.beta, &ratios, 1.0);
                [loss, by_u, by_v]
            }
            Err(kind) => {
                let results = relative(kind, self.beta, &ratios);
                [results.loss, results.by_chosen, results.by_rejected]
            }
        };
        let z = self.beta * (u - v);
        let size = |x: &Float| x.to_f64().abs();
        let terms = match self.formula {
            // The gradient is sigmoid(z) - (1 - eps).
            Formula::Cdpo => [0.0, self.beta, self.beta],
            Formula::Robust => {
                [2.0 * softplus(-z.abs()) + (1.0 + eps) * z.abs(), self.beta, self.beta].map(|x| x / (1.0 - 2.0 * eps))
            }
            Formula::Discopop => {
                // The modulation's derivative, times what it modulates, beside the two losses' own.
                let inner = z / self.tau.unwrap_or(0.05);
                let bump = (-softplus(inner) - softplus(-inner)).exp() / self.tau.unwrap_or(0.05);
                let slopes = bump * (softplus(-z) + (-z).min(700.0).exp()) + 1.0;
                let slopes = if bump > 0.0 { slopes } else { 0.0 };
                [0.0, slopes * self.beta, slopes * self.beta]
            }
            Formula::OddsRatio => {
                let else_ = |x: f64| (-x.exp_m1()).ln().abs();
                let within = u.abs() + v.abs() + else_(u) + else_(v);
                // An error of the log-odds acts through the slope by them, 1 - e^u of that by the log-ratio.
                [-u.exp_m1() * size(&by_u), size(&by_u), size(&by_v)].map(|x| x * within)
            }
            _ => [0.0; 3],
        };
        let [a, b, c] = terms;
        let minus = |x: &Float| Float::with_val(x.prec(), -x);
        let (by_rc, by_rr) = (minus(&by_u), minus(&by_v));
        Truth { results: [loss, by_u, by_v, by_rc, by_rr].map(Some).into(), terms: vec![a, b, c, b, c] }
    }

    /// A sequence's truth.
    pub fn sequence(&self, row: &Row) -> Truth {
        let positions = row.labels.len().max(1);
        let vocabulary = row.values.len() / positions;
        let mean = self.formula == Formula::MeanLogps;
        let exact = sequence(&row.values, vocabulary, &row.labels, mean);
        let counted = exact.tokens.len().max(1) as f64;
        let share = if mean { 1.0 / counted } else { 1.0 };
        let largest = row.values.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        // A sum of as many exps loses some bits, and so does the difference of logits.
        let each = 1.0 + largest + (vocabulary as f64).log2();
        let total: f64 = exact.tokens.iter().map(|token| token.to_f64().abs() + each).sum();
        let mut tokens = exact.tokens.iter();
        let mut terms = vec![total * share];
        for (position, label) in row.labels.iter().enumerate() {
            let token = if *label >= 0 { tokens.next() } else { None };
            for column in 0..vocabulary {
                let p = exact.by_logits[position * vocabulary + column].to_f64().abs();
                terms.push(match token {
                    // The target's is p - 1, in ordinary code.
                    Some(_) if *label == column as i64 => share * (1.0 + each),
                    Some(_) => p * (each - (p / share).max(f64::MIN_POSITIVE).ln()),
                    None => 0.0,
                });
            }
        }
        let results = std::iter::once(exact.logp).chain(exact.by_logits.into_iter().map(Some)).collect();
        Truth { results, terms }
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
