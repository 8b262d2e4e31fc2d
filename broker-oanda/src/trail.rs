//! Which transactions carry ids of ours. A transaction never changes, so each is read once, however many orders are
//! looked for, and however often: a doubt that stays open for days costs what happened in them, not its square.

use std::ops::RangeInclusive;

use broker_core::journal::Intent;
use broker_core::num::Text;
use broker_core::placement::Trace;
use broker_core::{ClientOrderId, Error, ErrorKind, Order, Result};
use chrono::{DateTime, Duration, Utc};

use crate::history::{are_all, borders};
use crate::map::Book;
use crate::orders::Rows;
use crate::rest::{BLOCK, Rest};
use crate::trades::reached;
use crate::wire::{self, RowJson, is_order};

/// What a transaction says of its id of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    Made,
    Refused,
}

/// What lies behind one transaction and up to another.
type Trail = Trace<u64, Word>;

/// Where the trail was read, for what lies behind this mark. One that ends long before it begins anew.
fn begun(trail: &mut Trail, mark: u64) -> (u64, u64) {
    trail
        .read()
        .filter(|(_, reached)| mark <= reached.saturating_add(BLOCK))
        .unwrap_or_else(|| {
            trail.begin(mark);
            (mark, mark)
        })
}

/// The newest ids that are missing between the mark and the trail.
fn missing(mark: u64, behind: u64) -> Option<RangeInclusive<u64>> {
    let first = mark.max(behind.saturating_sub(BLOCK)).saturating_add(1);
    (mark < behind).then_some(first..=behind)
}

impl Rest {
    /// The orders that carry the intent's id, of those that were made since its mark.
    pub(crate) async fn traced(&self, intent: &Intent, book: &Book, now: DateTime<Utc>) -> Result<Vec<Order>> {
        let mark = match &intent.mark {
            Some(mark) => wire::id(&mark.0)?,
            None => self.mark_at(intent.created_at, book, now).await?,
        };
        let mut orders = Vec::new();
        for (number, word) in self.named(&intent.id, mark, book).await? {
            orders.extend(match word {
                Word::Made => self.as_it_is(number, book).await?,
                Word::Refused => self.as_made(number, number..=number, book).await?,
            });
        }
        Ok(orders)
    }

    /// The newest transaction of a moment, of an intent without a mark.
    async fn mark_at(&self, at: DateTime<Utc>, book: &Book, now: DateTime<Utc>) -> Result<u64> {
        let params = borders(at - Duration::minutes(1), now, book, now);
        let span = self.span(&book.account, &params).await?;
        Ok(match span.ids {
            Some(ids) => ids.start().saturating_sub(1),
            None => span.last,
        })
    }

    /// Reads what the trail lacks, back to the mark and up to the newest, and looks for the id.
    async fn named(&self, id: &ClientOrderId, mark: u64, book: &Book) -> Result<Vec<(u64, Word)>> {
        let (account, trails) = (&book.account, &self.trails);
        let mut is_newest = false;
        loop {
            let (behind, from) = trails.with(account, |trail| begun(trail, mark));
            if let Some(ids) = missing(mark, behind) {
                let read = |rows: &[RowJson<'_>], _: u64, _: &str| match are_all(rows, &ids)? {
                    true => own(rows),
                    false => Err(Error::decode("transactions are missing")),
                };
                let found = self.block(account, &ids, read).await?;
                trails.with(account, |trail| trail.take(ids.start() - 1, *ids.end(), found));
            } else if is_newest {
                return Ok(trails.with(account, |trail| trail.find(id, mark.saturating_add(1))));
            } else {
                let read = |rows: &[RowJson<'_>], last: u64| Ok((own(rows)?, reached(rows, from)?, last));
                let (found, end, last) = self.since(account, from, read).await?;
                if end == from && end < last {
                    return Err(Error::decode("newer transactions are there and did not come"));
                }
                trails.with(account, |trail| trail.take(from, end, found));
                is_newest = end >= last;
            }
        }
    }

    /// The order that a transaction made, with what became of it. Where its own endpoint does not know it (yet, or any
    /// more), the transactions tell.
    async fn as_it_is(&self, number: u64, book: &Book) -> Result<Option<Order>> {
        match self.whole(book, &number.to_string()).await {
            Ok(made) => Ok(Some(made.order)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let read = self.trails.with(&book.account, |trail| trail.read());
                let last = read.map_or(number, |(_, reached)| reached.max(number));
                self.as_made(number, number..=last, book).await
            }
            Err(error) => Err(error),
        }
    }

    /// The order that a transaction made, as far as these tell of it.
    async fn as_made(&self, number: u64, ids: RangeInclusive<u64>, book: &Book) -> Result<Option<Order>> {
        let mut all = Rows::default();
        let mut next = *ids.start();
        while next <= *ids.end() {
            let block = next..=next.saturating_add(BLOCK - 1).min(*ids.end());
            let read = |rows: &[RowJson<'_>], _: u64, _: &str| Rows::read(rows, book);
            all.add(self.block(&book.account, &block, read).await?);
            next = block.end() + 1;
        }
        Ok(all.settle(book).remove(&number).map(|made| made.order))
    }
}

/// The rows that made an order of ours, or refused one.
fn own(rows: &[RowJson<'_>]) -> Result<Vec<(ClientOrderId, u64, Word)>> {
    let mut own = Vec::new();
    for row in rows {
        let word = match row.kind() {
            kind if kind.ends_with("_ORDER_REJECT") => Word::Refused,
            kind if is_order(kind) => Word::Made,
            _ => continue,
        };
        let id = row.client_extensions.as_ref().and_then(|given| given.id.as_ref());
        if let Some(id) = id.map(Text::get) {
            own.push((id.into(), row.number()?, word));
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_is_read_in_blocks_from_the_newest_on() {
        let mut trail = Trail::default();
        assert_eq!(begun(&mut trail, 5_000), (5_000, 5_000));
        assert_eq!(missing(5_000, 5_000), None);
        assert!(trail.take(5_000, 5_300, [("a".into(), 5_001, Word::Made)]));
        // An older mark: the newest thousand first, then the rest.
        assert_eq!(begun(&mut trail, 3_500), (5_000, 5_300));
        assert_eq!(missing(3_500, 5_000), Some(4_001..=5_000));
        assert!(trail.take(4_000, 5_000, [("a".into(), 4_100, Word::Refused)]));
        assert_eq!(begun(&mut trail, 3_500), (4_000, 5_300));
        assert_eq!(missing(3_500, 4_000), Some(3_501..=4_000));
    }

    #[test]
    fn a_mark_far_ahead_begins_anew() {
        let mut trail = Trail::default();
        begun(&mut trail, 100);
        assert!(trail.take(100, 200, []));
        assert_eq!(begun(&mut trail, 1_200), (100, 200));
        assert_eq!(begun(&mut trail, 1_201), (1_201, 1_201));
        assert_eq!(missing(100, 1_201), Some(202..=1_201));
    }
}
