//! What the sending side reads and writes of RTCP (RFC 3550, RFC 3611, RFC 4585, RFC 5104,
//! draft-holmer-rmcat-transport-wide-cc-extensions-01). Nothing here allocates.

use std::slice;
use std::time::Duration;

/// Packet types (RFC 3550, section 12.1; RFC 4585, section 6.1).
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;

/// Formats of feedback for the transport (RFC 4585, section 6.2; draft-holmer, section 3.1) and for
/// the payload (RFC 4585, section 6.3; RFC 5104, section 4.3).
const NACK: u8 = 1;
const TRANSPORT_WIDE: u8 = 15;
const PLI: u8 = 1;
const FIR: u8 = 4;

/// Blocks of an extended report (RFC 3611, sections 4.4 and 4.5).
const REFERENCE_TIME: u8 = 4;
const DELAY_SINCE_REFERENCE: u8 = 5;

const VERSION: u8 = 2;
/// Bytes.
const HEADER: usize = 4;
const SSRC: usize = 4;
const SENDER_INFO: usize = 20;
const BLOCK: usize = 24;
const NACK_ENTRY: usize = 4;
const FIR_ENTRY: usize = 8;

/// What a packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// How one of our streams arrives, out of a sender or receiver report.
    ReportBlock(ReportBlock),
    /// Packets are missing.
    Nack {
        /// Of which stream.
        ssrc: u32,
        /// Which.
        lost: LostNumbers<'a>,
    },
    /// The decoder needs a key frame.
    Pli {
        /// Of which stream.
        ssrc: u32,
    },
    /// Somebody new needs a key frame. A client repeats it until it has one, so it is no request
    /// for one more.
    Fir {
        /// Of which stream.
        ssrc: u32,
    },
    /// Which packets arrived when.
    TransportFeedback {
        /// Feedback control information, from the base sequence number on, without padding.
        fci: &'a [u8],
    },
    /// A client that receives asks how far it is from us (RFC 3611, section 4.4).
    ReferenceTime {
        /// Who asks.
        ssrc: u32,
        /// The middle 32 bits of its NTP time.
        middle: u32,
    },
    /// A sender report's own part, BYE, REMB or anything else: for the stack that receives.
    Foreign,
}

/// How a stream arrives (RFC 3550, section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReportBlock {
    /// Which stream.
    pub(super) ssrc: u32,
    /// Lost since the report before, in 1/256 of what was expected.
    pub(super) fraction_lost: u8,
    /// In units of the stream's RTP timestamp.
    pub(super) jitter: u32,
    /// The middle 32 bits of the NTP time of our last sender report that came; 0: none has.
    pub(super) last_sr: u32,
    /// Since that came, in 1/65,536 s.
    pub(super) delay_since_last_sr: u32,
}

impl ReportBlock {
    fn of(bytes: &[u8; BLOCK]) -> Self {
        let [ssrc, lost, _highest_seq, jitter, last_sr, delay] = words(bytes);
        let [fraction_lost, ..] = lost.to_be_bytes();
        Self {
            ssrc,
            fraction_lost,
            jitter,
            last_sr,
            delay_since_last_sr: delay,
        }
    }

    /// The time from us to the peer and back, when the block came at `now_ntp` (32.32 seconds,
    /// of the clock that our sender reports tell). `None` before the peer has a sender report, and
    /// for a time that cannot be.
    pub(super) fn round_trip(&self, now_ntp: u64) -> Option<Duration> {
        if self.last_sr == 0 {
            return None;
        }
        let middle = (now_ntp >> 16) as u32;
        let units = middle
            .wrapping_sub(self.last_sr)
            .wrapping_sub(self.delay_since_last_sr);
        // Half of the clock's round of 18 hours stands for what is below zero.
        if units.cast_signed() < 0 {
            return None;
        }
        Some(Duration::from_nanos(
            (u64::from(units) * 1_000_000_000) >> 16,
        ))
    }
}

