//! The task behind a participant: one signalling connection after the other, each with a peer
//! connection, until the participant is gone.

use super::{
    RehearseError,
    door::{Door, Line, Seat},
    outlet::Outlet,
    participant::{EndReason, Face, Seen, State},
    peer::{Peer, PeerEvent, Reports, Sends, SlotCount},
    picture::Picture,
};
use futures_util::{SinkExt, StreamExt};
use otyrys_signaling::{
    Language, Presence, TrackSource,
    wire::{
        Act, ByeReason, ClientMessage, ErrorCode, HearingView, PROTOCOL_VERSION, ServerMessage,
    },
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};
use tokio_tungstenite::tungstenite::Message;

/// First wait before a lost line is taken up again; doubled each time, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// See [`FIRST_WAIT`]. Short, because a hearing waits.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A line that held so long was a good one: the next loss begins at [`FIRST_WAIT`] again.
const GOOD_LINE: Duration = Duration::from_secs(10);
/// How often the server is asked for a sign of life, and how long it may give none.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// Receiving sections of the first offer, of each kind: a usual hearing needs no second offer.
const FIRST_SLOTS: u32 = 8;
/// Shortest time between two key frames on request: what browsers grant, too.
const KEY_FRAME_PAUSE: Duration = Duration::from_millis(300);
/// Changes of a connection's state that may wait.
const PEER_EVENTS: usize = 8;

/// What the participant's owner asks.
pub(super) enum Ask {
    /// An act on the hearing.
    Act {
        act: Act,
        answer: oneshot::Sender<Result<Option<String>, ErrorCode>>,
    },
    /// Cut the line.
    LoseLine,
    /// Leave on purpose.
    Leave,
}

/// A participant's task and all that it owns.
pub(super) struct Session {
    pub(super) door: Door,
    pub(super) seat: Seat,
    pub(super) language: Language,
    pub(super) face: Arc<Face>,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) has_voice: bool,
    pub(super) picture: Option<Picture>,
    pub(super) microphone: Outlet,
    pub(super) camera: Outlet,
}

/// How a connection ended.
enum Outcome {
    /// It can be taken up again.
    Lost,
    /// It cannot.
    Over(EndReason),
}

/// Everything that can happen to a connection.
enum Event {
    Message(Option<Message>),
    Asked(Option<Ask>),
    Peer(PeerEvent),
    KeyFrameWanted,
    Tick,
}

