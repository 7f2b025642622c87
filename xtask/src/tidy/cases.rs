//! The checker held to planted violations: `cases.txt` names small trees and what must be found in them.

use super::run::check;
use super::source::{TextFile, Tree};

/// A tree, and the findings it must give as `path:line rule`.
#[derive(Default)]
struct Case {
    name: String,
    files: Vec<TextFile>,
    expected: Vec<String>,
}

/// `case: NAME`, then `file: PATH` with its lines behind `| `, and `finds: PATH:LINE RULE` for each finding.
fn read_cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        // A case names hosts that no tracked file may name; the file of debts has tabs.
        let line = line.replace("(dot)", ".").replace("(tab)", "\t");
        if let Some(name) = line.strip_prefix("case: ") {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(path) = line.strip_prefix("file: ") {
            case.files.push(TextFile { path: path.to_owned(), text: String::new() });
        } else if let Some(content) = line.strip_prefix('|') {
            let file = case.files.last_mut().unwrap();
            file.text.push_str(content.strip_prefix(' ').unwrap_or(content));
            file.text.push('\n');
        } else if let Some(finding) = line.strip_prefix("finds: ") {
            case.expected.push(finding.to_owned());
        }
    }
    cases
}

#[test]
fn planted_violations_are_found() {
    let cases = read_cases(include_str!("cases.txt"));
    assert!(!cases.is_empty(), "the file of cases was read");
    for case in cases {
        let found = check(&Tree::new(case.files));
        let found: Vec<String> = found.iter().map(|f| format!("{}:{} {}", f.path, f.line, f.rule)).collect();
        assert_eq!(found, case.expected, "{}", case.name);
    }
}

#[test]
fn a_file_of_one_line_too_many_is_found_without_its_tests() {
    let lengths = [(500, 0, 0), (501, 0, 1), (490, 50, 0), (501, 50, 1)];
    for (code, tests, expected) in lengths {
        let mut text = "//! Long.\n".to_owned() + &"const A: u8 = 1;\n".repeat(code - 1);
        if tests > 0 {
            let body = "    const B: u8 = 1;\n".repeat(tests - 3);
            text += &format!("#[cfg(test)]\nmod tests {{\n{body}}}\n");
        }
        let found = check(&Tree::new(vec![TextFile { path: "perf/src/long.rs".to_owned(), text }]));
        assert_eq!(found.len(), expected, "{code} lines and {tests} of tests: {found:?}");
    }
}

#[test]
fn a_folder_of_one_file_too_many_is_found() {
    for (files, expected) in [(15, vec![]), (16, vec!["bin/src 16"])] {
        let file = |index| TextFile { path: format!("bin/src/a{index}.rs"), text: "//! A.\n".to_owned() };
        let found = check(&Tree::new((0..files).map(file).collect()));
        let owed = found.iter().filter_map(|found| found.owed.as_ref());
        let owed: Vec<String> = owed.map(|owed| format!("{} {}", owed.place, owed.count)).collect();
        assert_eq!(owed, expected, "{files} files");
    }
}
