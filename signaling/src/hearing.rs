//! The hearing as a state machine.

use crate::{Language, Place, Role, TrackRef, TrackSource, what_is_played_back, wire::Act};
use jiff::Timestamp;
use otyrys_storage::{
    Digest,
    ids::{HearingId, LineId, ParticipantId, SegmentId},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use ts_rs::TS;

/// What a hearing is about and who was summoned to it. Fixed when the hearing is scheduled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HearingSubject {
    /// Which hearing.
    pub id: HearingId,
    /// Number of the case in the registry.
    pub case_number: String,
    /// What the case is called.
    pub case_title: String,
    /// Name of the court.
    pub court: String,
    /// Name of the courtroom.
    pub courtroom: String,
    /// Language of the proceedings.
    pub language: Language,
    /// When it is to begin.
    pub scheduled_at: Timestamp,
    /// Who was summoned, in the order in which they are shown.
    pub people: Vec<Person>,
}

/// A summoned person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Which place in this hearing.
    pub id: ParticipantId,
    /// Name as in the case.
    pub name: String,
    /// Role in the hearing.
    pub role: Role,
    /// Where they join from.
    pub place: Place,
    /// The language they speak, if not the hearing's.
    pub language: Language,
}

/// Where a hearing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum HearingState {
    /// Nobody has come yet.
    Scheduled,
    /// People gather; the session is not open.
    Lobby,
    /// The session is open.
    InSession,
    /// Adjourned for a while: nobody is carried to anybody.
    Recess,
    /// Over. Irreversible.
    Closed,
}

/// Where a person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Has not opened the link.
    Invited,
    /// Checks camera, microphone and speaker.
    SelfTest,
    /// Waits to be admitted.
    Waiting,
    /// In the hearing.
    Admitted,
    /// Lost the line; comes back into the same place without being admitted again.
    Disconnected,
    /// Left on purpose.
    Left,
}

/// Stages of a hearing: markers on the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The session is opened.
    Opened,
    /// The composition of the court is announced.
    CompositionAnnounced,
    /// Rights are explained.
    RightsExplained,
    /// Oath and warnings.
    Oath,
    /// The charge is read.
    ChargeRead,
    /// Evidence is examined.
    Evidence,
    /// A witness is heard.
    WitnessHeard,
    /// Adjournment.
    Recess,
    /// Pleadings.
    Pleadings,
    /// The last word of the defendant.
    LastWord,
    /// Deliberation.
    Deliberation,
    /// The decision is announced.
    DecisionAnnounced,
    /// The session is closed.
    Closed,
}

/// Why nothing can be written to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RecordFault {
    /// The disk refuses: full, read-only or broken.
    Disk,
    /// A track arrives that is not being written.
    TrackNotWritten,
    /// The recorder is not running.
    Recorder,
    /// Somebody speaks by what their client says, and what is recorded of it is silence.
    Silence,
    /// The time of a track in the record does not go on as real time does.
    Clock,
    /// What is recorded of a picture cannot be decoded.
    Picture,
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A person, authenticated by their seat.
    Participant(ParticipantId),
    /// The server itself.
    Server,
}

