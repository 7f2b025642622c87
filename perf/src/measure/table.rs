//! Tables as they are printed and as they stand in the JSON.

use std::time::Duration;

use comfy_table::{CellAlignment, presets};
use serde_json::{Map, Value, json};

use super::latency::Latencies;

/// Blanks between columns.
const GAP: u16 = 2;

/// A value with the number of decimals that mean something.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Text(String),
    Number(f64, usize),
    Absent,
}

impl Cell {
    fn show(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(number, decimals) => format!("{number:.decimals$}"),
            Cell::Absent => "-".to_owned(),
        }
    }

    fn value(&self) -> Value {
        match self {
            Cell::Text(text) => json!(text),
            Cell::Number(number, _) => json!(number),
            Cell::Absent => Value::Null,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

fn micros(duration: Duration) -> Cell {
    Cell::Number(duration.as_secs_f64() * 1e6, 1)
}

pub(crate) fn millis(duration: Duration) -> Cell {
    Cell::Number(duration.as_secs_f64() * 1e3, 1)
}

/// Units of 10^6 bytes.
pub(crate) fn megabytes(bytes: u64) -> Cell {
    Cell::Number(bytes as f64 / 1e6, 1)
}

/// Rows under fixed columns; the first column names the row.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(columns: &[&'static str]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// A table of latency percentiles in microseconds.
    pub(crate) fn of_latencies() -> Table {
        Table::new(&["us", "count", "p50", "p90", "p99", "p99.9", "p99.99", "max"])
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.columns.len(), "a row fills its columns");
        self.rows.push(cells);
    }

    pub(crate) fn latencies(&mut self, name: &str, latencies: &Latencies) {
        let mut row = vec![Cell::from(name), Cell::Number(latencies.count() as f64, 0)];
        row.extend([0.5, 0.9, 0.99, 0.999, 0.9999].map(|share| micros(latencies.at(share))));
        row.push(micros(latencies.max()));
        self.row(row);
    }

    /// Lines with the first column to the left and all others to the right.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(&self.columns);
        table.add_rows(self.rows.iter().map(|row| row.iter().map(Cell::show)));
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            column.set_cell_alignment(if index == 0 { CellAlignment::Left } else { CellAlignment::Right });
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    pub(super) fn value(&self) -> Value {
        let object = |row: &Vec<Cell>| {
            let entries =
                self.columns.iter().zip(row).map(|(column, cell)| ((*column).to_owned(), cell.value()));
            Value::Object(entries.collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned() {
        let mut table = Table::new(&["what", "MB"]);
        table.row(vec!["long name".into(), Cell::Number(1.25, 1)]);
        table.row(vec!["b".into(), Cell::Absent]);
        assert_eq!(table.lines(), ["what        MB", "long name  1.2", "b            -"]);
        assert_eq!(table.value(), json!([{"what": "long name", "MB": 1.25}, {"what": "b", "MB": null}]));
    }
}
