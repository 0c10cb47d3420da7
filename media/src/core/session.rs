//! One WebRTC session: the WebRTC stack of one client with its tracks and slots.

use super::checks::AnsweredChecks;
use super::encodings::Encodings;
use super::formats::Formats;
use super::line::Line;
use super::meter::{Meter, REPORT_INTERVAL};
use super::sections::Section;
use super::slot::{Forwarded, Slot, Written};
use super::tap::Tap;
use super::track_rate::TrackRate;
use crate::{
    Codec, DisconnectReason, Layer, MAX_LAYERS, MediaError, MediaLimits, Mid, PeerAddress, RoomId,
    Source, TrackKind, Transport,
};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use str0m::bwe::{Bitrate, Bwe, BweKind};
use str0m::change::SdpOffer;
use str0m::media::{KeyframeRequestKind, Rid};
use str0m::net::{Protocol, Receive, TcpType, Transmit};
use str0m::rtp::{RtpPacket, Ssrc};
use str0m::{Candidate, Rtc};

/// The stack's own name of a section.
type StackMid = str0m::media::Mid;

/// What can be repaired for a client: the last 3 s of a picture of 300 packets a second, which is
/// three rounds of the slowest cellular link.
const REPAIR_PACKETS: usize = 1_024;
const REPAIR_AGE: Duration = Duration::from_secs(3);
/// Repairs may take half of what is sent. The stack's own limit of 15 % gives up on a picture at
/// the 20 % loss that a phone at the edge of its cell has; none at all would let a client that
/// asks for everything twice double what it costs.
const REPAIR_SHARE: Option<f32> = Some(0.5);

/// A sender may change its codec so often. A change costs a new file of the record and new slots
/// for everybody, and no client has a reason to change to and fro.
const CODEC_STAYS: Duration = Duration::from_secs(1);

/// A client.
pub(super) struct Session {
    pub(super) room: RoomId,
    rtc: Rtc,
    created: Instant,
    pub(super) connected: bool,
    pub(super) last_heard: Instant,
    /// Oldest first.
    pub(super) addresses: VecDeque<PeerAddress>,
    pub(super) answered_checks: AnsweredChecks,
    pub(super) tracks: BTreeMap<Source, Track>,
    /// Outlives the tracks: a source that comes back begins a new stream.
    streams: BTreeMap<Source, u64>,
    by_ssrc: HashMap<Ssrc, Stream>,
    pub(super) slots: Vec<Slot>,
    pub(super) line: Line,
    pub(super) meter: Meter,
    /// What the client was last told to offer, until it offers again.
    pub(super) told_needed: Option<(u32, u32)>,
    /// Where the session stands in the core's deadlines.
    pub(super) scheduled: Option<Instant>,
    /// What the stack was told last: a few microseconds ahead of the core's clock after a burst.
    stack_now: Instant,
    /// Whether packets wait in the stack to be drained.
    pub(super) dirty: bool,
}

/// A section on which the client sends.
#[derive(Debug)]
pub(super) struct Track {
    mid: StackMid,
    pub(super) formats: Formats,
    /// Of the packets that come; before the first one, of those that are to be expected.
    pub(super) codec: Codec,
    codec_changed: Option<Instant>,
    /// Of each layer.
    ssrcs: [Option<Ssrc>; MAX_LAYERS],
    /// Of the stream of each layer.
    numbers: [u64; MAX_LAYERS],
    pub(super) encodings: Encodings,
    pub(super) rate: TrackRate,
    pub(super) flowing: bool,
    pub(super) tap: Tap,
    /// The layers that the client was last told somebody watches, and since when fewer are watched.
    pub(super) told_watched: Option<Watched>,
    pub(super) unwatched_since: Option<Instant>,
}

/// Which layers somebody watches.
pub(super) type Watched = [bool; MAX_LAYERS];

/// What is sent with one SSRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) source: Source,
    pub(super) layer: Layer,
    /// Counts the SSRCs of the source: one that comes back begins a new stream.
    pub(super) number: u64,
}

/// What the stack did while it was driven.
#[derive(Debug, Default)]
pub(super) struct Drained {
    pub(super) transmits: Vec<Transmit>,
    pub(super) happened: Vec<Happened>,
}

