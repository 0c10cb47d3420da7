//! A client made of the same WebRTC stack, which sends marked packets and keeps what it gets.

use otyrys_media::{Mid, SessionId, Source, TrackKind, Transport};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::{Codec, PayloadParams};
use str0m::media::{Direction, ExtensionValues, MediaKind, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{RedEncoder, RedundantBlock, RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

type StackMid = str0m::media::Mid;

/// A packet that a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) mid: Mid,
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    pub(crate) picture_id: Option<u16>,
    pub(crate) keyframe: bool,
    pub(crate) codec: Codec,
    /// Whether it came in RED.
    pub(crate) red: bool,
    /// Counted from the smallest.
    pub(crate) layer: usize,
    pub(crate) at: Instant,
    /// Whose packet it is and which: as its sender marked it.
    pub(crate) from: SessionId,
    pub(crate) number: u64,
}

/// The names of the three layers of a camera, and the packets of each in one picture.
pub(crate) const LAYERS: [(&str, usize); 3] = [("q", 1), ("h", 2), ("f", 6)];

/// What a client sends of one source.
struct Sending {
    mid: Option<StackMid>,
    on: bool,
    next_at: Instant,
    /// From the smallest; one without a name if there is but one.
    layers: Vec<LayerSending>,
}

struct LayerSending {
    session: SessionId,
    rid: Option<Rid>,
    index: usize,
    packets: usize,
    on: bool,
    seq: u64,
    timestamp: u32,
    frame: u16,
    /// Packets sent so far, and the number of the next one.
    number: u64,
    keyframe_wanted: bool,
    /// The sound packet before, for RED.
    before: Option<Vec<u8>>,
}

/// One client.
pub(crate) struct Client {
    pub(crate) session: SessionId,
    pub(crate) address: SocketAddr,
    transport: Transport,
    pub(crate) rtc: Rtc,
    pub(crate) got: Vec<Got>,
    /// Key frames that were asked of it.
    pub(crate) asked: u32,
    pub(crate) closed: bool,
    /// RFC 6464, in -dBov.
    pub(crate) level: i8,
    /// What its pictures are encoded in.
    pub(crate) picture: Codec,
    /// Whether it has RED, and sends its sound in it.
    pub(crate) red: bool,
    sending: BTreeMap<Source, Sending>,
    /// What the next offer makes of the slot that got something last.
    pub(crate) turned: Option<Direction>,
    deadline: Instant,
    /// When it was last told the time.
    ticked: Instant,
    sent: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Client {
    pub(crate) fn new(session: SessionId, sources: &[Source], now: Instant) -> Self {
        let host = u8::try_from(session.0 % 200).expect("below 200") + 10;
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 1, host)), 4000);
        Self::over(Transport::Udp, address, session, sources, now)
    }

    /// A client that has these codecs for pictures, and sends the first one.
    pub(crate) fn with_pictures(
        session: SessionId,
        sources: &[Source],
        codecs: &[Codec],
        now: Instant,
    ) -> Self {
        let mut client = Self::new(session, sources, now);
        let mut config = config().enable_vp8(codecs.contains(&Codec::Vp8));
        if codecs.contains(&Codec::H264) {
            let constrained_baseline = 0x42_e0_1f;
            // Other numbers than the server's, as with every browser.
            config.codec_config().add_h264(
                Pt::from(102),
                Some(Pt::from(103)),
                true,
                constrained_baseline,
            );
        }
        client.rtc = config.build(now);
        client
            .rtc
            .add_local_candidate(candidate(Transport::Udp, client.address));
        client.picture = codecs[0];
        client
    }

    pub(crate) fn over(
        transport: Transport,
        address: SocketAddr,
        session: SessionId,
        sources: &[Source],
        now: Instant,
    ) -> Self {
        let mut rtc = config().enable_vp8(true).build(now);
        rtc.add_local_candidate(candidate(transport, address));
        let sending = sources
            .iter()
            .map(|source| {
                let sending = Sending {
                    mid: None,
                    on: false,
                    next_at: now,
                    layers: vec![LayerSending::new(session, 0, None, 2)],
                };
                (*source, sending)
            })
            .collect();
        Self {
            session,
            address,
            transport,
            rtc,
            got: Vec::new(),
            asked: 0,
            closed: false,
            level: -30,
            picture: Codec::Vp8,
            red: false,
            sending,
            turned: None,
            deadline: now,
            ticked: now,
            sent: Vec::new(),
        }
    }

    /// Sends the camera in three layers. To be called before the first offer.
    pub(crate) fn simulcast(&mut self) {
        let session = self.session;
        let sending = self
            .sending
            .get_mut(&Source::Camera)
            .expect("a client with a camera");
        sending.layers = LAYERS
            .iter()
            .enumerate()
            .map(|(index, (rid, packets))| {
                LayerSending::new(session, index, Some(Rid::from(*rid)), *packets)
            })
            .collect();
    }

    /// Goes on with some of the camera's layers, and pauses the others.
    pub(crate) fn send_layers(&mut self, layers: &[usize]) {
        let sending = self
            .sending
            .get_mut(&Source::Camera)
            .expect("a client with a camera");
        for layer in &mut sending.layers {
            let on = layers.contains(&layer.index);
            layer.keyframe_wanted |= on && !layer.on;
            layer.on = on;
        }
    }

    /// A client that sends and takes sound in RED.
    pub(crate) fn with_red(session: SessionId, sources: &[Source], now: Instant) -> Self {
        let mut client = Self::new(session, sources, now);
        client.rtc = config().enable_opus(true, true).enable_vp8(true).build(now);
        client
            .rtc
            .add_local_candidate(candidate(Transport::Udp, client.address));
        client.red = true;
        client
    }

    /// Goes on in another codec.
    pub(crate) fn change_codec(&mut self, codec: Codec) {
        self.picture = codec;
        for sending in self.sending.values_mut() {
            for layer in &mut sending.layers {
                layer.keyframe_wanted = true;
            }
        }
    }

    /// The codec that the answers name first for a source.
    pub(crate) fn preferred(&self, source: Source) -> Codec {
        let mid = self.sending[&source].mid.expect("offered");
        let agreed = self.rtc.media(mid).expect("a section").remote_pts();
        params_of(&self.rtc, agreed[0]).spec().codec
    }

    /// Its old address is dead; it is at another one now.
    pub(crate) fn move_to(&mut self, address: SocketAddr) {
        let old = candidate(self.transport, self.address);
        self.rtc.direct_api().invalidate_candidate(&old);
        self.address = address;
        self.rtc
            .add_local_candidate(candidate(self.transport, address));
    }

    pub(crate) fn make_offer(
        &mut self,
        audio_slots: usize,
        video_slots: usize,
        restart_ice: bool,
    ) -> (String, SdpPendingOffer) {
        let turned = self.turned.take().zip(self.got.last());
        let mut change = self.rtc.sdp_api();
        if let Some((direction, got)) = turned {
            change.set_direction(got.mid.as_str().into(), direction);
        }
        if restart_ice {
            change.ice_restart(true);
        }
        for (source, sending) in &mut self.sending {
            if sending.mid.is_none() {
                let mut simulcast = Simulcast::new();
                for rid in sending.layers.iter().filter_map(|layer| layer.rid) {
                    simulcast.add_send_layer(SimulcastLayer::new(&rid.to_string()));
                }
                let simulcast = (sending.layers.len() > 1).then_some(simulcast);
                sending.mid = Some(change.add_media(
                    kind_of(*source),
                    Direction::SendOnly,
                    None,
                    None,
                    simulcast,
                ));
            }
        }
        for _ in 0..audio_slots {
            change.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        }
        for _ in 0..video_slots {
            change.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = change.apply().expect("a change");
        (offer.to_sdp_string(), pending)
    }

    pub(crate) fn take_answer(&mut self, pending: SdpPendingOffer, answer: &str, now: Instant) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("an answer in SDP");
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .expect("an answer that fits");
        for sending in self.sending.values() {
            for layer in &sending.layers {
                let mut api = self.rtc.direct_api();
                let stream = sending
                    .mid
                    .and_then(|mid| api.stream_tx_by_mid(mid, layer.rid))
                    .expect("a stream");
                // The test sends few packets, so that a few repairs already look like too many.
                if !sending.on {
                    stream.set_rtx_cache(1_024, Duration::from_secs(3), None);
                }
            }
        }
        self.rtc
            .handle_input(Input::Timeout(now))
            .expect("a sound client");
    }

    pub(crate) fn sources(&self) -> BTreeMap<Mid, Source> {
        self.sending
            .iter()
            .filter_map(|(source, sending)| Some((Mid::new(sending.mid?.to_string()), *source)))
            .collect()
    }

    /// Begins to send a source: sound each 20 ms, a picture of two packets each 40 ms.
    pub(crate) fn start(&mut self, source: Source, now: Instant) {
        let sending = self
            .sending
            .get_mut(&source)
            .expect("a source that was offered");
        sending.on = true;
        sending.next_at = now;
    }

    /// Starts the numbering of a source anew, as a browser does that opens another camera.
    pub(crate) fn restart_stream(&mut self, source: Source) {
        let sending = self
            .sending
            .get_mut(&source)
            .expect("a source that was offered");
        let mid = sending.mid.expect("offered");
        let mut api = self.rtc.direct_api();
        let ssrc: Ssrc = api.new_ssrc();
        let rtx: Ssrc = api.new_ssrc();
        let had_rtx = api
            .stream_tx_by_mid(mid, None)
            .expect("a stream")
            .rtx()
            .is_some();
        api.reset_stream_tx(mid, None, ssrc, had_rtx.then_some(rtx))
            .expect("a new stream");
        sending.layers[0].seq = 7;
        sending.layers[0].keyframe_wanted = true;
    }

    pub(crate) fn next_at(&self) -> Instant {
        self.sending
            .values()
            .filter(|sending| sending.on)
            .map(|sending| sending.next_at)
            // A deadline that does not move would stop virtual time.
            .chain([self.deadline.max(self.ticked + Duration::from_micros(100))])
            .min()
            .expect("at least the deadline")
    }

    pub(crate) fn time_passed(&mut self, now: Instant) {
        let mut wrote = false;
        for (source, sending) in &mut self.sending {
            while sending.on && sending.next_at <= now {
                write(
                    &mut self.rtc,
                    *source,
                    sending,
                    self.level,
                    self.picture,
                    self.red,
                    now,
                );
                wrote = true;
            }
        }
        if wrote || self.deadline <= now {
            self.ticked = now;
            self.rtc
                .handle_input(Input::Timeout(now))
                .expect("a sound client");
        }
    }

    pub(crate) fn receive(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) {
        let protocol = match self.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        };
        let received = Receive::new(protocol, source, self.address, bytes).expect("a packet");
        self.rtc
            .handle_input(Input::Receive(now, received))
            .expect("a sound client");
        self.drain(now);
    }

    /// What it has sent since the last time.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        self.drain(now);
        std::mem::take(&mut self.sent)
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output().expect("a sound client") {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
                Output::Transmit(transmit) => {
                    self.sent.push((
                        transmit.source,
                        transmit.destination,
                        transmit.contents.into(),
                    ));
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    let mid = self
                        .rtc
                        .direct_api()
                        .stream_rx(&packet.header.ssrc)
                        .expect("a stream that packets came on")
                        .mid();
                    let payload_type = packet.header.payload_type;
                    let params = params_of(&self.rtc, payload_type);
                    let red = params.red() == Some(payload_type);
                    let got = parse(
                        Mid::new(mid.to_string()),
                        params.spec().codec,
                        *packet.seq_no,
                        packet.header.timestamp,
                        &packet.payload,
                        now,
                    );
                    self.got.extend(got.map(|got| Got { red, ..got }));
                }
                Output::Event(Event::KeyframeRequest(request)) => {
                    self.asked += 1;
                    for sending in self
                        .sending
                        .values_mut()
                        .filter(|sending| sending.mid == Some(request.mid))
                    {
                        for layer in &mut sending.layers {
                            layer.keyframe_wanted |= layer.rid == request.rid;
                        }
                    }
                }
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(_) => {}
            }
        }
    }
}

