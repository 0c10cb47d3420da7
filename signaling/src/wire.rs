//! The signalling protocol, version 1: JSON text messages over one WebSocket for each person.
//!
//! `docs/PROTOCOL.md` explains it to the author of another client. The TypeScript types of
//! `web/ui/src/wire/` are generated from these.
//!
//! Media is negotiated by a single offerer: the client always offers, the server always answers.
//! The client's offer has one `sendonly` section for each track that it publishes (named in
//! [`Offer::sources`]) and `recvonly` sections, the *slots*, which the server fills with tracks
//! as it sees fit and names in [`ServerMessage::Slots`].

mod learnt_correction;
mod line_edit;
mod playback;

pub use learnt_correction::{CorrectionChoice, LearntCorrection};
pub use line_edit::{LineEdit, MAX_EDIT_CHARS};
pub use playback::{Listen, ListeningId, Loudness, RecordList, RecordedPerson, RecordedSegment};

use crate::{
    HearingState, Language, Place, Presence, RecordFault, Role, Stage, TrackRef, TrackSource,
};
use otyrys_storage::ids::{HearingId, LineId, ParticipantId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use ts_rs::TS;

/// The version that this server speaks. A client that asks for another is refused with
/// [`ErrorCode::ProtocolVersion`].
pub const PROTOCOL_VERSION: u32 = 1;

/// What a client sends.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// First message on every connection.
    Hello {
        /// Must be [`PROTOCOL_VERSION`].
        protocol: u32,
        /// What the person's page is shown in.
        language: Language,
    },
    /// The self-test is over; the person is ready to wait for admission.
    Ready {
        /// A microphone delivers sound.
        microphone: bool,
        /// A camera delivers a picture.
        camera: bool,
    },
    /// WebRTC offer; answered by [`ServerMessage::Answer`] with the same `id`.
    Offer(Offer),
    /// The person muted or unmuted themselves.
    Sending {
        /// Sound is being sent.
        microphone: bool,
        /// A picture is being sent.
        camera: bool,
    },
    /// An act on the hearing; answered by [`ServerMessage::Result`] with the same `id`.
    Act {
        /// Chosen by the client, echoed in the result.
        id: u32,
        /// What to do.
        act: Act,
    },
    /// What the page does with each picture, so that only what is seen is sent. Replaces all that
    /// was said before; a picture that is not named counts as shown large.
    Shown {
        /// At most [`MAX_SHOWN`]; more are ignored.
        pictures: Vec<ShownPicture>,
    },
    /// What the person saw and heard, every 2 s while something should arrive.
    Perceived(Perceived),
    /// The person leaves on purpose. Closing the socket without it counts as a lost line.
    Leave,
}

/// The most pictures of which a page may say what it does with them: everybody in the largest
/// hearing with camera and screen.
pub const MAX_SHOWN: usize = 128;

/// What came of sound and pictures at a page in the last 2 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Perceived {
    /// Freezes that ended (W3C webrtc-stats, `freezeCount`), of the picture that had most of them.
    pub freezes: u16,
    /// How long that picture stood still in these freezes, in ms.
    pub frozen_ms: u32,
    /// Of 1,000 samples of sound so many had to be made up. Absent: nobody is to be heard.
    pub concealed_permille: Option<u16>,
}

impl Perceived {
    /// Whether a page can have seen this: the shortest freeze has 150 ms, and a picture that stood
    /// still for more than a minute was not frozen but off.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        const MAX_FREEZES: u16 = 20;
        const MAX_FROZEN_MS: u32 = 60_000;

        self.freezes <= MAX_FREEZES
            && self.frozen_ms <= MAX_FROZEN_MS
            && self.concealed_permille.is_none_or(|share| share <= 1_000)
    }
}

/// What a page does with one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ShownPicture {
    /// Which.
    pub track: TrackRef,
    /// How much of it is seen.
    pub view: View,
    /// Whether the person asked to keep seeing it.
    pub pinned: bool,
}

