//! A Rust file as the rules see it: its text, its items, its words and signs, its comments.

use super::attributes::{attributes, is_for_tests};
use super::references::{Reference, uses};
use super::tokens::{Token, comments, flat, raw_strings};
use proc_macro2::TokenStream;
use std::ops::RangeInclusive;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A Rust file, read in all the ways that rules need.
pub(in crate::tidy) struct RustFile {
    pub(in crate::tidy) path: String,
    pub(in crate::tidy) text: String,
    /// The comments alone, each on its line.
    pub(in crate::tidy) comments: String,
    pub(in crate::tidy) tokens: Vec<Token>,
    /// Its items; none when it cannot be parsed.
    pub(in crate::tidy) syntax: syn::File,
    /// The paths that it names.
    pub(in crate::tidy) uses: Vec<Reference>,
    /// The lines of raw strings behind their first.
    pub(in crate::tidy) raw_strings: Vec<RangeInclusive<usize>>,
    /// Where it cannot be parsed, and why.
    pub(in crate::tidy) broken: Option<(usize, String)>,
}

impl RustFile {
    pub(super) fn new(path: &str, text: &str) -> RustFile {
        let parsed = text.parse::<TokenStream>().map_err(|error| syn::Error::new(error.span(), error));
        let stream = parsed.as_ref().cloned().unwrap_or_default();
        let syntax = parsed.and_then(syn::parse2::<syn::File>);
        let broken = syntax.as_ref().err().map(|error| (error.span().start().line, error.to_string()));
        let syntax =
            syntax.unwrap_or_else(|_| syn::File { shebang: None, attrs: Vec::new(), items: Vec::new() });
        RustFile {
            path: path.to_owned(),
            text: text.to_owned(),
            comments: comments(text, &stream),
            raw_strings: raw_strings(&stream),
            tokens: flat(stream),
            uses: uses(&syntax),
            syntax,
            broken,
        }
    }

    /// Lines that are not inside an item compiled for tests only.
    pub(in crate::tidy) fn lines_without_tests(&self) -> usize {
        let lines = self.text.lines().count();
        if is_for_tests(&self.syntax.attrs) {
            return 0;
        }
        let mut tests = TestLines::default();
        tests.visit_file(&self.syntax);
        lines - tests.lines.iter().map(|range| range.end() + 1 - range.start()).sum::<usize>()
    }
}

/// Line ranges of the outermost items that are compiled for tests only.
#[derive(Default)]
struct TestLines {
    lines: Vec<RangeInclusive<usize>>,
}

impl<'ast> Visit<'ast> for TestLines {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_for_tests(attributes(item)) {
            self.lines.push(item.span().start().line..=item.span().end().line);
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if is_for_tests(&function.attrs) {
            self.lines.push(function.span().start().line..=function.span().end().line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tests_are_left_out() {
        let cases = [
            ("//! A.\nfn a() {}\n", 2),
            ("fn a() {}\n#[cfg(test)]\n#[path = \"x\"]\nmod tests {\n    fn b() {}\n}\n", 1),
            ("impl A {\n    #[cfg(test)]\n    fn a() {}\n    fn b() {}\n}\n", 3),
            ("#![cfg(test)]\nfn a() {}\n", 0),
            ("#[cfg(not(test))]\nfn a() {}\n#[cfg(all(test, unix))]\nuse a::B;\n", 2),
        ];
        for (text, lines) in cases {
            assert_eq!(RustFile::new("a.rs", text).lines_without_tests(), lines, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_parsed_says_where() {
        for text in ["//! A.\nfn a( {}\n", "//! A.\nfn fn\n"] {
            assert_eq!(RustFile::new("a.rs", text).broken.map(|(line, _)| line), Some(2), "{text}");
        }
    }
}
