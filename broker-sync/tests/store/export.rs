//! Files for spreadsheets and programs: digit for digit, harmless, and read back as they were.
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use crate::common::{Book, account, awkward, day, fill, over_both_stores, scope, sync_at, void};
use broker_core::model::{Flow, FlowKind, Record, Trade};
use broker_core::pnl::{LotMethod, TradeBook};
use broker_core::seam::VirtualRuntime;
use broker_core::{ErrorKind, Side};
use broker_sync::{Export, Exported, Line, MemoryStore, PageWrite, Scope, Store, StoreExt, Table, read_lines};

const TABLES: [Table; 6] = [
    Table::Records,
    Table::Fills,
    Table::Voids,
    Table::Fees,
    Table::Flows,
    Table::Trades,
];

fn run<T>(future: impl Future<Output = broker_core::Result<T>>) -> T {
    VirtualRuntime::new().block_on(future).unwrap()
}

fn keep(store: &Arc<dyn Store>, scope: &Scope, rows: Vec<Record>) {
    let page = PageWrite {
        part: 1,
        rows,
        read_at: day(30),
        raw: None,
        state: run(store.progress(scope)),
    };
    run(store.commit(scope, page));
}

fn export(store: &Arc<dyn Store>, export: Export) -> (String, Exported) {
    let mut file = Vec::new();
    let done = run(store.export(&[scope()], export, &mut file));
    (String::from_utf8(file).unwrap(), done)
}

/// What a program of another hand reads; a line that has another number of cells is an error to it.
fn parse(file: &str) -> Vec<Vec<String>> {
    assert!(file.ends_with("\r\n"), "the last line is ended too");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(file.as_bytes());
    reader.deserialize().collect::<csv::Result<_>>().unwrap()
}

/// Rows by column name.
fn named(file: &str) -> Vec<BTreeMap<String, String>> {
    let rows = parse(file);
    let (head, rows) = rows.split_first().unwrap();
    let row = |row: &Vec<String>| head.iter().cloned().zip(row.iter().cloned()).collect();
    rows.iter().map(row).collect()
}

/// AAPL bought at 100.10 and sold at 101.35, two each, and 2 more bought: a closed trade of 2.50 less fees of 0.04.
fn book() -> Arc<Book> {
    let mut sell = fill("f2", day(1));
    sell.side = Side::Sell;
    sell.price = "101.35".parse().unwrap();
    sell.order = Some("o2".into());
    let mut busted = fill("f3", day(2));
    busted.order = Some("o3".into());
    let mut open = fill("f4", day(3));
    open.order = Some("o4".into());
    let rows = vec![fill("f1", day(0)), sell, busted, open];
    let book = Book::new(rows.into_iter().map(Record::Fill).collect());
    book.add_row(void("v3", "f3", day(2)));
    book
}

#[test]
fn fills_as_csv_digit_for_digit() {
    over_both_stores(|store| {
        keep(&store, &scope(), awkward());
        let (file, done) = export(&store, Export::csv(Table::Fills).with_every_row());
        assert_eq!(
            file,
            "broker,environment,account,id,at,symbol,instrument,side,qty,price,fee,fee_currency,other_fees,pnl,\
             pnl_currency,leg,order,client_order,liquidity,effect,grade,version,read_order,read_at\r\n\
             scripted,paper,…2345,f-Ω-1,2026-01-01T20:40:00.123456789Z,AAPL,AAPL,buy,0.10000000,\
             12345678901234567.8900,-0.000000000000000001,BTC,79228162514264337593543950335 EUR,0.00,USD,net,o1,,,,\
             reported,0,1,2026-01-31T00:00:00Z\r\n"
        );
        assert_eq!(done.rows, 1);
        assert_eq!(done.incomplete, [(scope(), "the sync was interrupted".to_owned())]);
    });
}

