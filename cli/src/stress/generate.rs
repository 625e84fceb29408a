//! Inputs: by the classes of floats where code breaks, and by small changes of others.

use preflane_judge::{Form, Inputs, Random};

use super::number::Type;
use super::task::{Row, Shape, Task};

/// Where functions of floats change their nature: half ULPs of 1, where exp and sigmoid leave a type, what a type holds.
const THRESHOLDS: [f64; 44] = [
    0.0,
    1e-45,
    1.2e-38,
    1e-30,
    1e-16,
    1.1e-16,
    2.3e-10,
    5.97e-8,
    1.19e-7,
    1e-6,
    2.4e-4,
    4.9e-4,
    9.8e-4,
    3.9e-3,
    7.8e-3,
    0.125,
    0.5,
    std::f64::consts::LN_2,
    1.0,
    2.0,
    5.545,
    6.238,
    7.625,
    9.704,
    11.09,
    15.94,
    16.64,
    17.33,
    20.0,
    36.04,
    36.74,
    37.43,
    50.0,
    87.336,
    88.0,
    88.03,
    88.723,
    92.0,
    103.28,
    103.973,
    708.4,
    709.783,
    744.44,
    745.133,
];

/// Sizes beyond all thresholds.
const LARGE: [f64; 9] = [256.0, 1e3, 2048.0, 1e4, 65504.0, 65520.0, 1e6, 1e10, 1e20];

/// The log-probability nearest to 0 that has odds here. Nearer ones never come of means over tokens.
const NEAREST_TO_CERTAIN: f64 = 1e-16;

/// Batch sizes: alone, around the lanes and blocks of vectorised code, larger.
const SIZES: [usize; 14] = [1, 2, 3, 4, 7, 8, 9, 16, 17, 31, 32, 33, 64, 100];

/// Vocabularies, small ones more often: the judge is exact, not fast.
const VOCABULARIES: [usize; 12] = [2, 2, 3, 5, 8, 8, 17, 33, 64, 129, 512, 2048];

/// Answers of a list, few of them more often.
const ANSWERS: [usize; 8] = [1, 2, 3, 3, 4, 5, 8, 17];

/// A source of inputs.
pub struct Generator {
    /// Chance.
    pub random: Random,
    task: Task,
    number: Type,
    /// Where the loss or its gradient is 0 or bends.
    zeros: Vec<Inputs>,
}

impl Generator {
    /// Begins with a seed.
    pub fn new(task: Task, number: Type, seed: u64) -> Self {
        let zeros = task.zeros();
        Self { random: Random(seed), task, number, zeros }
    }

    /// Whether there are places at which the loss or its gradient is 0 or bends.
    pub fn has_zeros(&self) -> bool {
        !self.zeros.is_empty()
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.random.bits().is_multiple_of(one_in)
    }

    /// A batch of rows of one shape.
    pub fn batch(&mut self, most: usize) -> Vec<Row> {
        if self.task.is_sequences() {
            return self.sequences(most);
        }
        let size = self.random.pick(&SIZES).min(most);
        let answers = self.number_of_answers();
        (0..size).map(|_| self.row(answers)).collect()
    }

    /// As many as all rows of a batch have.
    fn number_of_answers(&mut self) -> usize {
        match self.task.shape {
            Shape::Answers(Form::Labelled) => 1,
            Shape::Answers(Form::Listed) => self.random.pick(&ANSWERS),
            _ => 2,
        }
    }

    /// Rows at the places where the loss or its gradient is 0 or bends, and beside them.
    pub fn beside_zeros(&mut self, most: usize) -> Vec<Row> {
        let size = self.random.pick(&SIZES).min(most);
        (0..size)
            .map(|_| {
                let which = self.random.bits() as usize % self.zeros.len();
                let zero = self.zeros[which].clone();
                let n = zero.log_ratios.len();
                let kind = self.random.bits() % 3;
                let base = if kind == 1 { self.value() } else { 0.0 };
                let references: Vec<f64> =
                    (0..n).map(|_| if kind == 2 { self.random.logp().into() } else { base }).collect();
                let policies = zero.log_ratios.iter().zip(&references).map(|(ratio, x)| ratio.to_f64() + x);
                let mut values: Vec<f64> = policies.chain(references.iter().copied()).collect();
                // The number itself, or one of its neighbours.
                for x in &mut values {
                    let steps = (self.random.bits() % 8) as i64 - 4;
                    *x = self.number.finite(*x);
                    if steps.abs() < 3 {
                        *x = self.number.step(*x, steps);
                    }
                }
                let mut labels = Vec::new();
                if self.task.shape == Shape::Answers(Form::Labelled) {
                    values.push(zero.reference_point);
                    labels.push(zero.is_desirable.into());
                }
                let mut row = Row { values, labels };
                self.settle(&mut row);
                row
            })
            .collect()
    }

