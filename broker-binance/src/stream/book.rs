//! Quotes: the best bid and offer of symbols, told with every change.

use std::collections::BTreeMap;

use async_trait::async_trait;
use broker_core::live::{Feed, Pulse, Signal, Source};
use broker_core::model::{Event, Subscription};
use broker_core::seam::Frame;
use broker_core::{Error, InstrumentId, Price, Qty, Quote, Result, Symbol};
use rust_decimal::Decimal;

use super::wire::{BookJson, MarketJson};
use super::{pulse, text};
use crate::broker::BinanceBroker;
use crate::error;
use crate::wire;

/// Streams that a connection can have: 1,024.
pub(super) const MOST_STREAMS: usize = 1_000;

impl BinanceBroker {
    /// What a frame of a stream of quotes tells of these instruments: reads again what a program kept of one.
    ///
    /// # Errors
    /// `Decode`: the frame cannot be read. `InvalidRequest`: an instrument is not listed. Else what the frame says
    /// itself.
    pub async fn read_quote_frame(&self, instruments: &[InstrumentId], frame: &Frame) -> Result<Vec<Event>> {
        let all = Subscription::quotes(instruments.to_vec());
        let mut feed = BookFeed::new(self, instruments, &all).await?;
        let mut signals = Vec::new();
        feed.read(frame, &mut signals)?;
        Signal::events(signals)
    }
}

/// The feed of some symbols.
pub(super) struct BookFeed {
    broker: BinanceBroker,
    covers: Subscription,
    symbols: BTreeMap<String, Symbol>,
}

impl std::fmt::Debug for BookFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BookFeed({} symbols)", self.symbols.len())
    }
}

impl BookFeed {
    /// # Errors
    /// `InvalidRequest`: a symbol that is not listed. Binance takes it, and never tells anything.
    pub(super) async fn new(
        broker: &BinanceBroker,
        instruments: &[InstrumentId],
        subscription: &Subscription,
    ) -> Result<Self> {
        let wanted = instruments.iter().map(|id| id.get().to_owned()).collect();
        let pairs = broker.pairs_of(wanted).await?;
        let listed = |(symbol, pair): (String, crate::map::Pair)| match pair.quote {
            Some(_) => Ok((symbol, pair.symbol)),
            None => Err(Error::invalid(format!("{symbol} is not listed"))),
        };
        let mut covers = subscription.clone();
        covers.accounts.clear();
        covers.quotes = instruments.to_vec();
        Ok(Self {
            broker: broker.clone(),
            covers,
            symbols: pairs.into_iter().map(listed).collect::<Result<_>>()?,
        })
    }

    fn tell(&self, book: &BookJson<'_>, out: &mut Vec<Signal>) -> Result<()> {
        let Some((id, symbol)) = self.symbols.get_key_value(book.symbol.get()) else {
            return Ok(());
        };
        // A side that is empty is written as zeros.
        let side = |price: Decimal, qty: Decimal| match price.is_zero() {
            true => Ok((None, None)),
            false => Qty::new(qty).map(|qty| (Some(Price::new(price)), Some(qty))),
        };
        let ((bid, bid_size), (ask, ask_size)) = (side(book.bid.0, book.bid_qty.0)?, side(book.ask.0, book.ask_qty.0)?);
        let quote = Quote {
            instrument: InstrumentId::from(id.as_str()),
            symbol: symbol.clone(),
            bid,
            bid_size,
            ask,
            ask_size,
            at: None,
        };
        out.push(Signal::Event(Event::Quote(Box::new(quote))));
        Ok(())
    }
}

#[async_trait]
impl Feed for BookFeed {
    fn name(&self) -> &'static str {
        "book tickers"
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    /// One message for all: more than five a second would end the connection.
    async fn open(&mut self) -> Result<Source> {
        let streams: Vec<String> = self
            .symbols
            .keys()
            .map(|symbol| format!("{}@bookTicker", symbol.to_lowercase()))
            .collect();
        let request = serde_json::json!({ "method": "SUBSCRIBE", "params": streams, "id": 1 });
        Ok(Source::Socket {
            request: self.broker.socket(&self.broker.streams().urls[1])?,
            first: vec![Frame::Text(request.to_string())],
            paid: None,
        })
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let Some(text) = text(frame, out)? else {
            return Ok(());
        };
        let message: MarketJson<'_> = wire::decode(text)?;
        let refusal = match &message.error {
            Some(error) => Some((error.code, error.msg.as_ref())),
            None => message.code.map(|code| (Some(code), message.msg.as_ref())),
        };
        if let Some((code, words)) = refusal {
            let error = error::said(400, code, words.map_or("", |words| words.get()));
            out.push(Signal::Closed { error, fatal: true });
            return Ok(());
        }
        match (message.stream, message.data, message.id) {
            (Some(name), data, _) if name.get().ends_with("@bookTicker") => {
                let data = data.ok_or_else(|| Error::decode("a stream's message without its data"))?;
                self.tell(&wire::decode(data.get())?, out)
            }
            (None, None, Some(_)) => {
                out.push(Signal::Ready);
                Ok(())
            }
            _ => {
                out.push(Signal::Beat);
                Ok(())
            }
        }
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
}
