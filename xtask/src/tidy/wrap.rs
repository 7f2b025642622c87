//! The command `wrap`: breaks comments that are longer than code may be, paragraph by paragraph.

use super::form::columns;
use super::source::{RustFile, Tree};
use crate::codegen::root;
use std::error::Error;

/// A last line shorter than this is joined by what stands behind the last sign of punctuation before it.
const LAST_LINE: usize = 30;

/// A line that is broken at a sign of punctuation keeps so much.
const BROKEN_LINE: usize = 45;

/// Breaks comments of the Rust files in these folders; paragraphs whose lines are all short enough stay as
/// they are.
#[expect(clippy::disallowed_methods, reason = "a development command works on the source tree itself")]
pub(crate) fn wrap(folders: &[String]) -> Result<String, Box<dyn Error>> {
    let tree = Tree::tracked(&root())?;
    let columns = columns(&tree);
    let named = |path: &str| folders.iter().any(|folder| path.starts_with(folder.as_str()));
    let mut changed = 0;
    for file in tree.written().filter(|file| named(&file.path)) {
        let text = wrapped(file, columns);
        if text != file.text {
            std::fs::write(root().join(&file.path), text)?;
            changed += 1;
        }
    }
    Ok(format!("wrap: comments of {changed} files"))
}

/// A line that holds a comment and nothing else.
#[derive(Clone, Copy)]
struct Comment<'t> {
    whole: &'t str,
    /// Blanks and slashes before the text.
    mark: &'t str,
    text: &'t str,
}

fn wrapped(file: &RustFile, columns: usize) -> String {
    let lines = file.text.lines().zip(file.comments.lines().map(Some).chain(std::iter::repeat(None)));
    let mut paragraph = Paragraph { lines: Vec::new(), columns, text: String::new() };
    let mut is_code = false;
    for (line, comment) in lines {
        let found = comment.filter(|comment| *comment == line).and_then(comment_of);
        let fence = found.is_some_and(|comment| comment.text.starts_with("```"));
        is_code = found.is_some() && (is_code != fence);
        match found {
            Some(comment) if !is_code && !fence && is_prose(comment.text) => paragraph.add(comment),
            _ => {
                paragraph.end();
                paragraph.push(line);
            }
        }
    }
    paragraph.end();
    paragraph.text
}

fn comment_of(line: &str) -> Option<Comment<'_>> {
    let slashes = line.trim_start();
    if !slashes.starts_with("//") {
        return None;
    }
    let end = slashes.find(|c| c != '/' && c != '!').unwrap_or(slashes.len());
    let mark = &line[..line.len() - slashes.len() + end];
    let text = &line[mark.len()..];
    Some(Comment { whole: line, mark, text: text.strip_prefix(' ').unwrap_or(text) })
}

/// Neither a blank line nor a heading, a row of a table or a quotation.
fn is_prose(text: &str) -> bool {
    !text.trim().is_empty() && !text.starts_with(['#', '|', '>']) && !text.starts_with("    ")
}

/// The sign of an item of a list, with its blank: `- ` or `1. `.
fn bullet(text: &str) -> &str {
    let end = text.find(' ').map_or(0, |end| end + 1);
    let sign = text[..end].trim_end();
    let is_number = sign.len() > 1 && sign.trim_end_matches(['.', ')']).chars().all(|c| c.is_ascii_digit());
    let is_bullet = matches!(sign, "-" | "*" | "+") || (is_number && sign.ends_with(['.', ')']));
    if is_bullet { &text[..end] } else { "" }
}

/// The lines of one paragraph, and the text before it.
struct Paragraph<'t> {
    lines: Vec<Comment<'t>>,
    columns: usize,
    text: String,
}

impl<'t> Paragraph<'t> {
    fn add(&mut self, line: Comment<'t>) {
        let differs = self.lines.first().is_some_and(|first| first.mark != line.mark);
        if differs || !bullet(line.text).is_empty() {
            self.end();
        }
        self.lines.push(line);
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Lines before the first long one stay as they are.
    fn end(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let is_long = |line: &Comment<'_>| line.whole.chars().count() > self.columns;
        let Some(long) = lines.iter().position(is_long) else {
            return lines.iter().for_each(|line| self.push(line.whole));
        };
        lines[..long].iter().for_each(|line| self.push(line.whole));
        let sign = bullet(lines[0].text);
        let hanging = " ".repeat(sign.len());
        let text: Vec<&str> = lines[long..].iter().map(|line| line.text.trim()).collect();
        let text = text.join(" ");
        let text = if long == 0 { text[sign.len()..].to_owned() } else { text };
        let room = self.columns.saturating_sub(lines[0].mark.len() + 1 + sign.len());
        for (index, line) in filled(&words(&text), room).into_iter().enumerate() {
            let before = if long == 0 && index == 0 { sign } else { &hanging };
            self.push(&format!("{} {before}{line}", lines[0].mark));
        }
    }
}

/// The words of a text; what stands in backticks is one.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for word in text.split_whitespace() {
        match words.last_mut().filter(|_| is_open) {
            Some(last) => *last = format!("{last} {word}"),
            None => words.push(word.to_owned()),
        }
        is_open ^= word.matches('`').count() % 2 == 1;
    }
    words
}

