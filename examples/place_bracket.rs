//! One bracket order from entry to exit, placed exactly once although its answer is lost.
//!
//! `cargo run --example place_bracket` needs no account and no network: it starts Alpaca's wire venue on loopback, which
//! resets the connection behind the first order. With `APCA_API_KEY_ID` and `APCA_API_SECRET_KEY` set it trades ten
//! shares on Alpaca's paper host, and nothing is lost on purpose.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{InstrumentRef, Level, OrderChange, OrderKind, PositionEffect, Size, StopExit, Trigger};
use broker_core::{
    AccountId, Broker, BrokerExt, Intent, Order, OrderId, OrderQuery, OrderRef, OrderRequest, OrderStatus, Placement,
    PreTradeCheck, Price, Qty, Settled, Side, TimeInForce, net,
};
use broker_sim::wire::{Fault, FaultPlan, When};
use broker_sync::SqliteJournal;
use examples::venue::LocalVenue;
use rust_decimal::Decimal;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SYMBOL: &str = "AAPL";

/// No order may be worth more dollars than this.
const LARGEST_VALUE: Decimal = Decimal::from_parts(5_000, 0, 0, false, 0);

/// How long an order may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

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
    let named = |name| std::env::var_os(name).is_some();
    let folder = std::env::var_os("BROKER_EXAMPLE_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    if named("APCA_API_KEY_ID") || named("APCA_API_SECRET_KEY") {
        println!("trading on Alpaca's paper host with the key of the environment");
        let journal = SqliteJournal::open(folder.join("place_bracket.paper.sqlite"))?;
        let context = net::network()?
            .with_journal(Arc::new(journal))
            .with_check(Arc::new(LargestValue));
        let broker = AlpacaBroker::new(AlpacaConfig::from_env()?.with_context(context))?;
        return Desk::new(broker, None).await?.run().await;
    }
    let venue = LocalVenue::fresh().await?;
    println!("Alpaca's wire venue speaks on {}", venue.url());
    let journal = SqliteJournal::open(fresh(&folder, "place_bracket.sqlite")?)?;
    let context = venue
        .context()?
        .with_journal(Arc::new(journal))
        .with_check(Arc::new(LargestValue));
    let broker = AlpacaBroker::new(venue.config()?.with_context(context))?;
    // Four shares for sale: an entry of ten is filled in part, and waits for the rest.
    venue.quote(SYMBOL, dollars("190.40")?, dollars("190.50")?, "4".parse()?)?;
    // The venue takes the first order, and its answer never comes back.
    let lost = FaultPlan::none().rule(
        When::always().method("POST").path("/v2/orders").at_most(1),
        Fault::Reset { handled: true },
    );
    let desk = Desk::new(broker, Some(venue)).await?;
    desk.largest_value().await?;
    if let Some(venue) = &desk.venue {
        venue.faults().set(lost);
    }
    desk.run().await
}

/// An account, and the venue where it is ours.
struct Desk {
    broker: AlpacaBroker,
    account: AccountId,
    venue: Option<LocalVenue>,
}

impl Desk {
    async fn new(broker: AlpacaBroker, venue: Option<LocalVenue>) -> Outcome<Self> {
        let account = broker.accounts().await?.remove(0).id;
        let desk = Self { broker, account, venue };
        // Before anything is placed: what an earlier process left in doubt.
        let recovered = desk.broker.recover().await?;
        println!("recovered: {} intents of an earlier process", recovered.len());
        for one in recovered {
            println!("  {}: {:?}", one.intent.id, one.settled);
        }
        Ok(desk)
    }

    /// The user's own check refuses what is too large, and nothing is sent.
    async fn largest_value(&self) -> Outcome<()> {
        let request = OrderRequest::limit(SYMBOL.parse()?, Side::Buy, "100".parse()?, dollars("190.50")?);
        match self.broker.place_once(&self.account, request).await {
            Err(veto) => println!("100 shares: {veto} ({:?})", veto.delivery()),
            Ok(placement) => return Err(format!("the check let 19,050 dollars through: {placement:?}").into()),
        }
        Ok(())
    }

    async fn run(self) -> Outcome<()> {
        self.must_be_flat().await?;
        let entry = self.enter().await?;
        let (target, stop) = self.legs(&entry).await?;
        self.fill(&entry).await?;
        let stop = self.move_stop(&stop.reference()).await?;
        self.cancel(&[stop.reference(), target.reference()]).await?;
        self.close().await?;
        if let Some(venue) = self.venue {
            show_sends(&venue)?;
            venue.stop().await;
        }
        Ok(())
    }

