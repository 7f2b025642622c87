//! Reads relaxed JSON: bare words, no quotes around keys, comments from `#` to the end of the line.
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// Deepest nesting of one value; Kafka's deepest message has seven levels.
const DEPTH_MAX: usize = 32;

#[derive(Debug, Error)]
#[error("line {line}: {reason}")]
pub(crate) struct TextError {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

/// A cursor over one text: words, values and rests of lines are taken from its front.
pub(crate) struct Texts<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Texts<'a> {
    pub(crate) fn new(text: &'a str) -> Texts<'a> {
        Texts { rest: text, line: 1 }
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> TextError {
        TextError { line: self.line, reason: reason.into() }
    }

    /// Skips blanks, line ends and comments; true when something is left.
    pub(crate) fn advance(&mut self) -> bool {
        loop {
            self.skip_while(char::is_whitespace);
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            self.skip_while(|c| c != '\n');
        }
    }

    /// The next bare word of this line, or nothing at its end or before a bracket.
    pub(crate) fn word(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let word = self.take_while(is_bare);
        (!word.is_empty()).then_some(word)
    }

    /// What follows on this line, without its comment.
    pub(crate) fn rest_of_line(&mut self) -> &'a str {
        let line = self.take_while(|c| c != '\n');
        line.split(" #").next().unwrap_or(line).trim()
    }

    pub(crate) fn at_line_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest.is_empty() || self.rest.starts_with(['\n', '#'])
    }

    /// Whether `symbol` is next on this line.
    pub(crate) fn at(&mut self, symbol: char) -> bool {
        self.skip_blanks();
        self.rest.starts_with(symbol)
    }

    /// Takes `symbol` if it is next on this line.
    pub(crate) fn symbol(&mut self, symbol: char) -> bool {
        let is_next = self.at(symbol);
        if is_next {
            self.bump();
        }
        is_next
    }

    pub(crate) fn value(&mut self) -> Result<Value, TextError> {
        self.value_within(DEPTH_MAX)
    }

    fn value_within(&mut self, depth: usize) -> Result<Value, TextError> {
        if depth == 0 {
            return Err(self.error("nested too deeply"));
        }
        self.advance();
        match self.rest.chars().next() {
            None => Err(self.error("a value is missing")),
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => Ok(Value::String(self.quoted()?)),
            Some(_) => self.bare(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, TextError> {
        let mut members = Map::new();
        self.bump();
        while self.next_element('}')? {
            let key = match self.rest.starts_with('"') {
                true => self.quoted()?,
                false => self.take_while(is_bare).to_owned(),
            };
            self.advance();
            if key.is_empty() || !self.rest.starts_with(':') {
                return Err(self.error(format!("`key: value` is expected after {key:?}")));
            }
            self.bump();
            let value = self.value_within(depth - 1)?;
            if members.insert(key.clone(), value).is_some() {
                return Err(self.error(format!("{key} is given twice")));
            }
        }
        Ok(Value::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Value, TextError> {
        let mut elements = Vec::new();
        self.bump();
        while self.next_element(']')? {
            elements.push(self.value_within(depth - 1)?);
        }
        Ok(Value::Array(elements))
    }

    /// Skips to the next element (commas separate, a trailing one is fine); false when `close` was taken.
    fn next_element(&mut self, close: char) -> Result<bool, TextError> {
        self.advance();
        if self.rest.starts_with(',') {
            self.bump();
            self.advance();
        }
        if self.rest.is_empty() {
            return Err(self.error(format!("{close} is missing")));
        }
        if self.rest.starts_with(close) {
            self.bump();
            return Ok(false);
        }
        Ok(true)
    }

    fn quoted(&mut self) -> Result<String, TextError> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|&(_, c)| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        let Some((end, _)) = end else { return Err(self.error("a string is not closed")) };
        let (literal, rest) = self.rest.split_at(end + 1);
        self.rest = rest;
        serde_json::from_str(literal).map_err(|e| self.error(format!("string {literal}: {e}")))
    }

    fn bare(&mut self) -> Result<Value, TextError> {
        let word = self.take_while(is_bare);
        match word {
            "" => Err(self.error(format!("unexpected {:?}", self.rest.chars().next()))),
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Ok(number(word).unwrap_or_else(|| Value::String(word.to_owned()))),
        }
    }

    fn bump(&mut self) {
        let mut rest = self.rest.chars();
        rest.next();
        self.rest = rest.as_str();
    }

    fn skip_blanks(&mut self) {
        self.skip_while(|c| c == ' ' || c == '\t');
    }

    fn skip_while(&mut self, matches: impl Fn(char) -> bool) {
        self.take_while(matches);
    }

    fn take_while(&mut self, matches: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !matches(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }
}

/// What a word may hold without quotes: enough for names, variables, placeholders and hexadecimal text.
pub(super) fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.-$<>@+*/~".contains(c)
}

pub(super) fn number(word: &str) -> Option<Value> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(whole) = word.parse::<i64>() {
        return Some(Value::from(whole));
    }
    let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    if !plain {
        return None;
    }
    word.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str, expect: Value) {
        assert_eq!(Texts::new(text).value().unwrap(), expect, "{text}");
    }

    #[test]
    fn relaxed_values() {
        check(
            "{a: 1, b: [x-y, \"z\\n\"], c: {d: null}}",
            json!({"a": 1, "b": ["x-y", "z\n"], "c": {"d": null}}),
        );
        check("[ # comment\n -5, 1.5, $id, 1a, true,]", json!([-5, 1.5, "$id", "1a", true]));
        check("9223372036854775807", json!(i64::MAX));
        check("1.2.3", json!("1.2.3"));
    }

    #[test]
    fn faults_are_named_with_their_line() {
        for (text, expect) in [
            ("{a 1}", "line 1: `key: value` is expected after \"a\""),
            ("[1,\n\n2", "line 3: ] is missing"),
            ("{a: 1, a: 2}", "line 1: a is given twice"),
            ("\"abc", "line 1: a string is not closed"),
        ] {
            assert_eq!(Texts::new(text).value().unwrap_err().to_string(), expect);
        }
    }
}
