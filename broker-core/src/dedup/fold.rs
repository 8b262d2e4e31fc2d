//! The fold of a set of rows into the records that count.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rust_decimal::Decimal;

use crate::error::{Error, Result};
use crate::id::{AccountId, FillId, InstrumentId, OrderId, RecordId};
use crate::model::{Asset, Fee, Fill, Grade, Record};

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was read.
    pub record: Record,
    /// When, as a growing number: decides between rows of a key whose venue gives them no version.
    pub read_at: u64,
}

/// What a set of rows comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// All rows, each reading that said something else once, in the order of their keys and worth. Folding them
    /// again, alone or with more rows, gives what the rows themselves would have given.
    pub rows: Vec<Row>,
    /// Places of the rows that count, by time and key.
    standing: Vec<usize>,
    /// Rows of a key that a higher version replaced.
    pub superseded: usize,
    /// Rows of an order that a higher grade replaced, keys counted once.
    pub replaced: usize,
    /// Rows of an order in a higher grade that do not yet cover its lower one, and so do not count yet.
    pub waiting: usize,
    /// Fills that a void took back.
    pub voided: usize,
    /// Voids whose fill is not among the rows.
    pub unmatched_voids: usize,
    /// Fees and flows that the broker took back.
    pub canceled: usize,
    /// Fees that stood on voided fills, as fee rows that the books take: they were charged all the same.
    pub voided_fees: Vec<Fee>,
    /// All fees that count, by asset: on fills, on voided ones too, and by rows of their own. Positive is a cost.
    pub fees: BTreeMap<Asset, Decimal>,
}

impl Folded {
    /// The records that count, by time and key. Voids and what they took back are not among them.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.standing
            .iter()
            .filter_map(|place| self.rows.get(*place))
            .map(|row| &row.record)
    }

    /// The same, taken out.
    pub fn into_records(self) -> Vec<Record> {
        let records = self.rows.into_iter().map(|row| row.record).collect();
        at_places(records, self.standing)
    }

    /// What the books take: the records that count, and what was charged on voided fills, by time and key.
    pub fn into_booked(mut self) -> Vec<Record> {
        let charged = std::mem::take(&mut self.voided_fees);
        let mut records = self.into_records();
        if !charged.is_empty() {
            records.extend(charged.into_iter().map(Record::Fee));
            records.sort_by(by_time);
        }
        records
    }
}

/// Folds a set of rows. An error is a sum that does not fit.
///
/// - Of the rows of a key the highest version counts: the venue's version, then the grade, then the order of
///   reading.
/// - The rows of an order in one instrument count in one grade: the highest one whose quantity covers that of each
///   lower grade. Rows without an order count by their key alone.
/// - A void takes its fill back whichever of the two came first, at every version and grade.
/// - A fee counts once for each key that counts; those of voided fills too.
/// - Canceled fees and flows count nothing.
pub fn fold(rows: impl IntoIterator<Item = Row>) -> Result<Folded> {
    let rows = set_of(rows);
    let groups = groups_of(&rows);
    let voids: BTreeSet<_> = rows.iter().filter_map(voided_fill).collect();
    let grades = chosen_grades(&rows, &groups)?;
    let mut matched = BTreeSet::new();
    let mut count = Count::default();

    for group in groups {
        let members = &rows[group.clone()];
        let grade = order_of(members).and_then(|order| grades.get(&order).copied());
        // The rows of a key stand in ascending order of worth.
        let found = match grade {
            Some(grade) => members.iter().rposition(|row| grade_of(row) == Some(grade)),
            None => members.len().checked_sub(1),
        };
        let Some(found) = found else {
            match members.iter().all(|row| grade_of(row) > grade) {
                true => count.waiting += 1,
                false => count.replaced += 1,
            }
            continue;
        };
        count.superseded += members.len() - 1;
        let Some(row) = members.get(found) else { continue };
        let is_void = as_fill(row)
            .map(|fill| (&fill.account, &fill.id))
            .filter(|name| voids.contains(name));
        matched.extend(is_void);
        count.row(row, group.start + found, is_void.is_some())?;
    }
    count.unmatched_voids = voids.len() - matched.len();
    count
        .standing
        .sort_by(|a, b| by_time(&rows[*a].record, &rows[*b].record));
    Ok(count.into_folded(rows))
}

/// What is counted on the way.
#[derive(Default)]
struct Count {
    standing: Vec<usize>,
    superseded: usize,
    replaced: usize,
    waiting: usize,
    voided: usize,
    unmatched_voids: usize,
    canceled: usize,
    voided_fees: Vec<Fee>,
    fees: BTreeMap<Asset, Decimal>,
}

