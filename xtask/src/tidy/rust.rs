//! A Rust file as the rules see it: lines, code, comments, tokens, and which of them are tests.

use super::mask::mask;
use super::tokens::{Token, closing, item_end, stands_at, tokens};
use std::ops::RangeInclusive;

pub(super) struct RustFile {
    pub(super) path: String,
    pub(super) text: String,
    /// The comments alone, each on its line.
    pub(super) comments: String,
    pub(super) tokens: Vec<Token>,
    /// Its items; none when it cannot be parsed.
    pub(super) syntax: syn::File,
    /// Token ranges compiled for tests only.
    tests: Vec<RangeInclusive<usize>>,
    /// Inline modules: name and token range, outer ones first.
    inline: Vec<(String, RangeInclusive<usize>)>,
}

impl RustFile {
    pub(super) fn new(path: &str, text: &str) -> RustFile {
        let masked = mask(text);
        let syntax = syn::parse_file(text);
        let syntax =
            syntax.unwrap_or_else(|_| syn::File { shebang: None, attrs: Vec::new(), items: Vec::new() });
        let tokens = tokens(&masked.code);
        let tests = (0..tokens.len()).filter_map(|at| test_item(&tokens, at)).collect();
        let inline = (0..tokens.len()).filter_map(|at| inline_module(&tokens, at)).collect();
        RustFile {
            path: path.to_owned(),
            text: text.to_owned(),
            comments: masked.comments,
            tokens,
            syntax,
            tests,
            inline,
        }
    }

    pub(super) fn is_test(&self, token: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&token))
    }

    /// Names of the inline modules around a token, outermost first.
    pub(super) fn inline_path(&self, token: usize) -> Vec<String> {
        let around = self.inline.iter().filter(|(_, range)| range.contains(&token));
        around.map(|(name, _)| name.clone()).collect()
    }

    /// Lines that are not inside an item compiled for tests only.
    pub(super) fn lines_without_tests(&self) -> usize {
        let line = |token: &usize| self.tokens.get(*token).map_or(0, |token| token.line);
        let mut tested = 0;
        let mut last_line = 0;
        for range in &self.tests {
            let (first, last) = (line(range.start()).max(last_line + 1), line(range.end()));
            tested += (last + 1).saturating_sub(first);
            last_line = last_line.max(last);
        }
        self.text.lines().count() - tested
    }
}

/// The tokens of an item behind `#[cfg(test)]`, from the attribute on.
fn test_item(tokens: &[Token], at: usize) -> Option<RangeInclusive<usize>> {
    let (inner, bracket) = match () {
        () if stands_at(tokens, at, "# [ cfg (") => (false, at + 1),
        () if stands_at(tokens, at, "# ! [ cfg (") => (true, at + 2),
        () => return None,
    };
    let end = closing(tokens, bracket);
    let names = |word: &str| tokens[bracket..end].iter().any(|token| token.text == word);
    if !names("test") || names("not") {
        return None;
    }
    if inner {
        return Some(at..=tokens.len() - 1);
    }
    let mut item = end + 1;
    while stands_at(tokens, item, "# [") {
        item = closing(tokens, item + 1) + 1;
    }
    Some(at..=item_end(tokens, item))
}

fn inline_module(tokens: &[Token], at: usize) -> Option<(String, RangeInclusive<usize>)> {
    let is_module = stands_at(tokens, at, "mod") && stands_at(tokens, at + 2, "{");
    is_module.then(|| (tokens[at + 1].text.clone(), at..=closing(tokens, at + 2)))
}

/// Whether an item behind these attributes is compiled for tests only.
pub(super) fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Ok(list) = attribute.meta.require_list() else { return false };
        list.path.is_ident("cfg") && names_tests(list.tokens.clone())
    })
}

fn names_tests(condition: proc_macro2::TokenStream) -> bool {
    let words: Vec<String> = condition.into_iter().map(|tree| tree.to_string()).collect();
    let condition = words.join(" ");
    let names = |word: &str| condition.split(|c: char| !c.is_alphanumeric()).any(|found| found == word);
    names("test") && !names("not")
}
