//! One peer connection of the `webrtc` crate: offers, sections, and what comes in.

mod watch;

pub(super) use watch::{LineCount, LineCounters};

use super::{RehearseError, outlet::Wire, picture, voice};
use bytes::Bytes;
use otyrys_signaling::{TrackSource, wire::Offer};
use rtc::{
    ice::mdns::MulticastDnsMode,
    interceptor::Slot as Position,
    media_stream::MediaStreamTrack,
    peer_connection::configuration::{
        interceptor_registry::configure_twcc_sender_only,
        media_engine::{MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine},
    },
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
    rtp,
    rtp_transceiver::rtp_sender::{
        RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
        RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
    },
    sdp::extmap::{AUDIO_LEVEL_URI, SDES_MID_URI},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use tokio::sync::{Notify, mpsc};
use watch::Watch;
use webrtc::{
    media_stream::{
        track_local::static_rtp::TrackLocalStaticRTP,
        track_remote::{TrackRemote, TrackRemoteEvent},
    },
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCPeerConnectionState,
        RTCSessionDescription, Registry, SettingEngineBuilder, register_default_interceptors,
    },
    rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit, RtpTransceiver},
};

/// Most receiving sections of a kind that a server may ask for: twice the largest hearing planned.
pub(super) const MOST_SLOTS: u32 = 80;

/// Payload type of VP8's retransmissions (RFC 4588).
const RTX_PAYLOAD_TYPE: u8 = 97;
/// Next to the wire, before all interceptors of the crate: what is counted there is what came.
const WATCH_POSITION: usize = 500;

/// What a connection tells its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerEvent {
    /// Media flows.
    Connected,
    /// It will not come back by itself.
    Lost,
}

/// How a connection tells its owner things.
#[derive(Clone)]
pub(super) struct Reports {
    /// Changes of the connection's state, of which there are few.
    pub(super) events: mpsc::Sender<PeerEvent>,
    /// The server wants a key frame of the picture (PLI or FIR). Several requests become one.
    pub(super) key_frame: Arc<Notify>,
    /// What goes over the line.
    pub(super) line: Arc<LineCounters>,
}

/// Who takes what a connection receives.
pub(super) trait Listener: Send + Sync + 'static {
    /// The sections of the connection, by transceiver. Replaces all earlier ones.
    fn sections(&self, mids: HashMap<usize, String>);

    /// A packet arrived on a transceiver. Answers whether its sender should be asked for a key
    /// frame.
    fn packet(&self, transceiver: usize, packet: &rtp::Packet) -> bool;
}

/// Receiving sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotCount {
    pub(super) audio: u32,
    pub(super) video: u32,
}

/// What a connection sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sends {
    pub(super) microphone: bool,
    pub(super) camera: bool,
}

/// A peer connection that offers.
pub(super) struct Peer {
    connection: Box<dyn PeerConnection>,
    sections: Vec<Section>,
    slots: SlotCount,
    listener: Arc<dyn Listener>,
    offers: u32,
}

struct Section {
    source: TrackSource,
    ssrc: u32,
    track: Arc<TrackLocalStaticRTP>,
    transceiver: Arc<dyn RtpTransceiver>,
}

impl Peer {
    /// A connection that offers nothing yet. `local`: the server is on this machine.
    pub(super) async fn new(
        sends: Sends,
        local: bool,
        listener: Arc<dyn Listener>,
        reports: Reports,
    ) -> Result<Self, RehearseError> {
        let mut media = codecs()?;
        let registry = register_default_interceptors(Registry::new(), &mut media)
            .and_then(|registry| configure_twcc_sender_only(registry, &mut media))
            .map_err(RehearseError::media)?
            .with(
                Position::from(WATCH_POSITION),
                Watch::new(reports.key_frame, reports.line),
            );
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .build();
        // The wildcard stands for all interfaces but loopback.
        let mut addresses = vec!["0.0.0.0:0"];
        if local {
            addresses.insert(0, "127.0.0.1:0");
        }
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_setting_engine(settings)
            .with_handler(Arc::new(Handler {
                events: reports.events,
                listener: listener.clone(),
            }))
            .with_udp_addrs(addresses)
            .build()
            .await
            .map_err(RehearseError::media)?;
        let mut peer = Self {
            connection: Box::new(connection),
            sections: Vec::new(),
            slots: SlotCount { audio: 0, video: 0 },
            listener,
            offers: 0,
        };
        if sends.microphone {
            peer.send(TrackSource::Microphone).await?;
        }
        if sends.camera {
            peer.send(TrackSource::Camera).await?;
        }
        Ok(peer)
    }