/// How much of a picture a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Not at all.
    Hidden,
    /// Small, as one of many.
    Tile,
    /// Large.
    Stage,
}

/// How good the line between a person and the server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LineQuality {
    /// Whose line.
    #[ts(type = "string")]
    pub participant: ParticipantId,
    /// Of the worse direction.
    pub grade: LineGrade,
    /// What most likely makes it worse than good. Absent: nothing does.
    pub cause: Option<LineCause>,
    /// To the server and back, in ms. Absent: not measured yet.
    pub round_trip_ms: Option<u32>,
    /// From the person.
    pub up: LineDirection,
    /// To the person.
    pub down: LineDirection,
    /// What the line is estimated to carry to the person, in kbit/s. Absent: not known.
    pub estimate_kbps: Option<u32>,
    /// Whether the line is too narrow for pictures.
    pub sound_only: bool,
    /// What the person's page said last of what it saw and heard. Absent: nothing of late.
    pub perceived: Option<Perceived>,
    /// Packets from the person that were dropped because a track had too many bits.
    pub over_bitrate: u32,
}

/// One direction of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LineDirection {
    /// In kbit/s.
    pub bitrate_kbps: u32,
    /// Of 1,000 packets so many were lost, before repair. Absent: nothing was sent.
    pub loss_permille: Option<u16>,
    /// Of the arrival times, in ms (RFC 3550, section 6.4.1).
    pub jitter_ms: Option<u32>,
    /// Packets of which a repair was asked.
    pub nacks: u32,
    /// Key frames asked for because a picture could not be decoded.
    pub plis: u32,
}

/// How a line will be felt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LineGrade {
    /// Nobody notices it.
    Good,
    /// It is noticed, and the hearing can go on.
    Fair,
    /// Words or pictures are missing.
    Poor,
}

/// What makes a line worse than good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LineCause {
    /// Nothing comes.
    Silent,
    /// It carries less than is wanted.
    Bandwidth,
    /// Packets are lost.
    Loss,
    /// Packets take long.
    Delay,
    /// Packets come unevenly.
    Jitter,
    /// The picture stands still.
    Freezes,
}

/// A WebRTC offer.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct Offer {
    /// Chosen by the client, echoed in the answer.
    pub id: u32,
    /// SDP (RFC 8866) with all candidates of the client or none: the server is ICE-lite's peer.
    pub sdp: String,
    /// For each section that the client sends on: its `mid` and what it carries.
    pub sources: BTreeMap<String, TrackSource>,
}

/// An act on the hearing, as a person asks for it. Rights are checked by the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Lets a waiting person into the hearing.
    Admit {
        /// Who.
        #[ts(type = "string")]
        participant: ParticipantId,
    },
    /// Sends an admitted person back to the waiting room.
    SendBack {
        /// Who.
        #[ts(type = "string")]
        participant: ParticipantId,
    },
    /// Silences a person at the server until they are unmuted by the bench.
    Mute {
        /// Who.
        #[ts(type = "string")]
        participant: ParticipantId,
        /// `true` to silence, `false` to let them be heard again.
        muted: bool,
    },
    /// Opens the session.
    Start,
    /// Goes on or off the record.
    Record {
        /// `true` for on.
        on: bool,
    },
    /// Adjourns for a while, or resumes.
    Recess {
        /// `true` to adjourn.
        on: bool,
    },
    /// Marks a stage of the hearing at this moment of the record.
    Mark {
        /// Which.
        stage: Stage,
    },
    /// Ends the hearing. Irreversible.
    Close,
    /// Writes something else in place of a line of the draft. The machine's text stays beside it.
    EditLine {
        /// Which.
        #[ts(type = "string")]
        line: LineId,
        /// At most [`MAX_EDIT_CHARS`] characters, at least a word. Absent: the machine's text
        /// again.
        text: Option<String>,
    },
    /// Applies an entry of the court's dictionary that was learnt to new lines, or no longer.
    ChooseCorrection(CorrectionChoice),
    /// Says for whom an interpreter interprets from now on: their lines are marked so in the draft,
    /// in whichever direction they interpret.
    SetInterpretation {
        /// Whose track it is that is marked; an interpreter.
        #[ts(type = "string")]
        interpreter: ParticipantId,
        /// For whom; no interpreter. Absent: it is not said.
        #[ts(type = "string | null")]
        of: Option<ParticipantId>,
    },
    /// Makes a new invitation link for a person; the old one and its seat stop working.
    RenewLink {
        /// Who.
        #[ts(type = "string")]
        participant: ParticipantId,
    },
}

