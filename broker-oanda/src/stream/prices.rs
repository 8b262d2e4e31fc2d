//! Prices: at most four a second and instrument, and first a snapshot.

use async_trait::async_trait;
use broker_core::live::{Feed, Pulse, Signal, Source};
use broker_core::model::{Event, Subscription};
use broker_core::seam::Frame;
use broker_core::{InstrumentId, Result};

use super::pulse;
use crate::broker::OandaBroker;
use crate::map::market;
use crate::rest::path;
use crate::wire::{self, LineJson, PriceJson};

/// The feed of prices.
#[derive(Debug)]
pub(super) struct Prices {
    broker: OandaBroker,
    covers: Subscription,
    is_ready: bool,
}

impl Prices {
    pub(super) fn new(broker: &OandaBroker, subscription: &Subscription) -> Self {
        let mut covers = subscription.clone();
        covers.accounts.clear();
        Self {
            broker: broker.clone(),
            covers,
            is_ready: false,
        }
    }
}

#[async_trait]
impl Feed for Prices {
    fn name(&self) -> &'static str {
        "prices"
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    async fn open(&mut self) -> Result<Source> {
        self.is_ready = false;
        let account = self.broker.any_account().await?;
        let names: Vec<&str> = self.covers.quotes.iter().map(InstrumentId::get).collect();
        let params = [("instruments", names.join(",")), ("snapshot", "true".to_owned())];
        self.broker
            .lines("prices", path(&account, "pricing/stream"), &params)
            .await
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let Frame::Text(text) = frame else { return Ok(()) };
        if text.trim().is_empty() {
            return Ok(());
        }
        let line: LineJson<'_> = wire::decode(text)?;
        if !self.is_ready {
            self.is_ready = true;
            out.push(Signal::Ready);
        }
        match line.kind.get() {
            "PRICE" => {
                let quote = market::quote(&wire::decode::<PriceJson<'_>>(text)?)?;
                out.push(Signal::Event(Event::Quote(Box::new(quote))));
            }
            _ => out.push(Signal::Beat),
        }
        Ok(())
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
}