/// Lines of at most `room` columns.
fn filled(words: &[String], room: usize) -> Vec<String> {
    let mut lines: Vec<Vec<&str>> = vec![Vec::new()];
    for word in words {
        let length = lines.last().map_or(0, |line| length(line));
        if length > 0 && length + 1 + word.chars().count() > room {
            lines.push(Vec::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push(word);
        }
    }
    if let [.., before, last] = lines.as_mut_slice()
        && length(last) < LAST_LINE
        && let Some(at) = break_at(before, last, room)
    {
        let moved = before.split_off(at);
        last.splice(0..0, moved);
    }
    lines.iter().map(|line| line.join(" ")).collect()
}

fn length(line: &[&str]) -> usize {
    line.join(" ").chars().count()
}

/// Behind the last sign of punctuation that leaves enough on the line, and lets the next hold the rest.
fn break_at(line: &[&str], next: &[&str], room: usize) -> Option<usize> {
    let fits = |at: &usize| {
        let ends = line[at - 1].ends_with([',', '.', ':', ';']);
        ends && length(&line[..*at]) >= BROKEN_LINE && length(&line[*at..]) + 1 + length(next) <= room
    };
    (1..line.len()).rev().find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::TextFile;

    /// In 60 columns.
    fn check(text: &str, expected: &str) {
        let file = TextFile { path: "a.rs".to_owned(), text: text.to_owned() };
        let wrapped = wrapped(&Tree::new(vec![file]).rust[0], 60);
        assert_eq!(wrapped, expected, "{text}");
    }

    #[test]
    fn paragraphs_are_filled_from_their_first_long_line() {
        check(
            "//! Short.\n\
             //! A line that is too long by so much, for it has more words than fit.\n\
             //! Next.\n",
            "//! Short.\n\
             //! A line that is too long by so much, for it has more\n\
             //! words than fit. Next.\n",
        );
        check(
            "    /// One word is left of this line if it is only cut `once`.\n    struct A;\n",
            "    /// One word is left of this line if it is only cut\n    /// `once`.\n    struct A;\n",
        );
        check(
            "// A line breaks at its last sign of punctuation,\n\
             // which stands here: so that no word of it stays alone.\n",
            "// A line breaks at its last sign of punctuation,\n\
             // which stands here: so that no word of it stays alone.\n",
        );
        check(
            "// This line breaks behind a sign of punctuation, here, not later on.\n",
            "// This line breaks behind a sign of punctuation, here,\n// not later on.\n",
        );
        check(
            "// What stands in backticks is never broken apart: `cargo xtask tidy`.\n",
            "// What stands in backticks is never broken apart:\n// `cargo xtask tidy`.\n",
        );
    }

    #[test]
    fn lists_hang_and_what_is_no_prose_stays() {
        check(
            "/// - An item of a list that is longer than sixty columns.\n\
             ///   It goes on and on.\n\
             /// - B.\n\
             fn a() {}\n",
            "/// - An item of a list that is longer than sixty columns.\n\
             ///   It goes on and on.\n\
             /// - B.\n\
             fn a() {}\n",
        );
        check(
            "/// 1. An item of a list that is longer than sixty columns are.\n\
             ///    It goes on.\n\
             fn a() {}\n",
            "/// 1. An item of a list that is longer than sixty columns\n\
             ///    are. It goes on.\n\
             fn a() {}\n",
        );
        for stays in [
            "/// | a row of a table | is never broken, however long it may be |\nfn a() {}\n",
            "/// ```\n\
             /// let code = \"is never broken, however long it may be, never\";\n\
             /// ```\n\
             fn a() {}\n",
            "fn a() {} // a comment behind code stays where it is, and as it is\n",
            "const A: &str = \"\n// a line of a string is no comment, although it looks like one\n\";\n",
        ] {
            check(stays, stays);
        }
    }
}
