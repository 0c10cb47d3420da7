//! A whole hearing, played by rehearsal participants, with people in the seats that people take.

use super::{
    Clip, ClipLibrary, EndReason, Invitation, Reader, Rehearsal, RehearsalConfig,
    RehearsalParticipant, RehearseError, State, Trust,
    scenes::{SCENES, Scene},
};
use jiff::Timestamp;
use otyrys_signaling::{
    HearingState, Presence, Role,
    wire::{Act, ByeReason, DraftLine, DraftState, ErrorCode, HearingView},
};
use otyrys_storage::ids::{LineId, ParticipantId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::JoinSet,
    time::{sleep, timeout},
};

/// Between two speakers: enough for a line of the protocol to end.
const PAUSE: Duration = Duration::from_millis(900);
/// How long everybody may take to get in before the session is opened without them.
const GATHERING: Duration = Duration::from_secs(20);
/// How long the draft may take to catch up before the hearing is closed.
const DRAFT_CATCHES_UP: Duration = Duration::from_secs(45);
/// How long a closed hearing may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(10);
/// How often those who wait look around.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// What a cast plays.
#[derive(Debug, Clone)]
pub struct CastConfig {
    /// The seats to fill. Seats that people have are left to them.
    pub invitations: Vec<Invitation>,
    /// Which server to believe.
    pub trust: Trust,
    /// Send pictures, too.
    pub pictures: bool,
    /// How often to play the scenes; until the hearing is closed when absent.
    pub rounds: Option<u32>,
    /// Do not close the hearing after the last round.
    pub leave_open: bool,
}

/// What happens in a rehearsal.
#[derive(Debug, Clone)]
pub enum CastEvent {
    /// A rehearsal participant took a seat.
    Joined {
        /// Who.
        participant: ParticipantId,
        /// Name as in the case.
        name: String,
        /// Role.
        role: Role,
    },
    /// A person has the seat already.
    SeatBusy,
    /// A rehearsal participant is gone; the others go on.
    Gone {
        /// Who.
        participant: ParticipantId,
        /// Why.
        reason: EndReason,
    },
    /// The cast did something as clerk or judge.
    Conducted(Act),
    /// Somebody begins to speak.
    Speaks {
        /// Who.
        participant: ParticipantId,
        /// What is going to be said.
        text: String,
    },
    /// Somebody has spoken.
    Spoken(Spoken),
    /// A line of the draft, new or replaced.
    Line(DraftLine),
    /// The hearing is over.
    Closed,
}

/// Something that was said, to compare with what the draft makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// Who spoke.
    pub participant: ParticipantId,
    /// What was said.
    pub text: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// When it began on the record's clock, milliseconds, as the speaker reckoned it; `None` off
    /// the record.
    pub started_ms: Option<u64>,
    /// When it ended on the record's clock.
    pub ended_ms: Option<u64>,
}

/// What a rehearsal came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Seats that the cast filled.
    pub joined: BTreeSet<ParticipantId>,
    /// Of these, those that people took over.
    pub yielded: BTreeSet<ParticipantId>,
    /// Everything said, in order.
    pub spoken: Vec<Spoken>,
    /// The draft as a member of the bench saw it last.
    pub lines: BTreeMap<LineId, DraftLine>,
    /// For each of them, in milliseconds: from the end of what was said until a member of the bench
    /// had it.
    pub line_delays_ms: Vec<u64>,
    /// The most speech that waited for the recogniser, as the bench was told, in milliseconds.
    pub behind_max_ms: u32,
    /// The hearing was closed.
    pub closed: bool,
}

/// Rehearsal participants in their seats.
pub struct Cast {
    members: Vec<Member>,
    config: CastConfig,
    events: mpsc::Sender<CastEvent>,
    watchers: JoinSet<()>,
    summary: Summary,
    draft: Draft,
}

/// The draft as all members of the bench together see it.
type Draft = Arc<Mutex<SeenDraft>>;

#[derive(Default)]
struct SeenDraft {
    lines: BTreeMap<LineId, DraftLine>,
    delays_ms: Vec<u64>,
    behind_max_ms: u32,
}

struct Member {
    participant: Arc<RehearsalParticipant>,
    clips: Vec<Clip>,
    next_clip: usize,
}

