use crate::peer::{COURT, Peer, assert_whole, config, run};
use crate::world::{edge, tape, track};
use otyrys_media::{Event, Graph, MediaError, MediaLimits, SessionId, Shard, ShardConfig, Source};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TryRecvError;

#[tokio::test]
async fn sound_and_picture_cross_the_loopback() {
    let (shard, mut outputs) = Shard::spawn(config()).expect("a shard");
    let mut peers = [
        Peer::join(&shard, 1, &[Source::Microphone, Source::Camera], (0, 0)).await,
        Peer::join(&shard, 2, &[], (1, 1)).await,
    ];
    let (judge, clerk) = (SessionId(1), SessionId(2));
    let graph: Graph = [
        edge(judge, Source::Microphone, clerk),
        edge(judge, Source::Camera, clerk),
        tape(judge, Source::Microphone),
    ]
    .into_iter()
    .collect();
    shard.set_graph(COURT, graph).expect("a shard that runs");
    run(&mut peers, Duration::from_millis(500)).await;
    let now = Instant::now();
    peers[0].client.start(Source::Microphone, now);
    peers[0].client.start(Source::Camera, now);
    run(&mut peers, Duration::from_millis(1_000)).await;

    assert_whole(&peers[1].client.got);
    let mut recorded = 0;
    while outputs.recorded.try_recv().is_ok() {
        recorded += 1;
    }
    assert!(recorded >= 45, "{recorded}");

    shard.shutdown().await.expect("a clean end");
    run(&mut peers, Duration::from_millis(100)).await;
    assert!(peers.iter().all(|peer| peer.client.closed));
    assert!(matches!(shard.close_room(COURT), Err(MediaError::Stopped)));
    let mut events = Vec::new();
    while let Some(event) = outputs.events.recv().await {
        events.push(event);
    }
    assert!(events.contains(&Event::Connected { session: judge }));
    assert!(events.contains(&Event::TrackStopped {
        track: track(judge, Source::Camera)
    }));
}

#[tokio::test]
async fn a_recorder_that_is_behind_is_told_of() {
    let limits = MediaLimits {
        recorded: 8,
        ..MediaLimits::default()
    };
    let (shard, mut outputs) = Shard::spawn(ShardConfig { limits, ..config() }).expect("a shard");
    let mut peers = [Peer::join(&shard, 1, &[Source::Microphone], (0, 0)).await];
    let graph: Graph = [tape(SessionId(1), Source::Microphone)]
        .into_iter()
        .collect();
    shard.set_graph(COURT, graph).expect("a shard that runs");
    run(&mut peers, Duration::from_millis(300)).await;
    peers[0].client.start(Source::Microphone, Instant::now());
    run(&mut peers, Duration::from_millis(600)).await;
    let mut behind = false;
    loop {
        match outputs.events.try_recv() {
            Ok(Event::RecorderBehind { dropped }) => behind |= dropped > 0,
            Ok(_) => {}
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    assert!(behind);
    shard.shutdown().await.expect("a clean end");
}

#[tokio::test]
async fn a_shard_without_an_address_does_not_start() {
    let lost = ShardConfig {
        advertised: Vec::new(),
        ..config()
    };
    assert!(matches!(Shard::spawn(lost), Err(MediaError::NoAddress)));
}
