//! Templates: how records are written as text, and read from it.

/// What stands in a template for a part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Key,
    Value,
    /// Bytes of the key, -1 where there is none.
    KeyLength,
    ValueLength,
    /// `key=value` of each header, with commas between.
    Headers,
    /// Milliseconds since 1970.
    Timestamp,
}

/// `%t` topic, `%p` partition, `%o` offset, `%k` key, `%v` value, `%K` and `%V` their lengths, `%h` headers,
/// `%T` time, `%%` a percent sign; `\n`, `\t`, `\r`, `\0`, `\\` and `\xHH` are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(pub(crate) Vec<Piece>);

impl Template {
    pub(crate) fn read(text: &str) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            match letter {
                '%' => {
                    let name = rest.next().ok_or("it ends with a single %")?;
                    let Some(piece) = piece(name)? else {
                        literal.push(b'%');
                        continue;
                    };
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece);
                }
                '\\' => literal.push(escaped(&mut rest)?),
                letter => literal.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Template(pieces))
    }
}

fn piece(name: char) -> Result<Option<Piece>, String> {
    Ok(Some(match name {
        '%' => return Ok(None),
        't' => Piece::Topic,
        'p' => Piece::Partition,
        'o' => Piece::Offset,
        'k' => Piece::Key,
        'v' => Piece::Value,
        'K' => Piece::KeyLength,
        'V' => Piece::ValueLength,
        'h' => Piece::Headers,
        'T' => Piece::Timestamp,
        other => {
            return Err(format!("%{other} stands for nothing; there are %t %p %o %k %v %K %V %h %T and %%"));
        }
    }))
}

fn escaped(rest: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match rest.next() {
        Some('n') => Ok(b'\n'),
        Some('t') => Ok(b'\t'),
        Some('r') => Ok(b'\r'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digits: String = rest.by_ref().take(2).collect();
            let is_hex = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let byte = is_hex.then(|| u8::from_str_radix(&digits, 16).ok()).flatten();
            byte.ok_or_else(|| format!("\\x{digits} is no byte of two hexadecimal digits"))
        }
        Some(other) => Err(format!("\\{other} stands for nothing; there are \\n \\t \\r \\0 \\\\ and \\xHH")),
        None => Err("it ends with a single \\".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_and_nonsense_is_not() {
        let literal = |text: &str| Piece::Literal(text.as_bytes().to_vec());
        for (text, expected) in [
            ("%v\\n", Some(vec![Piece::Value, literal("\n")])),
            ("%k\\t%v", Some(vec![Piece::Key, literal("\t"), Piece::Value])),
            ("100%% ü\\x41", Some(vec![literal("100% üA")])),
            (
                "%t%p%o%K%V%h%T",
                Some(vec![
                    Piece::Topic,
                    Piece::Partition,
                    Piece::Offset,
                    Piece::KeyLength,
                    Piece::ValueLength,
                    Piece::Headers,
                    Piece::Timestamp,
                ]),
            ),
            ("", Some(vec![])),
            ("%", None),
            ("%q", None),
            ("\\", None),
            ("\\q", None),
            ("\\x4", None),
            ("\\x+1", None),
        ] {
            assert_eq!(Template::read(text).ok().map(|template| template.0), expected, "{text}");
        }
    }
}
