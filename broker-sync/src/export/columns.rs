//! Which columns a table has.

use super::Table;
use super::csv::Column;
use super::trades::TRADES;
use super::values::{FEES, FILLS, FLOWS, VOIDS};

/// Names and meanings of all columns of a table, less those that come with every row.
pub(super) fn of(table: Table) -> Vec<(&'static str, &'static str)> {
    let mut columns = vec![
        ("broker", "name of the broker"),
        ("environment", "paper or live"),
        ("account", "the account, masked unless asked for whole"),
    ];
    if table == Table::Records {
        columns.push(("kind", "fill, void, fee or flow"));
    }
    columns.extend(described(table));
    columns
}

/// Names of the columns that a table has of its own.
pub(super) fn own(table: Table) -> Vec<&'static str> {
    described(table).into_iter().map(|(name, _)| name).collect()
}

fn described(table: Table) -> Vec<(&'static str, &'static str)> {
    match table {
        Table::Fills => meanings(FILLS),
        Table::Voids => meanings(VOIDS),
        Table::Fees => meanings(FEES),
        Table::Flows => meanings(FLOWS),
        Table::Trades => meanings(TRADES),
        Table::Records => {
            let mut union: Vec<(&'static str, &'static str)> = Vec::new();
            for column in [meanings(FILLS), meanings(VOIDS), meanings(FEES), meanings(FLOWS)].concat() {
                if union.iter().all(|(name, _)| *name != column.0) {
                    union.push(column);
                }
            }
            union
        }
    }
}

fn meanings<T>(columns: &[Column<T>]) -> Vec<(&'static str, &'static str)> {
    columns.iter().map(|column| (column.name, column.meaning)).collect()
}