    /// Rows that differ in one log-probability alone, which rises.
    pub fn ladder(&mut self, most: usize) -> Vec<Row> {
        let answers = self.number_of_answers();
        let first = self.row(answers);
        let mut rows: Vec<Row> = (0..8.min(most))
            .map(|_| {
                let mut row = first.clone();
                row.values[0] = self.value();
                self.settle(&mut row);
                row
            })
            .collect();
        rows.sort_by(|a, b| a.values[0].total_cmp(&b.values[0]));
        rows
    }

    /// The size of something, never negative.
    fn size(&mut self) -> f64 {
        match self.random.bits() % 8 {
            0..=3 => {
                let threshold = self.random.pick(&THRESHOLDS);
                // The threshold, a neighbour, or something near it.
                match self.random.bits() % 3 {
                    0 => threshold,
                    1 => {
                        let steps = (self.random.bits() % 9) as i64 - 4;
                        self.number.step(self.number.finite(threshold), steps)
                    }
                    _ => threshold * (1.0 + (self.random.unit() - 0.4) / 8.0),
                }
            }
            4 => self.random.pick(&LARGE),
            5 => 2_f64.powi((self.random.bits() % 60) as i32 - 40),
            _ => self.random.unit() * 30.0,
        }
    }

    /// A log-probability.
    fn value(&mut self) -> f64 {
        match self.random.bits() % 4 {
            0 => self.random.logp().into(),
            1 => -self.random.unit() * 3.0,
            _ => -self.size(),
        }
    }

    /// Log-probabilities of some answers.
    fn row(&mut self, answers: usize) -> Row {
        let beta = self.task.beta();
        // What the loss looks at: the log-ratio, or it times beta, or that by tau.
        let mut scales = vec![1.0, 1.0 / beta, 1.0 / beta];
        if let Some(tau) = self.task.textbook.parameter("tau") {
            scales.push(tau / beta);
        }
        let scale = self.random.pick(&scales);
        let sign = if self.chance(2) { 1.0 } else { -1.0 };
        let target = sign * self.size() * scale;
        // Answers beyond the second are at places of their own, or like the others.
        let n = answers;
        let mut values = match self.random.bits() % 6 {
            // One log-probability carries all of it.
            0 | 1 => {
                let mut values = vec![0.0; 2 * n];
                let place = if target > 0.0 { if n == 1 { n } else { n - 1 } } else { 0 };
                values[place] = -target.abs();
                values
            }
            // Among ordinary ones.
            2 => {
                let others: Vec<f64> = (1..2 * n).map(|_| f64::from(self.random.logp())).collect();
                let (policies, references) = others.split_at(n - 1);
                let first = if n > 1 { references[0] + policies[n - 2] - references[n - 1] } else { references[0] };
                [&[first + target], &others[..]].concat()
            }
            // The log-ratios each at a place of its own.
            3 => {
                let others: Vec<f64> = (1..n)
                    .map(|_| self.size() * self.random.pick(&scales) * if self.chance(2) { 1.0 } else { -1.0 })
                    .collect();
                let base = -self.random.unit() * 8.0;
                let policies = std::iter::once(target).chain(others).map(|ratio| base + ratio);
                policies.chain(std::iter::repeat_n(base, n)).collect()
            }
            // What cancels: nearly the same.
            4 => {
                let base = self.value();
                (0..2 * n)
                    .map(|_| {
                        let steps = (self.random.bits() % 5) as i64 - 2;
                        self.number.step(self.number.finite(base), steps)
                    })
                    .collect()
            }
            _ => (0..2 * n).map(|_| self.value()).collect(),
        };
        if self.chance(8) {
            values.copy_within(..n, n);
        }
        let mut labels = Vec::new();
        if self.task.shape == Shape::Answers(Form::Labelled) {
            // What the log-ratio is compared with: at most it, as estimates of a divergence are, or anything.
            let ratio = values[0] - values[1];
            let point = match self.random.bits() % 4 {
                0 => 0.0,
                1 => ratio,
                2 => self.random.unit() * 8.0,
                _ => self.size(),
            };
            values.push(point);
            labels.push((self.random.bits() & 1) as i64);
        }
        let mut row = Row { values, labels };
        self.settle(&mut row);
        row
    }

    /// [`settle`] for what this makes.
    fn settle(&self, row: &mut Row) {
        settle(&self.task, self.number, row);
    }

    /// A row near another.
    pub fn near(&mut self, row: &Row) -> Row {
        let mut row = row.clone();
        let which = self.random.bits() as usize % row.values.len();
        let other = self.random.bits() as usize % row.values.len();
        let x = row.values[which];
        row.values[which] = match self.random.bits() % 8 {
            0 | 1 => {
                let steps = (1_i64 << (self.random.bits() % 12)) * if self.chance(2) { 1 } else { -1 };
                self.number.step(x, steps)
            }
            2 => x * (1.0 + (self.random.unit() - 0.5) / 2_f64.powi((self.random.bits() % 8) as i32)),
            3 => x / 2.0,
            4 => x * 2.0,
            5 => row.values[other],
            6 => x + self.size() / self.task.beta() * if self.chance(2) { 1.0 } else { -1.0 },
            _ => self.value(),
        };
        self.settle(&mut row);
        row
    }

