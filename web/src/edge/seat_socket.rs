//! The WebSocket of one seat: frames in, frames out; the hearing decides.

use super::{AppState, address_places::AddressPlace, error::ApiError, held_seat::HeldSeat};
use crate::hub::{Connection, HearingHandle, Outbox};
use axum::{
    extract::{
        ConnectInfo, Path, State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    response::Response,
};
use axum_extra::extract::CookieJar;
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use otyrys_signaling::wire::{
    ByeReason, ClientMessage, ErrorCode, PROTOCOL_VERSION, ServerMessage,
};
use otyrys_storage::ids::ParticipantId;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};

/// A client that says nothing for so long is gone: it sends a ping frame's answer every
/// [`PING_EVERY`].
const SILENCE: Duration = Duration::from_secs(15);
/// How often the server pings. Phones keep a connection only so long without traffic.
const PING_EVERY: Duration = Duration::from_secs(5);
/// The first message must come within this time.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Messages that wait for a slow client. A client that lags behind by more is dropped; it comes
/// back and gets the whole view at once.
const OUTBOX: usize = 256;

pub(super) async fn connect(
    State(app): State<AppState>,
    Path(participant): Path<ParticipantId>,
    ConnectInfo(origin): ConnectInfo<SocketAddr>,
    jar: CookieJar,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let seat = HeldSeat::of(&app.stores.database, participant, &jar).await?;
    let hearing = app.hub.hearing(seat.hearing().await?).await?;
    let limits = SocketLimits {
        message_bytes: app.config.server.message_bytes,
        messages_per_second: app.config.server.messages_per_second,
    };
    let place = app.places.take(origin.ip());
    if place.is_none() {
        app.people.refused(ErrorCode::AddressFull);
    }
    Ok(upgrade
        .max_message_size(limits.message_bytes)
        .max_frame_size(limits.message_bytes)
        .on_upgrade(move |socket| async move {
            match place {
                Some(place) => serve(socket, hearing, seat, origin, limits, place).await,
                // Over the socket, because a browser does not tell a page how an upgrade failed.
                None => turn_away(socket, ErrorCode::AddressFull).await,
            }
        }))
}

#[derive(Clone, Copy)]
struct SocketLimits {
    message_bytes: usize,
    messages_per_second: u32,
}

async fn serve(
    socket: WebSocket,
    hearing: HearingHandle,
    seat: HeldSeat,
    origin: SocketAddr,
    limits: SocketLimits,
    _place: AddressPlace,
) {
    let (mut sink, mut stream) = socket.split();
    let hello = time::timeout(HELLO_WITHIN, stream.next()).await;
    match hello {
        Ok(Some(Ok(Message::Text(text)))) => match serde_json::from_str(&text) {
            Ok(ClientMessage::Hello {
                protocol: PROTOCOL_VERSION,
                ..
            }) => {}
            Ok(ClientMessage::Hello { .. }) => {
                return refuse(sink, ErrorCode::ProtocolVersion).await;
            }
            _ => return refuse(sink, ErrorCode::BadMessage).await,
        },
        _ => return,
    }

    // The seat may have been taken or renewed while the client was silent.
    if !seat.still_holds().await {
        return refuse(sink, ErrorCode::NotSeated).await;
    }
    let (outbox, mut outgoing) = mpsc::channel(OUTBOX);
    let connection = Connection::new(
        seat.participant(),
        seat.is_rehearsal(),
        origin.ip(),
        Outbox::new(outbox),
    );
    let id = connection.id();
    if hearing.connect(connection).await.is_err() {
        return refuse(sink, ErrorCode::Unavailable).await;
    }

    let mut ping = time::interval(PING_EVERY);
    let mut heard = Instant::now();
    let mut budget = MessageBudget::new(limits.messages_per_second);
    loop {
        tokio::select! {
            message = outgoing.recv() => {
                let Some(message) = message else { break };
                let last = matches!(message, ServerMessage::Bye { .. });
                if send(&mut sink, &message).await.is_err() || last {
                    break;
                }
            }
            frame = stream.next() => {
                let Some(Ok(frame)) = frame else { break };
                heard = Instant::now();
                let text = match frame {
                    Message::Text(text) => text,
                    Message::Close(_) => break,
                    Message::Binary(_) => {
                        let _gone = send(&mut sink, &bye(ByeReason::Protocol)).await;
                        break;
                    }
                    Message::Ping(_) | Message::Pong(_) => continue,
                };
                if !budget.spend(heard) {
                    let _gone = send(&mut sink, &error(ErrorCode::LimitReached)).await;
                    let _gone = send(&mut sink, &bye(ByeReason::Protocol)).await;
                    break;
                }
                match serde_json::from_str::<ClientMessage>(&text) {
                    Ok(message) => {
                        if hearing.message(id, message).await.is_err() {
                            break;
                        }
                    }
                    Err(_) => {
                        if send(&mut sink, &error(ErrorCode::BadMessage)).await.is_err() {
                            break;
                        }
                    }
                }
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE || sink.send(Message::Ping(Default::default())).await.is_err() {
                    break;
                }
            }
        }
    }
    hearing.gone(id).await;
    let _closed = sink.close().await;
}

/// Says why there is no room now. The client may come again.
async fn turn_away(mut socket: WebSocket, code: ErrorCode) {
    if let Ok(text) = serde_json::to_string(&error(code)) {
        let _gone = socket.send(Message::Text(text.into())).await;
    }
    let _gone = socket.send(Message::Close(None)).await;
}

async fn refuse(mut sink: SplitSink<WebSocket, Message>, code: ErrorCode) {
    let _gone = send(&mut sink, &error(code)).await;
    let _gone = send(&mut sink, &bye(ByeReason::Protocol)).await;
    let _closed = sink.close().await;
}

fn error(error: ErrorCode) -> ServerMessage {
    ServerMessage::Error { error }
}

fn bye(reason: ByeReason) -> ServerMessage {
    ServerMessage::Bye { reason }
}

pub(super) async fn send(
    sink: &mut SplitSink<WebSocket, Message>,
    message: &ServerMessage,
) -> Result<(), axum::Error> {
    let text = serde_json::to_string(message).map_err(axum::Error::new)?;
    sink.send(Message::Text(Utf8Bytes::from(text))).await
}

/// How many messages a client may still send in this second.
pub(super) struct MessageBudget {
    per_second: u32,
    left: u32,
    since: Option<Instant>,
}

impl MessageBudget {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            left: per_second,
            since: None,
        }
    }

    pub(super) fn spend(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= Duration::from_secs(1) {
            self.since = Some(now);
            self.left = self.per_second;
        }
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_floods_runs_out_of_messages_and_recovers_with_time() {
        let mut budget = MessageBudget::new(2);
        assert!(budget.spend(Instant::now()));
        assert!(budget.spend(Instant::now()));
        assert!(!budget.spend(Instant::now()));
        time::advance(Duration::from_secs(1)).await;
        assert!(budget.spend(Instant::now()));
    }
}
