//! A venue with quotes set by hand.
#![allow(dead_code, reason = "each test uses a part")]

use broker_core::model::PositionLeg;
use broker_core::num::decimal;
use broker_core::{
    AccountId, ClientOrderId, Currency, FillId, InstrumentId, Money, Order, OrderId, OrderRequest, Price, Qty, Record,
};
use broker_sim::{AccountSpec, Catalogue, Engine, SimReject};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// Wednesday 18 November 2026, 10:00 in New York.
pub(crate) const OPEN: &str = "2026-11-18T15:00:00Z";

pub(crate) fn d(text: &str) -> Decimal {
    decimal(text).unwrap()
}

pub(crate) fn q(text: &str) -> Qty {
    text.parse().unwrap()
}

pub(crate) fn p(text: &str) -> Price {
    text.parse().unwrap()
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) struct Venue {
    pub(crate) engine: Engine,
    pub(crate) account: AccountId,
    pub(crate) now: DateTime<Utc>,
}

impl Venue {
    /// A venue at `OPEN` with this account and 100,000 dollars.
    pub(crate) fn new(spec: AccountSpec) -> Self {
        Self::rich(spec, "100000")
    }

    pub(crate) fn rich(spec: AccountSpec, cash: &str) -> Self {
        let now = at(OPEN);
        let account = spec.id.clone();
        let mut engine = Engine::new(7, &Catalogue::standard(), now);
        engine.open_account(spec, now).unwrap();
        engine
            .deposit(&account, Money::new(d(cash), Currency::USD), now)
            .unwrap();
        Self { engine, account, now }
    }

    pub(crate) fn margin() -> Self {
        Self::new(AccountSpec::margin("A1", Currency::USD))
    }

    pub(crate) fn cash() -> Self {
        Self::new(AccountSpec::cash("A1", Currency::USD))
    }

    pub(crate) fn go(&mut self, to: &str) {
        self.now = at(to);
        self.engine.run(self.now);
    }

    pub(crate) fn quote(&mut self, symbol: &str, bid: &str, ask: &str, size: &str) {
        self.engine
            .set_quote(
                &InstrumentId::from(symbol),
                Some(p(bid)),
                Some(p(ask)),
                (q(size), q(size)),
                self.now,
            )
            .unwrap();
    }

    pub(crate) fn place(&mut self, request: OrderRequest) -> Order {
        self.try_place(request).unwrap()
    }

    pub(crate) fn try_place(&mut self, request: OrderRequest) -> Result<Order, SimReject> {
        self.engine.place(&self.account, &request, None, self.now)
    }

    pub(crate) fn place_as(&mut self, request: OrderRequest, id: &str) -> Result<Order, SimReject> {
        self.engine
            .place(&self.account, &request, Some(ClientOrderId::from(id)), self.now)
    }

    pub(crate) fn order(&self, id: &OrderId) -> Order {
        self.engine.order(&self.account, id).unwrap().order().clone()
    }

    /// State and filled quantity of an order.
    pub(crate) fn state(&self, order: &Order) -> (String, String) {
        let order = self.order(&order.id);
        (order.status.to_string(), order.filled_qty.get().normalize().to_string())
    }

    pub(crate) fn cash_of(&self, currency: &str) -> Decimal {
        self.engine
            .account(&self.account)
            .unwrap()
            .cash_of(currency.parse().unwrap())
    }

    pub(crate) fn qty(&self, symbol: &str) -> Decimal {
        self.leg(symbol, PositionLeg::Net)
    }

    pub(crate) fn leg(&self, symbol: &str, leg: PositionLeg) -> Decimal {
        self.engine
            .position_qty(&self.account, &InstrumentId::from(symbol), leg)
    }

    /// Quantity, price and liquidity of every fill row.
    pub(crate) fn fills(&self) -> Vec<(String, String, String)> {
        self.records()
            .into_iter()
            .filter_map(|record| match record {
                Record::Fill(fill) => Some((
                    fill.qty.get().normalize().to_string(),
                    fill.price.get().normalize().to_string(),
                    format!("{:?}", fill.liquidity.unwrap()),
                )),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn fill_ids(&self) -> Vec<FillId> {
        self.records()
            .into_iter()
            .filter_map(|record| match record {
                Record::Fill(fill) => Some(fill.id),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.engine
            .log(&self.account)
            .unwrap()
            .iter()
            .map(|entry| entry.record.clone())
            .collect()
    }

    /// The books agree with themselves and with the venue's cash and positions.
    pub(crate) fn assert_books(&self) {
        assert_books(&self.engine, &self.account);
    }
}

pub(crate) fn assert_books(engine: &Engine, account: &AccountId) {
    let books = engine.books(account).unwrap();
    assert_eq!(books.check(), Ok(()));
    let state = engine.account(account).unwrap();
    for money in state.cash() {
        assert_eq!(
            books.cash.get(&money.currency).copied().unwrap_or_default(),
            money.amount,
            "{}",
            money.currency
        );
    }
    for ((id, leg), book) in &books.instruments {
        assert_eq!(book.qty, engine.position_qty(account, id, *leg), "{id}");
        let lots: Decimal = engine.lots(account, id, *leg).iter().map(|lot| lot.qty).sum();
        assert_eq!(book.qty.abs(), lots, "{id}");
    }
    let equity = engine.equity(account).unwrap().map(|money| money.amount);
    assert_eq!(books.equity, equity);
}
