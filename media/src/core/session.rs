//! One WebRTC session: the WebRTC stack of one client with its tracks and slots.

use super::checks::AnsweredChecks;
use super::egress::{Egress, ExtensionIds, Outgoing, Taken};
use super::encodings::Encodings;
use super::formats::Formats;
use super::keyframes::Encoded;
use super::keys;
use super::line::Line;
use super::meter::{Meter, REPORT_INTERVAL};
use super::outputs::{Outputs, Path};
use super::sections::Section;
use super::slot::{Forwarded, Slot};
use super::stun;
use super::tap::Tap;
use super::track_rate::TrackRate;
use super::transport_numbers::TransportNumbers;
use crate::{
    Codec, DisconnectReason, Layer, MAX_LAYERS, MediaError, MediaLimits, Mid, PeerAddress, RoomId,
    Source, TrackKind, Transport,
};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use str0m::change::SdpOffer;
use str0m::media::{KeyframeRequestKind, Rid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{RawPacket, RtpPacket, Ssrc};
use str0m::{Candidate, Rtc};

/// The stack's own name of a section.
type StackMid = str0m::media::Mid;

/// A sender may change its codec so often. A change costs a new file of the record and new slots
/// for everybody, and no client has a reason to change to and fro.
const CODEC_STAYS: Duration = Duration::from_secs(1);

/// A client.
pub(super) struct Session {
    pub(super) room: RoomId,
    /// Far larger than all else, and not needed for what is forwarded.
    rtc: Box<Rtc>,
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
    pub(super) transport_numbers: TransportNumbers,
    pub(super) slots: Vec<Slot>,
    pub(super) egress: Egress,
    /// What of the present burst is to be sent: for which slot, and its place in the burst.
    pub(super) waiting: Vec<(usize, usize)>,
    pub(super) line: Line,
    pub(super) meter: Meter,
    /// What the client was last told to offer, until it offers again.
    pub(super) told_needed: Option<(u32, u32)>,
    /// Where the session stands in the core's deadlines.
    pub(super) scheduled: Option<Instant>,
    /// When the stack wants to be driven again.
    pub(super) stack_at: Instant,
    /// Whether the core knows that something waits here.
    pub(super) dirty: bool,
    /// Whether some of it waits in the stack.
    pub(super) stack_waits: bool,
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

/// What the core must know of a session that was driven.
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
            // Every packet that was found genuine, padding too: see `transport_numbers`.
            .enable_raw_packets(true)
            .set_stats_interval(Some(REPORT_INTERVAL));
        let (mut rtc, keyhole) = keys::watched(|crypto| {
            let config = Formats::offer_all(config).set_crypto_provider(crypto);
            config.build(now)
        });
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
            rtc: Box::new(rtc),
            created: now,
            connected: false,
            last_heard: now,
            addresses: VecDeque::new(),
            answered_checks: AnsweredChecks::default(),
            tracks: BTreeMap::new(),
            streams: BTreeMap::new(),
            by_ssrc: HashMap::new(),
            transport_numbers: TransportNumbers::default(),
            slots: Vec::new(),
            egress: Egress::new(keyhole, limits.first_estimate_bps, now),
            waiting: Vec::new(),
            line: Line::default(),
            meter: Meter::default(),
            told_needed: None,
            scheduled: None,
            stack_at: now,
            dirty: false,
            stack_waits: false,
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
        for slot in &self.slots {
            // So that the answer says again what it said before.
            let Outgoing {
                ssrc, repair_ssrc, ..
            } = slot.outgoing;
            let repair_ssrc = repair_ssrc.map(Ssrc::from);
            let mid = slot.mid.as_str().into();
            rtc.direct_api()
                .declare_stream_tx(ssrc.into(), repair_ssrc, mid, None);
        }
        let answer = catch_unwind(AssertUnwindSafe(|| rtc.sdp_api().accept_offer(offer)));
        if !matches!(answer, Ok(Ok(_))) {
            for slot in &self.slots {
                let ssrc = slot.outgoing.ssrc.into();
                self.rtc.direct_api().remove_stream_tx(ssrc);
            }
        }
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
            let outgoing = self.take_stream_out(mid, section.kind);
            let Some(media) = self.rtc.media(mid) else {
                continue;
            };
            if media.disabled() {
                continue;
            }
            self.transport_numbers.agree(media.remote_extmap());
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
            if direction.is_sending()
                && let Some(outgoing) = outgoing
            {
                let ids = ExtensionIds::of(media.remote_extmap());
                let known = self.slots.iter().position(|slot| {
                    slot.mid == section.mid && slot.outgoing.ssrc == outgoing.ssrc
                });
                let mut slot = match known {
                    Some(index) => self.slots.swap_remove(index),
                    None => Slot::new(section.mid.clone(), section.kind, outgoing),
                };
                slot.outgoing.agree(ids, formats.repairs());
                slot.formats = formats;
                slots.push(slot);
            }
        }
        self.slots = slots;
        self.egress.agree(&self.slots);
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

    /// Takes the stream that the stack would send in a section. It may not send with an SSRC that
    /// the egress sends with; nor may it keep one of a section that is not sent in now, and bring
    /// it back later: the numbers of the stream would begin anew under the same SSRC, and packets
    /// be encrypted with nonces that were used (RFC 7714, section 8.4).
    fn take_stream_out(&mut self, mid: StackMid, kind: TrackKind) -> Option<Outgoing> {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None)?;
        let (ssrc, repair_ssrc) = (stream.ssrc(), stream.rtx());
        api.remove_stream_tx(ssrc);
        let repair_ssrc = repair_ssrc.map(|ssrc| *ssrc);
        Some(Outgoing::new(*ssrc, repair_ssrc, kind.clock_rate_hz()))
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
        let path = &mut self.egress.path;
        path.take_if(|path| path.destination == address);
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

    /// Feeds the stack and drains it, until it waits for a later moment.
    ///
    /// # Errors
    /// When the session has ended. What was drained until then is to be handled all the same.
    pub(super) fn drive(
        &mut self,
        input: str0m::Input<'_>,
        outputs: &mut Outputs,
        happened: &mut Vec<Happened>,
    ) -> Result<(), DisconnectReason> {
        let driven = || self.drive_stack(input, outputs, happened);
        // A panic in the stack is a bug there; it ends this session and no other.
        match catch_unwind(AssertUnwindSafe(driven)) {
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
        outputs: &mut Outputs,
        happened: &mut Vec<Happened>,
    ) -> Result<(), DisconnectReason> {
        self.rtc
            .handle_input(input)
            .map_err(|_| DisconnectReason::Failed)?;
        let mut closed = false;
        loop {
            let output = self.rtc.poll_output();
            match output.map_err(|_| DisconnectReason::Failed)? {
                str0m::Output::Timeout(at) => {
                    self.stack_at = at;
                    break;
                }
                str0m::Output::Transmit(transmit) => {
                    let path = Path {
                        source: transmit.source,
                        destination: PeerAddress {
                            transport: transport(transmit.proto),
                            socket: transmit.destination,
                        },
                    };
                    // Answers to checks go back to where these came from, all else where the
                    // client is reached.
                    if !stun::is_stun(&transmit.contents) {
                        self.egress.path.get_or_insert(path);
                    }
                    outputs.send(path, |buffer| buffer.extend_from_slice(&transmit.contents));
                }
                str0m::Output::Event(str0m::Event::Closed) => closed = true,
                str0m::Output::Event(event) => self.note(event, happened),
            }
        }
        match (closed, self.rtc.is_alive()) {
            (true, _) => Err(DisconnectReason::Closed),
            (false, false) => Err(DisconnectReason::Failed),
            (false, true) => Ok(()),
        }
    }

    /// When the session has something to do.
    pub(super) fn deadline(&self) -> Instant {
        match self.egress.deadline() {
            Some(at) => at.min(self.stack_at),
            None => self.stack_at,
        }
    }

    fn note(&mut self, event: str0m::Event, told: &mut Vec<Happened>) {
        let happened = match event {
            str0m::Event::Connected => {
                let first = !self.connected;
                self.connected = self.egress.is_open();
                first.then_some(Happened::Connected)
            }
            str0m::Event::RtpPacket(packet) => self
                .stream_of_packet(&packet, told)
                .map(|stream| Happened::Packet { stream, packet }),
            str0m::Event::RawPacket(packet) => {
                if let RawPacket::RtpRx(header, _) = *packet
                    && let Some(number) = header.ext_vals.transport_cc
                {
                    self.transport_numbers.note(number);
                }
                None
            }
            str0m::Event::StreamPaused(paused) if paused.paused => self
                .stream_of(paused.ssrc)
                .map(|stream| Happened::Paused { stream }),
            str0m::Event::PeerStats(stats) => {
                self.meter.peer(&stats, &mut self.egress, &self.slots);
                Some(Happened::Measured)
            }
            str0m::Event::MediaIngressStats(stats) => {
                self.meter.up(&stats, self.kind_of(stats.mid));
                None
            }
            // The stack's own view of ICE is not used: a client that is not heard is gone after
            // `MediaLimits::silence`, whatever the state of its candidate pairs.
            _ => None,
        };
        told.extend(happened);
    }

    /// The stream of a packet. Another codec begins new streams, so that whoever gets the track
    /// waits for a key frame. Nothing for a payload type that was not agreed on, and for a codec
    /// that is not to be believed yet.
    fn stream_of_packet(&mut self, packet: &RtpPacket, told: &mut Vec<Happened>) -> Option<Stream> {
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
        told.push(Happened::CodecChanged);
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

    /// Sends what of `burst` waits for the client. Returns how many packets that were; `awaited`
    /// is told of the layers that somebody must send a key frame of.
    pub(super) fn send_waiting(
        &mut self,
        burst: &[Forwarded],
        now: Instant,
        outputs: &mut Outputs,
        awaited: &mut Vec<Encoded>,
    ) -> u64 {
        let twofold = self.carries_twofold_sound();
        let mut sent = 0;
        for (slot, place) in self.waiting.drain(..) {
            let (Some(slot), Some(packet)) = (self.slots.get_mut(slot), burst.get(place)) else {
                continue;
            };
            let (track, _) = packet.incoming.origin;
            // The slots may have changed since the packet came.
            if slot.track() != Some(track) {
                continue;
            }
            let written = slot.send(&mut self.egress, packet, twofold, now, outputs);
            sent += u64::from(written.sent);
            awaited.extend(written.awaits.map(|layer| (track, layer)));
        }
        sent
    }

    /// Takes RTCP of the client, if the keys are there to read it.
    pub(super) fn take_rtcp(
        &mut self,
        packet: &[u8],
        now: Instant,
        outputs: &mut Outputs,
        happened: &mut Vec<Happened>,
    ) -> Taken {
        if !self.connected {
            return Taken::ForTheStack;
        }
        let wants_keyframe = |slot| happened.push(Happened::KeyframeWanted { slot });
        let taken = self
            .egress
            .take(packet, &mut self.slots, now, outputs, wants_keyframe);
        if taken == Taken::ForTheStack && self.tracks.is_empty() {
            // Of a client that sends nothing the stack has nothing to know.
            return Taken::Whole;
        }
        taken
    }

    /// Does what is due in sending.
    pub(super) fn time_passed(&mut self, now: Instant, outputs: &mut Outputs) {
        self.egress.time_passed(&mut self.slots, now, outputs);
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

    /// Says good-bye to the client: the end of DTLS is put out.
    pub(super) fn close(&mut self, now: Instant, outputs: &mut Outputs) {
        if self.rtc.close().is_ok() {
            // Whatever comes of it, the session is over.
            let _ = self.drive(str0m::Input::Timeout(now), outputs, &mut Vec::new());
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
fn transport(protocol: Protocol) -> Transport {
    match protocol {
        Protocol::Udp => Transport::Udp,
        Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Transport::Tcp,
    }
}