#[test]
fn voids_fees_and_flows_as_csv() {
    over_both_stores(|store| {
        keep(&store, &scope(), awkward());
        let csv = |table| export(&store, Export::csv(table).with_every_row()).0;
        assert_eq!(
            csv(Table::Voids),
            "broker,environment,account,id,at,fill,read_order,read_at\r\n\
             scripted,paper,…2345,v,2026-01-06T00:00:00Z,f-Ω-1,4,2026-01-31T00:00:00Z\r\n"
        );
        assert_eq!(
            csv(Table::Fees),
            "broker,environment,account,id,at,booked_at,label,amount,asset,asset_instrument,price,instrument,order,\
             fill,version,canceled,read_order,read_at\r\n\
             scripted,paper,…2345,fee,2026-01-03T00:00:00Z,2026-01-04T00:00:00Z,TAF,0.0000000000000000000000000001,\
             BTC/USD,\"spot:BTC'\"\"\n\",100,,o7,,7,true,2,2026-01-31T00:00:00Z\r\n"
        );
        assert_eq!(
            csv(Table::Flows),
            "broker,environment,account,id,at,booked_at,flow,amount,asset,asset_instrument,price,cash,cash_currency,\
             instrument,lot,group,description,version,canceled,read_order,read_at\r\n\
             scripted,paper,…2345,flow,2026-01-05T00:00:00Z,,JNLC,-1000.10,USD,,,,,AAPL,,g,über,0,false,3,\
             2026-01-31T00:00:00Z\r\n"
        );
        // One list: each row has what its kind has, under the same names.
        let rows = named(&csv(Table::Records));
        let column = |name: &str| rows.iter().map(|row| row[name].as_str()).collect::<Vec<_>>();
        assert_eq!(column("kind"), ["fill", "fee", "flow", "void"]);
        assert_eq!(column("amount"), ["", "0.0000000000000000000000000001", "-1000.10", ""]);
        assert_eq!(column("fill"), ["", "", "", "f-Ω-1"]);
        assert_eq!(column("qty"), ["0.10000000", "", "", ""]);
        assert_eq!(column("read_order"), ["1", "2", "3", "4"]);
    });
}

#[test]
fn what_counts_is_written_unless_every_row_is_asked_for() {
    over_both_stores(|store| {
        sync_at(day(9), &book(), &store).unwrap();
        let (file, done) = export(&store, Export::csv(Table::Fills));
        let ids: Vec<String> = named(&file).iter().map(|row| row["id"].clone()).collect();
        assert_eq!(ids, ["f1", "f2", "f4"], "f3 was taken back");
        let expected = Exported {
            rows: 3,
            incomplete: Vec::new(),
        };
        assert_eq!(done, expected);
        let rows = named(&export(&store, Export::csv(Table::Records)).0);
        let kinds: Vec<_> = rows
            .iter()
            .map(|row| (row["kind"].as_str(), row["id"].as_str()))
            .collect();
        // The fee of the fill that was taken back was charged all the same.
        assert_eq!(kinds.iter().filter(|(kind, _)| *kind == "fill").count(), 3);
        assert_eq!(kinds.iter().filter(|(kind, _)| *kind == "fee").count(), 1);
        assert_eq!(kinds.iter().filter(|row| **row == ("void", "v3")).count(), 1);
        let fee = rows.iter().find(|row| row["kind"] == "fee").unwrap();
        assert_eq!((fee["amount"].as_str(), fee["fill"].as_str()), ("0.02", "f3"));
        let every = named(&export(&store, Export::csv(Table::Fills).with_every_row()).0);
        assert_eq!(every.len(), 4);
    });
}

#[test]
fn trades_in_both_formats() {
    over_both_stores(|store| {
        sync_at(day(9), &book(), &store).unwrap();
        let (file, _) = export(&store, Export::csv(Table::Trades).with_lots(LotMethod::Lifo));
        let rows = parse(&file);
        assert_eq!(rows.len(), 3);
        assert_eq!(
            file.lines().nth(1).unwrap(),
            "scripted,paper,…2345,AAPL,AAPL,net,buy,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,filled,2,2,2,100.10,\
             101.35,2.50,2.46,USD,0.04,USD,,,,,,,,known,\"f1; f2\""
        );
        let (lines, done) = export(&store, Export::json_lines(Table::Trades).with_whole_accounts());
        assert_eq!(done.rows, 2);
        let read: Vec<Line<Trade>> = read_lines(lines.as_bytes())
            .collect::<broker_core::Result<_>>()
            .unwrap();
        let history = run(store.history(&scope()));
        let trades = TradeBook::fifo().fold(&history).unwrap().trades;
        let rows: Vec<Trade> = read.into_iter().map(|line| line.row).collect();
        assert_eq!(rows, trades);
        assert_eq!(
            format!("{rows:?}"),
            format!("{trades:?}"),
            "equal numbers may differ in their digits"
        );
    });
}

