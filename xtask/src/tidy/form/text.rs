//! Rules about the form of files: openings, module files, names, unfinished places, host names.

use crate::tidy::finding::Finding;
use crate::tidy::source::{RustFile, TextFile, Tree, stands_at};
use syn::spanned::Spanned;

/// Type names that end so say what a type is made of, not what it is.
const EMPTY_SUFFIXES: &[&str] = &["Manager", "Helper", "Helpers", "Util", "Utils", "Impl", "Info", "Data"];

/// File names that collect what has no subject.
const EMPTY_FILES: &[&str] = &["util.rs", "utils.rs", "helper.rs", "helpers.rs", "common.rs", "misc.rs"];

/// Words in a comment that say that something is unfinished.
const UNFINISHED_WORDS: &[&str] = &["TODO", "FIXME", "XXX"];

/// Code that says so.
const UNFINISHED_CODE: &[&str] = &["todo !", "unimplemented !", "# [ ignore"];

/// Programs in other languages whose lines are searched for the same words.
const OTHER_LANGUAGES: &[&str] = &[".py", ".go", ".java", ".sh"];

/// Hosts of package registries, in two parts so that this list does not name them itself.
const REGISTRY_HOSTS: &[(&str, &str)] = &[
    ("crates", "io"),
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("repo1.maven", "org"),
    ("repo.maven.apache", "org"),
    ("proxy.golang", "org"),
    ("sum.golang", "org"),
    ("registry.npmjs", "org"),
    ("deb.debian", "org"),
];

/// Cargo writes the name of its own registry into the lock file, whichever mirror served it.
const MAY_NAME_REGISTRIES: &[&str] = &["Cargo.lock", "clients/rdkafka/Cargo.lock"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in &tree.rust {
        if let Some((line, why)) = &file.broken {
            findings.push(Finding::new(&file.path, *line, "syntax", format!("this cannot be parsed: {why}")));
        }
    }
    for file in tree.written() {
        opening(file, findings);
        module_file(file, findings);
        names(file, findings);
        unfinished(file, findings);
    }
    let hosts: Vec<String> = REGISTRY_HOSTS.iter().map(|(name, domain)| format!("{name}.{domain}")).collect();
    for file in &tree.files {
        unfinished_elsewhere(file, findings);
        registry_hosts(file, &hosts, findings);
    }
}

fn opening(file: &RustFile, findings: &mut Vec<Finding>) {
    let paragraph: Vec<&str> = file.text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
    let opens = |line: &&str| {
        let word = line.split(' ').next().unwrap_or_default();
        word.starts_with(|c: char| !c.is_lowercase()) || word.contains(['/', '.'])
    };
    let ends = |line: &&str| line.trim_end().ends_with(['.', ':']);
    if !paragraph.first().is_some_and(opens) || !paragraph.last().is_some_and(ends) {
        let text = "the file does not open with a sentence; begin it with `//! What this is.`";
        findings.push(Finding::new(&file.path, 1, "opening", text));
    }
}

fn module_file(file: &RustFile, findings: &mut Vec<Finding>) {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if name != "mod.rs" && name != "lib.rs" {
        return;
    }
    for item in &file.syntax.items {
        let is_listing = match item {
            syn::Item::Use(_) => true,
            syn::Item::Mod(module) => module.content.is_none(),
            _ => false,
        };
        if !is_listing {
            let text =
                "a mod.rs or lib.rs holds module lists and re-exports only; move this to a file of its own";
            let line = item.span().start().line;
            findings.push(Finding::new(&file.path, line, "module-file", text));
        }
    }
}

fn names(file: &RustFile, findings: &mut Vec<Finding>) {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if EMPTY_FILES.contains(&name) {
        let text =
            "the file's name says nothing of its subject; name the subject, or move its parts to theirs";
        findings.push(Finding::new(&file.path, 1, "name", text));
    }
    for pair in file.tokens.windows(2) {
        let declares = matches!(pair[0].text.as_str(), "struct" | "enum" | "trait" | "type" | "union");
        let suffix = EMPTY_SUFFIXES.iter().find(|suffix| pair[1].text.ends_with(**suffix));
        if let (true, Some(suffix)) = (declares, suffix) {
            let text = format!("`{}` ends in `{suffix}`; name what it is", pair[1].text);
            findings.push(Finding::new(&file.path, pair[1].line, "name", text));
        }
    }
}

fn unfinished(file: &RustFile, findings: &mut Vec<Finding>) {
    for (index, line) in file.comments.lines().enumerate() {
        unfinished_words(&file.path, index + 1, line, findings);
    }
    for (at, token) in file.tokens.iter().enumerate() {
        let stands = |code: &&str| code.starts_with(&token.text) && stands_at(&file.tokens, at, code);
        if UNFINISHED_CODE.iter().any(stands) {
            let text = "finish it, or leave it out and say so in an issue";
            findings.push(Finding::new(&file.path, token.line, "unfinished", text));
        }
    }
}

fn unfinished_elsewhere(file: &TextFile, findings: &mut Vec<Finding>) {
    if OTHER_LANGUAGES.iter().any(|ending| file.path.ends_with(ending)) {
        for (index, line) in file.text.lines().enumerate() {
            unfinished_words(&file.path, index + 1, line, findings);
        }
    }
}

fn unfinished_words(path: &str, line: usize, text: &str, findings: &mut Vec<Finding>) {
    if !UNFINISHED_WORDS.iter().any(|word| text.contains(word)) {
        return;
    }
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    if let Some(word) = words.find(|word| UNFINISHED_WORDS.contains(word)) {
        let text = format!("{word}: finish it, or leave it out and say so in an issue");
        findings.push(Finding::new(path, line, "unfinished", text));
    }
}

fn registry_hosts(file: &TextFile, hosts: &[String], findings: &mut Vec<Finding>) {
    let named = |text: &str| hosts.iter().find(|host| text.contains(host.as_str()));
    if MAY_NAME_REGISTRIES.contains(&file.path.as_str()) || named(&file.text).is_none() {
        return;
    }
    for (index, line) in file.text.lines().enumerate() {
        if let Some(host) = named(line) {
            let text =
                format!("{host} is the host of a registry; which one serves is for the user's own settings");
            findings.push(Finding::new(&file.path, index + 1, "registry", text));
        }
    }
}
