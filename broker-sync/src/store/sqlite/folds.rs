//! What was worked out of rows, in the SQLite store.

use broker_core::Result;
use broker_core::pnl::ClosedTrade;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::{borders, failed, from_json, integer, nanos, to_json};
use crate::store::{FoldHead, FoldWrite, check_revision};
use broker_core::span::Span;

/// The head of a fold; the default where there is none.
pub(super) fn head(connection: &Connection, scope: i64, name: &str) -> Result<FoldHead> {
    Ok(find(connection, scope, name)?.map(|(_, head)| head).unwrap_or_default())
}

fn find(connection: &Connection, scope: i64, name: &str) -> Result<Option<(i64, FoldHead)>> {
    let count = |value: i64| u64::try_from(value).unwrap_or_default();
    let found = connection
        .prepare_cached("SELECT id, revision, rows, facts FROM fold WHERE scope = ?1 AND name = ?2")
        .map_err(failed)?
        .query_row(params![scope, name], |row| {
            let head = FoldHead {
                revision: count(row.get(1)?),
                rows: count(row.get(2)?),
                facts: row.get(3)?,
                marks: Vec::new(),
            };
            Ok((row.get(0)?, head))
        });
    let Some((id, mut head)) = found.optional().map_err(failed)? else {
        return Ok(None);
    };
    let mut select = connection
        .prepare_cached("SELECT at FROM mark WHERE fold = ?1 ORDER BY at")
        .map_err(failed)?;
    let marks = select.query_map([id], |row| Ok(DateTime::from_timestamp_nanos(row.get(0)?)));
    head.marks = marks.and_then(Iterator::collect).map_err(failed)?;
    Ok(Some((id, head)))
}

/// The text of a mark.
pub(super) fn mark(connection: &Connection, scope: i64, name: &str, at: DateTime<Utc>) -> Result<Option<String>> {
    let sql = "SELECT state FROM mark JOIN fold ON fold.id = mark.fold WHERE scope = ?1 AND name = ?2 AND at = ?3";
    let mut select = connection.prepare_cached(sql).map_err(failed)?;
    let state = select.query_row(params![scope, name, nanos(at)?], |row| row.get(0));
    state.optional().map_err(failed)
}

/// The trades of a fold that were closed in the span.
pub(super) fn trades(connection: &Connection, scope: i64, name: &str, span: Option<Span>) -> Result<Vec<ClosedTrade>> {
    let Some((fold, _)) = find(connection, scope, name)? else {
        return Ok(Vec::new());
    };
    let (since, until) = borders(span);
    let sql = "SELECT body FROM trade WHERE fold = ?1 AND closed_at >= ?2 AND closed_at < ?3 ORDER BY closed_at, id";
    let mut select = connection.prepare_cached(sql).map_err(failed)?;
    let mut found = select.query(params![fold, since, until]).map_err(failed)?;
    let mut trades = Vec::new();
    while let Some(row) = found.next().map_err(failed)? {
        let body = row.get_ref(0).and_then(|body| Ok(body.as_str()?)).map_err(failed)?;
        trades.push(from_json(body)?);
    }
    Ok(trades)
}

/// Replaces the end of a fold.
pub(super) fn keep(connection: &Connection, scope: i64, write: &FoldWrite) -> Result<()> {
    let known = find(connection, scope, &write.name)?;
    check_revision(known.as_ref().map_or(0, |(_, head)| head.revision), write.head.revision)?;
    let fold = match known {
        Some((id, head)) => {
            let gone = head.marks.iter().filter(|at| !write.head.marks.contains(at));
            let mut drop = connection
                .prepare_cached("DELETE FROM mark WHERE fold = ?1 AND at = ?2")
                .map_err(failed)?;
            for at in gone {
                drop.execute(params![id, nanos(*at)?]).map_err(failed)?;
            }
            let (from, _) = borders(Some(Span::new(write.from, write.from)));
            connection
                .prepare_cached("DELETE FROM trade WHERE fold = ?1 AND closed_at >= ?2")
                .and_then(|mut drop| drop.execute(params![id, from]))
                .map_err(failed)?;
            id
        }
        None => {
            connection
                .execute(
                    "INSERT INTO fold (scope, name, revision, rows, facts) VALUES (?1, ?2, 0, 0, '')",
                    params![scope, write.name],
                )
                .map_err(failed)?;
            connection.last_insert_rowid()
        }
    };
    let head = &write.head;
    let (revision, rows) = (integer(head.revision + 1)?, integer(head.rows)?);
    connection
        .prepare_cached("UPDATE fold SET revision = ?2, rows = ?3, facts = ?4 WHERE id = ?1")
        .and_then(|mut update| update.execute(params![fold, revision, rows, head.facts]))
        .map_err(failed)?;
    let mut add = connection
        .prepare_cached("INSERT OR REPLACE INTO mark (fold, at, state) VALUES (?1, ?2, ?3)")
        .map_err(failed)?;
    for (at, state) in &write.marks {
        add.execute(params![fold, nanos(*at)?, state]).map_err(failed)?;
    }
    keep_trades(connection, fold, &write.trades)
}

fn keep_trades(connection: &Connection, fold: i64, trades: &[ClosedTrade]) -> Result<()> {
    let sql = "INSERT INTO trade (fold, instrument, symbol, side, qty, opened_at, closed_at, body) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut add = connection.prepare_cached(sql).map_err(failed)?;
    for closed in trades {
        let trade = &closed.trade;
        let closed_at = trade.closed_at.unwrap_or(trade.opened_at);
        add.execute(params![
            fold,
            trade.instrument.get(),
            trade.symbol.get(),
            trade.side.to_string(),
            trade.qty.to_string(),
            nanos(trade.opened_at)?,
            nanos(closed_at)?,
            to_json(closed)?,
        ])
        .map_err(failed)?;
    }
    Ok(())
}
