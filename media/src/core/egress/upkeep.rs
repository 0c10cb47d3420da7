//! What is sent beside what is forwarded: sender reports, and padding to measure a line by.

use super::header::{Extensions, Head};
use super::{Egress, ntp};
use crate::core::outputs::Outputs;
use crate::core::rtcp::{ReferenceAnswer, SenderReport};
use crate::core::slot::Slot;
use std::time::{Duration, Instant};

/// Clients bring sound and picture together by sender reports (RFC 3550, section 6.4.1).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Sender reports in one datagram: 28 bytes each.
const REPORTS_TOGETHER: usize = 40;

impl Egress {
    /// Does what is due: sender reports, and padding to find out what the line carries.
    pub(in crate::core) fn time_passed(
        &mut self,
        slots: &mut [Slot],
        now: Instant,
        outputs: &mut Outputs,
    ) {
        if self.reports_at.is_some_and(|at| at <= now) {
            self.reports_at = self
                .report(slots, now, outputs)
                .then(|| now + REPORT_INTERVAL);
        }
        if self.is_measured && self.path.is_some() && self.srtp.is_some() {
            let due = self.estimator.padding(now);
            self.pad(slots, due, now, outputs);
        }
    }

    /// Sends `due` bytes that nobody needs: packets of a picture a second time, or else bare
    /// padding, which receivers count and throw away.
    fn pad(&mut self, slots: &mut [Slot], due: usize, now: Instant, outputs: &mut Outputs) {
        /// The most padding that a packet can have (RFC 3550, section 5.1).
        const PADDING: [u8; 255] = {
            let mut padding = [0; 255];
            padding[254] = 255;
            padding
        };

        let fits = slots.iter_mut().map(|slot| &mut slot.outgoing);
        let fits = fits.filter(|stream| stream.takes_padding());
        // Where something was sent last, so that there is something to repeat.
        let Some(stream) = fits.max_by_key(|stream| stream.newest.map(|(_, at)| at)) else {
            return;
        };
        let mut left = due;
        let mut back = 0;
        while left > 0 {
            let repeated = stream.history.newest(back, now);
            let repeated = repeated.map(|kept| kept.packet.clone());
            back += 1;
            let sent = match repeated {
                Some(packet) => self.repeat(stream, &packet, now, outputs),
                None => {
                    let repair_type = stream.repair_types.first().copied();
                    let (Some(ssrc), Some((_, payload_type))) = (stream.repair_ssrc, repair_type)
                    else {
                        return;
                    };
                    let head = Head {
                        payload_type,
                        marker: false,
                        padded: true,
                        seq: stream.repair_seq,
                        timestamp: stream.newest.map_or(0, |(timestamp, _)| timestamp),
                        ssrc,
                        extensions: Extensions::default(),
                    };
                    stream.repair_seq += 1;
                    self.put(stream, head, &PADDING, now, outputs)
                }
            };
            if sent == 0 {
                return;
            }
            left = left.saturating_sub(sent);
        }
    }

    /// Tells the client which moment the newest timestamps are of. False: nothing is being sent.
    fn report(&mut self, slots: &mut [Slot], now: Instant, outputs: &mut Outputs) -> bool {
        let ntp = ntp(self.clock(now));
        let (Some(srtp), Some(path)) = (&mut self.srtp, self.path) else {
            return false;
        };
        let mut reported = false;
        let mut streams = slots
            .iter_mut()
            .map(|slot| &mut slot.outgoing)
            .filter(|stream| stream.to_report)
            .peekable();
        while streams.peek().is_some() {
            self.scratch.clear();
            let mut last = None;
            for stream in streams.by_ref().take(REPORTS_TOGETHER) {
                stream.to_report = false;
                let Some((timestamp, at)) = stream.newest else {
                    continue;
                };
                let since = now.saturating_duration_since(at).as_micros();
                let ticks = since * u128::from(stream.clock_rate_hz) / 1_000_000;
                SenderReport {
                    ssrc: stream.ssrc,
                    ntp,
                    // RTP timestamps wrap: only the low 32 bits matter.
                    rtp_timestamp: timestamp.wrapping_add(ticks as u32),
                    packets: stream.packets,
                    octets: stream.octets,
                }
                .write(&mut self.scratch);
                last = Some(stream.ssrc);
            }
            if let Some((asked_by, middle, at)) = self.asked.take()
                && let Some(ssrc) = last
            {
                let delay = now.saturating_duration_since(at);
                ReferenceAnswer {
                    ssrc,
                    asked_by,
                    middle,
                    delay,
                }
                .write(&mut self.scratch);
            }
            let compound = &self.scratch;
            self.bytes += outputs.send(path, |buffer| srtp.protect_rtcp(compound, buffer)) as u64;
            reported = true;
        }
        reported
    }
}
