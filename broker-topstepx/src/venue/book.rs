//! The gateway's numbers for what the engine names otherwise: accounts, contracts, orders, trades.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::futures;
use broker_core::model::{AssetClass, Instrument};
use broker_core::symbol::FuturesCode;
use broker_core::{AccountId, Fill, FillId, InstrumentId, OrderId, Record};
use broker_sim::Engine;
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

/// An account of the profile.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    /// The engine's name.
    pub(super) account: AccountId,
    pub(super) number: i64,
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) simulated: bool,
    /// How far the log was read.
    read: usize,
    voided: BTreeSet<FillId>,
    corrected: BTreeMap<FillId, Fill>,
    /// Place in the log of each fill's first row: what makes its number.
    pub(super) trades: BTreeMap<FillId, usize>,
}

impl Seat {
    pub(super) fn new(account: AccountId, number: i64, name: String) -> Self {
        Self {
            account,
            number,
            name,
            active: true,
            simulated: true,
            read: 0,
            voided: BTreeSet::new(),
            corrected: BTreeMap::new(),
            trades: BTreeMap::new(),
        }
    }

    fn sync(&mut self, engine: &Engine) {
        let log = engine.log(&self.account).unwrap_or_default();
        for (place, entry) in log.iter().enumerate().skip(self.read) {
            match &entry.record {
                Record::Fill(fill) => {
                    self.trades.entry(fill.id.clone()).or_insert(place);
                    if fill.version > 0 {
                        self.corrected.insert(fill.id.clone(), fill.clone());
                    }
                }
                Record::Void(void) => _ = self.voided.insert(void.fill.clone()),
                Record::Fee(_) | Record::Flow(_) => {}
            }
        }
        self.read = log.len();
    }

    pub(super) fn is_voided(&self, fill: &FillId) -> bool {
        self.voided.contains(fill)
    }

    /// A trade's number: ascending in the account, and different from those of others.
    pub(super) fn trade_number(&self, fill: &FillId) -> i64 {
        let place = self.trades.get(fill).copied().unwrap_or_default();
        FIRST_TRADE + self.number.rem_euclid(1_000) * 10_000_000 + i64::try_from(place).unwrap_or_default()
    }

    /// Trades strictly between two moments, oldest first: whether borders are inclusive is not documented, and
    /// clients must not need to know.
    pub(super) fn fills<'a>(
        &'a self,
        engine: &'a Engine,
        after: Option<DateTime<Utc>>,
        before: Option<DateTime<Utc>>,
    ) -> impl Iterator<Item = &'a Fill> {
        let log = engine.log(&self.account).unwrap_or_default();
        let first = after.map_or(0, |after| log.partition_point(|entry| entry.booked_at <= after));
        log.get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(move |entry| before.is_none_or(|before| entry.booked_at < before))
            .filter_map(|entry| match &entry.record {
                Record::Fill(fill) if fill.version == 0 => Some(self.corrected.get(&fill.id).unwrap_or(fill)),
                _ => None,
            })
    }
}

const FIRST_TRADE: i64 = 3_000_000_000;
const FIRST_ORDER: i64 = 3_400_000_000;
/// Unlike the others they are numbers of 32 bits.
const FIRST_POSITION: i64 = 700_000_000;

/// An order that was refused, and of which a record is kept all the same.
#[derive(Debug, Clone)]
pub(super) struct Ghost {
    pub(super) seat: usize,
    pub(super) number: i64,
    pub(super) contract: String,
    pub(super) at: DateTime<Utc>,
    pub(super) kind: u8,
    pub(super) side: u8,
    pub(super) size: Decimal,
    pub(super) tag: Option<String>,
}

/// Orders and contracts by their numbers and ids.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) seats: Vec<Seat>,
    numbers: BTreeMap<OrderId, i64>,
    orders: BTreeMap<i64, (usize, OrderId)>,
    pub(super) ghosts: Vec<Ghost>,
    /// Orders that joined the bid or the ask.
    pub(super) joined: BTreeMap<OrderId, u8>,
    next: i64,
    contracts: BTreeMap<String, InstrumentId>,
    ids: BTreeMap<InstrumentId, String>,
    listed: usize,
}

