//! What a file of log-probabilities says of how they were made: keys and values beside its numbers. `docs/reference-logps.md`
//! is the page for those who write or read them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, excerpt};

/// Keys and values as they stand in a file.
pub type Entries = BTreeMap<String, String>;

/// What a reader of a file found in it beside its numbers.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The file.
    pub path: PathBuf,
    /// What it says of itself.
    pub entries: Entries,
    /// What its numbers show: sum or mean.
    pub reduction: Option<&'static str>,
}

impl Metadata {
    /// What a file says of itself. Only what this project gives a meaning to is kept.
    pub fn new(path: &Path, entries: impl IntoIterator<Item = (String, String)>) -> Self {
        let entries = entries.into_iter().filter(|(key, _)| key.starts_with(PREFIX)).collect();
        Self { path: path.to_owned(), entries, reduction: None }
    }
}

/// What begins every key; all others belong to somebody else.
const PREFIX: &str = "preflane.";
/// What begins the keys of the user's own notes, after the prefix.
const NOTE: &str = "note.";
/// The meaning of the keys. It rises when a reader that does not know better would go wrong.
const SCHEMA: u64 = 1;
const SCHEMA_KEY: &str = "schema_version";
const REDUCE: &str = "reduce";

/// What a value may be.
#[derive(Clone, Copy)]
enum Kind {
    /// A whole number from 0 on.
    Count,
    /// A finite number above 0.
    Positive,
    /// The same, or the word none.
    PositiveOrNone,
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// 64 hexadecimal digits.
    Sha256,
    /// Anything.
    Text,
}

/// With what a value must agree.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    /// With nothing: it is for people.
    Alone,
    /// With that of every file that is scored together.
    Data,
    /// With that of the other model over the same batch.
    Batch,
}

struct Key {
    name: &'static str,
    kind: Kind,
    scope: Scope,
    /// What goes wrong where two files differ.
    clash: &'static str,
}

const SCALES: &str = "log-probabilities of logits on different scales do not compare";
const BATCHES: &str = "both must be of the same batch";

const fn key(name: &'static str, kind: Kind, scope: Scope, clash: &'static str) -> Key {
    Key { name, kind, scope, clash }
}

/// All keys that have a meaning, those that must agree in the order in which they are compared.
const KEYS: [Key; 13] = [
    key(SCHEMA_KEY, Kind::Count, Scope::Alone, ""),
    key("writer", Kind::Text, Scope::Alone, ""),
    key(REDUCE, Kind::OneOf(&["sum", "mean"]), Scope::Data, "a sum over tokens and a mean do not compare"),
    key("temperature", Kind::Positive, Scope::Data, SCALES),
    key("logit_scale", Kind::Positive, Scope::Data, SCALES),
    key("soft_cap", Kind::PositiveOrNone, Scope::Data, SCALES),
    key("sequences", Kind::Count, Scope::Batch, BATCHES),
    key("tokens", Kind::Count, Scope::Batch, BATCHES),
    key("labels_sha256", Kind::Sha256, Scope::Batch, BATCHES),
    key("shift", Kind::OneOf(&["0", "1"]), Scope::Alone, ""),
    key("logits_dtype", Kind::Text, Scope::Alone, ""),
    key("vocabulary", Kind::Count, Scope::Alone, ""),
    key("positions", Kind::Count, Scope::Alone, ""),
];

impl Kind {
    /// What would be right, where a value is not.
    fn complaint(self, value: &str) -> Option<String> {
        let positive = |value: &str| value.parse().is_ok_and(|x: f64| x > 0.0 && x.is_finite());
        let (right, needed) = match self {
            Self::Text => return None,
            Self::Count => (value.parse::<u64>().is_ok(), "a whole number".to_owned()),
            Self::Positive => (positive(value), "a number above 0".to_owned()),
            Self::PositiveOrNone => (value == "none" || positive(value), "a number above 0 or none".to_owned()),
            Self::OneOf(words) => (words.contains(&value), words.join(" or ")),
            Self::Sha256 => {
                let is_digest = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
                (is_digest, "64 hexadecimal digits".to_owned())
            }
        };
        (!right).then_some(needed)
    }

    /// Whether two values are the same, however they are spelt.
    fn same(self, a: &str, b: &str) -> bool {
        match (self, a.parse::<f64>(), b.parse::<f64>()) {
            (Self::Count | Self::Positive | Self::PositiveOrNone, Ok(a), Ok(b)) => a == b,
            _ => a.eq_ignore_ascii_case(b),
        }
    }
}

/// What one file says, checked; every key is optional but the schema's version.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    path: PathBuf,
    /// Without the prefix.
    entries: Entries,
    /// Whether its numbers are sums or means, where they show it and the file does not say it.
    shown: Option<&'static str>,
}