fn candidate(transport: Transport, address: SocketAddr) -> Candidate {
    let candidate = match transport {
        Transport::Udp => Candidate::host(address, "udp"),
        Transport::Tcp => Candidate::builder()
            .tcp()
            .host(address)
            .tcptype(TcpType::Active)
            .build(),
    };
    candidate.expect("a candidate")
}

fn kind_of(source: Source) -> MediaKind {
    match source.kind() {
        TrackKind::Audio => MediaKind::Audio,
        TrackKind::Video => MediaKind::Video,
    }
}

/// The sender's session and the packet's number, at the end of each payload.
fn mark(payload: &mut Vec<u8>, session: SessionId, number: u64) {
    payload.extend(session.0.to_be_bytes());
    payload.extend(number.to_be_bytes());
}

impl LayerSending {
    fn new(session: SessionId, index: usize, rid: Option<Rid>, packets: usize) -> Self {
        let index_u32 = u32::try_from(index).expect("small");
        Self {
            session,
            rid,
            index,
            packets,
            on: true,
            // Below 2^16: the count of wraps (RFC 3711) is not told to the receiver.
            seq: 1_000 * (session.0 % 60) + 300 * index as u64,
            // Each layer has its own, as browsers do.
            timestamp: 90_000 * u32::try_from(session.0).expect("small") + 777_777 * index_u32,
            frame: u16::try_from(session.0 * 100 + 40 * index as u64).expect("small"),
            number: 0,
            keyframe_wanted: true,
            before: None,
        }
    }