    async fn send(&mut self, source: TrackSource) -> Result<(), RehearseError> {
        let (kind, codec) = match source {
            TrackSource::Microphone => (RtpCodecKind::Audio, opus()),
            TrackSource::Camera | TrackSource::Screen => (RtpCodecKind::Video, vp8()),
        };
        let ssrc = getrandom::u32().map_err(RehearseError::media)?;
        let coding = RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..Default::default()
        };
        let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
            "rehearsal".to_owned(),
            format!("{kind}-{ssrc}"),
            format!("{kind}-{ssrc}"),
            kind,
            vec![RTCRtpEncodingParameters {
                rtp_coding_parameters: coding,
                active: true,
                codec: codec.rtp_codec,
                ..Default::default()
            }],
        )));
        let direction = RTCRtpTransceiverDirection::Sendonly;
        let transceiver = self
            .connection
            .add_transceiver_from_track(
                track.clone(),
                Some(RTCRtpTransceiverInit {
                    direction,
                    ..Default::default()
                }),
            )
            .await
            .map_err(RehearseError::media)?;
        self.sections.push(Section {
            source,
            ssrc,
            track,
            transceiver,
        });
        Ok(())
    }

    /// An offer with at least `slots` receiving sections.
    pub(super) async fn offer(&mut self, slots: SlotCount) -> Result<Offer, RehearseError> {
        let direction = RTCRtpTransceiverDirection::Recvonly;
        let missing = [
            (
                RtpCodecKind::Audio,
                slots.audio.min(MOST_SLOTS).saturating_sub(self.slots.audio),
            ),
            (
                RtpCodecKind::Video,
                slots.video.min(MOST_SLOTS).saturating_sub(self.slots.video),
            ),
        ];
        for (kind, count) in missing {
            for _ in 0..count {
                let init = RTCRtpTransceiverInit {
                    direction,
                    ..Default::default()
                };
                self.connection
                    .add_transceiver_from_kind(kind, Some(init))
                    .await
                    .map_err(RehearseError::media)?;
            }
        }
        self.slots.audio += missing[0].1;
        self.slots.video += missing[1].1;

        let offer = self
            .connection
            .create_offer(None)
            .await
            .map_err(RehearseError::media)?;
        self.connection
            .set_local_description(offer)
            .await
            .map_err(RehearseError::media)?;
        let description = self.connection.local_description().await;
        let sdp = description
            .ok_or_else(|| RehearseError::media("no local description"))?
            .sdp;
        let mut sources = BTreeMap::new();
        for section in &self.sections {
            let mid = section
                .transceiver
                .mid()
                .await
                .map_err(RehearseError::media)?;
            let mid = mid.ok_or_else(|| RehearseError::media("a section has no name"))?;
            sources.insert(mid, section.source);
        }
        let mut mids = HashMap::new();
        for transceiver in self.connection.get_transceivers().await {
            if let Ok(Some(mid)) = transceiver.mid().await {
                mids.insert(transceiver.id(), mid);
            }
        }
        self.listener.sections(mids);
        self.offers += 1;
        Ok(Offer {
            id: self.offers,
            sdp,
            sources,
        })
    }

    /// The number of the last offer.
    pub(super) fn last_offer(&self) -> u32 {
        self.offers
    }

    /// Takes the answer to the last offer. Gives the sending sections.
    pub(super) async fn accept(
        &self,
        sdp: String,
    ) -> Result<Vec<(TrackSource, Wire)>, RehearseError> {
        let answer = RTCSessionDescription::answer(sdp).map_err(RehearseError::media)?;
        self.connection
            .set_remote_description(answer)
            .await
            .map_err(RehearseError::media)?;
        let mut wires = Vec::new();
        for section in &self.sections {
            let transceiver = &section.transceiver;
            let sender = transceiver.sender().await.map_err(RehearseError::media)?;
            let Some(sender) = sender else { continue };
            let parameters = sender
                .get_parameters()
                .await
                .map_err(RehearseError::media)?;
            let id = |uri: &str| {
                let extensions = &parameters.rtp_parameters.header_extensions;
                let extension = extensions.iter().find(|extension| extension.uri == uri)?;
                u8::try_from(extension.id).ok()
            };
            let mid = transceiver.mid().await.map_err(RehearseError::media)?;
            wires.push((
                section.source,
                Wire {
                    track: section.track.clone(),
                    ssrc: section.ssrc,
                    mid: id(SDES_MID_URI).zip(mid.map(Bytes::from)),
                    level: id(AUDIO_LEVEL_URI),
                },
            ));
        }
        Ok(wires)
    }

    /// Ends the connection.
    pub(super) async fn close(&self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "a rehearsal connection did not close cleanly");
        }
    }
}

