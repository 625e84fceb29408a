//! Files of tensors, written by hand: wrong ones and unaligned ones too.
#![allow(dead_code, reason = "each test file uses a part of it")]

use half::{bf16, f16};

/// A tensor's name, type and shape, and its bytes.
#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Tensor {
    pub fn new(name: &str, dtype: &'static str, shape: &[usize], bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), dtype, shape: shape.to_vec(), bytes }
    }

    pub fn f32(name: &str, shape: &[usize], values: &[f32]) -> Self {
        Self::new(name, "F32", shape, values.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    pub fn i64(name: &str, shape: &[usize], values: &[i64]) -> Self {
        Self::new(name, "I64", shape, values.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// Logits that all types hold exactly, in one of them.
    pub fn logits(dtype: &'static str, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|&x| match dtype {
            "F32" => x.to_le_bytes().to_vec(),
            "F64" => f64::from(x).to_le_bytes().to_vec(),
            "BF16" => bf16::from_f32(x).to_le_bytes().to_vec(),
            "F16" => f16::from_f32(x).to_le_bytes().to_vec(),
            other => panic!("{other}"),
        });
        Self::new("logits", dtype, shape, bytes.collect())
    }

    /// Labels in one of the types of integers.
    pub fn labels(dtype: &'static str, shape: &[usize], values: &[i64]) -> Self {
        Self::integers("labels", dtype, shape, values)
    }

    /// Integers, or truth values, in one of their types.
    pub fn integers(name: &str, dtype: &'static str, shape: &[usize], values: &[i64]) -> Self {
        let size = match dtype {
            "I64" | "U64" => 8,
            "I32" | "U32" => 4,
            "I16" | "U16" => 2,
            "I8" | "U8" | "BOOL" => 1,
            other => panic!("{other}"),
        };
        let bytes = values.iter().flat_map(|x| x.to_le_bytes().into_iter().take(size));
        Self::new(name, dtype, shape, bytes.collect())
    }
}

/// A file; its data begin `offset` bytes after a multiple of 8.
pub fn file(tensors: &[Tensor], offset: usize) -> Vec<u8> {
    let mut end = 0;
    let entries: Vec<String> = (tensors.iter())
        .map(|tensor| {
            let start = end;
            end += tensor.bytes.len();
            let Tensor { name, dtype, shape, .. } = tensor;
            format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}")
        })
        .collect();
    let mut header = format!("{{{}}}", entries.join(","));
    while header.len() % 8 != offset {
        header.push(' ');
    }
    let data = tensors.iter().flat_map(|tensor| tensor.bytes.clone());
    (header.len() as u64).to_le_bytes().into_iter().chain(header.into_bytes()).chain(data).collect()
}

/// The same file with metadata.
pub fn with_metadata(file: &[u8], entries: &[(&str, &str)]) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let (header, data) = file[8..].split_at(length);
    let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key:?}:{value:?}")).collect();
    let rest = String::from_utf8(header.to_vec()).unwrap();
    let mut header = format!("{{\"__metadata__\":{{{}}},{}", entries.join(","), &rest.trim_start()[1..]);
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// Numbers without a pattern, of 8 bits from -4 to 4.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn logit(&mut self) -> f32 {
        (self.bits() % 256) as f32 / 32.0 - 4.0
    }
}

/// A batch with all that can vary: masked tokens anywhere, lengths that differ.
pub struct Batch {
    pub shape: [usize; 3],
    pub logits: Vec<f32>,
    pub labels: Vec<i64>,
}

impl Batch {
    pub fn new(shape: [usize; 3]) -> Self {
        let [sequences, positions, vocabulary] = shape;
        let mut random = Random(sequences as u64 + 7 * vocabulary as u64);
        let logits = (0..sequences * positions * vocabulary).map(|_| random.logit()).collect();
        let label = |i: usize| {
            let label = (random.bits() % vocabulary as u64) as i64;
            // The second label always counts, and every third or so later does not.
            if i % positions != 1 && random.bits().is_multiple_of(3) { -100 } else { label }
        };
        let labels = (0..sequences * positions).map(label).collect();
        Self { shape, logits, labels }
    }

    pub fn tensors(&self, logits: &'static str, labels: &'static str) -> [Tensor; 2] {
        let [sequences, positions, _] = self.shape;
        [
            Tensor::logits(logits, &self.shape, &self.logits),
            Tensor::labels(labels, &[sequences, positions], &self.labels),
        ]
    }

    /// In float64, from the definition.
    pub fn expected(&self, shift: usize) -> Vec<Vec<Option<f64>>> {
        self.expected_of(shift, f64::from)
    }

    /// The same, of logits to which something happens first.
    pub fn expected_of(&self, shift: usize, logit: impl Fn(f32) -> f64) -> Vec<Vec<Option<f64>>> {
        let [sequences, positions, vocabulary] = self.shape;
        let token = |b: usize, t: usize| {
            let row = &self.logits[(b * positions + t) * vocabulary..][..vocabulary];
            let label = usize::try_from(self.labels[b * positions + t + shift]).ok()?;
            let sum: f64 = row.iter().map(|&x| logit(x).exp()).sum();
            Some(logit(row[label]) - sum.ln())
        };
        (0..sequences).map(|b| (0..positions - shift).map(|t| token(b, t)).collect()).collect()
    }
}
