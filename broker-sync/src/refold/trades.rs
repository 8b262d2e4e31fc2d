//! Trades that are kept, and folded again only from where something changed.

use broker_core::model::Record;
use broker_core::pnl::{BookMark, Books, ClosedTrade, LotMethod, TradeBook};
use broker_core::{InstrumentId, Result};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::marks::{schedule, thinned};
use super::reader::Reader;
use crate::history::{instruments_of, never_synced, openings};
use crate::report::PnlDifference;
use crate::state::{Holding, Holdings, Scope, SyncState};
use crate::store::{FoldHead, FoldWrite, Store};
use broker_core::span::Span;

/// Changes when what a mark holds does: older ones are then not gone on from.
const FORMAT: u32 = 1;

/// What folding again took, and what it brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refolded {
    /// From when on records were folded again; `None` from the first one on.
    pub since: Option<DateTime<Utc>>,
    /// Rows that were read from the store for it.
    pub rows_read: u64,
    /// Records that were folded.
    pub records: u64,
    /// Trades that were closed among them, and are stored anew.
    pub closed: u64,
    /// Marks that the store holds now.
    pub marks: u64,
}

/// What an account's trades are worked out from, beside its rows.
#[derive(Serialize)]
struct Facts<'a> {
    format: u32,
    method: LotMethod,
    since: DateTime<Utc>,
    opened_at: Option<DateTime<Utc>>,
    coins_apart: bool,
    opening: &'a [Holding],
}

/// What a mark holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    book: BookMark,
    /// Closed trades for which the broker states a PnL.
    compared: u64,
    /// Those that differ from ours.
    differing: Vec<PnlDifference>,
}

/// How an account's trades are worked out.
pub(crate) struct Trades<'a, S: Store + ?Sized> {
    pub(crate) store: &'a S,
    pub(crate) scope: &'a Scope,
    pub(crate) method: LotMethod,
    /// Where the sync of the account stands.
    pub(crate) state: &'a SyncState,
    /// From the first to the last moment of what is stored.
    pub(crate) covers: Span,
    pub(crate) opening: Option<&'a Holdings>,
}

/// Where to go on.
struct Base {
    head: FoldHead,
    at: Option<DateTime<Utc>>,
    state: Option<State>,
    /// Marks before it, and it.
    valid: Vec<DateTime<Utc>>,
}

/// Name of the fold of a method.
fn name(method: LotMethod) -> &'static str {
    match method {
        LotMethod::Fifo => "trades:fifo",
        LotMethod::Lifo => "trades:lifo",
        LotMethod::Average => "trades:average",
        LotMethod::BrokerLots => "trades:broker_lots",
    }
}

