//! `TradesHistory` and `Ledgers`: what the engine booked, newest first, by offset.

use std::collections::BTreeMap;

use broker_core::model::{FlowKind, Liquidity, Payoff};
use broker_core::{Currency, Fill, Flow, Money, Record};
use broker_sim::{Engine, Entry};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::KrakenVenue;
use super::account::pair_key;
use super::catalogue::asset_of;
use super::ids;
use super::json::{Object, seconds};
use super::params::Params;
use super::refusal::{Refusal, Reply};

/// One row, rendered.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) at: DateTime<Utc>,
    kind: String,
    pub(super) json: String,
}

/// All rows, oldest first.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) trades: Vec<Row>,
    pub(super) ledger: Vec<Row>,
    /// How many entries of the engine's log were read.
    read: usize,
    balances: BTreeMap<Currency, Decimal>,
    fresh: Vec<String>,
    listened: bool,
}

/// Puts new rows, those from this place on, where they belong: mostly that is where they are.
fn sort(rows: &mut [Row], new: usize) {
    if let Some(first) = rows[new..].iter().map(|row| row.at).min() {
        let start = rows[..new].partition_point(|row| row.at < first);
        rows[start..].sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    }
}

impl Rows {
    /// Rows of the ledger since the last call, as the stream tells them; none where nobody listened.
    pub(super) fn fresh(&mut self) -> Vec<String> {
        std::mem::take(&mut self.fresh)
    }

    /// From now on somebody listens, or nobody does.
    pub(super) fn listen(&mut self, listens: bool) {
        if self.listened != listens {
            self.fresh.clear();
        }
        self.listened = listens;
    }

    /// Takes in what the engine booked since the last call.
    pub(super) fn read(&mut self, engine: &Engine, log: &[Entry]) {
        let (trades, ledger) = (self.trades.len(), self.ledger.len());
        for entry in log.get(self.read..).unwrap_or_default() {
            match &entry.record {
                Record::Fill(fill) => self.fill(engine, entry, fill),
                Record::Fee(fee) => {
                    if let broker_core::model::Asset::Currency(currency) = fee.asset {
                        let line = Line::new("adjustment", "", fee.id.get(), currency, Decimal::ZERO, fee.amount);
                        self.line(entry, line, entry.booked_at);
                    }
                }
                Record::Flow(flow) => self.flow(entry, flow),
                Record::Void(_) => {}
            }
        }
        self.read = log.len();
        sort(&mut self.trades, trades);
        sort(&mut self.ledger, ledger);
    }

    fn fill(&mut self, engine: &Engine, entry: &Entry, fill: &Fill) {
        let Some(instrument) = engine.instrument(&fill.instrument) else {
            return;
        };
        let on_margin = instrument.payoff == Payoff::Margined;
        let cost = fill.qty.get() * fill.price.get();
        let fee_in = |currency: Currency| -> Decimal {
            let fees = fill.fees.iter().filter(|fee| fee.currency == currency);
            fees.map(|fee| fee.amount).sum()
        };
        // The row of a trade states its fee in the quote currency, whatever it was taken in.
        let in_base = instrument.base.map(fee_in).unwrap_or_default();
        let stated = fee_in(instrument.currency) + in_base * fill.price.get();
        let id = ids::trade(&fill.id);
        let after = entry.position_qty.unwrap_or_default();
        let change = fill.qty.signed(fill.side);
        let opens = on_margin && after * change > Decimal::ZERO;
        let closes = on_margin && (after - change) * change < Decimal::ZERO;
        let order = fill.order.as_ref().map(ids::order).unwrap_or_default();
        let mut row = Object::new()
            .text("ordertxid", &order)
            .text("postxid", &ids::other(&order))
            .text("pair", pair_key(instrument))
            .raw("time", &seconds(fill.at))
            .text("type", &fill.side.to_string())
            .text("ordertype", "limit")
            .decimal("price", fill.price.get(), 5)
            .decimal("cost", cost, 5)
            .decimal("fee", stated, 5)
            .decimal("vol", fill.qty.get(), 8)
            .decimal(
                "margin",
                if on_margin {
                    cost / Decimal::from(5)
                } else {
                    Decimal::ZERO
                },
                5,
            )
            .text("leverage", if on_margin { "5" } else { "0" })
            .text("misc", if closes { "closing" } else { "" })
            .raw("trade_id", &entry.seq.to_string())
            .raw(
                "maker",
                if fill.liquidity == Some(Liquidity::Maker) {
                    "true"
                } else {
                    "false"
                },
            );
        if opens {
            row = row.text("posstatus", "open");
        }
        self.trades.push(Row {
            id: id.clone(),
            at: fill.at,
            kind: if closes { "closing position" } else { "no position" }.to_owned(),
            json: row.end(),
        });
        if on_margin {
            let made = entry.realized.map(|money| money.amount).unwrap_or_default();
            let line = Line::new(
                "margin",
                "",
                &id,
                instrument.currency,
                made,
                fee_in(instrument.currency),
            );
            self.line(entry, line, fill.at);
            return;
        }
        if let Some(base) = instrument.base {
            self.line(entry, Line::new("trade", "base", &id, base, change, in_base), fill.at);
        }
        let paid = if change.is_sign_negative() { cost } else { -cost };
        let fee = fee_in(instrument.currency);
        self.line(
            entry,
            Line::new("trade", "quote", &id, instrument.currency, paid, fee),
            fill.at,
        );
    }

