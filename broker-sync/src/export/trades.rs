//! What the columns of trades hold.

use broker_core::FillId;
use broker_core::model::{Basis, Trade, TradeExit};

use super::csv::{Cell, Column};
use super::values::{amount, currency, leg, others};

pub(super) const TRADES: &[Column<Trade>] = &[
    Column {
        name: "symbol",
        meaning: "what people call the instrument",
        cell: |trade| Cell::Text(trade.symbol.get()),
    },
    Column {
        name: "instrument",
        meaning: "the broker's key of the instrument",
        cell: |trade| Cell::Text(trade.instrument.get()),
    },
    Column {
        name: "leg",
        meaning: "net, or the leg of a hedging account: long or short",
        cell: |trade| leg(trade.leg),
    },
    Column {
        name: "side",
        meaning: "buy for a long trade, sell for a short one",
        cell: |trade| Cell::Joined(trade.side.to_string()),
    },
    Column {
        name: "opened_at",
        meaning: "when the first fill opened it; RFC 3339, UTC",
        cell: |trade| Cell::At(trade.opened_at),
    },
    Column {
        name: "closed_at",
        meaning: "when it came back to flat; empty while it is open",
        cell: |trade| trade.closed_at.map_or(Cell::Empty, Cell::At),
    },
    Column {
        name: "exit",
        meaning: "how it ended: filled, expired or moved; empty while it is open",
        cell: |trade| exit(trade.exit),
    },
    Column {
        name: "qty",
        meaning: "all that was entered",
        cell: |trade| Cell::Number(trade.qty.get()),
    },
    Column {
        name: "exit_qty",
        meaning: "all that was exited",
        cell: |trade| Cell::Number(trade.exit_qty.get()),
    },
    Column {
        name: "peak_qty",
        meaning: "largest size held at once",
        cell: |trade| Cell::Number(trade.peak_qty.get()),
    },
    Column {
        name: "entry_price",
        meaning: "average price of the entries; empty where unknown",
        cell: |trade| trade.entry_price.map_or(Cell::Empty, |price| Cell::Number(price.get())),
    },
    Column {
        name: "exit_price",
        meaning: "average price of the exits",
        cell: |trade| trade.exit_price.map_or(Cell::Empty, |price| Cell::Number(price.get())),
    },
    Column {
        name: "gross_pnl",
        meaning: "realized before fees; empty where the basis is unknown",
        cell: |trade| amount(trade.gross_pnl.as_ref()),
    },
    Column {
        name: "net_pnl",
        meaning: "gross less fees plus financing; empty where that needs a rate",
        cell: |trade| amount(trade.net_pnl().as_ref()),
    },
    Column {
        name: "pnl_currency",
        meaning: "currency of gross and net",
        cell: |trade| currency(trade.gross_pnl.as_ref()),
    },
    Column {
        name: "fee",
        meaning: "fees in their first currency; positive is a cost",
        cell: |trade| amount(trade.fees.first()),
    },
    Column {
        name: "fee_currency",
        meaning: "that currency",
        cell: |trade| currency(trade.fees.first()),
    },
    Column {
        name: "other_fees",
        meaning: "fees in further currencies, apart by semicolons",
        cell: |trade| others(&trade.fees),
    },
    Column {
        name: "financing",
        meaning: "financing in its first currency; negative is paid",
        cell: |trade| amount(trade.financing.first()),
    },
    Column {
        name: "financing_currency",
        meaning: "that currency",
        cell: |trade| currency(trade.financing.first()),
    },
    Column {
        name: "other_financing",
        meaning: "financing in further currencies, apart by semicolons",
        cell: |trade| others(&trade.financing),
    },
    Column {
        name: "broker_pnl",
        meaning: "what the broker states",
        cell: |trade| amount(trade.broker_pnl.as_ref()),
    },
    Column {
        name: "broker_pnl_currency",
        meaning: "currency of what the broker states",
        cell: |trade| currency(trade.broker_pnl.as_ref()),
    },
    Column {
        name: "pips",
        meaning: "price moved in our favour, where the instrument has pips",
        cell: |trade| trade.pips.map_or(Cell::Empty, Cell::Number),
    },
    Column {
        name: "basis",
        meaning: "known, or unknown where it began before the history",
        cell: |trade| basis(trade.basis),
    },
    Column {
        name: "fills",
        meaning: "ids of its fills in order, apart by semicolons",
        cell: |trade| fills(&trade.fills),
    },
];

fn exit(exit: Option<TradeExit>) -> Cell<'static> {
    match exit {
        None => Cell::Empty,
        Some(TradeExit::Filled) => Cell::Word("filled"),
        Some(TradeExit::Expired) => Cell::Word("expired"),
        Some(TradeExit::Moved) => Cell::Word("moved"),
    }
}

fn basis(basis: Basis) -> Cell<'static> {
    Cell::Word(match basis {
        Basis::Known => "known",
        Basis::Unknown => "unknown",
    })
}

fn fills(fills: &[FillId]) -> Cell<'static> {
    Cell::Joined(fills.iter().map(FillId::get).collect::<Vec<_>>().join("; "))
}
