//! A service of one's own, tested offline against a broker's wire venue.
//!
//! The service buys once the price is low enough, and records the fills. It knows the traits of `broker-core` only. Its
//! tests run it against Alpaca's venue in memory and virtual time, with lost answers and broken connections;
//! `main` runs it against the same venue on a port of this machine.
//!
//! ```text
//! cargo run  -p broker-testkit --example own_service
//! cargo test -p broker-testkit --example own_service
//! ```

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{Event, Subscription};
use broker_core::net::NetTransport;
use broker_core::seam::{Clock, OsRng, SystemClock, TokioSpawn};
use broker_core::{
    AccountId, Broker, BrokerExt, Context, Error, ErrorKind, Fill, InstrumentId, Order, OrderRequest, Placement, Price,
    Qty, Record, Result, Settled, Side,
};
use broker_sim::wire::{LoopbackServer, share};
use chrono::{DateTime, TimeZone, Utc};
use futures_util::StreamExt;

/// The service: buys once, when somebody sells for `limit` or less.
struct DipBuyer {
    broker: Arc<dyn Broker>,
    account: AccountId,
    instrument: InstrumentId,
    qty: Qty,
    limit: Price,
    /// How often it looks at the price.
    every: Duration,
}

impl DipBuyer {
    /// Ready once all is bought: with each fill, once.
    async fn run(&self) -> Result<Vec<Fill>> {
        let streaming = self.broker.streaming();
        let streaming = streaming.ok_or_else(|| Error::unsupported("a broker without streams"))?;
        let mut events = streaming.subscribe(&Subscription::account(&self.account)).await?;
        self.dip().await?;
        let order = self.buy().await?;
        let mut fills: Vec<Fill> = Vec::new();
        while fills.iter().map(|fill| fill.qty.get()).sum::<rust_decimal::Decimal>() < self.qty.get() {
            match events.next().await {
                Some(Event::Record(record)) => match *record {
                    Record::Fill(fill) if fill.order.as_ref() == Some(&order.id) => fills.push(fill),
                    _ => {}
                },
                Some(Event::Closed(error)) => return Err(error),
                Some(_) => {}
                None => return Err(Error::new(ErrorKind::Unavailable).with_message("the stream ended")),
            }
        }
        Ok(fills)
    }

    /// Waits for a price that is low enough.
    async fn dip(&self) -> Result<()> {
        let market_data = self.broker.market_data();
        let market_data = market_data.ok_or_else(|| Error::unsupported("a broker without market data"))?;
        loop {
            let quotes = market_data.quotes(std::slice::from_ref(&self.instrument)).await?;
            if quotes.iter().filter_map(|quote| quote.ask).any(|ask| ask <= self.limit) {
                return Ok(());
            }
            // Through the context: in a test this takes no time.
            self.broker.context().clock().sleep(self.every).await;
        }
    }

    async fn buy(&self) -> Result<Order> {
        let request = OrderRequest::limit(self.instrument.get().into(), Side::Buy, self.qty, self.limit)
            .with_instrument(self.instrument.clone());
        let ticket = match self.broker.place_once(&self.account, request).await? {
            Placement::Accepted(order) => return Ok(*order),
            Placement::Rejected(reason) => return Err(reason),
            Placement::InDoubt(ticket) => ticket,
        };
        match self.broker.settle(ticket).await? {
            Settled::Accepted(order) => Ok(*order),
            Settled::Rejected(reason) => Err(reason),
            Settled::NotPlaced => Err(Error::new(ErrorKind::Unavailable).with_message("the order never arrived")),
            // A service that goes on keeps the ticket, or calls recover() when it is started again.
            Settled::InDoubt(ticket) => Err(ticket.reason().clone()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let now = noon();
    let venue = share(AlpacaVenue::builder().starts_at(now).build()?);
    quote(&venue, "190.00", now)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_at(now));
    let server = LoopbackServer::start(Arc::clone(&venue) as _, Arc::clone(&clock)).await?;
    let (rng, spawn) = (Arc::new(OsRng), Arc::new(TokioSpawn));
    let context = Context::new(Arc::clone(&clock), rng, spawn, Arc::new(NetTransport::new()?));
    let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY)
        .with_base_url(server.url().parse()?)
        .with_context(context.clone());
    let service = service(AlpacaBroker::new(config)?, Duration::from_millis(50)).await?;
    println!(
        "waiting for {} at {} on {}",
        service.instrument,
        service.limit,
        server.url()
    );
    context.spawn().spawn(Box::pin(async move {
        clock.sleep(Duration::from_millis(300)).await;
        // The engine refuses only instruments that it does not list.
        _ = quote(&venue, "189.00", clock.now());
    }));
    for fill in service.run().await? {
        println!("bought {} {} at {}", fill.qty, fill.symbol, fill.price);
    }
    server.shutdown().await;
    Ok(())
}

/// Ten shares at 189 dollars.
async fn service(broker: AlpacaBroker, every: Duration) -> Result<DipBuyer> {
    Ok(DipBuyer {
        account: broker.accounts().await?.remove(0).id,
        broker: Arc::new(broker),
        instrument: "AAPL".into(),
        qty: "10".parse()?,
        limit: "189.00".parse()?,
        every,
    })
}

/// Friday, noon in New York.
fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 20, 17, 0, 0)
        .single()
        .unwrap_or_default()
}

