//! One program over every broker, as `Vec<Arc<dyn Broker>>`: accounts, history with its certificate, round trips, an
//! order that is placed once, changed and canceled, and what the stream said of it.
//!
//! `cargo run --example one_code_many_brokers` needs no account and no network: each broker's wire venue runs on
//! loopback. Nothing below asks which broker it is.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use broker_core::model::{Event, OrderChange, Subscription};
use broker_core::{
    Broker, BrokerExt, HistoryQuery, Instrument, InstrumentQuery, OrderRequest, OrderStatus, Placement, Price, Qty,
    Side, TradeBook,
};
use comfy_table::{Table, presets};
use examples::brokers::{ALL, Failed, Local};
use futures_util::StreamExt;
use rust_decimal::Decimal;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failed> {
    let mut venues: Vec<Local> = Vec::new();
    for known in ALL {
        venues.push((known.lived)().await?);
    }
    let brokers: Vec<Arc<dyn Broker>> = venues.iter().map(|venue| Arc::clone(&venue.broker)).collect();

    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["broker", "history", "fills", "round trips", "realized PnL", "order"]);
    for broker in &brokers {
        table.add_row(row(&**broker).await?);
    }
    println!("{table}");
    println!("{} brokers, one program", brokers.len());
    for venue in venues {
        venue.stop().await;
    }
    Ok(())
}

/// The whole life of an account at a broker, whichever it is.
async fn row(broker: &dyn Broker) -> Result<Vec<String>, Box<dyn Error>> {
    let account = broker.accounts().await?.remove(0);
    let history = broker.all_fills(HistoryQuery::last_days(&account.id, 90)).await?;
    let books = TradeBook::fifo().fold(&history)?;
    let realized: Vec<_> = books
        .instruments
        .values()
        .filter_map(|book| book.realized)
        .fold(std::collections::BTreeMap::<_, Decimal>::new(), |mut sums, money| {
            *sums.entry(money.currency).or_default() += money.amount;
            sums
        })
        .into_iter()
        .map(|(currency, amount)| format!("{:.2} {currency}", amount.round_dp(2)))
        .collect();
    let complete = if history.completeness.is_complete() {
        "complete"
    } else {
        "INCOMPLETE"
    };
    let order = order(broker, &account.id, &history.instruments).await?;
    Ok(vec![
        broker.id().to_string(),
        complete.to_owned(),
        history.fills().count().to_string(),
        books.trades.iter().filter(|trade| !trade.is_open()).count().to_string(),
        realized.join(", "),
        order,
    ])
}

/// Places a limit order far from the market, changes it, cancels it, and says what the stream told.
async fn order(
    broker: &dyn Broker,
    account: &broker_core::AccountId,
    instruments: &std::collections::BTreeMap<broker_core::InstrumentId, Instrument>,
) -> Result<String, Box<dyn Error>> {
    let Some(market) = broker.market_data() else {
        return Ok("no market data".to_owned());
    };
    let ids: Vec<_> = instruments.keys().cloned().collect();
    let known = broker.instruments(&InstrumentQuery::Ids(ids.clone())).await?;
    let quotes = market.quotes(&ids).await?;
    // The first that trades in whole steps and has a bid.
    let found = known.iter().find_map(|instrument| {
        let quote = quotes.iter().find(|quote| quote.instrument == instrument.id)?;
        let tick = instrument.tick_at(quote.bid?)?;
        let far = quote.bid?.get() * Decimal::new(8, 1);
        let least = instrument.min_qty.or_else(|| Qty::new(instrument.lot?).ok())?;
        // Some venues ask for a value, too: twice that, in whole lots.
        let lot = instrument.lot.unwrap_or(least.get());
        let value = instrument.min_notional.map_or(Decimal::ZERO, |money| money.amount);
        let lots = (value * Decimal::TWO / far / lot).ceil();
        let qty = Qty::new(least.get().max(lots * lot)).ok()?;
        (instrument.option.is_none()).then(|| (instrument, Price::new(far - far % tick), tick, qty))
    });
    let Some((instrument, price, tick, qty)) = found else {
        return Ok("nothing to trade".to_owned());
    };
    let streaming = broker.streaming().ok_or("it streams")?;
    let mut events = streaming.subscribe(&Subscription::account(account)).await?;

    let request = OrderRequest::limit(instrument.symbol.clone(), Side::Buy, qty, price);
    let order = match broker
        .place_once(account, request.with_instrument(instrument.id.clone()))
        .await?
    {
        Placement::Accepted(order) => order,
        Placement::Rejected(reason) => return Ok(format!("{}: refused: {reason}", instrument.symbol)),
        Placement::InDoubt(ticket) => return Ok(format!("{}: in doubt: {ticket:?}", instrument.symbol)),
    };
    let mut reference = order.reference();
    if broker.capabilities().orders.replace {
        let change = OrderChange::new().with_limit_price(Price::new(price.get() - tick));
        if let Placement::Accepted(changed) = broker.replace_once(&reference, change).await? {
            reference = changed.reference();
        }
    }
    broker.cancel_once(&reference).await?;

    let mut told = Vec::new();
    let end = broker.context().clock().elapsed() + Duration::from_secs(20);
    while broker.context().clock().elapsed() < end {
        let Some(event) = events.next().await else { break };
        let Event::Order(order) = event else { continue };
        if told.last() != Some(&order.status) {
            told.push(order.status.clone());
        }
        if order.status == OrderStatus::Canceled {
            break;
        }
    }
    let told: Vec<_> = told.iter().map(ToString::to_string).collect();
    Ok(format!("{}: {}", instrument.symbol, told.join(", ")))
}
