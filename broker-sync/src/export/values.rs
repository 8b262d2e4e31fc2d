//! What the columns of records hold. JSON Lines hold the whole of a record; here is what fits a table.

use broker_core::Money;
use broker_core::model::{Asset, Fee, Fill, Flow, Grade, Liquidity, PositionEffect, PositionLeg, Void};

use super::csv::{Cell, Column};

pub(super) const FILLS: &[Column<Fill>] = &[
    Column {
        name: "id",
        meaning: "identity of the row in its account",
        cell: |fill| Cell::Text(fill.id.get()),
    },
    Column {
        name: "at",
        meaning: "when it happened, or the day that it is for (midnight UTC); RFC 3339, UTC",
        cell: |fill| Cell::At(fill.at),
    },
    Column {
        name: "symbol",
        meaning: "what people call the instrument",
        cell: |fill| Cell::Text(fill.symbol.get()),
    },
    Column {
        name: "instrument",
        meaning: "the broker's key of the instrument that it is about",
        cell: |fill| Cell::Text(fill.instrument.get()),
    },
    Column {
        name: "side",
        meaning: "buy or sell",
        cell: |fill| Cell::Joined(fill.side.to_string()),
    },
    Column {
        name: "qty",
        meaning: "how much, in the instrument's unit",
        cell: |fill| Cell::Number(fill.qty.get()),
    },
    Column {
        name: "price",
        meaning: "price a unit",
        cell: |fill| Cell::Number(fill.price.get()),
    },
    Column {
        name: "fee",
        meaning: "first fee on it; positive is a cost",
        cell: |fill| amount(fill.fees.first()),
    },
    Column {
        name: "fee_currency",
        meaning: "currency of that fee",
        cell: |fill| currency(fill.fees.first()),
    },
    Column {
        name: "other_fees",
        meaning: "further fees on it, each with its currency, apart by semicolons",
        cell: |fill| others(&fill.fees),
    },
    Column {
        name: "pnl",
        meaning: "profit or loss that the broker states for it, without fees",
        cell: |fill| amount(fill.pnl.as_ref()),
    },
    Column {
        name: "pnl_currency",
        meaning: "currency of the profit or loss",
        cell: |fill| currency(fill.pnl.as_ref()),
    },
    Column {
        name: "leg",
        meaning: "net, or the leg of a hedging account: long or short",
        cell: |fill| leg(fill.leg),
    },
    Column {
        name: "order",
        meaning: "the broker's id of the order",
        cell: |fill| optional(fill.order.as_ref()),
    },
    Column {
        name: "client_order",
        meaning: "our id of the order",
        cell: |fill| optional(fill.client_order.as_ref()),
    },
    Column {
        name: "liquidity",
        meaning: "maker or taker, where stated",
        cell: |fill| liquidity(fill.liquidity),
    },
    Column {
        name: "effect",
        meaning: "open or close, where stated",
        cell: |fill| effect(fill.effect),
    },
    Column {
        name: "grade",
        meaning: "provisional, reported or booked",
        cell: |fill| grade(fill.grade),
    },
    Column {
        name: "version",
        meaning: "the venue's version of the row",
        cell: |fill| Cell::Count(fill.version),
    },
];

pub(super) const VOIDS: &[Column<Void>] = &[
    Column {
        name: "id",
        meaning: "identity of the row in its account",
        cell: |void| Cell::Text(void.id.get()),
    },
    Column {
        name: "at",
        meaning: "when it happened, or the day that it is for (midnight UTC); RFC 3339, UTC",
        cell: |void| Cell::At(void.at),
    },
    Column {
        name: "fill",
        meaning: "the fill that a void takes back, or that a fee was charged for",
        cell: |void| Cell::Text(void.fill.get()),
    },
];

pub(super) const FEES: &[Column<Fee>] = &[
    Column {
        name: "id",
        meaning: "identity of the row in its account",
        cell: |fee| Cell::Text(fee.id.get()),
    },
    Column {
        name: "at",
        meaning: "when it happened, or the day that it is for (midnight UTC); RFC 3339, UTC",
        cell: |fee| Cell::At(fee.at),
    },
    Column {
        name: "booked_at",
        meaning: "when it was booked, where stated",
        cell: |fee| fee.booked_at.map_or(Cell::Empty, Cell::At),
    },
    Column {
        name: "label",
        meaning: "the broker's word for the fee",
        cell: |fee| Cell::Text(&fee.label),
    },
    Column {
        name: "amount",
        meaning: "how much; of a fee positive is a cost, of a flow positive is what we got",
        cell: |fee| Cell::Number(fee.amount),
    },
    Column {
        name: "asset",
        meaning: "what the amount is of: a currency, or the symbol of an instrument",
        cell: |fee| asset(&fee.asset),
    },
    Column {
        name: "asset_instrument",
        meaning: "the broker's key of the asset, where it is an instrument",
        cell: |fee| asset_instrument(&fee.asset),
    },
    Column {
        name: "price",
        meaning: "price a unit",
        cell: |fee| fee.price.map_or(Cell::Empty, |price| Cell::Number(price.get())),
    },
    Column {
        name: "instrument",
        meaning: "the broker's key of the instrument that it is about",
        cell: |fee| optional(fee.instrument.as_ref()),
    },
    Column {
        name: "order",
        meaning: "the broker's id of the order",
        cell: |fee| optional(fee.order.as_ref()),
    },
    Column {
        name: "fill",
        meaning: "the fill that a void takes back, or that a fee was charged for",
        cell: |fee| optional(fee.fill.as_ref()),
    },
    Column {
        name: "version",
        meaning: "the venue's version of the row",
        cell: |fee| Cell::Count(fee.version),
    },
    Column {
        name: "canceled",
        meaning: "true where the broker took it back",
        cell: |fee| truth(fee.canceled),
    },
];

