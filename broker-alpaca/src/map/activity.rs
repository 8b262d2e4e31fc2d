//! Activities to records.
//!
//! | Type | Record |
//! | --- | --- |
//! | `FILL` | fill |
//! | `CFEE` | fee: in the coin received where no money moved and a quantity is set, else in money |
//! | `FEE` `DIVFEE` `PTC` `PTR` | fee in money; a credit is a negative fee |
//! | `CSD` `CSW` `TRANS` | deposit or withdrawal |
//! | `ACATC` `ACATS` `JNL` `JNLC` `JNLS` `FOPT` | transfer, of money or of a quantity |
//! | `DIV` `DIVCGL` `DIVCGS` `DIVROC` `DIVTXEX` `CGD` | dividend |
//! | `DIVFT` `DIVNRA` `DIVTW` `INTNRA` `INTTW` `WH` | tax |
//! | `INT` | interest |
//! | `SPLIT` | split |
//! | `SPIN` `MA` `NC` `REORG` `OPCA` `OPCSH` `VOF` | reorganization |
//! | `OPEXP` `OPEXC` `OPASN` | expiry, exercise, assignment: the option that goes (`qty` as sent: `-2` for two long ones) |
//! | `OPTRD` | exercise: the shares of an exercise or assignment; which it was is said by the option's row of the same group |
//! | other | flow of that name, with a note |
//!
//! From the published documents and examples. Not confirmed by a recording: whether a corrected row keeps its id, what
//! `qty` means for a stock dividend (taken for the shares received when no money moved), and the signs of splits.

use std::collections::HashMap;

use broker_core::model::{Asset, FlowKind, Grade, PositionLeg};
use broker_core::num::Text;
use broker_core::{
    AccountId, Currency, Error, Fee, Fill, FillId, Flow, InstrumentId, Money, OrderId, Qty, Record, RecordId, Result,
    Symbol,
};
use chrono::{DateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;

use super::{needed, side, symbol};
use crate::wire::{self, ActivityJson, Day, Maybe, Number, Quoted, Stamp, filled};

/// What a page held.
#[derive(Debug)]
pub(crate) struct Activities {
    /// Records in the answer's order.
    pub(crate) records: Vec<Record>,
    /// When each was created at the venue; `None` where the row has only a date.
    pub(crate) created: Vec<Option<DateTime<Utc>>>,
    /// Id of the last row, by which the venue pages.
    pub(crate) last: Option<String>,
    /// Whether the row that was looked for is among them.
    pub(crate) joined: bool,
    /// No row behind the last one can be older than this.
    pub(crate) reached: Option<DateTime<Utc>>,
    pub(crate) notes: Vec<String>,
}

/// Records of a page, in order, for callers that need nothing else of it.
pub(crate) fn records(body: &str, account: &AccountId) -> Result<Vec<Record>> {
    read(body, account, None).map(|page| page.records)
}

/// A page with what the walk needs to go on.
pub(crate) fn page(body: &str, account: &AccountId, border: Option<&str>) -> Result<Activities> {
    read(body, account, border)
}

/// Decimals are strings here, by the document and in every answer seen, and are read as such. A page with a number
/// among them is read again, the slower way.
fn read(body: &str, account: &AccountId, border: Option<&str>) -> Result<Activities> {
    read_with::<Quoted>(body, account, border).or_else(|_| read_with::<Maybe>(body, account, border))
}

/// Most rows of a page.
const PAGE: usize = 100;

fn read_with<N: Number>(body: &str, account: &AccountId, border: Option<&str>) -> Result<Activities> {
    let mut reader = Reader::new(account);
    // Room at once: records are large, and a list that grows moves them.
    let (mut records, mut created) = (Vec::with_capacity(PAGE), Vec::with_capacity(PAGE));
    let (mut joined, mut reached) = (border.is_none(), None);
    let mut last: Option<Text<'_>> = None;
    wire::activities(body, |row: &ActivityJson<'_, N>| {
        reader.record(row, &mut records)?;
        created.push(row.transaction_time.or(row.created_at).map(|stamp| stamp.0));
        joined = joined || border == Some(row.id());
        last.clone_from(&row.id);
        reached = Some((row.date, row.transaction_time.or(row.created_at)));
        Ok(())
    })?;
    Ok(Activities {
        records,
        created,
        last: last.map(|id| id.get().to_owned()),
        joined,
        reached: reached.and_then(|(date, made)| oldest_behind(date, made)),
        notes: reader.notes,
    })
}

