//! Tables of text in what commands print: columns of a least width, each with its side.

use comfy_table::{CellAlignment, ColumnConstraint, Table, Width, presets};

/// A column: where its cells stand, how wide it is at least, and how many blanks are behind it.
pub(crate) struct Column {
    side: CellAlignment,
    width: u16,
    gap: u16,
}

impl Column {
    pub(crate) const fn left(width: u16, gap: u16) -> Column {
        Column { side: CellAlignment::Left, width, gap }
    }

    pub(crate) const fn right(width: u16, gap: u16) -> Column {
        Column { side: CellAlignment::Right, width, gap }
    }
}

/// The rows, a line each.
pub(crate) fn lines(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).add_rows(rows);
    for (shown, Column { side, width, gap }) in table.column_iter_mut().zip(columns) {
        shown.set_cell_alignment(*side);
        shown
            .set_padding((0, *gap))
            .set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width + gap)));
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_are_said_to_be_or_have_to_be() {
        let columns = [Column::left(4, 1), Column::right(3, 2), Column::left(0, 0)];
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = lines(&columns, vec![row(["a", "1", "ok"]), row(["bcd", "20", ""])]);
        assert_eq!(text, "a      1  ok\nbcd   20\n");
        let text = lines(&columns, vec![row(["a", "1", "ok"]), row(["größer", "2000", "二 ok"])]);
        assert_eq!(text, "a         1  ok\ngrößer 2000  二 ok\n");
    }
}
