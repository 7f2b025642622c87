//! Words and signs of masked Rust code, with the line of each.

/// A word, `::`, or one other sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Counted from 1.
    pub(super) line: usize,
}

impl Token {
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

pub(super) fn tokens(code: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for (index, text) in code.lines().enumerate() {
        line_tokens(text, index + 1, &mut found);
    }
    found
}

fn line_tokens(text: &str, line: usize, found: &mut Vec<Token>) {
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = match word {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            length => length,
        };
        found.push(Token { text: rest[..length].to_owned(), line });
        rest = rest[length..].trim_start();
    }
}

/// Whether the words and signs of `wanted`, separated by blanks, stand at `at`.
pub(super) fn stands_at(tokens: &[Token], at: usize, wanted: &str) -> bool {
    let mut here = tokens[at.min(tokens.len())..].iter();
    wanted.split(' ').all(|text| here.next().is_some_and(|token| token.text == text))
}

/// Index of the sign that closes the bracket at `open`; the last token when none does.
pub(super) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len().saturating_sub(1)
}

/// Index of the last token of the item that begins at `at`: its `;` or the `}` of its body.
pub(super) fn item_end(tokens: &[Token], at: usize) -> usize {
    let ends_at_brace = !stands_at(tokens, at, "use") && !stands_at(tokens, at + 1, "use");
    let mut index = at;
    while index < tokens.len() {
        match tokens[index].text.as_str() {
            ";" => return index,
            "{" if ends_at_brace => return closing(tokens, index),
            "{" | "(" | "[" => index = closing(tokens, index) + 1,
            _ => index += 1,
        }
    }
    tokens.len().saturating_sub(1)
}
