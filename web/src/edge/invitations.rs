//! Invitation links: a person opens one, and the browser gets the seat.

use super::{AppState, error::ApiError};
use crate::secrets::{Secret, hash_of};
use axum::{
    Json,
    extract::{Path, State},
};
use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use jiff::Timestamp;
use otyrys_signaling::{HearingState, Language, Person, Place, Role, wire::ErrorCode};
use otyrys_storage::{
    SeatClient, StorageError,
    ids::{HearingId, ParticipantId},
};
use serde::{Deserialize, Serialize};

/// What opens an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// A person's browser.
    Browser,
    /// A native participant of a rehearsal.
    Rehearsal,
}

impl From<ClientKind> for SeatClient {
    fn from(client: ClientKind) -> Self {
        match client {
            ClientKind::Browser => Self::Browser,
            ClientKind::Rehearsal => Self::Rehearsal,
        }
    }
}

/// Body of a redemption.
#[derive(Debug, Serialize, Deserialize)]
pub struct Redemption {
    /// What opens it.
    pub client: ClientKind,
}

/// Who the link is for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Invitation {
    /// The seat.
    pub participant_id: ParticipantId,
    /// Name as in the case.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Where they join from.
    pub place: Place,
    /// Their language.
    pub language: Language,
    /// The hearing.
    pub hearing: InvitedHearing,
}

/// The hearing as an invited person may know it.
#[derive(Debug, Serialize, Deserialize)]
pub struct InvitedHearing {
    /// Which.
    pub id: HearingId,
    /// Number of the case.
    pub case_number: String,
    /// What the case is called.
    pub case_title: String,
    /// Name of the court.
    pub court: String,
    /// Name of the courtroom.
    pub courtroom: String,
    /// RFC 3339.
    pub scheduled_at: String,
    /// Where it stands.
    pub state: HearingState,
}

/// Name of the cookie that proves a seat.
#[must_use]
pub fn seat_cookie(participant: ParticipantId) -> String {
    format!("otyrys_seat_{participant}")
}

/// Opens an invitation: the first browser gets the seat, others are told that it is taken. A seat
/// that a rehearsal participant holds is given to the person.
pub(super) async fn redeem(
    State(app): State<AppState>,
    Path(token): Path<String>,
    jar: CookieJar,
    Json(body): Json<Redemption>,
) -> Result<(CookieJar, Json<Invitation>), ApiError> {
    let invitation = app
        .stores
        .database
        .invitation(hash_of(&token).into())
        .await?
        .ok_or(ApiError(ErrorCode::LinkUnknown))?;
    if invitation.replaced {
        return Err(ApiError(ErrorCode::LinkReplaced));
    }
    let hearing = app.hub.hearing(invitation.hearing).await?;
    let snapshot = hearing.snapshot().await?;
    let id = invitation.participant;
    let person = snapshot
        .participant(id)
        .map(|p| p.person.clone())
        .ok_or(ApiError(ErrorCode::UnknownParticipant))?;

    let presented = jar
        .get(&seat_cookie(id))
        .map(|cookie| hash_of(cookie.value()).into());
    let database = &app.stores.database;
    let holds = database
        .seat(id)
        .await?
        .is_some_and(|seat| Some(seat.secret_hash) == presented);
    let jar = if holds {
        // Also after closing: the bench comes back for the protocol.
        jar
    } else if snapshot.state() == HearingState::Closed {
        return Err(ApiError(ErrorCode::HearingClosed));
    } else {
        let secret = Secret::generate();
        let taken = database
            .take_seat(
                id,
                secret.hash().into(),
                body.client.into(),
                Timestamp::now(),
            )
            .await
            .map_err(|error| match error {
                StorageError::Conflict(_) => ApiError(ErrorCode::LinkInUse),
                other => other.into(),
            })?;
        if taken.is_some() {
            hearing.seat_taken(id).await?;
        }
        jar.add(cookie_for(id, &secret))
    };
    let subject = snapshot.subject();
    let Person {
        name,
        role,
        place,
        language,
        ..
    } = person;
    Ok((
        jar,
        Json(Invitation {
            participant_id: id,
            name,
            role,
            place,
            language,
            hearing: InvitedHearing {
                id: subject.id,
                case_number: subject.case_number.clone(),
                case_title: subject.case_title.clone(),
                court: subject.court.clone(),
                courtroom: subject.courtroom.clone(),
                scheduled_at: subject.scheduled_at.to_string(),
                state: snapshot.state(),
            },
        }),
    ))
}

fn cookie_for(participant: ParticipantId, secret: &Secret) -> Cookie<'static> {
    Cookie::build((seat_cookie(participant), secret.reveal().to_owned()))
        .http_only(true)
        .secure(true)
        .same_site(SameSite::Strict)
        .path("/")
        .build()
}
