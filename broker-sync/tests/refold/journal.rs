//! A journal of an account that grows, and that the broker changes behind our back.

use std::sync::Arc;

use broker_core::model::{Asset, Fee, Fill, Flow, FlowKind, Grade, LotRole, LotUse, Payoff, PositionLeg, Record, Void};
use broker_core::{Currency, InstrumentId, Money, Price, Qty, Side};
use broker_sync::{Basis, Holding, Holdings, PageWrite, Span, Store, SyncState};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use crate::common::{account, day, scope, venue};
use crate::run;

const IDS: [&str; 4] = ["AAPL", "MSFT", "ES", "NEW"];

pub(crate) struct Journal {
    store: Arc<dyn Store>,
    random: u64,
    number: u64,
    part: u64,
    pub(crate) today: i64,
    fills: Vec<Fill>,
    fees: Vec<Fee>,
    multiplier: i64,
}

impl Journal {
    /// A journal that begins at day 0; `NEW` is not known to the broker, and its terms come later.
    pub(crate) fn new(seed: u64, store: Arc<dyn Store>) -> Self {
        let journal = Self {
            store,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            number: 0,
            part: 0,
            today: 0,
            fills: Vec::new(),
            fees: Vec::new(),
            multiplier: 50,
        };
        IDS[..3].iter().for_each(|id| journal.know(id));
        journal
    }

