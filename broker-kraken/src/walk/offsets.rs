//! Where a walk stands in a list by offset.

use broker_core::{Error, ErrorKind, Result};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How often a walk may begin anew. Rows that shift the others can only be booked for the last seconds of the window.
const MOST_RESTARTS: u32 = 8;

/// Offsets into a list whose newest row comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct Offsets {
    place: Place,
    restarts: u32,
    /// Rows may come to those that were read, and are none of the walk.
    grows: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
enum Place {
    /// How many rows there are is not known yet.
    #[default]
    Unknown,
    /// Rows from this offset on were read.
    At {
        count: u64,
        /// Rows that a page holds.
        size: u64,
        low: u64,
        /// The newest rows that were read: the one at `low` is among them.
        border: Vec<String>,
        /// By how many rows the list grew since the page before: as many may have come since.
        ahead: u64,
    },
}

/// What is to be done with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its rows are no part of the walk: it goes on.
    Pass,
    /// Its rows count, and there are more.
    Take,
    /// Its rows count, and they were the last.
    Last,
}

impl Offsets {
    /// Of a list to which rows may come that are none of the walk.
    pub(crate) fn of_a_list_that_grows() -> Self {
        Self {
            grows: true,
            ..Self::default()
        }
    }

    /// The offset of the next page.
    pub(crate) fn offset(&self) -> u64 {
        match &self.place {
            Place::Unknown => 0,
            // The oldest rows share none with a page before.
            Place::At { size, low, border, .. } if border.is_empty() => low.saturating_sub(*size),
            Place::At { size, low, ahead, .. } => {
                let shared = (*ahead).min(*size / 2) + 1;
                low.saturating_sub(size.saturating_sub(shared))
            }
        }
    }

    /// Whether the walk has just begun, anew or at all.
    pub(crate) fn is_new(&self) -> bool {
        self.place == Place::Unknown
    }

    /// Takes a page: its rows by id and time, and the number of rows that it states.
    pub(crate) fn take(&mut self, rows: &[(String, DateTime<Utc>)], stated: Option<u64>) -> Result<Step> {
        let stated = stated.ok_or_else(|| Error::decode("a page that does not say how many rows there are"))?;
        let came = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        if came < stated && came < 2 {
            // One row alone cannot be shared by two pages.
            return Err(Error::decode(format!("a page of {came} rows, of {stated} in all")));
        }
        let offset = self.offset();
        match &mut self.place {
            Place::Unknown if came == stated => Ok(Step::Last),
            Place::Unknown if came > stated => self.restart(),
            Place::Unknown => {
                self.place = Place::At {
                    count: stated,
                    size: came,
                    low: stated,
                    border: Vec::new(),
                    ahead: 0,
                };
                Ok(Step::Pass)
            }
            Place::At { count, .. } if *count != stated && !(self.grows && *count < stated) => self.restart(),
            Place::At {
                count,
                size,
                low,
                border,
                ahead,
            } => {
                let more = stated - *count;
                *count = stated;
                let joins = match border.is_empty() {
                    true => offset + came >= stated,
                    false => rows.iter().any(|(id, _)| border.contains(id)),
                };
                if !joins && more > 0 {
                    // The shared row is further back by as many as came in front of it; more may come meanwhile.
                    *low = (*low + more + *size / 2).min(stated + *size / 2);
                    *ahead = 0;
                    return self.slip();
                }
                let needed = (*low - offset + 1).min(*count - offset);
                if came < needed {
                    // Pages became smaller.
                    *size = came;
                    return Ok(Step::Pass);
                }
                if !joins {
                    return self.restart();
                }
                if self.grows {
                    self.restarts = 0;
                }
                let newest = rows.iter().map(|(_, at)| *at).max();
                let at_border = rows.iter().filter(|(_, at)| Some(*at) == newest);
                *border = at_border.map(|(id, _)| id.clone()).collect();
                (*low, *ahead) = (offset, more);
                Ok(if offset == 0 { Step::Last } else { Step::Take })
            }
        }
    }

    fn restart(&mut self) -> Result<Step> {
        self.slip()?;
        self.place = Place::Unknown;
        Ok(Step::Pass)
    }

