//! The walk over the activities against a small venue that pages as Alpaca does, its page-border fault included.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use crate::common::{ACCOUNT, account, account_body, at, fixture, over};
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::seam::{MemoryTransport, Rng, SeededRng, VirtualRuntime};
use broker_core::{Broker, Cursor, ErrorKind, HistoryQuery, Page, Proof, Record};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::America::New_York;

#[derive(Debug, Clone)]
struct Row {
    id: String,
    trade: bool,
    created: DateTime<Utc>,
    json: String,
}

fn fill(n: u64, created: DateTime<Utc>) -> Row {
    let id = format!(
        "{}::{n:08x}-0000-4000-8000-000000000000",
        created.with_timezone(&New_York).format("%Y%m%d%H%M%S%3f")
    );
    let time = created.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let json = format!(
        r#"{{"id":"{id}","activity_type":"FILL","transaction_time":"{time}","price":"1","qty":"1","side":"buy","symbol":"A","order_id":"o"}}"#
    );
    Row {
        id,
        trade: true,
        created,
        json,
    }
}

/// A fee of a day, created on the next; its id begins with the day, and the row may not tell when it was created.
fn fee(n: u64, day: NaiveDate, created: DateTime<Utc>, told: bool) -> Row {
    let id = format!("{}000000000::{n:08x}-0000-4000-9000-000000000000", day.format("%Y%m%d"));
    let stamp = if told {
        format!(r#","created_at":"{}""#, created.to_rfc3339())
    } else {
        String::new()
    };
    let json = format!(
        r#"{{"id":"{id}","activity_type":"FEE","date":"{day}","net_amount":"-0.01","status":"executed"{stamp}}}"#
    );
    Row {
        id,
        trade: false,
        created,
        json,
    }
}

/// How `date` is understood: nobody documents it, so the walk must do with both.
#[derive(Debug, Clone, Copy)]
enum Day {
    NewYork,
    Utc,
}

/// One answer, by Alpaca's rules.
fn answer(rows: &[Row], day: Day, query: &BTreeMap<String, String>) -> String {
    assert_eq!(
        (query["direction"].as_str(), query["page_size"].as_str()),
        ("asc", "100")
    );
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
        .filter(|row| match query.get("category").map(String::as_str) {
            None => true,
            Some("trade_activity") => row.trade,
            Some("non_trade_activity") => !row.trade,
            Some(other) => panic!("{other}"),
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
                assert!(query.contains_key("category"), "two sources are asked one by one");
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
                assert!(pages.len() < 400, "the walk does not end");
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
    let mut rows: Vec<_> = (0..98)
        .map(|n| fill(n, start + Duration::minutes(n.try_into().unwrap())))
        .collect();
    rows.extend((98..102).map(|n| fill(n, tie)));
    let (since, until) = (at("2026-03-10T00:00:00Z"), at("2026-03-11T00:00:00.5Z"));
    let venue = venue(rows.clone(), Day::NewYork);
    let pages = venue.pages(&HistoryQuery::between(&account(), since, until));
    assert_eq!(keys(&pages), expected(&rows, since, until));
    assert_eq!(keys(&pages).len(), 102);
    let proofs: Vec<_> = pages.iter().map(|page| page.proof).collect();
    assert_eq!(proofs, [Proof::Contiguous, Proof::Contiguous, Proof::Short]);
    let asked = venue.asked.lock().unwrap();
    let param = |n: usize, name: &str| asked[n].get(name).map(String::as_str);
    assert_eq!(asked.len(), 3);
    assert_eq!(
        (param(0, "after"), param(0, "until")),
        (Some("2026-03-09T23:59:59Z"), Some("2026-03-11T00:00:02Z"))
    );
    assert_eq!(
        (param(1, "after"), param(1, "page_token")),
        (Some("2026-03-10T17:19:59Z"), None)
    );
    assert_eq!(
        (param(2, "category"), param(2, "after"), param(2, "until")),
        (
            Some("non_trade_activity"),
            Some("2026-03-09T23:59:59Z"),
            Some("2026-03-11T00:00:02Z")
        )
    );
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
        assert!(
            pages
                .iter()
                .all(|page| matches!(page.proof, Proof::Contiguous | Proof::Short)),
            "{day:?}"
        );
        assert_eq!(pages.last().unwrap().proof, Proof::Short);
        // 02:30 UTC is still the tenth in New York.
        let days: BTreeSet<_> = venue
            .asked
            .lock()
            .unwrap()
            .iter()
            .filter_map(|q| q.get("date").cloned())
            .collect();
        assert_eq!(days, BTreeSet::from(["2026-03-10".to_owned(), "2026-03-11".to_owned()]));
    }
}

#[test]
fn a_border_that_does_not_come_again_proves_nothing() {
    let row =
        |n: usize, second: usize| fill(n as u64, at("2026-03-10T14:00:00Z") + Duration::seconds(second as i64)).json;
    let full = format!("[{}]", (0..100).map(|n| row(n, n)).collect::<Vec<_>>().join(","));
    let short = format!("[{}]", row(500, 300));
    let bodies = Mutex::new(vec![short, full, account_body()]);
    let transport =
        MemoryTransport::new(move |_| Ok(http::Response::new(bodies.lock().unwrap().pop().unwrap().into())));
    let (runtime, broker) = over(AlpacaConfig::new("PKTESTTESTTESTTEST01", "x"), transport);
    let query = HistoryQuery::between(&account(), at("2026-03-10T00:00:00Z"), at("2026-03-11T00:00:00Z"));
    let (one, two) = runtime.block_on(async {
        let one = broker.history(&query, None).await.unwrap();
        let two = broker.history(&query, one.next.as_ref()).await.unwrap();
        (one, two)
    });
    assert_eq!((one.proof, two.proof), (Proof::Contiguous, Proof::Nothing));
    assert!(two.next.is_some(), "the rows that are no trades");
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
    let rows: Vec<_> = (0..150u64)
        .map(|n| fill(n, start + Duration::seconds(i64::try_from(n * 47).unwrap())))
        .collect();
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
        let (since, until) = (
            start + Duration::hours(below(20)),
            start + Duration::hours(60 + below(30)),
        );
        let day = if seed % 2 == 0 { Day::NewYork } else { Day::Utc };
        let pages = venue(rows.clone(), day).pages(&HistoryQuery::between(&account(), since, until));
        let wanted = expected(&rows, since, until);
        let found = keys(&pages);
        let missing: Vec<_> = wanted.difference(&found).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?}");
        assert!(
            pages
                .iter()
                .all(|page| matches!(page.proof, Proof::Contiguous | Proof::Short)),
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
    assert!(
        lost_by_tokens > 100,
        "the property must be able to fail: {lost_by_tokens}"
    );
}

#[test]
fn one_instrument_is_filtered_and_raw_pages_read_again() {
    let start = at("2026-03-10T14:00:00Z");
    let rows = vec![
        fill(1, start),
        fee(2, start.date_naive(), start + Duration::hours(20), true),
    ];
    let venue = venue(rows, Day::Utc);
    let (since, until) = (at("2026-03-10T00:00:00Z"), at("2026-03-15T00:00:00Z"));
    let query = HistoryQuery::between(&account(), since, until);
    let all = venue.pages(&query.clone().with_raw());
    let kinds: Vec<_> = all.iter().map(|page| page.rows.len()).collect();
    assert_eq!(kinds, [1, 1]);
    for page in &all {
        let raw = page.raw.as_deref().unwrap();
        assert_eq!(AlpacaBroker::read_activities(&account(), raw).unwrap(), page.rows);
        assert!(page.rows.iter().all(|record| record.account().get() == ACCOUNT));
    }
    let one = venue.pages(&query.clone().with_instrument("A".into()));
    assert_eq!(
        keys(&one),
        BTreeSet::from(["00000001-0000-4000-8000-000000000000".to_owned()])
    );
    let none = venue.pages(&query.with_instrument("B".into()));
    assert_eq!(keys(&none), BTreeSet::new());
}

/// So many fees for each day from the first of January 2026, made on the day behind at seven in the morning and later.
fn fees(counts: &[u64]) -> Vec<Row> {
    let first: NaiveDate = "2026-01-01".parse().unwrap();
    let mut rows = Vec::new();
    for (day, count) in first.iter_days().zip(counts) {
        let morning = day.and_hms_opt(7, 0, 0).unwrap().and_utc() + Duration::days(1);
        let made = |n: u64| morning + Duration::seconds(i64::try_from(n).unwrap());
        let base = u64::try_from(rows.len()).unwrap();
        rows.extend((0..*count).map(|n| fee(base + n, day, made(n), n % 3 > 0)));
    }
    rows
}

/// Walks over fees of the first quarter of 2026, finds all of them, and tells the requests that it took behind the one
/// for trades.
fn requests(rows: &[Row]) -> usize {
    let (since, until) = (at("2026-01-01T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    let venue = venue(rows.to_vec(), Day::NewYork);
    let pages = venue.pages(&HistoryQuery::between(&account(), since, until));
    assert_eq!(keys(&pages), expected(rows, since, until));
    assert!(pages.iter().all(|page| page.proof != Proof::Nothing));
    let asked = venue.asked.lock().unwrap();
    assert_eq!(asked[0]["category"], "trade_activity");
    assert!(asked[1..].iter().all(|query| query["category"] == "non_trade_activity"));
    asked.len() - 1
}

#[test]
fn windows_fit_what_an_account_does() {
    // A fee on every day of 90: one answer holds them all.
    assert_eq!(requests(&fees(&[1; 89])), 1);
    // 30 a day. All of it is too much; the page ends on the fourth, so the first three days have their fees by the
    // fifth. Four days from there are 120, three are 90: 29 windows to the end.
    assert_eq!(requests(&fees(&[30; 89])), 3 + 29);
    // 70 a day: the same with two days, and then one window for each of the last 88.
    assert_eq!(requests(&fees(&[70; 89])), 3 + 88);
    // 250 a day. All, an empty first of January, four days and one day behind it; then, by date, the empty first once
    // more, as it could be in New York, and three pages for each day.
    assert_eq!(requests(&fees(&[250; 89])), 4 + 1 + 3 * 89);
    // One busy day in a quiet quarter.
    let mut counts = [1; 89];
    counts[40] = 350;
    assert!(requests(&fees(&counts)) <= 20, "{}", requests(&fees(&counts)));
    // Where dates say nothing about when rows are made, halves find the way.
    let rows: Vec<_> = (0..300)
        .map(|n| {
            let made = at("2026-02-20T12:00:00Z") + Duration::hours(i64::try_from(n / 10).unwrap());
            fee(n, "2027-01-01".parse().unwrap(), made, true)
        })
        .collect();
    assert!(requests(&rows) <= 30, "{}", requests(&rows));
}

#[test]
fn a_window_that_is_set_aside_claims_nothing() {
    let rows = fees(&[30; 89]);
    let (since, until) = (at("2026-01-01T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    let venue = venue(rows, Day::NewYork);
    let pages = venue.pages(&HistoryQuery::between(&account(), since, until));
    let made = |page: &Page<Record>| (page.rows.len(), page.proof, page.next.is_some());
    // No trades; too many fees; the fees of three days; too many again; three days.
    assert_eq!(made(&pages[0]), (0, Proof::Contiguous, true));
    assert_eq!(made(&pages[1]), (0, Proof::Contiguous, true));
    assert_eq!(made(&pages[2]), (90, Proof::Contiguous, true));
    assert_eq!(made(&pages[3]), (0, Proof::Contiguous, true));
    assert_eq!(made(&pages[4]), (90, Proof::Contiguous, true));
    assert_eq!(pages.last().unwrap().proof, Proof::Short);
    let asked = venue.asked.lock().unwrap();
    let span = |n: usize| (asked[n]["after"].as_str(), asked[n]["until"].as_str());
    assert_eq!(span(1), ("2025-12-31T23:59:59Z", "2026-04-01T00:00:01Z"));
    assert_eq!(span(2), ("2025-12-31T23:59:59Z", "2026-01-05T00:00:01Z"));
    assert_eq!(span(3), ("2026-01-04T23:59:59Z", "2026-01-09T00:00:01Z"));
    assert_eq!(span(4), ("2026-01-04T23:59:59Z", "2026-01-08T00:00:01Z"));
}

#[test]
fn no_fee_is_lost_in_random_histories() {
    let (mut lost_by_tokens, mut asked, mut least) = (0, 0, 0);
    for seed in 0..60 {
        let rng = SeededRng::new(seed);
        let below = |bound: i64| i64::try_from(rng.below(bound.unsigned_abs())).unwrap();
        let start = at("2025-10-20T00:00:00Z");
        let mut rows = Vec::new();
        // Quiet and busy weeks; what is for a day is made on it, on the next, or days later, much of it at one moment.
        for n in 0..28 {
            let begin = start + Duration::days(n);
            let counts = [0, 3, 40, 99, 100, 101, 350];
            let count = counts[usize::try_from(rng.below(if n % 14 < 7 { 3 } else { 7 })).unwrap()];
            let moment = begin + Duration::days(1) + Duration::milliseconds(below(86_400_000));
            for k in 0..count {
                let made = match rng.below(10) {
                    0 => begin + Duration::hours(below(24)),
                    1 => begin + Duration::hours(24 + below(120)),
                    2..6 => begin + Duration::days(1) + Duration::milliseconds(below(86_400_000)),
                    _ => moment,
                };
                let id = u64::try_from(n).unwrap() * 1000 + k;
                rows.push(fee(id, begin.date_naive(), made, rng.below(3) > 0));
            }
        }
        let since = start + Duration::milliseconds(below(10 * 86_400_000));
        let until = since + Duration::milliseconds(below(18 * 86_400_000));
        let day = if seed % 2 == 0 { Day::NewYork } else { Day::Utc };
        let venue = venue(rows.clone(), day);
        let pages = venue.pages(&HistoryQuery::between(&account(), since, until));
        let wanted = expected(&rows, since, until);
        let found = keys(&pages);
        let missing: Vec<_> = wanted.difference(&found).collect();
        assert!(missing.is_empty(), "seed {seed}: {} of {}", missing.len(), wanted.len());
        assert!(pages.iter().all(|page| page.proof != Proof::Nothing), "seed {seed}");
        lost_by_tokens += wanted.difference(&by_tokens(&rows, since, until)).count();
        asked += venue.asked.lock().unwrap().len();
        least += wanted.len().div_ceil(100) + usize::try_from((until - since).num_days()).unwrap();
    }
    assert!(
        lost_by_tokens > 1_000,
        "the property must be able to fail: {lost_by_tokens}"
    );
    assert!(asked <= least * 2, "{asked} requests where {least} would do");
}

#[test]
fn a_cursor_of_an_older_version_is_refused() {
    let venue = venue(Vec::new(), Day::Utc);
    let query = HistoryQuery::between(&account(), at("2026-01-01T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    let old = r#"1:{"since":"2026-01-01T00:00:00Z","until":"2026-04-01T00:00:00Z","step":{"After":{"after":"2026-02-01T00:00:00Z","border":null}}}"#;
    let cursor = Cursor::from_text(old);
    let error = venue
        .runtime
        .block_on(venue.broker.history(&query, Some(&cursor)))
        .unwrap_err();
    // What a sync takes for a stale cursor: it reads the part from its start.
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(venue.asked.lock().unwrap().len(), 0);
}
