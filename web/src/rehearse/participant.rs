//! A participant who joins, speaks, shows a picture, and acts, without a browser.

use super::{
    RehearseError, clips,
    door::{Door, Invitation, Seat},
    outlet::Outlet,
    picture::Picture,
    reception::{Reception, TrackStats},
    session::{Ask, Session},
    trust::Trust,
    voice::Voice,
};
use otyrys_signaling::{
    Language, Place, Role, TrackRef,
    wire::{Act, ByeReason, DraftLine, DraftState, ErrorCode, HearingView},
};
use otyrys_storage::ids::ParticipantId;
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinHandle,
};

/// Draft lines that a slow reader may fall behind by; older ones are skipped.
const LINES: usize = 256;
/// Acts that wait for the connection.
const ASKS: usize = 16;
/// How long an act may take, with a line that comes back in between.
const ACT_TIMEOUT: Duration = Duration::from_secs(15);

/// How to join.
#[derive(Debug, Clone)]
pub struct RehearsalConfig {
    /// The seat to take.
    pub invitation: Invitation,
    /// Which server to believe.
    pub trust: Trust,
    /// Send a voice (silence until [`RehearsalParticipant::speak`]), if the role sends at all.
    pub voice: bool,
    /// Send a picture, if the role sends at all.
    pub picture: bool,
    /// Language to ask for; the seat's own when absent.
    pub language: Option<Language>,
}

/// Where a participant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// On the way in, or waiting to be admitted.
    Waiting,
    /// Admitted; sound and picture do not flow yet, or not now.
    Admitted,
    /// Admitted, and sound and picture flow.
    InHearing,
    /// Gone, and will not come back.
    Ended(EndReason),
}

/// Why a participant is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// [`RehearsalParticipant::leave`], or dropped.
    Left,
    /// The server said so.
    Bye(ByeReason),
    /// The server would not have it back.
    Refused(ErrorCode),
    /// Something of this program failed; the log says what.
    Failed,
}

/// What a participant lets others see. Written by its [`Session`].
pub(super) struct Face {
    pub(super) state: watch::Sender<State>,
    pub(super) hearing: watch::Sender<Option<Seen>>,
    pub(super) lines: broadcast::Sender<DraftLine>,
    pub(super) draft: watch::Sender<Option<DraftState>>,
    pub(super) reception: Arc<Reception>,
}

/// A view of the hearing, and when it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) view: HearingView,
    pub(super) at: tokio::time::Instant,
}

/// Somebody in a rehearsal. Dropping it leaves the hearing, too, without waiting for the server.
pub struct RehearsalParticipant {
    seat: Seat,
    voice: Option<Voice>,
    face: Arc<Face>,
    asks: mpsc::Sender<Ask>,
    session: JoinHandle<()>,
}

/// Somebody to join with.
pub struct Rehearsal;

impl Rehearsal {
    /// Takes the seat and connects. Answers when the server has let the participant in as far as
    /// the waiting room; from then on a lost line is taken up again without being asked.
    ///
    /// # Errors
    /// [`RehearseError::Refused`] when the server refuses the seat (`link_in_use`: a person has
    /// it), [`RehearseError::Unreachable`] when it cannot be reached, [`RehearseError::Encoder`]
    /// when sound or picture cannot be made here.
    pub async fn join(config: RehearsalConfig) -> Result<RehearsalParticipant, RehearseError> {
        let door = Door::new(config.invitation.base_url(), &config.trust)?;
        let seat = door.redeem(&config.invitation).await?;
        let line = door.enter(&seat).await?;
        let publishes = seat.role.publishes();

        let (microphone, camera) = (Outlet::default(), Outlet::default());
        let voice = (config.voice && publishes).then(Voice::start).transpose()?;
        let picture = (config.picture && publishes)
            .then(|| Picture::start(&seat.name))
            .transpose()?;
        let voice = voice.map(|(voice, packets)| {
            tokio::spawn(microphone.clone().run(packets, Some(voice.level())));
            voice
        });
        let picture = picture.map(|(picture, packets)| {
            tokio::spawn(camera.clone().run(packets, None));
            picture
        });

        let face = Arc::new(Face {
            state: watch::Sender::new(State::Waiting),
            hearing: watch::Sender::new(None),
            lines: broadcast::Sender::new(LINES),
            draft: watch::Sender::new(None),
            reception: Arc::default(),
        });
        let (asks, queue) = mpsc::channel(ASKS);
        let session = Session {
            language: config.language.unwrap_or(seat.language),
            door,
            seat: seat.clone(),
            face: face.clone(),
            asks: queue,
            has_voice: voice.is_some(),
            picture,
            microphone,
            camera,
        };
        let participant = RehearsalParticipant {
            seat,
            voice,
            face,
            asks,
            session: tokio::spawn(session.run(line)),
        };
        participant.welcomed().await?;
        Ok(participant)
    }
}

impl RehearsalParticipant {
    /// Who this is.
    #[must_use]
    pub fn id(&self) -> ParticipantId {
        self.seat.participant
    }

