//! Rows of `GET /v2/account/activities`: what the engine booked, as Alpaca writes it.

use broker_core::model::{Asset, FlowKind};
use broker_core::{Fee, Fill, Flow};
use broker_sim::Entry;
use chrono::{DateTime, Duration, DurationRound, NaiveDate, NaiveTime, Utc};
use chrono_tz::America::New_York;

use super::ids::{slashless, uuid};
use super::json::Object;
use super::params::local_date;

/// One row, rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// 17 digits of New York local time, `::`, and a UUID: the key that rows are sorted by.
    pub(super) id: String,
    /// `FILL`, `CFEE`, `DIV` ...
    pub(super) kind: &'static str,
    /// When the row was made: what `date`, `after` and `until` filter on.
    pub(super) created_at: DateTime<Utc>,
    /// The row.
    pub(super) json: String,
}

/// A fill. It has no fee and no client id, and its time is the execution's, rounded to the microsecond.
pub(super) fn fill(fill: &Fill, entry: &Entry) -> Row {
    let filled = entry.cum_qty.unwrap_or(fill.qty).get();
    let leaves = entry.leaves_qty.map(|qty| qty.get()).unwrap_or_default();
    let at = fill.at.duration_round(Duration::microseconds(1)).unwrap_or(fill.at);
    let id = format!(
        "{}::{}",
        at.with_timezone(&New_York).format("%Y%m%d%H%M%S%3f"),
        uuid("fill", fill.id.get())
    );
    let (kind, status) = if leaves.is_zero() {
        ("fill", "filled")
    } else {
        ("partial_fill", "partially_filled")
    };
    let mut object = Object::new()
        .text("id", &id)
        .text("activity_type", "FILL")
        .stamp("transaction_time", at)
        .text("type", kind)
        .decimal("price", fill.price.get())
        .decimal("qty", fill.qty.get())
        .text("side", &fill.side.to_string())
        .text("symbol", fill.symbol.get())
        .decimal("leaves_qty", leaves);
    if let Some(order) = &fill.order {
        object = object.text("order_id", order.get());
    }
    let json = object.decimal("cum_qty", filled).text("order_status", status).end();
    Row {
        id,
        kind: "FILL",
        created_at: at,
        json,
    }
}

/// A fee. What a coin pair costs is charged in the asset that was received: a buy pays in the coin, with the mark as
/// its price and no money; a sell pays in dollars. Everything else is a regulatory fee in dollars.
pub(super) fn fee(fee: &Fee, entry: &Entry) -> Row {
    let coin = matches!(&fee.asset, Asset::Instrument { .. });
    let crypto = coin || fee.instrument.as_ref().is_some_and(|id| id.get().contains('/'));
    let parts = Parts {
        kind: if crypto { "CFEE" } else { "FEE" },
        id: fee.id.get(),
        at: fee.at,
        booked_at: fee.booked_at.unwrap_or(entry.booked_at),
        corrected: fee.version > 0,
        canceled: fee.canceled,
    };
    parts.row(|object| match &fee.asset {
        Asset::Instrument { symbol, .. } => object
            .text("net_amount", "0")
            .text("description", "Coin Pair Transaction Fee (Non USD)")
            .text("symbol", &slashless(symbol.get()))
            .decimal("qty", -fee.amount)
            .decimal("price", fee.price.map(|price| price.get()).unwrap_or_default()),
        Asset::Currency(currency) if crypto => {
            let symbol = fee
                .instrument
                .as_ref()
                .map(|id| slashless(id.get()))
                .unwrap_or_default();
            object
                .decimal("net_amount", -fee.amount)
                .text("description", "Coin Pair Transaction Fee (USD)")
                .text("symbol", &symbol)
                .text("currency", currency.code())
        }
        Asset::Currency(currency) => object
            .text("activity_sub_type", &fee.label)
            .decimal("net_amount", -fee.amount)
            .text(
                "description",
                &format!("{} fee for proceeds of {}", fee.label, local_date(fee.at)),
            )
            .text("currency", currency.code()),
    })
}

