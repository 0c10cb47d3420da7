use crate::client::Client;
use crate::peer::config;
use crate::watched::sound_of;
use crate::world::{ROOM, World, edge, track};
use otyrys_media::{Command, Load, MediaError, Offer, SessionId, Shard, Shown, Source, View};
use std::collections::HashMap;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// The layers in which the clerk saw each of these people in the last second, and how much of the
/// judge's voice came in it.
fn seen(world: &World, clerk: SessionId, people: [SessionId; 3]) -> [Option<usize>; 3] {
    let since = world.now - Duration::from_secs(1);
    people.map(|person| {
        world.clients[&clerk]
            .got
            .iter()
            .filter(|got| got.at > since && got.from == person && got.picture_id.is_some())
            .map(|got| got.layer)
            .max()
    })
}

fn offer_of(session: u64, world: &World, comes_back: bool) -> Offer {
    let mut client = Client::new(SessionId(session), &[Source::Microphone], world.now);
    let (sdp, _) = client.make_offer(0, 0, false);
    Offer {
        room: ROOM,
        session: SessionId(session),
        sdp,
        sources: client.sources(),
        comes_back,
    }
}

#[test]
fn pictures_shrink_from_the_least_important_and_everything_comes_back() {
    let mut world = World::new(90);
    let judge = world.join_simulcast(1);
    let counsel = world.join_simulcast(3);
    let witness = world.join_simulcast(4);
    let people = [judge, counsel, witness];
    let clerk = world.join(2, &[], 1, 3);
    let edges: Vec<_> = people
        .iter()
        .map(|person| edge(*person, Source::Camera, clerk))
        .chain([edge(judge, Source::Microphone, clerk)])
        .collect();
    world.connect(&edges);
    let pinned = Shown {
        view: View::Stage,
        pinned: true,
    };
    world.command(Command::SetShown {
        session: clerk,
        shown: HashMap::from([(track(counsel, Source::Camera), pinned)]),
    });
    let now = world.now;
    for person in people {
        world.client(person).start(Source::Camera, now);
    }
    world.client(judge).start(Source::Microphone, now);
    world.run_ms(8_000);
    assert_eq!(seen(&world, clerk, people), [Some(2); 3]);

    for (load, layers) in [
        (Load::Raised, [2, 2, 1]),
        (Load::High, [2, 1, 1]),
        (Load::Overload, [1, 1, 1]),
        (Load::Raised, [2, 2, 1]),
        (Load::Normal, [2, 2, 2]),
    ] {
        let heard = sound_of(&world, clerk, judge);
        world.command(Command::SetLoad(load));
        world.run_ms(8_000);
        assert_eq!(seen(&world, clerk, people), layers.map(Some), "{load:?}");
        let heard = sound_of(&world, clerk, judge) - heard;
        assert!(
            (399..=401).contains(&heard),
            "{heard} of 400 packets of sound"
        );
    }
}

#[test]
fn an_overloaded_shard_takes_back_whoever_was_there_and_nobody_else() {
    let (mut world, judge, clerk) = World::hearing(91);
    world.command(Command::SetLoad(Load::High));
    let now = world.now;
    let offer = offer_of(5, &world, false);
    assert!(world.core.offer(now, offer).is_ok());

    world.command(Command::SetLoad(Load::Overload));
    let offer = offer_of(6, &world, false);
    let refused = world.core.offer(now, offer);
    assert!(
        matches!(refused, Err(MediaError::Overloaded)),
        "{refused:?}"
    );
    let offer = offer_of(7, &world, true);
    assert!(world.core.offer(now, offer).is_ok());
    // Whoever has a session goes on with it.
    world.offer(clerk, 1, 0, true).expect("an answer");
    let before = sound_of(&world, clerk, judge);
    world.run_ms(1_000);
    assert!(sound_of(&world, clerk, judge) >= before + 48);

    world.command(Command::SetLoad(Load::Normal));
    let (now, offer) = (world.now, offer_of(6, &world, false));
    assert!(world.core.offer(now, offer).is_ok());
}

#[tokio::test]
async fn a_shard_measures_how_busy_it_is() {
    let (shard, _outputs) = Shard::spawn(config()).expect("a shard");
    let address = shard.local_addr();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let quiet = shard.figures();
    assert!(quiet.busy < 0.5, "{quiet:?}");

    let flood = std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            // The shard's buffer may be full, which is the point.
            let _ = socket.send_to(&[128; 1_200], address);
        }
    });
    let mut busiest = quiet.busy;
    while !flood.is_finished() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        busiest = busiest.max(shard.figures().busy);
    }
    assert!(flood.join().is_ok());
    assert!(busiest > quiet.busy + 0.05, "{busiest} after {quiet:?}");
    assert!(shard.figures().counters.over_rate > 0);
    shard.shutdown().await.expect("a shard that ends");
}
