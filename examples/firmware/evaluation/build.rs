//! Turns `data/pairs.safetensors` into tables of constants, which the linker puts into flash.

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Failure = Box<dyn std::error::Error>;

/// A tensor of one dimension, as its elements' bytes.
fn column<'a, const N: usize>(tensors: &SafeTensors<'a>, name: &str, dtype: Dtype) -> Result<Vec<[u8; N]>, Failure> {
    let tensor = tensors.tensor(name)?;
    if tensor.dtype() != dtype || tensor.shape().len() != 1 {
        return Err(format!(
            "{name} is {:?} {:?}; it must be {dtype:?} of one dimension",
            tensor.dtype(),
            tensor.shape()
        )
        .into());
    }
    Ok(tensor.data().as_chunks().0.to_vec())
}

/// One side's answers: `Tokens { policy: &[..], reference: &[..] }` each.
fn answers(tensors: &SafeTensors<'_>, side: &str) -> Result<Vec<String>, Failure> {
    let offsets: Vec<_> =
        column(tensors, &format!("{side}_offsets"), Dtype::I64)?.into_iter().map(i64::from_le_bytes).collect();
    let models =
        ["policy", "ref"].map(|model| column::<4>(tensors, &format!("{model}_{side}_token_logps"), Dtype::F32));
    let [policy, reference] = models;
    let (policy, reference) = (policy?, reference?);
    let mut answers = Vec::new();
    for bounds in offsets.windows(2) {
        let range = usize::try_from(bounds[0])?..usize::try_from(bounds[1])?;
        let mut source = String::from("Tokens {");
        for (field, logps) in [("policy", &policy), ("reference", &reference)] {
            let logps = logps
                .get(range.clone())
                .ok_or_else(|| format!("{side}_offsets: {range:?} is outside {side}'s tokens"))?;
            write!(source, " {field}: &[")?;
            for logp in logps {
                write!(source, "f32::from_bits({:#x}),", u32::from_le_bytes(*logp))?;
            }
            source.push_str("],");
        }
        source.push('}');
        answers.push(source);
    }
    Ok(answers)
}

fn tables(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let (chosen, rejected) = (answers(&tensors, "chosen")?, answers(&tensors, "rejected")?);
    if chosen.len() != rejected.len() {
        return Err(format!(
            "{} chosen answers, {} rejected ones; there must be one of each in a pair",
            chosen.len(),
            rejected.len()
        )
        .into());
    }
    let mut source = format!("/// The pairs, in their order.\npub static PAIRS: [TokenPair; {}] = [\n", chosen.len());
    for (chosen, rejected) in chosen.iter().zip(&rejected) {
        writeln!(source, "TokenPair {{ chosen: {chosen}, rejected: {rejected} }},")?;
    }
    source.push_str("];\n");
    Ok(source)
}

fn main() -> Result<(), Failure> {
    let path = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../data/pairs.safetensors");
    println!("cargo::rerun-if-changed={}", path.display());
    println!("cargo::rerun-if-changed=build.rs");
    let source = tables(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("pairs.rs"), source)?;
    Ok(())
}
