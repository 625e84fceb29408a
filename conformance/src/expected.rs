//! The digests that are committed, and what differs from them.

/// The committed digests in their order.
pub fn committed() -> impl Iterator<Item = (&'static str, u64)> {
    include_str!("../digests.txt").lines().filter_map(parse)
}

/// The name and the digest of a line; `None` for comments and anything else.
pub fn parse(line: &str) -> Option<(&str, u64)> {
    let (name, digest) = line.split_once(' ')?;
    if name.starts_with('#') || digest.len() != 16 {
        return None;
    }
    Some((name, u64::from_str_radix(digest, 16).ok()?))
}

#[cfg(feature = "std")]
mod differences {
    extern crate std;

    use std::format;
    use std::string::String;
    use std::vec::Vec;

    #[cfg(test)]
    use crate::Hasher;

    /// What is wrong with computed digests, in order, beside the expected ones; nothing if they are the same.
    pub fn differences(expected: &[(&str, u64)], got: &[(String, u64)]) -> Vec<String> {
        let mut differences = Vec::new();
        for (at, (name, digest)) in got.iter().enumerate() {
            match expected.get(at) {
                Some((known, wanted)) if known == name && wanted == digest => {}
                Some((known, wanted)) if known == name => {
                    differences.push(format!("{name} is {digest:016x}, must be {wanted:016x}"));
                }
                _ => differences.push(format!("{name} does not stand at its place in conformance/digests.txt")),
            }
        }
        if let Some((first, _)) = expected.get(got.len()) {
            let missing = expected.len() - got.len();
            differences.push(format!("{missing} of {} digests missing, first {first}", expected.len()));
        }
        if got.is_empty() {
            differences.push("no digests at all".into());
        }
        differences
    }

    #[cfg(test)]
    mod tests {
        use super::super::parse;
        use super::*;

        /// The digests in groups: a loss or function, how many digests it has, and a digest of its lines, those that tell its
        /// parameters included.
        fn groups() -> Vec<String> {
            let mut groups: Vec<(&str, usize, Hasher)> = Vec::new();
            for line in include_str!("../digests.txt").lines() {
                let name = match line.strip_prefix("# ") {
                    Some(parameters) => parameters.split_once('/').filter(|_| parameters.contains(": ")).map(|x| x.0),
                    None => line.split('/').nth(1),
                };
                let Some(name) = name else { continue };
                let at = groups.iter().position(|group| group.0 == name).unwrap_or_else(|| {
                    groups.push((name, 0, Hasher::default()));
                    groups.len() - 1
                });
                groups[at].1 += usize::from(parse(line).is_some());
                groups[at].2.bytes(line.as_bytes());
                groups[at].2.bytes(b"\n");
            }
            groups.into_iter().map(|(name, count, hash)| format!("{name} {count} {:016x}", hash.finish())).collect()
        }

        /// What is committed changes by a written decision alone: the last section of docs/definition.md.
        #[test]
        fn digests_are_those_of_the_definition() {
            let digests = include_str!("../digests.txt");
            let version = format!("# definition {}", preflane::DEFINITION);
            assert!(digests.lines().any(|line| line == version), "conformance/digests.txt does not say: {version}");
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/definition.md");
            let page = std::fs::read_to_string(path).expect("the page is there");
            let block = |fence: &str| -> Vec<&str> {
                page.lines().skip_while(|line| *line != fence).skip(1).take_while(|x| *x != "```").collect()
            };
            let fence = format!("```frozen {}", preflane::DEFINITION);
            let (frozen, open) = (block(&fence), block("```open"));
            let mut groups = groups();
            groups.retain(|group| open.iter().all(|open| group.split(' ').next() != Some(*open)));
            let advice = "A new loss adds its line to the block; a line that changed is a new version and a decision";
            assert!(
                frozen == groups,
                "{advice}: docs/definition.md, last section.\n{fence}\n{}\n```",
                groups.join("\n")
            );
        }

        #[test]
        fn what_differs_is_named() {
            let expected = [("core/a", 1), ("core/b", 2)];
            let got = |list: &[(&str, u64)]| -> Vec<_> { list.iter().map(|&(n, d)| (n.into(), d)).collect() };
            assert!(differences(&expected, &got(&expected)).is_empty());
            let one = differences(&expected, &got(&[("core/a", 1), ("core/b", 3)]));
            assert_eq!(one, ["core/b is 0000000000000003, must be 0000000000000002"]);
            assert_eq!(differences(&expected, &got(&[("core/b", 2), ("core/a", 1)])).len(), 2);
            assert_eq!(differences(&expected, &got(&[("core/a", 1)])), ["1 of 2 digests missing, first core/b"]);
            assert_eq!(differences(&expected, &[]).len(), 2);
        }
    }
}

#[cfg(feature = "std")]
pub use differences::differences;