    /// At the end the whole position is closed: it must be ours alone.
    async fn must_be_flat(&self) -> Outcome<()> {
        let positions = self.broker.positions(&self.account).await?;
        let orders = self.broker.all_orders(OrderQuery::open(&self.account)).await?;
        let is_here = |symbol: &str| symbol == SYMBOL;
        let held = positions.iter().any(|position| is_here(position.symbol.get()));
        let open = orders
            .iter()
            .any(|order| order.legs.iter().any(|leg| is_here(leg.symbol.get())));
        if held || open {
            return Err(format!("the account has a position or an open order in {SYMBOL}: close it first").into());
        }
        Ok(())
    }

    /// A bracket at what is asked now: 5 % for the target, 2.5 % for the stop.
    async fn enter(&self) -> Outcome<Order> {
        let market_data = self.broker.market_data().ok_or("built without market data")?;
        let quotes = market_data.quotes(&[SYMBOL.into()]).await?;
        let ask = quotes
            .first()
            .and_then(|quote| quote.ask)
            .ok_or("nobody offers a share")?;
        let part = |percent: i64| Price::new((ask.get() * Decimal::new(1_000 + percent, 3)).round_dp(2));
        let (target, stop) = (part(50), part(-25));
        let request = OrderRequest::limit(SYMBOL.parse()?, Side::Buy, "10".parse()?, ask)
            .with_time_in_force(TimeInForce::Gtc)
            .with_target(Level::Price(target))
            .with_stop(StopExit::Stop {
                stop: Level::Price(stop),
                limit: None,
            });
        println!("placing: buy 10 {SYMBOL} at {ask}, target {target}, stop {stop}");
        let order = self
            .placed(self.broker.place_once(&self.account, request).await?)
            .await?;
        if let Some(venue) = &self.venue {
            println!("the venue saw:");
            for line in venue.order_requests() {
                println!("  {line}");
            }
        }
        Ok(order)
    }

    /// What a placement came to. One in doubt is looked for until it is known; it is never sent blindly.
    async fn placed(&self, placement: Placement) -> Outcome<Order> {
        let mut ticket = match placement {
            Placement::Accepted(order) => return Ok(*order),
            Placement::Rejected(reason) => return Err(reason.into()),
            Placement::InDoubt(ticket) => ticket,
        };
        for _ in 0..10 {
            println!("in doubt: {} ({})", ticket.intent().id, ticket.reason());
            ticket = match self.broker.settle(ticket).await? {
                Settled::Accepted(order) => return Ok(*order),
                Settled::Rejected(reason) => return Err(reason.into()),
                Settled::NotPlaced => return Err("the order never reached the venue".into()),
                Settled::InDoubt(ticket) => ticket,
            };
        }
        // It stays in the journal: the next run recovers it.
        Err(format!("order {} may be at the venue", ticket.intent().id).into())
    }

    /// The entry with its exits, as the venue has them: target and stop.
    async fn legs(&self, entry: &Order) -> Outcome<(Order, Order)> {
        // An order that was found by our id comes without its legs.
        let entry = self.read(&entry.id).await?;
        show("entry", &entry);
        let (mut target, mut stop) = (None, None);
        for id in &entry.links.children {
            let leg = self.read(id).await?;
            match leg.kind {
                OrderKind::Stop => stop = Some(leg),
                _ => target = Some(leg),
            }
        }
        let (target, stop) = target.zip(stop).ok_or("the bracket has lost an exit")?;
        show("target", &target);
        show("stop", &stop);
        Ok((target, stop))
    }

    /// Waits until the entry is filled; on the venue of our own, more shares come for sale.
    async fn fill(&self, entry: &Order) -> Outcome<()> {
        if let Some(venue) = &self.venue {
            println!("the market shows 100 more shares");
            venue.quote(SYMBOL, dollars("190.40")?, dollars("190.50")?, "100".parse()?)?;
        }
        let entry = self.broker.wait_until_final(&entry.reference(), PATIENCE).await?;
        show("entry", &entry);
        if entry.status == OrderStatus::Filled {
            return Ok(());
        }
        // Exits work once the entry is filled completely: what is filled in part would stay without a stop.
        let canceled = self.broker.cancel_once(&entry.reference()).await?;
        Err(format!(
            "the entry is {} after {} s: is the market open?",
            canceled.status,
            PATIENCE.as_secs()
        )
        .into())
    }