impl Session {
    /// Lives until the participant is gone.
    pub(super) async fn run(mut self, line: Line) {
        let mut line = Some(line);
        let mut wait = FIRST_WAIT;
        let reason = loop {
            let entered = match line.take() {
                Some(line) => Ok(line),
                None => self.door.enter(&self.seat).await,
            };
            match entered {
                Ok(line) => {
                    let began = Instant::now();
                    match self.connection(line).await {
                        Ok(Outcome::Over(reason)) => break reason,
                        Ok(Outcome::Lost) => {}
                        Err(error) => {
                            tracing::warn!(%error, participant.id = %self.seat.participant,
                                "a rehearsal connection failed");
                        }
                    }
                    if began.elapsed() >= GOOD_LINE {
                        wait = FIRST_WAIT;
                    }
                }
                Err(RehearseError::Refused(code)) => break EndReason::Refused(code),
                Err(error) => {
                    tracing::debug!(%error, participant.id = %self.seat.participant,
                        "the server cannot be reached again yet");
                }
            }
            self.face.state.send_if_modified(|state| {
                let was_in = *state == State::InHearing;
                if was_in {
                    *state = State::Admitted;
                }
                was_in
            });
            if let Some(reason) = self.pause(wait).await {
                break reason;
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        };
        self.face.state.send_replace(State::Ended(reason));
    }

    /// Waits before the next attempt. Acts in the meantime are refused, not kept.
    async fn pause(&mut self, wait: Duration) -> Option<EndReason> {
        let over = sleep(wait);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return None,
                ask = self.asks.recv() => match ask {
                    None | Some(Ask::Leave) => return Some(EndReason::Left),
                    Some(Ask::LoseLine) => {}
                    Some(Ask::Act { answer, .. }) => {
                        // The asker may have stopped waiting.
                        let _ = answer.send(Err(ErrorCode::Unavailable));
                    }
                }
            }
        }
    }

    /// One signalling connection from hello to its end.
    async fn connection(&mut self, line: Line) -> Result<Outcome, RehearseError> {
        let (events, mut peer_events) = mpsc::channel(PEER_EVENTS);
        let key_frame = Arc::new(Notify::new());
        let sends = Sends {
            microphone: self.has_voice,
            camera: self.picture.is_some(),
        };
        let reception = self.face.reception.clone();
        let reports = Reports {
            events,
            key_frame: key_frame.clone(),
            line: Arc::default(),
        };
        let peer = Peer::new(sends, self.door.is_local(), reception, reports).await?;
        let mut connection = Connection {
            face: self.face.clone(),
            line,
            peer,
            outlets: [
                (TrackSource::Microphone, self.microphone.clone()),
                (TrackSource::Camera, self.camera.clone()),
            ],
            sends,
            slots: SlotCount {
                audio: FIRST_SLOTS,
                video: FIRST_SLOTS,
            },
            offering: false,
            offer_again: false,
            flowing: false,
            acts: HashMap::new(),
            next_act: 0,
            heard: Instant::now(),
            seat: self.seat.clone(),
        };
        let hello = ClientMessage::Hello {
            protocol: PROTOCOL_VERSION,
            language: self.language,
        };
        let mut outcome = connection.tell(&hello).await.map(|()| None);
        let mut life = interval_at(Instant::now() + SIGN_OF_LIFE, SIGN_OF_LIFE);
        life.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_key_frame: Option<Instant> = None;
        while let Ok(None) = outcome {
            let event = tokio::select! {
                message = connection.line.next() => Event::Message(message.and_then(Result::ok)),
                ask = self.asks.recv() => Event::Asked(ask),
                Some(event) = peer_events.recv() => Event::Peer(event),
                () = key_frame.notified() => Event::KeyFrameWanted,
                _ = life.tick() => Event::Tick,
            };
            if let (Event::Peer(PeerEvent::Connected), Some(picture)) = (&event, &self.picture) {
                // What was sent before the connection stood is lost, the first key frame too.
                picture.key_frame();
            }
            outcome = match event {
                Event::KeyFrameWanted => {
                    let soon = last_key_frame.is_some_and(|at| at.elapsed() < KEY_FRAME_PAUSE);
                    if let (false, Some(picture)) = (soon, &self.picture) {
                        last_key_frame = Some(Instant::now());
                        picture.key_frame();
                    }
                    Ok(None)
                }
                event => connection.happened(event).await,
            };
        }
        for (_, outlet) in &connection.outlets {
            outlet.connect(None);
        }
        connection.peer.close().await;
        outcome.map(|outcome| outcome.unwrap_or(Outcome::Lost))
    }
}

/// One signalling connection and its peer connection.
struct Connection {
    face: Arc<Face>,
    line: Line,
    peer: Peer,
    outlets: [(TrackSource, Outlet); 2],
    sends: Sends,
    slots: SlotCount,
    offering: bool,
    offer_again: bool,
    flowing: bool,
    acts: HashMap<u32, oneshot::Sender<Result<Option<String>, ErrorCode>>>,
    next_act: u32,
    heard: Instant,
    seat: Seat,
}

impl Connection {
    async fn happened(&mut self, event: Event) -> Result<Option<Outcome>, RehearseError> {
        match event {
            Event::Message(Some(Message::Text(text))) => {
                self.heard = Instant::now();
                let message = serde_json::from_str(text.as_str())
                    .map_err(|_| RehearseError::Protocol("a message was not understood"))?;
                return self.told(message).await;
            }
            Event::Message(None | Some(Message::Close(_))) => return Ok(Some(Outcome::Lost)),
            Event::Message(Some(_)) => self.heard = Instant::now(),
            Event::Asked(Some(Ask::Act { act, answer })) => {
                self.next_act += 1;
                self.acts.insert(self.next_act, answer);
                self.tell(&ClientMessage::Act {
                    id: self.next_act,
                    act,
                })
                .await?;
            }
            Event::Asked(Some(Ask::LoseLine)) => return Ok(Some(Outcome::Lost)),
            Event::Asked(None | Some(Ask::Leave)) => {
                self.tell(&ClientMessage::Leave).await?;
                // A server that is gone has forgotten the participant already.
                let _ = self.line.close(None).await;
                return Ok(Some(Outcome::Over(EndReason::Left)));
            }
            Event::Peer(PeerEvent::Connected) => {
                self.flowing = true;
                self.show();
            }
            Event::Peer(PeerEvent::Lost) => return Ok(Some(Outcome::Lost)),
            Event::Tick if self.heard.elapsed() > SIGN_OF_LIFE * 3 => {
                return Ok(Some(Outcome::Lost));
            }
            Event::Tick => self.put(Message::Ping(Vec::new().into())).await?,
            Event::KeyFrameWanted => {}
        }
        Ok(None)
    }

