use crate::world::{Link, World, tape, track};
use otyrys_media::{Codec, RecordedPacket, Source, TrackKey};
use std::time::Duration;

fn of(world: &World, track: TrackKey) -> Vec<&RecordedPacket> {
    world
        .recorded
        .iter()
        .filter(|packet| packet.track == track)
        .collect()
}

#[test]
fn all_that_arrives_on_record_and_nothing_off_record() {
    let mut world = World::new(21);
    let judge = world.join(1, &[Source::Microphone, Source::Camera], 0, 0);
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    world.client(judge).start(Source::Camera, now);
    world.run_ms(500);
    assert!(world.recorded.is_empty(), "off record");

    let asked = world.clients[&judge].asked;
    world.connect(&[tape(judge, Source::Microphone), tape(judge, Source::Camera)]);
    world.run_ms(2_000);
    assert_eq!(
        world.clients[&judge].asked,
        asked + 1,
        "a file begins with a key frame"
    );
    for (source, codec) in [
        (Source::Microphone, Codec::Opus),
        (Source::Camera, Codec::Vp8),
    ] {
        let packets = of(&world, track(judge, source));
        assert!(packets.len() >= 98, "{}", packets.len());
        let first = packets[0].seq;
        assert!(
            packets
                .iter()
                .map(|packet| packet.seq)
                .eq(first..first + packets.len() as u64)
        );
        assert!(
            packets.iter().all(
                |packet| packet.codec == codec && packet.clock_rate_hz == codec.clock_rate_hz()
            )
        );
        assert!(
            packets
                .iter()
                .all(|packet| packet.stream == 1 && !packet.payload.is_empty())
        );
        assert!(packets.iter().any(|packet| packet.marker));
        assert!(packets.is_sorted_by_key(|packet| (packet.arrival, packet.timestamp)));
    }
    let last = of(&world, track(judge, Source::Camera))
        .pop()
        .expect("pictures");
    assert!(last.sender_report.is_some(), "no sender report in 2 s");

    world.connect(&[]);
    world.run_ms(50);
    let before = world.recorded.len();
    world.run_ms(1_000);
    assert_eq!(world.recorded.len(), before, "off record again");
}

#[test]
fn lost_pictures_are_recorded_once_they_are_repaired() {
    let mut world = World::new(22);
    let judge = world.join(1, &[Source::Camera], 0, 0);
    world.connect(&[tape(judge, Source::Camera)]);
    let now = world.now;
    world.client(judge).start(Source::Camera, now);
    world.run_ms(200);
    world.link = Link {
        loss_permille: 100,
        ..Link::default()
    };
    world.run_ms(4_000);
    world.link = Link {
        delay: Duration::from_millis(10),
        ..Link::default()
    };
    world.run_ms(1_000);
    let mut seqs: Vec<u64> = world.recorded.iter().map(|packet| packet.seq).collect();
    assert!(!seqs.is_sorted());
    seqs.sort_unstable();
    let count = seqs.len();
    assert!(count > 240);
    assert!(
        seqs.iter().copied().eq(seqs[0]..seqs[0] + count as u64),
        "holes or doubles"
    );
}

#[test]
fn a_new_numbering_is_a_new_stream() {
    let mut world = World::new(23);
    let judge = world.join(1, &[Source::Camera], 0, 0);
    world.connect(&[tape(judge, Source::Camera)]);
    let now = world.now;
    world.client(judge).start(Source::Camera, now);
    world.run_ms(300);
    world.client(judge).restart_stream(Source::Camera);
    world.run_ms(300);
    let mut streams: Vec<u64> = world.recorded.iter().map(|packet| packet.stream).collect();
    assert!(streams.is_sorted());
    streams.dedup();
    assert_eq!(streams, [1, 2]);
}