    fn know(&self, id: &str) {
        let mut instrument = venue::instrument(&InstrumentId::from(id));
        if id == "ES" {
            instrument.payoff = Payoff::Margined;
            instrument.multiplier = Some(self.multiplier.into());
        }
        run(self.store.keep_instruments(&scope(), &[instrument]));
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.draw(u64::try_from(len).unwrap())).unwrap()
    }

    fn name(&mut self, kind: &str) -> String {
        self.number += 1;
        format!("{kind}{}", self.number)
    }

    fn moment(&mut self, days: i64) -> DateTime<Utc> {
        // In whole quarters of an hour, so that times are shared.
        let quarters = i64::try_from(self.draw(96)).unwrap();
        day(days) + Duration::minutes(15 * quarters)
    }

    fn fill(&mut self, at: DateTime<Utc>) -> Fill {
        let id = IDS[self.index(IDS.len())];
        let side = if self.draw(2) == 0 { Side::Buy } else { Side::Sell };
        let (qty, price) = (1 + self.draw(5), 900 + self.draw(200));
        let order = self.draw(40);
        let mut fill = crate::common::fill(&self.name("f"), at);
        fill.instrument = id.into();
        fill.symbol = id.into();
        fill.order = (order > 5).then(|| format!("o{}", i64::try_from(order).unwrap() + self.today / 9 * 40).into());
        fill.side = side;
        fill.qty = Qty::new(qty.into()).unwrap();
        fill.price = Price::new(Decimal::new(i64::try_from(price).unwrap(), 1));
        if self.draw(3) == 0 {
            fill.pnl = Some(Money::new(1.into(), Currency::USD));
        }
        if self.draw(4) == 0 {
            fill.lots = vec![LotUse {
                lot: format!("l{}", self.draw(9)).into(),
                role: if self.draw(2) == 0 {
                    LotRole::Opened
                } else {
                    LotRole::Closed
                },
                qty: fill.qty,
                price: fill.price,
                pnl: None,
                financing: None,
            }];
        }
        fill
    }

    fn put(&mut self, rows: Vec<Record>) {
        self.part += 1;
        let mut state = run(self.store.progress(&scope()));
        state.covers = Some(Span::new(day(0), day(self.today + 1)));
        self.put_with(rows, state);
    }

    fn put_with(&mut self, rows: Vec<Record>, state: SyncState) {
        let page = PageWrite {
            part: self.part,
            rows,
            read_at: day(self.today),
            raw: None,
            state,
        };
        run(self.store.commit(&scope(), page));
    }

    /// The next day: fills, and some fee rows that name them or their orders.
    pub(crate) fn day(&mut self) -> &'static str {
        self.today += 1;
        let mut fills: Vec<Fill> = (0..1 + self.draw(8))
            .map(|_| {
                let at = self.moment(self.today);
                self.fill(at)
            })
            .collect();
        fills.sort_by_key(|fill| fill.at);
        let mut rows: Vec<Record> = fills.iter().cloned().map(Record::Fill).collect();
        self.fills.extend(fills);
        if self.draw(3) == 0 {
            let at = day(self.today);
            rows.extend(self.fee(at).map(Record::Fee));
        }
        self.put(rows);
        "a day more"
    }

    fn fee(&mut self, at: DateTime<Utc>) -> Option<Fee> {
        if self.fills.is_empty() {
            return None;
        }
        let place = self.index(self.fills.len());
        let of = self.fills[place].clone();
        let by = self.draw(5);
        let fee = Fee {
            id: self.name("e").into(),
            account: account(),
            label: "FEE".to_owned(),
            asset: Asset::Currency(Currency::USD),
            amount: Decimal::new(i64::try_from(1 + self.draw(50)).unwrap(), 2),
            price: None,
            instrument: matches!(by, 1 | 3).then(|| of.instrument.clone()),
            order: if by < 3 { of.order.clone() } else { None },
            fill: (by == 4).then(|| of.id.clone()),
            at,
            booked_at: None,
            version: 0,
            canceled: false,
        };
        self.fees.push(fee.clone());
        Some(fee)
    }

    fn flow(&mut self, kind: FlowKind, asset: Asset, amount: i64, at: DateTime<Utc>) -> Flow {
        Flow {
            id: self.name("w").into(),
            account: account(),
            kind,
            asset,
            amount: amount.into(),
            price: None,
            cash: None,
            instrument: None,
            lot: None,
            group: None,
            description: None,
            at,
            booked_at: None,
            version: 0,
            canceled: false,
        }
    }

    fn earlier(&mut self) -> i64 {
        // Mostly a few days ago; now and then long ago.
        let back = match self.draw(4) {
            0 => self.draw(u64::try_from(self.today.max(1)).unwrap()),
            _ => self.draw(4),
        };
        (self.today - i64::try_from(back).unwrap()).max(0)
    }

    /// Something happens. Answers what.
    pub(crate) fn step(&mut self) -> &'static str {
        if self.today < 3 {
            return self.day();
        }
        match self.draw(26) {
            0..10 => self.day(),
            10 | 11 => {
                let days = self.earlier();
                let at = self.moment(days);
                let late = self.fill(at);
                self.fills.push(late.clone());
                self.put(vec![Record::Fill(late)]);
                "a late fill"
            }
            12 | 13 => {
                let place = self.index(self.fills.len());
                let mut fill = self.fills[place].clone();
                fill.version += 1;
                fill.price = Price::new(Decimal::new(i64::try_from(900 + self.draw(200)).unwrap(), 1));
                match self.draw(3) {
                    0 => fill.at += Duration::hours(30),
                    1 => fill.qty = Qty::new(2.into()).unwrap(),
                    _ => fill.order = None,
                }
                self.fills[place] = fill.clone();
                self.put(vec![Record::Fill(fill)]);
                "a correction"
            }
            14 => {
                let place = self.index(self.fills.len());
                let void = Void {
                    id: self.name("v").into(),
                    account: account(),
                    fill: self.fills[place].id.clone(),
                    at: day(self.today),
                };
                self.put(vec![Record::Void(void)]);
                "a void"
            }
            15 => {
                // The void is told before its fill.
                let id = format!("f{}", self.number + 2);
                let void = Void {
                    id: self.name("v").into(),
                    account: account(),
                    fill: id.as_str().into(),
                    at: day(self.today),
                };
                let days = self.earlier();
                let at = self.moment(days);
                let fill = self.fill(at);
                assert_eq!(fill.id.get(), id);
                self.put(vec![Record::Void(void)]);
                self.put(vec![Record::Fill(fill)]);
                "a void before its fill"
            }
            16 | 17 => {
                let days = self.earlier();
                let at = self.moment(days);
                let fee = self.fee(at).map(Record::Fee);
                self.put(fee.into_iter().collect());
                "a late fee"
            }
            18 if !self.fees.is_empty() => {
                let place = self.index(self.fees.len());
                let mut fee = self.fees[place].clone();
                fee.version += 1;
                fee.canceled = self.draw(2) == 0;
                fee.amount += Decimal::ONE;
                self.fees[place] = fee.clone();
                self.put(vec![Record::Fee(fee)]);
                "a corrected fee"
            }
            19 => {
                let id = IDS[self.index(2)];
                let asset = Asset::Instrument {
                    id: id.into(),
                    symbol: id.into(),
                };
                let (days, amount) = (self.earlier(), 3 + i64::try_from(self.draw(9)).unwrap());
                let at = self.moment(days);
                let split = self.flow(FlowKind::Split, asset, amount, at);
                self.put(vec![Record::Flow(split)]);
                "a split"
            }
            20 => {
                let at = self.moment(self.today);
                let mut swap = self.flow(FlowKind::Financing, Asset::Currency(Currency::USD), -1, at);
                swap.instrument = Some(IDS[self.index(4)].into());
                self.put(vec![Record::Flow(swap)]);
                "financing"
            }
            21 => self.better_grade(),
            22 => {
                self.multiplier += 50;
                self.know("ES");
                "other terms"
            }
            23 => {
                self.know("NEW");
                "an instrument that was not known"
            }
            24 => self.opening(),
            _ => {
                let place = self.index(self.fills.len());
                let of = self.fills[place].clone();
                let mut more = self.fill(day(self.today));
                more.order = of.order.or(Some("o1".into()));
                more.instrument = of.instrument.clone();
                more.symbol = of.symbol;
                self.fills.push(more.clone());
                self.put(vec![Record::Fill(more)]);
                "an old order that fills again"
            }
        }
    }

    /// A row worked out from a stream, and later what the broker reports of that order, in two parts.
    fn better_grade(&mut self) -> &'static str {
        let days = self.earlier();
        let at = self.moment(days);
        let order = self.name("graded");
        let mut provisional = self.fill(at);
        provisional.order = Some(order.as_str().into());
        provisional.grade = Grade::Provisional;
        provisional.qty = Qty::new(4.into()).unwrap();
        provisional.lots.clear();
        let part = |name: String, qty: i64, after: i64| {
            let mut fill = provisional.clone();
            fill.id = name.into();
            fill.qty = Qty::new(qty.into()).unwrap();
            fill.grade = Grade::Reported;
            fill.at += Duration::hours(after);
            Record::Fill(fill)
        };
        let (first, second) = (self.name("f"), self.name("f"));
        self.put(vec![Record::Fill(provisional.clone())]);
        if self.draw(2) == 0 {
            self.put(vec![part(first, 1, 0)]);
        }
        let rest = 3 + i64::from(self.draw(2) == 0);
        self.put(vec![part(second, rest, 20)]);
        "a better grade"
    }

    /// The opening positions were worked out again, or the window goes further back.
    fn opening(&mut self) -> &'static str {
        self.part += 1;
        let mut state = run(self.store.progress(&scope()));
        let qty = i64::try_from(self.draw(9)).unwrap() - 4;
        state.covers = Some(Span::new(day(0), day(self.today + 1)));
        state.opening = Some(Holdings {
            at: day(i64::try_from(self.draw(2)).unwrap()),
            stated_at: day(self.today),
            rows: state.rows,
            basis: Basis::Implied,
            coins_apart: false,
            holdings: vec![Holding {
                asset: Asset::Instrument {
                    id: "AAPL".into(),
                    symbol: "AAPL".into(),
                },
                leg: PositionLeg::Net,
                qty: qty.into(),
            }],
        });
        self.put_with(Vec::new(), state);
        "other opening positions"
    }
}
