//! The sections of an offer, as far as the core itself needs them.

use crate::{MAX_LAYERS, MediaError, MediaLimits, Mid, Source, TrackKind};
use std::collections::BTreeMap;

/// A media section (`m=` line) of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) mid: Mid,
    pub(super) kind: TrackKind,
    /// The names of the layers that the client sends (RFC 8853), from the smallest; empty for one
    /// encoding.
    pub(super) layers: Vec<String>,
    /// Whether the client offers Opus in RED there (RFC 2198).
    pub(super) red: bool,
}

/// The sound and picture sections of `sdp` in their order; others (data channels) are passed over.
///
/// # Errors
/// If the offer is over a limit, or a section has no name or one that is too long.
pub(super) fn sections(sdp: &str, limits: &MediaLimits) -> Result<Vec<Section>, MediaError> {
    if sdp.len() > limits.offer_bytes {
        return Err(MediaError::OfferTooLong {
            bytes: sdp.len(),
            limit: limits.offer_bytes,
        });
    }
    let found = sdp.lines().filter(|line| line.starts_with("m=")).count();
    if found > limits.sections {
        return Err(MediaError::TooManySections {
            found,
            limit: limits.sections,
        });
    }
    let mut sections = Vec::with_capacity(found);
    for section in sdp.split("\nm=").skip(1) {
        let kind = match section.split(' ').next() {
            Some("audio") => TrackKind::Audio,
            Some("video") => TrackKind::Video,
            _ => continue,
        };
        let Some(mid) = mid_of(section) else {
            return Err(MediaError::OfferRejected {
                reason: "a section without a=mid".to_owned(),
            });
        };
        if mid.is_empty()
            || mid.len() > Mid::MAX_BYTES
            || !mid.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(MediaError::OfferRejected {
                reason: "a section with an odd a=mid".to_owned(),
            });
        }
        sections.push(Section {
            mid: Mid::from(mid),
            kind,
            layers: layers(section)?,
            red: section.lines().any(|line| {
                line.starts_with("a=rtpmap:") && line.trim_end().ends_with(" red/48000/2")
            }),
        });
    }
    Ok(sections)
}

/// The name of a section.
fn mid_of(section: &str) -> Option<&str> {
    // The cut leaves the carriage return of the section's last line.
    section
        .lines()
        .find_map(|line| line.trim_end().strip_prefix("a=mid:"))
}

/// An answer that also says how many bits a second the client may send of each of its pictures
/// (RFC 3890).
pub(super) fn with_bandwidth(
    answer: &str,
    sources: &BTreeMap<Mid, Source>,
    picture_bps: u64,
) -> String {
    let mut limited = String::with_capacity(answer.len());
    for (index, section) in answer.split("\nm=").enumerate() {
        if index > 0 {
            limited.push_str("\nm=");
        }
        let is_picture = mid_of(section)
            .and_then(|mid| sources.get(&Mid::from(mid)))
            .is_some_and(|source| source.kind() == TrackKind::Video);
        // Bandwidths stand before the attributes (RFC 8866, section 5).
        match section.find("\na=").filter(|_| index > 0 && is_picture) {
            Some(at) => {
                limited.push_str(&section[..=at]);
                limited.push_str(&format!("b=TIAS:{picture_bps}\r\n"));
                limited.push_str(&section[at + 1..]);
            }
            None => limited.push_str(section),
        }
    }
    limited
}