/// The sequence numbers that a NACK names (RFC 4585, section 6.2.1): up to 17 for each 4 bytes, so
/// some 6,000 in a datagram of 1,500 bytes.
#[derive(Debug, Clone)]
pub(super) struct LostNumbers<'a> {
    entries: slice::Iter<'a, [u8; NACK_ENTRY]>,
    /// The first of the present entry.
    first: u16,
    /// Bit `n`: `first + n` is lost, and not named yet.
    lost: u32,
}

impl<'a> LostNumbers<'a> {
    fn of(fci: &'a [u8]) -> Self {
        Self {
            entries: fci.as_chunks().0.iter(),
            first: 0,
            lost: 0,
        }
    }
}

impl Iterator for LostNumbers<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.lost == 0 {
            let [a, b, c, d] = *self.entries.next()?;
            self.first = u16::from_be_bytes([a, b]);
            self.lost = u32::from(u16::from_be_bytes([c, d])) << 1 | 1;
        }
        let place = self.lost.trailing_zeros() as u16;
        self.lost &= self.lost - 1;
        Some(self.first.wrapping_add(place))
    }
}

impl PartialEq for LostNumbers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl Eq for LostNumbers<'_> {}

/// Whether a datagram of a path that carries SRTP too is SRTCP (RFC 5761, section 4).
pub(super) fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, kind, ..] if first >> 6 == VERSION && (192..224).contains(kind))
}

/// Reads a compound packet, up to the first packet of it that is malformed. Receiver reports
/// without blocks and source descriptions say nothing.
pub(super) fn read(compound: &[u8]) -> Messages<'_> {
    Messages {
        rest: compound,
        blocks: [].iter(),
        firs: [].iter(),
    }
}

/// What a compound packet says, in its order.
#[derive(Debug, Clone)]
pub(super) struct Messages<'a> {
    /// Packets that are not read yet.
    rest: &'a [u8],
    /// What is left of a packet that says several things.
    blocks: slice::Iter<'a, [u8; BLOCK]>,
    firs: slice::Iter<'a, [u8; FIR_ENTRY]>,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        loop {
            if let Some(block) = self.blocks.next() {
                return Some(Message::ReportBlock(ReportBlock::of(block)));
            }
            if let Some(fir) = self.firs.next() {
                let [ssrc, _] = words(fir);
                return Some(Message::Fir { ssrc });
            }
            // What follows a malformed packet cannot be found.
            let packet = Packet::split(&mut self.rest);
            match packet.and_then(|packet| self.begin(&packet)) {
                Some(Some(message)) => return Some(message),
                Some(None) => {}
                None => {
                    self.rest = &[];
                    return None;
                }
            }
        }
    }
}

impl<'a> Messages<'a> {
    /// The first of what a packet says, unless that is in the lists of what is left. `None` if it
    /// is malformed.
    fn begin(&mut self, packet: &Packet<'a>) -> Option<Option<Message<'a>>> {
        match (packet.kind, packet.count) {
            (SENDER_REPORT, blocks) => {
                self.blocks = report_blocks(packet.body.get(SSRC + SENDER_INFO..)?, blocks)?;
                Some(Some(Message::Foreign))
            }
            (RECEIVER_REPORT, blocks) => {
                self.blocks = report_blocks(packet.body.get(SSRC..)?, blocks)?;
                Some(None)
            }
            (SOURCE_DESCRIPTION, _) => Some(None),
            (TRANSPORT_FEEDBACK, NACK) => {
                let (ssrc, fci) = packet.feedback()?;
                let lost = LostNumbers::of(fci);
                Some(Some(Message::Nack { ssrc, lost }))
            }
            (TRANSPORT_FEEDBACK, TRANSPORT_WIDE) => {
                let (_, fci) = packet.feedback()?;
                Some(Some(Message::TransportFeedback { fci }))
            }
            (PAYLOAD_FEEDBACK, PLI) => {
                let (ssrc, _) = packet.feedback()?;
                Some(Some(Message::Pli { ssrc }))
            }
            (PAYLOAD_FEEDBACK, FIR) => {
                let (_, fci) = packet.feedback()?;
                self.firs = fci.as_chunks().0.iter();
                Some(None)
            }
            (EXTENDED_REPORT, _) => Some(Some(packet.reference_time().unwrap_or(Message::Foreign))),
            _ => Some(Some(Message::Foreign)),
        }
    }
}

fn report_blocks(bytes: &[u8], count: u8) -> Option<slice::Iter<'_, [u8; BLOCK]>> {
    Some(bytes.as_chunks().0.get(..count.into())?.iter())
}