#[test]
fn json_lines_read_back_are_the_stored_rows() {
    over_both_stores(|store| {
        keep(&store, &scope(), awkward());
        let all = Export::json_lines(Table::Records)
            .with_every_row()
            .with_whole_accounts();
        let (file, done) = export(&store, all);
        assert_eq!((done.rows, file.lines().count()), (4, 4));
        assert!(file.ends_with("}\n") && !file.contains('\r'));
        let lines: Vec<Line<Record>> = read_lines(file.as_bytes()).collect::<broker_core::Result<_>>().unwrap();
        let stored = run(store.rows(&scope(), None));
        for (line, row) in lines.iter().zip(&stored) {
            assert_eq!(
                (line.read_order, line.read_at),
                (Some(row.read_order), Some(row.read_at))
            );
            assert_eq!(line.scope, scope());
        }
        let text = |records: Vec<&Record>| serde_json::to_string(&records).unwrap();
        assert_eq!(
            text(lines.iter().map(|line| &line.row).collect()),
            text(stored.iter().map(|row| &row.record).collect())
        );
        assert_eq!(
            text(lines.iter().map(|line| &line.row).collect()),
            text(awkward().iter().collect())
        );
        // Into another store and out again it is the same file.
        let other: Arc<dyn Store> = Arc::new(MemoryStore::new());
        keep(&other, &scope(), lines.into_iter().map(|line| line.row).collect());
        assert_eq!(export(&other, all).0, file);
    });
    let broken = "{\"scope\":{\"broker\":\"a\",\"environment\":\"paper\",\"account\":\"b\"},\"row\":{}}\nx\n";
    let read: Vec<broker_core::Result<Line<Record>>> = read_lines(broken.as_bytes()).collect();
    assert_eq!(read.len(), 1, "an error is the last item");
    assert!(read[0].as_ref().unwrap_err().to_string().contains("line 1 is not one"));
}

#[test]
fn text_is_harmless_in_a_spreadsheet_and_a_number_stays_a_number() {
    let texts = [
        "=HYPERLINK(\"http://evil\",\"x\")",
        "+1",
        "-1",
        "@now",
        "\t=1",
        "\r=1",
        "'=1",
        " =1",
        "a,b\r\n\"c\"",
        "plain",
    ];
    over_both_stores(|store| {
        let flows = texts.iter().enumerate().map(|(n, text)| {
            let Some(Record::Flow(flow)) = awkward().into_iter().nth(2) else {
                panic!("no flow")
            };
            Record::Flow(Flow {
                id: n.to_string().as_str().into(),
                kind: FlowKind::Other((*text).into()),
                description: Some((*text).to_owned()),
                group: Some((*text).to_owned()),
                ..flow
            })
        });
        keep(&store, &scope(), flows.collect());
        let (file, _) = export(&store, Export::csv(Table::Flows).with_every_row());
        for (row, text) in named(&file).iter().zip(texts) {
            for cell in [&row["flow"], &row["description"], &row["group"]] {
                assert!(
                    !cell
                        .trim_start_matches(' ')
                        .starts_with(['=', '+', '-', '@', '\t', '\r']),
                    "{cell:?}"
                );
                assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), text);
            }
            assert_eq!(row["amount"], "-1000.10");
        }
    });
}

#[test]
fn no_whole_account_number_unless_asked_for() {
    over_both_stores(|store| {
        let whole = account().get().to_owned();
        let Some(Record::Flow(flow)) = awkward().into_iter().nth(2) else {
            panic!("no flow")
        };
        let mut named = fill(&format!("{whole}/1"), day(1));
        named.order = Some(format!("{whole}-7").as_str().into());
        let rows = vec![
            Record::Fill(named),
            Record::Flow(Flow {
                description: Some(format!("from {whole}, not X{whole}9")),
                group: Some(whole.clone()),
                ..flow
            }),
            void("v", &format!("{whole}/1"), day(2)),
        ];
        keep(&store, &scope(), rows.clone());
        for format in [Export::csv, Export::json_lines] {
            let masked = export(&store, format(Table::Records).with_every_row()).0;
            // Inside a longer word it is another number.
            assert_eq!(masked.matches(&whole).count(), 1, "{masked}");
            assert!(masked.contains(&format!("from …2345, not X{whole}9")), "{masked}");
            assert_eq!(masked.matches("…2345/1").count(), 2, "ids still join");
            let asked = export(&store, format(Table::Records).with_every_row().with_whole_accounts()).0;
            assert!(!asked.contains('…'));
            assert!(asked.contains(&format!("from {whole}, not")));
        }
        let lines = export(&store, Export::json_lines(Table::Records).with_every_row()).0;
        let lines: Vec<Line<Record>> = read_lines(lines.as_bytes())
            .collect::<broker_core::Result<_>>()
            .unwrap();
        assert!(lines.iter().all(|line| line.row.account().get() == "…2345"));
        assert_eq!(lines[0].row.at(), rows[0].at());
    });
}

