//! The bits of all outputs over the fixed inputs, level by level.

use std::fs;
use std::path::Path;

use preflane::Backend;
use preflane_conformance::expected::{committed, differences, parse};
use preflane_conformance::inputs::Set;
use preflane_conformance::{Blocks, Name, digests};

use super::Check;
use crate::failure::Failure;
use crate::progress::Progress;

/// Names and digests in their order.
pub type List = Vec<(String, u64)>;

/// Those built in, or those of a file.
pub fn list(file: Option<&Path>) -> Result<List, Failure> {
    let owned = |(name, digest): (&str, u64)| (name.to_owned(), digest);
    let Some(path) = file else { return Ok(committed().map(owned).collect()) };
    let text = fs::read_to_string(path).map_err(|e| Failure::of_file(path, format!("cannot be read: {e}")))?;
    let list: List = text.lines().filter_map(parse).map(owned).collect();
    if list.is_empty() { Err(Failure::of_file(path, "has no digests: lines NAME DIGEST")) } else { Ok(list) }
}

/// One check a level.
pub fn checks(backends: &[Backend], list: &[(String, u64)]) -> Vec<Check> {
    let mut progress = Progress::of_steps("digests", (backends.len() * list.len()) as u64);
    let mut done = 0;
    let mut check = |&backend: &Backend| {
        let (mut cases, mut broken) = (0, Vec::new());
        for set in Set::ALL {
            let expected: Vec<(&str, u64)> = (list.iter().map(|(name, digest)| (name.as_str(), *digest)))
                .filter(|(name, _)| name.split('/').next() == Some(set.name()))
                .collect();
            let mut got = Vec::new();
            let mut sink = |name: Name, digest| {
                got.push((name.to_string(), digest));
                done += 1;
                progress.update(done);
            };
            if let Err(refused) = digests(set, &mut Blocks(backend), &mut sink) {
                broken.push(format!("{}: {}", refused.name, refused.error));
            }
            cases += got.len() as u64;
            broken.extend(differences(&expected, &got));
        }
        let name = format!("digests on {}", backend.level().name());
        Check { name, cases, found: format!("{} differ", broken.len()), broken }
    };
    backends.iter().map(&mut check).collect()
}

/// Minutes without optimisation.
#[cfg(all(test, not(debug_assertions)))]
mod tests {
    use super::super::with_room;
    use super::*;

    #[test]
    fn a_wrong_digest_is_found_on_every_level() {
        with_room(|| {
            let mut list = list(None).unwrap();
            assert!(list.len() > 100);
            let backends = [Backend::detect()];
            assert!(checks(&backends, &list).iter().all(Check::held));
            list[7].1 ^= 1;
            let checks = checks(&backends, &list);
            assert!(checks.iter().all(|check| check.broken.len() == 1 && check.broken[0].starts_with(&list[7].0)));
        });
    }
}