    /// Moves the stop up by a dollar.
    async fn move_stop(&self, stop: &OrderRef) -> Outcome<Order> {
        let old = self.broker.order(stop).await?;
        let price = old.stop_price.ok_or("a stop without its price")?;
        let change = OrderChange::new().with_stop_price(Price::new(price.get() + Decimal::ONE));
        let new = self.placed(self.broker.replace_once(stop, change).await?).await?;
        let new = self.read(&new.id).await?;
        show("stop", &new);
        println!(
            "  it took the place of the old one: {}",
            new.links.replaces == Some(old.id)
        );
        Ok(new)
    }

    /// Cancels the exits: until they are final they hold the shares.
    async fn cancel(&self, exits: &[OrderRef]) -> Outcome<()> {
        for exit in exits {
            // A group ends together: what is closed already is read, not an error.
            self.broker.cancel_once(exit).await?;
        }
        for exit in exits {
            show("exit", &self.broker.wait_until_final(exit, PATIENCE).await?);
        }
        Ok(())
    }

    async fn close(&self) -> Outcome<()> {
        let instrument = InstrumentRef::Symbol(SYMBOL.parse()?);
        for placement in self.broker.close(&self.account, &instrument).await? {
            let order = self.placed(placement).await?;
            show(
                "close",
                &self.broker.wait_until_final(&order.reference(), PATIENCE).await?,
            );
        }
        let left = self.broker.positions(&self.account).await?;
        let left = left.iter().find(|position| position.symbol.get() == SYMBOL);
        println!(
            "position in {SYMBOL}: {}",
            left.map_or(Qty::ZERO, |position| position.qty)
        );
        Ok(())
    }

    async fn read(&self, id: &OrderId) -> Outcome<Order> {
        Ok(self.broker.order(&OrderRef::by_id(&self.account, id.clone())).await?)
    }
}

/// Vetoes what is worth too much, and what cannot be valued; closing is always allowed.
#[derive(Debug)]
struct LargestValue;

#[async_trait]
impl PreTradeCheck for LargestValue {
    async fn check(&self, intent: &Intent) -> broker_core::Result<()> {
        let request = &intent.request;
        if request.effect == Some(PositionEffect::Close) {
            return Ok(());
        }
        let price = match request.trigger {
            Trigger::Limit { limit } => limit,
            Trigger::Stop { stop } => stop,
            _ => return Err(broker_core::Error::invalid("only orders with a price are allowed here")),
        };
        let value = match request.size {
            Size::Qty(qty) => intent.instrument.notional(qty, price).map(|value| value.amount),
            Size::Notional { amount, .. } => Some(amount.get()),
        };
        match value {
            Some(value) if value <= LARGEST_VALUE => Ok(()),
            _ => Err(broker_core::Error::invalid(format!(
                "an order may be worth {LARGEST_VALUE} dollars at most"
            ))),
        }
    }
}

fn show(role: &str, order: &Order) {
    let price = order.limit_price.or(order.stop_price);
    let filled = order
        .average_price
        .map_or_else(String::new, |price| format!(" at {price}"));
    println!(
        "{role:6} {} {} {}: filled {}{filled}",
        order.kind,
        price.map_or_else(|| "-".to_owned(), |price| price.to_string()),
        order.status,
        order.filled_qty
    );
}

/// How often each order was sent, by our id.
fn show_sends(venue: &LocalVenue) -> Outcome<()> {
    let sends = venue.recorder().sends("POST", "/v2/orders", client_id);
    let most = sends.values().max().copied().unwrap_or_default();
    println!(
        "orders that were placed: {}, sent {most} time each at most",
        sends.len()
    );
    if most != 1 {
        return Err(format!("an order was sent {most} times").into());
    }
    Ok(())
}

/// Our id in the body of an order.
fn client_id(body: &str) -> Option<String> {
    let order: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(order.get("client_order_id")?.as_str()?.to_owned())
}

fn dollars(text: &str) -> Outcome<Price> {
    Ok(text.parse()?)
}

/// A journal of a venue that is new in each run is new, too.
fn fresh(folder: &Path, name: &str) -> Outcome<PathBuf> {
    for end in ["", "-wal", "-shm"] {
        match std::fs::remove_file(folder.join(format!("{name}{end}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(folder.join(name))
}
