use crate::peer::{COURT, LOOPBACK, Peer, config, run};
use crate::world::edge;
use otyrys_media::{Graph, SessionId, Shard, ShardConfig, Source, Transport};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

#[tokio::test]
async fn people_on_both_hear_each_other_over_udp_and_tcp() {
    let sixth = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let (shard, _outputs) = Shard::spawn(ShardConfig {
        bind: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        advertised: vec![LOOPBACK, sixth],
        ..config()
    })
    .expect("a shard");
    let lines = [
        (Transport::Udp, LOOPBACK),
        (Transport::Udp, sixth),
        (Transport::Tcp, LOOPBACK),
        (Transport::Tcp, sixth),
    ];
    let mut peers = Vec::new();
    for (session, (transport, ip)) in (1..).zip(lines) {
        let peer = Peer::join_over(
            &shard,
            transport,
            ip,
            session,
            &[Source::Microphone],
            (3, 0),
        );
        peers.push(peer.await);
    }
    let ids: Vec<SessionId> = peers.iter().map(|peer| peer.client.session).collect();
    let graph: Graph = ids
        .iter()
        .flat_map(|from| ids.iter().map(move |to| (*from, *to)))
        .filter(|(from, to)| from != to)
        .map(|(from, to)| edge(from, Source::Microphone, to))
        .collect();
    shard.set_graph(COURT, graph).expect("a shard that runs");
    run(&mut peers, Duration::from_millis(500)).await;
    for peer in &mut peers {
        peer.client.start(Source::Microphone, Instant::now());
    }
    run(&mut peers, Duration::from_millis(1_000)).await;
    for peer in &peers {
        for from in ids.iter().filter(|id| **id != peer.client.session) {
            let heard = peer.client.got.iter().filter(|got| got.from == *from);
            let heard = heard.count();
            assert!(
                heard >= 40,
                "{:?} heard {heard} of {from:?}",
                peer.client.session
            );
        }
    }
    shard.shutdown().await.expect("a clean end");
}
