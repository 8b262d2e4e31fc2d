//! Everything that is read.

use broker_core::Instrument;
use broker_sim::Engine;
use broker_sim::wire::{WireAnswer, WireRequest};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::json::{Object, array, fixed, quoted, stamp};
use super::ledger::Card;
use super::params::Params;
use super::refusal::{Refusal, Reply};
use super::render::Page;
use super::terms::{id_of, is_listed, places};

/// What reads of an account see: nothing that was made after `last`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) page: Page<'a>,
    pub(super) last: u64,
    pub(super) now: DateTime<Utc>,
}

/// Ids of one answer of transactions.
const MOST_ROWS: u64 = 1000;

pub(super) fn ok(body: Object) -> Reply {
    Ok(WireAnswer::json(200, body.end()))
}

impl View<'_> {
    fn body(&self, key: &str, json: &str) -> Reply {
        ok(Object::new().raw(key, json).id("lastTransactionID", self.last))
    }

    /// `GET .../summary`, and with all that is open `GET .../{account}`.
    pub(super) fn account(&self, request: &WireRequest, whole: bool) -> Reply {
        Params::of(request, &[])?;
        let (page, ledger) = (self.page, self.page.ledger);
        let account = page.engine.account(&ledger.account);
        let account = account.map_err(|_| Refusal::new(404, "The account does not exist"))?;
        let open: Vec<_> = ledger
            .trades
            .iter()
            .filter(|(_, trade)| trade.closed_at.is_none())
            .collect();
        let unrealized: Decimal = open.iter().map(|(_, trade)| page.unrealized(trade)).sum();
        let margin: Decimal = open.iter().map(|(_, trade)| page.margin(trade)).sum();
        let pl: Decimal = ledger.sums.values().map(|sums| sums.pl).sum();
        let financing: Decimal = ledger.sums.values().map(|sums| sums.financing).sum();
        let guaranteed: Decimal = ledger.sums.values().map(|sums| sums.guaranteed).sum();
        let nav = ledger.balance + unrealized;
        let positions: std::collections::BTreeSet<&str> =
            open.iter().map(|(_, trade)| trade.instrument.as_str()).collect();
        let pending = self.pending_cards();
        let mut out = Object::new()
            .text("guaranteedStopLossOrderMode", "ALLOWED")
            .flag(
                "hedgingEnabled",
                account.spec().mode == broker_core::model::PositionMode::Hedging,
            )
            .text("id", ledger.account.get())
            .stamp("createdTime", account.opened_at())
            .text("currency", account.spec().currency.to_string())
            .raw("createdByUserID", "1234567")
            .text("alias", "Primary")
            .text("marginRate", "0.02")
            .id("lastTransactionID", self.last)
            .money("balance", ledger.balance)
            .raw("openTradeCount", &open.len().to_string())
            .raw("openPositionCount", &positions.len().to_string())
            .raw("pendingOrderCount", &pending.len().to_string())
            .money("pl", pl)
            .money("resettablePL", pl)
            .stamp("resettablePLTime", account.opened_at())
            .money("financing", financing)
            .money("commission", ledger.commission)
            .money("guaranteedExecutionFees", guaranteed);
        if whole {
            let orders = pending.iter().map(|(id, card)| page.order(*id, card));
            let names: std::collections::BTreeSet<&str> =
                ledger.trades.values().map(|trade| trade.instrument.as_str()).collect();
            out = out
                .raw("orders", &array(orders))
                .raw("positions", &array(names.iter().filter_map(|name| page.position(name))))
                .raw("trades", &array(open.iter().map(|(id, trade)| page.trade(**id, trade))));
        }
        let free = (nav - margin).max(Decimal::ZERO);
        let out = out
            .money("unrealizedPL", unrealized)
            .money("NAV", nav)
            .money("marginUsed", margin)
            .money("marginAvailable", free)
            .money("positionValue", margin * Decimal::from(50))
            .money("marginCloseoutUnrealizedPL", unrealized)
            .money("marginCloseoutNAV", nav)
            .money("marginCloseoutMarginUsed", margin)
            .money("marginCloseoutPositionValue", margin * Decimal::from(50))
            .text("marginCloseoutPercent", "0.00000")
            .money("withdrawalLimit", free)
            .money("marginCallMarginUsed", margin)
            .text("marginCallPercent", "0.00000");
        self.body("account", &out.end())
    }

    pub(super) fn instruments(&self, request: &WireRequest) -> Reply {
        let wanted = Params::of(request, &["instruments"])?.list("instruments");
        let all: Vec<&Instrument> = listed(self.page.engine).collect();
        if let Some(names) = &wanted
            && let Some(unknown) = names.iter().find(|name| !all.iter().any(|one| id_of(one) == **name))
        {
            return Err(Refusal::new(
                400,
                format!("Invalid value specified for 'instruments': {unknown}"),
            ));
        }
        let rows = all
            .iter()
            .filter(|one| wanted.as_ref().is_none_or(|names| names.contains(&id_of(one).as_str())));
        self.body("instruments", &array(rows.map(|one| instrument(one))))
    }

    fn cards(&self) -> impl DoubleEndedIterator<Item = (u64, &Card)> {
        let last = self.last;
        let cards = self.page.ledger.cards.range(..=last);
        cards.map(|(id, card)| (*id, card))
    }

    /// As much of an order as is visible: what filled or ended it may not be.
    fn card(&self, card: &Card) -> Card {
        let mut shown = card.clone();
        shown.filled = shown.filled.filter(|id| *id <= self.last);
        shown.ended = shown.ended.filter(|id| *id <= self.last);
        shown.replaced_by = shown.replaced_by.filter(|id| *id <= self.last);
        shown
    }

    pub(super) fn orders(&self, request: &WireRequest) -> Reply {
        let params = Params::of(request, &["ids", "state", "instrument", "count", "beforeID"])?;
        let states = ["PENDING", "FILLED", "TRIGGERED", "CANCELLED", "ALL"];
        let ids = params.list("ids");
        let state = params.word("state", &states)?.unwrap_or("PENDING");
        let count = params.count("count", 50, 500)?;
        let before = params.id("beforeID")?.unwrap_or(u64::MAX);
        let instrument = params.get("instrument");
        let rows = self
            .cards()
            .rev()
            .filter(|(id, _)| *id <= before)
            .filter_map(|(id, card)| {
                let shown = self.card(card);
                let wanted = (state == "ALL" || shown.state() == state)
                    && instrument.is_none_or(|name| shown.terms.instrument == name)
                    && ids.as_ref().is_none_or(|ids| ids.contains(&id.to_string().as_str()));
                wanted.then(|| self.page.order(id, &shown))
            });
        self.body("orders", &array(rows.take(count)))
    }

    pub(super) fn pending(&self, request: &WireRequest) -> Reply {
        Params::of(request, &[])?;
        let rows = self.pending_cards();
        self.body(
            "orders",
            &array(rows.iter().map(|(id, card)| self.page.order(*id, card))),
        )
    }

    /// Orders that are pending as far as is visible, newest first.
    fn pending_cards(&self) -> Vec<(u64, Card)> {
        let ids = self.page.ledger.pending(self.last).into_iter();
        let cards = ids.filter_map(|id| Some((id, self.card(self.page.ledger.cards.get(&id)?))));
        cards.filter(|(_, card)| card.is_pending()).collect()
    }

    /// By its id, or by `@` and ours: pending ones alone.
    pub(super) fn find(&self, specifier: &str) -> Option<u64> {
        match specifier.strip_prefix('@') {
            Some(own) => {
                let pending = self.pending_cards().into_iter();
                pending
                    .into_iter()
                    .find(|(_, card)| card.terms.own_id() == Some(own))
                    .map(|(id, _)| id)
            }
            None => specifier
                .parse()
                .ok()
                .filter(|id| *id <= self.last && self.page.ledger.cards.contains_key(id)),
        }
    }

    pub(super) fn order(&self, request: &WireRequest, specifier: &str) -> Reply {
        Params::of(request, &[])?;
        let found = self
            .find(specifier)
            .and_then(|id| Some((id, self.page.ledger.cards.get(&id)?)));
        let Some((id, card)) = found else {
            return Err(self.missing("NO_SUCH_ORDER", "The order ID specified does not exist"));
        };
        self.body("order", &self.page.order(id, &self.card(card)))
    }

    fn missing(&self, code: &str, words: &str) -> Refusal {
        Refusal::with(404, Object::new().id("lastTransactionID", self.last), Some(code), words)
    }

    pub(super) fn trades(&self, request: &WireRequest, open_only: bool) -> Reply {
        let known: &[&str] = if open_only {
            &[]
        } else {
            &["ids", "state", "instrument", "count", "beforeID"]
        };
        let params = Params::of(request, known)?;
        let states = ["OPEN", "CLOSED", "CLOSE_WHEN_TRADEABLE", "ALL"];
        let state = params.word("state", &states)?.unwrap_or("OPEN");
        let count = if open_only {
            usize::MAX
        } else {
            params.count("count", 50, 500)?
        };
        let before = params.id("beforeID")?.unwrap_or(u64::MAX).min(self.last);
        let ids = params.list("ids");
        let instrument = params.get("instrument");
        let rows = self.page.ledger.trades.range(..=before).rev().filter(|(id, trade)| {
            let is_open = trade.closed_at.is_none();
            (state == "ALL" || is_open == (state == "OPEN"))
                && instrument.is_none_or(|name| trade.instrument == name)
                && ids.as_ref().is_none_or(|ids| ids.contains(&id.to_string().as_str()))
        });
        self.body(
            "trades",
            &array(rows.take(count).map(|(id, trade)| self.page.trade(*id, trade))),
        )
    }

    pub(super) fn trade(&self, request: &WireRequest, specifier: &str) -> Reply {
        Params::of(request, &[])?;
        let id = specifier.parse::<u64>().ok();
        let trade = id.and_then(|id| Some((id, self.page.ledger.trades.get(&id)?)));
        match trade.filter(|(id, _)| *id <= self.last) {
            Some((id, trade)) => self.body("trade", &self.page.trade(id, trade)),
            None => Err(self.missing("NO_SUCH_TRADE", "The trade ID specified does not exist")),
        }
    }

    pub(super) fn positions(&self, request: &WireRequest, open_only: bool) -> Reply {
        Params::of(request, &[])?;
        let trades = self.page.ledger.trades.values();
        let wanted = trades.filter(|trade| !open_only || trade.closed_at.is_none());
        let names: std::collections::BTreeSet<&str> = wanted.map(|trade| trade.instrument.as_str()).collect();
        let rows = names.iter().filter_map(|name| self.page.position(name));
        self.body("positions", &array(rows))
    }

    pub(super) fn position(&self, request: &WireRequest, name: &str) -> Reply {
        Params::of(request, &[])?;
        match self.page.position(name) {
            Some(position) => self.body("position", &position),
            None => Err(self.missing("NO_SUCH_POSITION", "The Position specified does not exist")),
        }
    }

    /// `GET .../transactions`: the pages of a span of time, by their addresses on the real host.
    pub(super) fn span(&self, request: &WireRequest) -> Reply {
        let params = Params::of(request, &["from", "to", "pageSize", "type"])?;
        let size = u64::try_from(params.count("pageSize", 100, 1000)?).unwrap_or(100);
        let txs = &self.page.ledger.txs;
        let opened = txs.first().map_or(self.now, |tx| tx.at);
        let from = params.time("from")?.unwrap_or(opened);
        let to = params.time("to")?.unwrap_or(self.now);
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let first = number(txs.partition_point(|tx| tx.at < from)) + 1;
        let last = number(txs.partition_point(|tx| tx.at <= to)).min(self.last);
        let count = (last + 1).saturating_sub(first);
        let mut pages = Vec::new();
        let mut next = first;
        while next <= last {
            let end = last.min(next + size - 1);
            pages.push(quoted(&format!(
                "https://api-fxpractice.oanda.com/v3/accounts/{}/transactions/idrange?from={next}&to={end}",
                self.page.ledger.account.get()
            )));
            next = end + 1;
        }
        ok(Object::new()
            .stamp("from", from)
            .stamp("to", to)
            .raw("pageSize", &size.to_string())
            .raw("count", &count.to_string())
            .raw("pages", &array(pages))
            .id("lastTransactionID", self.last))
    }

    pub(super) fn range(&self, request: &WireRequest) -> Reply {
        let params = Params::of(request, &["from", "to", "type"])?;
        let (from, to) = (params.needed("from")?, params.needed("to")?);
        let (Ok(from), Ok(to)) = (from.parse::<u64>(), to.parse::<u64>()) else {
            return Err(Refusal::invalid("from"));
        };
        if from == 0 || from > to || to - from >= MOST_ROWS {
            return Err(Refusal::invalid("to"));
        }
        if to > self.last {
            return Err(Refusal::new(416, "The requested range is not satisfiable"));
        }
        self.rows(from, to)
    }

    pub(super) fn since(&self, request: &WireRequest) -> Reply {
        let params = Params::of(request, &["id", "type"])?;
        let id = params.id("id")?.ok_or_else(|| Refusal::invalid("id"))?;
        if id > self.last {
            return Err(Refusal::new(416, "The requested range is not satisfiable"));
        }
        // The real service's cap is not known: here an answer is cut, and the client has to go on.
        self.rows(id + 1, self.last.min(id + MOST_ROWS))
    }

    fn rows(&self, from: u64, to: u64) -> Reply {
        let rows = (from..=to).filter_map(|id| self.page.transaction(id));
        self.body("transactions", &array(rows))
    }

    pub(super) fn transaction(&self, request: &WireRequest, id: &str) -> Reply {
        Params::of(request, &[])?;
        let id = id.parse::<u64>().ok().filter(|id| *id <= self.last);
        match id.and_then(|id| self.page.transaction(id)) {
            Some(row) => self.body("transaction", &row),
            None => Err(Refusal::new(404, "The transaction ID specified does not exist")),
        }
    }

    pub(super) fn pricing(&self, request: &WireRequest) -> Reply {
        let params = Params::of(
            request,
            &[
                "instruments",
                "since",
                "includeUnitsAvailable",
                "includeHomeConversions",
            ],
        )?;
        let rows = self.prices(params.needed("instruments")?)?;
        ok(Object::new().stamp("time", self.now).raw("prices", &array(rows)))
    }

    /// Prices of these names; one that there is not refuses all.
    pub(super) fn prices(&self, names: &str) -> Result<Vec<String>, Refusal> {
        let rows = names.split(',').map(|name| {
            let found = self
                .page
                .instrument(name)
                .and_then(|one| price(self.page.engine, one, self.now));
            found.ok_or_else(|| Refusal::new(400, format!("Invalid value specified for 'instruments': {name}")))
        });
        rows.collect()
    }
}

