//! Accounts at the venue, and the log of all that happened to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use broker_core::model::{Access, AccountStatus, Environment, PositionMode};
use broker_core::{Account, AccountId, BrokerId, ClientOrderId, Currency, Money, OrderId, OrderStatus, Qty, Record};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use crate::dealing::Dealing;
use crate::fees::FeeSchedule;
use crate::ledger::Ledger;

/// What an account is opened as.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountSpec {
    /// Its key.
    pub id: AccountId,
    /// Home currency.
    pub currency: Currency,
    /// Buys on margin and may sell short; else every purchase is paid in full.
    pub margin: bool,
    /// Net positions, or a long and a short leg side by side.
    pub mode: PositionMode,
    /// One order may close a position and open the opposite one. Without it, such an order is refused.
    pub flips: bool,
    /// Fills state their realized profit or loss (FIFO, without fees); `None` on one that only opens.
    pub states_pnl: bool,
    /// What trading costs.
    pub fees: FeeSchedule,
    /// Fills name their lots and settle in the home currency, as at a dealer; `None` for accounts elsewhere.
    pub dealing: Option<Dealing>,
}

impl AccountSpec {
    /// A netting margin account without fees.
    pub fn margin(id: impl Into<AccountId>, currency: Currency) -> Self {
        Self {
            id: id.into(),
            currency,
            margin: true,
            mode: PositionMode::Netting,
            flips: true,
            states_pnl: false,
            fees: FeeSchedule::free(),
            dealing: None,
        }
    }

    /// A netting cash account without fees.
    pub fn cash(id: impl Into<AccountId>, currency: Currency) -> Self {
        Self {
            margin: false,
            ..Self::margin(id, currency)
        }
    }

    /// With a long and a short leg an instrument.
    #[must_use]
    pub fn with_hedging(mut self) -> Self {
        self.mode = PositionMode::Hedging;
        self
    }

    /// Without orders that close a position and open the opposite one.
    #[must_use]
    pub fn without_flips(mut self) -> Self {
        self.flips = false;
        self
    }

    /// With realized profit or loss on fills.
    #[must_use]
    pub fn with_stated_pnl(mut self) -> Self {
        self.states_pnl = true;
        self
    }

    /// At a dealer: fills name the lots that they open and close, and settle in the home currency.
    #[must_use]
    pub fn with_dealing(mut self, dealing: Dealing) -> Self {
        self.dealing = Some(dealing);
        self
    }

    /// With these fees.
    #[must_use]
    pub fn with_fees(mut self, fees: FeeSchedule) -> Self {
        self.fees = fees;
        self
    }
}

/// One row of an account's log. Rows are only ever added, and `seq` counts them from 1 without a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number of the row in its account.
    pub seq: u64,
    /// When it was written.
    pub booked_at: DateTime<Utc>,
    /// What happened.
    pub record: Record,
    /// The order that it belongs to.
    pub order: Option<OrderId>,
    /// Filled quantity of the order after it.
    pub cum_qty: Option<Qty>,
    /// What was left of the order after it.
    pub leaves_qty: Option<Qty>,
    /// State of the order after it.
    pub order_status: Option<OrderStatus>,
    /// Signed position in the instrument (and leg) after it.
    pub position_qty: Option<Decimal>,
    /// What a fill or an expiry realized, FIFO, without fees; `None` where it closed nothing.
    pub realized: Option<Money>,
}

/// A fee that is owed and not yet booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accrual {
    pub(crate) amount: Decimal,
    pub(crate) price: Decimal,
}

/// A fee row that is being gathered: day, label, market, and whether it is paid in the coin itself.
pub(crate) type AccrualKey = (NaiveDate, String, usize, bool);

/// An account at the venue.
#[derive(Debug)]
pub struct SimAccount {
    pub(crate) spec: AccountSpec,
    pub(crate) opened_at: DateTime<Utc>,
    pub(crate) blocked: bool,
    pub(crate) ledger: Ledger,
    pub(crate) log: Vec<Entry>,
    pub(crate) orders: Vec<usize>,
    pub(crate) open: BTreeSet<usize>,
    /// Never walked, so that its order does not matter.
    pub(crate) client_ids: HashMap<ClientOrderId, usize>,
    pub(crate) accruals: BTreeMap<AccrualKey, Accrual>,
    pub(crate) next_record: u64,
}

impl SimAccount {
    pub(crate) fn new(spec: AccountSpec, opened_at: DateTime<Utc>) -> Self {
        Self {
            spec,
            opened_at,
            blocked: false,
            ledger: Ledger::default(),
            log: Vec::new(),
            orders: Vec::new(),
            open: BTreeSet::new(),
            client_ids: HashMap::new(),
            accruals: BTreeMap::new(),
            next_record: 1,
        }
    }

    /// What it was opened as.
    pub fn spec(&self) -> &AccountSpec {
        &self.spec
    }

    /// When it was opened.
    pub fn opened_at(&self) -> DateTime<Utc> {
        self.opened_at
    }

    /// Whether it may not trade.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// All that happened to it, oldest first.
    pub fn log(&self) -> &[Entry] {
        &self.log
    }

    /// Cash of each currency that ever moved.
    pub fn cash(&self) -> impl Iterator<Item = Money> + '_ {
        self.ledger
            .cash
            .iter()
            .map(|(currency, amount)| Money::new(*amount, *currency))
    }

    /// Cash of one currency.
    pub fn cash_of(&self, currency: Currency) -> Decimal {
        self.ledger.cash.get(&currency).copied().unwrap_or_default()
    }

    pub(crate) fn to_model(&self, broker: &BrokerId) -> Account {
        Account {
            id: self.spec.id.clone(),
            broker: broker.clone(),
            environment: Environment::Paper,
            name: None,
            currency: self.spec.currency,
            status: if self.blocked {
                AccountStatus::Restricted
            } else {
                AccountStatus::Active
            },
            position_mode: self.spec.mode,
            access: Access {
                trade: Some(!self.blocked),
                cancel: Some(true),
                short: Some(self.spec.margin),
                options: Some(true),
            },
            opened_at: Some(self.opened_at),
        }
    }
}
