//! Reading and canceling orders.
//!
//! * Without `nested`, legs are rows of their own and `status=open` leaves out those that are held. With it, legs are
//!   rolled up in their parent, which is listed when it or one of its legs has the state that was asked for.
//! * `after` and `until` exclude their own moment. `after_order_id` and `before_order_id` go by the order of placing.

use broker_core::model::{Group, OrderKind, OrderState};
use broker_core::{AccountId, ClientOrderId, Order, OrderId, OrderStatus, Qty, Side};
use broker_sim::wire::{WireAnswer, WireRequest};
use broker_sim::{Engine, SimOrder};
use chrono::{DateTime, Utc};

use super::ids::{is_uuid, slashless};
use super::json::{Object, array};
use super::params::Params;
use super::place;
use super::refusal::{Refusal, Reply};
use super::shapes::{self, OrderFacts};

/// `GET /v2/orders`.
pub(super) fn list(book: &Book<'_>, request: &WireRequest) -> Reply {
    let query = Query::of(request)?;
    let orders: Vec<_> = book.orders()?.collect();
    let place = |id: &str| {
        let found = orders.iter().position(|order| order.order().id.get() == id);
        found.ok_or_else(|| Refusal::invalid(format!("order not found: {id}")))
    };
    let after = query.after_id.map(place).transpose()?;
    let before = query.before_id.map(place).transpose()?;
    let wanted = |(index, order): &(usize, &&SimOrder)| {
        after.is_none_or(|after| *index > after)
            && before.is_none_or(|before| *index < before)
            && query.wants(book, order)
    };
    let rows = orders.iter().enumerate();
    let render = |(_, order): (usize, &&SimOrder)| book.render(order, query.nested);
    let page: Vec<String> = if query.ascending {
        rows.filter(wanted).take(query.limit).map(render).collect()
    } else {
        rows.rev().filter(wanted).take(query.limit).map(render).collect()
    };
    Ok(WireAnswer::json(200, array(page)))
}

/// `GET /v2/orders/{id}`.
pub(super) fn one(book: &Book<'_>, request: &WireRequest, id: &str) -> Reply {
    let nested = Params::of(request, &["nested"])?.flag("nested")?;
    let order = book.find(id)?;
    Ok(WireAnswer::json(200, book.render(order, nested)))
}

/// `GET /v2/orders:by_client_order_id`: the newest, where ids may come again.
pub(super) fn by_client_id(book: &Book<'_>, request: &WireRequest) -> Reply {
    let id = Params::of(request, &["client_order_id"])?.needed("client_order_id")?;
    let order = book.by_client_id(id)?;
    let order = order.ok_or_else(|| Refusal::not_found(format!("order not found for {id}")))?;
    Ok(WireAnswer::json(200, book.render(order, false)))
}

/// `DELETE /v2/orders/{id}`: 204 says that the request was taken, not that the order is canceled.
pub(super) fn cancel(
    engine: &mut Engine,
    account: &AccountId,
    request: &WireRequest,
    id: &str,
    now: DateTime<Utc>,
) -> Reply {
    Params::of(request, &[])?;
    let cancel = engine.cancel(account, &OrderId::from(id), now);
    cancel.map_err(|reject| place::refusal(&reject, None))?;
    Ok(WireAnswer::empty(204))
}

/// `DELETE /v2/orders`: one entry an order that was open and did not go with another one's group.
pub(super) fn cancel_all(engine: &mut Engine, account: &AccountId, request: &WireRequest, now: DateTime<Utc>) -> Reply {
    Params::of(request, &[])?;
    let asked = engine
        .cancel_all(account, now)
        .map_err(|reject| place::refusal(&reject, None))?;
    let book = Book::of(engine, account)?;
    let mut rows = Vec::new();
    for (id, outcome) in asked {
        let (status, body) = match outcome {
            Ok(()) => (200, book.render(book.find(id.get())?, false)),
            Err(reject) => {
                let refusal = place::refusal(&reject, None);
                (refusal.status(), refusal.body())
            }
        };
        let row = Object::new()
            .text("id", id.get())
            .raw("status", &status.to_string())
            .raw("body", &body);
        rows.push(row.end());
    }
    Ok(WireAnswer::json(207, array(rows)))
}

/// The orders of an account in the order of their placing.
#[derive(Clone, Copy)]
pub(super) struct Book<'a> {
    engine: &'a Engine,
    account: &'a AccountId,
    /// Orders that were made after this moment are not seen.
    until: DateTime<Utc>,
}

