//! What is computed: the loss with its parameters, its inputs, and what the judge says of them.

use preflane_judge::{
    DEFINITIONS, Definition, Doubt, Float, Form, Inputs, Losses, Parameter, Textbook, Trace, log_ratios, sequence,
    textbook,
};

use super::number::{Type, plain};
use crate::args::Stress;
use crate::failure::{Failure, name_list};

/// One input. For a loss the policy's log-probabilities of the answers, then the reference's, then for labelled ones a reference
/// point; for sequences a row of logits for each label.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Log-probabilities or logits.
    pub values: Vec<f64>,
    /// Of sequences; of a labelled answer 1 if it is desirable, else 0.
    pub labels: Vec<i64>,
}

/// What the truth is, result by result.
pub struct Truth {
    /// None where there is no such thing: a mean over nothing.
    pub results: Vec<Option<Float>>,
    /// Beyond the results' own sizes, those of the terms that ordinary code adds up to them.
    pub terms: Vec<f64>,
}

/// What a row looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The answers of a loss: two, one with a label, or a list.
    Answers(Form),
    /// Logits and labels; the log-probabilities' sums, or their means.
    Sequences {
        /// Which of both.
        mean: bool,
    },
}

impl Shape {
    /// The word that the protocol has for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answers(Form::Pairwise) => "pairs",
            Self::Answers(Form::Labelled) => "labelled",
            Self::Answers(Form::Listed) => "listed",
            Self::Sequences { .. } => "logits",
        }
    }

    /// The one of that word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Form::Pairwise, Form::Labelled, Form::Listed]
            .map(Self::Answers)
            .into_iter()
            .chain([Self::Sequences { mean: false }])
            .find(|shape| shape.word() == word)
    }

    /// Whether the code under test takes the same.
    pub fn is_like(self, other: Self) -> bool {
        self.word() == other.word()
    }
}

/// The names of what takes logits.
const SUMS: &str = "sum-logps";
const MEANS: &str = "mean-logps";

/// The loss with its parameters.
#[derive(Clone, Debug)]
pub struct Task {
    /// What it takes.
    pub shape: Shape,
    /// Its definition; of sequences none is asked for.
    pub textbook: Textbook,
    /// Whether the reference is 0.
    pub reference_free: bool,
}

/// A name as the command line writes it.
fn with_hyphens(name: &str) -> String {
    name.replace('_', "-")
}

/// The definition of that name, or of the loss of the list that has it for an alias. As there case does not matter, and `-` is as good as
/// `_`.
fn definition(name: &str) -> Option<&'static Definition> {
    let known = preflane::losses::find(name)
        .map_or_else(|| name.to_ascii_lowercase().replace('-', "_"), |loss| loss.name.to_owned());
    DEFINITIONS.iter().find(|definition| definition.name == known || definition.aliases.contains(&known.as_str()))
}

/// Names, for a message.
fn names() -> String {
    let names: Vec<String> = DEFINITIONS.iter().map(|definition| with_hyphens(definition.name)).collect();
    format!("{}, or {SUMS} or {MEANS},", name_list(names.iter().map(String::as_str)))
}

impl Task {
    /// What the options ask for, checked.
    pub fn new(options: &Stress) -> Result<Self, Failure> {
        let refuse = |message: String| Err(Failure::new(format!("--loss {}: {message}", with_hyphens(&options.loss))));
        let given = options.given()?;
        let of_logits = with_hyphens(&options.loss.to_ascii_lowercase());
        if [SUMS, MEANS].contains(&of_logits.as_str()) {
            let mean = of_logits == MEANS;
            if let Some((name, _)) = given.first() {
                return refuse(format!("has no {}; {} belongs to the losses", name.replace('_', " "), option(name)));
            }
            if options.reference_free {
                return refuse("has no reference; --reference-free belongs to the losses".to_owned());
            }
            let none = textbook("dpo", &[1.0]).ok_or_else(|| Failure::new("a defect of preflane, please report it"))?;
            return Ok(Self { shape: Shape::Sequences { mean }, textbook: none, reference_free: false });
        }
        let Some(definition) = definition(&options.loss) else {
            return refuse(format!("is unknown; one of {} is needed", names()));
        };
        if let Some((name, _)) = given.iter().find(|(name, _)| !definition.parameters.contains(&name.as_str())) {
            let of: Vec<String> = DEFINITIONS
                .iter()
                .filter(|other| other.parameters.contains(&name.as_str()))
                .map(|other| with_hyphens(other.name))
                .collect();
            if of.is_empty() {
                let has = name_list(definition.parameters.iter().copied());
                return refuse(format!("has no parameter {name}; it has {has}"));
            }
            let (spoken, of) = (name.replace('_', " "), name_list(of.iter().map(String::as_str)));
            return refuse(format!("has no {spoken}; {} belongs to {of}", option(name)));
        }
        let mut values = Vec::with_capacity(definition.parameters.len());
        for name in definition.parameters {
            let Some(parameter) = Parameter::named(name) else {
                return refuse(format!("its parameter {name} has no range: a defect of preflane, please report it"));
            };
            let value = given.iter().find(|(given, _)| given == name).map(|(_, value)| *value).or(parameter.default);
            let Some(value) = value else {
                return refuse(format!("needs {}, {}, such as 0.1", option(name), parameter.meaning));
            };
            if !parameter.allows(value) {
                return refuse(format!("{} {value}: {} is needed", option(name), parameter.requirement));
            }
            values.push(value);
        }
        let Some(textbook) = textbook(definition.name, &values) else { return refuse("is unknown".to_owned()) };
        let reference_free = options.reference_free || !definition.reference;
        Ok(Self { shape: Shape::Answers(definition.form), textbook, reference_free })
    }

