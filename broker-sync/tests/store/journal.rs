//! The journal in a file, opened again as after a crash.
use std::path::PathBuf;
use std::sync::Arc;

use broker_core::journal::{Mark, Replacement};
use broker_core::model::{Environment, InstrumentStatus, Level, OrderChange, Payoff, StopExit, TickBand};
use broker_core::seam::VirtualRuntime;
use broker_core::{Currency, ErrorKind, Instrument, Intent, IntentJournal, OrderRef, OrderRequest, Side};
use broker_sync::{SqliteJournal, SqliteStore};

/// A folder that is gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("broker-journal-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("orders.sqlite")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn instrument() -> Instrument {
    Instrument {
        id: "ESZ6".into(),
        symbol: "ESZ6".into(),
        name: None,
        asset_class: broker_core::model::AssetClass::Future,
        exchange: Some("CME".to_owned()),
        currency: Currency::USD,
        base: None,
        payoff: Payoff::Margined,
        multiplier: Some("50".parse().unwrap()),
        ticks: vec![TickBand {
            from: "0".parse().unwrap(),
            tick: "0.25".parse().unwrap(),
        }],
        lot: Some("1".parse().unwrap()),
        min_qty: None,
        max_qty: None,
        min_notional: None,
        pip_location: None,
        expires_at: None,
        option: None,
        margin: None,
        status: InstrumentStatus::Tradable,
        shortable: None,
    }
}

fn intent(id: &str, broker: &str, second: i64) -> Intent {
    let stop = StopExit::Stop {
        stop: Level::Distance("4.25".parse().unwrap()),
        limit: None,
    };
    let request = OrderRequest::limit(
        "ESZ6".into(),
        Side::Buy,
        "2".parse().unwrap(),
        "6800.25".parse().unwrap(),
    );
    Intent {
        id: id.into(),
        broker: broker.into(),
        environment: Environment::Paper,
        account: "A-1".into(),
        request: request
            .with_target(Level::Price("6900.00".parse().unwrap()))
            .with_stop(stop),
        instrument: Arc::new(instrument()),
        replaces: Some(Replacement {
            order: OrderRef::by_id(&"A-1".into(), "7".into()),
            change: OrderChange::new().with_qty("2".parse().unwrap()),
        }),
        created_at: chrono::DateTime::from_timestamp(second, 123_456_789).unwrap(),
        mark: Some(Mark("9001".to_owned())),
    }
}

#[test]
fn what_was_open_is_open_after_a_crash() {
    let folder = Folder::new("crash");
    VirtualRuntime::new().block_on(async {
        let journal = SqliteJournal::open(folder.file()).unwrap();
        for one in [
            intent("b", "x", 2),
            intent("a", "x", 3),
            intent("c", "x", 1),
            intent("d", "y", 0),
        ] {
            journal.open(&one).await.unwrap();
        }
        journal.close(&"x".into(), &"b".into()).await.unwrap();
        // The same intent again, with a mark that was taken later.
        let later = Intent {
            mark: Some(Mark("9002".to_owned())),
            ..intent("c", "x", 1)
        };
        journal.open(&later).await.unwrap();
        drop(journal);

        let journal = SqliteJournal::open(folder.file()).unwrap();
        assert_eq!(
            journal.unsettled(&"x".into()).await.unwrap(),
            [later, intent("a", "x", 3)]
        );
        assert_eq!(journal.unsettled(&"y".into()).await.unwrap(), [intent("d", "y", 0)]);
        for (broker, id, open) in [("x", "a", true), ("x", "b", false), ("x", "d", false), ("y", "d", true)] {
            assert_eq!(
                journal.is_open(&broker.into(), &id.into()).await.unwrap(),
                open,
                "{broker} {id}"
            );
        }
        // Twice is as once.
        for _ in 0..2 {
            journal.close(&"y".into(), &"d".into()).await.unwrap();
        }
        assert_eq!(journal.unsettled(&"y".into()).await.unwrap(), []);
    });
}

#[test]
fn one_process_holds_the_file() {
    let folder = Folder::new("held");
    let journal = SqliteJournal::open(folder.file()).unwrap();
    let error = SqliteJournal::open(folder.file()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "journal: configuration: another process holds the journal; each process that places orders needs a journal of its own"
    );
    drop(journal);
    assert!(SqliteJournal::open(folder.file()).is_ok());
}

#[test]
fn the_file_of_another_program_stays_as_it_is() {
    let folder = Folder::new("foreign");
    drop(SqliteStore::open(folder.file()).unwrap());
    let before = std::fs::read(folder.file()).unwrap();
    let error = SqliteJournal::open(folder.file()).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Config, Some("the SQLite file belongs to another program"))
    );
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
}
