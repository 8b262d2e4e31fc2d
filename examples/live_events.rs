//! Live events over a lost connection: what was missed is told once, and what was told is not told again.
//!
//! `cargo run --example live_events` needs no account and no network: it starts Alpaca's wire venue on loopback and
//! watches an order fill. Then the venue resets the socket, and fills another order while nobody listens.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use broker_alpaca::AlpacaBroker;
use broker_core::model::{Event, Subscription};
use broker_core::seam::BoxStream;
use broker_core::{
    AccountId, Broker, BrokerExt, FillId, Order, OrderId, OrderRequest, OrderStatus, Placement, Price, Record, Side,
};
use broker_sim::wire::{Fault, FaultPlan, FrameFault, FrameWhen, When};
use chrono::{DateTime, Utc};
use examples::venue::LocalVenue;
use futures_util::StreamExt;
use futures_util::future::{Either, select};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SYMBOL: &str = "AAPL";

/// How long the next event may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // As it reads, not as it is built: it says what to do.
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Outcome<()> {
    let venue = LocalVenue::fresh().await?;
    println!("Alpaca's wire venue speaks on {}", venue.url());
    venue.quote(SYMBOL, price("190.40")?, price("190.50")?, "100".parse()?)?;
    let mut desk = Desk::open(AlpacaBroker::new(venue.config()?)?).await?;
    desk.watch("a first quote", |seen| seen.quotes > 0).await?;

    println!("-- an order fills");
    let first = desk.buy("190.50").await?;
    desk.watch("its fill", |seen| seen.is_filled(&first)).await?;

    println!("-- the venue resets the socket; an order fills meanwhile");
    venue.faults().set(reset_and_refuse());
    let second = desk.buy("189.00").await?;
    desk.watch("the loss", |seen| seen.losses == 1).await?;
    venue.quote(SYMBOL, price("188.90")?, price("189.00")?, "100".parse()?)?;
    let position = desk.broker.positions(&desk.account).await?.remove(0);
    println!(
        "the market falls, and the account has {} shares; its stream is silent",
        position.qty
    );
    desk.watch("the quote, which has a stream of its own", |seen| seen.quotes == 2)
        .await?;
    venue.faults().set(FaultPlan::none());
    desk.watch("the end of the gap", |seen| seen.recoveries == 1).await?;

    let times: Vec<_> = desk.seen.fills.values().collect();
    println!(
        "fills: {}, each told once: {}",
        times.len(),
        times.iter().all(|times| **times == 1)
    );
    if times != [&1, &1] || !desk.seen.is_filled(&second) {
        return Err("a fill was missed, or told twice".into());
    }
    // Dropping the stream unsubscribes.
    drop(desk);
    venue.stop().await;
    Ok(())
}

/// The next frame of the account's stream never comes, for the connection is reset in its place; and no new one is
/// taken.
fn reset_and_refuse() -> FaultPlan {
    let stream = "/stream";
    FaultPlan::none()
        .frame_rule(FrameWhen::always().path(stream).at_most(1), FrameFault::Reset)
        .rule(When::always().path(stream), Fault::RefuseConnection)
}

/// An account and its events.
struct Desk {
    broker: AlpacaBroker,
    account: AccountId,
    events: BoxStream<'static, Event>,
    seen: Seen,
}

/// What the events told so far.
#[derive(Default)]
struct Seen {
    orders: BTreeMap<OrderId, OrderStatus>,
    /// How often each fill came.
    fills: BTreeMap<FillId, u32>,
    quotes: u32,
    losses: u32,
    recoveries: u32,
}

impl Desk {
    async fn open(broker: AlpacaBroker) -> Outcome<Self> {
        let account = broker.accounts().await?.remove(0).id;
        let mut subscription = Subscription::account(&account);
        subscription.quotes = vec![SYMBOL.into()];
        let streaming = broker.streaming().ok_or("built without streams")?;
        let events = streaming.subscribe(&subscription).await?;
        Ok(Self {
            broker,
            account,
            events,
            seen: Seen::default(),
        })
    }

    /// Buys ten shares at a limit.
    async fn buy(&self, limit: &str) -> Outcome<Order> {
        let request = OrderRequest::limit(SYMBOL.parse()?, Side::Buy, "10".parse()?, price(limit)?);
        match self.broker.place_once(&self.account, request).await? {
            Placement::Accepted(order) => Ok(*order),
            Placement::Rejected(reason) => Err(reason.into()),
            Placement::InDoubt(ticket) => Err(format!("in doubt: {}", ticket.reason()).into()),
        }
    }

    /// Takes events until this is so.
    async fn watch(&mut self, what: &str, is_so: impl Fn(&Seen) -> bool) -> Outcome<()> {
        while !is_so(&self.seen) {
            let late = self.broker.context().clock().sleep(PATIENCE);
            let event = match select(self.events.next(), late).await {
                Either::Left((Some(event), _)) => event,
                Either::Left((None, _)) => return Err("the stream ended".into()),
                Either::Right(_) => return Err(format!("{what} does not come").into()),
            };
            self.seen.note(event)?;
        }
        Ok(())
    }
}

impl Seen {
    fn note(&mut self, event: Event) -> Outcome<()> {
        match event {
            Event::Order(order) => {
                println!(
                    "Order        {} {}, filled {}",
                    order.kind, order.status, order.filled_qty
                );
                self.orders.insert(order.id.clone(), order.status);
            }
            Event::Record(record) => {
                if let Record::Fill(fill) = *record {
                    println!(
                        "Fill         {} {} {} at {}",
                        fill.side, fill.qty, fill.symbol, fill.price
                    );
                    *self.fills.entry(fill.id).or_default() += 1;
                }
            }
            Event::Quote(quote) => {
                if let (Some(bid), Some(ask)) = (quote.bid, quote.ask) {
                    println!("Quote        {} {bid} / {ask}", quote.symbol);
                }
                self.quotes += 1;
            }
            Event::Disconnected { reason, .. } => {
                println!("Disconnected {}", reason.kind());
                self.losses += 1;
            }
            Event::Gap { from, to } => {
                let clock = |at: DateTime<Utc>| at.format("%H:%M:%S%.3f").to_string();
                println!("Gap          {} to {}", clock(from), clock(to));
            }
            Event::Recovered(coverage) => {
                let missing = coverage.missing.len();
                println!(
                    "Recovered    {} account read back, {missing} things could not be asked",
                    coverage.accounts.len()
                );
                self.recoveries += 1;
            }
            Event::Closed(error) => return Err(error.into()),
            // Positions and balances.
            _ => {}
        }
        Ok(())
    }

    fn is_filled(&self, order: &Order) -> bool {
        self.orders.get(&order.id) == Some(&OrderStatus::Filled)
    }
}

fn price(text: &str) -> Outcome<Price> {
    Ok(text.parse()?)
}
