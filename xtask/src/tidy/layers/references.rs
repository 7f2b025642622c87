//! The paths that a Rust file names: in `use` trees, and inline where they begin with `crate`, `self` or `super`.

use crate::tidy::rust::RustFile;
use crate::tidy::tokens::{Token, closing, stands_at};

/// One path, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tidy) struct Reference {
    /// As written, without groups; the last segment may be `*`.
    pub(in crate::tidy) path: Vec<String>,
    pub(in crate::tidy) line: usize,
    /// Index of the token where it stands.
    pub(super) token: usize,
    /// The name that it has afterwards, for a `use`.
    pub(super) name: Option<String>,
    /// A `pub use`.
    pub(super) is_export: bool,
}

/// Every path in a `use`, and every inline path of two segments or more.
pub(in crate::tidy) fn uses(file: &RustFile) -> Vec<Reference> {
    let tokens = &file.tokens;
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins_use = tokens[at].text == "use" && !stands_at(tokens, at + 1, "<");
        if begins_use {
            at = use_item(tokens, at, &mut found);
        } else if begins_path(tokens, at) {
            at = inline_path(tokens, at, &mut found);
        } else {
            at += 1;
        }
    }
    found
}

fn begins_path(tokens: &[Token], at: usize) -> bool {
    let follows_path = at > 0 && tokens[at - 1].text == "::";
    tokens[at].is_word() && !follows_path && stands_at(tokens, at + 1, "::")
}

fn inline_path(tokens: &[Token], at: usize, found: &mut Vec<Reference>) -> usize {
    let mut path = vec![tokens[at].text.clone()];
    let mut end = at + 1;
    while stands_at(tokens, end, "::") && tokens.get(end + 1).is_some_and(Token::is_word) {
        path.push(tokens[end + 1].text.clone());
        end += 2;
    }
    if path.len() > 1 {
        found.push(Reference { path, line: tokens[at].line, token: at, name: None, is_export: false });
    }
    end
}

/// Reads `use TREE;` and gives the index behind it.
fn use_item(tokens: &[Token], at: usize, found: &mut Vec<Reference>) -> usize {
    let is_export = at > 0 && matches!(tokens[at - 1].text.as_str(), "pub" | ")");
    let mut tree = UseTree { tokens, at: at + 1, is_export, found };
    tree.read(&[]);
    let mut end = tree.at;
    while end < tokens.len() && tokens[end].text != ";" {
        end += 1;
    }
    end + 1
}

struct UseTree<'a> {
    tokens: &'a [Token],
    at: usize,
    is_export: bool,
    found: &'a mut Vec<Reference>,
}

impl UseTree<'_> {
    /// Reads one tree below `prefix`.
    fn read(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let begin = self.at;
        while let Some(token) = self.tokens.get(self.at) {
            match token.text.as_str() {
                "::" => self.at += 1,
                "{" => return self.group(&path),
                "*" => {
                    self.at += 1;
                    path.push("*".to_owned());
                }
                _ if token.is_word() && token.text != "as" => {
                    self.at += 1;
                    path.push(token.text.clone());
                }
                _ => break,
            }
        }
        let mut name = path.last().cloned();
        if stands_at(self.tokens, self.at, "as") {
            name = self.tokens.get(self.at + 1).map(|token| token.text.clone());
            self.at += 2;
        }
        if path.len() > prefix.len() && path.last().is_some_and(|last| last == "self") && !prefix.is_empty() {
            path.pop();
            name = if name.as_deref() == Some("self") { path.last().cloned() } else { name };
        }
        let line = self.tokens.get(begin).map_or(0, |token| token.line);
        self.found.push(Reference { path, line, token: begin, name, is_export: self.is_export });
    }

    fn group(&mut self, prefix: &[String]) {
        let end = closing(self.tokens, self.at);
        self.at += 1;
        while self.at < end {
            self.read(prefix);
            if stands_at(self.tokens, self.at, ",") {
                self.at += 1;
            } else {
                break;
            }
        }
        self.at = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found() {
        let cases = [
            ("use a::b;", "a::b"),
            ("use a::{self, b::{c, d as e}, f::*};", "a a::b::c a::b::d a::f::*"),
            ("pub(crate) use super::x::Y;", "super::x::Y"),
            ("fn f() -> crate::a::B { super::c::d::<T>(1) }", "crate::a::B super::c::d"),
            ("impl<'a> X for Y { fn g() -> impl T + use<'a> {} }", ""),
        ];
        for (text, expected) in cases {
            let found = uses(&RustFile::new("a.rs", text));
            let found: Vec<String> = found.iter().map(|reference| reference.path.join("::")).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }
}
