//! Separates the code of a Rust file from its comments and from the contents of its literals, line for line.

/// The two halves of a file; each has the lines and columns of the original, blanks where the other half stands.
pub(super) struct Masked {
    pub(super) code: String,
    pub(super) comments: String,
}

pub(super) fn mask(text: &str) -> Masked {
    let mut masker = Masker { bytes: text.as_bytes(), at: 0, code: Vec::new(), comments: Vec::new() };
    while masker.at < masker.bytes.len() {
        masker.step();
    }
    let whole = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Masked { code: whole(masker.code), comments: whole(masker.comments) }
}

struct Masker<'a> {
    bytes: &'a [u8],
    at: usize,
    code: Vec<u8>,
    comments: Vec<u8>,
}

/// Where a run of bytes goes.
#[derive(Clone, Copy, PartialEq)]
enum Half {
    Code,
    Comment,
    Literal,
}

impl Masker<'_> {
    fn step(&mut self) {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(b"//") {
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            self.take(length, Half::Comment);
        } else if rest.starts_with(b"/*") {
            self.take(block_comment(rest), Half::Comment);
        } else if rest[0] == b'"' {
            self.take(quoted(rest), Half::Literal);
        } else if rest[0] == b'\'' {
            match character(rest) {
                Some(length) => self.take(length, Half::Literal),
                None => self.take(1, Half::Code),
            }
        } else if is_word(rest[0]) {
            self.word(rest);
        } else {
            self.take(1, Half::Code);
        }
    }

    /// A word is code, unless it is the prefix of a raw string.
    fn word(&mut self, rest: &[u8]) {
        let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
        match raw_string(rest, length) {
            Some(literal) => self.take(literal, Half::Literal),
            None => self.take(length, Half::Code),
        }
    }

    fn take(&mut self, length: usize, half: Half) {
        for byte in &self.bytes[self.at..self.at + length] {
            let blank = if *byte == b'\n' { b'\n' } else { b' ' };
            self.code.push(if half == Half::Code { *byte } else { blank });
            self.comments.push(if half == Half::Comment { *byte } else { blank });
        }
        self.at += length;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a character literal; `None` for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let end = rest.iter().skip(3).position(|byte| *byte == b'\'')?;
        return Some(end + 4);
    }
    let text = std::str::from_utf8(&rest[1..]).ok()?;
    let width = text.chars().next()?.len_utf8();
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

fn raw_string(rest: &[u8], prefix: usize) -> Option<usize> {
    if !matches!(&rest[..prefix], b"r" | b"br" | b"cr") {
        return None;
    }
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let mut closing = vec![b'"'];
    closing.resize(hashes + 1, b'#');
    let body = &rest[open + 1..];
    let end = body.windows(closing.len()).position(|window| window == closing)?;
    Some(open + 1 + end + closing.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_leave_the_code() {
        let cases = [
            ("let a = 1; // unsafe", "let a = 1;          ", "           // unsafe"),
            (r#"f("unsafe \" x", b)"#, r#"f(             , b)"#, "                   "),
            ("'a' 'b: 'c'", "    'b:    ", "           "),
            (r"'\'' '\u{1}' x", "             x", "              "),
            (r##"r#"a"b"# r#type"##, "         r#type", "               "),
            ("/* a /* b */ c */ d", "                  d", "/* a /* b */ c */  "),
        ];
        for (text, code, comments) in cases {
            let masked = mask(text);
            assert_eq!((masked.code.as_str(), masked.comments.as_str()), (code, comments), "{text}");
        }
    }
}
