//! Every call of the broker traits, and what is built on them, made once each.

use std::fmt::Debug;
use std::sync::Arc;

use broker_core::journal::Replacement;
use broker_core::model::{CandleQuery, InstrumentQuery, InstrumentRef, OrderChange, Window};
use broker_core::{
    AccountId, Broker, BrokerExt, ClientOrderId, Error, Gate, HistoryQuery, Instrument, InstrumentId, Intent,
    OrderQuery, OrderRef, OrderRequest, Placement, Result, Settled, Ticket,
};
use chrono::Duration;

use super::Looking;

/// What the calls are about.
#[derive(Debug, Clone)]
pub struct CallSetup {
    /// The account.
    pub account: AccountId,
    /// An order that rests.
    pub request: OrderRequest,
    /// A change that it takes.
    pub change: OrderChange,
    /// Instruments with quotes; the first is the one that is traded.
    pub instruments: Vec<InstrumentId>,
    /// Candles that there are.
    pub candles: Option<CandleQuery>,
}

/// Calls a broker and looks at what it gives.
#[derive(Debug)]
pub struct Caller<'a> {
    broker: &'a dyn Broker,
    setup: &'a CallSetup,
    instrument: Arc<Instrument>,
    standing: Vec<OrderRef>,
    count: u32,
}

/// Calls that work on an order of their own: each needs one that stands.
const ON_AN_ORDER: usize = 5;

/// The names of the writing calls, and of those that ask what became of them.
pub const WRITES: [&str; 14] = [
    "mark",
    "place",
    "trace",
    "replace",
    "cancel",
    "place_once",
    "replace_once",
    "cancel_once",
    "close",
    "settle",
    "resend",
    "abandon",
    "recover",
    "cancel_all",
];

impl<'a> Caller<'a> {
    /// Looks up the instrument. Nothing should go wrong meanwhile.
    ///
    /// # Errors
    /// When the broker does not know the instrument.
    pub async fn new(broker: &'a dyn Broker, setup: &'a CallSetup) -> Result<Self> {
        let query = match &setup.request.instrument {
            InstrumentRef::Id(id) => InstrumentQuery::Ids(vec![id.clone()]),
            InstrumentRef::Symbol(symbol) => InstrumentQuery::Symbols(vec![symbol.clone()]),
        };
        let found = broker.instruments(&query).await?.pop();
        Ok(Self {
            broker,
            setup,
            instrument: Arc::new(found.ok_or_else(|| Error::invalid("no such instrument"))?),
            standing: Vec::new(),
            count: 0,
        })
    }

    /// Begins a round: cancels what is open, and places the orders that calls work on. Nothing should go wrong meanwhile.
    ///
    /// # Errors
    /// When the venue refuses.
    pub async fn stand(&mut self) -> Result<()> {
        let Some(trading) = self.broker.trading() else {
            return Ok(());
        };
        trading.cancel_all(&self.setup.account).await?;
        self.standing.clear();
        for _ in 0..ON_AN_ORDER {
            let order = trading.place(&self.intent("standing"), &Gate::new()).await?;
            self.standing.push(order.reference());
        }
        Ok(())
    }

    /// An intent of the setup's request under an id that nobody used.
    pub fn intent(&mut self, what: &str) -> Intent {
        self.count += 1;
        let now = self.broker.context().clock().now();
        let id = format!("{what}-{}-{}", self.count, now.timestamp_millis());
        Intent {
            id: ClientOrderId::from(self.fitting(id)),
            broker: self.broker.id(),
            environment: self.broker.environment(),
            account: self.setup.account.clone(),
            request: self.setup.request.clone().with_instrument(self.instrument.id.clone()),
            instrument: Arc::clone(&self.instrument),
            replaces: None,
            created_at: now,
            mark: None,
        }
    }