impl<S: Store + ?Sized> Trades<'_, S> {
    /// Folds what changed since the last time.
    pub(crate) async fn refold(&self) -> Result<Refolded> {
        let mut reader = Reader::new(self.store, self.scope, self.state.rows);
        let base = self.base(&mut reader).await?;
        let is_current =
            base.head.rows == self.state.rows && base.at.is_some() && base.at == base.head.marks.last().copied();
        if is_current {
            return Ok(Refolded {
                since: base.at,
                marks: count(base.head.marks.len()),
                ..Refolded::default()
            });
        }
        let records = reader.tail(base.at).await?;
        let mut done = Refolded {
            since: base.at,
            rows_read: reader.read,
            records: count(records.len()),
            ..Refolded::default()
        };
        let (marks, closed) = self.fold(&base, &records).await?;
        drop(records);
        done.closed = count(closed.len());
        let new = marks.iter().map(|(at, _)| *at);
        let all: Vec<DateTime<Utc>> = base.valid.iter().copied().chain(new).collect();
        let stay = thinned(&all);
        done.marks = count(stay.len());
        let kept = base.valid.into_iter().filter(|at| stay.contains(at)).collect();
        let text = |(at, state): (DateTime<Utc>, State)| Ok((at, super::to_text(&state)?));
        let write = FoldWrite {
            name: name(self.method).to_owned(),
            head: FoldHead {
                revision: base.head.revision,
                rows: self.state.rows,
                facts: self.facts()?,
                marks: kept,
            },
            marks: marks
                .into_iter()
                .filter(|(at, _)| stay.contains(at))
                .map(text)
                .collect::<Result<_>>()?,
            from: base.at.unwrap_or(DateTime::<Utc>::MIN_UTC),
            trades: closed,
        };
        self.store.keep_folded(self.scope, write).await?;
        Ok(done)
    }

    /// The last mark before which nothing changed.
    async fn base(&self, reader: &mut Reader<'_, S>) -> Result<Base> {
        let head = self.store.folded(self.scope, name(self.method)).await?;
        let mut base = Base {
            valid: head.marks.clone(),
            head,
            at: None,
            state: None,
        };
        if base.head.facts != self.facts()? || base.head.rows > self.state.rows {
            base.valid.clear();
        }
        if base.valid.is_empty() {
            return Ok(base);
        }
        let touched = reader.touched(base.head.rows).await?;
        if let Some(since) = touched.since {
            base.valid.retain(|mark| *mark <= since);
        }
        // Positions before the window are worked out from what was booked before it.
        let opened_at = self.opening.map(|opening| opening.at);
        if touched
            .booked_since
            .is_some_and(|booked| opened_at.is_some_and(|at| booked < at))
        {
            base.valid.clear();
        }
        while let Some(at) = base.valid.last().copied() {
            let text = self.store.mark(self.scope, name(self.method), at).await?;
            let state = text.and_then(|text| serde_json::from_str::<State>(&text).ok());
            if let Some(state) = state
                && self.holds(&state.book).await?
            {
                base.at = Some(at);
                base.state = Some(state);
                break;
            }
            base.valid.pop();
        }
        Ok(base)
    }

    /// Whether the terms of its instruments are what they were.
    async fn holds(&self, mark: &BookMark) -> Result<bool> {
        let ids: Vec<InstrumentId> = mark.instruments().cloned().collect();
        let instruments = self.store.instruments(self.scope, &ids).await?;
        Ok(instruments.values().all(|instrument| mark.holds_for(instrument)))
    }

    /// Folds the records behind a mark; marks the way, and takes out what is closed.
    async fn fold(&self, base: &Base, records: &[Record]) -> Result<(Vec<(DateTime<Utc>, State)>, Vec<ClosedTrade>)> {
        let mut ids = instruments_of(records);
        let mut book = match &base.state {
            Some(state) => {
                ids.extend(state.book.instruments().cloned());
                TradeBook::resume(state.book.clone())
            }
            None => TradeBook::new(self.method).with_start(&self.scope.account, self.covers.since),
        };
        let instruments = self.store.instruments(self.scope, &ids).await?;
        for instrument in instruments.values() {
            book.add_instrument(instrument)?;
        }
        if base.state.is_none() {
            let openings = openings(self.opening, records, &instruments)?;
            openings.iter().try_for_each(|opening| book.open(opening))?;
        }
        let (first, last) = match (records.first(), records.last()) {
            (Some(first), Some(last)) => (first.at(), last.at()),
            _ => (self.covers.since, self.covers.since),
        };
        let mut moments = schedule(base.at, first, last).into_iter().peekable();
        let (mut marks, mut closed) = (Vec::new(), Vec::new());
        for record in records {
            while let Some(at) = moments.next_if(|at| *at <= record.at()) {
                let (mark, more) = book.mark()?;
                closed.extend(more);
                marks.push((at, mark));
            }
            book.apply(record)?;
        }
        for at in moments {
            let (mark, more) = book.mark()?;
            closed.extend(more);
            marks.push((at, mark));
        }
        book.link(&mut marks, &mut closed)?;
        let mut told = Told::of(base.state.as_ref(), &closed);
        let marks = marks.into_iter().map(|(at, book)| (at, told.until(at, book))).collect();
        Ok((marks, closed))
    }

    fn facts(&self) -> Result<String> {
        super::to_text(&Facts {
            format: FORMAT,
            method: self.method,
            since: self.covers.since,
            opened_at: self.opening.map(|opening| opening.at),
            coins_apart: self.opening.is_some_and(|opening| opening.coins_apart),
            opening: self.opening.map_or(&[], |opening| opening.holdings.as_slice()),
        })
    }

    /// The newest mark.
    async fn newest(&self) -> Result<Option<State>> {
        let name = name(self.method);
        let head = self.store.folded(self.scope, name).await?;
        let Some(at) = head.marks.last() else { return Ok(None) };
        let text = self.store.mark(self.scope, name, *at).await?;
        text.map(|text| super::of_text(&text)).transpose()
    }

    /// What is open, and all sums; of what is closed only these trades.
    pub(crate) async fn books(&self, closed: Vec<ClosedTrade>) -> Result<Books> {
        match self.newest().await? {
            Some(state) => TradeBook::resume(state.book).books_with(closed),
            None => Ok(Books::default()),
        }
    }

    /// Trades that were closed in a span.
    pub(crate) async fn closed(&self, span: Option<Span>) -> Result<Vec<ClosedTrade>> {
        self.store.closed_trades(self.scope, name(self.method), span).await
    }

    /// How many trades the broker states a PnL of, and those for which ours is another.
    pub(crate) async fn compared(&self) -> Result<(u64, Vec<PnlDifference>)> {
        let Some(state) = self.newest().await? else {
            return Ok((0, Vec::new()));
        };
        let (mut compared, mut differing) = (state.compared, state.differing);
        let open = TradeBook::resume(state.book).books()?;
        compared += count(open.broker_pnl.len());
        differing.extend(open.disagreements().filter_map(|row| {
            let trade = open.trades.get(row.trade)?;
            Some(PnlDifference {
                symbol: trade.symbol.clone(),
                closed_at: trade.closed_at,
                ours: row.ours,
                broker: row.broker,
            })
        }));
        Ok((compared, differing))
    }
}

