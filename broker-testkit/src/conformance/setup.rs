//! What a suite is told about the account that it reads and trades on.

use broker_core::model::CandleQuery;
use broker_core::{AccountId, InstrumentId, OrderRef, Price, Qty, Symbol};
use chrono::{DateTime, Utc};

/// What the suite is told about the account. The account should be quiet while it runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Setup {
    /// The account.
    pub account: AccountId,
    /// Inclusive start of a window that holds its records and orders.
    pub since: DateTime<Utc>,
    /// Exclusive end of it.
    pub until: DateTime<Utc>,
    /// An instrument that the broker has.
    pub instrument: Option<(InstrumentId, Symbol)>,
    /// An order that the account has, placed in the window; with our id if the broker carries it.
    pub order: Option<OrderRef>,
    /// Candles that the broker has.
    pub candles: Option<CandleQuery>,
    /// What may be traded.
    pub trade: Option<TradeSetup>,
    /// The money is simulated although the broker's environment is live.
    pub simulated_money: bool,
}

impl Setup {
    /// An account, and a window that holds what happened to it.
    pub fn new(account: &AccountId, since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self {
            account: account.clone(),
            since,
            until,
            instrument: None,
            order: None,
            candles: None,
            trade: None,
            simulated_money: false,
        }
    }

    /// An instrument that the broker has.
    #[must_use]
    pub fn with_instrument(mut self, id: InstrumentId, symbol: Symbol) -> Self {
        self.instrument = Some((id, symbol));
        self
    }

    /// An order that the account has.
    #[must_use]
    pub fn with_order(mut self, order: OrderRef) -> Self {
        self.order = Some(order);
        self
    }

    /// Candles that the broker has.
    #[must_use]
    pub fn with_candles(mut self, candles: CandleQuery) -> Self {
        self.candles = Some(candles);
        self
    }

    /// What may be traded. Every open order of the account is canceled, and the position in the instrument closed.
    #[must_use]
    pub fn with_trade(mut self, trade: TradeSetup) -> Self {
        self.trade = Some(trade);
        self
    }

    /// What answers is a venue in this program, of a broker that has no paper account: the trading cases run although
    /// the environment says live. Never say so of an account with real money.
    #[must_use]
    pub fn with_simulated_money(mut self) -> Self {
        self.simulated_money = true;
        self
    }
}

/// What the trading cases may trade: something cheap in a market that is open while they run, and two prices so far
/// from the market on either side that it reaches neither.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TradeSetup {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Its symbol; the broker knows one instrument of this symbol.
    pub symbol: Symbol,
    /// A quantity of which the market takes several times as much at once.
    pub qty: Qty,
    /// Far below the market: a purchase limited here rests, a sale limited here trades at once.
    pub low: Price,
    /// Far above the market: a sale limited here rests, a purchase limited here trades at once.
    pub high: Price,
    /// A quantity with a fraction, where the broker takes such.
    pub fraction: Option<Qty>,
    /// Money to spend instead of a quantity, where the broker takes it.
    pub notional: Option<Qty>,
    /// More than the account can pay.
    pub too_much: Option<Qty>,
    /// More than the market takes at once, and less than the account can pay, limited at this price.
    pub partly: Option<(Qty, Price)>,
}

impl TradeSetup {
    /// This much of an instrument, between these prices.
    pub fn new(instrument: InstrumentId, symbol: Symbol, qty: Qty, low: Price, high: Price) -> Self {
        Self {
            instrument,
            symbol,
            qty,
            low,
            high,
            fraction: None,
            notional: None,
            too_much: None,
            partly: None,
        }
    }

    /// A quantity with a fraction.
    #[must_use]
    pub fn with_fraction(mut self, qty: Qty) -> Self {
        self.fraction = Some(qty);
        self
    }

    /// Money to spend.
    #[must_use]
    pub fn with_notional(mut self, amount: Qty) -> Self {
        self.notional = Some(amount);
        self
    }

    /// A quantity that the account cannot pay.
    #[must_use]
    pub fn with_too_much(mut self, qty: Qty) -> Self {
        self.too_much = Some(qty);
        self
    }

    /// A purchase of which only a part trades at once.
    #[must_use]
    pub fn with_partly(mut self, qty: Qty, limit: Price) -> Self {
        self.partly = Some((qty, limit));
        self
    }
}
