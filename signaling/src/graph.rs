//! Who receives what: the one function that decides every packet.

use crate::{Hearing, HearingState, Participant, Presence, Role, TrackRef, TrackSource};
use otyrys_storage::ids::ParticipantId;
use std::collections::{BTreeMap, BTreeSet};

/// Where a track may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sink {
    /// To a person.
    Participant(ParticipantId),
    /// Into the record.
    Recorder,
    /// Into the draft protocol. The recogniser reads the record, so this edge exists only beside
    /// one to the [`Sink::Recorder`].
    Recogniser,
}

/// Every track with the sinks that it reaches. A track that is absent reaches nobody.
pub type Graph = BTreeMap<TrackRef, BTreeSet<Sink>>;

/// The forwarding graph of a hearing.
///
/// The media server, the recorder and the recogniser connect a track to a sink if and only if the
/// edge is here. A rule about who may see or hear whom is written in this function and nowhere
/// else.
#[must_use]
pub fn who_receives_what(hearing: &Hearing) -> Graph {
    let carried = matches!(
        hearing.state(),
        HearingState::Lobby | HearingState::InSession
    );
    if !carried {
        return Graph::new();
    }
    let recorded = hearing.state() == HearingState::InSession && hearing.on_record();
    let present: Vec<&Participant> = hearing
        .participants()
        .iter()
        .filter(|p| p.presence() == Presence::Admitted)
        .collect();

    let mut graph = Graph::new();
    for sender in present.iter().filter(|p| p.person.role.publishes()) {
        for source in TrackSource::ALL {
            if sender.is_silenced(source) {
                continue;
            }
            let mut sinks: BTreeSet<Sink> = present
                .iter()
                .filter(|p| p.person.id != sender.person.id && receives_content(p.person.role))
                .map(|p| Sink::Participant(p.person.id))
                .collect();
            if recorded {
                sinks.insert(Sink::Recorder);
                if is_drafted(source) {
                    sinks.insert(Sink::Recogniser);
                }
            }
            graph.insert(
                TrackRef {
                    participant: sender.person.id,
                    source,
                },
                sinks,
            );
        }
    }
    graph
}

/// The tracks of the record that a person may hear and see again, while the hearing lasts and after
/// it: everybody's, for those who read the draft that was made from them. During the hearing they
/// must be in it.
///
/// What is played back follows from this function alone, as what is forwarded follows from
/// [`who_receives_what`].
#[must_use]
pub fn what_is_played_back(hearing: &Hearing, viewer: ParticipantId) -> BTreeSet<TrackRef> {
    let over = hearing.state() == HearingState::Closed;
    let listens = hearing
        .participant(viewer)
        .is_some_and(|p| p.person.role.reads_draft() && (over || p.is_admitted()));
    if !listens {
        return BTreeSet::new();
    }
    hearing
        .participants()
        .iter()
        .filter(|p| p.person.role.publishes())
        .flat_map(|p| {
            TrackSource::ALL.map(|source| TrackRef {
                participant: p.person.id,
                source,
            })
        })
        .collect()
}

/// Whether what is recorded of a source is also read by the recogniser: what is said, not what is
/// shown.
#[must_use]
pub fn is_drafted(source: TrackSource) -> bool {
    source == TrackSource::Microphone
}

/// The tracks whose pictures everybody keeps longest when a line becomes narrow: the bench.
pub fn favoured_pictures(hearing: &Hearing) -> impl Iterator<Item = TrackRef> {
    hearing
        .participants()
        .iter()
        .filter(|p| p.person.role == Role::Judge)
        .map(|p| TrackRef {
            participant: p.person.id,
            source: TrackSource::Camera,
        })
}

/// Whether a role sees how good everybody's line is: who conducts the hearing must know whether a
/// person can be heard, and court IT must find the fault.
#[must_use]
pub fn sees_lines(role: Role) -> bool {
    matches!(role, Role::Judge | Role::Clerk | Role::TechnicalOfficer)
}

/// Court IT sees the state of a hearing, never its content.
fn receives_content(role: Role) -> bool {
    role != Role::TechnicalOfficer
}