    /// The packet behind the one before it, as browsers send it.
    fn in_red(&mut self, rtc: &Rtc, payload: Vec<u8>) -> Vec<u8> {
        let blocks = *payload_type(rtc, Codec::Opus);
        let before = self.before.replace(payload.clone());
        let redundant: Vec<RedundantBlock> = before
            .into_iter()
            .map(|payload| RedundantBlock {
                pt: blocks,
                timestamp_offset: 960,
                payload,
            })
            .collect();
        RedEncoder::encode(blocks, &payload, &redundant)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of them differ between sound and picture"
    )]
    fn send(
        &mut self,
        rtc: &mut Rtc,
        mid: StackMid,
        now: Instant,
        payload: Vec<u8>,
        marker: bool,
        extensions: ExtensionValues,
        codec: Codec,
        red: bool,
    ) {
        let payload_type = payload_type(rtc, codec);
        let payload_type = match params_of(rtc, payload_type).red() {
            Some(in_red) if red => in_red,
            _ => payload_type,
        };
        let mut api = rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, self.rid).expect("a stream");
        stream.write_rtp(
            RtpWrite::new(payload_type, self.seq.into(), self.timestamp, now, payload)
                .marker(marker)
                .ext_vals(extensions)
                .nackable(codec != Codec::Opus),
        );
        self.seq += 1;
        self.number += 1;
    }
}

