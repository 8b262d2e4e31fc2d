//! What Binance alone tells: rates of commission, filters of the account, orders made smaller, trades prevented, orders
//! counted.

use broker_core::num::Text;
use broker_core::{
    AccountId, Broker, ClientOrderId, Currency, InstrumentId, OrderId, OrderRef, Price, Qty, Record, Result,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::broker::BinanceBroker;
use crate::map;
use crate::rest::Params;
use crate::wire::{
    self, AmendmentJson, CommissionJson, FilterJson, MyFiltersJson, PreventedMatchJson, RateLimitJson, RatesJson,
    TradeJson,
};

/// Shares of the value: 0.001 is 0.1 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// For orders that rested.
    pub maker: Decimal,
    /// For orders that took.
    pub taker: Decimal,
    /// On top for who buys.
    pub buyer: Decimal,
    /// On top for who sells.
    pub seller: Decimal,
}

/// What trading in a symbol costs the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commission {
    /// The usual rates.
    pub standard: Rates,
    /// Rates that some symbols have on top.
    pub special: Option<Rates>,
    /// Taxes.
    pub tax: Rates,
    /// The coin that the usual rates are paid in at a discount, and the factor; `None` where that is off.
    pub discount: Option<(Currency, Decimal)>,
}

/// A rule that holds for this account beside those of its symbols: its name, and the number in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolFilter {
    /// Binance's name of it: `MAX_NUM_ORDER_LISTS`, `MAX_ASSET`.
    pub name: String,
    /// The coin that it is about, where it is about one.
    pub asset: Option<Currency>,
    /// The most that it permits; `None` where it is of another form.
    pub most: Option<Decimal>,
}

/// An order that was made smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// Our id of it before.
    pub before: ClientOrderId,
    /// Our id of it since.
    pub since: ClientOrderId,
    /// Its quantity before.
    pub qty_before: Qty,
    /// Its quantity since.
    pub qty: Qty,
    /// When.
    pub at: DateTime<Utc>,
}

/// A trade of the account with itself that was prevented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreventedMatch {
    /// Binance's number of it.
    pub id: u64,
    /// The order that would have taken.
    pub taker: OrderId,
    /// The order that would have been taken.
    pub maker: OrderId,
    /// At this price.
    pub price: Price,
    /// What was taken off the resting order, where anything was.
    pub maker_qty: Option<Qty>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Orders that were placed and not filled, in a window that runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderCount {
    /// Length of the window in Binance's words: `10 SECOND`, `1 DAY`.
    pub window: String,
    /// How many are permitted.
    pub limit: u32,
    /// How many count.
    pub count: u32,
}

impl BinanceBroker {
    /// What trading in a symbol costs.
    pub async fn commission(&self, instrument: &InstrumentId) -> Result<Commission> {
        let read = |body: &str| {
            let wire: CommissionJson<'_> = wire::decode(body)?;
            let on = wire.discount.enabled_for_account && wire.discount.enabled_for_symbol;
            let asset = wire.discount.discount_asset.as_ref().filter(|_| on);
            if on && asset.is_none() {
                return Err(broker_core::Error::decode("a discount without its coin"));
            }
            Ok(Commission {
                standard: rates(&wire.standard_commission),
                special: wire.special_commission.as_ref().map(rates),
                tax: rates(&wire.tax_commission),
                discount: asset
                    .map(|asset| Ok::<_, broker_core::Error>((map::currency(asset.get())?, wire.discount.discount.0)))
                    .transpose()?,
            })
        };
        self.own(
            "commission",
            "/api/v3/account/commission",
            &[symbol(instrument)],
            20,
            read,
        )
        .await
    }

    /// The filters that hold for this account in a symbol, beside the symbol's own.
    pub async fn filters(&self, instrument: &InstrumentId) -> Result<Vec<SymbolFilter>> {
        let read = |body: &str| {
            let wire: MyFiltersJson<'_> = wire::decode(body)?;
            let all = [&wire.exchange_filters, &wire.symbol_filters, &wire.asset_filters];
            all.into_iter().flatten().map(filter).collect()
        };
        self.own("filters", "/api/v3/myFilters", &[symbol(instrument)], 40, read)
            .await
    }

