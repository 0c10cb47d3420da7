//! RTCP as a client may write it, behind its key, and the estimator that it leads.

use crate::core::estimator::Estimator;
use crate::core::rtcp::{Message, read};
use arbitrary::{Arbitrary, Unstructured};
use std::time::{Duration, Instant};

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    /// So many packets leave, of so many octets each.
    Send(u8, u16),
    /// Time passes, in units of 100 us.
    Wait(u16),
    /// An hour passes.
    Jump,
    Wish(u32),
    /// A compound packet, byte by byte.
    Compound(&'a [u8]),
    /// Feedback with a sound head: how far back it begins, of how many packets, its reference
    /// time, its count, and what follows.
    Feedback(u8, u16, u16, u8, &'a [u8]),
    /// That the last packets arrived, each so many units of 250 us after the one before.
    Arrived(u8, Vec<u8>),
    Pad,
}

pub(crate) fn run(bytes: &[u8]) {
    const FIRST_BPS: u64 = 600_000;
    /// What can be in 1,500 octets: 17 numbers for each 4.
    const MOST_LOST: usize = 6_400;

    let mut input = Unstructured::new(bytes);
    let mut now = Instant::now();
    let mut estimator = Estimator::new(FIRST_BPS);
    let (mut number, mut sequence) = (1_u64, 0_u8);
    while !input.is_empty() {
        let Ok(step) = Step::arbitrary(&mut input) else {
            return;
        };
        match step {
            Step::Send(packets, octets) => {
                for _ in 0..packets {
                    estimator.sent(number, octets.into(), now);
                    number += 1;
                }
            }
            Step::Wait(units) => now += Duration::from_micros(u64::from(units) * 100),
            Step::Jump => now += Duration::from_secs(3_600),
            Step::Wish(bps) => estimator.wish(bps.into(), now),
            Step::Compound(compound) => {
                for message in read(&compound[..compound.len().min(1_500)]) {
                    match message {
                        Message::TransportFeedback { fci } => {
                            estimator.feedback(fci, now);
                        }
                        Message::Nack { lost, .. } => assert!(lost.count() < MOST_LOST),
                        _ => {}
                    }
                }
            }
            Step::Feedback(back, count, reference, sequence, rest) => {
                let base = (number - u64::from(back).min(number)) as u16;
                let mut fci = [base.to_be_bytes(), count.to_be_bytes()].concat();
                fci.push(0);
                fci.extend(reference.to_be_bytes());
                fci.push(sequence);
                fci.extend(rest);
                estimator.feedback(&fci, now);
            }
            Step::Arrived(reference, deltas) => {
                let deltas = &deltas[..deltas.len().min(0x1fff)];
                let base = number.saturating_sub(deltas.len() as u64) as u16;
                let count = deltas.len() as u16;
                let mut fci = [base, count].map(u16::to_be_bytes).concat();
                fci.extend([0, 0, reference, sequence]);
                // One run: all arrived, with small deltas.
                fci.extend((0x2000 | count).to_be_bytes());
                fci.extend(deltas);
                sequence = sequence.wrapping_add(1);
                let whole = estimator.feedback(&fci, now);
                assert!(whole || count == 0, "sound feedback is refused");
            }
            Step::Pad => {
                let padding = estimator.padding(now);
                assert!(padding <= 64 * 1024 * 1024, "{padding} octets of padding");
            }
        }
        assert!(estimator.estimate_bps() >= 50_000, "lower than any line");
        let (lost, all) = estimator.take_losses();
        assert!(lost <= all + 10_000, "{lost} of {all}");
        let _ = (estimator.deadline(), estimator.round_trip());
    }
}
