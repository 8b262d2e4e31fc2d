//! Whether a view is what a body says.

use std::collections::BTreeMap;

use super::exact::{is_day, is_number, is_time, keeps_places};
use super::raw::{Found, Raw};
use super::view::{Claim, List, View, Word};

/// What a field is, for what must be read after a change of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Text,
    Word,
    Number,
    Else,
}

/// The first claim that the body does not bear out.
pub(super) fn judge(view: &View, body: Raw<'_>) -> Result<(), String> {
    for (path, claim) in &view.fields {
        let found = body.find(path);
        if !bears_out(found, claim) {
            let shown = match found {
                Found::Missing => "nothing".to_owned(),
                Found::Twice => "two fields of that name".to_owned(),
                Found::Here(raw) => format!("{:?}", raw.source()),
            };
            return Err(format!("{}.{path} is {shown}, and was read as {claim:?}", body.path()));
        }
    }
    view.lists.iter().try_for_each(|list| rows(list, body))
}

fn bears_out(found: Found<'_>, claim: &Claim) -> bool {
    let raw = match found {
        Found::Twice => return false,
        Found::Missing => None,
        Found::Here(raw) if raw.is_null() => None,
        Found::Here(raw) => Some(raw),
    };
    let text = || raw.and_then(Raw::text);
    match claim {
        Claim::Text(claimed) => text().as_ref() == Some(claimed),
        Claim::OneOf(claimed) => text().is_some_and(|text| claimed.contains(&text)),
        Claim::Number { value, places, kept } => raw
            .and_then(Raw::number)
            .is_some_and(|text| is_number(&text, *value, *places) && (!kept || keeps_places(&text, *value))),
        Claim::Magnitude(value) => raw
            .and_then(Raw::number)
            .is_some_and(|text| is_number(&text, *value, 0) || is_number(&text, -*value, 0)),
        Claim::Time(at) => text().is_some_and(|text| is_time(&text, *at)),
        Claim::Day(day) => text().is_some_and(|text| is_day(&text, *day)),
        Claim::Flag(flag) => raw.and_then(Raw::flag) == Some(*flag),
        Claim::Nothing => raw.is_none() || text().is_some_and(|text| text.is_empty()),
        Claim::Key(name) => raw.and_then(Raw::key).as_ref() == Some(name),
        Claim::Fits(_, rule) => rule(raw),
        Claim::Word(word, table) => text().is_some_and(|text| {
            let mut known = table.iter().filter(|(theirs, _)| *theirs == text).peekable();
            match word {
                Word::Known(ours) => known.any(|(_, known)| known == ours),
                Word::Other(other) => known.peek().is_none() && *other == text,
            }
        }),
    }
}

fn rows(list: &List, body: Raw<'_>) -> Result<(), String> {
    let path = format!("{}.{}", body.path(), list.path);
    let values: Vec<Raw<'_>> = match body.find(&list.path) {
        Found::Here(raw) if raw.is_container() => raw.parts().collect(),
        Found::Here(raw) if list.may_be_missing && raw.is_null() => Vec::new(),
        Found::Missing if list.may_be_missing => Vec::new(),
        Found::Here(raw) => return Err(format!("{path} is {:?} and no list, and was read", raw.source())),
        Found::Missing => return Err(format!("{path} is missing, and was read")),
        Found::Twice => return Err(format!("{path} stands there twice, and was read")),
    };
    let mut left: Vec<&View> = list.rows.iter().collect();
    for value in values {
        let candidates = if list.sorted { left.len() } else { left.len().min(1) };
        let mut reason = "it was left out".to_owned();
        let fitting = (0..candidates).find(|place| match judge(left[*place], value) {
            Ok(()) => true,
            Err(why) => {
                reason = why;
                false
            }
        });
        match fitting {
            Some(place) => {
                left.remove(place);
            }
            None if (list.skips)(value) => {}
            None => return Err(format!("no row is what {} says: {reason}", value.path())),
        }
    }
    match left.first() {
        None => Ok(()),
        Some(row) => Err(format!("{path} has no value for {} rows: {row:?}", left.len())),
    }
}

/// Where a good body's fields are, and what they are.
pub(super) fn sorts(view: &View, body: Raw<'_>, into: &mut BTreeMap<String, Sort>) {
    for (path, claim) in &view.fields {
        let sort = match claim {
            Claim::Text(_) => Sort::Text,
            Claim::Word(..) => Sort::Word,
            Claim::Number { kept: true, .. } | Claim::Magnitude(_) => Sort::Number,
            // What is worked out of a number may have no room for all that the number can be.
            Claim::Number { kept: false, .. }
            | Claim::OneOf(_)
            | Claim::Time(_)
            | Claim::Day(_)
            | Claim::Flag(_)
            | Claim::Nothing
            | Claim::Key(_)
            | Claim::Fits(..) => Sort::Else,
        };
        // The name of a row says nothing of what is in it, and a test of the whole row nothing of another row.
        let of_row = matches!(claim, Claim::Key(_)) || (path.is_empty() && matches!(claim, Claim::Fits(..)));
        if let (false, Found::Here(raw)) = (of_row, body.find(path)) {
            // A field that two claims rest on is of no single sort.
            let sort = into.remove(&raw.path()).map_or(sort, |_| Sort::Else);
            into.insert(raw.path(), sort);
        }
    }
    for list in &view.lists {
        let values = body.get(&list.path).into_iter().flat_map(Raw::parts);
        let mut left: Vec<&View> = list.rows.iter().collect();
        for value in values {
            if let Some(place) = left.iter().position(|row| judge(row, value).is_ok()) {
                sorts(left.remove(place), value, into);
            }
        }
    }
}