/// What OANDA has of what the engine lists.
pub(super) fn listed(engine: &Engine) -> impl Iterator<Item = &Instrument> {
    engine.instruments().filter(|one| is_listed(one))
}

fn instrument(one: &Instrument) -> String {
    use broker_core::model::AssetClass as A;
    let places = places(one);
    let tick = |count: i64| fixed(Decimal::new(count, places), places);
    let kind = match one.asset_class {
        A::Metal => "METAL",
        A::Cfd => "CFD",
        _ => "CURRENCY",
    };
    let lot = one.lot.unwrap_or(Decimal::ONE).normalize();
    let rate = one
        .margin
        .as_ref()
        .and_then(|margin| margin.long_rate)
        .unwrap_or(Decimal::ONE);
    Object::new()
        .text("name", id_of(one))
        .text("type", kind)
        .text("displayName", one.name.as_deref().unwrap_or_else(|| one.symbol.get()))
        .raw("pipLocation", &one.pip_location.unwrap_or(-4).to_string())
        .raw("displayPrecision", &places.to_string())
        .raw("tradeUnitsPrecision", &lot.scale().to_string())
        .units("minimumTradeSize", one.min_qty.map_or(lot, broker_core::Qty::get))
        .text("maximumTrailingStopDistance", tick(100_000))
        .text("minimumTrailingStopDistance", tick(50))
        .text("maximumPositionSize", "0")
        .text("maximumOrderUnits", "100000000")
        .text("marginRate", rate.normalize().to_string())
        .end()
}

