//! Sees every packet of a connection next to the wire, and lets it pass.

use rtc::{
    interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::{
        payload_feedbacks::{
            full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication,
        },
        transport_feedbacks::transport_layer_cc::{
            PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
        },
    },
    sansio::Protocol,
    sdp::extmap::TRANSPORT_CC_URI,
    shared::error::Error as RtcError,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::sync::Notify;

/// What went over a connection's line, before any repair, by the transport-wide numbers of the
/// packets (draft-holmer-rmcat-transport-wide-cc-extensions-01). Ever growing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::rehearse) struct LineCount {
    /// Octets of RTP payload sent, without retransmissions: they go unnumbered, so that nobody
    /// reports what became of them.
    pub(in crate::rehearse) sent_bytes: u64,
    /// Of the packets sent, those that the server has said something about.
    pub(in crate::rehearse) reported: u64,
    /// Of these, lost.
    pub(in crate::rehearse) reported_lost: u64,
    /// Octets of RTP payload that came.
    pub(in crate::rehearse) received_bytes: u64,
    /// Packets that came.
    pub(in crate::rehearse) received: u64,
    /// Packets that the server has sent, by their numbers.
    pub(in crate::rehearse) expected: u64,
}

/// Where a [`Watch`] counts.
#[derive(Debug, Default)]
pub(in crate::rehearse) struct LineCounters(Mutex<Counting>);

#[derive(Debug, Default)]
struct Counting {
    count: LineCount,
    /// Highest number sent that was reported, and the highest that came, both extended.
    reported: Option<u64>,
    came: Option<u64>,
    /// Number of the last report.
    report: Option<u8>,
}

impl LineCounters {
    pub(in crate::rehearse) fn count(&self) -> LineCount {
        self.with(|counting| counting.count)
    }

