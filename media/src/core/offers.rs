//! Answers offers: sessions begin and change.

use super::session::Session;
use super::{Core, Offer, sections};
use crate::{DisconnectReason, Event, Load, MediaError, Source, TrackKey};
use std::collections::BTreeSet;
use std::time::Instant;
use str0m::change::SdpOffer;

impl Core {
    pub(super) fn answer(&mut self, now: Instant, offer: Offer) -> Result<String, MediaError> {
        self.advance(now)?;
        self.at_work = Some(offer.room);
        let sections = sections::sections(&offer.sdp, &self.limits)?;
        for (mid, source) in &offer.sources {
            let fits = sections
                .iter()
                .any(|section| section.mid == *mid && section.kind == source.kind());
            let unique = offer
                .sources
                .values()
                .filter(|other| *other == source)
                .count()
                == 1;
            if !fits || !unique {
                return Err(MediaError::WrongSection { mid: mid.clone() });
            }
        }
        let sdp = SdpOffer::from_sdp_string(&offer.sdp).map_err(|_| MediaError::OfferRejected {
            reason: "not SDP".to_owned(),
        })?;

        let id = offer.session;
        let mut session = match self.sessions.remove(&id) {
            Some(session) if session.room == offer.room => session,
            Some(elsewhere) => {
                self.sessions.insert(id, elsewhere);
                return Err(MediaError::WrongRoom {
                    session: id,
                    room: offer.room,
                });
            }
            None if self.sessions.len() >= self.limits.sessions => {
                return Err(MediaError::TooManySessions {
                    limit: self.limits.sessions,
                });
            }
            None if self.load == Load::Overload && !offer.comes_back => {
                return Err(MediaError::Overloaded);
            }
            None => Session::new(offer.room, &self.candidates, &self.limits, now),
        };
        let is_new = !self.is_in_room(offer.room, id);
        let fragment = session.fragment();
        let answer = match session.accept(sdp) {
            Ok(answer) => answer,
            Err(error) => {
                if !is_new {
                    let alive = session.is_alive();
                    self.sessions.insert(id, session);
                    if !alive {
                        self.end_session(id, Some(DisconnectReason::Failed));
                    }
                }
                return Err(error);
            }
        };
        let new_fragment = session.fragment();
        if !is_new && fragment != new_fragment {
            self.demux.forget_fragment(&fragment);
        }
        let unique = self.demux.learn_fragment(&new_fragment, id);
        let known: BTreeSet<Source> = session.tracks.keys().copied().collect();
        let changes = session.negotiate(&sections, &offer.sources);
        let answer = sections::with_bandwidth(&answer, &offer.sources, self.limits.picture_bps);
        session.told_needed = None;
        self.sessions.insert(id, session);
        self.rooms
            .entry(offer.room)
            .or_default()
            .sessions
            .insert(id);
        if !unique {
            // 16 random letters that two sessions share: the second cannot be told from the first.
            self.end_session(id, Some(DisconnectReason::Failed));
            return Err(MediaError::OfferRejected {
                reason: "user fragment taken".to_owned(),
            });
        }
        for source in changes.stopped {
            self.track_stopped(
                offer.room,
                TrackKey {
                    session: id,
                    source,
                },
            );
        }
        for source in changes.started {
            if !known.contains(&source) {
                self.tell(Event::TrackStarted {
                    track: TrackKey {
                        session: id,
                        source,
                    },
                });
            }
        }
        self.drive(id, str0m::Input::Timeout(now));
        self.connect_tracks(offer.room);
        self.tell_slots(id);
        Ok(answer)
    }
}