impl Count {
    fn row(&mut self, row: &Row, place: usize, is_void: bool) -> Result<()> {
        match &row.record {
            Record::Void(_) => return Ok(()),
            Record::Fee(fee) if fee.canceled => self.canceled += 1,
            Record::Flow(flow) if flow.canceled => self.canceled += 1,
            Record::Fee(fee) => {
                self.fee(fee.asset.clone(), fee.amount)?;
                self.standing.push(place);
            }
            Record::Flow(_) => self.standing.push(place),
            Record::Fill(fill) => {
                for fee in &fill.fees {
                    self.fee(Asset::Currency(fee.currency), fee.amount)?;
                }
                if is_void {
                    self.voided += 1;
                    self.voided_fees.extend(fees_of_voided(fill));
                } else {
                    self.standing.push(place);
                }
            }
        }
        Ok(())
    }

    fn fee(&mut self, asset: Asset, amount: Decimal) -> Result<()> {
        let sum = self.fees.entry(asset).or_default();
        *sum = sum
            .checked_add(amount)
            .ok_or_else(|| Error::invalid("the sum of the fees does not fit"))?;
        Ok(())
    }

    fn into_folded(self, rows: Vec<Row>) -> Folded {
        Folded {
            rows,
            standing: self.standing,
            superseded: self.superseded,
            replaced: self.replaced,
            waiting: self.waiting,
            voided: self.voided,
            unmatched_voids: self.unmatched_voids,
            canceled: self.canceled,
            voided_fees: self.voided_fees,
            fees: self.fees,
        }
    }
}

/// The fees of a voided fill as rows; `void-fee:` and the fill's id and place make theirs.
fn fees_of_voided(fill: &Fill) -> impl Iterator<Item = Fee> {
    fill.fees.iter().enumerate().map(|(place, fee)| Fee {
        id: RecordId::from(format!("void-fee:{}:{place}", fill.id)),
        account: fill.account.clone(),
        label: "fee of a voided fill".to_owned(),
        asset: Asset::Currency(fee.currency),
        amount: fee.amount,
        price: None,
        instrument: Some(fill.instrument.clone()),
        order: fill.order.clone(),
        fill: Some(fill.id.clone()),
        at: fill.at,
        booked_at: None,
        version: fill.version,
        canceled: false,
    })
}

/// The rows as a set: by account and key, then ascending by worth. Of rows that say the same, the last reading.
fn set_of(rows: impl IntoIterator<Item = Row>) -> Vec<Row> {
    let rows: Vec<Row> = rows.into_iter().collect();
    let mut places: Vec<usize> = (0..rows.len()).collect();
    places.sort_unstable_by(|a, b| by_worth(&rows[*a], &rows[*b]));
    let mut kept: Vec<usize> = Vec::with_capacity(places.len());
    // From the highest down, so that the last reading is met first.
    for place in places.into_iter().rev() {
        let record = &rows[place].record;
        let said = kept
            .iter()
            .rev()
            .map(|known| &rows[*known].record)
            .take_while(|known| name_of(known) == name_of(record))
            .any(|known| known == record);
        if !said {
            kept.push(place);
        }
    }
    kept.reverse();
    at_places(rows, kept)
}

/// The values that stand at these places, each named once, in the order of the places. A journal of millions of rows
/// is not held twice for it.
fn at_places<T>(mut values: Vec<T>, mut places: Vec<usize>) -> Vec<T> {
    for to in 0..places.len() {
        let mut from = places[to];
        // What stood before was swapped to where its own place then led.
        while from < to {
            from = places[from];
        }
        places[to] = from;
        values.swap(to, from);
    }
    values.truncate(places.len());
    values
}

/// The rows of each key.
fn groups_of(rows: &[Row]) -> Vec<Range<usize>> {
    let mut start = 0;
    rows.chunk_by(|a, b| name_of(&a.record) == name_of(&b.record))
        .map(|group| {
            let range = start..start + group.len();
            start = range.end;
            range
        })
        .collect()
}

type OrderName<'a> = (&'a AccountId, &'a OrderId, &'a InstrumentId);

/// The order of a fill's key: the best row that names one. A stream may leave it out.
fn order_of(members: &[Row]) -> Option<OrderName<'_>> {
    members
        .iter()
        .rev()
        .filter_map(as_fill)
        .find_map(|fill| Some((&fill.account, fill.order.as_ref()?, &fill.instrument)))
}