/// Answers are sorted by id, and an id begins with the New York time of a fill but with the *date* of any other row,
/// which is created a day later or more. So the earlier of the two is as far as the answer has come; and in the hour
/// that New York has twice, the first of the two hours.
fn oldest_behind(date: Option<Day>, made: Option<Stamp>) -> Option<DateTime<Utc>> {
    let midnight = date.map(|day| day.0.and_time(NaiveTime::MIN).and_utc());
    let created = made.map(|stamp| {
        let local = stamp.0.with_timezone(&New_York).naive_local();
        let first = New_York.from_local_datetime(&local).earliest();
        first.map_or(stamp.0, |first| first.to_utc())
    });
    match (midnight, created) {
        (Some(midnight), Some(created)) => Some(midnight.min(created)),
        (one, other) => one.or(other),
    }
}

/// Maps rows of one page; ids that repeat share one allocation.
struct Reader<'a> {
    account: &'a AccountId,
    /// By the spelling of the row.
    names: HashMap<String, Name>,
    last_name: Option<(String, Name)>,
    last_order: Option<OrderId>,
    notes: Vec<String>,
}

#[derive(Debug, Clone)]
struct Name {
    id: InstrumentId,
    symbol: Symbol,
}

impl<'a> Reader<'a> {
    fn new(account: &'a AccountId) -> Self {
        Self {
            account,
            names: HashMap::new(),
            last_name: None,
            last_order: None,
            notes: Vec::new(),
        }
    }

    /// Adds the record of a row.
    fn record<N: Number>(&mut self, row: &ActivityJson<'_, N>, records: &mut Vec<Record>) -> Result<()> {
        records.push(match row.kind() {
            "FILL" => Record::Fill(self.fill(row)?),
            "CFEE" | "FEE" | "DIVFEE" | "PTC" | "PTR" => Record::Fee(self.fee(row)?),
            _ => Record::Flow(self.flow(row)?),
        });
        Ok(())
    }

    fn fill<N: Number>(&mut self, row: &ActivityJson<'_, N>) -> Result<Fill> {
        let name = self.name(needed(filled(&row.symbol), "symbol", row.id())?, None);
        Ok(Fill {
            id: execution_id(row.id()),
            account: self.account.clone(),
            instrument: name.id,
            symbol: name.symbol,
            leg: PositionLeg::Net,
            order: filled(&row.order_id).map(|id| self.order(id)),
            client_order: None,
            side: side(needed(filled(&row.side), "side", row.id())?)?,
            qty: Qty::new(needed(row.qty.get(), "quantity", row.id())?)?,
            price: needed(row.price.get(), "price", row.id())?.into(),
            at: needed(row.transaction_time, "transaction time", row.id())?.0,
            version: 0,
            grade: Grade::Reported,
            fees: Vec::new(),
            liquidity: None,
            effect: None,
            pnl: None,
            conversion: None,
            lots: Vec::new(),
        })
    }

    fn fee<N: Number>(&mut self, row: &ActivityJson<'_, N>) -> Result<Fee> {
        let crypto = row.kind() == "CFEE";
        let name = filled(&row.symbol).map(|text| self.name(text, crypto.then_some("crypto")));
        let money = row.net_amount.get().filter(|amount| !amount.is_zero());
        // A buy pays in the coin that it received: no money moves, and `qty` is what was taken.
        let (asset, charged) = match (money, row.qty.get().filter(|qty| crypto && !qty.is_zero()), &name) {
            (None, Some(qty), Some(name)) => (name.asset(), qty),
            _ => (
                Asset::Currency(currency(row)?),
                needed(row.net_amount.get(), "amount", row.id())?,
            ),
        };
        let in_kind = matches!(asset, Asset::Instrument { .. });
        Ok(Fee {
            id: RecordId::from(row.id()),
            account: self.account.clone(),
            label: filled(&row.activity_sub_type).unwrap_or(row.kind()).to_owned(),
            asset,
            amount: -charged,
            price: row.price.get().filter(|_| in_kind).map(Into::into),
            instrument: name.map(|name| name.id),
            order: None,
            fill: None,
            at: if in_kind { moved_at(row)? } else { at(row)? },
            booked_at: row.created_at.map(|stamp| stamp.0),
            version: version(row),
            canceled: canceled(row),
        })
    }