/// What the server sends.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Answer to [`ClientMessage::Hello`].
    Welcome {
        /// [`PROTOCOL_VERSION`].
        protocol: u32,
        /// Who the server takes the client for.
        #[ts(type = "string")]
        you: ParticipantId,
        /// The hearing as this person may see it.
        hearing: HearingView,
        /// For the client's peer connection, beside the server's own addresses. The credentials
        /// are good for a while; the next welcome has fresh ones.
        #[serde(default)]
        ice_servers: Vec<IceServer>,
        /// The media session of the seat's last line still stands: the same peer connection goes
        /// on with an ICE restart. Otherwise only a new one can be offered.
        #[serde(default)]
        resumes_media: bool,
    },
    /// The hearing changed. Always the whole view: the latest one replaces all earlier ones.
    Hearing {
        /// The hearing as this person may see it.
        hearing: HearingView,
    },
    /// WebRTC answer.
    Answer {
        /// The offer's.
        id: u32,
        /// SDP (RFC 8866).
        sdp: String,
    },
    /// Which track arrives on which `recvonly` section. Replaces all earlier ones.
    Slots {
        /// One for each `recvonly` section of the last answered offer.
        slots: Vec<Slot>,
    },
    /// The tracks for this person outnumber the slots: offer again with at least so many.
    SlotsNeeded {
        /// `recvonly` sound sections.
        audio: u32,
        /// `recvonly` picture sections.
        video: u32,
    },
    /// Which layers of the person's own picture somebody watches: the page pauses the others, and
    /// goes on with them when told. Until told otherwise all are watched.
    LayersWatched {
        /// Of which picture.
        source: TrackSource,
        /// Counted from the smallest, 0. At least the smallest.
        layers: Vec<u8>,
    },
    /// The line to this person became too narrow for pictures, or wide enough again.
    SoundOnly {
        /// Whether no picture is sent.
        sound_only: bool,
    },
    /// How good somebody's line is, every 2 s: to the person, to the bench and to court IT.
    LineQuality {
        /// Of the last 2 s.
        quality: LineQuality,
    },
    /// Who is being heard now, loudest first (RFC 6464 levels).
    Speaking {
        /// Only those whom this person receives.
        #[ts(type = "Array<string>")]
        participants: Vec<ParticipantId>,
    },
    /// A line of the draft protocol, new or replaced (same `id`). Only to those who may read it.
    Line {
        /// The line.
        line: DraftLine,
    },
    /// What somebody is saying, as far as the machine makes it out. Their line replaces it. Only to
    /// those who may read the draft.
    Guess {
        /// Who speaks: the owner of the track.
        #[ts(type = "string")]
        participant: ParticipantId,
        /// In place of the last one; absent when it is over, whether a line came of it or not.
        guess: Option<DraftGuess>,
    },
    /// What the court's dictionary learnt, as far as it concerns this hearing, in place of what was
    /// told before. Only to those who may correct lines, with the draft and whenever it changed.
    Corrections {
        /// By language and by what is heard.
        corrections: Vec<LearntCorrection>,
    },
    /// How the draft is doing. Only to those who may read it.
    Draft {
        /// The state.
        draft: DraftState,
    },
    /// Outcome of an act.
    Result {
        /// The act's.
        id: u32,
        /// Absent when it was done.
        error: Option<ErrorCode>,
        /// For [`Act::RenewLink`]: the new link.
        link: Option<String>,
    },
    /// Something went wrong outside an act.
    Error {
        /// What.
        error: ErrorCode,
    },
    /// The server ends this connection; the client says why and reconnects only if `reason` says so.
    Bye {
        /// Why.
        reason: ByeReason,
    },
}