/// What the core must know of it.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are packets, and a box would be an allocation for each"
)]
#[derive(Debug)]
pub(super) enum Happened {
    Connected,
    /// A track is encoded in another way from the next packet on.
    CodecChanged,
    Packet {
        stream: Stream,
        packet: RtpPacket,
    },
    Paused {
        stream: Stream,
    },
    /// The figures of another interval are there.
    Measured,
    /// The client asks for a key frame of what fills a slot.
    KeyframeWanted {
        slot: usize,
    },
}

/// What an offer changed.
#[derive(Debug, Default)]
pub(super) struct TrackChanges {
    pub(super) started: Vec<Source>,
    pub(super) stopped: Vec<Source>,
}

impl Track {
    fn new(mid: StackMid, formats: Formats, codec: Codec, rids: Vec<Rid>) -> Self {
        Self {
            mid,
            formats,
            codec,
            codec_changed: None,
            ssrcs: [None; MAX_LAYERS],
            numbers: [0; MAX_LAYERS],
            encodings: Encodings::new(rids),
            rate: TrackRate::default(),
            flowing: false,
            tap: Tap::default(),
            told_watched: None,
            unwatched_since: None,
        }
    }
}

impl Session {
    pub(super) fn new(
        room: RoomId,
        candidates: &[SocketAddr],
        limits: &MediaLimits,
        now: Instant,
    ) -> Self {
        let config = Rtc::builder()
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .enable_bwe(Some(Bitrate::from(limits.first_estimate_bps)))
            .set_stats_interval(Some(REPORT_INTERVAL));
        let mut rtc = Formats::offer_all(config).build(now);
        for address in candidates {
            if let Ok(candidate) = Candidate::host(*address, "udp") {
                rtc.add_local_candidate(candidate);
            }
            // Clients open the connection, we never do (RFC 6544, section 4.1).
            let passive = Candidate::builder().tcp().host(*address);
            if let Ok(candidate) = passive.tcptype(TcpType::Passive).build() {
                rtc.add_local_candidate(candidate);
            }
        }
        Self {
            room,
            rtc,
            created: now,
            connected: false,
            last_heard: now,
            addresses: VecDeque::new(),
            answered_checks: AnsweredChecks::default(),
            tracks: BTreeMap::new(),
            streams: BTreeMap::new(),
            by_ssrc: HashMap::new(),
            slots: Vec::new(),
            line: Line::default(),
            meter: Meter::default(),
            told_needed: None,
            scheduled: None,
            stack_now: now,
            dirty: false,
        }
    }

    /// Since when the client has been silent, or been connecting.
    pub(super) fn quiet_since(&self) -> Instant {
        if self.connected {
            self.last_heard
        } else {
            self.created
        }
    }