/// What can be asked of a hearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The person's client is connected.
    Connect {
        /// It is a rehearsal participant, not a person.
        rehearsal: bool,
    },
    /// The person's client is gone without a word.
    Disconnect,
    /// The self-test is over.
    Ready {
        /// A microphone delivers sound.
        microphone: bool,
        /// A camera delivers a picture.
        camera: bool,
    },
    /// The person's own switches.
    Sending {
        /// Sound is being sent.
        microphone: bool,
        /// A picture is being sent.
        camera: bool,
    },
    /// The person leaves on purpose.
    Leave,
    /// An act on the hearing.
    Act(Act),
    /// The person begins to listen to the record.
    ListenBack {
        /// To what.
        tracks: BTreeSet<TrackRef>,
        /// Milliseconds into the record.
        from_ms: u64,
    },
    /// What of the record was sent to a person who listened to it (server only, in the person's
    /// name).
    ListenedBack {
        /// Of what.
        tracks: BTreeSet<TrackRef>,
        /// From and to, milliseconds into the record, for each stretch.
        stretches: Vec<(u64, u64)>,
    },
    /// The person writes something else in place of a line of the draft. The text itself is kept
    /// beside the line and not in the log.
    EditLine {
        /// Which line.
        line: LineId,
        /// Salted hash of the text; none: the machine's text again.
        sha256: Option<Digest>,
    },
    /// The person decides whether an entry of the court's dictionary is applied. Its words are kept
    /// elsewhere and not in the log.
    ChooseCorrection {
        /// Salted hash of the words.
        sha256: Digest,
        /// Whether it is applied from now on.
        applied: bool,
    },
    /// A person took the seat of a rehearsal participant (server only).
    SeatTaken {
        /// Whose seat.
        participant: ParticipantId,
    },
    /// The record cannot be written (server only).
    RecordFailed {
        /// What is wrong.
        fault: RecordFault,
        /// With which track, if it is one.
        track: Option<TrackRef>,
    },
    /// The record can be written again (server only).
    RecordMended,
    /// A file of the record was begun (server only).
    SegmentOpened {
        /// Whose track.
        participant: ParticipantId,
        /// Which of their tracks.
        source: TrackSource,
        /// The file.
        segment: SegmentId,
        /// Milliseconds into the record.
        starts_ms: u64,
    },
    /// A file of the record was finished (server only).
    SegmentClosed {
        /// The file.
        segment: SegmentId,
        /// Milliseconds into the record.
        ends_ms: u64,
    },
    /// The recogniser has read a file of the record to its end (server only).
    SegmentDrafted {
        /// The file.
        segment: SegmentId,
    },
    /// The server started again while this hearing was open (server only).
    ServerRestarted,
}

/// What happened. The events of a hearing, replayed, are its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each mirrors the command that causes it, documented there"
)]
pub enum HearingEvent {
    LobbyOpened,
    Connected {
        participant: ParticipantId,
        rehearsal: bool,
    },
    Disconnected {
        participant: ParticipantId,
    },
    Waiting {
        participant: ParticipantId,
        microphone: bool,
        camera: bool,
    },
    Sending {
        participant: ParticipantId,
        microphone: bool,
        camera: bool,
    },
    Left {
        participant: ParticipantId,
    },
    Admitted {
        participant: ParticipantId,
    },
    SentBack {
        participant: ParticipantId,
    },
    Muted {
        participant: ParticipantId,
        muted: bool,
    },
    SessionStarted,
    RecessBegan,
    RecessEnded,
    OnRecord,
    OffRecord,
    RecordFailed {
        fault: RecordFault,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        track: Option<TrackRef>,
    },
    RecordMended,
    SegmentOpened {
        participant: ParticipantId,
        source: TrackSource,
        segment: SegmentId,
        starts_ms: u64,
    },
    SegmentClosed {
        segment: SegmentId,
        ends_ms: u64,
    },
    SegmentDrafted {
        segment: SegmentId,
    },
    /// A stretch of a file of the record was damaged when the record was to be sealed.
    RecordDamaged {
        participant: ParticipantId,
        source: TrackSource,
        segment: SegmentId,
        from_ms: u64,
        to_ms: u64,
    },
    StageMarked {
        stage: Stage,
        at_ms: u64,
    },
    LinkRenewed {
        participant: ParticipantId,
    },
    ListeningBegan {
        tracks: BTreeSet<TrackRef>,
        from_ms: u64,
    },
    Listened {
        tracks: BTreeSet<TrackRef>,
        from_ms: u64,
        to_ms: u64,
    },
    LineEdited {
        line: LineId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<Digest>,
    },
    CorrectionChosen {
        sha256: Digest,
        applied: bool,
    },
    InterpretationSet {
        interpreter: ParticipantId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<ParticipantId>,
    },
    SeatTaken {
        participant: ParticipantId,
    },
    ServerRestarted,
    Closed,
    /// A person agreed that the hearing's key be destroyed, whose time is over.
    DestructionApproved,
    /// The second one did: the record cannot be read any more.
    KeyDestroyed,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The role or presence of the actor does not allow it.
    #[error("the actor may not do this")]
    NotAllowed,
    /// The state of the hearing does not allow it.
    #[error("the hearing is in the wrong state for this")]
    WrongState,
    /// The person is not summoned to this hearing.
    #[error("no such participant in this hearing")]
    UnknownParticipant,
    /// The record cannot be written.
    #[error("the record cannot be written")]
    RecordFault,
}

