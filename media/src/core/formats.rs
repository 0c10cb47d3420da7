//! What the payload types of a section mean.

use super::sections::Section;
use crate::Codec;
use str0m::media::Pt;
use str0m::{Rtc, RtcConfig};

/// The codecs of a section that client and server agreed on, the one to be used first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Formats {
    codecs: Vec<(Pt, Codec)>,
    /// Of repairs (RFC 4588), by what they repair.
    repairs: Vec<(Pt, Pt)>,
    /// Of Opus in RED (RFC 2198).
    red: Option<Pt>,
}

impl Formats {
    /// Lets a stack agree on what the core can forward, in the order of its answers: VP8 before
    /// H.264, which browsers then use only if they have nothing else.
    pub(super) fn offer_all(config: RtcConfig) -> RtcConfig {
        /// Constrained baseline, level 3.1 (1280x720 at 30 pictures a second): the profile that
        /// everybody with H.264 must have (RFC 7742, section 6.2).
        const H264_PROFILE: u32 = 0x42_e0_1f;

        let mut config = config
            .clear_codecs()
            .enable_opus(true, true)
            .enable_vp8(true);
        let fragments_units = true;
        config.codec_config().add_h264(
            Pt::from(108),
            Some(Pt::from(109)),
            fragments_units,
            H264_PROFILE,
        );
        config
    }

    /// What was agreed on for a section; nothing if there is no such section.
    pub(super) fn of(rtc: &Rtc, section: &Section) -> Option<Self> {
        let agreed = rtc.media(section.mid.as_str().into())?.remote_pts();
        let params = rtc.codec_config().params().iter();
        let agreed = params.filter(|params| agreed.contains(&params.pt()));
        let formats = agreed
            .clone()
            .filter_map(|params| Some((params.pt(), codec(params.spec().codec)?)))
            .filter(|(_, codec)| codec.kind() == section.kind);
        let mut formats: Self = formats.collect();
        let repairs = agreed.clone();
        let repairs = repairs.filter_map(|params| Some((params.pt(), params.resend()?)));
        formats.repairs = repairs.collect();
        // The stack agrees on RED for the whole session, a client perhaps for what it sends only.
        if section.red {
            formats.red = agreed.clone().find_map(|params| params.red());
        }
        Some(formats)
    }

    /// The codec to be used first.
    pub(super) fn first(&self) -> Option<Codec> {
        self.codecs.first().map(|(_, codec)| *codec)
    }

    /// What packets of a payload type hold; nothing if it was not agreed on.
    pub(super) fn codec(&self, payload_type: Pt) -> Option<Codec> {
        if self.red == Some(payload_type) {
            return Some(Codec::Opus);
        }
        let mut known = self.codecs.iter();
        let known = known.find(|(known, _)| *known == payload_type);
        known.map(|(_, codec)| *codec)
    }

    /// The payload type of a codec; nothing if it was not agreed on.
    pub(super) fn payload_type(&self, codec: Codec) -> Option<Pt> {
        let known = self.codecs.iter().find(|(_, known)| *known == codec);
        known.map(|(payload_type, _)| *payload_type)
    }

    /// The payload types of repairs, by those of what they repair.
    pub(super) fn repairs(&self) -> Vec<(u8, u8)> {
        let repairs = self.repairs.iter();
        repairs.map(|(repaired, by)| (**repaired, **by)).collect()
    }

    /// The payload type of Opus in RED; nothing if it was not agreed on.
    pub(super) fn red(&self) -> Option<Pt> {
        self.red
    }
}

impl FromIterator<(Pt, Codec)> for Formats {
    fn from_iter<I: IntoIterator<Item = (Pt, Codec)>>(formats: I) -> Self {
        Self {
            codecs: formats.into_iter().collect(),
            ..Self::default()
        }
    }
}

fn codec(codec: str0m::format::Codec) -> Option<Codec> {
    match codec {
        str0m::format::Codec::Opus => Some(Codec::Opus),
        str0m::format::Codec::Vp8 => Some(Codec::Vp8),
        str0m::format::Codec::H264 => Some(Codec::H264),
        _ => None,
    }
}