/// A TURN server (RFC 8656), as `RTCConfiguration.iceServers` wants it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct IceServer {
    /// `turn:` and `turns:` (RFC 7065).
    pub urls: Vec<String>,
    /// Until when the credential is good, and whose it is.
    pub username: String,
    /// The password.
    pub credential: String,
}

/// Without the credential, which must not slip into a log.
impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

/// Where one track arrives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Slot {
    /// The SDP section.
    pub mid: String,
    /// What arrives there; absent when nothing does.
    pub track: Option<TrackRef>,
}

/// The hearing as one person may see it. Someone who waits sees no other person in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HearingView {
    /// Which.
    #[ts(type = "string")]
    pub id: HearingId,
    /// Number of the case in the registry.
    pub case_number: String,
    /// What the case is called.
    pub case_title: String,
    /// Name of the court, in the hearing's language.
    pub court: String,
    /// Name of the courtroom.
    pub courtroom: String,
    /// Language of the proceedings.
    pub language: Language,
    /// RFC 3339, UTC.
    pub scheduled_at: String,
    /// Where the hearing stands.
    pub state: HearingState,
    /// Sound and picture of everybody admitted are being written.
    pub on_record: bool,
    /// Milliseconds of the record's clock at the time of sending; `0` before the record began.
    pub record_ms: u32,
    /// Why the record cannot go on, while it cannot.
    pub record_fault: Option<RecordFault>,
    /// Whose track it is that cannot be recorded, if it is one.
    pub faulty_track: Option<TrackRef>,
    /// The second copy of the sound cannot be written. The record goes on without it.
    pub backup_fault: bool,
    /// The stage marked last.
    pub stage: Option<Stage>,
    /// The people whom this person may see, bench first.
    pub participants: Vec<ParticipantView>,
}

/// One person in the hearing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ParticipantView {
    /// Who.
    #[ts(type = "string")]
    pub id: ParticipantId,
    /// Name as in the case.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Where they join from.
    pub place: Place,
    /// Where they are.
    pub presence: Presence,
    /// They send sound (their own switch).
    pub microphone: bool,
    /// They send a picture (their own switch).
    pub camera: bool,
    /// Silenced by the bench.
    pub muted: bool,
    /// Their tracks are being written now. Sent to the bench only, else `false`.
    pub recorded: bool,
    /// A rehearsal participant sits in this seat; a person who opens the link takes it over.
    pub rehearsal: bool,
    /// For whom they interpret, as judge or clerk set it. Absent: they do not, it is not set, or it
    /// is somebody whom this person may not see.
    #[ts(type = "string | null")]
    pub interprets: Option<ParticipantId>,
}

/// An utterance while it is being spoken. It is kept nowhere when it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DraftGuess {
    /// Where it begins, milliseconds into the record; so does its line, unless it gets too long for
    /// one.
    pub start_ms: u32,
    /// Language it is recognised in.
    pub language: Language,
    /// The words that stay until the line comes.
    pub agreed: String,
    /// The words after those, which may still change.
    pub rest: String,
    /// Whom an interpreter interprets, as for its line ([`DraftLine::interprets`]).
    #[serde(default)]
    #[ts(type = "string | null")]
    pub interprets: Option<ParticipantId>,
}

