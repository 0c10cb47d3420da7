//! The estimator as it is called: whatever comes, in whatever order.

use super::{Estimator, rate};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Feedback that these packets arrived, every millisecond one.
fn arrived(base: u64, count: u8, sequence: u8) -> Vec<u8> {
    let mut fci = (base as u16).to_be_bytes().to_vec();
    fci.extend([0, count, 0, 0, 0, sequence, 0x20, count]);
    fci.extend(std::iter::repeat_n(4, usize::from(count)));
    fci
}

#[test]
fn garbage_is_refused_and_strange_numbers_are_passed_over() {
    let now = Instant::now();
    let mut estimator = Estimator::new(600_000);
    assert!(
        estimator.feedback(&arrived(7, 3, 0), now),
        "nothing was sent"
    );
    assert!(!estimator.feedback(&[1, 2, 3], now));
    for number in 100..110 {
        estimator.sent(number, 1_000, now);
    }
    assert!(estimator.feedback(&arrived(60_000, 9, 0), now));
    assert!(estimator.feedback(&arrived(105, 200, 1), now));
    assert_eq!(estimator.take_losses(), (0, 5));
    assert_eq!(estimator.take_losses(), (0, 0));
}

#[test]
fn what_lies_between_two_reports_is_lost_unless_one_is_missing() {
    let now = Instant::now();
    let mut estimator = Estimator::new(600_000);
    for number in 0..30 {
        estimator.sent(number, 1_000, now);
    }
    estimator.feedback(&arrived(0, 5, 255), now);
    estimator.feedback(&arrived(8, 2, 0), now);
    assert_eq!(estimator.take_losses(), (3, 10));
    estimator.feedback(&arrived(20, 5, 2), now);
    assert_eq!(estimator.take_losses(), (0, 5));
    // The one that was missing comes late.
    estimator.feedback(&arrived(10, 10, 1), now);
    assert_eq!(estimator.take_losses(), (0, 10));
}

#[test]
fn a_clock_that_jumps_an_hour_breaks_nothing() {
    let mut now = Instant::now();
    let mut estimator = Estimator::new(600_000);
    estimator.wish(2_000_000, now);
    for round in 0..200_u64 {
        if round == 100 {
            now += Duration::from_secs(3_600);
        }
        for packet in 0..5 {
            estimator.sent(round * 5 + packet, 1_200, now);
            now += Duration::from_millis(10);
        }
        assert!(estimator.feedback(&arrived(round * 5, 5, round as u8), now));
        let padding = estimator.padding(now);
        assert!(padding < 100_000, "{padding}");
    }
    assert!(estimator.estimate_bps() >= 300_000);
    assert!(
        estimator
            .deadline()
            .is_none_or(|at| at <= now + Duration::from_secs(10))
    );
    let round_trip = estimator.round_trip().expect("it was measured");
    assert!(round_trip < Duration::from_secs(1), "{round_trip:?}");
}

#[test]
fn an_estimator_is_small() {
    let mut estimator = Estimator::new(600_000);
    let now = Instant::now();
    for number in 0..10_000 {
        estimator.sent(number, 1_200, now);
    }
    let bytes = size_of::<Estimator>() + estimator.history.bytes();
    assert!(bytes < 40_000, "{bytes} octets");
}

#[test]
fn nothing_is_padded_for_what_is_not_wished() {
    let now = Instant::now();
    let mut estimator = Estimator::new(600_000);
    estimator.sent(1, 1_000, now);
    estimator.feedback(&arrived(1, 1, 0), now);
    assert_eq!(estimator.deadline(), None);
    estimator.wish(2_000_000, now);
    assert_eq!(estimator.deadline(), Some(now));
    assert!(estimator.padding(now) > 0);
    estimator.wish(500_000, now);
    assert_eq!(estimator.deadline(), None);
    assert_eq!(estimator.padding(now + Duration::from_millis(5)), 0);
}

#[derive(Debug, Clone)]
enum Call {
    Sent(u64, usize),
    Feedback(Vec<u8>),
    Told(u16, u8, u8),
    Wish(u64),
    Padding,
    Later(u64),
}

fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => (0_u64..300, 0_usize..2_000).prop_map(|(step, bytes)| Call::Sent(step, bytes)),
        1 => (any::<u64>(), any::<usize>()).prop_map(|(step, bytes)| Call::Sent(step, bytes)),
        2 => proptest::collection::vec(any::<u8>(), 0..60).prop_map(Call::Feedback),
        4 => any::<(u16, u8, u8)>().prop_map(|(back, count, seq)| Call::Told(back, count, seq)),
        1 => any::<u64>().prop_map(Call::Wish),
        2 => Just(Call::Padding),
        3 => (0_u64..500_000).prop_map(Call::Later),
        // Up to 35 years.
        1 => (0_u64..1 << 50).prop_map(Call::Later),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_called_the_estimate_stays_within_its_bounds(
        first in any::<u64>(),
        calls in proptest::collection::vec(any_call(), 0..200),
    ) {
        let mut now = Instant::now();
        let mut number = 0_u64;
        let mut estimator = Estimator::new(first);
        for call in calls {
            match call {
                Call::Sent(step, bytes) => {
                    number = number.wrapping_add(step);
                    estimator.sent(number, bytes, now);
                }
                Call::Feedback(fci) => {
                    estimator.feedback(&fci, now);
                }
                Call::Told(back, count, sequence) => {
                    let base = number.wrapping_sub(u64::from(back % 512));
                    let count = count.max(1);
                    prop_assert!(estimator.feedback(&arrived(base, count, sequence), now));
                }
                Call::Wish(bps) => estimator.wish(bps, now),
                Call::Padding => {
                    let bytes = estimator.padding(now);
                    prop_assert!(bytes < 100_000_000, "{bytes}");
                    let due = estimator.deadline();
                    prop_assert!(due.is_none_or(|at| at > now), "asked again at once");
                }
                Call::Later(us) => {
                    now = now.checked_add(Duration::from_micros(us)).unwrap_or(now);
                }
            }
            let bps = estimator.estimate_bps();
            prop_assert!((rate::LEAST_BPS..=rate::MOST_BPS).contains(&bps), "{bps}");
        }
    }
}