/// Sets what a share costs, for a hundred of them.
fn quote(venue: &Mutex<AlpacaVenue>, ask: &str, now: DateTime<Utc>) -> Result<()> {
    let (instrument, ask, size): (_, Price, Qty) = (InstrumentId::from("AAPL"), ask.parse()?, "100".parse()?);
    let bid = Price::new(ask.get() - rust_decimal::Decimal::new(10, 2));
    let mut venue = venue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    venue
        .engine_mut()
        .set_quote(&instrument, Some(bid), Some(ask), (size, size), now)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use broker_core::seam::{SeededRng, VirtualRuntime};
    use broker_sim::wire::{Fault, FaultPlan, Faults, FrameFault, FrameWhen, MemoryTransport, Recorder, When};
    use futures_util::future::{Either, select};

    use super::*;

    /// The service over a venue in memory: time jumps, and one seed repeats the whole run.
    struct Stage {
        runtime: VirtualRuntime,
        venue: Arc<Mutex<AlpacaVenue>>,
        faults: Faults,
        recorder: Recorder,
        service: DipBuyer,
    }

    impl Stage {
        fn new(plan: FaultPlan) -> Self {
            let runtime = VirtualRuntime::starting_at(noon());
            let (clock, rng) = (Arc::new(runtime.clock()), Arc::new(SeededRng::new(1)));
            let venue = share(AlpacaVenue::builder().starts_at(noon()).build().unwrap());
            quote(&venue, "190.00", noon()).unwrap();
            let (faults, recorder) = (Faults::new(plan), Recorder::new());
            let transport = MemoryTransport::new(Arc::clone(&venue) as _, clock.clone(), rng.clone(), clock.clone())
                .with_faults(faults.clone())
                .with_recorder(recorder.clone());
            let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
            let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY).with_context(context);
            let broker = AlpacaBroker::new(config).unwrap();
            let service = runtime.block_on(service(broker, Duration::from_secs(1))).unwrap();
            Self {
                runtime,
                venue,
                faults,
                recorder,
                service,
            }
        }

        /// The price falls after five minutes.
        fn falls(&self) {
            let (clock, venue) = (self.runtime.clock(), Arc::clone(&self.venue));
            let later = clock.clone();
            self.service.broker.context().spawn().spawn(Box::pin(async move {
                later.sleep(Duration::from_secs(300)).await;
                quote(&venue, "188.90", later.now()).unwrap();
            }));
        }

        /// Orders that left the service.
        fn sent(&self) -> usize {
            let posts = |request: &broker_sim::wire::Recorded| request.method == "POST";
            self.recorder.requests().iter().filter(|request| posts(request)).count()
        }
    }

    fn bought(fills: &[Fill]) -> Vec<(String, String)> {
        let text = |fill: &Fill| (fill.qty.to_string(), fill.price.to_string());
        fills.iter().map(text).collect()
    }

    #[test]
    fn it_buys_when_the_price_has_fallen() {
        let stage = Stage::new(FaultPlan::none());
        stage.falls();
        let fills = stage.runtime.block_on(stage.service.run()).unwrap();
        assert_eq!(bought(&fills), [("10".to_owned(), "188.9".to_owned())]);
        // It looks once a second.
        let waited = (fills[0].at - noon()).num_milliseconds();
        assert!((300_000..302_000).contains(&waited), "{waited} ms");
        assert_eq!(stage.sent(), 1);
    }

    #[test]
    fn it_does_nothing_while_the_price_is_high() {
        let stage = Stage::new(FaultPlan::none());
        stage.runtime.block_on(async {
            let hour = stage.runtime.clock().sleep(Duration::from_secs(3_600));
            let run = pin!(stage.service.run());
            let end = select(run, hour).await;
            assert!(matches!(end, Either::Right(_)), "it bought");
        });
        assert_eq!(stage.sent(), 0);
        assert_eq!(stage.venue.lock().unwrap().orders(), []);
    }

    /// The answer to the order never comes, the frame with its fill breaks the connection, and a read in ten fails:
    /// still there is one order, and one fill.
    #[test]
    fn it_buys_once_whatever_is_lost() {
        let fill = FrameWhen::always()
            .matching(|text| text.contains(r#""event":"fill""#))
            .at_most(1);
        let plan = FaultPlan::seeded(7)
            .rule(When::always().method("POST").at_most(1), Fault::DropAnswer)
            .rule(
                When::always().method("GET").per_mille(100),
                Fault::Reset { handled: false },
            )
            .frame_rule(fill, FrameFault::Reset);
        let stage = Stage::new(plan);
        stage.falls();
        let fills = stage.runtime.block_on(stage.service.run()).unwrap();
        assert_eq!(bought(&fills), [("10".to_owned(), "188.9".to_owned())]);
        assert_eq!(stage.sent(), 1);
        assert_eq!(stage.venue.lock().unwrap().orders().len(), 1);
        let hit: Vec<_> = stage.faults.counts().into_keys().collect();
        assert_eq!(hit, ["drop_answer", "frame_reset", "reset"]);
    }

    #[test]
    fn a_refusal_is_told() {
        let mut stage = Stage::new(FaultPlan::none());
        stage.service.qty = "100000".parse().unwrap();
        stage.falls();
        let error = stage.runtime.block_on(stage.service.run()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InsufficientFunds);
        assert_eq!(stage.sent(), 1);
    }
}
