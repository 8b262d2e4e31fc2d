//! Quotes and candles.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::model::{Candle, CandleQuery, Hours, Interval};
use broker_core::seam::{Carrier, Frame};
use broker_core::{Broker, Cursor, Error, ErrorKind, InstrumentId, MarketData, Page, Proof, Quote, Result};
use chrono::{DateTime, Utc};
use futures_util::future::{Either, select};

use crate::broker::TopstepxBroker;
use crate::hub::{Hub, Line, Merged, QUOTE, Said, named, quotes, quotes_of};
use crate::map::contract::spec;
use crate::map::market::{candle, length};
use crate::rest::{Endpoint, stamp};
use crate::wire::{self, Answer, BarsAskJson, BarsJson};

/// Most bars of an answer.
const MOST_BARS: usize = 20_000;

/// So many intervals are asked at once: fewer than fit, for whether the end is inclusive is not documented.
const INTERVALS: i32 = 19_000;

/// How long a quote is waited for. Busy contracts have dozens a second.
const PATIENCE: Duration = Duration::from_secs(3);

const VERSION: u32 = 1;

impl TopstepxBroker {
    /// Listens to the market hub until each contract was told of, or for a while. A contract that the hub knows and
    /// does not speak of is quoted by nobody.
    async fn listen_once(&self, contracts: &[&InstrumentId]) -> Result<BTreeMap<InstrumentId, Quote>> {
        let clock = self.context().clock();
        let ends_at = clock.elapsed() + PATIENCE;
        let mut line = Line::new(contracts.iter().map(|contract| quotes_of(contract)).collect());
        let mut carrier = self.open_market().await?;
        carrier.send(Line::handshake()).await?;
        let mut silent: BTreeMap<&str, Merged> = contracts
            .iter()
            .map(|contract| (contract.get(), Merged::default()))
            .collect();
        let mut heard = Heard::default();
        while !silent.is_empty() {
            let left = ends_at.saturating_sub(clock.elapsed());
            let frame = match select(pin!(carrier.receive()), clock.sleep(left)).await {
                Either::Left((Some(frame), _)) => frame?,
                Either::Left((None, _)) => {
                    return Err(Error::new(ErrorKind::Unavailable).with_message("the hub is gone"));
                }
                Either::Right(_) => break,
            };
            heard.take(&mut line, &frame, &mut silent)?;
            let refused = heard.refused.drain(..).filter_map(|number| contracts.get(number));
            refused.for_each(|contract| _ = silent.remove(contract.get()));
            if std::mem::take(&mut heard.greeted) {
                for frame in line.invocations()? {
                    carrier.send(frame).await?;
                }
            }
        }
        let mut found = heard.quotes;
        found.extend(silent.into_iter().map(|(contract, merged)| {
            let quote = merged.quote(contract);
            (quote.instrument.clone(), quote)
        }));
        Ok(found)
    }

    /// A token that the gateway has forgotten is renewed once.
    async fn open_market(&self) -> Result<Box<dyn Carrier>> {
        let token = self.tokens().get().await?;
        let transport = self.context().transport();
        match transport.open(self.hub_request(Hub::Market, &token)?).await {
            Err(error) if error.kind() == ErrorKind::Auth => {
                self.tokens().invalidate(&token);
                let token = self.tokens().get().await?;
                transport.open(self.hub_request(Hub::Market, &token)?).await
            }
            opened => opened,
        }
    }
}

/// What was heard so far.
#[derive(Default)]
struct Heard {
    greeted: bool,
    quotes: BTreeMap<InstrumentId, Quote>,
    refused: Vec<usize>,
}

