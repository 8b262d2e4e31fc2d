//! What moved coins without a trade, from the wallet's side of the API: conversions, dust, deposits, withdrawals,
//! distributions. The testnet has none of it.
//!
//! None of these lists has pages that join, so each is asked by windows of time: a window whose answer is full says
//! nothing, and is asked again at half its length.

use broker_core::{AccountId, Error, Page, Proof, Record, Result};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::map::flow;
use crate::rest::Rest;
use crate::walk::{self, HistoryWalk};
use crate::wire::{self, ConversionsJson, DepositJson, DistributionsJson, DustLogJson, WithdrawalJson};

/// Before Binance opened, in July 2017, nothing can have moved.
const OPENED: i64 = 1_498_867_200;

const SHORTEST_WINDOW: Duration = Duration::seconds(1);

/// A walk over all lists, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FlowWalk {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    source: Source,
    from: DateTime<Utc>,
    /// Milliseconds of the next window.
    width: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    Conversions,
    Dust,
    Deposits,
    Withdrawals,
    Distributions,
}

impl Source {
    const FIRST: Self = Self::Conversions;

    fn next(self) -> Option<Self> {
        match self {
            Self::Conversions => Some(Self::Dust),
            Self::Dust => Some(Self::Deposits),
            Self::Deposits => Some(Self::Withdrawals),
            Self::Withdrawals => Some(Self::Distributions),
            Self::Distributions => None,
        }
    }

    /// The longest window that it takes.
    fn window(self) -> Duration {
        Duration::days(match self {
            Self::Conversions => 30,
            Self::Dust | Self::Deposits | Self::Withdrawals => 89,
            Self::Distributions => 179,
        })
    }

    /// Rows of an answer at most.
    fn limit(self) -> usize {
        match self {
            Self::Conversions | Self::Deposits | Self::Withdrawals => 1000,
            Self::Dust => 100,
            Self::Distributions => 500,
        }
    }
}

impl FlowWalk {
    pub(crate) fn new(since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let opened = DateTime::from_timestamp(OPENED, 0).unwrap_or(since);
        let since = since.max(opened).min(until);
        Self {
            since,
            until,
            source: Source::FIRST,
            from: since,
            width: Source::FIRST.window().num_milliseconds(),
        }
    }

    fn to(&self) -> DateTime<Utc> {
        let to = self.from.checked_add_signed(Duration::milliseconds(self.width));
        to.map_or(self.until, |to| to.min(self.until))
    }

    fn begin(&self, source: Source, from: DateTime<Utc>) -> Self {
        Self {
            source,
            from,
            width: source.window().num_milliseconds(),
            ..self.clone()
        }
    }

    fn behind(&self) -> Option<Self> {
        let to = self.to();
        match to < self.until {
            true => Some(self.begin(self.source, to)),
            false => self.source.next().map(|next| self.begin(next, self.since)),
        }
    }

    /// Asks one window.
    pub(crate) async fn page(&self, rest: &Rest, account: &AccountId, raw: bool) -> Result<Page<Record>> {
        let (records, full, text) = self.ask(rest, account, raw).await?;
        let width = self.to() - self.from;
        if full && width > SHORTEST_WINDOW {
            let narrower = Self {
                width: (width / 2).num_milliseconds().max(1),
                ..self.clone()
            };
            return walk::page(Vec::new(), Proof::Contiguous, Some(HistoryWalk::Flows(narrower)), None);
        }
        let proof = if full { Proof::Nothing } else { Proof::Contiguous };
        let window = self.since..self.until;
        let mut rows: Vec<_> = records
            .into_iter()
            .filter(|row| window.contains(&row.booked_at()))
            .collect();
        rows.sort_by_key(Record::at);
        let mut page = walk::page(rows, proof, self.behind().map(HistoryWalk::Flows), None)?;
        page.raw = text;
        if full {
            page.notes.push(format!(
                "a second of {:?} holds more rows than Binance tells",
                self.source
            ));
        }
        Ok(page)
    }

    async fn ask(&self, rest: &Rest, account: &AccountId, raw: bool) -> Result<(Vec<Record>, bool, Option<String>)> {
        // Windows include both their ends.
        let last = self
            .to()
            .timestamp_millis()
            .saturating_sub(1)
            .max(self.from.timestamp_millis());
        let mut params = vec![
            ("startTime", self.from.timestamp_millis().to_string()),
            ("endTime", last.to_string()),
        ];
        if self.source != Source::Dust {
            params.push(("limit", self.source.limit().to_string()));
        }
        let (op, path, by_account) = match self.source {
            Source::Conversions => ("conversions", "/sapi/v1/convert/tradeFlow", 3_000),
            Source::Dust => ("dust", "/sapi/v1/asset/dribblet", 0),
            Source::Deposits => ("deposits", "/sapi/v1/capital/deposit/hisrec", 0),
            Source::Withdrawals => ("withdrawals", "/sapi/v1/capital/withdraw/history", 18_000),
            Source::Distributions => ("distributions", "/sapi/v1/asset/assetDividend", 0),
        };
        let source = self.source;
        let read = |body: &str| {
            let (records, full) = read(source, body, account)?;
            Ok((records, full, raw.then(|| body.to_owned())))
        };
        rest.http.run(rest.wallet(op, path, &params, by_account), read).await
    }
}

/// The records of an answer, and whether it may have been cut.
fn read(source: Source, body: &str, account: &AccountId) -> Result<(Vec<Record>, bool)> {
    let mut records = Vec::new();
    let (rows, cut) = match source {
        Source::Conversions => {
            let wire: ConversionsJson<'_> = wire::decode(body)?;
            for row in &wire.list {
                records.extend(flow::conversion(row, account)?);
            }
            (wire.list.len(), wire.more_data)
        }
        Source::Dust => {
            let wire: DustLogJson<'_> = wire::decode(body)?;
            for row in &wire.user_asset_dribblets {
                records.extend(flow::dust(row, account)?);
            }
            (wire.user_asset_dribblets.len(), false)
        }
        Source::Deposits => {
            let wire: Vec<DepositJson<'_>> = wire::decode(body)?;
            for row in &wire {
                records.extend(flow::deposit(row, account)?);
            }
            (wire.len(), false)
        }
        Source::Withdrawals => {
            let wire: Vec<WithdrawalJson<'_>> = wire::decode(body)?;
            for row in &wire {
                records.extend(flow::withdrawal(row, account)?);
            }
            (wire.len(), false)
        }
        Source::Distributions => {
            let wire: DistributionsJson<'_> = wire::decode(body)?;
            for row in &wire.rows {
                records.extend(flow::distribution(row, account)?);
            }
            let rows = wire.rows.len();
            let total = usize::try_from(wire.total).map_err(|_| Error::decode("a total that does not fit"))?;
            (rows, total > rows)
        }
    };
    Ok((records, cut || rows >= source.limit()))
}