impl<'a> Book<'a> {
    pub(super) fn of(engine: &'a Engine, account: &'a AccountId) -> Result<Self, Refusal> {
        engine
            .account(account)
            .map_err(|reject| place::refusal(&reject, None))?;
        Ok(Self {
            engine,
            account,
            until: DateTime::<Utc>::MAX_UTC,
        })
    }

    /// Without the orders that were made after this moment.
    pub(super) fn until(self, until: DateTime<Utc>) -> Self {
        Self { until, ..self }
    }

    fn orders(&self) -> Result<impl DoubleEndedIterator<Item = &'a SimOrder> + use<'a>, Refusal> {
        let until = self.until;
        let orders = self
            .engine
            .orders(self.account)
            .map_err(|reject| place::refusal(&reject, None))?;
        Ok(orders.filter(move |order| is_made(order, until)))
    }

    pub(super) fn find(&self, id: &str) -> Result<&'a SimOrder, Refusal> {
        let found = self.engine.order(self.account, &OrderId::from(id)).ok();
        let found = found.filter(|order| is_made(order, self.until));
        found.ok_or_else(|| Refusal::not_found(format!("order not found for {id}")))
    }

    fn by_client_id(&self, id: &str) -> Result<Option<&'a SimOrder>, Refusal> {
        let id = ClientOrderId::from(id);
        if let Ok(newest) = self.engine.order_by_client_id(self.account, &id) {
            if is_made(newest, self.until) {
                return Ok(Some(newest));
            }
            let has_it = |order: &&SimOrder| order.order().client_id.as_ref() == Some(&id);
            return Ok(self.orders()?.rev().find(has_it));
        }
        // Only ids that the venue made itself are left, and those are UUIDs.
        if !is_uuid(id.get()) {
            return Ok(None);
        }
        let made =
            |order: &&SimOrder| order.order().client_id.is_none() && shapes::made_client_id(order.order()) == id.get();
        Ok(self.orders()?.find(made))
    }

    /// Whether it is a leg of another order. The target of an OCO has its stop as its leg.
    pub(super) fn is_leg(&self, order: &Order) -> bool {
        let oco_stop = order.links.group == Some(Group::Oco) && order.kind != OrderKind::Limit;
        order.links.parent.is_some() || (oco_stop && !order.links.siblings.is_empty())
    }

    pub(super) fn legs(&self, order: &Order) -> Vec<&'a SimOrder> {
        let links = &order.links;
        let ids = match links.group {
            _ if self.is_leg(order) => &[][..],
            Some(Group::Oco) => &links.siblings,
            _ => &links.children,
        };
        ids.iter()
            .filter_map(|id| self.engine.order(self.account, id).ok())
            .collect()
    }

    /// Alpaca keeps one of two exits at work: the stop is held until its price is reached.
    pub(super) fn is_held(&self, order: &SimOrder) -> bool {
        let works = |id: &OrderId| {
            let sibling = self.engine.order(self.account, id);
            sibling.is_ok_and(|sibling| !sibling.order().status.is_final())
        };
        self.waits(order.order(), order.is_triggered(), works)
    }

    /// The same of an order as it was at some moment, by which of its siblings worked then.
    pub(super) fn waits(&self, shown: &Order, triggered: bool, works: impl Fn(&OrderId) -> bool) -> bool {
        let waits = shown.kind != OrderKind::Limit && !triggered && shown.status == OrderStatus::New;
        shown.status == OrderStatus::Held || (waits && self.is_leg(shown) && shown.links.siblings.iter().any(works))
    }

    /// With its legs, where they are asked for and there are some.
    pub(super) fn render(&self, order: &SimOrder, nested: bool) -> String {
        let mut shown = order.order().clone();
        if self.is_held(order) {
            shown.status = OrderStatus::Held;
        }
        let legs = if nested { self.render_legs(order) } else { Vec::new() };
        self.write(order, &shown, legs, order.first_at(&OrderStatus::Filled))
    }

    fn render_legs(&self, order: &SimOrder) -> Vec<String> {
        let legs = self.legs(order.order()).into_iter();
        legs.map(|leg| self.render(leg, false)).collect()
    }

    /// As it came in: not yet taken by the market, whatever became of it since.
    pub(super) fn as_placed(&self, id: &OrderId) -> Result<String, Refusal> {
        let order = self.find(id.get())?;
        let mut shown = order.order().clone();
        shown.status = OrderStatus::PendingNew;
        shown.filled_qty = Qty::ZERO;
        shown.average_price = None;
        shown.updated_at = shown.created_at;
        Ok(self.write(order, &shown, self.render_legs(order), None))
    }

    /// An order as `shown`, with these legs.
    pub(super) fn write(
        &self,
        order: &SimOrder,
        shown: &Order,
        legs: Vec<String>,
        filled_at: Option<DateTime<Utc>>,
    ) -> String {
        let facts = OrderFacts {
            filled_at,
            high_water_mark: order.extreme(),
            legs: (!legs.is_empty()).then_some(legs),
            states_intent: order.request().effect.is_some(),
        };
        let instrument = shown
            .legs
            .first()
            .and_then(|leg| self.engine.instrument(&leg.instrument));
        match instrument {
            Some(instrument) => shapes::order(shown, instrument, &facts),
            // Every order of the engine is for one of its instruments.
            None => String::from("null"),
        }
    }
}

