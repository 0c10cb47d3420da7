//! What one person, one address and one hearing may take of the server.

use super::ConfigError;
use otyrys_media::MediaLimits;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Sections of an offer beside two for each of the others: a microphone, a camera, a screen.
const OWN_TRACKS: u64 = 3;

/// Limits that an operator may want to be others. `otyrys.toml` says why they are what they are;
/// those that follow from the protocols are [`MediaLimits`]' own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// People of one hearing who are connected at once. Judge and clerk are never refused.
    pub participants: u64,
    /// Sections of an offer: what one person receives and sends.
    pub tracks: u64,
    /// Bitrate of one person's sound, in kbit/s.
    pub sound_kbps: u64,
    /// Bitrate of one picture in all its layers, in kbit/s.
    pub picture_kbps: u64,
    /// Datagrams of sound and picture in a second from one address (IPv6: one /64).
    pub packets_per_second: u64,
    /// People from one address (IPv6: one /64) at once.
    pub sessions_per_address: u64,
    /// Peer connections of the server at once.
    pub sessions: u64,
    /// What a line is taken to carry before it was measured, in kbit/s.
    pub first_estimate_kbps: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let media = MediaLimits::default();
        Self {
            participants: 60,
            tracks: media.sections as u64,
            sound_kbps: media.sound_bps / 1_000,
            picture_kbps: media.picture_bps / 1_000,
            packets_per_second: media.packets_per_second.into(),
            sessions_per_address: 200,
            sessions: media.sessions as u64,
            first_estimate_kbps: media.first_estimate_bps / 1_000,
        }
    }
}

impl LimitsConfig {
    /// Refuses what no server can keep or no hearing can be held with.
    ///
    /// # Errors
    /// The first knob that is out of its range.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        // An offer may have 256 KiB, of which a section takes 1.2 kB.
        let most_tracks = 200;
        let knobs: [(&str, u64, RangeInclusive<u64>); 8] = [
            (
                "participants",
                self.participants,
                2..=(most_tracks - OWN_TRACKS) / 2,
            ),
            // Sound and picture of everybody: who could not receive somebody could not be helped.
            (
                "tracks",
                self.tracks,
                self.participants * 2 + OWN_TRACKS..=most_tracks,
            ),
            // Below, Opus is no longer clear.
            ("sound_kbps", self.sound_kbps, 24..=1_000),
            // Below, not even the smallest layer of a camera fits.
            ("picture_kbps", self.picture_kbps, 200..=50_000),
            // One person who sends three layers and receives forty people needs 500.
            (
                "packets_per_second",
                self.packets_per_second,
                500..=1_000_000,
            ),
            (
                "sessions_per_address",
                self.sessions_per_address,
                1..=100_000,
            ),
            ("sessions", self.sessions, 1..=20_000),
            // Below, nobody would be seen before the line was measured.
            (
                "first_estimate_kbps",
                self.first_estimate_kbps,
                150..=10_000,
            ),
        ];
        match knobs
            .into_iter()
            .find(|(_, value, allowed)| !allowed.contains(value))
        {
            None => Ok(()),
            Some((knob, value, allowed)) => Err(ConfigError::OutOfRange {
                knob: format!("limits.{knob}"),
                value,
                least: *allowed.start(),
                most: *allowed.end(),
            }),
        }
    }

    /// What the media core is to keep.
    #[must_use]
    pub fn media_limits(&self) -> MediaLimits {
        let count = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        MediaLimits {
            sections: count(self.tracks),
            sound_bps: self.sound_kbps * 1_000,
            picture_bps: self.picture_kbps * 1_000,
            packets_per_second: u32::try_from(self.packets_per_second).unwrap_or(u32::MAX),
            sessions: count(self.sessions),
            first_estimate_bps: self.first_estimate_kbps * 1_000,
            ..MediaLimits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_core_keeps_its_own_limits_by_default() {
        let limits = LimitsConfig::default();
        assert!(limits.check().is_ok());
        assert_eq!(limits.media_limits(), MediaLimits::default());
    }

    #[test]
    fn what_no_server_can_keep_is_refused_by_name_value_and_range() {
        let refused = |limits: LimitsConfig| limits.check().unwrap_err().to_string();
        assert_eq!(
            refused(LimitsConfig {
                sessions: 0,
                ..LimitsConfig::default()
            }),
            "the configuration cannot be used: limits.sessions is 0; it may be from 1 to 20000"
        );
        // 98 people need more tracks than the default has.
        assert_eq!(
            refused(LimitsConfig {
                participants: 98,
                ..LimitsConfig::default()
            }),
            "the configuration cannot be used: limits.tracks is 128; it may be from 199 to 200"
        );
    }
}
