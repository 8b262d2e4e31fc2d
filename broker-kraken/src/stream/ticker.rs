//! Quotes: the `ticker` of pairs, told with every change of the best bid or offer.

use std::collections::BTreeMap;

use async_trait::async_trait;
use broker_core::live::{Feed, Pulse, Signal, Source};
use broker_core::model::{Event, Subscription};
use broker_core::seam::Frame;
use broker_core::{Error, InstrumentId, Price, Qty, Quote, Result, Symbol};
use chrono::DateTime;
use rust_decimal::Decimal;

use super::wire::TickerJson;
use super::{answered, message, pulse, subscribe};
use crate::broker::KrakenBroker;
use crate::directory::{Directory, Held, held};
use crate::wire;

impl KrakenBroker {
    /// What a frame of a stream of quotes tells of these instruments: reads again what a program kept of one.
    ///
    /// # Errors
    /// `Decode`: the frame cannot be read. `InvalidRequest`: an instrument is not listed. Else what the frame says
    /// itself.
    pub async fn read_quote_frame(&self, instruments: &[InstrumentId], frame: &Frame) -> Result<Vec<Event>> {
        let mut feed = TickerFeed::new(self, &Subscription::quotes(instruments.to_vec())).await?;
        let mut signals = Vec::new();
        feed.read(frame, &mut signals)?;
        Signal::events(signals)
    }
}

/// The feed of some pairs.
pub(super) struct TickerFeed {
    broker: KrakenBroker,
    covers: Subscription,
    /// What is told under the name of each pair: the pair itself, the pair on margin, or both.
    names: BTreeMap<String, Vec<(InstrumentId, Symbol)>>,
    answers: usize,
}

impl std::fmt::Debug for TickerFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TickerFeed({} pairs)", self.names.len())
    }
}

impl TickerFeed {
    /// # Errors
    /// `InvalidRequest`: a pair that is not listed, which would make Kraken refuse it, and the others with it.
    pub(super) async fn new(broker: &KrakenBroker, subscription: &Subscription) -> Result<Self> {
        let listed = |directory: &Directory| {
            let mut names = subscription.quotes.iter().map(|id| held(id.get()).1);
            names.all(|name| directory.pair(name).is_some())
        };
        let directory = broker.rest().directory(listed).await?;
        let mut names: BTreeMap<String, Vec<(InstrumentId, Symbol)>> = BTreeMap::new();
        for id in &subscription.quotes {
            let (how, name) = held(id.get());
            let pair = directory.pair(name).filter(|pair| pair.key == name);
            let pair = pair.ok_or_else(|| Error::invalid(format!("{id} is not listed")))?;
            // The second version of the stream says BTC where all others say XBT.
            let (_, symbol) = pair.names(Held::Outright);
            names.entry(symbol.get().to_owned()).or_default().push(pair.names(how));
        }
        let mut covers = subscription.clone();
        covers.accounts.clear();
        Ok(Self {
            broker: broker.clone(),
            covers,
            names,
            answers: 0,
        })
    }

    fn tell(&self, row: &TickerJson<'_>, out: &mut Vec<Signal>) -> Result<()> {
        let price = |number: Option<Decimal>| number.map(Price::new);
        let size = |there: bool, number: Option<Decimal>| number.filter(|_| there).map(Qty::new).transpose();
        let (bid, ask) = (row.bid.nonzero(), row.ask.nonzero());
        let at = row
            .timestamp
            .as_ref()
            .and_then(|at| DateTime::parse_from_rfc3339(at.get()).ok());
        for (instrument, symbol) in self.names.get(row.symbol.get()).into_iter().flatten() {
            let quote = Quote {
                instrument: instrument.clone(),
                symbol: symbol.clone(),
                bid: price(bid),
                bid_size: size(bid.is_some(), row.bid_qty.0)?,
                ask: price(ask),
                ask_size: size(ask.is_some(), row.ask_qty.0)?,
                at: at.map(|at| at.to_utc()),
            };
            out.push(Signal::Event(Event::Quote(Box::new(quote))));
        }
        Ok(())
    }
}

#[async_trait]
impl Feed for TickerFeed {
    fn name(&self) -> &'static str {
        "ticker"
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    async fn open(&mut self) -> Result<Source> {
        self.answers = 0;
        let symbols: Vec<&String> = self.names.keys().collect();
        let params = serde_json::json!({ "symbol": symbols, "event_trigger": "bbo", "snapshot": true });
        Ok(Source::Socket {
            request: self.broker.socket(false)?,
            first: vec![subscribe("ticker", &params)],
            paid: None,
        })
    }

    /// Each pair is answered for itself.
    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let Some(message) = message(frame, out)? else {
            return Ok(());
        };
        match (answered(&message), message.channel(), message.data) {
            (Some(Ok(())), ..) => {
                self.answers += 1;
                out.push(if self.answers == self.names.len() {
                    Signal::Ready
                } else {
                    Signal::Beat
                });
            }
            (Some(Err(signal)), ..) => out.push(signal),
            (None, "ticker", Some(data)) => {
                let rows: Vec<TickerJson<'_>> = wire::decode(data.get())?;
                rows.iter().try_for_each(|row| self.tell(row, out))?;
            }
            _ => out.push(Signal::Beat),
        }
        Ok(())
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
}