    fn with<T>(&self, what: impl FnOnce(&mut Counting) -> T) -> T {
        // Counters stay meaningful whatever a panicking task did between two of them.
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Counting {
    fn came(&mut self, number: Option<u16>, bytes: usize) {
        self.count.received_bytes += bytes as u64;
        let Some(number) = number else { return };
        self.count.received += 1;
        match self.came {
            None => {
                self.count.expected += 1;
                self.came = Some(u64::from(number));
            }
            Some(highest) => {
                let extended = extend(highest, number);
                if extended > highest {
                    self.count.expected += extended - highest;
                    self.came = Some(extended);
                }
            }
        }
    }

    /// Takes a report of the server; of what was reported before, nothing is taken again.
    fn reported(&mut self, report: &TransportLayerCc) {
        let base = report.base_sequence_number;
        let mut number = self
            .reported
            .map_or(u64::from(base), |highest| extend(highest, base));
        // A report begins with a packet that came: what lies between it and the one before was
        // lost, unless a report was lost between them.
        let follows = self.report.map(|last| last.wrapping_add(1)) == Some(report.fb_pkt_count);
        self.report = Some(report.fb_pkt_count);
        if let Some(highest) = self.reported.filter(|_| follows) {
            for lost in highest + 1..number {
                self.status(lost, SymbolTypeTcc::PacketNotReceived);
            }
        }
        let mut left = u64::from(report.packet_status_count);
        for chunk in &report.packet_chunks {
            match chunk {
                PacketStatusChunk::RunLengthChunk(run) => {
                    for _ in 0..u64::from(run.run_length).min(left) {
                        self.status(number, run.packet_status_symbol);
                        number += 1;
                    }
                    left = left.saturating_sub(run.run_length.into());
                }
                PacketStatusChunk::StatusVectorChunk(vector) => {
                    for symbol in vector.symbol_list.iter().take(left as usize) {
                        self.status(number, *symbol);
                        number += 1;
                    }
                    left = left.saturating_sub(vector.symbol_list.len() as u64);
                }
            }
        }
    }

    fn status(&mut self, number: u64, symbol: SymbolTypeTcc) {
        if self.reported.is_some_and(|highest| number <= highest) {
            return;
        }
        self.reported = Some(number);
        self.count.reported += 1;
        self.count.reported_lost += u64::from(symbol == SymbolTypeTcc::PacketNotReceived);
    }
}

/// The number with these low 16 bits that is nearest to `near`.
fn extend(near: u64, low: u16) -> u64 {
    let difference = i64::from(low.wrapping_sub(near as u16) as i16);
    near.saturating_add_signed(difference)
}

/// Reads key frame requests and transport-wide reports off what comes, and counts.
pub(super) struct Watch {
    key_frame: Arc<Notify>,
    line: Arc<LineCounters>,
    /// Identifier of the extension with the transport-wide number, once negotiated.
    extension: Option<u8>,
    incoming: VecDeque<TaggedPacket>,
    outgoing: VecDeque<TaggedPacket>,
}

impl Watch {
    pub(super) fn new(key_frame: Arc<Notify>, line: Arc<LineCounters>) -> Self {
        Self {
            key_frame,
            line,
            extension: None,
            incoming: VecDeque::new(),
            outgoing: VecDeque::new(),
        }
    }

    fn bound(&mut self, stream: &StreamInfo) {
        let known = &stream.rtp_header_extensions;
        let extension = known.iter().find(|known| known.uri == TRANSPORT_CC_URI);
        if let Some(id) = extension.and_then(|known| u8::try_from(known.id).ok()) {
            self.extension = Some(id);
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Watch {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = RtcError;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), RtcError> {
        match &packet.message.packet {
            Packet::Rtcp(reports) => {
                for report in reports.iter().map(|report| report.as_any()) {
                    if report.is::<PictureLossIndication>() || report.is::<FullIntraRequest>() {
                        self.key_frame.notify_one();
                    }
                    if let Some(report) = report.downcast_ref() {
                        self.line.with(|counting| counting.reported(report));
                    }
                }
            }
            Packet::Rtp(rtp) => {
                let number = self
                    .extension
                    .and_then(|id| rtp.header.get_extension(id))
                    .and_then(|octets| Some(u16::from_be_bytes(octets[..].try_into().ok()?)));
                let bytes = rtp.payload.len();
                self.line.with(|counting| counting.came(number, bytes));
            }
            _ => {}
        }
        self.incoming.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.incoming.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), RtcError> {
        if let Packet::Rtp(rtp) = &packet.message.packet
            && let Some(id) = self.extension
            && rtp.header.get_extension(id).is_some()
        {
            let bytes = rtp.payload.len() as u64;
            self.line
                .with(|counting| counting.count.sent_bytes += bytes);
        }
        self.outgoing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outgoing.pop_front()
    }
}

impl Interceptor for Watch {
    fn bind_local_stream(&mut self, stream: &StreamInfo) {
        self.bound(stream);
    }
    fn unbind_local_stream(&mut self, _stream: &StreamInfo) {}
    fn bind_remote_stream(&mut self, stream: &StreamInfo) {
        self.bound(stream);
    }
    fn unbind_remote_stream(&mut self, _stream: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::{RunLengthChunk, StatusChunkTypeTcc};

    fn report(fb_pkt_count: u8, base: u16, runs: &[(SymbolTypeTcc, u16)]) -> TransportLayerCc {
        TransportLayerCc {
            fb_pkt_count,
            base_sequence_number: base,
            packet_status_count: runs.iter().map(|(_, length)| length).sum(),
            packet_chunks: runs
                .iter()
                .map(|(symbol, length)| {
                    PacketStatusChunk::RunLengthChunk(RunLengthChunk {
                        type_tcc: StatusChunkTypeTcc::RunLengthChunk,
                        packet_status_symbol: *symbol,
                        run_length: *length,
                    })
                })
                .collect(),
            ..TransportLayerCc::default()
        }
    }

    #[test]
    fn what_the_server_reports_twice_is_counted_once_and_across_the_wrap() {
        use SymbolTypeTcc::{PacketNotReceived as Lost, PacketReceivedSmallDelta as Came};
        let mut counting = Counting::default();
        counting.reported(&report(0, 65_530, &[(Came, 4), (Lost, 1)]));
        counting.reported(&report(
            1,
            65_532,
            &[(Came, 2), (Lost, 1), (Came, 3), (Lost, 2)],
        ));
        assert_eq!(
            (counting.count.reported, counting.count.reported_lost),
            (10, 3)
        );
    }

    #[test]
    fn what_no_report_names_was_lost_unless_a_report_was() {
        let came = SymbolTypeTcc::PacketReceivedSmallDelta;
        let mut counting = Counting::default();
        counting.reported(&report(255, 10, &[(came, 5)]));
        counting.reported(&report(0, 17, &[(came, 3)]));
        assert_eq!(counting.count.reported_lost, 2);
        counting.reported(&report(2, 30, &[(came, 1)]));
        let count = counting.count;
        assert_eq!((count.reported, count.reported_lost), (11, 2));
    }

    #[test]
    fn gaps_in_the_numbers_are_losses_and_late_packets_are_none() {
        let mut counting = Counting::default();
        for number in [65_534, 65_535, 1, 0, 4] {
            counting.came(Some(number), 100);
        }
        let count = counting.count;
        assert_eq!((count.expected, count.received), (7, 5));
        assert_eq!(count.received_bytes, 500);
    }
}