/// The layers of a section, in the order in which `a=simulcast:send` lists them: the client lists
/// them from the smallest to the largest (docs/PROTOCOL.md).
///
/// # Errors
/// If there are more than [`MAX_LAYERS`], or one has an odd name.
fn layers(section: &str) -> Result<Vec<String>, MediaError> {
    /// What the header extension of the WebRTC stack carries.
    const MAX_RID_BYTES: usize = 8;

    let Some(simulcast) = section
        .lines()
        .find_map(|line| line.trim_end().strip_prefix("a=simulcast:"))
    else {
        return Ok(Vec::new());
    };
    // `send q;h;~f recv …`: alternatives are divided by commas, `~` marks a layer that is paused.
    let mut words = simulcast.split(' ');
    let send = loop {
        match (words.next(), words.next()) {
            (Some("send"), Some(list)) => break list,
            (Some(_), Some(_)) => {}
            _ => return Ok(Vec::new()),
        }
    };
    let layers: Vec<String> = send
        .split(';')
        .filter_map(|layer| layer.split(',').next())
        .map(|layer| layer.trim_start_matches('~').to_owned())
        .collect();
    let odd = |layer: &String| {
        layer.is_empty()
            || layer.len() > MAX_RID_BYTES
            || !layer.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if layers.len() > MAX_LAYERS || layers.iter().any(odd) {
        return Err(MediaError::OfferRejected {
            reason: "odd simulcast layers".to_owned(),
        });
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\nm=application 9 UDP/DTLS/SCTP\r\na=mid:1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:cam\r\n";

    #[test]
    fn sections_come_in_order_without_data_channels() {
        let found = sections(OFFER, &MediaLimits::default()).expect("within limits");
        assert_eq!(
            found,
            [
                Section {
                    mid: Mid::from("0"),
                    kind: TrackKind::Audio,
                    layers: vec![],
                    red: false,
                },
                Section {
                    mid: Mid::from("cam"),
                    kind: TrackKind::Video,
                    layers: vec![],
                    red: false,
                },
            ]
        );
    }

    #[test]
    fn layers_are_those_that_the_client_sends() {
        let with = |line: &str| format!("{OFFER}a=rid:q send\r\n{line}\r\n");
        let found = |line: &str| {
            sections(&with(line), &MediaLimits::default())
                .map(|mut sections| sections.pop().map(|section| section.layers))
        };
        assert_eq!(
            found("a=simulcast:send q;h,x;~f").expect("three layers"),
            Some(vec!["q".to_owned(), "h".to_owned(), "f".to_owned()])
        );
        assert_eq!(
            found("a=simulcast:recv 1 send q;h").expect("two layers"),
            Some(vec!["q".to_owned(), "h".to_owned()])
        );
        assert_eq!(found("a=simulcast:recv 1;2").expect("none"), Some(vec![]));
        assert!(found("a=simulcast:send a;b;c;d").is_err());
        assert!(found("a=simulcast:send a;;b").is_err());
        assert!(found("a=simulcast:send muchtoolong").is_err());
    }

    #[test]
    fn limits_hold() {
        let few = MediaLimits {
            sections: 2,
            ..MediaLimits::default()
        };
        assert!(matches!(
            sections(OFFER, &few),
            Err(MediaError::TooManySections { found: 3, limit: 2 })
        ));
        let short = MediaLimits {
            offer_bytes: 10,
            ..MediaLimits::default()
        };
        assert!(matches!(
            sections(OFFER, &short),
            Err(MediaError::OfferTooLong { .. })
        ));
        let long_name = OFFER.replace("mid:cam", "mid:a-name-over-16-bytes");
        assert!(matches!(
            sections(&long_name, &MediaLimits::default()),
            Err(MediaError::OfferRejected { .. })
        ));
    }

    #[test]
    fn an_answer_says_how_much_a_camera_may_send() {
        let answer = "v=0\r\ns=-\r\na=ice-lite\r\n\
            m=audio 9 X 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\n\
            m=video 9 X 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=recvonly\r\n\
            m=video 9 X 96\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=sendonly\r\n";
        let sources = BTreeMap::from([
            (Mid::from("0"), Source::Microphone),
            (Mid::from("1"), Source::Camera),
        ]);
        let limited = with_bandwidth(answer, &sources, 5_000_000);
        let expected = answer.replace("a=mid:1", "b=TIAS:5000000\r\na=mid:1");
        assert_eq!(limited, expected);
    }
}