fn opus() -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: Vec::new(),
        },
        payload_type: voice::PAYLOAD_TYPE,
    }
}

fn vp8() -> RTCRtpCodecParameters {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback {
        typ: typ.to_owned(),
        parameter: parameter.to_owned(),
    };
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_VP8.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: vec![
                feedback("ccm", "fir"),
                feedback("nack", ""),
                feedback("nack", "pli"),
            ],
        },
        payload_type: picture::PAYLOAD_TYPE,
    }
}

/// Exactly what the server speaks: Opus, and VP8 with retransmissions.
fn codecs() -> Result<MediaEngine, RehearseError> {
    let retransmission = RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format!("apt={}", picture::PAYLOAD_TYPE),
            rtcp_feedback: Vec::new(),
        },
        payload_type: RTX_PAYLOAD_TYPE,
    };
    let mut media = MediaEngine::default();
    media
        .register_codec(opus(), RtpCodecKind::Audio)
        .map_err(RehearseError::media)?;
    for codec in [vp8(), retransmission] {
        media
            .register_codec(codec, RtpCodecKind::Video)
            .map_err(RehearseError::media)?;
    }
    for uri in [AUDIO_LEVEL_URI, SDES_MID_URI] {
        let capability = RTCRtpHeaderExtensionCapability {
            uri: uri.to_owned(),
        };
        media
            .register_header_extension(capability, RtpCodecKind::Audio, None)
            .map_err(RehearseError::media)?;
    }
    Ok(media)
}

/// Tells the owner what becomes of the connection and counts what comes in.
struct Handler {
    events: mpsc::Sender<PeerEvent>,
    listener: Arc<dyn Listener>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let event = match state {
            RTCPeerConnectionState::Connected => PeerEvent::Connected,
            RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => PeerEvent::Lost,
            _ => return,
        };
        // Never waited for: the owner may be waiting for this connection's driver.
        let _ = self.events.try_send(event);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let listener = self.listener.clone();
        // Ends by itself: closing the connection ends the track's events.
        tokio::spawn(async move {
            let mut transceiver = None;
            while let Some(event) = track.poll().await {
                match (event, transceiver) {
                    (TrackRemoteEvent::OnOpen(opened), _) => {
                        transceiver = Some(usize::from(opened.receiver_id));
                    }
                    (TrackRemoteEvent::OnRtpPacket(packet), Some(transceiver))
                        if listener.packet(transceiver, &packet) =>
                    {
                        let please = PictureLossIndication {
                            sender_ssrc: 0,
                            media_ssrc: packet.header.ssrc,
                        };
                        // A connection that is going down shows no picture anyway.
                        let _ = track.write_rtcp(vec![Box::new(please)]).await;
                    }
                    _ => {}
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