    fn flow(&mut self, entry: &Entry, flow: &Flow) {
        let broker_core::model::Asset::Currency(currency) = flow.asset else {
            return;
        };
        let group = flow.description.as_deref().unwrap_or_else(|| flow.id.get());
        let refid = ids::other(group);
        let amount = flow.amount;
        let line = |kind, amount, fee| Line::new(kind, "", &refid, currency, amount, fee);
        let line = match flow.kind {
            FlowKind::Deposit => line("deposit", amount, Decimal::ZERO),
            FlowKind::Withdrawal => line("withdrawal", amount, Decimal::ZERO),
            FlowKind::Interest | FlowKind::Reward => line("staking", amount, Decimal::ZERO),
            FlowKind::Financing => line("rollover", Decimal::ZERO, -amount),
            FlowKind::Conversion if amount.is_sign_negative() => line("spend", amount, Decimal::ZERO),
            FlowKind::Conversion => line("receive", amount, Decimal::ZERO),
            FlowKind::Transfer => line("transfer", amount, Decimal::ZERO),
            FlowKind::Dividend => line("dividend", amount, Decimal::ZERO),
            FlowKind::Adjustment => line("adjustment", amount, Decimal::ZERO),
            _ => line("credit", amount, Decimal::ZERO),
        };
        self.line(entry, line, flow.at);
    }

    fn line(&mut self, entry: &Entry, line: Line<'_>, at: DateTime<Utc>) {
        let Some(asset) = asset_of(line.asset) else { return };
        let balance = self.balances.entry(line.asset).or_default();
        *balance += line.amount - line.fee;
        let row = Object::new()
            .text("refid", line.refid)
            .raw("time", &seconds(at))
            .text("type", line.kind)
            .text("subtype", "")
            .text("aclass", "currency")
            .text("asset", asset.id)
            .decimal("amount", line.amount, asset.decimals)
            .decimal("fee", line.fee, asset.decimals)
            .decimal("balance", *balance, asset.decimals);
        let (id, json) = (ids::ledger(entry.seq, line.side), row.end());
        if self.listened {
            self.fresh.push(super::stream::streamed_row(&id, at, &json));
        }
        self.ledger.push(Row {
            id,
            at,
            kind: line.kind.to_owned(),
            json,
        });
    }
}

struct Line<'a> {
    kind: &'a str,
    side: &'a str,
    refid: &'a str,
    asset: Currency,
    amount: Decimal,
    fee: Decimal,
}

