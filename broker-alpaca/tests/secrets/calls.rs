//! Every call of the broker, one line each.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;

use broker_alpaca::{AlpacaBroker, PortfolioQuery, PortfolioStep};
use broker_core::journal::Replacement;
use broker_core::model::{
    AssetClass, CandleQuery, Environment, InstrumentQuery, InstrumentStatus, Interval, OrderChange, Payoff, Window,
};
use broker_core::{
    AccountId, Broker, BrokerExt, ClientOrderId, Currency, Gate, HistoryQuery, Instrument, Intent, MarketData, Order,
    OrderQuery, OrderRef, OrderRequest, Placement, Result, Settled, Side, Symbol, Ticket, Trading,
};
use rust_decimal::Decimal;

use super::{Looking, now};

type Ask = for<'a> fn(&'a AlpacaBroker, &'a AccountId, &'a mut Looking) -> Asked<'a>;
type Asked<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What a call is called, and how it is made.
pub(crate) type Call = (&'static str, Ask);

/// One line a call: what it is called, and how it is made.
macro_rules! calls {
    ($($name:literal => |$broker:ident, $account:ident| $call:expr,)*) => {
        &[$(($name, |$broker, $account, looking| Box::pin(async move {
            let result = $call;
            looking.result($name, &result);
        }))),*]
    };
}

/// Every call that reads.
pub(crate) const READS: &[Call] = calls! {
    "probe" => |broker, _account| broker.probe().await,
    "accounts" => |broker, _account| broker.accounts().await,
    "balances" => |broker, account| broker.balances(account).await,
    "positions" => |broker, account| broker.positions(account).await,
    "instruments" => |broker, _account| broker.instruments(&InstrumentQuery::Symbols(vec!["AAPL".into(), "AAPL260116C00150000".into()])).await,
    "all instruments" => |broker, _account| broker.instruments(&InstrumentQuery::All).await,
    "option contracts" => |broker, _account| broker.option_contracts(&"AAPL".into(), now().date_naive(), now().date_naive(), None).await,
    "order" => |broker, account| broker.order(&OrderRef::by_id(account, "no-such-order".into())).await,
    "order by our id" => |broker, account| broker.order(&OrderRef::by_client_id(account, "ours".into())).await,
    "orders" => |broker, account| broker.orders(&OrderQuery::placed(account, Window::All), None).await,
    "history" => |broker, account| broker.history(&HistoryQuery::last_days(account, 5).with_raw(), None).await,
    "another's history" => |broker, _account| broker.history(&HistoryQuery::last_days(&"1234567890".into(), 5), None).await,
    "configurations" => |broker, _account| broker.configurations().await,
    "portfolio history" => |broker, _account| broker.portfolio_history(&PortfolioQuery::last_days(5, PortfolioStep::Day)).await,
    "snapshots" => |broker, _account| broker.stock_snapshots(&["AAPL".into()]).await,
    "quotes" => |broker, _account| broker.quotes(&["AAPL".into(), "BTC/USD".into()]).await,
    "candles" => |broker, _account| broker.candles(&CandleQuery::new("AAPL".into(), Interval::Day, now() - chrono::Duration::days(5), now()), None).await,
    "hours" => |broker, _account| broker.hours(&"AAPL".into(), now(), now() + chrono::Duration::days(5)).await,
};

/// Every call that writes, or asks what became of it. Each has an order of its own that stands, by [`stand`].
pub(crate) const WRITES: &[Call] = calls! {
    "mark" => |broker, account| trading(broker).mark(account).await,
    "place" => |broker, account| trading(broker).place(&intent(account, fresh("placed")), &Gate::new()).await,
    "trace" => |broker, account| trading(broker).trace(&intent(account, standing("cancel"))).await,
    "replace" => |broker, account| trading(broker).replace(&at_work(account, "replace"), &change(), &changing(account), &Gate::new()).await,
    "cancel" => |broker, account| trading(broker).cancel(&at_work(account, "cancel")).await,
    "place_once" => |broker, account| broker.place_once(account, request()).await,
    "replace_once" => |broker, account| broker.replace_once(&at_work(account, "replace_once"), change()).await,
    "cancel_once" => |broker, account| broker.cancel_once(&at_work(account, "cancel_once")).await,
    "close" => |broker, account| broker.close(account, &Symbol::from("AAPL").into()).await,
    "settle" => |broker, account| settle(broker, account).await,
    "resend" => |broker, account| resend(broker, account).await,
    "abandon" => |broker, account| abandon(broker, account).await,
    "recover" => |broker, _account| broker.recover().await,
    "cancel_all" => |broker, account| trading(broker).cancel_all(account).await,
};

thread_local! {
    static ROUND: Cell<u32> = const { Cell::new(0) };
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

fn trading(broker: &AlpacaBroker) -> &dyn Trading {
    broker.trading().unwrap()
}

fn fresh(what: &str) -> ClientOrderId {
    COUNT.set(COUNT.get() + 1);
    format!("{what}-{}", COUNT.get()).into()
}

/// Our id of the order that a call works on in this round.
fn standing(call: &str) -> ClientOrderId {
    format!("{call}.{}", ROUND.get()).into()
}

fn at_work(account: &AccountId, call: &str) -> OrderRef {
    OrderRef::by_client_id(account, standing(call))
}

/// Begins a round: cancels what is open, and places an order for each call that works on one.
pub(crate) async fn stand(broker: &AlpacaBroker, account: &AccountId) -> Vec<Order> {
    ROUND.set(ROUND.get() + 1);
    trading(broker).cancel_all(account).await.unwrap();
    let mut orders = Vec::new();
    for call in ["replace", "cancel", "replace_once", "cancel_once"] {
        let intent = intent(account, standing(call));
        orders.push(trading(broker).place(&intent, &Gate::new()).await.unwrap());
    }
    orders
}

/// Far below the market.
pub(crate) fn request() -> OrderRequest {
    OrderRequest::limit("AAPL".into(), Side::Buy, "1".parse().unwrap(), "50".parse().unwrap())
}

fn change() -> OrderChange {
    OrderChange::new().with_limit_price("51".parse().unwrap())
}

pub(crate) fn intent(account: &AccountId, id: ClientOrderId) -> Intent {
    let instrument = Instrument {
        id: "AAPL".into(),
        symbol: "AAPL".into(),
        name: None,
        asset_class: AssetClass::Stock,
        exchange: None,
        currency: Currency::USD,
        base: None,
        payoff: Payoff::Cash,
        multiplier: Some(Decimal::ONE),
        ticks: Vec::new(),
        lot: None,
        min_qty: None,
        max_qty: None,
        min_notional: None,
        pip_location: None,
        expires_at: None,
        option: None,
        margin: None,
        status: InstrumentStatus::Tradable,
        shortable: None,
    };
    Intent {
        id,
        broker: "alpaca".into(),
        environment: Environment::Paper,
        account: account.clone(),
        request: request().with_instrument("AAPL".into()),
        instrument: Arc::new(instrument),
        replaces: None,
        created_at: now(),
        mark: None,
    }
}

fn changing(account: &AccountId) -> Intent {
    Intent {
        replaces: Some(Replacement {
            order: at_work(account, "replace"),
            change: change(),
        }),
        ..intent(account, fresh("changed"))
    }
}

/// An order, and its ticket where it is in doubt.
async fn doubted(broker: &AlpacaBroker, account: &AccountId) -> Result<(Placement, Option<Ticket>)> {
    let placement = broker.place_once(account, request()).await?;
    let ticket = match &placement {
        Placement::InDoubt(ticket) => Some(ticket.clone()),
        Placement::Accepted(_) | Placement::Rejected(_) => None,
    };
    Ok((placement, ticket))
}

async fn settle(broker: &AlpacaBroker, account: &AccountId) -> Result<(Placement, Option<Settled>)> {
    let (placement, ticket) = doubted(broker, account).await?;
    Ok(match ticket {
        Some(ticket) => (placement, Some(broker.settle(ticket).await?)),
        None => (placement, None),
    })
}

async fn resend(broker: &AlpacaBroker, account: &AccountId) -> Result<(Placement, Option<Placement>)> {
    let (placement, ticket) = doubted(broker, account).await?;
    Ok(match ticket {
        Some(ticket) => (placement, Some(broker.resend(ticket).await?)),
        None => (placement, None),
    })
}

async fn abandon(broker: &AlpacaBroker, account: &AccountId) -> Result<(Placement, Option<Ticket>)> {
    let (placement, ticket) = doubted(broker, account).await?;
    if let Some(ticket) = &ticket {
        broker.abandon(ticket.clone()).await?;
    }
    Ok((placement, ticket))
}