/// A line of the draft protocol: the machine's text, under the authenticated speaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct DraftLine {
    /// Which.
    #[ts(type = "string")]
    pub id: LineId,
    /// Who spoke: the owner of the track.
    #[ts(type = "string")]
    pub participant: ParticipantId,
    /// Milliseconds into the record.
    pub start_ms: u32,
    /// Milliseconds into the record.
    pub end_ms: u32,
    /// What the machine heard.
    pub text: String,
    /// Language it was recognised in.
    pub language: Language,
    /// Mean probability of the tokens, 0 to 1.
    pub confidence: f32,
    /// Not to be relied on without listening: no weights fitted to this language, or doubtful in
    /// itself.
    pub weak: bool,
    /// The words with their times; joined by spaces they are `text`.
    pub words: Vec<Word>,
    /// Where a protocol writes it otherwise: numbers, dates, articles, the court's dictionary. In
    /// order, and apart from each other.
    #[serde(default)]
    pub written: Vec<WrittenWords>,
    /// What a person made of it last. Absent: nobody touched it.
    #[serde(default)]
    pub edited: Option<LineEdit>,
    /// Whom an interpreter interprets here, as it was set when the line begins. Absent: nobody, or
    /// it was not set. It is kept nowhere: the hearing says it when the line is sent.
    #[serde(default)]
    #[ts(type = "string | null")]
    pub interprets: Option<ParticipantId>,
}

/// Words of a line that are written otherwise than they were spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WrittenWords {
    /// Index of the first of them.
    pub first: u32,
    /// How many they are.
    pub count: u32,
    /// What is written in their place.
    pub text: String,
}

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Word {
    /// As written in the line.
    pub text: String,
    /// Milliseconds into the record.
    pub start_ms: u32,
    /// Milliseconds into the record.
    pub end_ms: u32,
    /// 0 to 1.
    pub confidence: f32,
}

/// How the draft is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DraftState {
    /// Lines come.
    Running {
        /// Milliseconds of recorded speech that wait to be recognised.
        behind_ms: u32,
    },
    /// No draft is made; the hearing and its record go on.
    Off {
        /// Why.
        reason: DraftOffReason,
    },
}

/// Why there is no draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DraftOffReason {
    /// Switched off in the configuration.
    Disabled,
    /// No model file where the configuration says.
    ModelMissing,
    /// The model file is not what it should be.
    ModelDamaged,
    /// The recogniser stopped; the operator has been told.
    Failed,
    /// No recogniser runs: those of this server are processes of their own. What is said meanwhile is
    /// recognised when one does.
    NoWorker,
}

/// Stable codes for what went wrong; the client has the words in three languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No such invitation.
    LinkUnknown,
    /// The invitation's seat is taken by another browser.
    LinkInUse,
    /// A newer link was made for this person.
    LinkReplaced,
    /// The hearing is over.
    HearingClosed,
    /// No seat: open the invitation link first.
    NotSeated,
    /// The role or the presence does not allow it.
    NotAllowed,
    /// The state of the hearing does not allow it.
    WrongState,
    /// No such person in this hearing.
    UnknownParticipant,
    /// The record cannot be written; see [`HearingView::record_fault`].
    RecordFault,
    /// The message could not be understood.
    BadMessage,
    /// The client speaks another version of the protocol.
    ProtocolVersion,
    /// The offer could not be accepted.
    BadOffer,
    /// Too many, too often or too large.
    LimitReached,
    /// As many people are in the hearing as there may be; there is room when one of them leaves.
    HearingFull,
    /// As many people come from this address as may.
    AddressFull,
    /// The server carries as much sound and picture as it can; there is room when others leave.
    Overloaded,
    /// Not found.
    NotFound,
    /// The server cannot do it now; trying again later helps.
    Unavailable,
    /// A fault of the server; it is in its log.
    Internal,
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ByeReason {
    /// The same seat connected again from elsewhere (same browser): do not reconnect.
    Replaced,
    /// A person took the rehearsal participant's seat: do not reconnect.
    SeatTaken,
    /// The link was renewed: do not reconnect.
    LinkReplaced,
    /// The hearing is over: do not reconnect.
    HearingClosed,
    /// The server restarts: reconnect.
    Restarting,
    /// The client broke the protocol: do not reconnect.
    Protocol,
}