impl Provenance {
    /// Of a file that is to be written: values by key, which the keys' kinds allow, and the user's notes.
    pub fn new<'a>(values: impl IntoIterator<Item = (&'a str, String)>, notes: &[(String, String)]) -> Self {
        let mut entries: Entries = [(SCHEMA_KEY.to_owned(), SCHEMA.to_string())].into();
        entries.insert("writer".to_owned(), concat!("preflane ", env!("CARGO_PKG_VERSION")).to_owned());
        entries.extend(values.into_iter().map(|(key, value)| (key.to_owned(), value)));
        for (name, value) in &entries {
            let key = KEYS.iter().find(|key| key.name == name);
            assert!(key.is_some_and(|key| key.kind.complaint(value).is_none()), "{name} {value}: no such key or value");
        }
        entries.extend(notes.iter().map(|(key, value)| (format!("{NOTE}{key}"), value.clone())));
        Self { entries, ..Self::default() }
    }

    /// As it goes into a file.
    pub fn to_entries(&self) -> Entries {
        self.entries.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).collect()
    }

    /// What a file says; it may say nothing.
    ///
    /// # Errors
    /// A schema that this version does not know, a value that its key does not allow.
    pub fn read(metadata: &Metadata) -> Result<Self, Failure> {
        let path = &metadata.path;
        let entries: Entries = (metadata.entries.iter())
            .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), value.clone())))
            .collect();
        let shown = metadata.reduction.filter(|_| !entries.contains_key(REDUCE));
        let provenance = Self { path: path.clone(), entries, shown };
        if !provenance.is_said() {
            return Ok(provenance);
        }
        let entries = &provenance.entries;
        let fail = |name: &str, message: String| {
            let remedy = "--ignore-provenance takes the numbers as they are";
            Err(Failure::of_file(path, format!("metadata {PREFIX}{name} {message} ({remedy})")))
        };
        let Some(schema) = entries.get(SCHEMA_KEY) else {
            return fail(SCHEMA_KEY, format!("is missing; {SCHEMA} is needed beside the others of its prefix"));
        };
        match schema.parse() {
            Ok(1..=SCHEMA) => {}
            Ok(SCHEMA..) => {
                let message =
                    format!("is {}; this preflane knows up to {SCHEMA}, a newer one is needed", excerpt(schema));
                return fail(SCHEMA_KEY, message);
            }
            _ => return fail(SCHEMA_KEY, format!("is \"{}\"; a whole number from 1 on is needed", excerpt(schema))),
        }
        for Key { name, kind, .. } in &KEYS {
            if let Some(value) = entries.get(*name)
                && let Some(needed) = kind.complaint(value)
            {
                return fail(name, format!("is \"{}\"; {needed} is needed", excerpt(value)));
            }
        }
        Ok(provenance)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file says anything.
    pub fn is_said(&self) -> bool {
        !self.entries.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(String::as_str).or(self.shown.filter(|_| key == REDUCE))
    }

    /// The user's notes.
    pub fn notes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|(key, value)| Some((key.strip_prefix(NOTE)?, value.as_str())))
    }

    /// The gist, in words.
    pub fn summary(&self) -> Vec<String> {
        let with = |key: &str, words: &dyn Fn(&str) -> String| self.get(key).map(words);
        let unless = |key: &str, default: &str, name: &str| {
            self.get(key).filter(|value| *value != default).map(|value| format!("{name} {value}"))
        };
        let parts = [
            with(REDUCE, &|value| if value == "sum" { "sums".to_owned() } else { "means".to_owned() }),
            with("logits_dtype", &|value| format!("{} logits", excerpt(value))),
            unless("logit_scale", "1", "logit scale"),
            unless("soft_cap", "none", "soft cap"),
            unless("temperature", "1", "temperature"),
            with("sequences", &|value| format!("{value} sequences")),
            with("tokens", &|value| format!("{value} tokens")),
            with("labels_sha256", &|value| format!("labels {}", value.get(..8).unwrap_or_default())),
        ];
        let notes = self.notes().map(|(key, value)| format!("{} {}", excerpt(key), excerpt(value)));
        let writer = with("writer", &|value| format!("by {}", excerpt(value)));
        parts.into_iter().flatten().chain(notes).chain(writer).collect()
    }

    /// All keys and values, without the prefix.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// That the other model's numbers can stand beside these.
    ///
    /// # Errors
    /// A key of the same batch on which both differ.
    pub fn check_batch(&self, other: &Self) -> Result<(), Failure> {
        KEYS.iter().filter(|key| key.scope == Scope::Batch).try_for_each(|key| self.check(other, key))
    }

    fn check(&self, other: &Self, Key { name, kind, clash, .. }: &Key) -> Result<(), Failure> {
        let (Some(here), Some(there)) = (self.get(name), other.get(name)) else { return Ok(()) };
        if kind.same(here, there) {
            return Ok(());
        }
        let is_shown = |provenance: &Self| *name == REDUCE && provenance.shown.is_some();
        let shown = |provenance: &Self| if is_shown(provenance) { " as its token_logps show" } else { "" };
        let message = format!(
            "{name} is {here}{}, but {there}{} in {}: {clash} (--ignore-provenance takes the numbers as they are)",
            shown(self),
            shown(other),
            other.path.display()
        );
        Err(Failure::of_file(&self.path, message))
    }
}

