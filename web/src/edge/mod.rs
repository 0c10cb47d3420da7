//! HTTP and WebSocket: requests in, answers out. What they mean is decided elsewhere.

mod address_places;
mod assets;
mod demo;
mod documents;
pub mod error;
mod held_seat;
pub mod invitations;
mod line_test;
mod playback;
mod seat_socket;
mod shared_port;

use crate::{
    config::Config, hub::Hub, links::Links, metrics::PeopleFigures, playback::Playback,
    stores::Stores,
};
use address_places::AddressPlaces;
use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::{HeaderName, HeaderValue, header},
    routing::{delete, get, post},
};
use demo::DemoState;
use otyrys_signaling::wire::PROTOCOL_VERSION;
use serde::Serialize;
use std::sync::Arc;
use tower_http::{limit::RequestBodyLimitLayer, set_header::SetResponseHeaderLayer};

pub use demo::DemoSeats;
pub(crate) use shared_port::SharedPort;

/// Largest body of a request to this API: a few words of JSON.
const BODY_BYTES: usize = 64 * 1024;

/// The page may run its own scripts and talk to its own server, nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self'; \
    img-src 'self' data: blob:; media-src 'self' blob: mediastream:; style-src 'self' 'unsafe-inline'; \
    object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// What handlers share. Cheap to clone.
#[derive(Clone, FromRef)]
pub struct AppState {
    pub(crate) config: Arc<Config>,
    pub(crate) stores: Stores,
    pub(crate) hub: Hub,
    pub(crate) links: Links,
    pub(crate) demo: DemoState,
    pub(crate) places: AddressPlaces,
    pub(crate) people: PeopleFigures,
    pub(crate) playback: Playback,
}

impl AppState {
    /// The state of a server; with `demo`, one that shows the demo's links.
    #[must_use]
    pub(crate) fn new(
        config: Arc<Config>,
        stores: Stores,
        hub: Hub,
        links: Links,
        people: PeopleFigures,
        demo: Option<DemoSeats>,
    ) -> Self {
        Self {
            places: AddressPlaces::new(config.limits.sessions_per_address),
            playback: Playback::new(stores.spool.clone()),
            people,
            config,
            stores,
            hub,
            links,
            demo: DemoState::new(demo),
        }
    }
}

/// Pages and API; `registry` is the embedded registry's.
pub fn router(state: AppState, registry: Router) -> Router {
    let api = Router::new()
        .route("/about", get(about))
        .route("/invitations/{token}", post(invitations::redeem))
        .route("/seats/{participant}/ws", get(seat_socket::connect))
        .route("/seats/{participant}/record", get(playback::list))
        .route(
            "/seats/{participant}/record/{segment}/sound",
            get(playback::sound),
        )
        .route(
            "/seats/{participant}/record/{segment}/loudness",
            get(playback::loudness),
        )
        .route("/seats/{participant}/listenings", post(playback::begin))
        .route(
            "/seats/{participant}/listenings/{listening}",
            delete(playback::end),
        )
        .route("/hearings/{hearing}/room-file", get(documents::room_file))
        .route("/hearings/{hearing}/final-pass", get(documents::final_pass))
        .route("/hearings/{hearing}/{document}", get(documents::document))
        .route("/demo", get(demo::seats))
        .route("/line-tests", post(line_test::open))
        .route("/line-tests/{test}/ws", get(line_test::connect))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES))
        .with_state(state);
    Router::new()
        .nest("/api/v1", api)
        .merge(registry)
        .fallback(assets::asset)
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(
            header::CONTENT_SECURITY_POLICY,
            CONTENT_SECURITY_POLICY,
        ))
        .layer(fixed(
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(self), display-capture=(self)",
        ))
}

/// A header for every answer that does not set its own.
fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// What a client must know before it does anything.
#[derive(Serialize)]
struct About {
    version: &'static str,
    protocol: u32,
    demo: bool,
}

async fn about(State(demo): State<DemoState>) -> Json<About> {
    Json(About {
        version: env!("CARGO_PKG_VERSION"),
        protocol: PROTOCOL_VERSION,
        demo: demo.is_on(),
    })
}