    fn flow<N: Number>(&mut self, row: &ActivityJson<'_, N>) -> Result<Flow> {
        let name = filled(&row.symbol).map(|text| self.name(text, None));
        let money = row.net_amount.get().filter(|amount| !amount.is_zero());
        let (kind, moves) = self.kind(row, money);
        let quantity = row.qty.get().filter(|qty| !qty.is_zero());
        let currency = currency(row)?;
        let (asset, amount, cash) = match (moves, quantity, &name) {
            (Moves::Quantity, Some(qty), Some(name)) => (name.asset(), qty, money),
            (Moves::QuantityIfNoMoney, Some(qty), Some(name)) if money.is_none() => (name.asset(), qty, None),
            _ => (Asset::Currency(currency), amount(row, &kind)?, None),
        };
        let of_quantity = matches!(asset, Asset::Instrument { .. });
        // A split or a new name is in force before the day's first trade.
        let starts_the_day = matches!(kind, FlowKind::Split | FlowKind::Reorganization);
        Ok(Flow {
            id: RecordId::from(row.id()),
            account: self.account.clone(),
            kind,
            asset,
            amount,
            price: row.price.get().filter(|_| of_quantity).map(Into::into),
            cash: cash.map(|cash| Money::new(cash, currency)),
            instrument: name.map(|name| name.id),
            lot: None,
            group: filled(&row.group_id).map(str::to_owned),
            description: filled(&row.description).map(str::to_owned),
            at: if of_quantity && !starts_the_day {
                moved_at(row)?
            } else {
                at(row)?
            },
            booked_at: row.created_at.map(|stamp| stamp.0),
            version: version(row),
            canceled: canceled(row),
        })
    }

    fn kind<N: Number>(&mut self, row: &ActivityJson<'_, N>, money: Option<Decimal>) -> (FlowKind, Moves) {
        match row.kind() {
            "CSD" => (FlowKind::Deposit, Moves::Money),
            "CSW" => (FlowKind::Withdrawal, Moves::Money),
            "TRANS" if money.is_some_and(|amount| amount.is_sign_negative()) => (FlowKind::Withdrawal, Moves::Money),
            "TRANS" => (FlowKind::Deposit, Moves::Money),
            "ACATC" | "JNLC" => (FlowKind::Transfer, Moves::Money),
            "ACATS" | "JNLS" | "JNL" | "FOPT" => (FlowKind::Transfer, Moves::Quantity),
            // `qty` is the number of shares that were paid for, and they did not move.
            "DIV" if filled(&row.activity_sub_type) == Some("SDIV") => (FlowKind::Dividend, Moves::QuantityIfNoMoney),
            "DIV" | "DIVCGL" | "DIVCGS" | "DIVROC" | "DIVTXEX" | "CGD" => (FlowKind::Dividend, Moves::Money),
            "DIVFT" | "DIVNRA" | "DIVTW" | "INTNRA" | "INTTW" | "WH" => (FlowKind::Tax, Moves::Money),
            "INT" => (FlowKind::Interest, Moves::Money),
            "SPLIT" => (FlowKind::Split, Moves::Quantity),
            "SPIN" | "MA" | "NC" | "REORG" | "OPCA" | "OPCSH" | "VOF" => (FlowKind::Reorganization, Moves::Quantity),
            "OPEXP" => (FlowKind::Expiry, Moves::Quantity),
            "OPEXC" | "OPTRD" => (FlowKind::Exercise, Moves::Quantity),
            "OPASN" => (FlowKind::Assignment, Moves::Quantity),
            other => {
                self.notes
                    .push(format!("{} is of the unknown type {other:?}", row.id()));
                (FlowKind::Other(other.into()), Moves::QuantityIfNoMoney)
            }
        }
    }

