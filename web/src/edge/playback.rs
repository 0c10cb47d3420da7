//! Listening to the record, while the hearing lasts and after it: what there is, its sound in
//! pieces, how loud it is, and who listens. What a person may hear is decided in
//! `otyrys-signaling`.

use super::{AppState, error::ApiError, held_seat::HeldSeat};
use crate::hub::{HearingHandle, Listener, SoundStretch};
use axum::{
    Json,
    extract::{ConnectInfo, Path, Query, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use otyrys_signaling::{
    Hearing, TrackRef, TrackSource, what_is_played_back,
    wire::{ErrorCode, Listen, ListeningId, Loudness, RecordList, RecordedPerson, RecordedSegment},
};
use otyrys_storage::{
    SegmentFacts, SegmentReach, StorageError,
    ids::{ParticipantId, SegmentId},
};
use serde::Deserialize;
use std::{collections::BTreeSet, net::SocketAddr};

/// Where a piece of sound begins and ends, milliseconds on the record clock.
const FROM_MS: HeaderName = HeaderName::from_static("otyrys-from-ms");
const TO_MS: HeaderName = HeaderName::from_static("otyrys-to-ms");
/// What a piece of sound is, in the words of Media Source Extensions.
const SOUND: &str = "audio/webm; codecs=\"opus\"";

/// Somebody who may listen.
struct Ears {
    seat: HeldSeat,
    handle: HearingHandle,
    hearing: Hearing,
    tracks: BTreeSet<TrackRef>,
}

impl Ears {
    /// # Errors
    /// [`ErrorCode::NotSeated`]; [`ErrorCode::NotAllowed`] for whoever may hear nothing.
    async fn of(
        app: &AppState,
        participant: ParticipantId,
        jar: &CookieJar,
    ) -> Result<Self, ApiError> {
        let seat = HeldSeat::of(&app.stores.database, participant, jar).await?;
        let handle = app.hub.hearing(seat.hearing().await?).await?;
        let hearing = handle.snapshot().await?;
        let tracks = what_is_played_back(&hearing, participant);
        if tracks.is_empty() {
            return Err(ApiError(ErrorCode::NotAllowed));
        }
        Ok(Self {
            seat,
            handle,
            hearing,
            tracks,
        })
    }

    /// A sound file of the hearing and its track.
    async fn sound_file(
        &self,
        app: &AppState,
        segment: SegmentId,
    ) -> Result<(SegmentFacts, TrackRef), ApiError> {
        let facts = app
            .playback
            .facts(self.hearing.subject().id, segment)
            .await?;
        let track = track_of(&facts)?;
        if !self.tracks.contains(&track) {
            return Err(ApiError(ErrorCode::NotAllowed));
        }
        if track.source != TrackSource::Microphone {
            return Err(ApiError(ErrorCode::NotFound));
        }
        Ok((facts, track))
    }
}

pub(super) async fn list(
    State(app): State<AppState>,
    Path(participant): Path<ParticipantId>,
    jar: CookieJar,
) -> Result<Json<RecordList>, ApiError> {
    let ears = Ears::of(&app, participant, &jar).await?;
    let mut segments = Vec::new();
    for reach in app.playback.reaches(ears.hearing.subject().id).await? {
        let track = track_of(&reach.facts)?;
        if ears.tracks.contains(&track) {
            segments.push(recorded(&reach, track));
        }
    }
    let people = ears.hearing.participants().iter().map(|p| &p.person);
    Ok(Json(RecordList {
        people: people
            .filter(|person| segments.iter().any(|of| of.participant == person.id))
            .map(|person| RecordedPerson {
                id: person.id,
                name: person.name.clone(),
                role: person.role,
            })
            .collect(),
        segments,
    }))
}

/// What a piece of sound is asked with.
#[derive(Deserialize)]
pub(super) struct SoundQuery {
    listening: u32,
    from_ms: u64,
}

pub(super) async fn sound(
    State(app): State<AppState>,
    Path((participant, segment)): Path<(ParticipantId, SegmentId)>,
    Query(query): Query<SoundQuery>,
    jar: CookieJar,
) -> Result<Response, ApiError> {
    let ears = Ears::of(&app, participant, &jar).await?;
    let (facts, track) = ears.sound_file(&app, segment).await?;
    let Some(sound) = app.playback.sound(facts, query.from_ms).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let listening = ListeningId {
        listening: query.listening,
    };
    let stretch = SoundStretch {
        track,
        from_ms: sound.from_ms,
        to_ms: sound.to_ms,
    };
    // Last of all: what was not noted is not sent.
    ears.handle
        .sending_sound(ears.seat.participant(), listening, stretch)
        .await?;
    Ok((
        [
            (header::CONTENT_TYPE, SOUND.to_owned()),
            (header::CACHE_CONTROL, "private, no-store".to_owned()),
            (FROM_MS, sound.from_ms.to_string()),
            (TO_MS, sound.to_ms.to_string()),
        ],
        sound.bytes,
    )
        .into_response())
}

/// From which value on loudness is wanted.
#[derive(Deserialize)]
pub(super) struct LoudnessQuery {
    from: u32,
}

pub(super) async fn loudness(
    State(app): State<AppState>,
    Path((participant, segment)): Path<(ParticipantId, SegmentId)>,
    Query(query): Query<LoudnessQuery>,
    jar: CookieJar,
) -> Result<Json<Loudness>, ApiError> {
    let ears = Ears::of(&app, participant, &jar).await?;
    let (facts, _) = ears.sound_file(&app, segment).await?;
    Ok(Json(app.playback.loudness(facts, query.from).await?))
}

pub(super) async fn begin(
    State(app): State<AppState>,
    Path(participant): Path<ParticipantId>,
    ConnectInfo(origin): ConnectInfo<SocketAddr>,
    jar: CookieJar,
    Json(body): Json<Listen>,
) -> Result<(StatusCode, Json<ListeningId>), ApiError> {
    let ears = Ears::of(&app, participant, &jar).await?;
    let listener = Listener {
        by: participant,
        origin: origin.ip(),
        tracks: body.tracks,
        from_ms: body.from_ms.into(),
    };
    let listening = ears.handle.listen(listener).await?;
    Ok((StatusCode::CREATED, Json(listening)))
}

pub(super) async fn end(
    State(app): State<AppState>,
    Path((participant, listening)): Path<(ParticipantId, u32)>,
    jar: CookieJar,
) -> Result<StatusCode, ApiError> {
    // Without looking at rights: whoever lost them has listened all the same.
    let seat = HeldSeat::of(&app.stores.database, participant, &jar).await?;
    let handle = app.hub.hearing(seat.hearing().await?).await?;
    handle
        .stop_listening(participant, ListeningId { listening })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn track_of(facts: &SegmentFacts) -> Result<TrackRef, ApiError> {
    let source = serde_json::from_value(facts.source.as_str().into());
    Ok(TrackRef {
        participant: facts.participant,
        source: source.map_err(|error| StorageError::Corrupt {
            what: format!("the source of segment {}", facts.segment),
            reason: error.to_string(),
        })?,
    })
}

fn recorded(reach: &SegmentReach, track: TrackRef) -> RecordedSegment {
    // Record times in the wire's 32 bits: 49 days.
    let ms = |ms: u64| u32::try_from(ms).unwrap_or(u32::MAX);
    RecordedSegment {
        segment: reach.facts.segment,
        participant: track.participant,
        source: track.source,
        starts_ms: ms(reach.facts.starts_ms),
        ends_ms: ms(reach.ends_ms),
        growing: !reach.ended,
    }
}