    /// Our own ICE user fragment. An offer that restarts ICE changes it.
    pub(super) fn fragment(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Answers an offer. The session must be driven next.
    pub(super) fn accept(&mut self, offer: SdpOffer) -> Result<String, MediaError> {
        let rtc = &mut self.rtc;
        let answer = catch_unwind(AssertUnwindSafe(|| rtc.sdp_api().accept_offer(offer)));
        match answer {
            Ok(Ok(answer)) => Ok(answer.to_sdp_string()),
            Ok(Err(error)) => Err(MediaError::OfferRejected {
                reason: error.to_string(),
            }),
            Err(_) => {
                self.rtc.disconnect();
                Err(MediaError::OfferRejected {
                    reason: "the WebRTC stack failed on it".to_owned(),
                })
            }
        }
    }

    /// Whether the stack still works.
    pub(super) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// Takes over what an accepted offer says about tracks and slots.
    pub(super) fn negotiate(
        &mut self,
        sections: &[Section],
        sources: &BTreeMap<Mid, Source>,
    ) -> TrackChanges {
        let mut changes = TrackChanges::default();
        let mut slots = Vec::new();
        let mut tracks = BTreeMap::new();
        for section in sections {
            let mid = StackMid::from(section.mid.as_str());
            let Some(media) = self.rtc.media(mid) else {
                continue;
            };
            if media.disabled() {
                continue;
            }
            let direction = media.direction();
            let Some(formats) = Formats::of(&self.rtc, section) else {
                continue;
            };
            let Some(first) = formats.first() else {
                continue;
            };
            if direction.is_receiving()
                && let Some(source) = sources.get(&section.mid)
            {
                let rids: Vec<Rid> = section
                    .layers
                    .iter()
                    .map(|layer| Rid::from(layer.as_str()))
                    .collect();
                let kept = self.tracks.remove(source).filter(|track| {
                    track.mid == mid && track.formats == formats && track.encodings.rids() == rids
                });
                let track = kept.unwrap_or_else(|| Track::new(mid, formats.clone(), first, rids));
                tracks.insert(*source, track);
            }
            if direction.is_sending() {
                let mut api = self.rtc.direct_api();
                let Some(stream) = api.stream_tx_by_mid(mid, None) else {
                    continue;
                };
                let ssrc = stream.ssrc();
                let known = self
                    .slots
                    .iter()
                    .position(|slot| slot.mid == section.mid && slot.ssrc == ssrc);
                if known.is_none() {
                    stream.set_rtx_cache(REPAIR_PACKETS, REPAIR_AGE, REPAIR_SHARE);
                    // Senders have paced what they send, and layers are chosen so that it fits.
                    // What waited here in a pacer would only be old, and stand before the sound
                    // when a line has become narrow.
                    stream.set_unpaced(true);
                }
                let mut slot = match known {
                    Some(index) => self.slots.swap_remove(index),
                    None => Slot::new(section.mid.clone(), section.kind, ssrc),
                };
                slot.formats = formats;
                slots.push(slot);
            }
        }
        self.slots = slots;
        self.by_ssrc.clear();
        let before = std::mem::replace(&mut self.tracks, tracks);
        let now: Vec<Source> = self.tracks.keys().copied().collect();
        changes.stopped = before
            .into_keys()
            .filter(|source| !now.contains(source))
            .collect();
        changes.started = now;
        changes
    }

    fn kind_of(&self, mid: StackMid) -> TrackKind {
        match self.rtc.media(mid).map(str0m::media::Media::kind) {
            Some(str0m::media::MediaKind::Video) => TrackKind::Video,
            _ => TrackKind::Audio,
        }
    }

    /// Whether STUN has proved that the client is reached at `source`.
    pub(super) fn is_reached_at(
        &self,
        source: PeerAddress,
        destination: SocketAddr,
        now: Instant,
    ) -> bool {
        /// Any datagram that is not STUN: the stack then looks for a proved candidate pair.
        const DTLS: &[u8] = &[20];
        Receive::new(protocol(source), source.socket, destination, DTLS)
            .is_ok_and(|probe| self.rtc.accepts(&str0m::Input::Receive(now, probe)))
    }

    /// A connection has ended. Without this the stack would send there for 15 s more: the pair of
    /// the connection that the client opens instead has no higher priority. The session must be
    /// driven next.
    pub(super) fn lose_address(&mut self, address: PeerAddress) {
        self.addresses.retain(|known| *known != address);
        // Browsers do not say their ports, others may.
        for kind in ["prflx", "host"] {
            let gone = Candidate::from_sdp_string(&format!(
                "candidate:0 1 {} 1 {} {} typ {kind}",
                protocol(address),
                address.socket.ip(),
                address.socket.port()
            ));
            if let Ok(gone) = gone {
                self.rtc.direct_api().invalidate_candidate(&gone);
            }
        }
    }

    /// Feeds the stack and drains it, until it waits for a moment after `now`. Returns that moment.
    ///
    /// # Errors
    /// When the session has ended. What was drained until then is to be handled all the same.
    pub(super) fn drive(
        &mut self,
        input: str0m::Input<'_>,
        now: Instant,
        drained: &mut Drained,
    ) -> Result<Instant, DisconnectReason> {
        // A panic in the stack is a bug there; it ends this session and no other.
        match catch_unwind(AssertUnwindSafe(|| self.drive_stack(input, now, drained))) {
            Ok(outcome) => outcome,
            Err(_) => {
                self.rtc.disconnect();
                Err(DisconnectReason::Failed)
            }
        }
    }

    fn drive_stack(
        &mut self,
        input: str0m::Input<'_>,
        now: Instant,
        drained: &mut Drained,
    ) -> Result<Instant, DisconnectReason> {
        /// Of a burst so much leaves in one go: a key frame of 1 Mbit/s.
        const ROUNDS: usize = 64;
        /// The pacer lets out one packet, and wants to be told this much later before the next.
        const STEP: Duration = Duration::from_micros(1);

        self.dirty = false;
        self.rtc
            .handle_input(input)
            .map_err(|_| DisconnectReason::Failed)?;
        let mut closed = false;
        let mut deadline = now;
        // Probes find what a line carries only if they are apart from each other: a burst arrives
        // as one.
        let step = if self.line.is_probed(now) {
            Duration::ZERO
        } else {
            STEP
        };
        let mut at = now.max(self.stack_now);
        for round in 0..ROUNDS {
            if round > 0 {
                at = at.max(deadline);
                self.rtc
                    .handle_input(str0m::Input::Timeout(at))
                    .map_err(|_| DisconnectReason::Failed)?;
            }
            let before = drained.transmits.len();
            deadline = loop {
                match self
                    .rtc
                    .poll_output()
                    .map_err(|_| DisconnectReason::Failed)?
                {
                    str0m::Output::Timeout(at) => break at,
                    str0m::Output::Transmit(transmit) => drained.transmits.push(transmit),
                    str0m::Output::Event(str0m::Event::Closed) => closed = true,
                    str0m::Output::Event(event) => self.note(event, drained),
                }
            };
            if deadline > at + step || (round > 0 && drained.transmits.len() == before) {
                break;
            }
        }
        self.stack_now = at;
        match (closed, self.rtc.is_alive()) {
            (true, _) => Err(DisconnectReason::Closed),
            (false, false) => Err(DisconnectReason::Failed),
            (false, true) => Ok(deadline),
        }
    }

    fn note(&mut self, event: str0m::Event, drained: &mut Drained) {
        let happened = match event {
            str0m::Event::Connected => {
                let first = !self.connected;
                self.connected = true;
                first.then_some(Happened::Connected)
            }
            str0m::Event::RtpPacket(packet) => self
                .stream_of_packet(&packet, drained)
                .map(|stream| Happened::Packet { stream, packet }),
            str0m::Event::StreamPaused(paused) if paused.paused => self
                .stream_of(paused.ssrc)
                .map(|stream| Happened::Paused { stream }),
            str0m::Event::EgressBitrateEstimate(BweKind::Twcc {
                estimate,
                can_probe: true,
            }) => {
                self.line.estimate_bps = Some(estimate.as_u64());
                None
            }
            str0m::Event::PeerStats(stats) => {
                self.meter.peer(&stats);
                Some(Happened::Measured)
            }
            str0m::Event::MediaIngressStats(stats) => {
                self.meter.up(&stats, self.kind_of(stats.mid));
                None
            }
            str0m::Event::MediaEgressStats(stats) => {
                self.meter.down(&stats, self.kind_of(stats.mid));
                None
            }
            str0m::Event::KeyframeRequest(request) => self
                .slots
                .iter()
                .position(|slot| StackMid::from(slot.mid.as_str()) == request.mid)
                .map(|slot| Happened::KeyframeWanted { slot }),
            // The stack's own view of ICE is not used: a client that is not heard is gone after
            // `MediaLimits::silence`, whatever the state of its candidate pairs.
            _ => None,
        };
        drained.happened.extend(happened);
    }

    /// The stream of a packet. Another codec begins new streams, so that whoever gets the track
    /// waits for a key frame. Nothing for a payload type that was not agreed on, and for a codec
    /// that is not to be believed yet.
    fn stream_of_packet(&mut self, packet: &RtpPacket, drained: &mut Drained) -> Option<Stream> {
        let stream = self.stream_of(packet.header.ssrc)?;
        let track = self.tracks.get_mut(&stream.source)?;
        let codec = track.formats.codec(packet.header.payload_type)?;
        if track.codec == codec {
            return Some(stream);
        }
        let now = packet.timestamp;
        if track
            .codec_changed
            .is_some_and(|changed| now < changed + CODEC_STAYS)
        {
            return None;
        }
        track.codec = codec;
        track.codec_changed = Some(now);
        track.ssrcs = [None; MAX_LAYERS];
        self.by_ssrc
            .retain(|_, other| other.source != stream.source);
        drained.happened.push(Happened::CodecChanged);
        self.stream_of(packet.header.ssrc)
    }

    /// What is sent with `ssrc`. A new SSRC on a section begins a new stream of its source.
    fn stream_of(&mut self, ssrc: Ssrc) -> Option<Stream> {
        if let Some(stream) = self.by_ssrc.get(&ssrc) {
            return Some(*stream);
        }
        let mut api = self.rtc.direct_api();
        let received = api.stream_rx(&ssrc)?;
        let (mid, rid) = (received.mid(), received.rid());
        let (source, track) = self.tracks.iter_mut().find(|(_, track)| track.mid == mid)?;
        let layer = track.encodings.layer_of(rid)?;
        let number = self.streams.entry(*source).or_default();
        let before = track.ssrcs[layer.index()].replace(ssrc);
        // An offer makes all SSRCs unknown for a moment, without a new one being in use.
        if before != Some(ssrc) {
            *number += 1;
            if let Some(old) = before {
                self.by_ssrc.remove(&old);
            }
            track.numbers[layer.index()] = *number;
        }
        let stream = Stream {
            source: *source,
            layer,
            number: track.numbers[layer.index()],
        };
        self.by_ssrc.insert(ssrc, stream);
        Some(stream)
    }

    /// What comes next with the SSRC of `stream` does not follow from what came before: it is a
    /// new stream of its source.
    pub(super) fn begin_anew(&mut self, stream: Stream) -> Stream {
        let number = self.streams.entry(stream.source).or_default();
        *number += 1;
        let anew = Stream {
            number: *number,
            ..stream
        };
        if let Some(track) = self.tracks.get_mut(&stream.source) {
            track.numbers[stream.layer.index()] = anew.number;
            if let Some(ssrc) = track.ssrcs[stream.layer.index()] {
                self.by_ssrc.insert(ssrc, anew);
            }
        }
        anew
    }

    /// Writes a packet to a slot. The session must be driven next, or after more writes.
    pub(super) fn write(&mut self, slot: usize, packet: &Forwarded) -> Written {
        match self.slots.get_mut(slot) {
            Some(slot) => slot.write(&mut self.rtc, packet, self.line.carries_twofold_sound()),
            None => Written::default(),
        }
    }

    /// The bandwidth estimator of the stack.
    pub(super) fn estimator(&mut self) -> Bwe<'_> {
        self.rtc.bwe()
    }

