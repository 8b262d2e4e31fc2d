//! Records: all that happened to an account. Fills, voids, fees and flows, in one list.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::order::PositionEffect;
use super::position::PositionLeg;
use crate::id::{AccountId, ClientOrderId, FillId, InstrumentId, OrderId, RecordId, Symbol};
use crate::num::{Currency, Money, Price, Qty, Side};

/// Where a row comes from, and so what it is worth beside another row of the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Worked out by us from order states or streams that give no execution id.
    Provisional,
    /// Reported by the venue with its id.
    Reported,
    /// Booked: a statement, with final fees.
    Booked,
}

/// Who was there first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liquidity {
    /// Rested in the book.
    Maker,
    /// Took from the book.
    Taker,
}

/// What a fill did to one lot, where the broker assigns lots itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LotRole {
    /// Opened it.
    Opened,
    /// Took from it, or closed it.
    Closed,
}

/// One lot that a fill opened or took from, by the broker's own assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotUse {
    /// The broker's id of the lot.
    pub lot: RecordId,
    /// Opened or closed.
    pub role: LotRole,
    /// How much of the fill.
    pub qty: Qty,
    /// Price of this part.
    pub price: Price,
    /// Profit or loss that the broker realized on this part.
    pub pnl: Option<Money>,
    /// Financing settled with this part; negative is paid.
    pub financing: Option<Money>,
}

/// The broker's own rates from an instrument's currency into the account's, at one fill. What was gained and what was
/// lost may be converted differently: the spread of the conversion is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conversion {
    /// The account's currency.
    pub to: Currency,
    /// What a unit of profit was worth.
    #[serde(with = "crate::num::exact")]
    pub gain: Decimal,
    /// What a unit of loss was worth.
    #[serde(with = "crate::num::exact")]
    pub loss: Decimal,
    /// Decimal places that the broker rounds each converted part to; `None` where it rounds nothing.
    pub places: Option<u32>,
}

/// One execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Unique in the account, equal in all of the broker's sources.
    pub id: FillId,
    /// The account.
    pub account: AccountId,
    /// What was traded.
    pub instrument: InstrumentId,
    /// What people call it.
    pub symbol: Symbol,
    /// The leg of a hedging account.
    pub leg: PositionLeg,
    /// The order that it filled.
    pub order: Option<OrderId>,
    /// Our id of that order, where the row carries it.
    pub client_order: Option<ClientOrderId>,
    /// Bought or sold.
    pub side: Side,
    /// How much.
    pub qty: Qty,
    /// Price a unit.
    pub price: Price,
    /// When it happened, with the broker's precision.
    pub at: DateTime<Utc>,
    /// The venue's version of this row; of two rows of a key the higher counts. 0 where there is only ever one.
    pub version: u64,
    /// What the row is worth.
    pub grade: Grade,
    /// Fees on the row; positive is a cost, negative a rebate.
    pub fees: Vec<Money>,
    /// Maker or taker, where stated.
    pub liquidity: Option<Liquidity>,
    /// Opening or closing, where stated.
    pub effect: Option<PositionEffect>,
    /// Profit or loss that the broker states for this row, without fees.
    pub pnl: Option<Money>,
    /// How the broker made the account's currency of what the fill realized, where it states that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Conversion>,
    /// The broker's own lot assignment; empty where it has none.
    pub lots: Vec<LotUse>,
}

/// Takes a fill back: a bust, a void, a cancelled execution. It counts whichever of the two came first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Void {
    /// Identity of the row.
    pub id: RecordId,
    /// The account.
    pub account: AccountId,
    /// The fill that it takes back, at every version.
    pub fill: FillId,
    /// When it was voided.
    pub at: DateTime<Utc>,
}

/// What an amount is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asset {
    /// A currency or a coin that the broker keeps as a balance.
    Currency(Currency),
    /// An instrument that the broker keeps as a position.
    Instrument {
        /// The broker's key.
        id: InstrumentId,
        /// What people call it.
        symbol: Symbol,
    },
}

/// A fee that was posted apart from its fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fee {
    /// Identity of the row.
    pub id: RecordId,
    /// The account.
    pub account: AccountId,
    /// The broker's word for the fee: `TAF`, `SEC_FEE`.
    pub label: String,
    /// What was charged.
    pub asset: Asset,
    /// How much; positive is a cost, negative a rebate.
    #[serde(with = "crate::num::exact")]
    pub amount: Decimal,
    /// Price a unit that the broker valued a fee in kind at.
    pub price: Option<Price>,
    /// The instrument whose trading it was charged for, where stated.
    pub instrument: Option<InstrumentId>,
    /// The order it belongs to, where stated.
    pub order: Option<OrderId>,
    /// The fill it belongs to, where stated. Fees add up over all rows, those of voided fills too.
    pub fill: Option<FillId>,
    /// The day or moment that it is for. A date alone is midnight UTC.
    pub at: DateTime<Utc>,
    /// When it was booked, where stated.
    pub booked_at: Option<DateTime<Utc>>,
    /// The venue's version; of two rows of an id the higher counts.
    pub version: u64,
    /// Taken back by the broker: stays visible, counts nothing.
    pub canceled: bool,
}

