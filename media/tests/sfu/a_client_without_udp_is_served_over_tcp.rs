use crate::peer::{COURT, LOOPBACK, Peer, assert_whole, config, run};
use crate::world::edge;
use otyrys_media::{
    Graph, MediaLimits, SessionId, Shard, ShardConfig, ShardHandle, Source, Transport,
};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More than the second after which connections are looked over.
const LONG: Duration = Duration::from_secs(4);

async fn tcp(shard: &ShardHandle, session: u64, sources: &[Source], slots: (usize, usize)) -> Peer {
    Peer::join_over(shard, Transport::Tcp, LOOPBACK, session, sources, slots).await
}

fn shard_with(limits: MediaLimits) -> ShardHandle {
    let (shard, _) = Shard::spawn(ShardConfig { limits, ..config() }).expect("a shard");
    shard
}

/// How long a connection lives that sends this and then waits.
async fn life_of(shard: &ShardHandle, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    let mut stream = TcpStream::connect(shard.local_addr())
        .await
        .expect("a connection");
    // It may be closed before all is written.
    let _ = stream.write_all(bytes).await;
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open after {LONG:?}");
    assert!(rest.is_empty(), "answered with {} bytes", rest.len());
    start.elapsed()
}

#[tokio::test]
async fn sound_and_picture_come_through_in_whatever_pieces() {
    let (shard, _outputs) = Shard::spawn(config()).expect("a shard");
    let mut peers = [
        tcp(&shard, 1, &[Source::Microphone, Source::Camera], (0, 0)).await,
        tcp(&shard, 2, &[], (1, 1)).await,
        Peer::join(&shard, 3, &[], (1, 1)).await,
    ];
    let judge = SessionId(1);
    let graph: Graph = [SessionId(2), SessionId(3)]
        .into_iter()
        .flat_map(|to| [Source::Microphone, Source::Camera].map(|source| edge(judge, source, to)))
        .collect();
    shard.set_graph(COURT, graph).expect("a shard that runs");
    run(&mut peers, Duration::from_millis(500)).await;
    let now = Instant::now();
    peers[0].client.start(Source::Microphone, now);
    peers[0].client.start(Source::Camera, now);
    run(&mut peers, Duration::from_millis(1_000)).await;
    for peer in &peers[1..] {
        assert_whole(&peer.client.got);
    }

    // The connection breaks: the next one takes over at once, without a new offer.
    peers[1].reconnect().await;
    run(&mut peers, Duration::from_millis(1_000)).await;
    let before = peers[1].client.got.len();
    run(&mut peers, Duration::from_millis(1_000)).await;
    let after = peers[1].client.got.len() - before;
    assert!(after >= 90, "{after} after the connection was opened anew");

    shard.shutdown().await.expect("a clean end");
    run(&mut peers, Duration::from_millis(100)).await;
    assert!(peers.iter().all(|peer| peer.client.closed));
}

#[tokio::test]
async fn whoever_sends_garbage_is_closed_at_once() {
    let shard = shard_with(MediaLimits::default());
    let request = b"\x00\x1cGET / HTTP/1.1\r\nHost: court\r\n";
    for garbage in [
        request.as_slice(),
        // A packet of 65,535 bytes is announced.
        &[0xff; 100],
        // RTP of nobody.
        &[0, 12, 0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1],
    ] {
        let life = life_of(&shard, garbage).await;
        assert!(life < Duration::from_millis(900), "{life:?}");
    }
    shard.shutdown().await.expect("a clean end");
}

#[tokio::test]
async fn whoever_says_nothing_is_closed_after_a_while() {
    let shard = shard_with(MediaLimits {
        tcp_unproved: Duration::from_millis(1_500),
        ..MediaLimits::default()
    });
    // Nothing, empty packets, and the beginning of a packet.
    for little in [[].as_slice(), &[0, 0, 0, 0], &[0, 20, 0, 1]] {
        let life = life_of(&shard, little).await;
        assert!(life >= Duration::from_millis(1_500), "{life:?}");
    }
    shard.shutdown().await.expect("a clean end");
}

#[tokio::test]
async fn connections_are_limited_in_all_and_for_each_address() {
    for limits in [
        MediaLimits {
            tcp_connections: 2,
            ..MediaLimits::default()
        },
        MediaLimits {
            tcp_connections_per_address: 2,
            ..MediaLimits::default()
        },
    ] {
        let shard = shard_with(limits);
        let first = TcpStream::connect(shard.local_addr()).await.expect("taken");
        let _second = TcpStream::connect(shard.local_addr()).await.expect("taken");
        let life = life_of(&shard, &[]).await;
        assert!(life < Duration::from_millis(900), "{life:?}");

        // Whoever goes makes room.
        drop(first);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut third = TcpStream::connect(shard.local_addr()).await.expect("taken");
        let waited = tokio::time::timeout(Duration::from_millis(500), third.read_u8()).await;
        assert!(waited.is_err(), "closed although there is room");
        shard.shutdown().await.expect("a clean end");
    }
}