/// Numbers in prices, unlike anywhere else.
pub(super) fn price(engine: &Engine, one: &Instrument, now: DateTime<Utc>) -> Option<String> {
    let quote = engine.quote(&one.id)?;
    let open = engine.calendar(&one.id)?.is_open(now, false);
    let places = places(one);
    let side = |price: Option<broker_core::Price>, size: Option<broker_core::Qty>| {
        let level = price.map(|price| {
            let size = size.map_or(Decimal::ZERO, |size| size.get().trunc());
            Object::new()
                .text("price", fixed(price.get(), places))
                .raw("liquidity", &size.normalize().to_string())
        });
        array(level.map(Object::end))
    };
    let text = |price: Option<broker_core::Price>| price.map(|price| fixed(price.get(), places));
    let out = Object::new()
        .text("type", "PRICE")
        .text("time", stamp(quote.at.unwrap_or(now)))
        .raw("bids", &side(quote.bid, quote.bid_size))
        .raw("asks", &side(quote.ask, quote.ask_size))
        .maybe("closeoutBid", text(quote.bid))
        .maybe("closeoutAsk", text(quote.ask))
        .text("status", if open { "tradeable" } else { "non-tradeable" })
        .flag("tradeable", open)
        .text("instrument", id_of(one));
    Some(out.end())
}
