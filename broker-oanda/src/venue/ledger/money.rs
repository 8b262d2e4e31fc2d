//! Fills and flows of the engine, as transactions that move money.

use broker_core::model::{FlowKind, LotRole};
use broker_core::{Fill, Flow, Record};
use broker_sim::Engine;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{Ledger, TradeCard, What};

impl Ledger {
    pub(super) fn fill(&mut self, at: DateTime<Utc>, entry: usize, fill: &Fill) {
        let order = fill
            .order
            .as_ref()
            .and_then(|order| self.number_of(order))
            .unwrap_or_default();
        let batch = self.cards.get(&order).filter(|card| card.at == at).map(|_| order);
        let id = self.push(at, batch, What::Filled { entry, order });
        let (mut pl, mut financing) = (Decimal::ZERO, Decimal::ZERO);
        let name = fill.instrument.get().replace('/', "_");
        for lot in &fill.lots {
            match lot.role {
                LotRole::Opened => {
                    self.lots.insert(lot.lot.clone(), id);
                    let units = lot.qty.signed(fill.side);
                    self.trades.insert(
                        id,
                        TradeCard {
                            lot: lot.lot.clone(),
                            instrument: name.clone(),
                            price: lot.price.get(),
                            at,
                            initial: units,
                            current: units,
                            realized: Decimal::ZERO,
                            financing: Decimal::ZERO,
                            closings: Vec::new(),
                            closed_at: None,
                            closed_value: Decimal::ZERO,
                        },
                    );
                }
                LotRole::Closed => {
                    let part = lot.pnl.map_or(Decimal::ZERO, |money| money.amount);
                    let swap = lot.financing.map_or(Decimal::ZERO, |money| money.amount);
                    pl += part;
                    financing += swap;
                    let trade = self.lots.get(&lot.lot).and_then(|trade| self.trades.get_mut(trade));
                    if let Some(trade) = trade {
                        trade.realized += part;
                        trade.financing += swap;
                        trade.current += lot.qty.signed(fill.side);
                        trade.closed_value += lot.qty.get() * lot.price.get();
                        trade.closings.push(id);
                        trade.closed_at = trade.current.is_zero().then_some(at);
                    }
                    let long = fill.side == broker_core::Side::Sell;
                    let sums = self.sums.entry((name.clone(), long)).or_default();
                    sums.pl += part;
                    sums.financing += swap;
                }
            }
        }
        let fees: Decimal = fill.fees.iter().map(|fee| fee.amount).sum();
        self.commission += fees;
        let guaranteed = self.guaranteed_fee(order, fill);
        if !guaranteed.is_zero() {
            self.guaranteed.insert(id, guaranteed);
            let long = fill.side == broker_core::Side::Sell;
            self.sums.entry((name, long)).or_default().guaranteed += guaranteed;
        }
        self.move_money(id, pl + financing - fees - guaranteed);
        self.pending.remove(&order);
        if let Some(card) = self.cards.get_mut(&order) {
            card.filled = Some(id);
        }
    }

    pub(super) fn flow(&mut self, at: DateTime<Utc>, places: &[usize], engine: &Engine) {
        let log = engine.log(&self.account).unwrap_or_default();
        let flows: Vec<&Flow> = places
            .iter()
            .filter_map(|place| match &log.get(*place)?.record {
                Record::Flow(flow) => Some(flow),
                _ => None,
            })
            .collect();
        let total: Decimal = flows.iter().map(|flow| flow.amount).sum();
        let Some(first) = flows.first() else { return };
        let what = match first.kind {
            FlowKind::Financing => What::Financing(places.to_vec()),
            FlowKind::Dividend => What::Dividend(places.to_vec()),
            _ => What::Money(places.first().copied().unwrap_or_default()),
        };
        let id = self.push(at, None, what);
        self.move_money(id, total);
        for flow in flows.iter().filter(|flow| flow.kind == FlowKind::Financing) {
            let trade = flow.lot.as_ref().and_then(|lot| self.lots.get(lot));
            if let Some(trade) = trade.and_then(|trade| self.trades.get_mut(trade)) {
                trade.financing += flow.amount;
                let key = (trade.instrument.clone(), trade.initial > Decimal::ZERO);
                self.sums.entry(key).or_default().financing += flow.amount;
            }
        }
    }

    /// Only a stop that filled at the price that it guarantees costs anything.
    fn guaranteed_fee(&self, order: u64, fill: &Fill) -> Decimal {
        let kept = |card: &&super::Card| {
            card.terms.kind == "GUARANTEED_STOP_LOSS" && card.terms.price == Some(fill.price.get())
        };
        match self.cards.get(&order).filter(kept) {
            Some(_) => {
                let rate = fill.conversion.map_or(Decimal::ONE, |conversion| conversion.loss);
                (self.premium * fill.qty.get() * rate).round_dp(4)
            }
            None => Decimal::ZERO,
        }
    }

    fn move_money(&mut self, id: u64, amount: Decimal) {
        self.balance += amount;
        let place = usize::try_from(id - 1).ok();
        if let Some(tx) = place.and_then(|place| self.txs.get_mut(place)) {
            tx.balance = Some(self.balance);
        }
    }
}

/// Rows of one event are told in one transaction.
pub(super) fn same_event(record: Option<&Record>, first: &Flow) -> bool {
    match record {
        Some(Record::Flow(flow)) => flow.group.is_some() && flow.group == first.group && flow.kind == first.kind,
        _ => false,
    }
}
