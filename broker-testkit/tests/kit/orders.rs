use std::time::Duration;

use broker_testkit::orders::{OrdersPlan, orders_campaign};

use crate::kiosk::stage::KioskStage;

const ORDERS: u64 = 10_000;

/// `BROKER_SEEDS=100` runs more seeds than the twenty of every day.
fn seeds() -> u64 {
    let asked = std::env::var("BROKER_SEEDS").ok();
    asked.and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

#[test]
fn nothing_is_doubled_and_nothing_falsely_dead() {
    for seed in 1..=seeds() {
        let stage = KioskStage::new(seed);
        let report = orders_campaign(&stage, OrdersPlan::new(ORDERS, seed));
        let refused = stage.venue.lock().unwrap().refused();
        println!("seed {seed}: {report}{refused} refused by the venue's own limiter");
        assert!(report.is_clean(), "seed {seed}: {report}");
        for (fault, hits) in &report.hits {
            assert!(*hits > 0, "seed {seed}: {fault} never hit");
        }
        // Its facts bound the arrival: whatever was in doubt is known in the end.
        assert!(report.tickets > 0 && report.not_placed > 0, "{report}");
        assert_eq!(report.open, 0);
        assert!(report.asked > ORDERS && report.canceled > ORDERS / 10, "{report}");
        assert!(report.elapsed > Duration::from_secs(3600), "its limit was kept");
    }
}

#[test]
fn one_seed_is_one_run() {
    let run = |seed| orders_campaign(&KioskStage::new(seed), OrdersPlan::new(500, seed));
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