    fn slip(&mut self) -> Result<Step> {
        self.restarts += 1;
        if self.restarts > MOST_RESTARTS {
            return Err(Error::new(ErrorKind::Unavailable)
                .with_message("the rows of the window kept changing while they were read")
                .with_help("ask for a window that ends a little earlier"));
        }
        Ok(Step::Pass)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// A list by offset, newest first, as Kraken gives it.
    struct List {
        /// Newest first.
        rows: Vec<(String, DateTime<Utc>)>,
        page: usize,
    }

    impl List {
        fn new(count: i64, page: usize) -> Self {
            let rows = (0..count).rev().map(|n| (format!("T{n}"), at(n / 3)));
            Self {
                rows: rows.collect(),
                page,
            }
        }

        fn ask(&self, offset: u64) -> (Vec<(String, DateTime<Utc>)>, Option<u64>) {
            let from = usize::try_from(offset).unwrap().min(self.rows.len());
            let to = (from + self.page).min(self.rows.len());
            (self.rows[from..to].to_vec(), Some(self.rows.len() as u64))
        }

        /// Walks to the end; `meanwhile` may change the list between two pages.
        fn walk(&mut self, mut meanwhile: impl FnMut(&mut Self, usize)) -> (Vec<String>, usize) {
            let (mut offsets, mut read, mut pages) = (Offsets::default(), Vec::new(), 0);
            loop {
                let (rows, count) = self.ask(offsets.offset());
                pages += 1;
                let step = offsets.take(&rows, count).unwrap();
                if step != Step::Pass {
                    read.extend(rows.into_iter().rev().map(|(id, _)| id));
                }
                if step == Step::Last {
                    return (read, pages);
                }
                assert!(pages < 1_000);
                let text = serde_json::to_string(&offsets).unwrap();
                offsets = serde_json::from_str(&text).unwrap();
                meanwhile(self, pages);
            }
        }
    }

    fn all(list: &List) -> BTreeSet<String> {
        list.rows.iter().map(|(id, _)| id.clone()).collect()
    }

    #[test]
    fn one_page_is_one_request() {
        for count in [0, 1, 49, 50] {
            let mut list = List::new(count, 50);
            let (read, pages) = list.walk(|_, _| ());
            assert_eq!((read.len(), pages), (usize::try_from(count).unwrap(), 1));
        }
    }

    #[test]
    fn many_pages_come_oldest_first_and_share_a_row() {
        let mut list = List::new(1_000, 50);
        let (read, pages) = list.walk(|_, _| ());
        // One to count, then (1,000 - 1) / 49 rounded up.
        assert_eq!(pages, 1 + 21);
        assert_eq!(read[..3], ["T0", "T1", "T2"]);
        assert_eq!(read.iter().cloned().collect::<BTreeSet<_>>(), all(&list));
    }

    #[test]
    fn a_row_that_pushes_the_others_is_noticed() {
        for moment in 1..8 {
            let mut list = List::new(300, 50);
            let (read, _) = list.walk(|list, pages| {
                if pages == moment {
                    list.rows.insert(0, ("late".to_owned(), at(1_000)));
                }
            });
            assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), all(&list), "{moment}");
        }
        // One goes and one comes: the number is the same, and the shared row tells.
        let mut list = List::new(300, 50);
        let (read, pages) = list.walk(|list, pages| {
            if pages == 3 {
                list.rows.insert(100, ("late".to_owned(), at(66)));
                list.rows.remove(290);
                list.rows.remove(289);
                list.rows.insert(0, ("new".to_owned(), at(1_000)));
            }
        });
        assert!(pages > 8);
        assert!(all(&list).is_subset(&read.into_iter().collect()));
    }

    /// Closed orders: each page finds more of them than the one before, anywhere in the list.
    #[test]
    fn a_list_that_grows_all_the_time_is_read_all_the_same() {
        for (each, place) in [(1, 0), (7, 0), (20, 0), (7, 40), (7, 150), (3, 299)] {
            let mut list = List::new(300, 50);
            let before = all(&list);
            let mut offsets = Offsets::of_a_list_that_grows();
            let (mut read, mut pages) = (Vec::new(), 0);
            loop {
                let (rows, count) = list.ask(offsets.offset());
                pages += 1;
                let step = offsets.take(&rows, count).unwrap();
                if step != Step::Pass {
                    read.extend(rows.into_iter().map(|(id, _)| id));
                }
                if step == Step::Last {
                    break;
                }
                assert!(pages < 400, "{each} at {place}");
                // Opened when its neighbours were, and closed now.
                let opened = list.rows[place].1;
                for n in 0..each {
                    list.rows.insert(place, (format!("new {pages} {n}"), opened));
                }
            }
            let missing: Vec<_> = before.difference(&read.into_iter().collect()).cloned().collect();
            assert!(missing.is_empty(), "{each} at {place}, {pages} pages: {missing:?}");
            assert!(pages < 60, "{each} at {place}: {pages} pages");
        }
    }

    #[test]
    fn pages_that_become_smaller_are_read_whole() {
        let mut list = List::new(300, 100);
        let (read, _) = list.walk(|list, pages| {
            if pages == 2 {
                list.page = 50;
            }
        });
        assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), all(&list));
    }

    #[test]
    fn an_empty_page_is_no_end_and_a_restless_list_is_an_error() {
        let mut offsets = Offsets::default();
        assert!(offsets.take(&[], Some(7)).is_err());
        assert!(offsets.take(&[("a".into(), at(1))], None).is_err());
        assert_eq!(offsets.take(&[], Some(0)).unwrap(), Step::Last);
        let mut list = List::new(300, 50);
        let mut offsets = Offsets::default();
        let failed = (0..100).find_map(|_| {
            let (rows, count) = list.ask(offsets.offset());
            list.rows.insert(0, (format!("n{}", list.rows.len()), at(1_000)));
            offsets.take(&rows, count).err()
        });
        assert_eq!(failed.unwrap().kind(), ErrorKind::Unavailable);
    }
}