fn write(
    rtc: &mut Rtc,
    source: Source,
    sending: &mut Sending,
    level: i8,
    picture: Codec,
    red: bool,
    now: Instant,
) {
    let mid = sending.mid.expect("offered");
    for layer in sending.layers.iter_mut().filter(|layer| layer.on) {
        match source.kind() {
            TrackKind::Audio => {
                let mut payload = vec![0xfc; 60];
                mark(&mut payload, layer.session, layer.number);
                if red {
                    payload = layer.in_red(rtc, payload);
                }
                let levels = ExtensionValues {
                    audio_level: Some(level),
                    voice_activity: Some(true),
                    ..Default::default()
                };
                layer.send(rtc, mid, now, payload, true, levels, Codec::Opus, red);
                layer.timestamp = layer.timestamp.wrapping_add(960);
            }
            TrackKind::Video => {
                let keyframe = std::mem::take(&mut layer.keyframe_wanted);
                for part in 0..layer.packets {
                    let [high, low] = layer.frame.to_be_bytes();
                    let mut payload = match (picture, part, keyframe) {
                        // A sequence parameter set, a slice of a key frame, any other slice.
                        (Codec::H264, 0, true) => vec![0x67, 0x42, 0xe0, 0x1f, 0, 0],
                        (Codec::H264, _, true) => vec![0x65, 0, 0, 0, 0, 0],
                        (Codec::H264, _, false) => vec![0x41, 0, 0, 0, 0, 0],
                        // RFC 7741, section 4.2: X, and S in the first packet; I, L and T; a
                        // picture id of 15 bits.
                        (_, 0, _) => vec![0x90, 0xE0, high | 0x80, low, low, 0x20],
                        _ => vec![0x80, 0xE0, high | 0x80, low, low, 0x20],
                    };
                    payload.push(u8::from(!keyframe));
                    payload.push(u8::try_from(layer.index).expect("small"));
                    payload.extend([0; 900]);
                    mark(&mut payload, layer.session, layer.number);
                    let last = part + 1 == layer.packets;
                    let extensions = ExtensionValues::default();
                    layer.send(rtc, mid, now, payload, last, extensions, picture, false);
                }
                layer.frame = (layer.frame + 1) & 0x7fff;
                layer.timestamp = layer.timestamp.wrapping_add(3_600);
            }
        }
    }
    sending.next_at += match source.kind() {
        TrackKind::Audio => Duration::from_millis(20),
        TrackKind::Video => Duration::from_millis(40),
    };
}

