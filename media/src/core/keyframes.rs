//! Key-frame requests: coalesced and throttled for each layer of a track.

use crate::{Layer, TrackKey};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A layer of a track: each is encoded, and asked, for itself.
pub(super) type Encoded = (TrackKey, Layer);

/// Who was asked when, and who is to be asked again.
#[derive(Debug)]
pub(super) struct KeyframeRequests {
    interval: Duration,
    tracks: HashMap<Encoded, Asked>,
    /// The earliest moment at which a waiting request may go out.
    next: Option<Instant>,
}

#[derive(Debug)]
struct Asked {
    last: Instant,
    again: bool,
}

impl KeyframeRequests {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            tracks: HashMap::new(),
            next: None,
        }
    }

    /// Wants a key frame of `track`. True: ask its sender now. False: it was asked a moment ago,
    /// and will be asked again when the interval is over.
    #[must_use]
    pub(super) fn want(&mut self, track: Encoded, now: Instant) -> bool {
        let Some(asked) = self.tracks.get_mut(&track) else {
            self.tracks.insert(
                track,
                Asked {
                    last: now,
                    again: false,
                },
            );
            return true;
        };
        let due = asked.last + self.interval;
        if due <= now {
            *asked = Asked {
                last: now,
                again: false,
            };
            return true;
        }
        asked.again = true;
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
        false
    }

    /// A key frame of `track` came: whoever waited for one has it.
    pub(super) fn satisfied(&mut self, track: Encoded) {
        if let Some(asked) = self.tracks.get_mut(&track) {
            asked.again = false;
        }
    }

    /// Forgets a track that has stopped.
    pub(super) fn forget(&mut self, track: TrackKey) {
        self.tracks.retain(|(of, _), _| *of != track);
    }

    /// When [`due`](Self::due) should be asked next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// The tracks whose senders are to be asked now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Encoded> {
        if self.next.is_none_or(|next| next > now) {
            return Vec::new();
        }
        let mut due = Vec::new();
        self.next = None;
        for (track, asked) in &mut self.tracks {
            if !asked.again {
                continue;
            }
            let at = asked.last + self.interval;
            if at <= now {
                *asked = Asked {
                    last: now,
                    again: false,
                };
                due.push(*track);
            } else {
                self.next = Some(self.next.map_or(at, |next| next.min(at)));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SessionId, Source};

    #[test]
    fn many_wishes_are_two_requests() {
        let track = (
            TrackKey {
                session: SessionId(1),
                source: Source::Camera,
            },
            Layer::SMALLEST,
        );
        let start = Instant::now();
        let mut requests = KeyframeRequests::new(Duration::from_millis(500));
        assert!(requests.want(track, start));
        for ms in 1..30 {
            assert!(!requests.want(track, start + Duration::from_millis(ms)));
        }
        assert_eq!(
            requests.deadline(),
            Some(start + Duration::from_millis(500))
        );
        assert_eq!(requests.due(start + Duration::from_millis(499)), []);
        assert_eq!(requests.due(start + Duration::from_millis(500)), [track]);
        assert_eq!(requests.deadline(), None);
    }

    #[test]
    fn a_key_frame_that_came_ends_the_wait() {
        let track = (
            TrackKey {
                session: SessionId(1),
                source: Source::Camera,
            },
            Layer::SMALLEST,
        );
        let start = Instant::now();
        let mut requests = KeyframeRequests::new(Duration::from_millis(500));
        assert!(requests.want(track, start));
        assert!(!requests.want(track, start));
        requests.satisfied(track);
        assert_eq!(requests.due(start + Duration::from_secs(1)), []);
    }
}