impl Book {
    pub(super) fn new(seats: Vec<Seat>) -> Self {
        Self {
            seats,
            numbers: BTreeMap::new(),
            orders: BTreeMap::new(),
            ghosts: Vec::new(),
            joined: BTreeMap::new(),
            next: FIRST_ORDER,
            contracts: BTreeMap::new(),
            ids: BTreeMap::new(),
            listed: 0,
        }
    }

    /// Takes in what is new at the engine.
    pub(super) fn sync(&mut self, engine: &Engine) {
        let listed = engine.instruments().count();
        if listed != self.listed {
            self.listed = listed;
            for instrument in engine.instruments() {
                if let Some(id) = contract_id(instrument) {
                    self.contracts.insert(id.clone(), instrument.id.clone());
                    self.ids.insert(instrument.id.clone(), id);
                }
            }
        }
        for (index, seat) in self.seats.iter_mut().enumerate() {
            seat.sync(engine);
            let Ok(orders) = engine.orders(&seat.account) else {
                continue;
            };
            let numbers = &self.numbers;
            let new = orders.rev().map(|order| &order.order().id);
            let new: Vec<OrderId> = new.take_while(|id| !numbers.contains_key(*id)).cloned().collect();
            for id in new.into_iter().rev() {
                self.numbers.insert(id.clone(), self.next);
                self.orders.insert(self.next, (index, id));
                self.next += 1;
            }
        }
    }

    pub(super) fn next_number(&mut self) -> i64 {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn seat(&self, number: i64) -> Option<(usize, &Seat)> {
        self.seats.iter().enumerate().find(|(_, seat)| seat.number == number)
    }

    pub(super) fn seat_of(&self, account: &AccountId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.account == *account)
    }

    pub(super) fn number(&self, order: &OrderId) -> i64 {
        self.numbers.get(order).copied().unwrap_or_default()
    }

    /// The engine's order of a number, if it is of this seat.
    pub(super) fn order(&self, seat: usize, number: i64) -> Option<&OrderId> {
        self.orders.get(&number).filter(|(of, _)| *of == seat).map(|(_, id)| id)
    }

    pub(super) fn instrument(&self, contract: &str) -> Option<&InstrumentId> {
        self.contracts.get(contract)
    }

    /// The number of a position: one for each account and contract.
    pub(super) fn position(&self, seat: &Seat, contract: &str) -> i64 {
        let place = self.contracts.keys().take_while(|id| id.as_str() < contract).count();
        let place = i64::try_from(place).unwrap_or_default();
        FIRST_POSITION + seat.number.rem_euclid(1_000) * 100_000 + place
    }

    pub(super) fn contract(&self, instrument: &InstrumentId) -> &str {
        self.ids.get(instrument).map_or("", String::as_str)
    }
}

/// `CON.F.US.EP.H27` of `ESH27`.
fn contract_id(instrument: &Instrument) -> Option<String> {
    if instrument.asset_class != AssetClass::Future {
        return None;
    }
    let code: FuturesCode = instrument.symbol.get().parse().ok()?;
    let contract = code.contract(NaiveDate::MIN);
    let spec = futures::by_root(&contract.root)?;
    let written = contract.to_string();
    let month = written.strip_prefix(spec.root)?;
    Some(format!("CON.F.US.{}.{month}", spec.vendor_root))
}

/// `F.US.EP` of `CON.F.US.EP.H27`.
pub(super) fn symbol_id(contract: &str) -> &str {
    let front = contract.rsplit_once('.').map_or(contract, |(front, _)| front);
    front.strip_prefix("CON.").unwrap_or(front)
}

/// Whether a contract is the one of its product that is traded now: of those that have not ended, the next to end.
pub(super) fn is_active(engine: &Engine, instrument: &Instrument) -> bool {
    let Ok(code) = instrument.symbol.get().parse::<FuturesCode>() else {
        return false;
    };
    // Behind the root stand a letter and two digits.
    let is_of_product = |one: &Instrument| {
        one.asset_class == AssetClass::Future
            && one
                .symbol
                .get()
                .strip_prefix(code.root())
                .is_some_and(|month| month.len() == 3)
    };
    let first = engine
        .instruments()
        .filter(|one| is_of_product(one) && one.expires_at.is_none_or(|at| at > engine.now()))
        .min_by_key(|one| one.expires_at);
    first.is_some_and(|first| first.id == instrument.id)
}