    async fn told(&mut self, message: ServerMessage) -> Result<Option<Outcome>, RehearseError> {
        match message {
            ServerMessage::Welcome { hearing, .. } => {
                self.see(hearing);
                let Sends { microphone, camera } = self.sends;
                self.tell(&ClientMessage::Ready { microphone, camera })
                    .await?;
                self.offer().await?;
            }
            ServerMessage::Hearing { hearing } => self.see(hearing),
            ServerMessage::Answer { id, sdp } if id == self.peer.last_offer() => {
                let wires = self.peer.accept(sdp).await?;
                for (source, wire) in wires {
                    if let Some((_, outlet)) = self.outlets.iter().find(|(s, _)| *s == source) {
                        outlet.connect(Some(wire));
                    }
                }
                self.offering = false;
                if std::mem::take(&mut self.offer_again) {
                    self.offer().await?;
                }
            }
            ServerMessage::Answer { .. } => {}
            ServerMessage::Slots { slots } => self.face.reception.slots(slots),
            ServerMessage::SlotsNeeded { audio, video } => {
                self.slots.audio = self.slots.audio.max(audio);
                self.slots.video = self.slots.video.max(video);
                self.offer().await?;
            }
            // A rehearsal sends one layer, and shows nobody anything.
            ServerMessage::Speaking { .. }
            | ServerMessage::LayersWatched { .. }
            | ServerMessage::LineQuality { .. }
            | ServerMessage::Guess { .. }
            | ServerMessage::Corrections { .. }
            | ServerMessage::SoundOnly { .. } => {}
            ServerMessage::Line { line } => {
                // Nobody listens: the line is for others.
                let _ = self.face.lines.send(line);
            }
            ServerMessage::Draft { draft } => {
                self.face.draft.send_replace(Some(draft));
            }
            ServerMessage::Result { id, error, link } => {
                if let Some(answer) = self.acts.remove(&id) {
                    // The asker may have stopped waiting.
                    let _ = answer.send(error.map_or(Ok(link), Err));
                }
            }
            ServerMessage::Error {
                error:
                    error @ (ErrorCode::Overloaded | ErrorCode::HearingFull | ErrorCode::AddressFull),
            } => {
                tracing::warn!(?error, participant.id = %self.seat.participant,
                    "there is no room for a rehearsal participant");
                return Ok(Some(Outcome::Lost));
            }
            ServerMessage::Error { error } => {
                tracing::warn!(?error, participant.id = %self.seat.participant,
                    "the server did not accept something");
            }
            ServerMessage::Bye {
                reason: ByeReason::Restarting,
            } => {
                return Ok(Some(Outcome::Lost));
            }
            ServerMessage::Bye { reason } => {
                return Ok(Some(Outcome::Over(EndReason::Bye(reason))));
            }
        }
        Ok(None)
    }

    /// Offers, or notes that another offer must follow the one under way.
    async fn offer(&mut self) -> Result<(), RehearseError> {
        if self.offering {
            self.offer_again = true;
            return Ok(());
        }
        self.offering = true;
        let offer = self.peer.offer(self.slots).await?;
        self.tell(&ClientMessage::Offer(offer)).await
    }

    fn see(&mut self, view: HearingView) {
        self.face.hearing.send_replace(Some(Seen {
            view,
            at: Instant::now(),
        }));
        self.show();
    }

    fn show(&self) {
        let admitted = self.face.hearing.borrow().as_ref().is_some_and(|seen| {
            let me = seen
                .view
                .participants
                .iter()
                .find(|p| p.id == self.seat.participant);
            me.is_some_and(|me| me.presence == Presence::Admitted)
        });
        let state = match (admitted, self.flowing) {
            (false, _) => State::Waiting,
            (true, false) => State::Admitted,
            (true, true) => State::InHearing,
        };
        self.face.state.send_if_modified(|shown| {
            let changed = *shown != state;
            *shown = state;
            changed
        });
    }

    async fn tell(&mut self, message: &ClientMessage) -> Result<(), RehearseError> {
        let text = serde_json::to_string(message)
            .map_err(|_| RehearseError::Protocol("a message could not be written"))?;
        self.put(Message::text(text)).await
    }

    async fn put(&mut self, message: Message) -> Result<(), RehearseError> {
        self.line
            .send(message)
            .await
            .map_err(RehearseError::unreachable)
    }
}
