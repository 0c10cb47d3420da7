//! A client made of the same WebRTC stack, whose network has no delay.

use crate::{Mid, SessionId, Source, TrackKind};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

type StackMid = str0m::media::Mid;

/// A packet as its sender marked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) session: SessionId,
    pub(super) source: Source,
    pub(super) number: u64,
}

impl Mark {
    const BYTES: usize = 17;

    fn write(self, payload: &mut Vec<u8>) {
        payload.push(self.source as u8);
        payload.extend(self.session.0.to_be_bytes());
        payload.extend(self.number.to_be_bytes());
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let [source, rest @ ..] = payload.last_chunk::<{ Self::BYTES }>()?;
        let (session, number) = rest.split_first_chunk::<8>()?;
        Some(Self {
            source: SOURCES.into_iter().find(|known| *known as u8 == *source)?,
            session: SessionId(u64::from_be_bytes(*session)),
            number: u64::from_be_bytes(*number.first_chunk()?),
        })
    }
}

pub(super) const SOURCES: [Source; 3] = [Source::Microphone, Source::Camera, Source::Screen];

/// What a peer sends of one source.
#[derive(Debug, Default)]
struct Sending {
    mid: Option<StackMid>,
    seq: u64,
    timestamp: u32,
    number: u64,
}

pub(super) struct Peer {
    pub(super) session: SessionId,
    pub(super) address: SocketAddr,
    pub(super) deadline: Instant,
    pub(super) got: Vec<Option<Mark>>,
    pub(super) sent: Vec<(SocketAddr, Vec<u8>)>,
    rtc: Rtc,
    sending: BTreeMap<Source, Sending>,
}

impl Peer {
    pub(super) fn new(session: SessionId, address: SocketAddr, now: Instant) -> Self {
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a candidate"));
        Self {
            session,
            address,
            deadline: now,
            got: Vec::new(),
            sent: Vec::new(),
            rtc,
            sending: BTreeMap::new(),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// Nothing if there is nothing to change.
    pub(super) fn make_offer(
        &mut self,
        sources: &[Source],
        audio_slots: u8,
        video_slots: u8,
        restart_ice: bool,
    ) -> Option<(String, SdpPendingOffer)> {
        let mut change = self.rtc.sdp_api();
        if restart_ice {
            change.ice_restart(true);
        }
        for source in sources {
            let sending = self.sending.entry(*source).or_default();
            if sending.mid.is_none() {
                let kind = match source.kind() {
                    TrackKind::Audio => MediaKind::Audio,
                    TrackKind::Video => MediaKind::Video,
                };
                sending.mid = Some(change.add_media(kind, Direction::SendOnly, None, None, None));
            }
        }
        for (kind, count) in [
            (MediaKind::Audio, audio_slots),
            (MediaKind::Video, video_slots),
        ] {
            for _ in 0..count {
                change.add_media(kind, Direction::RecvOnly, None, None, None);
            }
        }
        let (offer, pending) = change.apply()?;
        Some((offer.to_sdp_string(), pending))
    }

    pub(super) fn sources(&self) -> BTreeMap<Mid, Source> {
        self.sending
            .iter()
            .filter_map(|(source, sending)| Some((Mid::new(sending.mid?.to_string()), *source)))
            .collect()
    }

    /// The offer was refused: its sections do not exist.
    pub(super) fn take_refusal(&mut self, pending: SdpPendingOffer) {
        drop(pending);
        let rtc = &self.rtc;
        self.sending
            .retain(|_, sending| sending.mid.is_some_and(|mid| rtc.media(mid).is_some()));
    }

    pub(super) fn take_answer(&mut self, pending: SdpPendingOffer, answer: &str, now: Instant) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("an answer in SDP");
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .expect("an answer that fits");
        self.time_passed(now);
    }

    /// Writes a packet whose number, time and payload begin anywhere. False if it cannot.
    pub(super) fn write(
        &mut self,
        source: Source,
        seq: i16,
        timestamp: i32,
        marker: bool,
        payload: &[u8],
        now: Instant,
    ) -> Option<Mark> {
        let codec = match source.kind() {
            TrackKind::Audio => Codec::Opus,
            TrackKind::Video => Codec::Vp8,
        };
        let payload_type = self.payload_type(codec)?;
        let sending = self.sending.get_mut(&source)?;
        // The sender's own stack must know the order.
        sending.seq += u64::from(seq.unsigned_abs() % 512) + 1;
        sending.timestamp = sending.timestamp.wrapping_add_signed(timestamp);
        let mark = Mark {
            session: self.session,
            source,
            number: sending.number,
        };
        sending.number += 1;
        let mut payload = payload[..payload.len().min(1_000)].to_vec();
        // A slot patches numbers in the payload descriptor, which must not reach the mark.
        payload.resize(payload.len().max(6), 0);
        mark.write(&mut payload);
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(sending.mid?, None)?;
        stream.write_rtp(
            RtpWrite::new(
                payload_type,
                sending.seq.into(),
                sending.timestamp,
                now,
                payload,
            )
            .marker(marker)
            .nackable(codec == Codec::Vp8),
        );
        self.time_passed(now);
        Some(mark)
    }

    pub(super) fn payload_type(&self, codec: Codec) -> Option<Pt> {
        self.rtc
            .codec_config()
            .params()
            .iter()
            .find(|params| params.spec().codec == codec)
            .map(|params| params.pt())
    }

    /// What its packets of a source carry: SSRC, and the name of the section.
    pub(super) fn stream(&mut self, source: Source) -> Option<(u32, String)> {
        let mid = self.sending.get(&source)?.mid?;
        let mut api = self.rtc.direct_api();
        let ssrc = api.stream_tx_by_mid(mid, None)?.ssrc();
        Some((*ssrc, mid.to_string()))
    }

    pub(super) fn close(&mut self, now: Instant) {
        // Whether or not it was connected: its good-bye is what counts.
        let _ = self.rtc.close();
        self.time_passed(now);
    }

    pub(super) fn time_passed(&mut self, now: Instant) {
        self.rtc
            .handle_input(Input::Timeout(now))
            .expect("a sound peer");
        self.drain();
    }

    pub(super) fn receive(&mut self, source: SocketAddr, bytes: &[u8], now: Instant) {
        let received = Receive::new(Protocol::Udp, source, self.address, bytes)
            .expect("the core sends what can be received");
        self.rtc
            .handle_input(Input::Receive(now, received))
            .expect("a sound peer");
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("a sound peer") {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
                Output::Transmit(transmit) => {
                    self.sent
                        .push((transmit.destination, transmit.contents.into()));
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    self.got.push(Mark::read(&packet.payload));
                }
                Output::Event(_) => {}
            }
        }
    }
}
