//! Who is heard in a room, by the levels that senders write into their packets (RFC 6464).

use crate::{SessionId, packet::SPEECH_DBOV};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often the order may change. 300 ms: a change is seen within a syllable or two.
const INTERVAL: Duration = Duration::from_millis(300);
/// How long somebody stays in the list after the last loud interval: pauses between words.
const HANG: Duration = Duration::from_millis(1_200);
/// By how much another must be louder to take the first place, in dB. A doubling of the amplitude.
const LEAD_DB: f32 = 6.0;
/// How many are named.
const NAMED: usize = 3;

/// The levels of one room.
#[derive(Debug, Default)]
pub(super) struct Loudness {
    voices: BTreeMap<SessionId, Voice>,
    next: Option<Instant>,
    told: Vec<SessionId>,
}

#[derive(Debug, Default)]
struct Voice {
    /// Of the present interval, in -dBov.
    sum: f32,
    packets: u16,
    /// Mean of the last loud interval.
    level: f32,
    loud_until: Option<Instant>,
}

impl Loudness {
    /// A packet with its level in -dBov came: 0 is the loudest, 127 is silence.
    pub(super) fn heard(&mut self, session: SessionId, level: u8, now: Instant) {
        let voice = self.voices.entry(session).or_default();
        voice.sum += f32::from(level);
        voice.packets = voice.packets.saturating_add(1);
        if self.next.is_none() {
            self.next = Some(now + INTERVAL);
        }
    }

    /// Somebody is heard no more.
    pub(super) fn forget(&mut self, session: SessionId, now: Instant) {
        if self.voices.remove(&session).is_some() && self.told.contains(&session) {
            self.next = Some(now);
        }
    }

    /// Who speaks at present.
    pub(super) fn first(&self) -> Option<SessionId> {
        self.told.first().copied()
    }

    /// When [`changed`](Self::changed) should be asked next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// The list, loudest first, if it is another than the last one.
    pub(super) fn changed(&mut self, now: Instant) -> Option<Vec<SessionId>> {
        if self.next.is_none_or(|next| next > now) {
            return None;
        }
        for voice in self.voices.values_mut() {
            if voice.packets > 0 {
                let mean = voice.sum / f32::from(voice.packets);
                if mean < f32::from(SPEECH_DBOV) {
                    voice.level = mean;
                    voice.loud_until = Some(now + HANG);
                }
            }
            voice.sum = 0.0;
            voice.packets = 0;
        }
        let first = self.first();
        let mut loud: Vec<(SessionId, f32)> = self
            .voices
            .iter()
            .filter(|(_, voice)| voice.loud_until.is_some_and(|until| until > now))
            .map(|(session, voice)| {
                let lead = if Some(*session) == first {
                    LEAD_DB
                } else {
                    0.0
                };
                (*session, voice.level - lead)
            })
            .collect();
        loud.sort_by(|a, b| a.1.total_cmp(&b.1));
        loud.truncate(NAMED);
        let list: Vec<SessionId> = loud.into_iter().map(|(session, _)| session).collect();
        // While somebody is in the list time must go on, so that they leave it.
        self.next = (!list.is_empty()).then(|| now + INTERVAL);
        (list != self.told).then(|| {
            self.told.clone_from(&list);
            list
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUDGE: SessionId = SessionId(1);
    const WITNESS: SessionId = SessionId(2);

    fn interval(
        room: &mut Loudness,
        start: Instant,
        index: u32,
        levels: &[(SessionId, u8)],
    ) -> Option<Vec<SessionId>> {
        let from = start + INTERVAL * index;
        for (session, level) in levels {
            for packet in 0..15 {
                room.heard(*session, *level, from + Duration::from_millis(20) * packet);
            }
        }
        room.changed(from + INTERVAL)
    }

    #[test]
    fn the_first_stays_until_another_is_clearly_louder() {
        let start = Instant::now();
        let mut room = Loudness::default();
        assert_eq!(
            interval(&mut room, start, 0, &[(JUDGE, 30), (WITNESS, 90)]),
            Some(vec![JUDGE])
        );
        assert_eq!(
            interval(&mut room, start, 1, &[(JUDGE, 30), (WITNESS, 27)]),
            Some(vec![JUDGE, WITNESS])
        );
        assert_eq!(
            interval(&mut room, start, 2, &[(JUDGE, 30), (WITNESS, 27)]),
            None
        );
        assert_eq!(
            interval(&mut room, start, 3, &[(JUDGE, 30), (WITNESS, 20)]),
            Some(vec![WITNESS, JUDGE])
        );
    }

    #[test]
    fn silence_empties_the_list_once() {
        let start = Instant::now();
        let mut room = Loudness::default();
        assert_eq!(
            interval(&mut room, start, 0, &[(JUDGE, 30)]),
            Some(vec![JUDGE])
        );
        let mut told = Vec::new();
        for index in 1..8 {
            told.extend(interval(&mut room, start, index, &[]));
        }
        assert_eq!(told, [Vec::<SessionId>::new()]);
        assert_eq!(room.deadline(), None);
    }
}