    /// Asks the client for a key frame. False if it does not send that layer yet. The session
    /// must be driven next.
    pub(super) fn ask_keyframe(&mut self, source: Source, layer: Layer) -> bool {
        let Some(ssrc) = self
            .tracks
            .get(&source)
            .and_then(|track| track.ssrcs[layer.index()])
        else {
            return false;
        };
        match self.rtc.direct_api().stream_rx(&ssrc) {
            Some(stream) => {
                stream.request_keyframe(KeyframeRequestKind::Pli);
                true
            }
            None => false,
        }
    }

    /// Says good-bye to the client: RTCP BYE and the end of DTLS are drained.
    pub(super) fn close(&mut self, now: Instant, drained: &mut Drained) {
        if self.rtc.close().is_ok() {
            // Whatever comes of it, the session is over.
            let _ = self.drive(str0m::Input::Timeout(now), now, drained);
        }
        self.rtc.disconnect();
    }
}

/// What the stack calls the transport of an address.
pub(super) fn protocol(address: PeerAddress) -> Protocol {
    match address.transport {
        Transport::Udp => Protocol::Udp,
        Transport::Tcp => Protocol::Tcp,
    }
}

/// By what the stack wants a packet sent. It has candidates of these two kinds only.
pub(super) fn transport(protocol: Protocol) -> Transport {
    match protocol {
        Protocol::Udp => Transport::Udp,
        Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Transport::Tcp,
    }
}