    /// Name as in the case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.seat.name
    }

    /// Role in the hearing.
    #[must_use]
    pub fn role(&self) -> Role {
        self.seat.role
    }

    /// Where the participant pretends to be.
    #[must_use]
    pub fn place(&self) -> Place {
        self.seat.place
    }

    /// Where the participant is, now and later.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.face.state.subscribe()
    }

    /// Why the participant is gone, once it is.
    #[must_use]
    pub fn ended(&self) -> Option<EndReason> {
        match *self.face.state.borrow() {
            State::Ended(reason) => Some(reason),
            _ => None,
        }
    }

    /// The latest view of the hearing.
    #[must_use]
    pub fn hearing(&self) -> Option<HearingView> {
        self.face
            .hearing
            .borrow()
            .as_ref()
            .map(|seen| seen.view.clone())
    }

    /// Waits for a view of the hearing that pleases.
    ///
    /// # Errors
    /// [`RehearseError::Ended`] when the participant is gone before.
    pub async fn hearing_when(
        &self,
        mut pleases: impl FnMut(&HearingView) -> bool,
    ) -> Result<HearingView, RehearseError> {
        let mut state = self.state();
        let mut hearing = self.face.hearing.subscribe();
        loop {
            if let Some(seen) = &*hearing.borrow_and_update()
                && pleases(&seen.view)
            {
                return Ok(seen.view.clone());
            }
            if let State::Ended(reason) = *state.borrow_and_update() {
                return Err(RehearseError::Ended(reason));
            }
            tokio::select! {
                changed = hearing.changed() => changed,
                changed = state.changed() => changed,
            }
            .map_err(|_| RehearseError::Ended(EndReason::Failed))?;
        }
    }

    /// Waits until the participant is where it should be.
    ///
    /// # Errors
    /// [`RehearseError::Ended`] when the participant is gone before.
    pub async fn reaches(&self, wanted: State) -> Result<(), RehearseError> {
        let mut states = self.state();
        let state = states
            .wait_for(|state| *state == wanted || matches!(state, State::Ended(_)))
            .await
            .map_err(|_| RehearseError::Ended(EndReason::Failed))?;
        match *state {
            State::Ended(reason) if *state != wanted => Err(RehearseError::Ended(reason)),
            _ => Ok(()),
        }
    }

    /// The record's clock by the latest view and the time since, milliseconds; `None` off the
    /// record.
    #[must_use]
    pub fn record_ms(&self) -> Option<u64> {
        let seen = self.face.hearing.borrow();
        let seen = seen.as_ref().filter(|seen| seen.view.on_record)?;
        Some(u64::from(seen.view.record_ms) + seen.at.elapsed().as_millis() as u64)
    }

    /// Draft lines from now on; only a role that may read the draft gets any.
    #[must_use]
    pub fn lines(&self) -> broadcast::Receiver<DraftLine> {
        self.face.lines.subscribe()
    }

    /// How the draft is doing, as far as the participant is told.
    #[must_use]
    pub fn draft(&self) -> watch::Receiver<Option<DraftState>> {
        self.face.draft.subscribe()
    }

    /// What has arrived of each track since joining.
    #[must_use]
    pub fn received(&self) -> BTreeMap<TrackRef, TrackStats> {
        self.face.reception.stats()
    }

    /// Speaks a recording; answers when it has been said.
    ///
    /// # Errors
    /// [`RehearseError::Speech`] when the file cannot be decoded, [`RehearseError::Silent`] when
    /// the participant has no voice, [`RehearseError::Ended`] when it is gone before the end.
    pub async fn speak(&self, clip: &Path) -> Result<(), RehearseError> {
        let clip = clip.to_owned();
        let samples = tokio::task::spawn_blocking(move || clips::samples(&clip))
            .await
            .map_err(RehearseError::encoder)??;
        self.say(samples).await
    }

    /// Speaks samples: mono at [`SAMPLE_RATE`](super::SAMPLE_RATE).
    ///
    /// # Errors
    /// As [`Self::speak`].
    pub async fn say(&self, samples: Vec<i16>) -> Result<(), RehearseError> {
        let voice = self.voice.as_ref().ok_or(RehearseError::Silent)?;
        let mut state = self.state();
        tokio::select! {
            said = voice.speak(samples) => said,
            ended = state.wait_for(|state| matches!(state, State::Ended(_))) => {
                match ended.map(|state| *state) {
                    Ok(State::Ended(reason)) => Err(RehearseError::Ended(reason)),
                    _ => Err(RehearseError::Ended(EndReason::Failed)),
                }
            }
        }
    }

    /// Does something on the hearing. Gives the new link for [`Act::RenewLink`].
    ///
    /// # Errors
    /// [`RehearseError::Refused`] with the server's reason, [`RehearseError::Ended`] when the
    /// participant is gone, [`RehearseError::Unreachable`] when no answer comes in time.
    pub async fn act(&self, act: Act) -> Result<Option<String>, RehearseError> {
        let (answer, answered) = oneshot::channel();
        let gone = || RehearseError::Ended(self.ended().unwrap_or(EndReason::Failed));
        self.asks
            .send(Ask::Act { act, answer })
            .await
            .map_err(|_| gone())?;
        match tokio::time::timeout(ACT_TIMEOUT, answered).await {
            Ok(Ok(outcome)) => outcome.map_err(RehearseError::Refused),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(RehearseError::unreachable(
                "it did not answer an act in time",
            )),
        }
    }

    /// Cuts the connection as a bad network would, without a word: it comes back by itself.
    pub async fn lose_line(&self) {
        // Gone already: there is no line to lose.
        let _ = self.asks.send(Ask::LoseLine).await;
    }

    /// Leaves the hearing on purpose and waits until the server has been told.
    pub async fn leave(self) {
        // Gone already: nobody is left to be told.
        let _ = self.asks.send(Ask::Leave).await;
        if let Err(error) = self.session.await {
            tracing::warn!(%error, "a rehearsal participant did not end cleanly");
        }
    }

    async fn welcomed(&self) -> Result<(), RehearseError> {
        self.hearing_when(|_| true)
            .await
            .map(|_| ())
            .map_err(|error| match error {
                RehearseError::Ended(EndReason::Refused(code)) => RehearseError::Refused(code),
                other => other,
            })
    }
}