fn is_made(order: &SimOrder, by: DateTime<Utc>) -> bool {
    order.order().created_at.is_none_or(|at| at <= by)
}

/// What is asked for.
struct Query<'a> {
    state: OrderState,
    limit: usize,
    after: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    ascending: bool,
    nested: bool,
    symbols: Option<Vec<&'a str>>,
    side: Option<Side>,
    classes: Option<Vec<&'a str>>,
    after_id: Option<&'a str>,
    before_id: Option<&'a str>,
}

const NAMES: [&str; 11] = [
    "status",
    "limit",
    "after",
    "until",
    "direction",
    "nested",
    "symbols",
    "side",
    "asset_class",
    "before_order_id",
    "after_order_id",
];

const CLASSES: [&str; 4] = ["us_equity", "us_option", "crypto", "all"];

impl<'a> Query<'a> {
    fn of(request: &'a WireRequest) -> Result<Self, Refusal> {
        let params = Params::of(request, &NAMES)?;
        let (after, until) = (params.time("after")?, params.time("until")?);
        let (after_id, before_id) = (params.get("after_order_id"), params.get("before_order_id"));
        if after_id.is_some() && before_id.is_some() {
            return Err(Refusal::invalid(
                "after_order_id and before_order_id are mutually exclusive",
            ));
        }
        if (after_id.is_some() || before_id.is_some()) && (after.is_some() || until.is_some()) {
            return Err(Refusal::invalid(
                "after_order_id and before_order_id cannot be combined with after or until",
            ));
        }
        let classes = params.list("asset_class")?;
        if let Some(unknown) = classes.iter().flatten().find(|class| !CLASSES.contains(class)) {
            return Err(Refusal::invalid(format!("invalid asset_class: {unknown:?}")));
        }
        Ok(Self {
            state: match params.word("status", &["open", "closed", "all"])? {
                Some("closed") => OrderState::Closed,
                Some("all") => OrderState::All,
                _ => OrderState::Open,
            },
            limit: params.count("limit", 50, 500)?,
            after,
            until,
            ascending: params.word("direction", &["asc", "desc"])? == Some("asc"),
            nested: params.flag("nested")?,
            symbols: params.list("symbols")?,
            side: params
                .word("side", &["buy", "sell"])?
                .map(|word| if word == "buy" { Side::Buy } else { Side::Sell }),
            classes,
            after_id,
            before_id,
        })
    }

    fn wants(&self, book: &Book<'_>, order: &SimOrder) -> bool {
        let submitted = order.order().created_at;
        let in_state = if self.nested {
            !book.is_leg(order.order())
                && (self.is_in_state(order.order())
                    || book.legs(order.order()).iter().any(|leg| self.is_in_state(leg.order())))
        } else {
            let hidden = self.state == OrderState::Open && book.is_held(order);
            self.is_in_state(order.order()) && !hidden
        };
        in_state
            && self.after.is_none_or(|after| submitted.is_some_and(|at| at > after))
            && self.until.is_none_or(|until| submitted.is_some_and(|at| at < until))
            && self.wants_leg(book, order)
    }

    fn is_in_state(&self, order: &Order) -> bool {
        match self.state {
            OrderState::Open => !order.status.is_final(),
            OrderState::Closed => order.status.is_final(),
            OrderState::All => true,
        }
    }

    /// Symbols are spelled with or without the slash of a coin pair.
    fn wants_leg(&self, book: &Book<'_>, order: &SimOrder) -> bool {
        let Some(leg) = order.order().legs.first() else {
            return false;
        };
        let symbol = leg.symbol.get();
        let class = book.engine.instrument(&leg.instrument).and_then(shapes::class);
        self.side.is_none_or(|side| side == leg.side)
            && self.symbols.as_ref().is_none_or(|symbols| {
                symbols
                    .iter()
                    .any(|asked| *asked == symbol || *asked == slashless(symbol))
            })
            && self
                .classes
                .as_ref()
                .is_none_or(|classes| classes.iter().any(|asked| *asked == "all" || Some(*asked) == class))
    }
}
