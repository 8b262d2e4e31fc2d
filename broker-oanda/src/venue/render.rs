//! Transactions as OANDA writes them.

use broker_core::model::LotRole;
use broker_core::{Fill, Flow, Instrument, Record};
use broker_sim::Engine;
use rust_decimal::Decimal;

use super::json::{Object, array, fixed};
use super::ledger::{Ledger, Tx, What};
use super::terms::{Terms, is_listed, places};

/// What of an account is written, and where its numbers come from.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) engine: &'a Engine,
    pub(super) ledger: &'a Ledger,
}

impl<'a> Page<'a> {
    pub(super) fn instrument(&self, name: &str) -> Option<&'a Instrument> {
        let pair = name.replace('_', "/");
        let known = self.engine.instrument(&pair.as_str().into());
        known
            .or_else(|| self.engine.instrument(&name.into()))
            .filter(|one| is_listed(one))
    }

    pub(super) fn places(&self, name: &str) -> u32 {
        self.instrument(name).map_or(5, places)
    }

    /// What every transaction begins with.
    fn head(&self, id: u64, tx: &Tx, kind: &str) -> Object {
        Object::new()
            .text("type", kind)
            .id("id", id)
            .raw("userID", "1234567")
            .text("accountID", self.ledger.account.get())
            .id("batchID", tx.batch)
            .text("requestID", format!("4254{:013}", tx.batch))
            .stamp("time", tx.at)
    }

    pub(super) fn transaction(&self, id: u64) -> Option<String> {
        let tx = self.ledger.get(id)?;
        Some(match &tx.what {
            What::Create => self.created(id, tx),
            What::Made => {
                let card = self.ledger.cards.get(&id)?;
                self.made(id, tx, &card.terms).end()
            }
            What::Refused { terms, reason } => {
                let places = self.places(&terms.instrument);
                let head = self.head(id, tx, &format!("{}_ORDER_REJECT", terms.kind));
                terms
                    .write(head, places)
                    .text("reason", terms.reason)
                    .text("rejectReason", reason)
                    .end()
            }
            What::CancelRefused { order, reason } => {
                let head = self.head(id, tx, "ORDER_CANCEL_REJECT");
                head.text("orderID", order).text("rejectReason", reason).end()
            }
            What::Ended {
                order,
                reason,
                replaced_by,
            } => {
                let own = self.ledger.cards.get(order).and_then(|card| card.terms.own_id());
                self.head(id, tx, "ORDER_CANCEL")
                    .id("orderID", *order)
                    .maybe("clientOrderID", own)
                    .maybe("replacedByOrderID", replaced_by.map(|id| id.to_string()))
                    .text("reason", reason)
                    .end()
            }
            What::Filled { entry, order } => self.filled(id, tx, *entry, *order)?,
            What::Money(entry) => self.transfer(id, tx, *entry)?,
            What::Financing(entries) => self.financing(id, tx, entries),
            What::Dividend(entries) => self.dividend(id, tx, entries),
        })
    }

    fn created(&self, id: u64, tx: &Tx) -> String {
        let account = self.engine.account(&self.ledger.account);
        let currency = account.map_or_else(|_| "USD".to_owned(), |account| account.spec().currency.to_string());
        self.head(id, tx, "CREATE")
            .raw("divisionID", "4")
            .raw("siteID", "101")
            .raw("accountUserID", "1234567")
            .raw("accountNumber", "1")
            .text("homeCurrency", currency)
            .end()
    }

    fn made(&self, id: u64, tx: &Tx, terms: &Terms) -> Object {
        let head = self.head(id, tx, &format!("{}_ORDER", terms.kind));
        terms
            .write(head, self.places(&terms.instrument))
            .text("reason", terms.reason)
            .maybe("orderFillTransactionID", terms.with_fill.map(|id| id.to_string()))
    }

    fn record(&self, entry: usize) -> Option<&'a Record> {
        let log = self.engine.log(&self.ledger.account).ok()?;
        log.get(entry).map(|entry| &entry.record)
    }

    pub(super) fn fill(&self, entry: usize) -> Option<&'a Fill> {
        match self.record(entry)? {
            Record::Fill(fill) => Some(fill),
            _ => None,
        }
    }

    fn flow(&self, entry: usize) -> Option<&'a Flow> {
        match self.record(entry)? {
            Record::Flow(flow) => Some(flow),
            _ => None,
        }
    }

    fn filled(&self, id: u64, tx: &Tx, entry: usize, order: u64) -> Option<String> {
        let fill = self.fill(entry)?;
        let name = fill.instrument.get().replace('/', "_");
        let places = self.places(&name);
        let card = self.ledger.cards.get(&order);
        let amount = |money: Option<broker_core::Money>| money.map_or(Decimal::ZERO, |money| money.amount);
        let units = fill.qty.signed(fill.side);
        let (mut closed, mut reduced, mut opened) = (Vec::new(), None, None);
        let mut financing = Decimal::ZERO;
        // A guaranteed stop closes one lot.
        let guaranteed = self.ledger.guaranteed.get(&id).copied().unwrap_or_default();
        for lot in &fill.lots {
            let trade = self.ledger.trade_of(&lot.lot).unwrap_or_default();
            let part = Object::new()
                .id("tradeID", trade)
                .units("units", lot.qty.signed(fill.side));
            let part = part.text("price", fixed(lot.price.get(), places));
            if lot.role == LotRole::Opened {
                let margin = self.instrument(&name).and_then(|one| one.margin.as_ref()?.long_rate);
                let margin = margin.unwrap_or_default() * lot.qty.get() * lot.price.get();
                let part = part
                    .money("guaranteedExecutionFee", Decimal::ZERO)
                    .money("halfSpreadCost", Decimal::ZERO);
                opened = Some(part.money("initialMarginRequired", margin).end());
                continue;
            }
            financing += amount(lot.financing);
            let part = part
                .money("realizedPL", amount(lot.pnl))
                .money("financing", amount(lot.financing))
                .money("guaranteedExecutionFee", guaranteed)
                .money("halfSpreadCost", Decimal::ZERO)
                .end();
            let whole = self
                .ledger
                .trades
                .get(&trade)
                .is_some_and(|trade| trade.closed_at.is_some() && trade.closings.last() == Some(&id));
            match whole {
                true => closed.push(part),
                false => reduced = Some(part),
            }
        }
        let factors = fill.conversion.map(|conversion| {
            let factor = |value: Decimal| Object::new().text("factor", value.normalize().to_string()).end();
            let all = Object::new().raw("gainQuoteHome", &factor(conversion.gain));
            all.raw("lossQuoteHome", &factor(conversion.loss)).end()
        });
        let fees: Decimal = fill.fees.iter().map(|fee| fee.amount).sum();
        let head = self
            .head(id, tx, "ORDER_FILL")
            .id("orderID", order)
            .maybe("clientOrderID", card.and_then(|card| card.terms.own_id()))
            .text("instrument", &name)
            .units("units", units)
            .units("requestedUnits", card.map_or(units, |card| card.terms.units))
            .text("price", fixed(fill.price.get(), places))
            .text("fullVWAP", fixed(fill.price.get(), places))
            .money("pl", amount(fill.pnl))
            .money("financing", financing)
            .money("commission", fees)
            .money("guaranteedExecutionFee", guaranteed)
            .money("halfSpreadCost", Decimal::ZERO)
            .money("accountBalance", tx.balance.unwrap_or_default())
            .text("reason", card.map_or("MARKET_ORDER", |card| fill_reason(&card.terms)));
        let head = match fill.conversion {
            Some(conversion) => head
                .text("gainQuoteHomeConversionFactor", conversion.gain.normalize().to_string())
                .text("lossQuoteHomeConversionFactor", conversion.loss.normalize().to_string()),
            None => head,
        };
        let head = head
            .maybe_raw("homeConversionFactors", factors)
            .raw("fullPrice", &self.full_price(fill, places, tx))
            .maybe_raw("tradeOpened", opened)
            .maybe_raw("tradeReduced", reduced);
        Some(match closed.is_empty() {
            true => head.end(),
            false => head.raw("tradesClosed", &array(closed)).end(),
        })
    }

    /// Inside of transactions liquidity is a string.
    fn full_price(&self, fill: &Fill, places: u32, tx: &Tx) -> String {
        let level = Object::new()
            .text("price", fixed(fill.price.get(), places))
            .text("liquidity", "10000000");
        let levels = array([level.end()]);
        let price = fixed(fill.price.get(), places);
        Object::new()
            .text("closeoutBid", &price)
            .text("closeoutAsk", &price)
            .stamp("timestamp", tx.at)
            .raw("bids", &levels)
            .raw("asks", &levels)
            .end()
    }

    fn transfer(&self, id: u64, tx: &Tx, entry: usize) -> Option<String> {
        use broker_core::model::FlowKind as K;
        let flow = self.flow(entry)?;
        let reason = match flow.kind {
            K::Deposit | K::Withdrawal => "CLIENT_FUNDING",
            K::Transfer => "ACCOUNT_TRANSFER",
            _ => "ADJUSTMENT",
        };
        let comment = flow.description.clone().or_else(|| {
            let kind = flow.kind.as_str();
            (reason == "ADJUSTMENT").then(|| kind.to_owned())
        });
        let head = self
            .head(id, tx, "TRANSFER_FUNDS")
            .money("amount", flow.amount)
            .text("fundingReason", reason);
        Some(
            head.maybe("comment", comment)
                .money("accountBalance", tx.balance.unwrap_or_default())
                .end(),
        )
    }

    fn financing(&self, id: u64, tx: &Tx, entries: &[usize]) -> String {
        let mut by_name: Vec<(String, Decimal, Vec<String>)> = Vec::new();
        let mut total = Decimal::ZERO;
        for flow in entries.iter().filter_map(|entry| self.flow(*entry)) {
            total += flow.amount;
            let name = flow
                .instrument
                .as_ref()
                .map_or_else(String::new, |id| id.get().replace('/', "_"));
            let trade = flow.lot.as_ref().and_then(|lot| self.ledger.trade_of(lot));
            let row = trade.map(|trade| Object::new().id("tradeID", trade).money("financing", flow.amount).end());
            match by_name.iter_mut().find(|(known, _, _)| *known == name) {
                Some((_, sum, rows)) => {
                    *sum += flow.amount;
                    rows.extend(row);
                }
                None => by_name.push((name, flow.amount, row.into_iter().collect())),
            }
        }
        let positions = by_name
            .into_iter()
            .filter(|(name, _, _)| !name.is_empty())
            .map(|(name, sum, rows)| {
                let position = Object::new().text("instrument", name).money("financing", sum);
                position.raw("openTradeFinancings", &array(rows)).end()
            });
        self.head(id, tx, "DAILY_FINANCING")
            .money("financing", total)
            .money("accountBalance", tx.balance.unwrap_or_default())
            .text("accountFinancingMode", "SECOND_BY_SECOND")
            .raw("positionFinancings", &array(positions))
            .end()
    }

    fn dividend(&self, id: u64, tx: &Tx, entries: &[usize]) -> String {
        let flows: Vec<&Flow> = entries.iter().filter_map(|entry| self.flow(*entry)).collect();
        let total: Decimal = flows.iter().map(|flow| flow.amount).sum();
        let name = flows.first().and_then(|flow| flow.instrument.as_ref());
        let rows = flows.iter().filter_map(|flow| {
            let trade = self.ledger.trade_of(flow.lot.as_ref()?)?;
            Some(
                Object::new()
                    .id("tradeID", trade)
                    .money("dividendAdjustment", flow.amount)
                    .end(),
            )
        });
        self.head(id, tx, "DIVIDEND_ADJUSTMENT")
            .maybe("instrument", name.map(|id| id.get().replace('/', "_")))
            .money("dividendAdjustment", total)
            .money("accountBalance", tx.balance.unwrap_or_default())
            .raw("openTradeDividendAdjustments", &array(rows))
            .end()
    }
}

fn fill_reason(terms: &Terms) -> &'static str {
    match (terms.kind.as_str(), terms.reason) {
        ("MARKET", "TRADE_CLOSE") => "MARKET_ORDER_TRADE_CLOSE",
        ("MARKET", "POSITION_CLOSEOUT") => "MARKET_ORDER_POSITION_CLOSEOUT",
        ("LIMIT", _) => "LIMIT_ORDER",
        ("STOP", _) => "STOP_ORDER",
        ("MARKET_IF_TOUCHED", _) => "MARKET_IF_TOUCHED_ORDER",
        ("TAKE_PROFIT", _) => "TAKE_PROFIT_ORDER",
        ("STOP_LOSS", _) => "STOP_LOSS_ORDER",
        ("GUARANTEED_STOP_LOSS", _) => "GUARANTEED_STOP_LOSS_ORDER",
        ("TRAILING_STOP_LOSS", _) => "TRAILING_STOP_LOSS_ORDER",
        _ => "MARKET_ORDER",
    }
}