#[test]
fn accounts_come_one_after_another_and_an_unknown_one_is_an_error() {
    over_both_stores(|store| {
        let mut other = scope();
        other.account = "7".into();
        keep(&store, &scope(), vec![Record::Fill(fill("a", day(1)))]);
        let mut row = fill("b", day(0));
        row.account = other.account.clone();
        keep(&store, &other, vec![Record::Fill(row)]);
        let mut file = Vec::new();
        let scopes = run(store.scopes());
        let done = run(store.export(&scopes, Export::csv(Table::Fills), &mut file));
        assert_eq!((done.rows, done.incomplete.len()), (2, 2));
        let rows = named(std::str::from_utf8(&file).unwrap());
        let ids: Vec<_> = rows
            .iter()
            .map(|row| (row["account"].as_str(), row["id"].as_str()))
            .collect();
        assert_eq!(
            ids,
            [("…", "b"), ("…2345", "a")].map(|row| row),
            "in the order asked for"
        );
        let mut unknown = scope();
        unknown.account = "nobody".into();
        for table in TABLES {
            let mut file = Vec::new();
            let scopes = [unknown.clone()];
            let failed = store.export(&scopes, Export::json_lines(table), &mut file);
            let error = VirtualRuntime::new().block_on(failed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
    });
}

/// Notes how much comes at once.
#[derive(Default)]
struct Pieces(Vec<usize>);

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.push(piece.len());
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_file_is_written_piece_by_piece_and_a_full_disk_is_an_error() {
    over_both_stores(|store| {
        let rows = (0..5_000).map(|i| Record::Fill(fill(&format!("f{i}"), day(1))));
        keep(&store, &scope(), rows.collect());
        for export in [Export::csv(Table::Fills), Export::json_lines(Table::Records)] {
            let mut pieces = Pieces::default();
            assert_eq!(run(store.export(&[scope()], export, &mut pieces)).rows, 5_000);
            assert!(pieces.0.len() > 50, "{}", pieces.0.len());
            assert!(pieces.0.iter().all(|piece| *piece <= 8_192));
            let scopes = [scope()];
            let mut full = Full;
            let failed = VirtualRuntime::new().block_on(store.export(&scopes, export, &mut full));
            let error = failed.unwrap_err();
            assert_eq!(error.operation(), Some("export"));
            assert!(error.to_string().contains("make room on the disk"), "{error}");
        }
    });
}

#[test]
fn every_column_is_documented_once() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    sync_at(day(9), &book(), &store).unwrap();
    for table in TABLES {
        let columns = table.columns();
        let head = export(&store, Export::csv(table)).0;
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        assert_eq!(head.lines().next().unwrap(), names.join(","));
        assert!(columns.iter().all(|(_, meaning)| !meaning.is_empty()));
        assert_eq!(names[..3], ["broker", "environment", "account"]);
        if table != Table::Records {
            assert_eq!(names[3..], in_readme(table), "{table:?}");
        }
    }
}

#[test]
fn one_word_means_one_thing_in_all_records() {
    let mut meanings = BTreeMap::new();
    for table in [Table::Fills, Table::Voids, Table::Fees, Table::Flows] {
        for (name, meaning) in table.columns() {
            assert_eq!(*meanings.entry(name).or_insert(meaning), meaning, "{name}");
        }
    }
    let all = Table::Records.columns();
    assert_eq!(all.len(), meanings.len() + 1, "and the kind");
    assert!(
        all.iter()
            .all(|(name, meaning)| *name == "kind" || meanings[name] == *meaning)
    );
}

/// The columns that the README lists for a table.
fn in_readme(table: Table) -> Vec<&'static str> {
    let start = format!("| {} |", format!("{table:?}").to_lowercase());
    let line = include_str!("../../README.md")
        .lines()
        .find(|line| line.starts_with(&start))
        .unwrap();
    line.split('`').skip(1).step_by(2).collect()
}
