//! Every decoder in the sources belongs to a target, and every decoder that a target names is in the sources.
#![expect(clippy::disallowed_methods, reason = "the test reads the repository's sources")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use millrace_sim::fuzz::{MESSAGE_MODULES, TARGETS};

/// Where bytes and texts from outside are read.
const SOURCES: [&str; 5] =
    ["engine/codec/src", "engine/core/src", "engine/shard/src", "net/wire/src", "net/server/src"];

/// Functions whose names begin so read what others wrote.
const DECODING: [&str; 5] = ["decode", "parse", "decompress", "recover_chain", "from_code"];

/// Functions that match and read nothing from outside.
const NOT_DECODERS: [&str; 2] = [
    // The kind of resource, and the kind of a change of a level, in a message that was decoded.
    "config_kind::from_code",
    "features::from_code",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.path() {
            path if path.ends_with("generated") => {}
            path if path.is_dir() => rust_files(&path, files),
            path => files.push(path),
        }
    }
}

/// The functions of a file without its tests, as `file::function`.
fn functions(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let name = |line: &str| {
        let (before, after) = line.split_once("fn ")?;
        let within = before.trim_start().strip_prefix("pub(in ").and_then(|rest| rest.split_once(')'));
        let before = within.map_or(before, |(_, rest)| rest);
        let is_item = before.split_whitespace().all(|word| word.starts_with("pub") || word == "const");
        let end = after.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        is_item.then(|| format!("{stem}::{}", &after[..end]))
    };
    code.lines().filter_map(name).collect()
}

fn all_functions() -> Vec<String> {
    let mut files = Vec::new();
    SOURCES.iter().for_each(|folder| rust_files(&repository().join(folder), &mut files));
    files.iter().flat_map(|file| functions(file)).collect()
}

#[test]
fn every_decoder_has_a_target() {
    let named: BTreeSet<&str> = TARGETS.iter().flat_map(|target| target.decoders).copied().collect();
    let decodes = |function: &String| {
        let name = function.split("::").nth(1).unwrap();
        DECODING.iter().any(|word| name.starts_with(word))
    };
    let decoders: Vec<String> = all_functions().into_iter().filter(decodes).collect();
    assert!(decoders.len() > 30, "{decoders:?}");
    let missing: Vec<&String> = decoders
        .iter()
        .filter(|decoder| !named.contains(decoder.as_str()) && !NOT_DECODERS.contains(&decoder.as_str()))
        .collect();
    assert!(missing.is_empty(), "no target of sim/src/fuzz names these decoders: {missing:?}");
}

#[test]
fn every_decoder_that_a_target_names_exists() {
    let functions: BTreeSet<String> = all_functions().into_iter().collect();
    for target in TARGETS {
        for decoder in target.decoders {
            assert!(functions.contains(*decoder), "{}: there is no {decoder}", target.name);
        }
    }
}

#[test]
fn every_generated_message_is_fuzzed() {
    let generated = repository().join("net/wire/src/generated");
    let modules = fs::read_dir(generated).unwrap().map(|entry| entry.unwrap().path());
    let modules = modules.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let of_messages =
        |name: &String| ["_request", "_response", "_header"].iter().any(|end| name.ends_with(end));
    let expected: BTreeSet<String> = modules.filter(of_messages).collect();
    let fuzzed: BTreeSet<String> = MESSAGE_MODULES.iter().map(|name| name.to_string()).collect();
    assert_eq!(fuzzed, expected, "for_each_message! lists each message");
}

#[test]
fn names_are_told_apart() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len());
}