    fn name(&mut self, text: &str, asset_class: Option<&str>) -> Name {
        if let Some((last, name)) = &self.last_name
            && last == text
        {
            return name.clone();
        }
        let name = match self.names.get(text) {
            Some(name) => name.clone(),
            None => self.new_name(text, asset_class),
        };
        self.last_name = Some((text.to_owned(), name.clone()));
        name
    }

    fn new_name(&mut self, text: &str, asset_class: Option<&str>) -> Name {
        let spelled = symbol(text, asset_class);
        let name = Name {
            id: InstrumentId::from(&*spelled),
            symbol: Symbol::from(&*spelled),
        };
        self.names.insert(text.to_owned(), name.clone());
        name
    }

    fn order(&mut self, id: &str) -> OrderId {
        match &self.last_order {
            Some(last) if last.get() == id => last.clone(),
            _ => self.last_order.insert(OrderId::from(id)).clone(),
        }
    }
}

impl Name {
    fn asset(&self) -> Asset {
        Asset::Instrument {
            id: self.id.clone(),
            symbol: self.symbol.clone(),
        }
    }
}

/// What a row's `qty` says.
enum Moves {
    /// Nothing: the money is all that moved.
    Money,
    /// It moved, with or without money.
    Quantity,
    /// It moved where no money did; otherwise it only explains the money.
    QuantityIfNoMoney,
}

/// The money of a row. Only a row whose type nobody knows may be without: what such a row must have is not known.
fn amount<N: Number>(row: &ActivityJson<'_, N>, kind: &FlowKind) -> Result<Decimal> {
    match (row.net_amount.get(), kind) {
        (None, FlowKind::Other(_)) => Ok(Decimal::ZERO),
        (amount, _) => needed(amount, "amount", row.id()),
    }
}

/// The part of an activity's id behind the `::`, which the stream calls `execution_id`.
fn execution_id(id: &str) -> FillId {
    // Byte by byte: making ready a search for text takes longer than this short one.
    let colons = id.as_bytes().windows(2).position(|two| two == b"::");
    FillId::from(colons.and_then(|at| id.get(at + 2..)).unwrap_or(id))
}

fn currency<N>(row: &ActivityJson<'_, N>) -> Result<Currency> {
    filled(&row.currency).map_or(Ok(Currency::USD), str::parse)
}

/// The day that the row is for. The digits of its id are New York time and are not read.
fn at<N>(row: &ActivityJson<'_, N>) -> Result<DateTime<Utc>> {
    row.date
        .map(|day| day.0.and_time(NaiveTime::MIN).and_utc())
        .or(row.created_at.map(|stamp| stamp.0))
        .ok_or_else(|| Error::decode(format!("{} has neither date nor time", row.id())))
}

/// When a quantity moved: when the row was made, else at the end of its day. A fee in coins, an expiry or an assignment
/// of a day comes behind the day's trades, and books that met it first would close what was not yet open.
fn moved_at<N>(row: &ActivityJson<'_, N>) -> Result<DateTime<Utc>> {
    let end_of_day = row.date.and_then(|day| day.0.and_hms_nano_opt(23, 59, 59, 999_999_999));
    match (row.created_at, end_of_day) {
        (Some(created), _) => Ok(created.0),
        (None, Some(end)) => Ok(end.and_utc()),
        (None, None) => at(row),
    }
}

fn version<N>(row: &ActivityJson<'_, N>) -> u64 {
    match filled(&row.status) {
        Some("correct") => 1,
        Some("canceled") => 2,
        _ => 0,
    }
}

fn canceled<N>(row: &ActivityJson<'_, N>) -> bool {
    filled(&row.status) == Some("canceled")
}