    /// Whether it takes logits.
    pub fn is_sequences(&self) -> bool {
        matches!(self.shape, Shape::Sequences { .. })
    }

    /// The scale of its margins.
    pub fn beta(&self) -> f64 {
        self.textbook.beta()
    }

    /// Its name on the command line.
    pub fn name(&self) -> String {
        match self.shape {
            Shape::Sequences { mean: false } => SUMS.to_owned(),
            Shape::Sequences { mean: true } => MEANS.to_owned(),
            Shape::Answers(_) => with_hyphens(self.textbook.definition().name),
        }
    }

    /// Its name and parameters.
    pub fn title(&self) -> String {
        let mut title = self.name();
        if !self.is_sequences() {
            for parameter in self.parameters().split_whitespace() {
                title += ", ";
                title += &parameter.replace(['=', '_'], " ");
            }
        }
        title
    }

    /// The parameters as the protocol has them.
    pub fn parameters(&self) -> String {
        if let Shape::Sequences { mean } = self.shape {
            return format!("mean={}", u8::from(mean));
        }
        let (names, values) = (self.textbook.definition().parameters, self.textbook.values());
        names.iter().zip(values).map(|(name, x)| format!("{name}={}", plain(*x))).collect::<Vec<_>>().join(" ")
    }

    /// A batch as the protocol has it. All rows have the same shape.
    pub fn request(&self, rows: &[Row]) -> String {
        let word = self.shape.word();
        let shape = match (rows.first(), self.shape) {
            (Some(row), Shape::Sequences { .. }) => {
                format!("{word} {} {} {}", rows.len(), row.labels.len(), row.values.len() / row.labels.len().max(1))
            }
            (Some(row), Shape::Answers(Form::Listed)) => format!("{word} {} {}", rows.len(), self.answers(row)),
            _ => format!("{word} {}", rows.len()),
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

    /// How many answers a row has.
    pub fn answers(&self, row: &Row) -> usize {
        row.values.len() / 2
    }

    /// How many numbers an answer may have: the loss alone, with the policy's gradients, with all.
    pub fn takes(&self, row: &Row, numbers: usize) -> bool {
        let n = self.answers(row);
        if self.is_sequences() {
            [1, 1 + row.values.len()].contains(&numbers)
        } else {
            [1, 1 + n, 1 + 2 * n].contains(&numbers)
        }
    }

    /// The names of a row's inputs.
    pub fn inputs(&self, row: &Row) -> Vec<String> {
        let n = self.answers(row);
        match self.shape {
            Shape::Sequences { .. } => {
                let vocabulary = row.values.len() / row.labels.len().max(1);
                (0..row.values.len()).map(|k| format!("logit [{}][{}]", k / vocabulary, k % vocabulary)).collect()
            }
            Shape::Answers(form) => {
                let of_model =
                    |model: &str| answers(form, n).into_iter().map(move |answer| format!("{model}{answer}")).collect();
                let [policy, reference]: [Vec<String>; 2] = ["policy", "ref"].map(of_model);
                let point = (form == Form::Labelled).then(|| "reference_point".to_owned());
                policy.into_iter().chain(reference).chain(point).collect()
            }
        }
    }

    /// A result's name.
    pub fn result(&self, row: &Row, index: usize) -> String {
        let Some(k) = index.checked_sub(1) else {
            return if self.is_sequences() { "logp" } else { "loss" }.to_owned();
        };
        if !self.is_sequences() {
            return format!("grad_{}", self.inputs(row)[k]);
        }
        let vocabulary = row.values.len() / row.labels.len().max(1);
        format!("gradient by logit {} of position {}", k % vocabulary, k / vocabulary)
    }

    /// The exact log-ratios, and the label.
    fn exact_inputs(&self, row: &Row) -> Inputs {
        let n = self.answers(row);
        let ratios: Vec<Float> = match row.values[..] {
            [a, b, c, d] => log_ratios([a, b, c, d]).into(),
            _ => (0..n).map(|k| log_ratios([row.values[k], 0.0, row.values[n + k], 0.0])[0].clone()).collect(),
        };
        match self.shape {
            Shape::Answers(Form::Labelled) => {
                let [ratio, ..] = &ratios[..] else { return Inputs::new(ratios) };
                Inputs::labelled(ratio.clone(), row.labels == [1], row.values[2])
            }
            _ => Inputs::new(ratios),
        }
    }

    /// Whether the type may have no room for what ordinary code subtracts.
    pub fn is_too_large(&self, row: &Row, number: Type) -> bool {
        let all: f64 = row.values.iter().map(|x| x.abs()).sum();
        all * self.beta().max(1.0) > number.largest() / 4.0
    }

    /// How far off each result may be in ordinary code: it loses `losses.unit` of every log-probability and of every sum's terms, and
    /// what underflows.
    pub fn doubt(&self, row: &Row, losses: Losses) -> Vec<Float> {
        let n = self.answers(row);
        let off: Vec<f64> = (0..n).map(|k| (row.values[k].abs() + row.values[n + k].abs()) * losses.unit).collect();
        let Doubt { mut results, .. } = self.textbook.doubt(&self.exact_inputs(row), &off, losses);
        results.extend_from_within(1..);
        results
    }

    /// What the formula takes the exp of, and its like.
    pub fn trace(&self, row: &Row) -> Trace {
        self.textbook.doubt(&self.exact_inputs(row), &[], Losses { unit: 0.0, floor: 0.0 }).trace
    }

    /// A row's truth.
    pub fn truth(&self, row: &Row) -> Truth {
        if let Shape::Sequences { mean } = self.shape {
            return of_sequence(row, mean);
        }
        let exact = self.textbook.exact(&self.exact_inputs(row));
        let by_policy = exact.by_log_ratios.iter().cloned().map(Some);
        let by_reference = exact.by_log_ratios.iter().map(|by| Some(Float::with_val(by.prec(), -by)));
        let results: Vec<Option<Float>> =
            std::iter::once(Some(exact.loss)).chain(by_policy).chain(by_reference).collect();
        Truth { terms: vec![0.0; results.len()], results }
    }

    /// Log-ratios at which the loss or its gradient is 0 or bends, with a label and a reference point where those count; not those where
    /// all are 0, which come up anyway.
    pub fn zeros(&self) -> Vec<Inputs> {
        if self.is_sequences() {
            return Vec::new();
        }
        let mut zeros = self.textbook.zeros();
        zeros.retain(|zero| zero.log_ratios.iter().any(|ratio| !ratio.is_zero()));
        zeros
    }

    /// Where a picture has a row: what the loss looks at.
    pub fn position(&self, row: &Row) -> f64 {
        let n = self.answers(row);
        let ratio = |k: usize| row.values[k] - row.values[n + k];
        match self.shape {
            Shape::Sequences { .. } => row.values.iter().fold(0.0, |largest: f64, x| largest.max(x.abs())),
            Shape::Answers(Form::Labelled) => self.beta() * (ratio(0) - row.values[2]),
            // In the order of its roundings since ever.
            Shape::Answers(Form::Pairwise) => self.beta() * (ratio(0) - ratio(1)),
            Shape::Answers(Form::Listed) => self.beta() * (ratio(0) - if n > 1 { ratio(1) } else { 0.0 }),
        }
    }
}

/// What the names of answers end in.
fn answers(form: Form, n: usize) -> Vec<String> {
    match form {
        Form::Pairwise => vec!["_chosen".to_owned(), "_rejected".to_owned()],
        Form::Labelled => vec![String::new()],
        Form::Listed => (1..=n).map(|rank| format!("_{rank}")).collect(),
    }
}

/// A parameter's option.
fn option(name: &str) -> String {
    if Stress::OPTIONS.contains(&name) { format!("--{}", with_hyphens(name)) } else { format!("--parameter {name}") }
}

/// A sequence's truth.
fn of_sequence(row: &Row, mean: bool) -> Truth {
    let positions = row.labels.len().max(1);
    let vocabulary = row.values.len() / positions;
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