/// What the broker tells of closed trades, up to one mark after another.
struct Told<'a> {
    compared: u64,
    differing: Vec<PnlDifference>,
    rest: Vec<&'a ClosedTrade>,
}

impl<'a> Told<'a> {
    fn of(base: Option<&State>, closed: &'a [ClosedTrade]) -> Self {
        let told = closed.iter().filter(|trade| trade.trade.broker_pnl.is_some());
        let mut rest: Vec<&ClosedTrade> = told.collect();
        rest.sort_by_key(|trade| std::cmp::Reverse(trade.trade.closed_at));
        Self {
            compared: base.map_or(0, |state| state.compared),
            differing: base.map(|state| state.differing.clone()).unwrap_or_default(),
            rest,
        }
    }

    fn until(&mut self, at: DateTime<Utc>, book: BookMark) -> State {
        while let Some(closed) = self
            .rest
            .pop_if(|closed| closed.trade.closed_at.is_some_and(|closed_at| closed_at < at))
        {
            let Some(broker) = closed.trade.broker_pnl else {
                continue;
            };
            self.compared += 1;
            if closed.ours != Some(broker) {
                self.differing.push(PnlDifference {
                    symbol: closed.trade.symbol.clone(),
                    closed_at: closed.trade.closed_at,
                    ours: closed.ours,
                    broker,
                });
            }
        }
        State {
            book,
            compared: self.compared,
            differing: self.differing.clone(),
        }
    }
}

/// How the trades of an account are worked out from what is stored of it; its state is read first.
pub(crate) fn of_store<'a, S: Store + ?Sized>(
    store: &'a S,
    scope: &'a Scope,
    method: LotMethod,
    state: &'a SyncState,
) -> Result<Trades<'a, S>> {
    let covers = state.seen().ok_or_else(|| never_synced(scope))?;
    Ok(Trades {
        store,
        scope,
        method,
        state,
        covers,
        opening: state.opening.as_ref(),
    })
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