/// What all files that are scored together agree on.
#[derive(Debug, Default)]
pub struct Agreement {
    /// For each key that some file has, the first such file.
    first: BTreeMap<&'static str, Provenance>,
}

impl Agreement {
    /// One file more.
    ///
    /// # Errors
    /// A key on which it differs from a file before it.
    pub fn add(&mut self, provenance: &Provenance) -> Result<(), Failure> {
        for key in KEYS.iter().filter(|key| key.scope == Scope::Data) {
            match self.first.get(key.name) {
                Some(first) => provenance.check(first, key)?,
                None if provenance.get(key.name).is_some() => {
                    self.first.insert(key.name, provenance.clone());
                }
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, pairs: &[(&str, &str)]) -> Result<Provenance, String> {
        let with = |(key, value): &(&str, &str)| (format!("{PREFIX}{key}"), (*value).to_owned());
        let entries = pairs.iter().map(with).chain([("format".to_owned(), "pt".to_owned())]);
        Provenance::read(&Metadata::new(Path::new(name), entries)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
        let written = Provenance::new([("reduce", "mean".to_owned())], &[("model".into(), "a=b".into())]);
        let read = Provenance::read(&Metadata::new(Path::new("a"), written.to_entries())).unwrap();
        assert_eq!(read.entries, written.entries);
        assert_eq!(read.notes().collect::<Vec<_>>(), [("model", "a=b")]);
    }

    #[test]
    fn values_are_checked() {
        assert!(!read("a", &[]).unwrap().is_said());
        assert!(read("a", &[(SCHEMA_KEY, "1"), ("unheard_of", "?"), ("note.model", "?")]).unwrap().is_said());
        for (key, value, words) in [
            (SCHEMA_KEY, "2", "a newer one is needed"),
            (SCHEMA_KEY, "0", "from 1 on"),
            (SCHEMA_KEY, "one", "from 1 on"),
            ("reduce", "median", "sum or mean"),
            ("temperature", "0", "above 0"),
            ("temperature", "inf", "above 0"),
            ("temperature", "nan", "above 0"),
            ("soft_cap", "no", "above 0 or none"),
            ("tokens", "-1", "whole number"),
            ("labels_sha256", "12", "64 hexadecimal"),
            ("shift", "2", "0 or 1"),
        ] {
            let mut pairs = vec![(SCHEMA_KEY, "1")];
            pairs.retain(|(other, _)| *other != key);
            pairs.push((key, value));
            let said = read("a", &pairs).unwrap_err();
            assert!(said.contains(words) && said.contains(key) && said.contains("a: "), "{said}");
        }
        let said = read("a", &[("reduce", "sum")]).unwrap_err();
        assert!(said.contains(SCHEMA_KEY) && said.contains("missing"), "{said}");
    }

    #[test]
    fn files_agree_or_name_both_values() {
        let with = |name: &str, key: &str, value: &str| read(name, &[(SCHEMA_KEY, "1"), (key, value)]).unwrap();
        let digests = ["0a".repeat(32), "a".repeat(64), "A".repeat(64)];
        for key in &KEYS {
            let (a, same, b) = match key.kind {
                Kind::Count => ("3", "3", "4"),
                Kind::Positive | Kind::PositiveOrNone => ("1", "1.0", "0.5"),
                Kind::OneOf(words) => (words[0], words[0], words[1]),
                Kind::Sha256 => (&*digests[1], &*digests[2], &*digests[0]),
                Kind::Text => ("x", "x", "y"),
            };
            if key.name == SCHEMA_KEY {
                continue;
            }
            let (a, same, b, none) =
                (with("a", key.name, a), with("b", key.name, same), with("c", key.name, b), with("d", "writer", "?"));
            let mut agreement = Agreement::default();
            for provenance in [&none, &a, &same] {
                agreement.add(provenance).unwrap();
                provenance.check_batch(&a).unwrap();
            }
            let clashes = [agreement.add(&b), b.check_batch(&a)];
            for (clash, scope) in clashes.into_iter().zip([Scope::Data, Scope::Batch]) {
                assert_eq!(clash.is_err(), key.scope == scope, "{}", key.name);
                let Err(failure) = clash else { continue };
                let (said, name) = (failure.to_string(), key.name);
                let (here, there) = (b.get(name).unwrap(), a.get(name).unwrap());
                assert!(said.starts_with(&format!("c: {name} is {here}, but {there} in a: ")), "{said}");
            }
        }
    }
}