impl<'a> Line<'a> {
    fn new(kind: &'a str, side: &'a str, refid: &'a str, asset: Currency, amount: Decimal, fee: Decimal) -> Self {
        Self {
            kind,
            side,
            refid,
            asset,
            amount,
            fee,
        }
    }
}

/// Rows of `start < time <= end`, newest first, from an offset, and how many there are in all.
fn page<'a>(
    rows: &'a [Row],
    kind: Option<&str>,
    params: &Params,
    from: Option<DateTime<Utc>>,
    size: usize,
) -> Result<(Vec<&'a Row>, usize), Refusal> {
    let start = params.number("start")?.unwrap_or_default();
    let end = params.number("end")?.filter(|end| *end > 0);
    let offset = params.number("ofs")?.unwrap_or_default();
    let offset = usize::try_from(offset).map_err(|_| Refusal::argument("ofs"))?;
    let rows = between(rows, (start, end), from);
    let wanted = || rows.iter().rev().filter(|row| kind.is_none_or(|kind| row.kind == kind));
    let count = kind.map_or(rows.len(), |_| wanted().count());
    Ok((wanted().skip(offset).take(size).collect(), count))
}

/// The rows behind a second and not behind another, where the key may see them.
pub(super) fn between(rows: &[Row], (start, end): (i64, Option<i64>), from: Option<DateTime<Utc>>) -> &[Row] {
    let moment = |second: i64| DateTime::from_timestamp(second, 0);
    let first = rows.partition_point(|row| {
        moment(start).is_none_or(|start| row.at <= start) || from.is_some_and(|from| row.at < from)
    });
    let behind = rows.partition_point(|row| end.and_then(moment).is_none_or(|end| row.at <= end));
    rows.get(first..behind).unwrap_or_default()
}

fn listed(rows: &[&Row]) -> String {
    let object = rows
        .iter()
        .fold(Object::new(), |object, row| object.raw(&row.id, &row.json));
    object.end()
}

impl KrakenVenue {
    pub(super) fn read_rows(&mut self) -> Result<(), Refusal> {
        let log = self.engine.log(&self.account)?;
        self.rows.read(&self.engine, log);
        Ok(())
    }

    pub(super) fn trades_history(&mut self, params: &Params) -> Reply {
        params.only(&[
            "type",
            "trades",
            "start",
            "end",
            "ofs",
            "consolidate_taker",
            "ledgers",
            "without_count",
            "limit",
            "rebase_multiplier",
        ])?;
        let kinds = [
            "all",
            "any position",
            "closed position",
            "closing position",
            "no position",
        ];
        let kind = params.word("type", &kinds)?.filter(|kind| *kind != "all");
        // Left out, this is true, and merges the fills of an order: not done here, so it must be said.
        if params.word("consolidate_taker", &["true", "false"])? != Some("false") {
            return Err(Refusal::argument("consolidate_taker"));
        }
        self.read_rows()?;
        let (rows, count) = page(&self.rows.trades, kind, params, self.query_from, self.page)?;
        let object = Object::new().raw("trades", &listed(&rows));
        let counted = !params.flag("without_count")?;
        Ok(if counted {
            object.raw("count", &count.to_string())
        } else {
            object
        }
        .end())
    }

    pub(super) fn ledgers(&mut self, params: &Params) -> Reply {
        params.only(&[
            "asset",
            "aclass",
            "type",
            "start",
            "end",
            "ofs",
            "without_count",
            "rebase_multiplier",
        ])?;
        let kind = params.get("type").filter(|kind| *kind != "all");
        self.read_rows()?;
        let (rows, count) = page(&self.rows.ledger, kind, params, self.query_from, self.page)?;
        Ok(Object::new()
            .raw("ledger", &listed(&rows))
            .raw("count", &count.to_string())
            .end())
    }

    /// What the account was paid or charged in an asset, by the ledger: for tests.
    pub fn ledger_balance(&mut self, currency: Currency) -> Option<Money> {
        self.read_rows().ok()?;
        let amount = self.rows.balances.get(&currency).copied()?;
        Some(Money::new(amount, currency))
    }
}