    /// How an order was made smaller, oldest first.
    pub async fn amendments(&self, order: &OrderRef) -> Result<Vec<Amendment>> {
        let (symbol, name) = self.by_number(order).await?;
        let read = |body: &str| {
            let rows: Vec<AmendmentJson<'_>> = wire::decode(body)?;
            let row = |row: &AmendmentJson<'_>| {
                Ok(Amendment {
                    before: ClientOrderId::from(row.orig_client_order_id.get()),
                    since: ClientOrderId::from(row.new_client_order_id.get()),
                    qty_before: Qty::new(row.orig_qty.0)?,
                    qty: Qty::new(row.new_qty.0)?,
                    at: map::at(row.time)?,
                })
            };
            rows.iter().map(row).collect()
        };
        let params = [("symbol", symbol), name];
        self.own("amendments", "/api/v3/order/amendments", &params, 4, read)
            .await
    }

    /// Trades of an order with others of the same account that were prevented.
    pub async fn prevented_matches(&self, order: &OrderRef) -> Result<Vec<PreventedMatch>> {
        let (symbol, name) = self.by_number(order).await?;
        let taker_symbol = symbol.clone();
        let read = |body: &str| {
            let rows: Vec<PreventedMatchJson<'_>> = wire::decode(body)?;
            let row = |row: &PreventedMatchJson<'_>| {
                Ok(PreventedMatch {
                    id: row.prevented_match_id,
                    taker: map::order_id(&taker_symbol, row.taker_order_id),
                    maker: map::order_id(row.maker_symbol.get(), row.maker_order_id),
                    price: Price::new(row.price.0),
                    maker_qty: row.maker_prevented_quantity.map(|qty| Qty::new(qty.0)).transpose()?,
                    at: map::at(row.transact_time)?,
                })
            };
            rows.iter().map(row).collect()
        };
        let params = [("symbol", symbol), name];
        self.own("prevented matches", "/api/v3/myPreventedMatches", &params, 20, read)
            .await
    }

    /// How many orders count against the account's limits now.
    pub async fn order_counts(&self) -> Result<Vec<OrderCount>> {
        let read = |body: &str| {
            let rows: Vec<RateLimitJson<'_>> = wire::decode(body)?;
            let row = |row: &RateLimitJson<'_>| {
                let missing = || broker_core::Error::decode("a count of orders without its window, limit or count");
                let interval = row.interval.as_ref().map(Text::get).ok_or_else(missing)?;
                Ok(OrderCount {
                    window: format!("{} {interval}", row.interval_num.ok_or_else(missing)?),
                    limit: row.limit.ok_or_else(missing)?,
                    count: row.count.ok_or_else(missing)?,
                })
            };
            rows.iter().map(row).collect()
        };
        self.own("order counts", "/api/v3/rateLimit/order", &[], 40, read).await
    }

    /// The fills of one order, however old: cheaper than a page of the history.
    pub async fn fills_of(&self, account: &AccountId, order: &OrderId) -> Result<Vec<Record>> {
        self.check(account).await?;
        let (symbol, (_, number)) = self.named(&OrderRef::by_id(account, order.clone()))?;
        let pair = self.pair(&symbol).await?;
        let read = |body: &str| {
            let rows: Vec<TradeJson<'_>> = wire::decode(body)?;
            match rows.iter().any(|row| row.order_id.to_string() != number) {
                true => Err(broker_core::Error::decode("answered with fills of another order")),
                false => rows.iter().map(|row| map::trade::record(row, &pair, account)).collect(),
            }
        };
        let params = [
            ("symbol", symbol),
            ("orderId", number.clone()),
            ("limit", "1000".to_owned()),
        ];
        let what = "fills of an order";
        let mut fills: Vec<Record> = self.own(what, "/api/v3/myTrades", &params, 5, read).await?;
        if pair.routed {
            fills.extend(self.own(what, "/api/v3/myAllocations", &params, 20, read).await?);
        }
        Ok(fills)
    }

    /// These calls take Binance's number alone: by our id an order is read first.
    async fn by_number(&self, order: &OrderRef) -> Result<(String, (&'static str, String))> {
        match order.id {
            Some(_) => self.named(order),
            None => self.named(&self.find(order).await?.reference()),
        }
    }

    async fn own<T>(
        &self,
        op: &'static str,
        path: &'static str,
        params: Params<'_>,
        weight: u32,
        read: impl Fn(&str) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        self.rest()
            .http
            .run(self.rest().read(op, path, params, weight), read)
            .await
    }

    /// The records of a page of trades or allocations of one symbol: reads again what a query
    /// [`with_raw`](broker_core::HistoryQuery::with_raw) gave and a program kept.
    pub async fn read_trades(&self, account: &AccountId, instrument: &InstrumentId, page: &str) -> Result<Vec<Record>> {
        let pair = self.pair(instrument.get()).await?;
        let rows: Vec<TradeJson<'_>> = wire::decode(page).map_err(|error| error.with_broker(self.id()))?;
        rows.iter().map(|row| map::trade::record(row, &pair, account)).collect()
    }
}

fn symbol(instrument: &InstrumentId) -> (&'static str, String) {
    ("symbol", instrument.get().to_owned())
}

fn rates(wire: &RatesJson) -> Rates {
    Rates {
        maker: wire.maker.0,
        taker: wire.taker.0,
        buyer: wire.buyer.0,
        seller: wire.seller.0,
    }
}

fn filter(wire: &FilterJson<'_>) -> Result<SymbolFilter> {
    let most = [
        wire.max_num_orders,
        wire.max_num_algo_orders,
        wire.max_num_iceberg_orders,
        wire.max_num_order_lists,
        wire.max_num_order_amends,
        wire.max_position,
        wire.limit,
    ];
    Ok(SymbolFilter {
        name: wire.filter_type.get().to_owned(),
        asset: wire
            .asset
            .as_ref()
            .map(|asset| map::currency(asset.get()))
            .transpose()?,
        most: most.into_iter().flatten().map(|most| most.0).next(),
    })
}