    /// Sequences of logits, a part of them without a label that counts.
    fn sequences(&mut self, most: usize) -> Vec<Row> {
        let vocabulary = self.random.pick(&VOCABULARIES);
        let positions = 1 + self.random.bits() as usize % if vocabulary > 100 { 2 } else { 5 };
        let size = self.random.pick(&SIZES[..7]).min(most).min((4096 / (vocabulary * positions)).max(1));
        (0..size)
            .map(|_| {
                let masked = self.random.bits() % 4;
                let labels = (0..positions)
                    .map(|_| match masked {
                        0 => -100,
                        1 if self.chance(2) => -100,
                        _ => (self.random.bits() % vocabulary as u64) as i64,
                    })
                    .collect();
                let mut values = Vec::with_capacity(positions * vocabulary);
                for _ in 0..positions {
                    let base = self.size().min(100.0);
                    let spread = self.random.pick(&[0.0, 0.01, 1.0, 10.0]);
                    let start = values.len();
                    values.extend((0..vocabulary).map(|_| base + spread * (self.random.unit() - 0.5)));
                    if self.chance(3) {
                        // One in front, by a size that matters.
                        let one = start + self.random.bits() as usize % vocabulary;
                        values[one] += self.size().min(2000.0);
                    }
                }
                let mut row = Row { values, labels };
                self.settle(&mut row);
                row
            })
            .collect()
    }
}

/// Makes finite log-probabilities of the type out of anything: what is beyond the type, or of no value since steps and scales led
/// out of it, is brought back.
pub fn settle(task: &Task, number: Type, row: &mut Row) {
    row.values.iter_mut().for_each(|x| *x = Type::F64.finite(*x));
    if task.is_sequences() {
        row.values.iter_mut().for_each(|x| *x = number.round(x.clamp(-1e4, 1e4)));
        return;
    }
    let n = task.answers(row);
    let (values, points) = row.values.split_at_mut(2 * n);
    if !task.textbook.definition().reference_point {
        points.fill(0.0);
    }
    if task.reference_free {
        values[n..].fill(0.0);
    }
    // A policy above 0 goes down together with its reference.
    for answer in 0..n {
        let excess = values[answer].max(0.0);
        values[answer] -= excess;
        if !task.reference_free {
            values[answer + n] -= excess;
        }
    }
    let largest = number.largest() / 64.0;
    values.iter_mut().for_each(|x| *x = number.round(x.clamp(-largest, 0.0)) + 0.0);
    points.iter_mut().for_each(|x| *x = number.round(x.clamp(-largest, largest)) + 0.0);
    if task.textbook.definition().below_zero {
        // A probability of 1 has no odds.
        let nearest = -number.round(number.quantum().max(NEAREST_TO_CERTAIN));
        values[..n].iter_mut().for_each(|x| *x = x.min(nearest));
    }
}

#[cfg(test)]
mod tests {
    use preflane_judge::{DEFINITIONS, Parameter, textbook};

    use super::*;

    /// Every input is a finite number of its type, for every type and loss, also where beta scales sizes beyond all numbers.
    #[test]
    fn inputs_are_finite_in_their_type() {
        let sequences = (Shape::Sequences { mean: false }, &DEFINITIONS[0]);
        for (shape, definition) in DEFINITIONS.iter().map(|d| (Shape::Answers(d.form), d)).chain([sequences]) {
            for number in Type::ALL {
                for beta in [0.1, 1e-3, 1e-310, 1e300] {
                    let usual =
                        |name: &&str| Parameter::named(name).and_then(|parameter| parameter.default).unwrap_or(0.1);
                    let mut values: Vec<f64> = definition.parameters.iter().map(usual).collect();
                    if let Some(at) = definition.parameters.iter().position(|name| *name == "beta") {
                        values[at] = beta;
                    }
                    let textbook = textbook(definition.name, &values).unwrap();
                    let task = Task { shape, textbook, reference_free: !definition.reference };
                    let is_sequences = task.is_sequences();
                    let mut generator = Generator::new(task, number, 1);
                    for _ in 0..if is_sequences { 4 } else { 60 } {
                        let mut rows = generator.batch(100);
                        if !is_sequences {
                            rows.extend(generator.ladder(8));
                            rows.extend(rows.clone().iter().map(|row| generator.near(row)));
                            if generator.has_zeros() {
                                rows.extend(generator.beside_zeros(8));
                            }
                        }
                        for row in rows {
                            let is_right = row.values.iter().all(|x| number.holds(*x));
                            assert!(is_right, "{}, {number:?}, beta {beta}: {:?}", definition.name, row.values);
                        }
                    }
                }
            }
        }
    }
}
