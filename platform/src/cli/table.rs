//! Aligned columns.

use unicode_width::UnicodeWidthStr;

use std::fmt::{self, Write as _};

use super::style::{HEADING, Style, paint};

/// One cell: a text without control characters, and its style.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell of this style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        let text = super::harmless::text(&text.into()).into_owned();
        Self { text, style }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", paint(self.style, &self.text))
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// Rows under headings; columns are as wide as their widest cell, and one that is empty in every
/// row is left out.
#[derive(Debug)]
pub struct Table {
    headings: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
}

impl Table {
    /// A table without rows.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self {
            headings: headings.map(|text| Cell::styled(text, HEADING)).into(),
            rows: Vec::new(),
            indent: 0,
        }
    }

    /// The same, set in by so many columns.
    #[must_use]
    pub fn indented(mut self, indent: usize) -> Self {
        self.indent = indent;
        self
    }

    /// Adds a row, with one cell for each heading.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.headings.len(), "one cell for each heading");
        self.rows.push(cells.into());
    }

    /// The table as lines, each ended by a line break.
    pub fn render(&self) -> String {
        let columns: Vec<usize> = (0..self.headings.len())
            .filter(|&column| self.rows.iter().any(|row| !row[column].text.is_empty()))
            .collect();
        let mut out = String::new();
        for row in std::iter::once(&self.headings).chain(&self.rows) {
            let _ = write!(out, "{:1$}", "", self.indent);
            for (position, &column) in columns.iter().enumerate() {
                let last = position + 1 == columns.len();
                let width = if last { 0 } else { self.width(column) + 2 };
                push_cell(&mut out, &row[column], width);
            }
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
        }
        out
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| &row[column]);
        let widths = cells.map(|cell| cell.text.width());
        widths
            .max()
            .unwrap_or(0)
            .max(self.headings[column].text.len())
    }
}

fn push_cell(out: &mut String, cell: &Cell, width: usize) {
    let gap = width.saturating_sub(cell.text.width());
    let _ = write!(out, "{cell}{:gap$}", "");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::style::GOOD;

    #[test]
    fn columns_are_aligned_whatever_their_colours() {
        let mut table = Table::new(["APP", "STATE", "NOTE", "AGE"]).indented(2);
        table.row([
            "hello".into(),
            Cell::styled("live", GOOD),
            "".into(),
            "3 min ago".into(),
        ]);
        table.row(["blå".into(), "superseded".into(), "".into(), "".into()]);
        let plain = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(
            plain,
            "  APP    STATE       AGE\n  hello  live        3 min ago\n  blå    superseded\n"
        );
    }

    #[test]
    fn cells_hold_no_control_characters() {
        let mut table = Table::new(["SUBJECT"]);
        table.row(["a\u{1b}]0;x\u{7}\nb".into()]);
        assert!(table.render().ends_with("a^[]0;x^G b\n"));
    }
}