/// One person in a hearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Who.
    pub person: Person,
    standing: Standing,
    connected: bool,
    /// Their own switch: sound is being sent.
    pub microphone: bool,
    /// Their own switch: a picture is being sent.
    pub camera: bool,
    /// Silenced by the bench.
    pub muted: bool,
    /// A rehearsal participant sits here.
    pub rehearsal: bool,
    /// They were admitted at least once: they appeared.
    pub appeared: bool,
}

/// How far a person has got, whether or not their line holds at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Invited,
    SelfTest,
    Waiting,
    Admitted,
    Left,
}

impl Participant {
    fn summoned(person: Person) -> Self {
        Self {
            person,
            standing: Standing::Invited,
            connected: false,
            microphone: false,
            camera: false,
            muted: false,
            rehearsal: false,
            appeared: false,
        }
    }

    /// Where the person is now.
    #[must_use]
    pub fn presence(&self) -> Presence {
        match (self.standing, self.connected) {
            (Standing::Invited, _) => Presence::Invited,
            (Standing::Left, _) => Presence::Left,
            (_, false) => Presence::Disconnected,
            (Standing::SelfTest, true) => Presence::SelfTest,
            (Standing::Waiting, true) => Presence::Waiting,
            (Standing::Admitted, true) => Presence::Admitted,
        }
    }

    /// What follows from their switches: nothing if they are as they were.
    fn sending(&self, microphone: bool, camera: bool) -> Vec<HearingEvent> {
        if (self.microphone, self.camera) == (microphone, camera) {
            return Vec::new();
        }
        vec![HearingEvent::Sending {
            participant: self.person.id,
            microphone,
            camera,
        }]
    }

    /// Whether they have a source of theirs switched on, and the bench has not silenced it.
    #[must_use]
    pub fn sends(&self, source: TrackSource) -> bool {
        match source {
            TrackSource::Microphone => self.microphone && !self.is_silenced(source),
            TrackSource::Camera => self.camera,
            TrackSource::Screen => true,
        }
    }

    /// Whether the bench has silenced a source of theirs: nobody gets it, the record neither.
    pub(crate) fn is_silenced(&self, source: TrackSource) -> bool {
        self.muted && source == TrackSource::Microphone
    }

    /// Whether the bench has let this person in and has not sent them back, line or no line.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.standing == Standing::Admitted
    }
}

/// For whom an interpreter interprets from a moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interpretation {
    interpreter: ParticipantId,
    /// For nobody that the bench named, if none.
    of: Option<ParticipantId>,
    /// Milliseconds into the record; `0` also for what was set before it began.
    from_ms: u64,
}

/// A hearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hearing {
    subject: HearingSubject,
    participants: Vec<Participant>,
    state: HearingState,
    on_record: bool,
    record_epoch: Option<Timestamp>,
    record_fault: Option<(RecordFault, Option<TrackRef>)>,
    stages: Vec<(Stage, u64)>,
    interpretations: Vec<Interpretation>,
    opened_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
}

