//! No whole account number in a file, unless asked for.

use std::borrow::Cow;

use broker_core::model::{Fee, Fill, Flow, LotUse, Record, Trade, Void};
use broker_core::{AccountId, ClientOrderId, FillId, OrderId, RecordId};

use crate::state::Scope;

/// Takes the account number out of what is written.
#[derive(Debug)]
pub(super) struct Mask {
    /// The scope as it is written.
    scope: Scope,
    /// What is taken out; `None` where account numbers are written whole.
    hidden: Option<AccountId>,
}

/// Shorter account numbers are no secret, and stand in too many texts by chance.
const SHORTEST_HIDDEN: usize = 4;

impl Mask {
    pub(super) fn new(scope: &Scope, whole: bool) -> Self {
        if whole {
            return Self {
                scope: scope.clone(),
                hidden: None,
            };
        }
        Self {
            scope: Scope {
                account: scope.account.to_string().into(),
                ..scope.clone()
            },
            hidden: Some(scope.account.clone()),
        }
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The text, with the number masked wherever it stands as a word.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(hidden) = &self.hidden else {
            return Cow::Borrowed(text);
        };
        let whole = hidden.get();
        if whole.chars().count() < SHORTEST_HIDDEN || !text.contains(whole) {
            return Cow::Borrowed(text);
        }
        let mut masked = String::with_capacity(text.len());
        let mut copied = 0;
        for (start, _) in text.match_indices(whole) {
            let end = start + whole.len();
            let touches = |neighbor: Option<char>| neighbor.is_some_and(char::is_alphanumeric);
            if touches(text[..start].chars().next_back()) || touches(text[end..].chars().next()) {
                continue;
            }
            masked.push_str(&text[copied..start]);
            masked.push_str(self.scope.account.get());
            copied = end;
        }
        masked.push_str(&text[copied..]);
        Cow::Owned(masked)
    }

    pub(super) fn record(&self, record: Record) -> Record {
        if self.hidden.is_none() {
            return record;
        }
        match record {
            Record::Fill(fill) => Record::Fill(self.fill(fill)),
            Record::Void(void) => Record::Void(Void {
                id: self.record_id(&void.id),
                account: self.scope.account.clone(),
                fill: self.fill_id(&void.fill),
                ..void
            }),
            Record::Fee(fee) => Record::Fee(self.fee(fee)),
            Record::Flow(flow) => Record::Flow(self.flow(flow)),
        }
    }

    pub(super) fn trade(&self, trade: Trade) -> Trade {
        if self.hidden.is_none() {
            return trade;
        }
        Trade {
            account: self.scope.account.clone(),
            fills: trade.fills.iter().map(|id| self.fill_id(id)).collect(),
            ..trade
        }
    }

    fn fill(&self, fill: Fill) -> Fill {
        let lots = fill.lots.into_iter().map(|lot| LotUse {
            lot: self.record_id(&lot.lot),
            ..lot
        });
        Fill {
            id: self.fill_id(&fill.id),
            account: self.scope.account.clone(),
            order: fill.order.as_ref().map(|id| self.order_id(id)),
            client_order: fill.client_order.as_ref().map(|id| self.client_order_id(id)),
            lots: lots.collect(),
            ..fill
        }
    }

    fn fee(&self, fee: Fee) -> Fee {
        Fee {
            id: self.record_id(&fee.id),
            account: self.scope.account.clone(),
            label: self.text(&fee.label).into_owned(),
            order: fee.order.as_ref().map(|id| self.order_id(id)),
            fill: fee.fill.as_ref().map(|id| self.fill_id(id)),
            ..fee
        }
    }

    fn flow(&self, flow: Flow) -> Flow {
        let text = |text: Option<&String>| text.map(|text| self.text(text).into_owned());
        Flow {
            id: self.record_id(&flow.id),
            account: self.scope.account.clone(),
            kind: self.text(flow.kind.as_str()).as_ref().into(),
            lot: flow.lot.as_ref().map(|id| self.record_id(id)),
            group: text(flow.group.as_ref()),
            description: text(flow.description.as_ref()),
            ..flow
        }
    }

    fn fill_id(&self, id: &FillId) -> FillId {
        self.text(id.get()).as_ref().into()
    }

    fn record_id(&self, id: &RecordId) -> RecordId {
        self.text(id.get()).as_ref().into()
    }

    fn order_id(&self, id: &OrderId) -> OrderId {
        self.text(id.get()).as_ref().into()
    }

    fn client_order_id(&self, id: &ClientOrderId) -> ClientOrderId {
        self.text(id.get()).as_ref().into()
    }
}