impl Cast {
    /// Fills the seats. `events` is told everything that happens; when nobody reads it, the
    /// rehearsal waits.
    ///
    /// # Errors
    /// Whatever keeps a participant from joining, but for seats that people have.
    pub async fn gather(
        config: CastConfig,
        library: &ClipLibrary,
        events: mpsc::Sender<CastEvent>,
    ) -> Result<Self, RehearseError> {
        let mut cast = Self {
            members: Vec::new(),
            config,
            events,
            watchers: JoinSet::new(),
            summary: Summary::default(),
            draft: Draft::default(),
        };
        for (seat, invitation) in cast.config.invitations.clone().into_iter().enumerate() {
            let joined = Rehearsal::join(RehearsalConfig {
                invitation,
                trust: cast.config.trust.clone(),
                voice: true,
                picture: cast.config.pictures,
                language: None,
            });
            match joined.await {
                Ok(participant) => cast.seat(participant, seat, library).await,
                Err(RehearseError::Refused(ErrorCode::LinkInUse)) => {
                    cast.tell(CastEvent::SeatBusy).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(cast)
    }

    /// Who plays.
    pub fn participants(&self) -> impl Iterator<Item = &Arc<RehearsalParticipant>> {
        self.members.iter().map(|member| &member.participant)
    }

    /// Plays until the hearing is closed, or everybody's seat was taken over.
    ///
    /// # Errors
    /// [`RehearseError::Refused`] when the server refuses an act that the cast needs to go on.
    pub async fn play(mut self) -> Result<Summary, RehearseError> {
        self.open().await?;
        let mut round = 0;
        while self.goes_on() && self.config.rounds.is_none_or(|rounds| round < rounds) {
            let mut said = BTreeSet::new();
            for scene in SCENES {
                self.play_scene(scene, round == 0, &mut said).await?;
            }
            for at in 0..self.members.len() {
                let id = self.members[at].participant.id();
                if !said.contains(&id) && self.speak(at).await {
                    said.insert(id);
                }
            }
            if said.is_empty() {
                self.look_around().await;
            } else {
                round += 1;
            }
        }
        self.close().await?;
        self.watchers.shutdown().await;
        let members = std::mem::take(&mut self.members);
        self.summary.yielded = members
            .iter()
            .filter(|m| is_taken_over(m.participant.ended()))
            .map(|m| m.participant.id())
            .collect();
        for member in members {
            if let Some(participant) = Arc::into_inner(member.participant) {
                participant.leave().await;
            }
        }
        if self.summary.closed {
            self.tell(CastEvent::Closed).await;
        }
        let seen = std::mem::take(&mut *draft(&self.draft));
        self.summary.lines = seen.lines;
        self.summary.line_delays_ms = seen.delays_ms;
        self.summary.behind_max_ms = seen.behind_max_ms;
        Ok(self.summary)
    }

    async fn seat(&mut self, participant: RehearsalParticipant, seat: usize, clips: &ClipLibrary) {
        let participant = Arc::new(participant);
        let id = participant.id();
        self.summary.joined.insert(id);
        self.tell(CastEvent::Joined {
            participant: id,
            name: participant.name().to_owned(),
            role: participant.role(),
        })
        .await;

        let events = self.events.clone();
        let mut state = participant.state();
        self.watchers.spawn(async move {
            let ended = state
                .wait_for(|state| matches!(state, State::Ended(_)))
                .await;
            if let Ok(State::Ended(reason)) = ended.map(|state| *state) {
                // Nobody follows the story.
                let _ = events
                    .send(CastEvent::Gone {
                        participant: id,
                        reason,
                    })
                    .await;
            }
        });

        if participant.role().reads_draft() {
            self.follow_draft(&participant);
        }

        // Each member begins elsewhere in the recordings, so that two do not say the same.
        let clips = clips.read_by(reader(participant.name()));
        let next_clip = seat * clips.len() / self.config.invitations.len().max(1);
        self.members.push(Member {
            participant,
            clips: clips.to_vec(),
            next_clip,
        });
    }

    /// Gets the hearing on record: by the cast's own bench, or by waiting for the people's.
    async fn open(&mut self) -> Result<(), RehearseError> {
        let gathered = timeout(GATHERING, async {
            while self.goes_on() {
                self.admit().await?;
                let inside = |m: &&Member| *m.participant.state().borrow() == State::InHearing;
                if self.members.iter().filter(inside).count() == self.present().count() {
                    break;
                }
                sleep(LOOK_AROUND).await;
            }
            Ok::<(), RehearseError>(())
        });
        if let Ok(outcome) = gathered.await {
            outcome?;
        }
        while self.goes_on() && !self.view().is_some_and(|view| view.on_record) {
            if let Some(view) = self.conductor().and_then(|m| m.participant.hearing()) {
                match view.state {
                    HearingState::Lobby => self.conduct(Act::Start).await?,
                    HearingState::InSession => self.conduct(Act::Record { on: true }).await?,
                    _ => {}
                }
            }
            self.admit().await?;
            sleep(LOOK_AROUND).await;
        }
        Ok(())
    }

    async fn play_scene(
        &mut self,
        scene: Scene,
        marks: bool,
        said: &mut BTreeSet<ParticipantId>,
    ) -> Result<(), RehearseError> {
        self.admit().await?;
        let speaker = scene.speakers.iter().find_map(|role| {
            self.members
                .iter()
                .position(|m| m.participant.role() == *role && m.is_in_hearing())
        });
        let Some(speaker) = speaker.filter(|_| self.goes_on()) else {
            return Ok(());
        };
        let on_record = self.view().is_some_and(|view| view.on_record);
        if let Some(stage) = scene.stage.filter(|_| marks && on_record)
            && self.conductor().is_some()
        {
            self.conduct(Act::Mark { stage }).await?;
        }
        if self.speak(speaker).await {
            said.insert(self.members[speaker].participant.id());
        }
        Ok(())
    }

    /// Lets a member speak its next recording, while the hearing is on record.
    async fn speak(&mut self, at: usize) -> bool {
        let member = &mut self.members[at];
        let on_record = member
            .participant
            .hearing()
            .is_some_and(|view| view.on_record);
        let Some(clip) = member
            .clips
            .get(member.next_clip % member.clips.len().max(1))
        else {
            return false;
        };
        if !on_record || !member.is_in_hearing() {
            return false;
        }
        let (clip, participant) = (clip.clone(), member.participant.clone());
        member.next_clip += 1;
        let id = participant.id();
        self.tell(CastEvent::Speaks {
            participant: id,
            text: clip.text.clone(),
        })
        .await;
        let (started_at, started_ms) = (Timestamp::now(), participant.record_ms());
        if let Err(error) = participant.speak(&clip.path).await {
            tracing::info!(%error, participant.id = %id, "a recording was not said to its end");
            return false;
        }
        let spoken = Spoken {
            participant: id,
            text: clip.text,
            started_at,
            ended_at: Timestamp::now(),
            started_ms,
            ended_ms: participant.record_ms(),
        };
        self.summary.spoken.push(spoken.clone());
        self.tell(CastEvent::Spoken(spoken)).await;
        sleep(PAUSE).await;
        true
    }

    /// Closes the hearing if it is the cast's to close, and waits until it is over.
    async fn close(&mut self) -> Result<(), RehearseError> {
        if self.config.rounds.is_some() && !self.config.leave_open && self.goes_on() {
            self.draft_catches_up().await;
            if self.conductor().is_some() {
                self.conduct(Act::Close).await?;
                let goodbye = async {
                    while self.goes_on() {
                        sleep(LOOK_AROUND).await;
                    }
                };
                if timeout(GOODBYE, goodbye).await.is_err() {
                    tracing::warn!("the closed hearing did not say goodbye");
                }
            }
        }
        while self.goes_on() {
            self.look_around().await;
        }
        self.summary.closed = self.members.iter().any(|m| m.saw_the_end());
        Ok(())
    }

    async fn draft_catches_up(&self) {
        let Some(reader) = self.present().find(|m| m.participant.role().reads_draft()) else {
            return;
        };
        // The last words are still on their way to the record.
        sleep(PAUSE * 2).await;
        let mut draft = reader.participant.draft();
        let done = draft.wait_for(
            |draft| !matches!(draft, Some(DraftState::Running { behind_ms }) if *behind_ms > 0),
        );
        if timeout(DRAFT_CATCHES_UP, done).await.is_err() {
            tracing::warn!("the draft did not catch up before the hearing was closed");
        }
    }

    /// Follows the draft through the eyes of a member who may read it.
    fn follow_draft(&mut self, reader: &Arc<RehearsalParticipant>) {
        let mut lines = reader.lines();
        let events = self.events.clone();
        let seen = self.draft.clone();
        let clock = Arc::clone(reader);
        self.watchers.spawn(async move {
            loop {
                let line = match lines.recv().await {
                    Ok(line) => line,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                if draft(&seen).take_line(&line, clock.record_ms()) {
                    // Nobody follows the story.
                    let _ = events.send(CastEvent::Line(line)).await;
                }
            }
        });
        let mut states = reader.draft();
        let seen = self.draft.clone();
        self.watchers.spawn(async move {
            while states.changed().await.is_ok() {
                if let Some(DraftState::Running { behind_ms }) = *states.borrow_and_update() {
                    let mut seen = draft(&seen);
                    seen.behind_max_ms = seen.behind_max_ms.max(behind_ms);
                }
            }
        });
    }

    /// Lets everybody in who waits, while a rehearsal clerk (or judge without a clerk) sits.
    async fn admit(&mut self) -> Result<(), RehearseError> {
        let Some(view) = self.usher().and_then(|usher| usher.participant.hearing()) else {
            return Ok(());
        };
        let waiting = view
            .participants
            .iter()
            .filter(|p| p.presence == Presence::Waiting);
        for participant in waiting.map(|p| p.id).collect::<Vec<_>>() {
            let Some(usher) = self.usher() else {
                return Ok(());
            };
            match usher.participant.act(Act::Admit { participant }).await {
                Ok(_) => {
                    self.tell(CastEvent::Conducted(Act::Admit { participant }))
                        .await
                }
                // They left again, or another member of the bench was quicker.
                Err(RehearseError::Refused(ErrorCode::WrongState) | RehearseError::Ended(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn conduct(&self, act: Act) -> Result<(), RehearseError> {
        let Some(conductor) = self.conductor() else {
            return Ok(());
        };
        match conductor.participant.act(act.clone()).await {
            Ok(_) => self.tell(CastEvent::Conducted(act)).await,
            // A person took the seat at this very moment: theirs to conduct from now on.
            Err(RehearseError::Ended(_)) => {}
            // The people on the bench were quicker, or the record fails: the bench sees why.
            Err(RehearseError::Refused(ErrorCode::WrongState | ErrorCode::RecordFault)) => {
                sleep(LOOK_AROUND).await;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The clerk of the cast; its judge where no clerk has come.
    fn usher(&self) -> Option<&Member> {
        let clerk = self.present().find(|m| m.participant.role() == Role::Clerk);
        clerk.or_else(|| {
            let judge = self
                .present()
                .find(|m| m.participant.role() == Role::Judge)?;
            let view = judge.participant.hearing()?;
            let clerk_sits = view
                .participants
                .iter()
                .any(|p| p.role == Role::Clerk && sits(p.presence));
            (!clerk_sits).then_some(judge)
        })
    }

    /// The usher, unless a person sits on the bench: then conducting is theirs.
    fn conductor(&self) -> Option<&Member> {
        let usher = self.usher()?;
        let view = usher.participant.hearing()?;
        let person_sits = view
            .participants
            .iter()
            .any(|p| p.role.conducts() && !p.rehearsal && sits(p.presence));
        (!person_sits).then_some(usher)
    }

    fn present(&self) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(|m| m.participant.ended().is_none())
    }

    /// The hearing as some member sees it.
    fn view(&self) -> Option<HearingView> {
        self.present().find_map(|m| m.participant.hearing())
    }

    fn goes_on(&self) -> bool {
        self.present().next().is_some()
            && !self
                .view()
                .is_some_and(|view| view.state == HearingState::Closed)
    }

    async fn look_around(&mut self) {
        if let Err(error) = self.admit().await {
            tracing::warn!(%error, "somebody who waits could not be admitted");
        }
        sleep(LOOK_AROUND).await;
    }

    async fn tell(&self, event: CastEvent) {
        // Nobody follows the story.
        let _ = self.events.send(event).await;
    }
}

impl Member {
    fn is_in_hearing(&self) -> bool {
        *self.participant.state().borrow() == State::InHearing
    }

    fn saw_the_end(&self) -> bool {
        self.participant.ended() == Some(EndReason::Bye(ByeReason::HearingClosed))
            || self
                .participant
                .hearing()
                .is_some_and(|view| view.state == HearingState::Closed)
    }
}

impl SeenDraft {
    /// Takes a line at a time of the record. False: another member of the bench had it already.
    fn take_line(&mut self, line: &DraftLine, record_ms: Option<u64>) -> bool {
        let known = self.lines.insert(line.id, line.clone());
        if known.is_none()
            && let Some(now) = record_ms
        {
            self.delays_ms.push(now.saturating_sub(line.end_ms.into()));
        }
        known.as_ref() != Some(line)
    }
}

fn draft(draft: &Draft) -> MutexGuard<'_, SeenDraft> {
    // A map of lines stays one whatever a panicking task did between two of them.
    draft.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_taken_over(reason: Option<EndReason>) -> bool {
    reason == Some(EndReason::Bye(ByeReason::SeatTaken))
}

fn sits(presence: Presence) -> bool {
    !matches!(presence, Presence::Invited | Presence::Left)
}

/// Whose recordings fit a name with a patronymic, Kazakh or Russian.
fn reader(name: &str) -> Reader {
    let of_a_woman = ["қызы", "кызы", "вна", "чна"];
    let woman = name
        .split_whitespace()
        .last()
        .is_some_and(|patronymic| of_a_woman.iter().any(|ending| patronymic.ends_with(ending)));
    if woman { Reader::Woman } else { Reader::Man }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn women_are_read_by_the_woman() {
        assert_eq!(reader("Ахметова Гүлнар Нұрланқызы"), Reader::Woman);
        assert_eq!(reader("Орлова Марина Сергеевна"), Reader::Woman);
        assert_eq!(reader("Сейітқали Дәурен Болатұлы"), Reader::Man);
        assert_eq!(reader("Ким Алексей Викторович"), Reader::Man);
        assert_eq!(reader(""), Reader::Man);
    }

    #[test]
    fn who_has_not_come_does_not_sit() {
        assert!(sits(Presence::Disconnected) && sits(Presence::SelfTest));
        assert!(!sits(Presence::Invited) && !sits(Presence::Left));
    }
}
