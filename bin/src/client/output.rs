//! What the commands print: tables and objects on standard output, what went wrong on standard error.

use std::io::{self, ErrorKind, Write};

use comfy_table::presets;
use millrace_client::Node;
use serde_json::{Value, json};

use super::outcome::Done;

/// Stands for a value that is not there.
pub(crate) const NOTHING: &str = "-";
/// Blanks between columns.
const GAP: u16 = 2;
/// What a shell reports of a program that SIGPIPE ended.
const CODE_READER_GONE: i32 = 141;

/// Rows below a heading.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    pub(crate) fn new(heading: &[&str]) -> Table {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(heading);
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        Table(table)
    }

    pub(crate) fn add(&mut self, row: Vec<String>) {
        self.0.add_row(row);
    }

    /// Lines whose columns stand below each other.
    pub(crate) fn text(&self) -> String {
        format!("{}\n", self.0.trim_fmt())
    }
}

/// A number, or that there is none.
pub(crate) fn cell(number: Option<i64>) -> String {
    number.map_or_else(|| NOTHING.to_owned(), |number| number.to_string())
}

/// A text, or that there is none.
pub(crate) fn word(text: &str) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text.to_owned() }
}

/// `1,2`, or that there are none.
pub(crate) fn ids(ids: &[i32]) -> String {
    word(&ids.iter().map(i32::to_string).collect::<Vec<_>>().join(","))
}

/// Objects, one a line.
pub(crate) fn lines(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("{object}\n")).collect()
}

/// A broker, for people's programs.
pub(crate) fn node(node: &Node) -> Value {
    json!({ "broker": node.id, "host": node.host, "port": node.port, "rack": node.rack })
}

pub(crate) fn print(text: &str) {
    print_bytes(text.as_bytes());
}

pub(crate) fn print_bytes(bytes: &[u8]) {
    if try_print_bytes(bytes).is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        end_unread();
    }
}

/// For commands that have to know what was printed.
pub(crate) fn try_print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// Whoever reads may have seen enough.
pub(crate) fn end_unread() -> ! {
    std::process::exit(CODE_READER_GONE)
}

/// Tells of one thing that was to be done: a line where it was, a complaint where it was refused,
/// or an object that says which.
pub(crate) fn tell(is_json: bool, line: &str, mut object: Value, refusal: Option<&str>) -> Done {
    if let Some(refusal) = refusal {
        complain(refusal);
    }
    match is_json {
        true => {
            if let Some(fields) = object.as_object_mut() {
                fields.insert("error".to_owned(), Value::from(refusal));
            }
            print(&lines(&[object]));
        }
        false if refusal.is_none() => print(&format!("{line}\n")),
        false => {}
    }
    if refusal.is_none() { Done::All } else { Done::NotAll }
}

#[expect(clippy::print_stderr, reason = "there is no log: what is not an answer goes to standard error")]
pub(crate) fn complain(what: &str) {
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
        table.add(vec!["順番".to_owned(), cell(Some(1)), word("Dead")]);
        assert!(table.text().ends_with("\n順番          1    Dead\n"), "wide letters take two columns");
    }
}