/// For each order with fills of several grades, the one that counts. Voided fills cover quantity like others, for
/// the void is told apart from them.
fn chosen_grades<'a>(rows: &'a [Row], groups: &[Range<usize>]) -> Result<BTreeMap<OrderName<'a>, Grade>> {
    let mut grades = rows.iter().filter_map(grade_of);
    let first = grades.next();
    if grades.all(|grade| Some(grade) == first) {
        return Ok(BTreeMap::new());
    }
    let mut covered: BTreeMap<OrderName<'a>, BTreeMap<Grade, Decimal>> = BTreeMap::new();
    for group in groups {
        let members = &rows[group.clone()];
        let Some(order) = order_of(members) else { continue };
        let best: BTreeMap<Grade, &Fill> = members
            .iter()
            .filter_map(as_fill)
            .map(|fill| (fill.grade, fill))
            .collect();
        let sums = covered.entry(order).or_default();
        for (grade, fill) in best {
            let sum = sums.entry(grade).or_default();
            *sum = sum
                .checked_add(fill.qty.get())
                .ok_or_else(|| Error::invalid("the quantity of an order does not fit"))?;
        }
    }
    Ok(covered
        .into_iter()
        .filter_map(|(order, sums)| Some((order, choose(&sums)?)))
        .collect())
}

/// The highest grade that covers each lower one.
fn choose(sums: &BTreeMap<Grade, Decimal>) -> Option<Grade> {
    let mut most = None;
    let mut chosen = None;
    for (grade, sum) in sums {
        if most.is_none_or(|most| *sum >= most) {
            (chosen, most) = (Some(*grade), Some(*sum));
        }
    }
    chosen
}

fn as_fill(row: &Row) -> Option<&Fill> {
    match &row.record {
        Record::Fill(fill) => Some(fill),
        Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
    }
}

fn grade_of(row: &Row) -> Option<Grade> {
    as_fill(row).map(|fill| fill.grade)
}

fn voided_fill(row: &Row) -> Option<(&AccountId, &FillId)> {
    match &row.record {
        Record::Void(void) => Some((&void.account, &void.fill)),
        Record::Fill(_) | Record::Fee(_) | Record::Flow(_) => None,
    }
}

/// Account, kind and id: what [`Record::key`] says, without a copy.
fn name_of(record: &Record) -> (&str, u8, &str) {
    match record {
        Record::Fill(fill) => (fill.account.get(), 0, fill.id.get()),
        Record::Void(void) => (void.account.get(), 1, void.id.get()),
        Record::Fee(fee) => (fee.account.get(), 2, fee.id.get()),
        Record::Flow(flow) => (flow.account.get(), 3, flow.id.get()),
    }
}

fn by_time(a: &Record, b: &Record) -> Ordering {
    let (account_a, kind_a, id_a) = name_of(a);
    let (account_b, kind_b, id_b) = name_of(b);
    (a.at(), kind_a, id_a, account_a).cmp(&(b.at(), kind_b, id_b, account_b))
}

fn by_worth(a: &Row, b: &Row) -> Ordering {
    name_of(&a.record)
        .cmp(&name_of(&b.record))
        .then_with(|| a.record.version().cmp(&b.record.version()))
        .then_with(|| grade_of(a).cmp(&grade_of(b)))
        .then_with(|| a.read_at.cmp(&b.read_at))
        .then_with(|| by_content(&a.record, &b.record))
}

/// Two rows of a key that were read at once and say different things: any order will do, if it is always the same.
fn by_content(a: &Record, b: &Record) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let text = |record: &Record| serde_json::to_string(record).unwrap_or_default();
    text(a).cmp(&text(b))
}

#[cfg(test)]
mod tests {
    use super::at_places;

    #[test]
    fn values_are_taken_out_in_the_order_of_their_places() {
        // Every choice of places out of five, in every order.
        let mut tried = 0;
        let mut open: Vec<Vec<usize>> = vec![Vec::new()];
        while let Some(places) = open.pop() {
            let letters = vec!['a', 'b', 'c', 'd', 'e'];
            let wanted: Vec<char> = places.iter().map(|place| letters[*place]).collect();
            assert_eq!(at_places(letters, places.clone()), wanted, "{places:?}");
            tried += 1;
            let others = (0..5).filter(|place| !places.contains(place));
            open.extend(others.map(|place| [places.as_slice(), &[place]].concat()));
        }
        assert_eq!(tried, 1 + 5 + 20 + 60 + 120 + 120);
    }
}