pub(super) const FLOWS: &[Column<Flow>] = &[
    Column {
        name: "id",
        meaning: "identity of the row in its account",
        cell: |flow| Cell::Text(flow.id.get()),
    },
    Column {
        name: "at",
        meaning: "when it happened, or the day that it is for (midnight UTC); RFC 3339, UTC",
        cell: |flow| Cell::At(flow.at),
    },
    Column {
        name: "booked_at",
        meaning: "when it was booked, where stated",
        cell: |flow| flow.booked_at.map_or(Cell::Empty, Cell::At),
    },
    Column {
        name: "flow",
        meaning: "why it moved: deposit, dividend, financing ...",
        cell: |flow| Cell::Text(flow.kind.as_str()),
    },
    Column {
        name: "amount",
        meaning: "how much; of a fee positive is a cost, of a flow positive is what we got",
        cell: |flow| Cell::Number(flow.amount),
    },
    Column {
        name: "asset",
        meaning: "what the amount is of: a currency, or the symbol of an instrument",
        cell: |flow| asset(&flow.asset),
    },
    Column {
        name: "asset_instrument",
        meaning: "the broker's key of the asset, where it is an instrument",
        cell: |flow| asset_instrument(&flow.asset),
    },
    Column {
        name: "price",
        meaning: "price a unit",
        cell: |flow| flow.price.map_or(Cell::Empty, |price| Cell::Number(price.get())),
    },
    Column {
        name: "cash",
        meaning: "money that moved with a moved quantity; positive is what we got",
        cell: |flow| amount(flow.cash.as_ref()),
    },
    Column {
        name: "cash_currency",
        meaning: "currency of that money",
        cell: |flow| currency(flow.cash.as_ref()),
    },
    Column {
        name: "instrument",
        meaning: "the broker's key of the instrument that it is about",
        cell: |flow| optional(flow.instrument.as_ref()),
    },
    Column {
        name: "lot",
        meaning: "the broker's id of the lot, where stated",
        cell: |flow| optional(flow.lot.as_ref()),
    },
    Column {
        name: "group",
        meaning: "rows of one event share this",
        cell: |flow| flow.group.as_deref().map_or(Cell::Empty, Cell::Text),
    },
    Column {
        name: "description",
        meaning: "the broker's words",
        cell: |flow| flow.description.as_deref().map_or(Cell::Empty, Cell::Text),
    },
    Column {
        name: "version",
        meaning: "the venue's version of the row",
        cell: |flow| Cell::Count(flow.version),
    },
    Column {
        name: "canceled",
        meaning: "true where the broker took it back",
        cell: |flow| truth(flow.canceled),
    },
];

pub(super) fn amount(money: Option<&Money>) -> Cell<'static> {
    money.map_or(Cell::Empty, |money| Cell::Number(money.amount))
}

pub(super) fn currency(money: Option<&Money>) -> Cell<'_> {
    money.map_or(Cell::Empty, |money| Cell::Text(money.currency.code()))
}

/// All but the first.
pub(super) fn others(money: &[Money]) -> Cell<'static> {
    match money {
        [] | [_] => Cell::Empty,
        [_, others @ ..] => Cell::Joined(others.iter().map(Money::to_string).collect::<Vec<_>>().join("; ")),
    }
}

pub(super) fn leg(leg: PositionLeg) -> Cell<'static> {
    Cell::Word(match leg {
        PositionLeg::Net => "net",
        PositionLeg::Long => "long",
        PositionLeg::Short => "short",
    })
}

fn optional<'a, T: AsRef<str>>(id: Option<&'a T>) -> Cell<'a> {
    id.map_or(Cell::Empty, |id| Cell::Text(id.as_ref()))
}

fn asset(asset: &Asset) -> Cell<'_> {
    Cell::Text(match asset {
        Asset::Currency(currency) => currency.code(),
        Asset::Instrument { symbol, .. } => symbol.get(),
    })
}

fn asset_instrument(asset: &Asset) -> Cell<'_> {
    match asset {
        Asset::Currency(_) => Cell::Empty,
        Asset::Instrument { id, .. } => Cell::Text(id.get()),
    }
}

fn liquidity(liquidity: Option<Liquidity>) -> Cell<'static> {
    match liquidity {
        None => Cell::Empty,
        Some(Liquidity::Maker) => Cell::Word("maker"),
        Some(Liquidity::Taker) => Cell::Word("taker"),
    }
}

fn effect(effect: Option<PositionEffect>) -> Cell<'static> {
    match effect {
        None => Cell::Empty,
        Some(PositionEffect::Open) => Cell::Word("open"),
        Some(PositionEffect::Close) => Cell::Word("close"),
    }
}

fn grade(grade: Grade) -> Cell<'static> {
    Cell::Word(match grade {
        Grade::Provisional => "provisional",
        Grade::Reported => "reported",
        Grade::Booked => "booked",
    })
}

fn truth(is_so: bool) -> Cell<'static> {
    Cell::Word(if is_so { "true" } else { "false" })
}
