//! Line tests: anybody who reaches this server may try their line against it, within limits.

use super::{
    AppState,
    error::ApiError,
    seat_socket::{MessageBudget, send},
};
use crate::hub::{Entered, LineTestId, LineTests};
use axum::{
    Json,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use futures_util::{SinkExt, StreamExt};
use otyrys_signaling::wire::{ByeReason, ClientMessage, ErrorCode, ServerMessage};
use serde::Serialize;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// An opened test.
#[derive(Serialize)]
pub(super) struct Opened {
    id: String,
}

pub(super) async fn open(State(app): State<AppState>) -> Result<Json<Opened>, ApiError> {
    let id = app.hub.line_tests().open().map_err(ApiError)?;
    Ok(Json(Opened {
        id: id.as_str().to_owned(),
    }))
}

pub(super) async fn connect(
    State(app): State<AppState>,
    Path(id): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let id = LineTestId::from(id);
    let tests = app.hub.line_tests().clone();
    let entered = tests.enter(&id).map_err(ApiError)?;
    let bytes = app.config.server.message_bytes;
    let budget = MessageBudget::new(app.config.server.messages_per_second);
    let stopping = app.hub.stopping();
    let place = Place {
        stopping,
        tests,
        id,
        entered,
        budget,
    };
    Ok(upgrade
        .max_message_size(bytes)
        .max_frame_size(bytes)
        .on_upgrade(move |socket| place.serve(socket)))
}

/// One client's place in a test; given back when dropped, whatever becomes of the socket.
struct Place {
    stopping: CancellationToken,
    tests: Arc<LineTests>,
    id: LineTestId,
    entered: Entered,
    budget: MessageBudget,
}

impl Place {
    async fn serve(mut self, socket: WebSocket) {
        let (mut sink, mut stream) = socket.split();
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => break,
                () = sleep_until(self.entered.ends) => {
                    let over = ServerMessage::Bye { reason: ByeReason::HearingClosed };
                    let _gone = send(&mut sink, &over).await;
                    break;
                }
                message = self.entered.messages.recv() => {
                    let Some(message) = message else { break };
                    if send(&mut sink, &message).await.is_err() {
                        break;
                    }
                }
                frame = stream.next() => {
                    let text = match frame {
                        Some(Ok(Message::Text(text))) => text,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        _ => break,
                    };
                    if !self.budget.spend(Instant::now()) {
                        break;
                    }
                    match serde_json::from_str(&text) {
                        Ok(ClientMessage::Offer(offer)) => {
                            self.tests.offer(&self.id, self.entered.session, offer).await;
                        }
                        Ok(ClientMessage::Leave) => break,
                        _ => {
                            let error = ServerMessage::Error { error: ErrorCode::BadMessage };
                            if send(&mut sink, &error).await.is_err() {
                                break;
                            }
                        }
                    }
                }
            }
        }
        let _closed = sink.close().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tests.leave(&self.id, self.entered.session);
    }
}
