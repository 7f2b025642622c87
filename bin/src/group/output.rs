//! What the commands print: tables and objects on standard output, what went wrong on standard error.

use std::io::{self, ErrorKind, Write};

use serde_json::Value;

/// Stands for a value that is not there.
pub(super) const NOTHING: &str = "-";
/// Between columns.
const GAP: &str = "  ";
/// What a shell reports of a program that SIGPIPE ended.
const CODE_READER_GONE: i32 = 141;

/// Rows below a heading.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Table {
        Table { rows: vec![heading.iter().map(|word| (*word).to_owned()).collect()] }
    }

    pub(super) fn add(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Lines whose columns stand below each other.
    pub(super) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(cells.join(GAP).trim_end());
            text.push('\n');
        }
        text
    }
}

/// A number, or that there is none.
pub(super) fn cell(number: Option<i64>) -> String {
    number.map_or_else(|| NOTHING.to_owned(), |number| number.to_string())
}

/// A text, or that there is none.
pub(super) fn word(text: &str) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text.to_owned() }
}

/// Objects, one a line.
pub(super) fn lines(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("{object}\n")).collect()
}

pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    // Whoever reads may have seen enough.
    if written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(CODE_READER_GONE);
    }
}

#[expect(clippy::print_stderr, reason = "there is no log: what is not an answer goes to standard error")]
pub(super) fn complain(what: &str) {
    eprintln!("millrace: {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(&["group", "lag", "state"]);
        table.add(vec!["größe".to_owned(), cell(Some(12)), word("Stable")]);
        table.add(vec!["a-longer-one".to_owned(), cell(None), word("")]);
        let expected = "group         lag  state\ngröße         12   Stable\na-longer-one  -    -\n";
        assert_eq!(table.text(), expected);
    }
}
