//! The demo's links, for whoever opens the home page of a demo server.

use super::{AppState, error::ApiError};
use crate::demo::DemoHearing;
use axum::{Json, extract::State};
use otyrys_signaling::{HearingState, Place, Role, wire::ErrorCode};
use otyrys_storage::{
    SeatClient,
    ids::{HearingId, ParticipantId},
};
use serde::Serialize;
use std::sync::Arc;

/// What a demo server shows.
#[derive(Debug, Clone)]
pub struct DemoSeats {
    /// The hearing with its links.
    pub hearing: DemoHearing,
    /// A link that signs in to the embedded registry.
    pub registry_link: String,
}

/// The demo of this server, if it is one.
#[derive(Clone)]
pub(crate) struct DemoState(Option<Arc<DemoSeats>>);

impl DemoState {
    pub(super) fn new(seats: Option<DemoSeats>) -> Self {
        Self(seats.map(Arc::new))
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

#[derive(Serialize)]
pub(super) struct Demo {
    hearing: DemoHearingView,
    seats: Vec<DemoSeat>,
    registry_link: String,
}

#[derive(Serialize)]
struct DemoHearingView {
    id: HearingId,
    case_number: String,
    case_title: String,
    court: String,
    courtroom: String,
    scheduled_at: String,
    state: HearingState,
}

#[derive(Serialize)]
struct DemoSeat {
    participant_id: ParticipantId,
    name: String,
    role: Role,
    place: Place,
    link: String,
    /// Who sits there: nobody, a rehearsal participant or a person.
    rehearsal: bool,
    taken: bool,
}

pub(super) async fn seats(State(app): State<AppState>) -> Result<Json<Demo>, ApiError> {
    let demo = app.demo.0.as_deref().ok_or(ApiError(ErrorCode::NotFound))?;
    let hearing = app.hub.hearing(demo.hearing.id).await?.snapshot().await?;
    let mut seats = Vec::new();
    for participant in hearing.participants() {
        let person = &participant.person;
        let Some(link) = demo.hearing.links.get(&person.id) else {
            continue;
        };
        let seat = app.stores.database.seat(person.id).await?;
        seats.push(DemoSeat {
            participant_id: person.id,
            name: person.name.clone(),
            role: person.role,
            place: person.place,
            link: link.clone(),
            rehearsal: seat.is_some_and(|seat| seat.client == SeatClient::Rehearsal),
            taken: seat.is_some(),
        });
    }
    let subject = hearing.subject();
    Ok(Json(Demo {
        hearing: DemoHearingView {
            id: subject.id,
            case_number: subject.case_number.clone(),
            case_title: subject.case_title.clone(),
            court: subject.court.clone(),
            courtroom: subject.courtroom.clone(),
            scheduled_at: subject.scheduled_at.to_string(),
            state: hearing.state(),
        },
        seats,
        registry_link: demo.registry_link.clone(),
    }))
}
