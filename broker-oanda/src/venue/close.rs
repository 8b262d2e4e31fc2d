//! Closing trades and positions, and setting the exits of trades.

use broker_sim::wire::{WireAnswer, WireRequest};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::json::{Object, texts};
use super::params::Params;
use super::place::{Floor, body, text};
use super::refusal::{Refusal, Reply};
use super::terms::{ExitIn, Exits, Extensions, OrderIn, Terms};

impl Floor<'_> {
    /// `PUT .../trades/{specifier}/close`. The document wants a body, in which the units need not be.
    pub(super) fn close_trade(&mut self, request: &WireRequest, specifier: &str) -> Reply {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct CloseIn {
            units: Option<String>,
        }
        Params::of(request, &[])?;
        let wanted = body::<CloseIn>(request)?.units.unwrap_or_else(|| "ALL".to_owned());
        let id = specifier.parse::<u64>().unwrap_or_default();
        let trade = self
            .ledger
            .trades
            .get(&id)
            .filter(|trade| trade.closed_at.is_none())
            .cloned();
        let name = trade
            .as_ref()
            .map_or_else(String::new, |trade| trade.instrument.clone());
        let current = trade.as_ref().map_or(Decimal::ZERO, |trade| trade.current);
        let units = amount(&wanted, current.abs());
        let closes = Object::new().text("tradeID", specifier).text("units", &wanted).end();
        let direction = if current > Decimal::ZERO {
            -Decimal::ONE
        } else {
            Decimal::ONE
        };
        let terms = Terms {
            trade: Some(id),
            closes: Some(("tradeClose", closes)),
            reason: "TRADE_CLOSE",
            ..market(&name, direction * units.unwrap_or_default())
        };
        let first = self.ledger.last() + 1;
        match (trade, units) {
            (None, _) => Err(self.refuse(terms, "TRADE_DOESNT_EXIST", "orderRejectTransaction", 404)),
            (Some(_), None) => Err(self.refuse(
                terms,
                "CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE",
                "orderRejectTransaction",
                400,
            )),
            (Some(_), Some(_)) => {
                let made = self.submit(terms);
                Ok(self.done(200, first, &[("order", made)]))
            }
        }
    }

    /// `PUT .../positions/{instrument}/close`.
    pub(super) fn close_position(&mut self, request: &WireRequest, name: &str) -> Reply {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct CloseIn {
            long_units: Option<String>,
            short_units: Option<String>,
        }
        Params::of(request, &[])?;
        let wanted: CloseIn = body(request)?;
        let first = self.ledger.last() + 1;
        let mut made = Vec::new();
        for (long, key, units) in [
            (true, "long", &wanted.long_units),
            (false, "short", &wanted.short_units),
        ] {
            let Some(units) = units.as_ref().filter(|units| *units != "NONE") else {
                continue;
            };
            let open = self.ledger.trades.values();
            let open = open.filter(|trade| trade.instrument == name && trade.closed_at.is_none());
            let held: Decimal = open
                .map(|trade| trade.current)
                .filter(|units| (*units > Decimal::ZERO) == long)
                .sum();
            let size = amount(units, held.abs()).filter(|_| !held.is_zero());
            let direction = if long { -Decimal::ONE } else { Decimal::ONE };
            let closes = Object::new().text("instrument", name).text("units", units).end();
            let terms = Terms {
                position_fill: "REDUCE_ONLY".to_owned(),
                closes: Some((
                    if long {
                        "longPositionCloseout"
                    } else {
                        "shortPositionCloseout"
                    },
                    closes,
                )),
                reason: "POSITION_CLOSEOUT",
                ..market(name, direction * size.unwrap_or_default())
            };
            if size.is_none() {
                let reason = match held.is_zero() {
                    true => "CLOSEOUT_POSITION_DOESNT_EXIST",
                    false => "CLOSEOUT_POSITION_UNITS_EXCEED_POSITION_SIZE",
                };
                return Err(self.refuse(terms, reason, &format!("{key}OrderRejectTransaction"), 400));
            }
            made.push((key, self.submit(terms)));
        }
        let made: Vec<_> = made
            .iter()
            .map(|(key, id)| (if *key == "long" { "longOrder" } else { "shortOrder" }, *id))
            .collect();
        match made.is_empty() {
            true => Err(Refusal::invalid("longUnits")),
            false => Ok(self.done(200, first, &made)),
        }
    }

    /// `PUT .../trades/{specifier}/orders`: what is left out stays, what is null is canceled.
    pub(super) fn set_exits(&mut self, request: &WireRequest, specifier: &str) -> Reply {
        Params::of(request, &[])?;
        let text = text(request)?;
        let body: std::collections::BTreeMap<String, Option<ExitIn>> =
            serde_json::from_str(text).map_err(|_| Refusal::new(400, "Invalid JSON, ParseErrorCode: 3"))?;
        let keys = [
            ("takeProfit", "TAKE_PROFIT", "takeProfitOrder"),
            ("stopLoss", "STOP_LOSS", "stopLossOrder"),
            ("guaranteedStopLoss", "GUARANTEED_STOP_LOSS", "guaranteedStopLossOrder"),
            ("trailingStopLoss", "TRAILING_STOP_LOSS", "trailingStopLossOrder"),
        ];
        if let Some(unknown) = body.keys().find(|key| !keys.iter().any(|(known, _, _)| known == key)) {
            return Err(Refusal::invalid(unknown));
        }
        let id = specifier.parse::<u64>().unwrap_or_default();
        if self
            .ledger
            .trades
            .get(&id)
            .is_none_or(|trade| trade.closed_at.is_some())
        {
            let words = "The Trade specified does not exist";
            return Err(Refusal::with(404, Object::new(), Some("NO_SUCH_TRADE"), words));
        }
        let first = self.ledger.last() + 1;
        let mut out = Object::new();
        for (key, kind, prefix) in keys {
            let Some(asked) = body.get(key) else { continue };
            let old = self.ledger.pending(self.ledger.last()).into_iter().find(|number| {
                let card = self.ledger.cards.get(number);
                card.is_some_and(|card| card.terms.trade == Some(id) && card.terms.kind == kind)
            });
            let Some(asked) = asked else {
                if let Some(ended) = old.and_then(|old| self.cancel_card(old)) {
                    let row = self.page().transaction(ended).unwrap_or_default();
                    out = out.raw(&format!("{prefix}CancelTransaction"), &row);
                }
                continue;
            };
            let order = OrderIn {
                kind: Some(kind.to_owned()),
                trade_id: Some(specifier.to_owned()),
                price: asked.price,
                distance: asked.distance,
                time_in_force: asked.time_in_force.clone(),
                gtd_time: asked.gtd_time,
                client_extensions: asked.client_extensions.clone(),
                ..OrderIn::default()
            };
            let terms = self.terms(&order)?;
            if let Err(reason) = self.check(&terms, old) {
                return Err(self.refuse(terms, reason, &format!("{prefix}RejectTransaction"), 400));
            }
            let made = match old {
                Some(old) => {
                    let made = self.exchange(old, terms);
                    let ended = self.ledger.cards.get(&old).and_then(|card| card.ended);
                    let row = ended
                        .and_then(|ended| self.page().transaction(ended))
                        .unwrap_or_default();
                    out = out.raw(&format!("{prefix}CancelTransaction"), &row);
                    made
                }
                None => self.submit(terms),
            };
            let page = self.page();
            out = out.raw(
                &format!("{prefix}Transaction"),
                &page.transaction(made).unwrap_or_default(),
            );
            if let Some(card) = self.ledger.cards.get(&made) {
                let row = |id: Option<u64>| id.and_then(|id| page.transaction(id));
                out = out.maybe_raw(&format!("{prefix}FillTransaction"), row(card.filled));
                out = out.maybe_raw(&format!("{prefix}CreatedCancelTransaction"), row(card.ended));
            }
        }
        let last = self.ledger.last();
        let out = out
            .raw("relatedTransactionIDs", &texts(first..=last))
            .id("lastTransactionID", last);
        Ok(WireAnswer::json(200, out.end()))
    }

    fn cancel_card(&mut self, id: u64) -> Option<u64> {
        let account = self.account();
        let engine_id = self.ledger.cards.get(&id)?.engine.clone()?;
        self.engine.cancel(&account, &engine_id, self.now).ok()?;
        self.settle();
        self.ledger.cards.get(&id)?.ended
    }
}

/// A market order that closes something.
fn market(name: &str, units: Decimal) -> Terms {
    Terms {
        kind: "MARKET".to_owned(),
        instrument: name.to_owned(),
        units,
        price: None,
        bound: None,
        distance: None,
        tif: "FOK".to_owned(),
        gtd: None,
        position_fill: "DEFAULT".to_owned(),
        trigger: "DEFAULT".to_owned(),
        trade: None,
        client: None::<Extensions>,
        exits: Exits::default(),
        trade_client: None,
        reason: "CLIENT_ORDER",
        replaces: None,
        with_fill: None,
        closes: None,
    }
}

/// `ALL`, or a positive number that is not more than there is.
fn amount(text: &str, most: Decimal) -> Option<Decimal> {
    if text == "ALL" {
        return Some(most);
    }
    let number = broker_core::num::decimal(text).ok()?;
    (number > Decimal::ZERO && number <= most).then_some(number)
}
