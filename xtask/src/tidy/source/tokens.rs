//! Words and signs of Rust code with the line of each, and the comments between them.

use proc_macro2::{Delimiter, Group, Spacing, Span, TokenStream, TokenTree};
use std::ops::{Range, RangeInclusive};

/// A word, `::`, or one other sign; literals are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tidy) struct Token {
    pub(in crate::tidy) text: String,
    /// Counted from 1.
    pub(in crate::tidy) line: usize,
}

impl Token {
    pub(in crate::tidy) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// All tokens in their order, brackets among them.
pub(in crate::tidy) fn flat(stream: TokenStream) -> Vec<Token> {
    let mut found = Vec::new();
    flatten(stream, &mut found);
    found
}

fn flatten(stream: TokenStream, found: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = signs(&group);
                push(open, group.span_open(), found);
                flatten(group.stream(), found);
                push(close, group.span_close(), found);
            }
            TokenTree::Ident(word) => push(&word.to_string(), word.span(), found),
            TokenTree::Punct(sign) => {
                let is_double = sign.as_char() == ':' && sign.spacing() == Spacing::Joint;
                let is_path =
                    |next: &TokenTree| matches!(next, TokenTree::Punct(next) if next.as_char() == ':');
                if is_double && trees.next_if(is_path).is_some() {
                    push("::", sign.span(), found);
                } else {
                    push(&sign.as_char().to_string(), sign.span(), found);
                }
            }
            TokenTree::Literal(_) => {}
        }
    }
}

fn signs(group: &Group) -> (&'static str, &'static str) {
    match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

fn push(text: &str, span: Span, found: &mut Vec<Token>) {
    if !text.is_empty() {
        found.push(Token { text: text.to_owned(), line: span.start().line });
    }
}

/// Whether the words and signs of `wanted`, separated by blanks, stand at `at`.
pub(in crate::tidy) fn stands_at(tokens: &[Token], at: usize, wanted: &str) -> bool {
    let mut here = tokens[at.min(tokens.len())..].iter();
    wanted.split(' ').all(|text| here.next().is_some_and(|token| token.text == text))
}

/// What stands between the tokens of `text`, and comments of documentation, in the lines and columns of the
/// original.
pub(super) fn comments(text: &str, stream: &TokenStream) -> String {
    let mut bytes = text.as_bytes().to_vec();
    blank(text, stream.clone(), &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn blank(text: &str, stream: TokenStream, bytes: &mut [u8]) {
    for tree in stream {
        let range = tree.span().byte_range();
        let is_comment =
            text.get(range.clone()).is_some_and(|token| token.starts_with("//") || token.starts_with("/*"));
        match tree {
            _ if is_comment => {}
            TokenTree::Group(group) => {
                clear(bytes, group.span_open().byte_range());
                clear(bytes, group.span_close().byte_range());
                blank(text, group.stream(), bytes);
            }
            _ => clear(bytes, range),
        }
    }
}

fn clear(bytes: &mut [u8], range: Range<usize>) {
    let inside = bytes.get_mut(range).into_iter().flatten();
    inside.filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// The lines of raw strings behind their first: nobody can break them.
pub(super) fn raw_strings(stream: &TokenStream) -> Vec<RangeInclusive<usize>> {
    let mut found = Vec::new();
    for tree in stream.clone() {
        match tree {
            TokenTree::Group(group) => found.extend(raw_strings(&group.stream())),
            TokenTree::Literal(literal) => {
                let (first, last) = (literal.span().start().line, literal.span().end().line);
                if first < last && literal.to_string().trim_start_matches(['b', 'c']).starts_with('r') {
                    found.push(first + 1..=last);
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_leave_the_code() {
        let cases = [
            ("let a = 1; // unsafe", "let a = ;", "           // unsafe"),
            (r#"f("unsafe \" x", b)"#, "f ( , b )", "                   "),
            ("'a' 'b: 'c'", "' b :", "           "),
            (r"'\'' '\u{1}' x", "x", "              "),
            (r##"r#"a"b"# r#type"##, "r#type", "               "),
            ("/* a /* b */ c */ d", "d", "/* a /* b */ c */  "),
            ("a::b: ::c // d\n", "a :: b : :: c", "          // d\n"),
        ];
        for (text, code, left) in cases {
            let stream: TokenStream = text.parse().unwrap();
            assert_eq!(comments(text, &stream), left, "{text}");
            let words: Vec<String> = flat(stream).into_iter().map(|token| token.text).collect();
            assert_eq!(words.join(" "), code, "{text}");
        }
    }

    #[test]
    fn comments_of_documentation_are_comments() {
        let text = "//! A.\n/// B.\nstruct C; /** D */ struct E;\n";
        let left = "//! A.\n/// B.\n          /** D */          \n";
        assert_eq!(comments(text, &text.parse().unwrap()), left);
    }
}