/// One packet of a compound packet.
struct Packet<'a> {
    kind: u8,
    /// The count of its parts, or which format it has: 5 bits.
    count: u8,
    /// Behind the first word, without padding.
    body: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Takes the next one from `rest`. `None` if there is none, or none that is whole.
    fn split(rest: &mut &'a [u8]) -> Option<Self> {
        let ([first, kind, length @ ..], _) = rest.split_first_chunk::<HEADER>()?;
        if first >> 6 != VERSION {
            return None;
        }
        // In words, and one less than it has.
        let length = HEADER * (usize::from(u16::from_be_bytes(*length)) + 1);
        let (packet, behind) = rest.split_at_checked(length)?;
        *rest = behind;
        let body = packet.get(HEADER..)?;
        let padding = match body.last() {
            _ if first & 0x20 == 0 => 0,
            Some(padding @ 1..) => usize::from(*padding),
            _ => return None,
        };
        Some(Self {
            kind: *kind,
            count: first & 0x1f,
            body: body.get(..body.len().checked_sub(padding)?)?,
        })
    }

    /// The question of an extended report that holds nothing else.
    fn reference_time(&self) -> Option<Message<'a>> {
        let [ssrc, head, seconds, fraction] = words::<16, 4>(self.body.try_into().ok()?);
        let [kind, _, length @ ..] = head.to_be_bytes();
        (kind == REFERENCE_TIME && length == [0, 2]).then_some(Message::ReferenceTime {
            ssrc,
            middle: seconds << 16 | fraction >> 16,
        })
    }

    /// Whom feedback is about, and what it says (RFC 4585, section 6.1).
    fn feedback(&self) -> Option<(u32, &'a [u8])> {
        let (ssrcs, fci) = self.body.split_first_chunk::<{ 2 * SSRC }>()?;
        let [_sender, media] = words(ssrcs);
        Some((media, fci))
    }
}

/// The big-endian words of `bytes`, which has that many.
fn words<const BYTES: usize, const WORDS: usize>(bytes: &[u8; BYTES]) -> [u32; WORDS] {
    const { assert!(BYTES == 4 * WORDS) };
    let (chunks, _) = bytes.as_chunks();
    std::array::from_fn(|word| u32::from_be_bytes(chunks[word]))
}

/// When and how much of a stream was sent (RFC 3550, section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SenderReport {
    /// Which stream.
    pub(super) ssrc: u32,
    /// Now, in 32.32 seconds.
    pub(super) ntp: u64,
    /// Now, in units of the stream's RTP timestamp.
    pub(super) rtp_timestamp: u32,
    /// Packets sent since the start.
    pub(super) packets: u32,
    /// Bytes of payload sent since the start.
    pub(super) octets: u32,
}

impl SenderReport {
    /// Bytes.
    pub(super) const LENGTH: usize = HEADER + SSRC + SENDER_INFO;

    /// Appends the packet, without report blocks.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        const WORDS_LESS_ONE: u16 = (SenderReport::LENGTH / 4 - 1) as u16;
        out.extend_from_slice(&[VERSION << 6, SENDER_REPORT]);
        out.extend_from_slice(&WORDS_LESS_ONE.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&self.ntp.to_be_bytes());
        for word in [self.rtp_timestamp, self.packets, self.octets] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// The answer to a [`Message::ReferenceTime`] (RFC 3611, section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReferenceAnswer {
    /// Who answers.
    pub(super) ssrc: u32,
    /// Who asked.
    pub(super) asked_by: u32,
    /// What it said.
    pub(super) middle: u32,
    /// Since that came.
    pub(super) delay: Duration,
}

