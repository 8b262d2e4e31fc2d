//! Accounts at a dealer in margined pairs: every fill names the lots that it opens and closes, what they realize is
//! paid in the account's currency at the dealer's own rates, and open lots pay financing by the second.

use broker_core::model::{Amount, Asset, Conversion, Flow, FlowKind, LotRole, LotUse, OrderRequest, PositionLeg};
use broker_core::{
    AccountId, ClientOrderId, FillId, InstrumentId, Money, Order, OrderStatus, Price, Qty, Record, RecordId,
};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::engine::{Engine, Timer};
use crate::hours::Calendar;
use crate::ledger::Lot;
use crate::place::sign;
use crate::reject::SimReject;

/// How a dealer settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dealing {
    /// Share of the rate that it keeps when it converts: 0.005 is half a percent.
    pub charge: Decimal,
    /// Decimal places of its money.
    pub places: u32,
    /// What a lot pays a year, as a share of its value when it was opened.
    pub financing: Decimal,
}

impl Dealing {
    pub(crate) fn round(&self, amount: Decimal) -> Decimal {
        amount.round_dp_with_strategy(self.places, RoundingStrategy::MidpointAwayFromZero)
    }
}

/// Seconds of a year.
const YEAR: Decimal = Decimal::from_parts(31_536_000, 0, 0, false, 0);

/// What a fill does to lots.
pub(crate) struct Dealt {
    pub(crate) lots: Vec<LotUse>,
    pub(crate) pnl: Money,
    pub(crate) conversion: Conversion,
}

impl Engine {
    /// Places an order that closes one lot and nothing else: a market order, a limit, a stop or a trailing stop. It
    /// goes when the lot goes, and is never for more than is left of it.
    ///
    /// # Errors
    /// `UnknownPosition` without such a lot; else as [`place`](Self::place).
    pub fn place_on_lot(
        &mut self,
        account: &AccountId,
        lot: &RecordId,
        request: &OrderRequest,
        client_id: Option<ClientOrderId>,
        now: DateTime<Utc>,
    ) -> Result<Order, SimReject> {
        self.run(now);
        let index = self.account_index(account)?;
        self.lot_of(index, lot).ok_or(SimReject::UnknownPosition)?;
        self.place_as(account, request, client_id, Some(lot.clone()), now)
    }

    /// The rate at which a dealer converts what is gained, and what is lost.
    pub fn conversion(&self, account: &AccountId, instrument: &InstrumentId) -> Option<Conversion> {
        let account = self.account_index(account).ok()?;
        let market = self.directory.by_id(instrument)?;
        self.conversion_of(account, market)
    }

    fn conversion_of(&self, account: usize, market: usize) -> Option<Conversion> {
        let spec = &self.accounts[account].spec;
        let dealing = spec.dealing?;
        let rate = self.rate(self.markets[market].listing.instrument.currency, spec.currency)?;
        let charge = match rate == Decimal::ONE {
            true => Decimal::ZERO,
            false => dealing.charge,
        };
        Some(Conversion {
            to: spec.currency,
            gain: (rate * (Decimal::ONE - charge)).round_dp(10),
            loss: (rate * (Decimal::ONE + charge)).round_dp(10),
            places: Some(dealing.places),
        })
    }

    /// A lot by its id: its market, leg and what is left of it.
    pub(crate) fn lot_of(&self, account: usize, lot: &RecordId) -> Option<(usize, PositionLeg, Decimal)> {
        let holdings = &self.accounts[account].ledger.holdings;
        holdings.iter().find_map(|((market, leg), holding)| {
            let found = holding.lots.iter().find(|own| is(own, lot))?;
            Some((*market, *leg, found.qty))
        })
    }

