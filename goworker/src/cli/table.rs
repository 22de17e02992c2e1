//! Tables: columns for a person, tab-separated lines for a program.

use std::fmt::Write;

use comfy_table::{ColumnConstraint, ContentArrangement, presets};

use super::escape;
use super::terminal::{BOLD, Reader};

/// Rows under a head. Cells are made harmless when they are shown, so they may hold what jobs brought.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Columns that are never shortened: ids, which are there to be copied.
    whole: Vec<usize>,
    /// Columns of numbers.
    numbers: Vec<usize>,
}

impl Table {
    /// A table with no rows.
    pub(super) fn new(head: impl IntoIterator<Item = &'static str>) -> Self {
        Table { head: head.into_iter().collect(), rows: Vec::new(), whole: Vec::new(), numbers: Vec::new() }
    }

    /// The column is never shortened.
    pub(super) fn whole(mut self, column: usize) -> Self {
        self.whole.push(column);
        self
    }

    /// The columns hold numbers and are aligned as such.
    pub(super) fn numbers(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.numbers.extend(columns);
        self
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// For a person: a head, columns, each row one line. For a program: no head, a line a row, nothing shortened.
    pub(super) fn render(&self, reader: Reader) -> String {
        match reader {
            Reader::Program => self.lines(),
            Reader::Person { width } => self.columns(width),
        }
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(|cell| escape::line(cell)).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", cells.join("\t"));
        }
        text
    }

    fn columns(&self, width: Option<u16>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_truncation_indicator("…");
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        let mut head = comfy_table::Row::from(self.head.clone());
        head.max_height(1);
        table.set_header(head);
        for row in &self.rows {
            let mut shown = comfy_table::Row::from(row.iter().map(|cell| escape::line(cell).into_owned()).collect::<Vec<_>>());
            shown.max_height(1);
            table.add_row(shown);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if self.whole.contains(&index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            if self.numbers.contains(&index) {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            }
        }
        with_bold_head(&table.trim_fmt())
    }
}

fn with_bold_head(table: &str) -> String {
    let (head, rows) = table.split_once('\n').unwrap_or((table, ""));
    let end = if rows.is_empty() { "" } else { "\n" };
    format!("{BOLD}{head}{BOLD:#}\n{rows}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["ID", "JOBS", "ERROR"]).whole(0).numbers([1]);
        table.row(["a-long-id-that-must-stay-whole".into(), "7".into(), "a message that is longer than the terminal is wide".into()]);
        table.row(["b".into(), "1200".into(), "two\nlines\x1b[31m".into()]);
        table
    }

    #[test]
    fn a_person_sees_columns_that_fit_the_terminal() {
        let text = table().render(Reader::Person { width: Some(60) });
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
    }

    #[test]
    fn a_program_gets_tabs_and_whole_values() {
        insta::assert_snapshot!(table().render(Reader::Program));
    }
}