    /// As the broker takes ids: the end of a text is what differs.
    fn fitting(&self, id: String) -> String {
        let Some(rule) = self.broker.capabilities().orders.client_id else {
            return id;
        };
        let kept: String = id
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || rule.extra.contains(*c))
            .collect();
        let from = kept.len().saturating_sub(rule.longest);
        kept.get(from..).unwrap_or_default().to_owned()
    }

    /// Every call that reads.
    pub async fn reads(&mut self, looking: &mut Looking) {
        let (broker, setup) = (self.broker, self.setup);
        let account = &setup.account;
        let now = broker.context().clock().now();
        let mut look = Look::of(looking);
        look.at("probe", &broker.probe().await);
        look.at("accounts", &broker.accounts().await);
        look.at("balances", &broker.balances(account).await);
        look.at("positions", &broker.positions(account).await);
        let symbols = InstrumentQuery::Symbols(vec![self.instrument.symbol.clone(), "NOSUCHTHING".into()]);
        look.at("instruments", &broker.instruments(&symbols).await);
        look.at("all instruments", &broker.instruments(&InstrumentQuery::All).await);
        let about = |reference: OrderRef| reference.with_instrument(self.instrument.id.clone());
        let stranger = about(OrderRef::by_id(account, "1000001".into()));
        look.at("order", &broker.order(&stranger).await);
        let stranger = about(OrderRef::by_client_id(account, "ours".into()));
        look.at("order by our id", &broker.order(&stranger).await);
        let mut orders = OrderQuery::placed(account, Window::LastDays(5));
        let mut history = HistoryQuery::last_days(account, 5).with_raw();
        let mut anothers = HistoryQuery::last_days(&"1234567890".into(), 5);
        if broker.capabilities().history.by_instrument {
            for instrument in [
                &mut orders.instrument,
                &mut history.instrument,
                &mut anothers.instrument,
            ] {
                *instrument = Some(self.instrument.id.clone());
            }
        }
        look.at("orders", &broker.orders(&orders, None).await);
        look.at("history", &broker.history(&history, None).await);
        look.at("another's history", &broker.history(&anothers, None).await);
        if let Some(market) = broker.market_data() {
            look.at("quotes", &market.quotes(&setup.instruments).await);
            if let Some(candles) = &setup.candles {
                look.at("candles", &market.candles(candles, None).await);
            }
            let hours = market.hours(&self.instrument.id, now, now + Duration::days(5)).await;
            look.at("hours", &hours);
        }
    }

    /// Every call that writes, or asks what became of it; after [`stand`](Self::stand).
    pub async fn writes(&mut self, looking: &mut Looking) {
        let Some(trading) = self.broker.trading() else { return };
        let (broker, setup) = (self.broker, self.setup);
        let account = &setup.account;
        let (placed, traced, changing) = (self.intent("placed"), self.intent("traced"), self.intent("changed"));
        let Ok([to_replace, to_cancel, to_replace_once, to_cancel_once, _]) =
            <[OrderRef; ON_AN_ORDER]>::try_from(self.standing.clone())
        else {
            return;
        };
        let mut look = Look::of(looking);
        look.at("mark", &trading.mark(account).await);
        look.at("place", &trading.place(&placed, &Gate::new()).await);
        look.at("trace", &trading.trace(&traced).await);
        let replacement = Intent {
            replaces: Some(Replacement {
                order: to_replace.clone(),
                change: setup.change.clone(),
            }),
            ..changing
        };
        let replaced = trading
            .replace(&to_replace, &setup.change, &replacement, &Gate::new())
            .await;
        look.at("replace", &replaced);
        look.at("cancel", &trading.cancel(&to_cancel).await);
        look.at("place_once", &broker.place_once(account, setup.request.clone()).await);
        let changed = broker.replace_once(&to_replace_once, setup.change.clone()).await;
        look.at("replace_once", &changed);
        look.at("cancel_once", &broker.cancel_once(&to_cancel_once).await);
        let closed = broker.close(account, &self.instrument.id.clone().into()).await;
        look.at("close", &closed);
        look.at("settle", &settle(broker, setup).await);
        look.at("resend", &resend(broker, setup).await);
        look.at("abandon", &abandon(broker, setup).await);
        look.at("recover", &broker.recover().await);
        look.at("cancel_all", &trading.cancel_all(account).await);
    }
}

/// Looks at results; hits say what was done, and by which call.
struct Look<'a> {
    looking: &'a mut Looking,
    what: String,
}

impl<'a> Look<'a> {
    fn of(looking: &'a mut Looking) -> Self {
        Self {
            what: looking.what.clone(),
            looking,
        }
    }

    fn at<T: Debug>(&mut self, call: &str, result: &Result<T>) {
        self.looking.what = format!("{}, {call}", self.what);
        self.looking.result(call, result);
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.looking.what = std::mem::take(&mut self.what);
    }
}

/// An order, and its ticket where it is in doubt.
async fn doubted(broker: &dyn Broker, setup: &CallSetup) -> Result<(Placement, Option<Ticket>)> {
    let placement = broker.place_once(&setup.account, setup.request.clone()).await?;
    let ticket = match &placement {
        Placement::InDoubt(ticket) => Some(ticket.clone()),
        Placement::Accepted(_) | Placement::Rejected(_) => None,
    };
    Ok((placement, ticket))
}

async fn settle(broker: &dyn Broker, setup: &CallSetup) -> Result<(Placement, Option<Settled>)> {
    let (placement, ticket) = doubted(broker, setup).await?;
    Ok(match ticket {
        Some(ticket) => (placement, Some(broker.settle(ticket).await?)),
        None => (placement, None),
    })
}

async fn resend(broker: &dyn Broker, setup: &CallSetup) -> Result<(Placement, Option<Placement>)> {
    let (placement, ticket) = doubted(broker, setup).await?;
    Ok(match ticket {
        Some(ticket) => (placement, Some(broker.resend(ticket).await?)),
        None => (placement, None),
    })
}

async fn abandon(broker: &dyn Broker, setup: &CallSetup) -> Result<(Placement, Option<Ticket>)> {
    let (placement, ticket) = doubted(broker, setup).await?;
    if let Some(ticket) = &ticket {
        broker.abandon(ticket.clone()).await?;
    }
    Ok((placement, ticket))
}