fn payload_type(rtc: &Rtc, codec: Codec) -> Pt {
    rtc.codec_config()
        .params()
        .iter()
        .find(|params| params.spec().codec == codec)
        .expect("a codec")
        .pt()
}

fn params_of(rtc: &Rtc, payload_type: Pt) -> PayloadParams {
    *rtc.codec_config()
        .params()
        .iter()
        .find(|params| params.pt() == payload_type || params.red() == Some(payload_type))
        .expect("a payload type that was agreed on")
}

fn config() -> RtcConfig {
    Rtc::builder()
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, false)
}

/// Nothing for padding, which is no packet of anybody.
fn parse(
    mid: Mid,
    codec: Codec,
    seq: u64,
    timestamp: u32,
    payload: &[u8],
    at: Instant,
) -> Option<Got> {
    let number_at = payload.len().checked_sub(8)?;
    let word = |at: usize| u64::from_be_bytes(payload[at..at + 8].try_into().expect("eight bytes"));
    let (vp8, h264) = (codec == Codec::Vp8, codec == Codec::H264);
    Some(Got {
        mid,
        seq,
        timestamp,
        picture_id: vp8.then(|| u16::from_be_bytes([payload[2] & 0x7f, payload[3]])),
        keyframe: (vp8 && payload[0] == 0x90 || h264 && payload[0] == 0x67) && payload[6] == 0,
        codec,
        red: false,
        layer: if vp8 || h264 {
            usize::from(payload[7])
        } else {
            0
        },
        at,
        from: SessionId(word(number_at - 8)),
        number: word(number_at),
    })
}
