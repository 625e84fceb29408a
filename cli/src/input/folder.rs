//! Folders and patterns of files, as the files that they stand for.

use std::fs;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern, glob_with};

use super::Reading;
use crate::failure::Failure;
use crate::format::Format;

/// The deepest folder in a folder.
const DEEPEST: usize = 32;

/// What the library `datasets` keeps beside its data.
const NO_DATA: [&str; 3] = ["dataset_dict.json", "dataset_info.json", "state.json"];

/// The files that the arguments stand for, in the order of the arguments. A folder stands for the files in it and in its
/// folders, a pattern for what matches it; both in the order of their names, byte by byte. What begins with a dot or an
/// underscore is left out of both.
///
/// # Errors
/// A folder or pattern without a file; a folder with files of several formats.
pub fn expand(arguments: &[PathBuf], reading: &Reading) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for argument in arguments {
        if argument.is_dir() {
            files.extend(files_of(argument, reading)?);
        } else if let Some(pattern) = pattern(argument) {
            files.extend(matches(argument, pattern, reading)?);
        } else {
            files.push(argument.clone());
        }
    }
    Ok(files)
}

/// A pattern is what has a sign of one and is no file itself.
fn pattern(argument: &Path) -> Option<&str> {
    let text = argument.to_str()?;
    (text.contains(['*', '?', '[']) && !argument.exists()).then_some(text)
}

fn matches(argument: &Path, pattern: &str, reading: &Reading) -> Result<Vec<PathBuf>, Failure> {
    let fail = |message: &dyn std::fmt::Display| Failure::of_file(argument, message);
    let options =
        MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
    Pattern::new(pattern).map_err(|e| fail(&format!("is no pattern of files: {e}")))?;
    let mut files = Vec::new();
    for path in glob_with(pattern, options).map_err(|e| fail(&format!("is no pattern of files: {e}")))? {
        let path = path.map_err(|e| fail(&format!("cannot be searched: {e}")))?;
        // What the pattern itself names is meant.
        let is_named = |part: Component<'_>| Path::new(pattern).components().any(|other| other == part);
        if path.components().any(|part| is_hidden(Path::new(part.as_os_str())) && !is_named(part)) {
            continue;
        }
        if path.is_dir() { files.extend(files_of(&path, reading)?) } else { files.push(path) }
    }
    if files.is_empty() {
        return Err(fail(&"there is no file, and as a pattern nothing matches it"));
    }
    files.sort();
    Ok(files)
}

/// All files of data in a folder, of which there is one at least.
fn files_of(folder: &Path, reading: &Reading) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    collect(folder, reading, DEEPEST, &mut files)?;
    files.sort();
    let Some(first) = files.first() else {
        let message = "is a directory without a file of a known ending; a file is needed, or a directory of such files";
        return Err(Failure::of_file(folder, message));
    };
    let format = |path: &Path| reading.format.or_else(|| Format::of(path).ok());
    match files.iter().find(|file| format(file) != format(first)) {
        None => Ok(files),
        Some(other) => {
            let name = |path: &Path| path.strip_prefix(folder).unwrap_or(path).display().to_string();
            let message = format!(
                "holds files of several formats, such as {} and {}; a pattern such as '{}' names those that are meant",
                name(first),
                name(other),
                folder.join("*.parquet").display()
            );
            Err(Failure::of_file(folder, message))
        }
    }
}

fn collect(folder: &Path, reading: &Reading, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let fail = |e: std::io::Error| Failure::of_file(folder, format!("cannot be listed: {e}"));
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Failure::of_file(folder, format!("a folder more than {DEEPEST} folders deep")));
    };
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if is_hidden(&path) {
            continue;
        }
        if path.is_dir() {
            collect(&path, reading, depth, files)?;
        } else if reading.format.is_some() || Format::of(&path).is_ok() {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a file is none of data: `.part.crc`, `_SUCCESS`, `_metadata` and such.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.starts_with(['.', '_']) || NO_DATA.contains(&&*name)
}
