//! Drives single sessions: what came for them, what waits in them, what is due.

use super::egress::Taken;
use super::session::{Happened, protocol};
use super::{Core, Datagram, rtcp, stun};
use crate::{Event, PeerAddress, SessionId, TrackKey};
use std::time::Duration;
use str0m::net::Receive;

impl Core {
    /// False: nobody's.
    pub(super) fn receive(&mut self, datagram: Datagram<'_>) -> bool {
        let Datagram {
            now,
            source,
            destination,
            bytes,
        } = datagram;
        if bytes.len() > self.limits.datagram_bytes {
            return false;
        }
        let Some(id) = self.demux.session_of(source, bytes) else {
            return false;
        };
        let Ok(received) = Receive::new(protocol(source), source.socket, destination, bytes) else {
            return false;
        };
        let known = self.demux.knows(source, id);
        let check = stun::transaction_id(bytes);
        if let Some(check) = check
            && !known
            && self
                .sessions
                .get(&id)
                .is_some_and(|session| session.answered_checks.contains(check))
        {
            return false;
        }
        if rtcp::is_rtcp(bytes) {
            match self.take_rtcp(id, bytes) {
                Taken::Refused => return false,
                Taken::Whole => return true,
                Taken::ForTheStack => {}
            }
        } else if self
            .sessions
            .get(&id)
            .is_some_and(|session| !session.transport_numbers.admit(bytes))
        {
            return false;
        }
        let before = self.outputs.len();
        self.drive(id, str0m::Input::Receive(now, received));
        let Some(session) = self.sessions.get_mut(&id) else {
            return true;
        };
        if let Some(check) = check
            && let Some((answered, _)) = self
                .outputs
                .datagrams_since(before)
                .find(|(_, answer)| stun::answers(answer, check))
        {
            session.answered_checks.insert(check);
            if stun::nominates(bytes) {
                session.egress.path = Some(answered);
            }
        }
        if !known {
            // Only now has the stack checked the integrity of the STUN request: whoever merely
            // names our fragment does not get the address.
            if !session.is_reached_at(source, destination, now) {
                return true;
            }
            session.addresses.push_back(source);
            let forgotten = if session.addresses.len() > self.limits.addresses {
                session.addresses.pop_front()
            } else {
                None
            };
            if let Some(address) = forgotten {
                self.demux.forget_address(address, id);
            }
            let before = self.demux.learn_address(source, id);
            if let Some(other) = before.and_then(|other| self.sessions.get_mut(&other)) {
                other.addresses.retain(|address| *address != source);
            }
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.last_heard = now;
        }
        true
    }

    pub(super) fn lose_address(&mut self, address: PeerAddress) {
        let Some(id) = self.demux.session_at(address) else {
            return;
        };
        self.demux.forget_address(address, id);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.lose_address(address);
            self.drive(id, str0m::Input::Timeout(self.now));
        }
    }

    /// Does what waits in a session.
    pub(super) fn attend(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.dirty = false;
        let stack_waits = std::mem::take(&mut session.stack_waits);
        self.send_waiting(id);
        if stack_waits {
            self.drive(id, str0m::Input::Timeout(self.now));
        } else {
            self.schedule(id);
        }
    }

    /// Does what is due in a session.
    pub(super) fn session_due(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        self.at_work = Some(session.room);
        session.time_passed(self.now, &mut self.outputs);
        if session.stack_at <= self.now {
            self.drive(id, str0m::Input::Timeout(self.now));
        } else {
            self.schedule(id);
        }
    }

    /// Takes RTCP of a client: most of it is about what is sent to it, and not for the stack.
    pub(super) fn take_rtcp(&mut self, id: SessionId, packet: &[u8]) -> Taken {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Taken::Refused;
        };
        self.at_work = Some(session.room);
        let mut happened = std::mem::take(&mut self.happened);
        let before = session.egress.estimate_bps();
        let taken = session.take_rtcp(packet, self.now, &mut self.outputs, &mut happened);
        let found_more = session.found_more(before);
        let room = session.room;
        if taken == Taken::Whole {
            session.last_heard = self.now;
        }
        self.take_up(id, &mut happened);
        self.happened = happened;
        if found_more {
            // Whoever waits for a picture need not wait for the next look at all lines.
            self.allocate_room(room);
        }
        self.schedule(id);
        taken
    }

    /// Drives one session's stack and takes up everything that comes of it.
    pub(super) fn drive(&mut self, id: SessionId, input: str0m::Input<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        self.at_work = Some(session.room);
        let mut happened = std::mem::take(&mut self.happened);
        let outcome = session.drive(input, &mut self.outputs, &mut happened);
        self.take_up(id, &mut happened);
        self.happened = happened;
        match outcome {
            Ok(()) => self.schedule(id),
            Err(reason) => self.end_session(id, Some(reason)),
        }
    }

    pub(super) fn take_up(&mut self, id: SessionId, happened: &mut Vec<Happened>) {
        for happened in happened.drain(..) {
            match happened {
                Happened::Connected => self.outputs.tell(Event::Connected { session: id }),
                Happened::CodecChanged => {
                    if let Some(room) = self.sessions.get(&id).map(|session| session.room) {
                        self.connect_tracks(room);
                    }
                }
                Happened::Packet { stream, packet } => {
                    let track = TrackKey {
                        session: id,
                        source: stream.source,
                    };
                    self.forward(track, stream, packet);
                }
                Happened::Paused { stream } => {
                    let track = TrackKey {
                        session: id,
                        source: stream.source,
                    };
                    self.paused(track, stream.layer);
                }
                Happened::Measured => self.report(id),
                Happened::KeyframeWanted { slot } => {
                    let shown = self.sessions.get(&id).and_then(|session| {
                        let slot = session.slots.get(slot)?;
                        Some((slot.track()?, slot.layer()?))
                    });
                    if let Some((track, layer)) = shown {
                        self.want_keyframe(track, layer);
                    }
                }
            }
        }
    }

    pub(super) fn patience(&self, id: SessionId) -> Duration {
        match self.sessions.get(&id) {
            Some(session) if session.connected => self.limits.silence,
            _ => self.limits.connect,
        }
    }

    /// A deadline that moved later is left where it stands: waking up too early is harmless and
    /// far cheaper than moving it for each packet.
    pub(super) fn schedule(&mut self, id: SessionId) {
        /// Probes of a line are no finer.
        const SOONEST: Duration = Duration::from_micros(500);

        let patience = self.patience(id);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        // A stack that wants to be asked again at once would keep `time_passed` in its loop for
        // good (found by the fuzz target `commands`).
        let deadline = session
            .deadline()
            .min(session.quiet_since() + patience)
            .max(self.now + SOONEST);
        if let Some(scheduled) = session.scheduled {
            if scheduled <= deadline {
                return;
            }
            self.deadlines.remove(&(scheduled, id));
        }
        session.scheduled = Some(deadline);
        self.deadlines.insert((deadline, id));
    }
}