    /// What a fill of this order does to lots: the order's own lot, else the oldest of the other side, then a new one.
    pub(crate) fn deal(&self, index: usize, id: &FillId, qty: Decimal, price: Decimal) -> Option<Dealt> {
        let order = &self.orders[index];
        let (account, market, side, leg) = (order.account, order.market, order.side(), order.leg());
        let dealing = self.accounts[account].spec.dealing?;
        let conversion = self.conversion_of(account, market)?;
        let multiplier = self.markets[market].listing.instrument.multiplier?;
        let held = self.accounts[account].ledger.qty(market, leg);
        let opposes = !held.is_zero() && held.is_sign_negative() != sign(side).is_sign_negative();
        let own = self.accounts[account].ledger.holdings.get(&(market, leg));
        let mut rest = qty;
        let (mut lots, mut pnl) = (Vec::new(), Decimal::ZERO);
        let open = own.into_iter().flat_map(|holding| &holding.lots);
        for lot in open.filter(|lot| opposes && order.lot.as_ref().is_none_or(|wanted| is(lot, wanted))) {
            let part = rest.min(lot.qty);
            if part.is_zero() {
                break;
            }
            rest -= part;
            let quoted = (price - lot.price) * part * multiplier * sign(side.opposite());
            let factor = if quoted > Decimal::ZERO {
                conversion.gain
            } else {
                conversion.loss
            };
            let realized = dealing.round(quoted * factor);
            pnl += realized;
            let financing = self.accrued(&dealing, lot, part * multiplier, conversion.loss);
            lots.push(LotUse {
                lot: lot
                    .fill
                    .as_ref()
                    .map_or_else(|| RecordId::from(""), |fill| RecordId::from(fill.get())),
                role: LotRole::Closed,
                qty: Qty::new(part).ok()?,
                price: Price::new(price),
                pnl: Some(Money::new(realized, conversion.to)),
                financing: Some(Money::new(financing, conversion.to)),
            });
        }
        if rest > Decimal::ZERO {
            lots.push(LotUse {
                lot: RecordId::from(id.get()),
                role: LotRole::Opened,
                qty: Qty::new(rest).ok()?,
                price: Price::new(price),
                pnl: None,
                financing: None,
            });
        }
        Some(Dealt {
            lots,
            pnl: Money::new(pnl, conversion.to),
            conversion,
        })
    }

    /// What a lot owes since it was last financed; negative is paid.
    fn accrued(&self, dealing: &Dealing, lot: &Lot, units: Decimal, rate: Decimal) -> Decimal {
        let seconds = Decimal::from((self.now - lot.financed_at).num_seconds().max(0));
        let value = units * lot.price * dealing.financing * rate;
        -dealing.round((value * seconds).checked_div(YEAR).unwrap_or_default())
    }

    /// Sets the moment at which open lots are financed next: the end of the dealer's day.
    pub(crate) fn schedule_rollover(&mut self, account: usize) {
        if self.accounts[account].spec.dealing.is_some() {
            let at = Calendar::Forex.day_ends(self.now + Duration::seconds(1), false);
            self.at(at, Timer::Rollover(account));
        }
    }

    /// Every open lot pays its financing: one flow a lot, of one group.
    pub(crate) fn roll_over(&mut self, account: usize) {
        self.schedule_rollover(account);
        let Some(dealing) = self.accounts[account].spec.dealing else {
            return;
        };
        let group = self.uuid();
        let mut due = Vec::new();
        for ((market, _), holding) in &self.accounts[account].ledger.holdings {
            let multiplier = self.markets[*market]
                .listing
                .instrument
                .multiplier
                .unwrap_or(Decimal::ONE);
            let Some(conversion) = self.conversion_of(account, *market) else {
                continue;
            };
            for lot in &holding.lots {
                let amount = self.accrued(&dealing, lot, lot.qty * multiplier, conversion.loss);
                due.push((*market, lot.fill.clone(), Money::new(amount, conversion.to)));
            }
        }
        for (market, fill, money) in due {
            let flow = Flow {
                instrument: Some(self.markets[market].listing.instrument.id.clone()),
                lot: fill.map(|fill| RecordId::from(fill.get())),
                group: Some(group.clone()),
                ..self.flow(
                    account,
                    FlowKind::Financing,
                    Asset::Currency(money.currency),
                    money.amount,
                )
            };
            self.book(account, Record::Flow(flow), None, None);
        }
    }

    /// Orders of a lot follow it: they shrink with it, and go with it.
    pub(crate) fn follow_lots(&mut self, account: usize) {
        let open: Vec<usize> = self.accounts[account].open.iter().copied().collect();
        for index in open {
            let Some(lot) = self.orders[index].lot.clone() else {
                continue;
            };
            match self.lot_of(account, &lot) {
                None => self.end_with(index, OrderStatus::Canceled, LOT_CLOSED),
                Some((_, _, left)) => {
                    let order = &mut self.orders[index];
                    let whole = order.filled() + left;
                    if order.qty != Some(whole) && !order.order.status.is_final() {
                        order.qty = Some(whole);
                        order.order.amount = Amount::Qty(Qty::new(whole).unwrap_or(Qty::ZERO));
                        self.tell_order(index);
                    }
                }
            }
        }
    }
}

/// Why an order of a lot ended without a fill.
const LOT_CLOSED: &str = "its lot was closed";

/// Whether it is the lot of this id, which is that of the fill that opened it.
pub(crate) fn is(lot: &Lot, id: &RecordId) -> bool {
    lot.fill.as_ref().is_some_and(|fill| fill.get() == id.get())
}