impl ReferenceAnswer {
    /// Appends the packet.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // In 1/65,536 s.
        let delay = (self.delay.as_micros() << 16) / 1_000_000;
        let delay = u32::try_from(delay).unwrap_or(u32::MAX);
        out.extend_from_slice(&[VERSION << 6, EXTENDED_REPORT, 0, 5]);
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&[DELAY_SINCE_REFERENCE, 0, 0, 3]);
        for word in [self.asked_by, self.middle, delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One packet: its first byte, its type, its body in words.
    fn packet(first: u8, kind: u8, words: &[u32]) -> Vec<u8> {
        let length = u16::try_from(words.len()).unwrap();
        let mut bytes = vec![first, kind];
        bytes.extend(length.to_be_bytes());
        bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        bytes
    }

    fn messages(compound: &[u8]) -> Vec<Message<'_>> {
        read(compound).collect()
    }

    fn lost(compound: &[u8]) -> Vec<u16> {
        match messages(compound).as_slice() {
            [Message::Nack { ssrc: 7, lost }] => lost.clone().collect(),
            other => panic!("{other:?}"),
        }
    }

    const BLOCK_WORDS: [u32; 6] = [
        0x0102_0304,
        0x40ff_fffe,
        0x0001_fffe,
        90,
        0xb705_2000,
        0x0005_4000,
    ];
    const REPORT: ReportBlock = ReportBlock {
        ssrc: 0x0102_0304,
        fraction_lost: 64,
        jitter: 90,
        last_sr: 0xb705_2000,
        delay_since_last_sr: 0x0005_4000,
    };

    #[test]
    fn the_blocks_of_both_kinds_of_report_are_read_and_a_senders_own_part_is_foreign() {
        let blocks = [BLOCK_WORDS, BLOCK_WORDS].concat();
        let receiver = packet(0x82, 201, &[&[9], blocks.as_slice()].concat());
        let report = Message::ReportBlock(REPORT);
        assert_eq!(messages(&receiver), [report.clone(), report.clone()]);

        let sender = packet(0x81, 200, &[&[9; 6], BLOCK_WORDS.as_slice()].concat());
        assert_eq!(messages(&sender), [Message::Foreign, report.clone()]);
        // More blocks than it says: a profile's extension.
        let extended = packet(0x81, 201, &[&[9], blocks.as_slice()].concat());
        assert_eq!(messages(&extended), [report]);
    }

    #[test]
    fn the_packet_and_the_bits_behind_it_are_lost() {
        let nack = packet(0x81, 205, &[9, 7, 0x0010_8001, 0xffff_0002]);
        assert_eq!(lost(&nack), [0x10, 0x11, 0x20, 0xffff, 1]);
        let all = packet(0x81, 205, &[9, 7, 0x0010_ffff]);
        assert_eq!(lost(&all), (0x10..=0x20).collect::<Vec<_>>());
        assert_eq!(lost(&packet(0x81, 205, &[9, 7])), [0; 0]);
    }

    #[test]
    fn requests_for_key_frames_name_their_streams() {
        assert_eq!(
            messages(&packet(0x81, 206, &[9, 7])),
            [Message::Pli { ssrc: 7 }]
        );
        let fir = packet(0x84, 206, &[9, 0, 7, 0x0100_0000, 8, 0x0200_0000]);
        assert_eq!(
            messages(&fir),
            [Message::Fir { ssrc: 7 }, Message::Fir { ssrc: 8 }]
        );
    }

    #[test]
    fn the_padding_of_transport_wide_feedback_is_none_of_it() {
        let padded = packet(0xaf, 205, &[9, 7, 0x0001_0002, 0x0300_0002]);
        let fci = [0, 1, 0, 2, 3, 0].as_slice();
        assert_eq!(messages(&padded), [Message::TransportFeedback { fci }]);
        for padding in [0, 17, 255] {
            assert_eq!(
                messages(&packet(0xaf, 205, &[9, 7, 0, padding])),
                [],
                "{padding}"
            );
        }
    }

    #[test]
    fn what_only_the_receiving_side_knows_is_foreign() {
        let bye = packet(0x81, 203, &[9]);
        let app = packet(0x80, 204, &[9, 0]);
        let extended_report = packet(0x80, 207, &[9]);
        let remb = packet(0x8f, 206, &[9, 0, u32::from_be_bytes(*b"REMB"), 0]);
        let tmmbr = packet(0x83, 205, &[9, 0]);
        for foreign in [bye, app, extended_report, remb, tmmbr] {
            assert_eq!(messages(&foreign), [Message::Foreign], "{foreign:?}");
        }
        let description = packet(0x81, 202, &[9, 0x0100_0000]);
        let empty = packet(0x80, 201, &[9]);
        assert_eq!(messages(&[empty, description].concat()), []);
    }

    #[test]
    fn reading_stops_at_the_first_malformed_packet() {
        let pli = packet(0x81, 206, &[9, 7]);
        let malformed = [
            packet(0x41, 206, &[9, 7]), // another version
            packet(0x81, 206, &[9]),    // no media SSRC
            packet(0x82, 201, &[9; 7]), // a block missing
            packet(0x80, 200, &[9; 5]), // no sender info
            packet(0xa0, 201, &[]),     // padding in nothing
            vec![0x81, 206, 0, 200, 9], // longer than what came
            vec![0x81, 206],            // cut off
        ];
        for malformed in malformed {
            let compound = [pli.clone(), malformed, pli.clone()].concat();
            assert_eq!(messages(&compound), [Message::Pli { ssrc: 7 }]);
        }
    }

    #[test]
    fn a_round_trip_is_what_the_peer_did_not_take_for_itself() {
        // RFC 3550, figure 2: 11.375 s, of which the peer took 5.25 s.
        let now = 0xb44d_b710_8000_0000;
        assert_eq!(REPORT.round_trip(now), Some(Duration::from_millis(6_125)));

        let wrapped = ReportBlock {
            last_sr: 0xffff_8000,
            delay_since_last_sr: 0x4000,
            ..REPORT
        };
        let soon = 0x0000_0000_8000_0000;
        assert_eq!(wrapped.round_trip(soon), Some(Duration::from_millis(750)));
    }

    #[test]
    fn there_is_no_round_trip_without_a_report_of_ours_or_into_the_past() {
        let none = ReportBlock {
            last_sr: 0,
            ..REPORT
        };
        assert_eq!(none.round_trip(0xb44d_b710_8000_0000), None);
        for delay_since_last_sr in [0x000b_6001, 0x0020_0000] {
            let slow = ReportBlock {
                delay_since_last_sr,
                ..REPORT
            };
            assert_eq!(slow.round_trip(0xb44d_b710_8000_0000), None);
        }
    }

    #[test]
    fn a_sender_report_is_what_another_stack_reads() {
        use rtc_shared::marshal::Unmarshal;

        let report = SenderReport {
            ssrc: 0x0102_0304,
            ntp: 0xda8b_d1fc_dddd_a05a,
            rtp_timestamp: 0xaaf4_edd5,
            packets: 1,
            octets: 2,
        };
        let mut out = vec![1, 2, 3];
        report.write(&mut out);
        assert_eq!(out.len(), 3 + SenderReport::LENGTH);
        let read = rtc_rtcp::sender_report::SenderReport::unmarshal(&mut &out[3..]).unwrap();
        assert_eq!(
            (read.ssrc, read.ntp_time, read.rtp_time),
            (report.ssrc, report.ntp, report.rtp_timestamp)
        );
        assert_eq!((read.packet_count, read.octet_count), (1, 2));
        assert_eq!(read.reports, []);
    }

    /// Packets as another stack writes them.
    mod written_by_another_stack {
        use super::*;
        use rtc_rtcp::extended_report::{
            DLRRReport, DLRRReportBlock, ExtendedReport, ReceiverReferenceTimeReportBlock,
        };
        use rtc_rtcp::receiver_report::ReceiverReport;
        use rtc_rtcp::reception_report::ReceptionReport;
        use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
            TransportLayerNack, nack_pairs_from_sequence_numbers,
        };
        use rtc_shared::marshal::Marshal;

        #[test]
        fn a_question_for_the_distance_is_read_and_answered() {
            let question = ExtendedReport {
                sender_ssrc: 9,
                reports: vec![Box::new(ReceiverReferenceTimeReportBlock {
                    ntp_timestamp: 0x0102_0304_0506_0708,
                })],
            };
            let asked = Message::ReferenceTime {
                ssrc: 9,
                middle: 0x0304_0506,
            };
            let question = question.marshal().unwrap();
            assert!(read(&question).eq([asked]));

            let mut answer = Vec::new();
            ReferenceAnswer {
                ssrc: 7,
                asked_by: 9,
                middle: 0x0304_0506,
                delay: Duration::from_millis(1_500),
            }
            .write(&mut answer);
            let expected = ExtendedReport {
                sender_ssrc: 7,
                reports: vec![Box::new(DLRRReportBlock {
                    reports: vec![DLRRReport {
                        ssrc: 9,
                        last_rr: 0x0304_0506,
                        dlrr: 3 << 15,
                    }],
                })],
            };
            assert_eq!(answer, expected.marshal().unwrap());
            assert!(read(&answer).eq([Message::Foreign]));
        }

        proptest! {
            #[test]
            fn nacks_name_the_same_numbers(numbers in prop::collection::btree_set(any::<u16>(), 1..100)) {
                let numbers: Vec<u16> = numbers.into_iter().collect();
                let nack = TransportLayerNack {
                    sender_ssrc: 9,
                    media_ssrc: 7,
                    nacks: nack_pairs_from_sequence_numbers(&numbers),
                };
                prop_assert_eq!(lost(&nack.marshal().unwrap()), numbers);
            }

            #[test]
            fn report_blocks_have_the_same_figures(
                ssrc: u32,
                fraction_lost: u8,
                total_lost in 0_u32..1 << 23,
                last_sequence_number: u32,
                jitter: u32,
                last_sender_report: u32,
                delay: u32,
            ) {
                let report = ReceiverReport {
                    ssrc: 9,
                    reports: vec![ReceptionReport {
                        ssrc,
                        fraction_lost,
                        total_lost,
                        last_sequence_number,
                        jitter,
                        last_sender_report,
                        delay,
                    }],
                    ..Default::default()
                };
                let expected = ReportBlock {
                    ssrc,
                    fraction_lost,
                    jitter,
                    last_sr: last_sender_report,
                    delay_since_last_sr: delay,
                };
                let bytes = report.marshal().unwrap();
                prop_assert_eq!(messages(&bytes), [Message::ReportBlock(expected)]);
            }
        }
    }

    proptest! {
        /// Also nearly right ones: a type that exists, a length that fits.
        #[test]
        fn garbage_is_read_to_an_end(
            first: u8,
            kind in prop_oneof![any::<u8>(), 200..=207_u8],
            words in prop::collection::vec(any::<u32>(), 0..40),
            behind in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let compound = [packet(first, kind, &words), behind].concat();
            for message in read(&compound) {
                if let Message::Nack { lost, .. } = message {
                    prop_assert!(lost.count() <= 17 * compound.len() / NACK_ENTRY);
                }
            }
            prop_assert!(read(&compound[1..]).count() <= compound.len());
        }
    }
}
