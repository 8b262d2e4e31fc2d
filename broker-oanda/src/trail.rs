//! Which transactions carry ids of ours. A transaction never changes, so each is read once, however many orders are
//! looked for, and however often: a doubt that stays open for days costs what happened in them, not its square.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use broker_core::journal::Intent;
use broker_core::num::Text;
use broker_core::{ClientOrderId, Error, ErrorKind, Order, Result};
use chrono::{DateTime, Duration, Utc};

use crate::history::{are_all, borders};
use crate::map::Book;
use crate::orders::Rows;
use crate::rest::{BLOCK, Rest};
use crate::trades::reached;
use crate::wire::{self, RowJson, is_order};

/// Ids that are kept once a lookup is done; with more, the older half is forgotten, and read again when asked for.
const KEPT: usize = 100_000;

/// A stretch of transactions, read without a hole, and what they say of ids of ours.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Trail {
    /// Those behind this one were read,
    behind: u64,
    /// up to this one.
    reached: u64,
    own: BTreeMap<(ClientOrderId, u64), Word>,
}

/// What a transaction says of its id of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Made,
    Refused,
}

type Own = Vec<((ClientOrderId, u64), Word)>;

impl Trail {
    /// Nothing is read yet. The trail begins at this transaction, unless one is there that reaches nearly as far.
    fn begin(&mut self, mark: u64) {
        if mark > self.reached.saturating_add(BLOCK) || self.reached == 0 {
            *self = Self {
                behind: mark,
                reached: mark,
                own: BTreeMap::new(),
            };
        }
    }

    /// The newest ids that are missing between the mark and the trail.
    fn missing(&self, mark: u64) -> Option<RangeInclusive<u64>> {
        let first = mark.max(self.behind.saturating_sub(BLOCK)).saturating_add(1);
        (mark < self.behind).then_some(first..=self.behind)
    }

    /// Takes a stretch that was read: all ids behind one, up to another. One that does not touch the trail is left out.
    fn take(&mut self, behind: u64, reached: u64, own: Own) {
        if behind <= self.reached && reached >= self.behind {
            self.behind = behind.min(self.behind);
            self.reached = reached.max(self.reached);
            self.own.extend(own);
        }
    }

    /// Which transactions behind the mark carry this id.
    fn of(&self, id: &ClientOrderId, mark: u64) -> Vec<(u64, Word)> {
        let stretch = (id.clone(), mark.saturating_add(1))..=(id.clone(), u64::MAX);
        let found = self.own.range(stretch);
        found.map(|((_, number), word)| (*number, *word)).collect()
    }

    fn forget(&mut self) {
        if self.own.len() > KEPT {
            self.behind += (self.reached - self.behind) / 2;
            let behind = self.behind;
            self.own.retain(|(_, number), _| *number > behind);
        }
    }
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
        let account = &book.account;
        let mut is_newest = false;
        loop {
            let (missing, from) = self.with_trail(account, |trail| {
                trail.begin(mark);
                (trail.missing(mark), trail.reached)
            });
            if let Some(ids) = missing {
                let read = |rows: &[RowJson<'_>], _: u64, _: &str| match are_all(rows, &ids)? {
                    true => own(rows),
                    false => Err(Error::decode("transactions are missing")),
                };
                let found = self.block(account, &ids, read).await?;
                self.with_trail(account, |trail| trail.take(ids.start() - 1, *ids.end(), found));
            } else if is_newest {
                return Ok(self.with_trail(account, |trail| {
                    let found = trail.of(id, mark);
                    trail.forget();
                    found
                }));
            } else {
                let read = |rows: &[RowJson<'_>], last: u64| Ok((own(rows)?, reached(rows, from)?, last));
                let (found, end, last) = self.since(account, from, read).await?;
                if end == from && end < last {
                    return Err(Error::decode("newer transactions are there and did not come"));
                }
                self.with_trail(account, |trail| trail.take(from, end, found));
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
                let last = self.with_trail(&book.account, |trail| trail.reached);
                self.as_made(number, number..=last.max(number), book).await
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
fn own(rows: &[RowJson<'_>]) -> Result<Own> {
    let mut own = Own::new();
    for row in rows {
        let word = match row.kind() {
            kind if kind.ends_with("_ORDER_REJECT") => Word::Refused,
            kind if is_order(kind) => Word::Made,
            _ => continue,
        };
        let id = row.client_extensions.as_ref().and_then(|given| given.id.as_ref());
        if let Some(id) = id.map(Text::get) {
            own.push(((id.into(), row.number()?), word));
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(rows: &[(&str, u64)]) -> Own {
        let rows = rows.iter();
        rows.map(|(id, number)| (((*id).into(), *number), Word::Made)).collect()
    }

    fn numbers(trail: &Trail, id: &str, mark: u64) -> Vec<u64> {
        trail
            .of(&id.into(), mark)
            .into_iter()
            .map(|(number, _)| number)
            .collect()
    }

    #[test]
    fn a_trail_grows_both_ways_and_has_no_holes() {
        let mut trail = Trail::default();
        trail.begin(5_000);
        assert_eq!(trail.missing(5_000), None);
        trail.take(5_000, 5_300, own(&[("a", 5_001), ("b", 5_200)]));
        // Somebody else's stretch does not touch it.
        trail.take(5_301, 5_400, own(&[("c", 5_350)]));
        assert_eq!((trail.behind, trail.reached), (5_000, 5_300));
        assert!(numbers(&trail, "c", 0).is_empty());
        // An older mark: the newest thousand first, then the rest.
        trail.begin(3_500);
        assert_eq!(trail.missing(3_500), Some(4_001..=5_000));
        trail.take(4_000, 5_000, own(&[("a", 4_100)]));
        assert_eq!(trail.missing(3_500), Some(3_501..=4_000));
        trail.take(3_500, 4_000, own(&[]));
        assert_eq!(trail.missing(3_500), None);
        // What stands before a mark is an older order with the same id.
        assert_eq!(numbers(&trail, "a", 3_500), [4_100, 5_001]);
        assert_eq!(numbers(&trail, "a", 4_100), [5_001]);
    }

    #[test]
    fn a_mark_far_ahead_begins_anew() {
        let mut trail = Trail::default();
        trail.begin(100);
        trail.take(100, 200, own(&[("a", 150)]));
        trail.begin(1_200);
        assert_eq!((trail.behind, trail.reached), (100, 200));
        trail.begin(1_201);
        assert_eq!((trail.behind, trail.reached), (1_201, 1_201));
        assert_eq!(trail.missing(100), Some(202..=1_201));
    }

    #[test]
    fn of_too_many_ids_the_older_half_is_forgotten() {
        let mut trail = Trail::default();
        trail.begin(1_000);
        let many: Own = (0..=100_000).map(|at| (("a".into(), 1_001 + at), Word::Made)).collect();
        trail.take(1_000, 101_001, many);
        trail.forget();
        // (101,001 - 1,000) / 2 = 50,000
        assert_eq!((trail.behind, trail.reached), (51_000, 101_001));
        assert_eq!(trail.own.len(), 50_001);
        trail.forget();
        assert_eq!(trail.behind, 51_000);
    }
}
