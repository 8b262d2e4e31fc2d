//! Lines of comma-separated values.

use std::fmt::{Display, Write};

use broker_core::model::{Record, Trade};
use chrono::{DateTime, SecondsFormat, Utc};
use rust_decimal::Decimal;

use super::columns;
use super::lines::Read;
use super::mask::Mask;
use super::values::{FEES, FILLS, FLOWS, VOIDS};
use super::{Table, trades::TRADES};

/// One value of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    Empty,
    /// A word of ours.
    Word(&'static str),
    /// A text of the broker's or of the user's, which may hold anything.
    Text(&'a str),
    /// The same, put together.
    Joined(String),
    Number(Decimal),
    Count(u64),
    At(DateTime<Utc>),
}

/// A column: its name, its meaning, and its value of a row.
pub(super) struct Column<T> {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) cell: for<'a> fn(&'a T) -> Cell<'a>,
}

/// What begins a formula in some spreadsheet. The wide ones are taken for their narrow twins.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Writes the lines of one table.
pub(super) struct Csv {
    names: Vec<&'static str>,
    has_kind: bool,
    has_read: bool,
    /// For each column of the file the place of that column among those of each kind.
    fills: Vec<Option<usize>>,
    voids: Vec<Option<usize>>,
    fees: Vec<Option<usize>>,
    flows: Vec<Option<usize>>,
}

impl Csv {
    pub(super) fn new(table: Table, has_read: bool) -> Self {
        let names = columns::own(table);
        Self {
            has_kind: table == Table::Records,
            has_read,
            fills: places(&names, FILLS),
            voids: places(&names, VOIDS),
            fees: places(&names, FEES),
            flows: places(&names, FLOWS),
            names,
        }
    }

    pub(super) fn head(&self) -> String {
        let mut line = String::from("broker,environment,account");
        if self.has_kind {
            line.push_str(",kind");
        }
        for name in &self.names {
            line.push(',');
            line.push_str(name);
        }
        if self.has_read {
            line.push_str(",read_order,read_at");
        }
        line.push_str("\r\n");
        line
    }

    pub(super) fn record(&self, mask: &Mask, record: &Record, read: Option<Read>) -> String {
        let mut line = begin(mask);
        if self.has_kind {
            push(&mut line, &Cell::Word(kind(record)), mask);
        }
        match record {
            Record::Fill(fill) => cells(&mut line, mask, FILLS, &self.fills, fill),
            Record::Void(void) => cells(&mut line, mask, VOIDS, &self.voids, void),
            Record::Fee(fee) => cells(&mut line, mask, FEES, &self.fees, fee),
            Record::Flow(flow) => cells(&mut line, mask, FLOWS, &self.flows, flow),
        }
        if self.has_read {
            let (order, at) = read.map_or((Cell::Empty, Cell::Empty), |(order, at)| {
                (Cell::Count(order), Cell::At(at))
            });
            push(&mut line, &order, mask);
            push(&mut line, &at, mask);
        }
        end(line)
    }

    pub(super) fn trade(&self, mask: &Mask, trade: &Trade) -> String {
        let mut line = begin(mask);
        for column in TRADES {
            push(&mut line, &(column.cell)(trade), mask);
        }
        end(line)
    }
}

fn kind(record: &Record) -> &'static str {
    match record {
        Record::Fill(_) => "fill",
        Record::Void(_) => "void",
        Record::Fee(_) => "fee",
        Record::Flow(_) => "flow",
    }
}

fn places<T>(names: &[&str], columns: &[Column<T>]) -> Vec<Option<usize>> {
    let place = |name: &&str| columns.iter().position(|column| column.name == *name);
    names.iter().map(place).collect()
}

fn cells<T>(line: &mut String, mask: &Mask, columns: &[Column<T>], places: &[Option<usize>], row: &T) {
    for place in places {
        let column = place.and_then(|place| columns.get(place));
        push(line, &column.map_or(Cell::Empty, |column| (column.cell)(row)), mask);
    }
}

fn begin(mask: &Mask) -> String {
    let scope = mask.scope();
    let mut line = String::new();
    text(&mut line, scope.broker.get());
    push(&mut line, &Cell::Joined(scope.environment.to_string()), mask);
    line.push(',');
    text(&mut line, scope.account.get());
    line
}

fn end(mut line: String) -> String {
    line.push_str("\r\n");
    line
}

fn push(line: &mut String, cell: &Cell<'_>, mask: &Mask) {
    line.push(',');
    match cell {
        Cell::Empty => {}
        Cell::Word(word) => line.push_str(word),
        Cell::Text(own) => text(line, &mask.text(own)),
        Cell::Joined(own) => text(line, &mask.text(own)),
        Cell::Number(number) => bare(line, number),
        Cell::Count(count) => bare(line, count),
        // Years beyond 9999 begin with a plus.
        Cell::At(at) => text(line, &at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
    }
}

/// What needs no quotes. Writing to a text cannot fail.
fn bare(line: &mut String, value: impl Display) {
    let _ = write!(line, "{value}");
}

/// A text: harmless in a spreadsheet, and in quotes where it needs them.
fn text(line: &mut String, text: &str) {
    let is_formula = text.starts_with(FORMULA) || text.trim_start().starts_with(FORMULA);
    // One that is there already is doubled, so that a reader may take one off.
    let apostrophe = if is_formula || text.starts_with('\'') { "'" } else { "" };
    let needs_quotes = text.contains([',', '"', '\r', '\n', '\t', ';']) || text.trim() != text;
    if !needs_quotes {
        line.push_str(apostrophe);
        line.push_str(text);
        return;
    }
    line.push('"');
    line.push_str(apostrophe);
    line.push_str(&text.replace('"', "\"\""));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_harmless_and_quoted_where_it_must_be() {
        for (given, written) in [
            ("AAPL", "AAPL"),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "\"'\tx\""),
            ("\r=x", "\"'\r=x\""),
            ("  =x", "\"'  =x\""),
            ("＝x", "'＝x"),
            ("'quoted", "''quoted"),
            ("a=b", "a=b"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=\",\"", "\"'=\"\",\"\"\""),
            (" x", "\" x\""),
        ] {
            let mut line = String::new();
            text(&mut line, given);
            assert_eq!(line, written, "{given:?}");
        }
    }
}