/// A flow: dividends, interest, transfers, splits, and what becomes of options.
pub(super) fn flow(flow: &Flow, entry: &Entry) -> Row {
    let (kind, sub_kind) = flow_kind(flow);
    let parts = Parts {
        kind,
        id: flow.id.get(),
        at: flow.at,
        booked_at: flow.booked_at.unwrap_or(entry.booked_at),
        corrected: flow.version > 0,
        canceled: flow.canceled,
    };
    parts.row(|mut object| {
        if let Some(sub_kind) = sub_kind {
            object = object.text("activity_sub_type", sub_kind);
        }
        object = match &flow.asset {
            Asset::Currency(currency) => {
                object = object
                    .decimal("net_amount", flow.amount)
                    .text("currency", currency.code());
                if let Some(instrument) = &flow.instrument {
                    object = object.text("symbol", instrument.get());
                }
                match flow.price.filter(|price| !price.get().is_zero()) {
                    // Of a dividend: what a share paid, and how many there were.
                    Some(each) => object
                        .decimal("per_share_amount", each.get())
                        .decimal("qty", flow.amount / each.get()),
                    None => object,
                }
            }
            Asset::Instrument { symbol, .. } => {
                let cash = flow.cash.map(|cash| cash.amount).unwrap_or_default();
                object = object
                    .decimal("net_amount", cash)
                    .text("symbol", symbol.get())
                    .decimal("qty", flow.amount);
                match flow.price {
                    Some(price) => object.decimal("price", price.get()),
                    None => object,
                }
            }
        };
        if let Some(group) = &flow.group {
            object = object.text("group_id", &uuid("group", group));
        }
        object.text("description", flow.description.as_deref().unwrap_or_default())
    })
}

fn flow_kind(flow: &Flow) -> (&'static str, Option<&'static str>) {
    let option = matches!(&flow.asset, Asset::Instrument { symbol, .. } if is_option(symbol.get()));
    match flow.kind {
        FlowKind::Deposit => ("CSD", None),
        FlowKind::Withdrawal => ("CSW", None),
        FlowKind::Transfer => match flow.asset {
            Asset::Currency(_) => ("JNLC", None),
            Asset::Instrument { .. } => ("JNLS", None),
        },
        FlowKind::Dividend => ("DIV", Some("CDIV")),
        FlowKind::Interest | FlowKind::Financing => ("INT", Some("MGN")),
        FlowKind::Tax => ("DIVNRA", None),
        FlowKind::Split if flow.amount.is_sign_negative() => ("SPLIT", Some("RSPLIT")),
        FlowKind::Split => ("SPLIT", Some("FSPLIT")),
        FlowKind::Reorganization => ("REORG", None),
        FlowKind::Expiry => ("OPEXP", None),
        FlowKind::Exercise if option => ("OPEXC", None),
        FlowKind::Assignment if option => ("OPASN", None),
        FlowKind::Exercise | FlowKind::Assignment => ("OPTRD", None),
        FlowKind::Reward => ("JNLC", None),
        // Alpaca has no word for these; a word of the engine that came later is in the same drawer.
        FlowKind::Conversion | FlowKind::Dust | FlowKind::Adjustment | FlowKind::Other(_) | _ => ("MISC", None),
    }
}

/// An OCC code ends in a date, a letter and eight digits of a strike.
fn is_option(symbol: &str) -> bool {
    let Some((_, tail)) = symbol
        .len()
        .checked_sub(15)
        .and_then(|place| symbol.split_at_checked(place))
    else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    tail.is_ascii() && digits(&tail[..6]) && matches!(&tail[6..7], "C" | "P") && digits(&tail[7..])
}

/// What all rows that are no fills have in common.
struct Parts<'a> {
    kind: &'static str,
    id: &'a str,
    at: DateTime<Utc>,
    booked_at: DateTime<Utc>,
    corrected: bool,
    canceled: bool,
}

impl Parts<'_> {
    /// Rows that are no fills have a date and zeros in their id. They are made when the engine books them: fees on
    /// the day after their date.
    fn row(&self, middle: impl FnOnce(Object) -> Object) -> Row {
        let date = day_of(self.at);
        let id = format!("{}000000000::{}", date.format("%Y%m%d"), uuid(self.kind, self.id));
        let status = match (self.canceled, self.corrected) {
            (true, _) => "canceled",
            (false, true) => "correct",
            (false, false) => "executed",
        };
        let object = Object::new()
            .text("id", &id)
            .text("activity_type", self.kind)
            .text("date", &date.to_string())
            .stamp("created_at", self.booked_at);
        Row {
            json: middle(object).text("status", status).end(),
            id,
            kind: self.kind,
            created_at: self.booked_at,
        }
    }
}

/// The day that a row is for: a date alone is midnight UTC, any other moment counts in New York.
fn day_of(at: DateTime<Utc>) -> NaiveDate {
    if at.time() == NaiveTime::MIN {
        at.date_naive()
    } else {
        local_date(at)
    }
}