words! {
    /// Why money or quantity moved without a fill.
    FlowKind {
        /// Money came in.
        Deposit = "deposit",
        /// Money went out.
        Withdrawal = "withdrawal",
        /// Between accounts.
        Transfer = "transfer",
        /// Dividend.
        Dividend = "dividend",
        /// Interest.
        Interest = "interest",
        /// Financing of a position, swap, funding, rollover.
        Financing = "financing",
        /// Tax withheld.
        Tax = "tax",
        /// Split or reverse split: the quantity changed, the value did not.
        Split = "split",
        /// A spin-off, merger, or other change of name and form.
        Reorganization = "reorganization",
        /// An option expired.
        Expiry = "expiry",
        /// We exercised an option.
        Exercise = "exercise",
        /// A short option was assigned.
        Assignment = "assignment",
        /// One asset became another outside the market.
        Conversion = "conversion",
        /// Small rests swept together.
        Dust = "dust",
        /// A correction by the broker.
        Adjustment = "adjustment",
        /// A reward or gift.
        Reward = "reward",
    }
}

/// Money or quantity that moved without a fill.
///
/// Exercise and assignment come as two flows of one `group`: the option that leaves, and the shares that come with
/// the strike as `price`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Identity of the row.
    pub id: RecordId,
    /// The account.
    pub account: AccountId,
    /// Why.
    pub kind: FlowKind,
    /// What moved.
    pub asset: Asset,
    /// How much; positive is what we got. For a split, the change of the quantity.
    #[serde(with = "crate::num::exact")]
    pub amount: Decimal,
    /// Price a unit of a moved quantity: cost basis, strike, mark.
    pub price: Option<Price>,
    /// Money that moved with a moved quantity; positive is what we got.
    pub cash: Option<Money>,
    /// What it was about: the share that paid the dividend, the pair that was financed.
    pub instrument: Option<InstrumentId>,
    /// The broker's lot that it belongs to, where stated.
    pub lot: Option<RecordId>,
    /// Rows of one event share this.
    pub group: Option<String>,
    /// The broker's words.
    pub description: Option<String>,
    /// The day or moment that it is for. A date alone is midnight UTC.
    pub at: DateTime<Utc>,
    /// When it was booked, where stated.
    pub booked_at: Option<DateTime<Utc>>,
    /// The venue's version; of two rows of an id the higher counts.
    pub version: u64,
    /// Taken back by the broker: stays visible, counts nothing.
    pub canceled: bool,
}

/// One thing that happened to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// An execution.
    Fill(Fill),
    /// An execution taken back.
    Void(Void),
    /// A fee posted apart.
    Fee(Fee),
    /// Money or quantity that moved without a fill.
    Flow(Flow),
}

/// Identity of a record in its account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKey {
    /// A fill.
    Fill(FillId),
    /// A void.
    Void(RecordId),
    /// A fee.
    Fee(RecordId),
    /// A flow.
    Flow(RecordId),
}

impl Asset {
    /// The instrument; `None` for money.
    pub fn instrument(&self) -> Option<&InstrumentId> {
        match self {
            Self::Instrument { id, .. } => Some(id),
            Self::Currency(_) => None,
        }
    }
}

impl Record {
    /// Identity in the account.
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Fill(fill) => RecordKey::Fill(fill.id.clone()),
            Self::Void(void) => RecordKey::Void(void.id.clone()),
            Self::Fee(fee) => RecordKey::Fee(fee.id.clone()),
            Self::Flow(flow) => RecordKey::Flow(flow.id.clone()),
        }
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Fill(fill) => &fill.account,
            Self::Void(void) => &void.account,
            Self::Fee(fee) => &fee.account,
            Self::Flow(flow) => &flow.account,
        }
    }

    /// The instrument that was traded, moved or named; `None` for voids and for what concerns money alone.
    pub fn instrument(&self) -> Option<&InstrumentId> {
        match self {
            Self::Fill(fill) => Some(&fill.instrument),
            Self::Void(_) => None,
            Self::Fee(fee) => fee.asset.instrument().or(fee.instrument.as_ref()),
            Self::Flow(flow) => flow.asset.instrument().or(flow.instrument.as_ref()),
        }
    }

    /// When it happened, or the day that it is for.
    pub fn at(&self) -> DateTime<Utc> {
        match self {
            Self::Fill(fill) => fill.at,
            Self::Void(void) => void.at,
            Self::Fee(fee) => fee.at,
            Self::Flow(flow) => flow.at,
        }
    }

    /// When it was booked, where that is stated, else when it happened: the time by which a window selects it.
    pub fn booked_at(&self) -> DateTime<Utc> {
        match self {
            Self::Fill(fill) => fill.at,
            Self::Void(void) => void.at,
            Self::Fee(fee) => fee.booked_at.unwrap_or(fee.at),
            Self::Flow(flow) => flow.booked_at.unwrap_or(flow.at),
        }
    }

    /// Version of the row; of two rows of a key the higher counts.
    pub fn version(&self) -> u64 {
        match self {
            Self::Fill(fill) => fill.version,
            Self::Void(_) => 0,
            Self::Fee(fee) => fee.version,
            Self::Flow(flow) => flow.version,
        }
    }
}