impl Heard {
    fn take(&mut self, line: &mut Line, frame: &Frame, silent: &mut BTreeMap<&str, Merged>) -> Result<()> {
        line.hear(frame, |said| {
            match said {
                Said::Hello => self.greeted = true,
                Said::Refused(number, _) => self.refused.push(number),
                Said::Event(QUOTE, arguments) => {
                    let (contract, changes) = quotes(arguments)?;
                    if let Some(mut merged) = silent.remove(contract.as_str()) {
                        changes.iter().for_each(|change| merged.merge(change));
                        let quote = merged.quote(&contract);
                        self.quotes.insert(quote.instrument.clone(), quote);
                    }
                }
                Said::Closed(error) => return Err(error),
                Said::Event(..) | Said::Confirmed | Said::Beat => {}
            }
            Ok(())
        })
    }
}

#[async_trait]
impl MarketData for TopstepxBroker {
    /// From the streams of this broker that hold them; else the market hub is listened to, for three seconds at most.
    async fn quotes(&self, instruments: &[InstrumentId]) -> Result<Vec<Quote>> {
        let mut found = BTreeMap::new();
        let mut unknown = Vec::new();
        for contract in instruments {
            match self.board().get(contract) {
                Some(quote) => _ = found.insert(contract.clone(), quote),
                None if unknown.contains(&contract) => {}
                None if spec(contract.get()).is_some() || contract.get().starts_with("CON.") => unknown.push(contract),
                // No contract has such an id.
                None => {}
            }
        }
        if !unknown.is_empty() {
            found.extend(self.listen_once(&unknown).await.map_err(named(self, "quotes"))?);
        }
        Ok(instruments
            .iter()
            .filter_map(|contract| found.remove(contract))
            .collect())
    }

    async fn candles(&self, query: &CandleQuery, from: Option<&Cursor>) -> Result<Page<Candle>> {
        let since = match from {
            Some(cursor) => cursor.decode::<DateTime<Utc>>(VERSION)?,
            None => query.since,
        };
        let (unit, unit_number) = unit(query.interval)?;
        let longest = length(query.interval) * INTERVALS;
        let next = since.checked_add_signed(longest).filter(|next| *next < query.until);
        let ask = BarsAskJson {
            contract_id: query.instrument.get(),
            live: self.rest().live_data,
            start_time: stamp(since),
            end_time: stamp(next.unwrap_or(query.until)),
            unit,
            unit_number,
            limit: MOST_BARS,
            include_partial_bar: true,
        };
        let now = self.context().clock().now();
        let read = |body: &str| {
            let answer: Answer<'_, BarsJson> = wire::decode(body)?;
            let bars = answer.needed(Endpoint::Bars, "bars")?.0;
            bars.iter()
                .map(|bar| candle(bar, &query.instrument, query.interval, now))
                .collect()
        };
        let call = self.rest().ask(Endpoint::Bars, &ask)?;
        let mut rows: Vec<Candle> = self.rest().http.run(call, read).await?;
        let proof = match rows.len() {
            // The newest were kept, and older ones left out.
            MOST_BARS.. => Proof::Capped,
            _ if next.is_some() => Proof::Contiguous,
            _ => Proof::Short,
        };
        rows.retain(|candle| (since..query.until).contains(&candle.start));
        rows.sort_by_key(|candle| candle.start);
        Ok(Page {
            next: next.map(|next| Cursor::encode(VERSION, &next)).transpose()?,
            proof,
            ..Page::whole(rows)
        })
    }

    /// Nothing tells them.
    async fn hours(&self, _instrument: &InstrumentId, _since: DateTime<Utc>, _until: DateTime<Utc>) -> Result<Hours> {
        Ok(Hours::Unknown)
    }
}

fn unit(interval: Interval) -> Result<(u8, u32)> {
    Ok(match interval {
        Interval::Seconds(count) => (1, count),
        Interval::Minutes(count) => (2, count),
        Interval::Hours(count) => (3, count),
        Interval::Day => (4, 1),
        Interval::Week => (5, 1),
        Interval::Month => (6, 1),
        other => return Err(Error::unsupported(format!("candles of {other:?}"))),
    })
}
