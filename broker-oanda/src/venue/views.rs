//! Orders, trades and positions as their own endpoints show them.

use broker_core::model::LotRole;
use rust_decimal::Decimal;

use super::json::{Object, fixed, texts};
use super::ledger::{Card, TradeCard, Tx, What};
use super::render::Page;

impl Page<'_> {
    /// An order as its own endpoint shows it: no filled quantity, no reason.
    pub(super) fn order(&self, id: u64, card: &Card) -> String {
        let places = self.places(&card.terms.instrument);
        let head = Object::new()
            .id("id", id)
            .stamp("createTime", card.at)
            .text("type", &card.terms.kind);
        let mut out = card.terms.write(head, places).text("state", card.state());
        if card.terms.kind == "TRAILING_STOP_LOSS" {
            let stop = card
                .engine
                .as_ref()
                .and_then(|id| self.engine.order(&self.ledger.account, id).ok());
            let stop = stop.and_then(|order| order.order().stop_price);
            out = out.maybe("trailingStopValue", stop.map(|price| fixed(price.get(), places)));
        }
        if let Some(tx) = card.filled.and_then(|id| self.ledger.get(id)) {
            let fill = card.filled.unwrap_or_default();
            out = out.id("fillingTransactionID", fill).stamp("filledTime", tx.at);
            out = self.trades_of(out, fill, tx);
        }
        if let Some(tx) = card.ended.and_then(|id| self.ledger.get(id)) {
            out = out
                .id("cancellingTransactionID", card.ended.unwrap_or_default())
                .stamp("cancelledTime", tx.at);
        }
        out.maybe("replacedByOrderID", card.replaced_by.map(|id| id.to_string()))
            .end()
    }

    fn trades_of(&self, mut out: Object, fill: u64, tx: &Tx) -> Object {
        let What::Filled { entry, .. } = tx.what else {
            return out;
        };
        let Some(lots) = self.fill(entry).map(|fill| &fill.lots) else {
            return out;
        };
        let mut closed = Vec::new();
        for lot in lots {
            let trade = self.ledger.trade_of(&lot.lot).unwrap_or_default();
            let card = self.ledger.trades.get(&trade);
            let whole = card.is_some_and(|trade| trade.closed_at.is_some() && trade.closings.last() == Some(&fill));
            match (lot.role, whole) {
                (LotRole::Opened, _) => out = out.id("tradeOpenedID", trade),
                (LotRole::Closed, true) => closed.push(trade),
                (LotRole::Closed, false) => out = out.id("tradeReducedID", trade),
            }
        }
        match closed.is_empty() {
            true => out,
            false => out.raw("tradeClosedIDs", &texts(closed)),
        }
    }

    /// Open profit or loss of so many units, in the account's currency.
    pub(super) fn unrealized(&self, trade: &TradeCard) -> Decimal {
        let Some(instrument) = self.instrument(&trade.instrument) else {
            return Decimal::ZERO;
        };
        let mark = self
            .engine
            .mark(&instrument.id)
            .map_or(trade.price, broker_core::Price::get);
        let quoted = (mark - trade.price) * trade.current;
        let rate = self
            .engine
            .conversion(&self.ledger.account, &instrument.id)
            .map_or(
                Decimal::ONE,
                |both| {
                    if quoted > Decimal::ZERO { both.gain } else { both.loss }
                },
            );
        (quoted * rate).round_dp(4)
    }

    pub(super) fn margin(&self, trade: &TradeCard) -> Decimal {
        let Some(instrument) = self.instrument(&trade.instrument) else {
            return Decimal::ZERO;
        };
        let rate = instrument
            .margin
            .as_ref()
            .and_then(|margin| margin.long_rate)
            .unwrap_or_default();
        let mark = self
            .engine
            .mark(&instrument.id)
            .map_or(trade.price, broker_core::Price::get);
        let home = self.engine.conversion(&self.ledger.account, &instrument.id);
        let home = home.map_or(Decimal::ONE, |both| both.loss);
        (trade.current.abs() * mark * rate * home).round_dp(4)
    }

    pub(super) fn trade(&self, id: u64, trade: &TradeCard) -> String {
        let places = self.places(&trade.instrument);
        let mut out = Object::new()
            .id("id", id)
            .text("instrument", &trade.instrument)
            .text("price", fixed(trade.price, places))
            .stamp("openTime", trade.at)
            .text("state", if trade.closed_at.is_some() { "CLOSED" } else { "OPEN" })
            .units("initialUnits", trade.initial)
            .units("currentUnits", trade.current)
            .money("realizedPL", trade.realized)
            .money("financing", trade.financing);
        if trade.closed_at.is_none() {
            out = out
                .money("unrealizedPL", self.unrealized(trade))
                .money("marginUsed", self.margin(trade));
        }
        let gone = trade.initial.abs() - trade.current.abs();
        if let Some(average) = trade.closed_value.checked_div(gone) {
            out = out.text("averageClosePrice", fixed(average, places));
        }
        if !trade.closings.is_empty() {
            out = out.raw("closingTransactionIDs", &texts(&trade.closings));
        }
        if let Some(at) = trade.closed_at {
            return out.stamp("closeTime", at).end();
        }
        for order in self.ledger.pending(self.ledger.last()) {
            let Some(card) = self
                .ledger
                .cards
                .get(&order)
                .filter(|card| card.terms.trade == Some(id))
            else {
                continue;
            };
            let key = match card.terms.kind.as_str() {
                "TAKE_PROFIT" => "takeProfitOrder",
                "STOP_LOSS" => "stopLossOrder",
                "GUARANTEED_STOP_LOSS" => "guaranteedStopLossOrder",
                "TRAILING_STOP_LOSS" => "trailingStopLossOrder",
                _ => continue,
            };
            out = out.raw(key, &self.order(order, card));
        }
        out.end()
    }

    /// A position; `None` for an instrument that was never traded.
    pub(super) fn position(&self, name: &str) -> Option<String> {
        let mut sums = [Decimal::ZERO; 5];
        let mut sides = Vec::new();
        let mut known = false;
        for long in [true, false] {
            let trades: Vec<_> = self
                .ledger
                .trades
                .iter()
                .filter(|(_, trade)| trade.instrument == name && (trade.initial > Decimal::ZERO) == long)
                .collect();
            known |= !trades.is_empty();
            let open: Vec<_> = trades.iter().filter(|(_, trade)| trade.closed_at.is_none()).collect();
            let units: Decimal = open.iter().map(|(_, trade)| trade.current).sum();
            let value: Decimal = open.iter().map(|(_, trade)| trade.current * trade.price).sum();
            let unrealized: Decimal = open.iter().map(|(_, trade)| self.unrealized(trade)).sum();
            let margin: Decimal = open.iter().map(|(_, trade)| self.margin(trade)).sum();
            let own = self
                .ledger
                .sums
                .get(&(name.to_owned(), long))
                .copied()
                .unwrap_or_default();
            for (sum, part) in sums
                .iter_mut()
                .zip([own.pl, own.financing, own.guaranteed, unrealized, margin])
            {
                *sum += part;
            }
            let mut side = Object::new().units("units", units);
            if let Some(average) = value.checked_div(units) {
                side = side.text("averagePrice", fixed(average, self.places(name)));
                side = side.raw("tradeIDs", &texts(open.iter().map(|(id, _)| id)));
            }
            let side = side
                .money("pl", own.pl)
                .money("resettablePL", own.pl)
                .money("financing", own.financing)
                .money("guaranteedExecutionFees", own.guaranteed)
                .money("unrealizedPL", unrealized);
            sides.push(side.end());
        }
        let [pl, financing, guaranteed, unrealized, margin] = sums;
        let [long, short] = sides.as_slice() else { return None };
        known.then(|| {
            Object::new()
                .text("instrument", name)
                .raw("long", long)
                .raw("short", short)
                .money("pl", pl)
                .money("resettablePL", pl)
                .money("financing", financing)
                .money("commission", Decimal::ZERO)
                .money("guaranteedExecutionFees", guaranteed)
                .money("unrealizedPL", unrealized)
                .money("marginUsed", margin)
                .end()
        })
    }
}