impl Hearing {
    /// A hearing that nobody has come to yet.
    #[must_use]
    pub fn new(subject: HearingSubject) -> Self {
        let participants = subject
            .people
            .iter()
            .cloned()
            .map(Participant::summoned)
            .collect();
        Self {
            subject,
            participants,
            state: HearingState::Scheduled,
            on_record: false,
            record_epoch: None,
            record_fault: None,
            stages: Vec::new(),
            interpretations: Vec::new(),
            opened_at: None,
            closed_at: None,
        }
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &HearingSubject {
        &self.subject
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> HearingState {
        self.state
    }

    /// Whether everybody's tracks are to be written.
    #[must_use]
    pub fn on_record(&self) -> bool {
        self.on_record
    }

    /// Zero of the record's clock: the first moment on record.
    #[must_use]
    pub fn record_epoch(&self) -> Option<Timestamp> {
        self.record_epoch
    }

    /// Milliseconds of the record's clock; `0` before the record began.
    #[must_use]
    pub fn record_ms(&self, now: Timestamp) -> u64 {
        self.record_epoch.map_or(0, |epoch| {
            u64::try_from(now.duration_since(epoch).as_millis()).unwrap_or(0)
        })
    }

    /// Why the record cannot go on, while it cannot.
    #[must_use]
    pub fn record_fault(&self) -> Option<RecordFault> {
        self.record_fault.map(|(fault, _)| fault)
    }

    /// Whose track it is that the record cannot go on with, if it is one.
    #[must_use]
    pub fn faulty_track(&self) -> Option<TrackRef> {
        self.record_fault.and_then(|(_, track)| track)
    }

    /// Stages with milliseconds into the record, as marked.
    #[must_use]
    pub fn stages(&self) -> &[(Stage, u64)] {
        &self.stages
    }

    /// For whom an interpreter interprets now, as the bench set it last.
    #[must_use]
    pub fn interprets(&self, interpreter: ParticipantId) -> Option<ParticipantId> {
        self.interprets_at(interpreter, u64::MAX)
    }

    /// For whom an interpreter interpreted at a moment of the record, in milliseconds. Whom a line
    /// interprets follows from this function and the moment at which it begins, in the room and in
    /// the protocol alike; nobody else's track has an answer.
    #[must_use]
    pub fn interprets_at(&self, interpreter: ParticipantId, at_ms: u64) -> Option<ParticipantId> {
        let mut set = self.interpretations.iter();
        set.rfind(|set| set.interpreter == interpreter && set.from_ms <= at_ms)?
            .of
    }

    /// When the session was opened.
    #[must_use]
    pub fn opened_at(&self) -> Option<Timestamp> {
        self.opened_at
    }

    /// When the hearing was closed.
    #[must_use]
    pub fn closed_at(&self) -> Option<Timestamp> {
        self.closed_at
    }

    /// Everybody summoned.
    #[must_use]
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// Whether a participant may have a media connection. Whoever waits may already have one, so
    /// that admission is instant; [`who_receives_what`](crate::who_receives_what) gives it nothing
    /// before.
    #[must_use]
    pub fn may_offer(&self, id: ParticipantId) -> bool {
        self.state != HearingState::Closed
            && self
                .participant(id)
                .is_some_and(|p| matches!(p.presence(), Presence::Waiting | Presence::Admitted))
    }

    /// Whether one more may connect beside the `present` ones, where `most` may. Without those who
    /// conduct there is no hearing: they always may.
    #[must_use]
    pub fn has_room_for(&self, id: ParticipantId, present: u64, most: u64) -> bool {
        let conducts = self
            .participant(id)
            .is_some_and(|p| p.person.role.conducts());
        conducts || present < most
    }

    /// One of them.
    #[must_use]
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants.iter().find(|p| p.person.id == id)
    }

    /// What follows from a command. Changes nothing: [`Self::apply`] each event once it is stored.
    ///
    /// # Errors
    /// The [`Refusal`] says why nothing follows from it.
    pub fn decide(
        &self,
        now: Timestamp,
        actor: Actor,
        command: &Command,
    ) -> Result<Vec<HearingEvent>, Refusal> {
        if self.state == HearingState::Closed {
            match command {
                // What is still being written or read when the hearing closes is finished after it.
                Command::SegmentOpened { .. }
                | Command::SegmentClosed { .. }
                | Command::SegmentDrafted { .. } => return self.decide_for_server(command),
                Command::Disconnect | Command::Leave | Command::ServerRestarted => {
                    return Ok(Vec::new());
                }
                // The record is there to be listened to.
                Command::ListenBack { .. } | Command::ListenedBack { .. } => {}
                _ => return Err(Refusal::WrongState),
            }
        }
        match actor {
            Actor::Server => self.decide_for_server(command),
            Actor::Participant(id) => {
                let participant = self.participant(id).ok_or(Refusal::UnknownParticipant)?;
                self.decide_for_participant(now, participant, command)
            }
        }
    }

    fn decide_for_server(&self, command: &Command) -> Result<Vec<HearingEvent>, Refusal> {
        Ok(match command {
            Command::RecordFailed { fault, track } if self.record_fault.is_none() => {
                let mut events = vec![HearingEvent::RecordFailed {
                    fault: *fault,
                    track: *track,
                }];
                if self.on_record {
                    events.push(HearingEvent::OffRecord);
                }
                events
            }
            Command::RecordMended if self.record_fault.is_some() => {
                vec![HearingEvent::RecordMended]
            }
            Command::RecordFailed { .. } | Command::RecordMended => Vec::new(),
            Command::SegmentOpened {
                participant,
                source,
                segment,
                starts_ms,
            } => {
                vec![HearingEvent::SegmentOpened {
                    participant: *participant,
                    source: *source,
                    segment: *segment,
                    starts_ms: *starts_ms,
                }]
            }
            Command::SegmentClosed { segment, ends_ms } => {
                vec![HearingEvent::SegmentClosed {
                    segment: *segment,
                    ends_ms: *ends_ms,
                }]
            }
            Command::SegmentDrafted { segment } => {
                vec![HearingEvent::SegmentDrafted { segment: *segment }]
            }
            Command::SeatTaken { participant } => vec![HearingEvent::SeatTaken {
                participant: *participant,
            }],
            Command::ServerRestarted => vec![HearingEvent::ServerRestarted],
            _ => return Err(Refusal::NotAllowed),
        })
    }

    fn decide_for_participant(
        &self,
        now: Timestamp,
        participant: &Participant,
        command: &Command,
    ) -> Result<Vec<HearingEvent>, Refusal> {
        let id = participant.person.id;
        Ok(match command {
            Command::Connect { rehearsal } => {
                let mut events = Vec::new();
                if self.state == HearingState::Scheduled {
                    events.push(HearingEvent::LobbyOpened);
                }
                events.push(HearingEvent::Connected {
                    participant: id,
                    rehearsal: *rehearsal,
                });
                events
            }
            Command::Disconnect if participant.connected => {
                vec![HearingEvent::Disconnected { participant: id }]
            }
            Command::Disconnect => Vec::new(),
            Command::Ready { microphone, camera } => match participant.standing {
                Standing::SelfTest => {
                    let mut events = vec![HearingEvent::Waiting {
                        participant: id,
                        microphone: *microphone,
                        camera: *camera,
                    }];
                    // Whoever conducts needs nobody to let them in: a judge is never locked out.
                    if participant.person.role.conducts() {
                        events.push(HearingEvent::Admitted { participant: id });
                    }
                    events
                }
                // Somebody who comes back into the hearing only tells what they send.
                Standing::Waiting | Standing::Admitted => participant.sending(*microphone, *camera),
                Standing::Invited | Standing::Left => return Err(Refusal::WrongState),
            },
            Command::Sending { microphone, camera } => participant.sending(*microphone, *camera),
            Command::Leave if participant.standing == Standing::Left => Vec::new(),
            Command::Leave => vec![HearingEvent::Left { participant: id }],
            Command::Act(act) => {
                if !participant.person.role.conducts() || !participant.is_admitted() {
                    return Err(Refusal::NotAllowed);
                }
                return self.decide_act(now, act);
            }
            Command::EditLine { .. } | Command::ChooseCorrection { .. }
                if !participant.person.role.conducts() || !participant.is_admitted() =>
            {
                return Err(Refusal::NotAllowed);
            }
            Command::EditLine { line, sha256 } => vec![HearingEvent::LineEdited {
                line: *line,
                sha256: *sha256,
            }],
            Command::ChooseCorrection { sha256, applied } => {
                vec![HearingEvent::CorrectionChosen {
                    sha256: *sha256,
                    applied: *applied,
                }]
            }
            Command::ListenBack { tracks, from_ms } => {
                if tracks.is_empty() || !tracks.is_subset(&what_is_played_back(self, id)) {
                    return Err(Refusal::NotAllowed);
                }
                vec![HearingEvent::ListeningBegan {
                    tracks: tracks.clone(),
                    from_ms: *from_ms,
                }]
            }
            // Also of somebody who may not listen any more: they did.
            Command::ListenedBack { tracks, stretches } => stretches
                .iter()
                .map(|(from_ms, to_ms)| HearingEvent::Listened {
                    tracks: tracks.clone(),
                    from_ms: *from_ms,
                    to_ms: *to_ms,
                })
                .collect(),
            Command::SeatTaken { .. }
            | Command::RecordFailed { .. }
            | Command::RecordMended
            | Command::SegmentOpened { .. }
            | Command::SegmentClosed { .. }
            | Command::SegmentDrafted { .. }
            | Command::ServerRestarted => return Err(Refusal::NotAllowed),
        })
    }

    fn decide_act(&self, now: Timestamp, act: &Act) -> Result<Vec<HearingEvent>, Refusal> {
        use HearingState::{InSession, Lobby, Recess};
        let known = |id: &ParticipantId| self.participant(*id).ok_or(Refusal::UnknownParticipant);
        let event = match act {
            Act::Admit { participant } => match known(participant)?.standing {
                Standing::Waiting => HearingEvent::Admitted {
                    participant: *participant,
                },
                Standing::Admitted => return Ok(Vec::new()),
                _ => return Err(Refusal::WrongState),
            },
            Act::SendBack { participant } => {
                let target = known(participant)?;
                if target.person.role.conducts() {
                    return Err(Refusal::NotAllowed);
                }
                if !target.is_admitted() {
                    return Err(Refusal::WrongState);
                }
                HearingEvent::SentBack {
                    participant: *participant,
                }
            }
            Act::Mute { participant, muted } => {
                if known(participant)?.muted == *muted {
                    return Ok(Vec::new());
                }
                HearingEvent::Muted {
                    participant: *participant,
                    muted: *muted,
                }
            }
            Act::Start if self.state == Lobby => HearingEvent::SessionStarted,
            Act::Record { on: true } if self.state == InSession => {
                if self.record_fault.is_some() {
                    return Err(Refusal::RecordFault);
                }
                if self.on_record {
                    return Ok(Vec::new());
                }
                HearingEvent::OnRecord
            }
            Act::Record { on: false } if self.state == InSession => {
                if !self.on_record {
                    return Ok(Vec::new());
                }
                HearingEvent::OffRecord
            }
            Act::Recess { on: true } if self.state == InSession => {
                let mut events = Vec::new();
                if self.on_record {
                    events.push(self.stage_now(now, Stage::Recess));
                    events.push(HearingEvent::OffRecord);
                }
                events.push(HearingEvent::RecessBegan);
                return Ok(events);
            }
            Act::Recess { on: false } if self.state == Recess => HearingEvent::RecessEnded,
            Act::Mark { stage } if self.state == InSession && self.on_record => {
                self.stage_now(now, *stage)
            }
            Act::Close if matches!(self.state, Lobby | InSession | Recess) => {
                let mut events = Vec::new();
                if self.on_record {
                    events.push(self.stage_now(now, Stage::Closed));
                    events.push(HearingEvent::OffRecord);
                }
                events.push(HearingEvent::Closed);
                return Ok(events);
            }
            Act::RenewLink { participant } => {
                known(participant)?;
                HearingEvent::LinkRenewed {
                    participant: *participant,
                }
            }
            Act::SetInterpretation { interpreter, of } => {
                let is_interpreter = |id| known(id).map(|p| p.person.role == Role::Interpreter);
                let of_interpreter = of.as_ref().map_or(Ok(false), is_interpreter)?;
                if !is_interpreter(interpreter)? || of_interpreter {
                    return Err(Refusal::NotAllowed);
                }
                if self.interprets(*interpreter) == *of {
                    return Ok(Vec::new());
                }
                HearingEvent::InterpretationSet {
                    interpreter: *interpreter,
                    of: *of,
                }
            }
            // They are decided on as `Command::EditLine` and `Command::ChooseCorrection`, without their
            // words.
            Act::EditLine { .. } | Act::ChooseCorrection(_) => return Err(Refusal::NotAllowed),
            Act::Start
            | Act::Record { .. }
            | Act::Recess { .. }
            | Act::Mark { .. }
            | Act::Close => {
                return Err(Refusal::WrongState);
            }
        };
        Ok(vec![event])
    }

    fn stage_now(&self, now: Timestamp, stage: Stage) -> HearingEvent {
        HearingEvent::StageMarked {
            stage,
            at_ms: self.record_ms(now),
        }
    }

    /// Applies what happened at `at`. Replaying all stored events restores the state exactly.
    pub fn apply(&mut self, at: Timestamp, event: &HearingEvent) {
        match event {
            HearingEvent::LobbyOpened => self.state = HearingState::Lobby,
            HearingEvent::Connected {
                participant,
                rehearsal,
            } => self.update(*participant, |p| {
                p.connected = true;
                p.rehearsal = *rehearsal;
                if matches!(p.standing, Standing::Invited | Standing::Left) {
                    p.standing = Standing::SelfTest;
                }
            }),
            HearingEvent::Disconnected { participant } => {
                self.update(*participant, |p| p.connected = false);
            }
            HearingEvent::Waiting {
                participant,
                microphone,
                camera,
            } => {
                self.update(*participant, |p| {
                    p.standing = Standing::Waiting;
                    (p.microphone, p.camera) = (*microphone, *camera);
                });
            }
            HearingEvent::Sending {
                participant,
                microphone,
                camera,
            } => {
                self.update(*participant, |p| {
                    (p.microphone, p.camera) = (*microphone, *camera)
                });
            }
            HearingEvent::Left { participant } => self.update(*participant, |p| {
                p.standing = Standing::Left;
                p.connected = false;
                (p.microphone, p.camera) = (false, false);
            }),
            HearingEvent::Admitted { participant } => self.update(*participant, |p| {
                p.standing = Standing::Admitted;
                p.appeared = true;
            }),
            HearingEvent::SentBack { participant } => {
                self.update(*participant, |p| p.standing = Standing::Waiting);
            }
            HearingEvent::Muted { participant, muted } => {
                self.update(*participant, |p| p.muted = *muted);
            }
            HearingEvent::SessionStarted => {
                self.state = HearingState::InSession;
                self.opened_at.get_or_insert(at);
            }
            HearingEvent::RecessBegan => self.state = HearingState::Recess,
            HearingEvent::RecessEnded => self.state = HearingState::InSession,
            HearingEvent::OnRecord => {
                self.on_record = true;
                self.record_epoch.get_or_insert(at);
            }
            HearingEvent::OffRecord => self.on_record = false,
            HearingEvent::RecordFailed { fault, track } => {
                self.record_fault = Some((*fault, *track));
            }
            HearingEvent::RecordMended => self.record_fault = None,
            HearingEvent::StageMarked { stage, at_ms } => self.stages.push((*stage, *at_ms)),
            HearingEvent::InterpretationSet { interpreter, of } => {
                let from_ms = self.record_ms(at);
                self.interpretations.push(Interpretation {
                    interpreter: *interpreter,
                    of: *of,
                    from_ms,
                });
            }
            // Whoever opens the new link is looked at before they are let in again.
            HearingEvent::LinkRenewed { participant } => self.update(*participant, |p| {
                p.connected = false;
                if matches!(p.standing, Standing::Waiting | Standing::Admitted) {
                    p.standing = Standing::SelfTest;
                }
            }),
            // Whom the bench let in was the rehearsal participant, not this person.
            HearingEvent::SeatTaken { participant } => self.update(*participant, |p| {
                p.standing = Standing::SelfTest;
                p.connected = false;
                p.rehearsal = false;
            }),
            HearingEvent::ServerRestarted => {
                for participant in &mut self.participants {
                    participant.connected = false;
                }
            }
            HearingEvent::Closed => {
                self.state = HearingState::Closed;
                self.closed_at.get_or_insert(at);
            }
            HearingEvent::SegmentOpened { .. }
            | HearingEvent::SegmentClosed { .. }
            | HearingEvent::SegmentDrafted { .. }
            | HearingEvent::RecordDamaged { .. }
            | HearingEvent::DestructionApproved
            | HearingEvent::KeyDestroyed
            | HearingEvent::LineEdited { .. }
            | HearingEvent::CorrectionChosen { .. }
            | HearingEvent::ListeningBegan { .. }
            | HearingEvent::Listened { .. } => {}
        }
    }

    fn update(&mut self, id: ParticipantId, change: impl FnOnce(&mut Participant)) {
        if let Some(participant) = self.participants.iter_mut().find(|p| p.person.id == id) {
            change(participant);
        }
    }
}
