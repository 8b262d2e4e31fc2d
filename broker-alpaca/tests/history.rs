//! The walk over the activities against a small venue that pages as Alpaca does, its page-border fault included.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::seam::{MemoryTransport, Rng, SeededRng, VirtualRuntime};
use broker_core::{Broker, Cursor, HistoryQuery, Page, Proof, Record};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::America::New_York;
use common::{ACCOUNT, account, account_body, at, fixture, over};

#[derive(Debug, Clone)]
struct Row {
    id: String,
    created: DateTime<Utc>,
    json: String,
}

fn fill(n: u64, created: DateTime<Utc>) -> Row {
    let id = format!("{}::{n:08x}-0000-4000-8000-000000000000", created.with_timezone(&New_York).format("%Y%m%d%H%M%S%3f"));
    let time = created.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let json = format!(
        r#"{{"id":"{id}","activity_type":"FILL","transaction_time":"{time}","price":"1","qty":"1","side":"buy","symbol":"A","order_id":"o"}}"#
    );
    Row { id, created, json }
}

/// A fee of a day, created on the next; its id begins with the day, and the row may not tell when it was created.
fn fee(n: u64, day: NaiveDate, created: DateTime<Utc>, told: bool) -> Row {
    let id = format!("{}000000000::{n:08x}-0000-4000-9000-000000000000", day.format("%Y%m%d"));
    let stamp = if told { format!(r#","created_at":"{}""#, created.to_rfc3339()) } else { String::new() };
    let json = format!(r#"{{"id":"{id}","activity_type":"FEE","date":"{day}","net_amount":"-0.01","status":"executed"{stamp}}}"#);
    Row { id, created, json }
}

/// How `date` is understood: nobody documents it, so the walk must do with both.
#[derive(Debug, Clone, Copy)]
enum Day {
    NewYork,
    Utc,
}

/// One answer, by Alpaca's rules.
fn answer(rows: &[Row], day: Day, query: &BTreeMap<String, String>) -> String {
    assert_eq!((query["direction"].as_str(), query["page_size"].as_str()), ("asc", "100"));
    let mut found: Vec<&Row> = rows
        .iter()
        .filter(|row| match query.get("date") {
            Some(date) => {
                assert!(!query.contains_key("after") && !query.contains_key("until"));
                let created = match day {
                    Day::NewYork => row.created.with_timezone(&New_York).date_naive(),
                    Day::Utc => row.created.date_naive(),
                };
                created.to_string() == *date
            }
            None => row.created >= at(&query["after"]) && row.created < at(&query["until"]),
        })
        .collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    if let Some(token) = query.get("page_token") {
        // With `date` exact; without it, the rest of the token's millisecond is lost.
        found.retain(|row| match query.contains_key("date") {
            true => row.id > *token,
            false => row.id[..17] > token[..17],
        });
    }
    let page: Vec<_> = found.iter().take(100).map(|row| row.json.as_str()).collect();
    format!("[{}]", page.join(","))
}

struct Venue {
    runtime: VirtualRuntime,
    broker: AlpacaBroker,
    asked: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
}

fn venue(rows: Vec<Row>, day: Day) -> Venue {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let transport = MemoryTransport::new(move |request| {
        let url = url::Url::parse(&request.uri().to_string()).unwrap();
        let body = match url.path() {
            "/v2/account" => account_body(),
            "/v2/account/activities" => {
                let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
                log.lock().unwrap().push(query.clone());
                answer(&rows, day, &query)
            }
            other => panic!("{other}"),
        };
        Ok(http::Response::new(body.into()))
    });
    // The limit is not under test.
    let config = AlpacaConfig::new("PKTESTTESTTESTTEST01", "x").with_requests_per_minute(1_000_000);
    let (runtime, broker) = over(config, transport);
    Venue { runtime, broker, asked }
}

impl Venue {
    /// All pages of a query, each asked by a cursor that went through its text.
    fn pages(&self, query: &HistoryQuery) -> Vec<Page<Record>> {
        self.runtime.block_on(async {
            let mut pages = Vec::new();
            let mut next: Option<Cursor> = None;
            loop {
                let page = self.broker.history(query, next.as_ref()).await.unwrap();
                next = page.next.as_ref().map(|cursor| Cursor::from_text(cursor.as_str()));
                pages.push(page);
                assert!(pages.len() < 200, "the walk does not end");
                if next.is_none() {
                    return pages;
                }
            }
        })
    }
}

fn key(record: &Record) -> String {
    match record {
        Record::Fill(fill) => fill.id.get().to_owned(),
        Record::Fee(fee) => fee.id.get().rsplit("::").next().unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

fn keys(pages: &[Page<Record>]) -> BTreeSet<String> {
    pages.iter().flat_map(|page| &page.rows).map(key).collect()
}

fn expected(rows: &[Row], since: DateTime<Utc>, until: DateTime<Utc>) -> BTreeSet<String> {
    rows.iter()
        .filter(|row| row.created >= since && row.created < until)
        .map(|row| row.id.rsplit("::").next().unwrap().to_owned())
        .collect()
}

/// What the documented way of paging would read.
fn by_tokens(rows: &[Row], since: DateTime<Utc>, until: DateTime<Utc>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut query = BTreeMap::from([
        ("direction".to_owned(), "asc".to_owned()),
        ("page_size".to_owned(), "100".to_owned()),
        ("after".to_owned(), since.to_rfc3339()),
        ("until".to_owned(), until.to_rfc3339()),
    ]);
    loop {
        let body = answer(rows, Day::Utc, &query);
        let page: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
        let ids: Vec<_> = page.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        found.extend(ids.iter().map(|id| id.rsplit("::").next().unwrap().to_owned()));
        match ids.last() {
            Some(last) if ids.len() == 100 => query.insert("page_token".to_owned(), last.clone()),
            _ => return found,
        };
    }
}

#[test]
fn a_tie_on_the_page_border_is_read_whole() {
    // 98 fills a minute apart, then four in one microsecond: the border cuts the four in two and two.
    let start = at("2026-03-10T14:00:00Z");
    let tie = start + Duration::minutes(200);
    let mut rows: Vec<_> = (0..98).map(|n| fill(n, start + Duration::minutes(n.try_into().unwrap()))).collect();
    rows.extend((98..102).map(|n| fill(n, tie)));
    let (since, until) = (at("2026-03-10T00:00:00Z"), at("2026-03-11T00:00:00.5Z"));
    let venue = venue(rows.clone(), Day::NewYork);
    let pages = venue.pages(&HistoryQuery::between(&account(), since, until));
    assert_eq!(keys(&pages), expected(&rows, since, until));
    assert_eq!(keys(&pages).len(), 102);
    let proofs: Vec<_> = pages.iter().map(|page| page.proof).collect();
    assert_eq!(proofs, [Proof::Contiguous, Proof::Short]);
    let asked = venue.asked.lock().unwrap();
    let param = |n: usize, name: &str| asked[n].get(name).map(String::as_str);
    assert_eq!(asked.len(), 2);
    assert_eq!((param(0, "after"), param(0, "until")), (Some("2026-03-09T23:59:59Z"), Some("2026-03-11T00:00:02Z")));
    assert_eq!((param(1, "after"), param(1, "page_token")), (Some("2026-03-10T17:19:59Z"), None));
    // Paging by token, as documented, loses the other two.
    assert_eq!(by_tokens(&rows, since, until).len(), 100);
}

#[test]
fn more_ties_than_a_page_holds_are_read_by_day() {
    let tie = at("2026-03-11T02:30:00.000001Z");
    let mut rows: Vec<_> = (0..250).map(|n| fill(n, tie)).collect();
    rows.push(fill(250, tie + Duration::days(2)));
    let (since, until) = (at("2026-03-10T00:00:00Z"), at("2026-03-15T00:00:00Z"));
    for day in [Day::NewYork, Day::Utc] {
        let venue = venue(rows.clone(), day);
        let pages = venue.pages(&HistoryQuery::between(&account(), since, until));
        assert_eq!(keys(&pages), expected(&rows, since, until), "{day:?}");
        assert!(pages.iter().all(|page| matches!(page.proof, Proof::Contiguous | Proof::Short)), "{day:?}");
        assert_eq!(pages.last().unwrap().proof, Proof::Short);
        // 02:30 UTC is still the tenth in New York.
        let days: BTreeSet<_> = venue.asked.lock().unwrap().iter().filter_map(|q| q.get("date").cloned()).collect();
        assert_eq!(days, BTreeSet::from(["2026-03-10".to_owned(), "2026-03-11".to_owned()]));
    }
}

#[test]
fn a_border_that_does_not_come_again_proves_nothing() {
    let row = |n: usize, second: usize| fill(n as u64, at("2026-03-10T14:00:00Z") + Duration::seconds(second as i64)).json;
    let full = format!("[{}]", (0..100).map(|n| row(n, n)).collect::<Vec<_>>().join(","));
    let short = format!("[{}]", row(500, 300));
    let bodies = Mutex::new(vec![short, full, account_body()]);
    let transport = MemoryTransport::new(move |_| Ok(http::Response::new(bodies.lock().unwrap().pop().unwrap().into())));
    let (runtime, broker) = over(AlpacaConfig::new("PKTESTTESTTESTTEST01", "x"), transport);
    let query = HistoryQuery::between(&account(), at("2026-03-10T00:00:00Z"), at("2026-03-11T00:00:00Z"));
    let (one, two) = runtime.block_on(async {
        let one = broker.history(&query, None).await.unwrap();
        let two = broker.history(&query, one.next.as_ref()).await.unwrap();
        (one, two)
    });
    assert_eq!((one.proof, two.proof, two.next), (Proof::Contiguous, Proof::Nothing, None));
}

#[test]
fn an_answer_sorted_by_local_time_is_read_whole_when_the_clocks_go_back() {
    let body = fixture("dst_day.json");
    let records = AlpacaBroker::read_activities(&account(), &body).unwrap();
    let times: Vec<_> = records.iter().map(Record::at).collect();
    assert_eq!(
        times,
        [
            at("2025-11-02T04:59:59.999Z"),
            at("2025-11-02T06:10:00Z"),
            at("2025-11-02T05:30:00Z"),
            at("2025-11-02T05:59:59Z"),
            at("2025-11-02T07:00:00Z"),
        ]
    );
    // A page that ends in the second pass of the hour leaves rows of the first pass behind it.
    let start = at("2025-11-02T05:00:00Z");
    let rows: Vec<_> = (0..150u64).map(|n| fill(n, start + Duration::seconds(i64::try_from(n * 47).unwrap()))).collect();
    let (since, until) = (at("2025-11-02T00:00:00Z"), at("2025-11-03T00:00:00Z"));
    for day in [Day::NewYork, Day::Utc] {
        let pages = venue(rows.clone(), day).pages(&HistoryQuery::between(&account(), since, until));
        assert_eq!(keys(&pages), expected(&rows, since, until));
    }
}

#[test]
fn no_row_is_lost_in_random_histories() {
    let mut lost_by_tokens = 0;
    for seed in 0..60 {
        let rng = SeededRng::new(seed);
        let below = |bound: i64| i64::try_from(rng.below(bound.unsigned_abs())).unwrap();
        // Around the change of the clocks, with bursts in single milliseconds and fees booked on the next day.
        let start = at("2025-10-31T20:00:00Z");
        let mut rows = Vec::new();
        for n in 0..200 + rng.below(500) {
            let burst = rng.below(6) == 0;
            let base = start + Duration::seconds(below(4 * 86_400));
            for k in 0..if burst { rng.below(60) } else { 1 } {
                rows.push(fill(n * 1000 + k, base));
            }
            if rng.below(4) == 0 {
                let day = base.with_timezone(&New_York).date_naive();
                rows.push(fee(n * 1000 + 999, day, base + Duration::hours(20), rng.below(2) == 0));
            }
        }
        let (since, until) = (start + Duration::hours(below(20)), start + Duration::hours(60 + below(30)));
        let day = if seed % 2 == 0 { Day::NewYork } else { Day::Utc };
        let pages = venue(rows.clone(), day).pages(&HistoryQuery::between(&account(), since, until));
        let wanted = expected(&rows, since, until);
        let found = keys(&pages);
        let missing: Vec<_> = wanted.difference(&found).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?}");
        assert!(
            pages.iter().all(|page| matches!(page.proof, Proof::Contiguous | Proof::Short)),
            "seed {seed}: an unproven page"
        );
        // Only rows that do not tell when they were created may stand outside of the window.
        for record in pages.iter().flat_map(|page| &page.rows) {
            let created = match record {
                Record::Fill(fill) => Some(fill.at),
                Record::Fee(fee) => fee.booked_at,
                other => panic!("{other:?}"),
            };
            assert!(created.is_none_or(|created| (since..until).contains(&created)));
        }
        lost_by_tokens += wanted.difference(&by_tokens(&rows, since, until)).count();
    }
    assert!(lost_by_tokens > 100, "the property must be able to fail: {lost_by_tokens}");
}

#[test]
fn one_instrument_is_filtered_and_raw_pages_read_again() {
    let start = at("2026-03-10T14:00:00Z");
    let rows = vec![fill(1, start), fee(2, start.date_naive(), start + Duration::hours(20), true)];
    let venue = venue(rows, Day::Utc);
    let (since, until) = (at("2026-03-10T00:00:00Z"), at("2026-03-15T00:00:00Z"));
    let all = venue.pages(&HistoryQuery::between(&account(), since, until).with_raw()).remove(0);
    assert_eq!(AlpacaBroker::read_activities(&account(), &all.raw.unwrap()).unwrap(), all.rows);
    assert_eq!(all.rows.len(), 2);
    let one = venue.pages(&HistoryQuery::between(&account(), since, until).with_instrument("A".into())).remove(0);
    assert_eq!(keys(&[one]).len(), 1);
    let none = venue.pages(&HistoryQuery::between(&account(), since, until).with_instrument("B".into())).remove(0);
    assert_eq!(none.rows, []);
    assert!(all.rows.iter().all(|record| record.account().get() == ACCOUNT));
}
