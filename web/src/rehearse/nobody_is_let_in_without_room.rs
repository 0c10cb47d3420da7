//! What a client is told when there is no room for it, by a whole server on this machine.

use super::{
    Trust,
    door::{Door, Line, Seat},
    peer::{Peer, Reports, Sends, SlotCount},
    reception::Reception,
};
use crate::{
    config::{Config, LimitsConfig},
    recording::muxing_process,
    serve::Server,
};
use futures_util::{SinkExt, StreamExt};
use otyrys_signaling::{
    Language, Role,
    wire::{ClientMessage, ErrorCode, PROTOCOL_VERSION, ServerMessage},
};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

struct Court {
    server: Server,
    door: Door,
    _folder: TempDir,
}

impl Court {
    /// A demo court within these limits.
    async fn open(limits: LimitsConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.data_dir = folder.path().to_owned();
        config.media.listen = "127.0.0.1:0".parse().unwrap();
        config.draft.enabled = false;
        config.limits = limits;
        let server = Server::start(config, muxing_process::program(), true)
            .await
            .unwrap();
        let url = format!("https://127.0.0.1:{}", server.address.port());
        Self {
            server,
            door: Door::new(&url.parse().unwrap(), &Trust::default()).unwrap(),
            _folder: folder,
        }
    }

    async fn seat(&self, role: Role) -> Seat {
        let seats = self.door.demo().await.unwrap();
        let seat = seats.into_iter().find(|seat| seat.role == role).unwrap();
        self.door.redeem(&seat.invitation).await.unwrap()
    }

    /// Somebody says hello.
    async fn enter(&self, seat: &Seat) -> Line {
        let mut line = self.door.enter(seat).await.unwrap();
        let hello = ClientMessage::Hello {
            protocol: PROTOCOL_VERSION,
            language: Language::Ru,
        };
        // Whoever is turned away may find the socket closed already.
        let _ = say(&mut line, &hello).await;
        line
    }
}

async fn say(line: &mut Line, message: &ClientMessage) -> bool {
    let text = serde_json::to_string(message).unwrap();
    line.send(Message::text(text)).await.is_ok()
}

/// Waits for a message of a kind. `None`: the line ended before.
async fn told<T>(line: &mut Line, wanted: impl Fn(ServerMessage) -> Option<T>) -> Option<T> {
    let waiting = async {
        while let Some(Ok(message)) = line.next().await {
            if let Message::Text(text) = message
                && let Some(found) = wanted(serde_json::from_str(&text).unwrap())
            {
                return Some(found);
            }
        }
        None
    };
    timeout(Duration::from_secs(10), waiting)
        .await
        .expect("an answer in time")
}

/// Whether somebody is let in, or why not.
async fn welcome(line: &mut Line) -> Result<(), ErrorCode> {
    told(line, |message| match message {
        ServerMessage::Welcome { .. } => Some(Ok(())),
        ServerMessage::Error { error } => Some(Err(error)),
        _ => None,
    })
    .await
    .expect("a word before the line ends")
}

/// Becomes ready and offers a microphone.
async fn connect_sound(line: &mut Line) -> Result<(), ErrorCode> {
    let (events, _peer_events) = mpsc::channel(8);
    let reports = Reports {
        events,
        key_frame: Arc::new(Notify::new()),
        line: Arc::default(),
    };
    let sends = Sends {
        microphone: true,
        camera: false,
    };
    let mut peer = Peer::new(sends, true, Arc::new(Reception::default()), reports)
        .await
        .unwrap();
    let slots = SlotCount { audio: 2, video: 0 };
    let offer = peer.offer(slots).await.unwrap();
    let ready = ClientMessage::Ready {
        microphone: true,
        camera: false,
    };
    assert!(say(line, &ready).await);
    assert!(say(line, &ClientMessage::Offer(offer)).await);
    let answered = told(line, |message| match message {
        ServerMessage::Answer { .. } => Some(Ok(())),
        ServerMessage::Error { error } => Some(Err(error)),
        _ => None,
    });
    let answered = answered.await.expect("an answer");
    peer.close().await;
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_gets_no_more_places_than_it_may() {
    let limits = LimitsConfig {
        sessions_per_address: 1,
        ..LimitsConfig::default()
    };
    let court = Court::open(limits).await;
    let (judge, witness) = (
        court.seat(Role::Judge).await,
        court.seat(Role::Witness).await,
    );
    let mut first = court.enter(&judge).await;
    assert_eq!(welcome(&mut first).await, Ok(()));
    let mut second = court.enter(&witness).await;
    assert_eq!(welcome(&mut second).await, Err(ErrorCode::AddressFull));
    assert_eq!(
        told(&mut second, Some).await.map(|_| ()),
        None,
        "the line ends"
    );

    first.close(None).await.unwrap();
    assert_eq!(told(&mut first, |_| None::<()>).await, None);
    let mut again = court.enter(&witness).await;
    assert_eq!(welcome(&mut again).await, Ok(()));
    court.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_hearing_lets_in_those_who_conduct_it() {
    let limits = LimitsConfig {
        participants: 1,
        ..LimitsConfig::default()
    };
    let court = Court::open(limits).await;
    let mut inside = Vec::new();
    for (role, outcome) in [
        (Role::Defendant, Ok(())),
        (Role::Witness, Err(ErrorCode::HearingFull)),
        (Role::Judge, Ok(())),
        (Role::Clerk, Ok(())),
    ] {
        let seat = court.seat(role).await;
        let mut line = court.enter(&seat).await;
        assert_eq!(welcome(&mut line).await, outcome, "{role:?}");
        inside.push((seat, line));
    }
    // Who leaves makes room: three are too many still, none is not.
    let (witness, _) = inside.remove(1);
    for (_, mut line) in inside {
        assert!(say(&mut line, &ClientMessage::Leave).await);
        line.close(None).await.unwrap();
        assert_eq!(told(&mut line, |_| None::<()>).await, None);
    }
    let mut again = court.enter(&witness).await;
    assert_eq!(welcome(&mut again).await, Ok(()));
    court.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_room_says_that_it_is_overloaded() {
    let limits = LimitsConfig {
        sessions: 1,
        ..LimitsConfig::default()
    };
    let court = Court::open(limits).await;
    let (judge, clerk) = (court.seat(Role::Judge).await, court.seat(Role::Clerk).await);
    let mut first = court.enter(&judge).await;
    assert_eq!(welcome(&mut first).await, Ok(()));
    assert_eq!(connect_sound(&mut first).await, Ok(()));
    let mut second = court.enter(&clerk).await;
    assert_eq!(welcome(&mut second).await, Ok(()));
    assert_eq!(connect_sound(&mut second).await, Err(ErrorCode::Overloaded));
    court.server.stop().await;
}
