//! Where cases, recordings and schema lie in the source tree.
#![expect(clippy::disallowed_methods, reason = "a command line tool reads and writes its own files directly")]

use crate::answers::{Recording, read_recording};
use crate::case::{Case, parse_cases};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The cases of one file, and Kafka's answers to them.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) cases: Vec<Case>,
    pub(crate) recording: Recording,
}

pub(crate) fn schema_folder() -> PathBuf {
    home().join("../../net/wire/schema")
}

pub(crate) fn compatibility_document() -> PathBuf {
    home().join("../../docs/compatibility.md")
}

/// Names of cases, in lines.
pub(crate) fn not_served_list() -> PathBuf {
    home().join("not-served.txt")
}

/// All subjects by name; case names are unique across them.
pub(crate) fn read_subjects() -> Result<Vec<Subject>, String> {
    let folder = home().join("cases");
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            paths.push(path);
        }
    }
    paths.sort();
    let subjects = paths.iter().map(|path| read_subject(path)).collect::<Result<Vec<_>, _>>()?;
    let mut names = BTreeSet::new();
    for case in subjects.iter().flat_map(|subject| &subject.cases) {
        if !names.insert(&case.name) {
            return Err(format!("case {} is there twice", case.name));
        }
    }
    Ok(subjects)
}

pub(crate) fn write_recording(subject: &str, text: &str) -> Result<(), String> {
    let path = recording_path(subject);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// The document's text; empty when there is none.
pub(crate) fn read_document(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn read_subject(path: &Path) -> Result<Subject, String> {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let cases = parse_cases(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let recorded = recording_path(&name);
    let recording = match fs::read_to_string(&recorded) {
        Ok(text) => read_recording(&text).map_err(|e| format!("{}: {e}", recorded.display()))?,
        Err(_) => Recording::new(),
    };
    Ok(Subject { name, cases, recording })
}

fn recording_path(subject: &str) -> PathBuf {
    home().join("recorded").join(format!("{subject}.txt"))
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Unserved;

    #[test]
    fn every_line_of_what_is_not_served_names_a_case() {
        let subjects = read_subjects().unwrap();
        let unserved = Unserved::parse(&read_document(&not_served_list()));
        let cases = || subjects.iter().flat_map(|subject| &subject.cases);
        for line in unserved.lines() {
            assert!(cases().any(|case| unserved.line_of(&case.name) == Some(line)), "{line} names no case");
        }
    }

    #[test]
    fn every_case_is_recorded_and_every_recording_has_its_case() {
        for subject in read_subjects().unwrap() {
            let cases: BTreeSet<&String> = subject.cases.iter().map(|case| &case.name).collect();
            let recorded: BTreeSet<&String> = subject.recording.keys().collect();
            assert_eq!(cases, recorded, "{}", subject.name);
        }
    }
}
