//! What Kraken alone tells: the key's rights, amends of an order, fee rates.

use broker_core::num::Num;
use broker_core::{Broker, Error, InstrumentId, Money, OrderId, Price, Qty, Result};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::broker::KrakenBroker;
use crate::directory::held;
use crate::rest::Form;
use crate::wire::{self, AmendJson, AmendsJson, FeeJson, KeyInfoJson, Keyed, VolumeJson, filled};

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Kraken's words: `query-ledger`, `modify-trades`.
    pub permissions: Vec<String>,
    /// History before this is left out without a word.
    pub query_from: Option<DateTime<Utc>>,
    /// History behind this is left out without a word.
    pub query_to: Option<DateTime<Utc>>,
    /// When the key ends.
    pub valid_until: Option<DateTime<Utc>>,
}

impl KeyInfo {
    pub(crate) fn of(wire: &KeyInfoJson<'_>) -> Self {
        let moment = |at: Option<wire::Seconds>| at.and_then(|at| at.set());
        Self {
            permissions: wire.permissions.iter().map(|word| word.get().to_owned()).collect(),
            query_from: moment(wire.query_from),
            query_to: moment(wire.query_to),
            valid_until: moment(wire.valid_until),
        }
    }

    /// Whether it has this permission.
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|word| word == permission)
    }
}

/// What became of an order at one amend; the first is the order as it was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderAmend {
    /// Kraken's id.
    pub id: String,
    /// `original`, `user`, `restated`.
    pub kind: String,
    /// Quantity from then on.
    pub qty: Option<Qty>,
    /// What was left of it.
    pub remaining: Option<Qty>,
    /// Limit price from then on.
    pub limit_price: Option<Price>,
    /// Trigger price from then on.
    pub trigger_price: Option<Price>,
    /// Kraken's words.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl OrderAmend {
    fn of(wire: &AmendJson<'_>) -> Result<Self> {
        Ok(Self {
            id: wire.amend_id.get().to_owned(),
            kind: wire.amend_type.get().to_owned(),
            qty: wire.order_qty.0.map(Qty::new).transpose()?,
            remaining: wire.remaining_qty.0.map(Qty::new).transpose()?,
            limit_price: wire.limit_price.nonzero().map(Price::new),
            trigger_price: wire.trigger_price.nonzero().map(Price::new),
            reason: filled(&wire.reason).map(str::to_owned),
            at: moment(wire.timestamp)?,
        })
    }
}

/// Nanoseconds have 19 digits until 2286, milliseconds 13.
const LEAST_NANOS: u64 = 1_000_000_000_000_000_000;

fn moment(stamp: u64) -> Result<DateTime<Utc>> {
    let signed = i64::try_from(stamp).ok();
    let at = match signed {
        Some(nanos) if stamp >= LEAST_NANOS => Some(DateTime::from_timestamp_nanos(nanos)),
        Some(millis) => DateTime::from_timestamp_millis(millis),
        None => None,
    };
    at.ok_or_else(|| Error::decode(format!("{stamp} is not a moment")))
}

/// What trading costs by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeRates {
    /// What was traded in 30 days.
    pub volume: Money,
    /// By pair: percent of the value for those who take, and for those who wait.
    pub percent: Vec<(InstrumentId, Option<Decimal>, Option<Decimal>)>,
}

impl KrakenBroker {
    /// `online`, `maintenance`, `cancel_only`, `post_only`.
    ///
    /// # Errors
    /// As every read.
    pub async fn system_status(&self) -> Result<String> {
        self.rest().status().await
    }

    /// Every amend of an order, oldest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn order_amends(&self, order: &OrderId) -> Result<Vec<OrderAmend>> {
        let read = |body: &str| {
            let wire: AmendsJson<'_> = wire::result(body)?;
            wire.amends.iter().map(OrderAmend::of).collect()
        };
        let form = Form::new().with("order_id", order.get());
        self.rest().ask(("order amends", "OrderAmends"), form, read).await
    }

    /// What trading these costs by now.
    ///
    /// # Errors
    /// `InvalidRequest` for an instrument that is not listed; else as every read.
    pub async fn fee_rates(&self, instruments: &[InstrumentId]) -> Result<FeeRates> {
        let directory = self.rest().known().await?;
        let mut keys = Vec::new();
        for one in instruments {
            let pair = directory.pair(held(one.get()).1);
            let pair = pair.ok_or_else(|| Error::invalid(format!("{one} is not listed")).with_broker(self.id()))?;
            keys.push(pair.key.as_str());
        }
        let read = |body: &str| {
            let wire: VolumeJson<'_> = wire::result(body)?;
            let (currency, _) = directory.asset(wire.currency.get())?;
            let Num(volume) = wire.volume;
            let of = |fees: &Option<Keyed<'_, FeeJson>>, key: &str| {
                let row = fees
                    .iter()
                    .flat_map(|fees| &fees.0)
                    .find(|(name, _)| directory.pair(name.get()).is_some_and(|pair| pair.key == key));
                row.map(|(_, fee)| fee.fee.0)
            };
            let percent = keys
                .iter()
                .map(|key| (InstrumentId::from(*key), of(&wire.fees, key), of(&wire.fees_maker, key)));
            Ok(FeeRates {
                volume: Money::new(volume, currency),
                percent: percent.collect(),
            })
        };
        let form = Form::new().with("pair", keys.join(","));
        self.rest().ask(("fee rates", "TradeVolume"), form, read).await
    }
}
