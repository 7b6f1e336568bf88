use proptest::prelude::*;

use super::*;

/// The firings of a day in Zurich, in UTC, hours and minutes.
fn day(cron: &str, date: &str) -> Vec<String> {
    let calendar = Calendar::new(cron, "Europe/Zurich").unwrap();
    let noon: jiff::Timestamp = format!("{date}T12:00:00Z").parse().unwrap();
    let noon = Timestamp::from_millis(u64::try_from(noon.as_millisecond()).unwrap());
    let before = Timestamp::from_millis(noon.as_millis() - 86_400_000);
    let after = std::iter::successors(calendar.next(before), |at| calendar.next(*at));
    after.take_while(|at| *at <= noon).map(|at| at.to_string()[11..16].to_owned()).collect()
}

/// When clocks go forward, a fixed time in the gap fires right after it, once, and times that
/// repeat go on with what there is. When they go back, a fixed time fires once, the first time,
/// and times that repeat fire in both hours.
#[test]
fn when_clocks_change() {
    // 2026-03-29: 02:00 becomes 03:00, which is 01:00 UTC.
    assert_eq!(day("30 2 * * *", "2026-03-29"), ["01:00"]);
    assert_eq!(day("0 3 * * *", "2026-03-29"), ["01:00"]);
    assert_eq!(day("30 1-3 * * *", "2026-03-29"), ["00:30", "01:30"]);
    // 2026-10-25: 03:00 becomes 02:00, which is 01:00 UTC.
    assert_eq!(day("30 2 * * *", "2026-10-25"), ["00:30"]);
    assert_eq!(day("*/30 2 * * *", "2026-10-25"), ["00:00", "00:30", "01:00", "01:30"]);
    assert_eq!(day("0,30 1-3 * * *", "2026-10-25").len(), 8);
    // Any other day.
    assert_eq!(day("30 2 * * *", "2026-06-01"), ["00:30"]);
    assert_eq!(day("30 2 * * *", "2026-12-01"), ["01:30"]);
}

/// What is no expression, no zone, or no day is refused with a word on what to write.
#[test]
fn nonsense_is_refused() {
    let check = |cron: &str, zone: &str, says: &str| {
        let error = Calendar::new(cron, zone).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    for cron in ["", "0 3 * *", "60 3 * * *", "0 3 * * * * 2030", "x", "0 3 * * MOO", "/5 * * * *"]
    {
        check(cron, "UTC", "is no cron expression");
    }
    check("0 3 30 2 *", "UTC", "names no day");
    check("0 3 * * *", "Europe/Zuerich", "no time zone");
    check("0 3 * * *", "", "no time zone");
    Calendar::new("0 3 29 2 *", "America/St_Johns").unwrap();
    Calendar::new("*/2 * * * * *", "utc").unwrap();
    Calendar::new("@daily", "UTC").unwrap();
    Calendar::new("0 9 * * MON-FRI", "Asia/Kathmandu").unwrap();
}

/// The date is the zone's, not UTC's.
#[test]
fn dates_are_local() {
    let calendar = Calendar::new("0 3 * * *", "Pacific/Auckland").unwrap();
    assert_eq!(calendar.date(Timestamp::from_millis(1_773_226_800_000)), "2026-03-12");
}

const CRONS: [&str; 6] =
    ["30 2 * * *", "*/15 * * * *", "0 3 * * 1", "0 0 1 * *", "15,45 1-3 * * *", "7 * * * * *"];
const ZONES: [&str; 5] =
    ["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Reading on from a time, and back from a later one, finds the same firings in the same
    /// order, over changes of the clocks too: none is lost between two looks, and none is new.
    #[test]
    fn forth_and_back_agree(
        cron in 0..CRONS.len(),
        zone in 0..ZONES.len(),
        // Within a day and a half of a change of clocks in one of the zones.
        around in prop::sample::select(vec![
            1_774_746_000_000_u64, 1_792_890_000_000, 1_772_953_200_000, 1_793_512_800_000,
            1_775_314_800_000, 1_791_039_600_000,
        ]),
        from in 0..130_000_000_u64,
        length in 0..90_000_000_u64,
    ) {
        let calendar = Calendar::new(CRONS[cron], ZONES[zone]).unwrap();
        let begin = Timestamp::from_millis(around - 130_000_000 + from);
        let end = Timestamp::from_millis(begin.as_millis() + length);
        let forth = std::iter::successors(calendar.next(begin), |at| calendar.next(*at));
        let forth: Vec<_> = forth.take_while(|at| *at <= end).collect();
        let mut back: Vec<_> = calendar.back(end).take_while(|at| begin < *at).collect();
        back.reverse();
        prop_assert_eq!(&forth, &back);
        prop_assert!(forth.is_sorted_by(|a, b| a < b));
    }
}
