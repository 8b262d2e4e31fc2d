//! History.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::RecordKey;
use broker_core::{Broker, Cursor, Fill, HistoryQuery, Record};

use super::{MOST_PAGES, foreign, is_refused, middle, nobody};
use crate::conformance::{Failed, Outcome, Setup, check};

fn window(setup: &Setup) -> HistoryQuery {
    HistoryQuery::between(&setup.account, setup.since, setup.until)
}

/// All rows of a history, as they came.
async fn records(broker: &dyn Broker, query: &HistoryQuery) -> Result<Vec<Record>, Failed> {
    let (mut all, mut cursor) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let page = broker.history(query, cursor.as_ref()).await?;
        if let Some(wait) = page.wait {
            broker.context().clock().sleep(wait).await;
        }
        all.extend(page.rows);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(all),
        }
    }
    Err(Failed("the pages of the history have no end".to_owned()))
}

fn keys(records: &[Record]) -> BTreeSet<RecordKey> {
    records.iter().map(Record::key).collect()
}

async fn fills(broker: &dyn Broker, setup: &Setup) -> Result<Vec<Fill>, Failed> {
    let records = records(broker, &window(setup)).await?;
    let fill = |record| match record {
        Record::Fill(fill) => Some(fill),
        Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
    };
    Ok(records.into_iter().filter_map(fill).collect())
}

pub(super) async fn history_of_an_unknown_account_is_an_error(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let query = HistoryQuery::between(&nobody(), setup.since, setup.until);
    check(
        broker.history(&query, None).await.is_err(),
        "a history of an account that is not there",
    )
}

pub(super) async fn a_foreign_cursor_of_history_is_refused(broker: &dyn Broker, setup: &Setup) -> Outcome {
    is_refused(broker.history(&window(setup), Some(&foreign())).await)
}

pub(super) async fn history_comes_oldest_first(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let page = broker.history(&window(setup), None).await?;
    check(page.rows.is_sorted_by_key(Record::at), "a page is not oldest first")?;
    Ok(page.rows.len() > 1)
}

pub(super) async fn history_pages_to_an_end(broker: &dyn Broker, setup: &Setup) -> Outcome {
    Ok(!records(broker, &window(setup)).await?.is_empty())
}

pub(super) async fn history_names_its_account(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let all = records(broker, &window(setup)).await?;
    check(
        all.iter().all(|record| *record.account() == setup.account),
        "a row of another account",
    )?;
    Ok(!all.is_empty())
}

pub(super) async fn history_repeats_the_same_set(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let first = records(broker, &window(setup)).await?;
    let second = records(broker, &window(setup)).await?;
    check(keys(&first) == keys(&second), "a second reading has other records")?;
    Ok(!first.is_empty())
}

pub(super) async fn a_row_that_comes_again_is_the_same(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let mut seen = BTreeMap::new();
    let twice = [
        records(broker, &window(setup)).await?,
        records(broker, &window(setup)).await?,
    ]
    .concat();
    for record in &twice {
        let known = seen.entry((record.key(), record.version())).or_insert(record);
        check(
            *known == record,
            format!("{:?} came again with other content", record.key()),
        )?;
    }
    Ok(!twice.is_empty())
}

/// A fill that is not the first of its window, so that a border can be put at it.
async fn border_fill(broker: &dyn Broker, setup: &Setup) -> Result<Option<Fill>, Failed> {
    Ok(fills(broker, setup)
        .await?
        .into_iter()
        .rev()
        .find(|fill| fill.at > setup.since))
}

pub(super) async fn history_starts_inclusive(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let Some(fill) = border_fill(broker, setup).await? else {
        return Ok(false);
    };
    let query = HistoryQuery::between(&setup.account, fill.at, setup.until);
    let found = keys(&records(broker, &query).await?).contains(&RecordKey::Fill(fill.id.clone()));
    check(
        found,
        format!("{:?} of {} is not in the window that starts there", fill.id, fill.at),
    )
}

pub(super) async fn history_ends_exclusive(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let Some(fill) = border_fill(broker, setup).await? else {
        return Ok(false);
    };
    let query = HistoryQuery::between(&setup.account, setup.since, fill.at);
    let found = keys(&records(broker, &query).await?).contains(&RecordKey::Fill(fill.id.clone()));
    check(
        !found,
        format!("{:?} of {} is in the window that ends there", fill.id, fill.at),
    )
}

pub(super) async fn history_of_joined_windows_is_the_whole(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let whole = records(broker, &window(setup)).await?;
    let Some(border) = middle(whole.iter().map(Record::at)) else {
        return Ok(false);
    };
    let mut parts = records(broker, &HistoryQuery::between(&setup.account, setup.since, border)).await?;
    parts.extend(records(broker, &HistoryQuery::between(&setup.account, border, setup.until)).await?);
    let (parts, whole) = (keys(&parts), keys(&whole));
    check(
        parts == whole,
        format!("the parts have {} records, the whole {}", parts.len(), whole.len()),
    )
}

pub(super) async fn an_empty_window_is_empty(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let query = HistoryQuery::between(&setup.account, setup.since, setup.since);
    let found = records(broker, &query).await?.len();
    check(found == 0, format!("{found} records in a window without length"))
}

pub(super) async fn history_keeps_to_its_instrument(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let all = fills(broker, setup).await?;
    let Some(wanted) = all.first().map(|fill| fill.instrument.clone()) else {
        return Ok(false);
    };
    let found = records(broker, &window(setup).with_instrument(wanted.clone())).await?;
    let fill_ids = |mine: &dyn Fn(&Fill) -> bool| -> BTreeSet<RecordKey> {
        let mine = all.iter().filter(|fill| mine(fill));
        mine.map(|fill| RecordKey::Fill(fill.id.clone())).collect()
    };
    let (mine, others) = (
        fill_ids(&|fill| fill.instrument == wanted),
        fill_ids(&|fill| fill.instrument != wanted),
    );
    let found = keys(&found);
    check(found.is_superset(&mine), format!("fills of {wanted} are missing"))?;
    check(found.is_disjoint(&others), format!("fills that are not of {wanted}"))
}

pub(super) async fn a_stored_cursor_goes_on(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let query = window(setup);
    let Some(next) = broker.history(&query, None).await?.next else {
        return Ok(false);
    };
    let stored = Cursor::from_text(next.as_str());
    let handle = broker.handle();
    let (here, there) = (
        broker.history(&query, Some(&next)).await?,
        handle.history(&query, Some(&stored)).await?,
    );
    check(
        keys(&here.rows) == keys(&there.rows),
        "a stored cursor leads to another page",
    )
}

pub(super) async fn pages_carry_no_text_unasked(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let page = broker.history(&window(setup), None).await?;
    check(page.raw.is_none(), "the page carries its text unasked")
}

pub(super) async fn fills_have_a_size_and_name_themselves(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let fills = fills(broker, setup).await?;
    for fill in &fills {
        let named = !fill.id.get().is_empty() && !fill.instrument.get().is_empty() && !fill.symbol.get().is_empty();
        check(
            named && !fill.qty.is_zero(),
            format!("{:?} has no size, instrument or symbol", fill.id),
        )?;
    }
    Ok(!fills.is_empty())
}
