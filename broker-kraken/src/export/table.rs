//! The text of a report: lines of fields between commas, some in quotes, under a line of names. Columns are found by
//! their names: newer reports have more of them.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::num::{Num, Text, decimal};
use broker_core::{Error, Result};
use chrono::{DateTime, NaiveDateTime, Utc};
use csv::StringRecord;
use rust_decimal::Decimal;

use crate::wire::{LedgerJson, Maybe, Seconds, TradeJson};

/// All rows of a report.
#[derive(Debug)]
pub(super) struct Table {
    columns: BTreeMap<String, usize>,
    rows: Vec<StringRecord>,
}

impl Table {
    pub(super) fn read(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let broken = |error: csv::Error| Error::decode(format!("the report's text is broken: {error}"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names = reader.headers().map_err(broken)?.clone();
        let columns: BTreeMap<String, usize> = names.iter().map(str::to_owned).zip(0..).collect();
        if columns.len() != names.len() {
            return Err(Error::decode("a report with two columns of one name"));
        }
        let rows: Vec<StringRecord> = reader.records().collect::<Result<_, _>>().map_err(broken)?;
        // The library takes a last line that does not end, and quotes that nothing closes.
        let last = rows.last().and_then(|row| row.iter().next_back());
        if !text.ends_with('\n') || last.is_some_and(|field| field.ends_with('\n')) {
            return Err(Error::decode("a report whose last line does not end"));
        }
        let table = Self { columns, rows };
        let mut ids = BTreeSet::new();
        for row in table.rows() {
            if !ids.insert(row.filled("txid")?) {
                return Err(Error::decode(format!(
                    "{} comes twice in the report",
                    row.text("txid")?
                )));
            }
        }
        Ok(table)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let columns = &self.columns;
        self.rows.iter().map(move |fields| Row { columns, fields })
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    columns: &'a BTreeMap<String, usize>,
    fields: &'a StringRecord,
}

impl<'a> Row<'a> {
    fn maybe(&self, name: &str) -> Option<&'a str> {
        let place = self.columns.get(name)?;
        self.fields.get(*place)
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        self.maybe(name)
            .ok_or_else(|| Error::decode(format!("a report without the column {name}")))
    }

    fn filled(&self, name: &str) -> Result<&'a str> {
        match self.text(name)? {
            "" => Err(Error::decode(format!("a row of the report has no {name}"))),
            text => Ok(text),
        }
    }

    fn number(&self, name: &str) -> Result<Decimal> {
        decimal(self.filled(name)?)
    }

    pub(super) fn id(&self) -> Result<&'a str> {
        self.filled("txid")
    }

    /// The time is written without its zone, which is UTC.
    pub(super) fn at(&self) -> Result<DateTime<Utc>> {
        let text = self.filled("time")?;
        let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f");
        Ok(at.map_err(|_| Error::decode(format!("{text:?} is no time")))?.and_utc())
    }

    /// As the pages tell it. Who waited and what opened a position has no column by the document.
    pub(super) fn trade(&self) -> Result<TradeJson<'a>> {
        Ok(TradeJson {
            ordertxid: Text::Borrowed(self.filled("ordertxid")?),
            pair: Text::Borrowed(self.filled("pair")?),
            time: Seconds(self.at()?),
            side: Text::Borrowed(self.filled("type")?),
            price: Num(self.number("price")?),
            vol: Num(self.number("vol")?),
            margin: Maybe(Some(self.number("margin")?)),
            misc: Some(Text::Borrowed(self.text("misc")?)),
            posstatus: self
                .maybe("posstatus")
                .filter(|word| !word.is_empty())
                .map(Text::Borrowed),
            maker: match self.maybe("maker") {
                Some("true") => Some(true),
                Some("false") => Some(false),
                _ => None,
            },
        })
    }

    pub(super) fn ledger(&self) -> Result<LedgerJson<'a>> {
        Ok(LedgerJson {
            refid: Text::Borrowed(self.text("refid")?),
            time: Seconds(self.at()?),
            kind: Text::Borrowed(self.filled("type")?),
            subtype: Some(Text::Borrowed(self.text("subtype")?)),
            asset: Text::Borrowed(self.filled("asset")?),
            amount: Num(self.number("amount")?),
            fee: Num(self.number("fee")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRADES: &str = "\"txid\",\"ordertxid\",\"pair\",\"time\",\"type\",\"ordertype\",\"price\",\"cost\",\"fee\",\"vol\",\"margin\",\"misc\",\"ledgers\"\n\
        \"TAAAAA-AAAAA-AAAAA1\",\"OAAAAA-AAAAA-AAAAA1\",\"XXBTZUSD\",\"2024-03-19 19:43:31.6798\",\"buy\",\"limit\",54054.0,100.00,0.18,0.00185,0.00000,\"initiated\",\"L1,L2\"\r\n";

    #[test]
    fn a_trade_is_read_by_its_names() {
        let table = Table::read(TRADES).unwrap();
        let rows: Vec<_> = table.rows().collect();
        assert_eq!((rows.len(), rows[0].id().unwrap()), (1, "TAAAAA-AAAAA-AAAAA1"));
        assert_eq!(
            rows[0].at().unwrap(),
            "2024-03-19T19:43:31.6798Z".parse::<DateTime<Utc>>().unwrap()
        );
        let trade = rows[0].trade().unwrap();
        assert_eq!(
            (trade.price.0.to_string(), trade.vol.0.to_string()),
            ("54054.0".to_owned(), "0.00185".to_owned())
        );
        assert_eq!((trade.side.get(), trade.maker), ("buy", None));
        assert_eq!(rows[0].text("ledgers").unwrap(), "L1,L2");
    }

    #[test]
    fn what_is_broken_is_an_error() {
        let bad = |from: &str, to: &str| {
            let text = TRADES.replacen(from, to, 1);
            assert_ne!(text, TRADES);
            let read = Table::read(&text);
            read.and_then(|table| {
                table
                    .rows()
                    .map(|row| row.trade().map(drop))
                    .collect::<Result<Vec<_>>>()
                    .map(drop)
            })
            .unwrap_err();
        };
        bad("\"price\"", "\"prize\"");
        bad("\"fee\"", "\"price\"");
        bad("54054.0,", "");
        bad("54054.0", "");
        bad("54054.0", "many");
        bad("54054.0", "5\"4");
        bad("19:43:31.6798", "29:43:31");
        bad("2024-03-19", "2024-13-19");
        bad("L1,L2\"\r\n", "L1,L2\"");
        bad("L1,L2\"\r\n", "L1,L2\r\n");
        bad("\"TAAAAA-AAAAA-AAAAA1\"", "\"\"");
        assert!(Table::read("").is_err());
        let row = TRADES.split_once('\n').unwrap().1;
        assert!(Table::read(&format!("{TRADES}{row}")).is_err(), "an id twice");
    }
}
