use broker_testkit::crash::crash_campaign;
use broker_testkit::stage::Stage;

use crate::kiosk::stage::KioskStage;

#[test]
fn a_third_party_broker_survives_every_drop_kill_and_failing_journal() {
    let report = crash_campaign(&|| Box::new(KioskStage::quiet()) as Box<dyn Stage>);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
}
