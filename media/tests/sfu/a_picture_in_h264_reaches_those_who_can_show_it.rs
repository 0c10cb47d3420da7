use crate::client::{Client, Got};
use crate::world::{World, edge, tape, track};
use otyrys_media::{Event, SessionId, Source};
use str0m::format::Codec;

const H264: &[Codec] = &[Codec::H264];
const VP8: &[Codec] = &[Codec::Vp8];
const BOTH: &[Codec] = &[Codec::Vp8, Codec::H264];

fn join(world: &mut World, session: u64, sources: &[Source], codecs: &[Codec]) -> SessionId {
    let client = Client::with_pictures(SessionId(session), sources, codecs, world.now);
    let slots = usize::from(sources.is_empty());
    world.join_as(client, 0, slots)
}

/// A phone, a browser that can show what it sends, and one that cannot.
fn three(world: &mut World, phone: &[Codec]) -> [SessionId; 3] {
    let phone = join(world, 1, &[Source::Camera], phone);
    let clerk = join(world, 2, &[], BOTH);
    let witness = join(world, 3, &[], VP8);
    world.connect(&[
        edge(phone, Source::Camera, clerk),
        edge(phone, Source::Camera, witness),
        tape(phone, Source::Camera),
    ]);
    let now = world.now;
    world.client(phone).start(Source::Camera, now);
    [phone, clerk, witness]
}

fn assert_continuous(got: &[Got]) {
    assert!(got[0].keyframe);
    assert!(got.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
}

#[test]
fn a_phone_without_vp8_is_seen_by_whoever_can_show_h264_and_is_recorded() {
    let mut world = World::new(1);
    let [phone, clerk, witness] = three(&mut world, H264);
    world.run_ms(2_000);

    let got = world.client(clerk).got.clone();
    assert!(got.len() >= 90, "{}", got.len());
    assert!(got.iter().all(|got| got.codec == Codec::H264));
    assert_continuous(&got);
    assert!(world.recorded.len() >= 90);
    assert!(
        world
            .recorded
            .iter()
            .all(|packet| packet.codec == otyrys_media::Codec::H264)
    );
    assert_eq!(world.client(witness).got, []);
    assert!(world.slots(witness).iter().all(|(_, fill)| fill.is_none()));
    assert!(
        !world
            .events
            .iter()
            .any(|event| matches!(event, Event::SlotsNeeded { .. })),
        "more slots would not help"
    );
    assert_eq!(world.client(phone).preferred(Source::Camera), Codec::H264);
}

#[test]
fn a_browser_with_both_codecs_is_asked_for_vp8() {
    let mut world = World::new(2);
    let [browser, clerk, witness] = three(&mut world, BOTH);
    world.run_ms(1_000);
    assert_eq!(world.client(browser).preferred(Source::Camera), Codec::Vp8);
    for receiver in [clerk, witness] {
        let got = &world.client(receiver).got;
        assert!(got.len() >= 40);
        assert!(got.iter().all(|got| got.codec == Codec::Vp8));
    }
}

#[test]
fn layers_change_on_a_key_frame() {
    let mut world = World::new(3);
    let mut phone = Client::with_pictures(SessionId(1), &[Source::Camera], H264, world.now);
    phone.simulcast();
    let phone = world.join_as(phone, 0, 0);
    let clerk = join(&mut world, 2, &[], BOTH);
    world.connect(&[
        edge(phone, Source::Camera, clerk),
        tape(phone, Source::Camera),
    ]);
    let now = world.now;
    world.client(phone).start(Source::Camera, now);
    world.run_ms(8_000);
    world.client(phone).send_layers(&[0]);
    world.run_ms(2_000);

    let got = world.client(clerk).got.clone();
    assert_continuous(&got);
    let changes: Vec<(usize, usize)> = got
        .windows(2)
        .filter(|pair| pair[0].layer != pair[1].layer)
        .map(|pair| {
            assert!(pair[1].keyframe, "{pair:?}");
            (pair[0].layer, pair[1].layer)
        })
        .collect();
    assert!(changes.iter().any(|(from, to)| to > from), "{changes:?}");
    assert_eq!(changes.last().map(|(_, to)| *to), Some(0));
}

#[test]
fn a_sender_that_changes_its_codec_is_followed_by_whoever_can() {
    let mut world = World::new(4);
    let [browser, clerk, witness] = three(&mut world, BOTH);
    world.run_ms(1_000);
    world.client(browser).change_codec(Codec::H264);
    world.run_ms(1_000);
    let before = world.client(witness).got.len();
    assert_eq!(world.slots(witness)[0].1, None);
    let got = world.client(clerk).got.clone();
    assert_continuous(&got);
    let first = got.iter().find(|got| got.codec == Codec::H264);
    assert!(first.is_some_and(|first| first.keyframe));
    assert_eq!(got.last().map(|got| got.codec), Some(Codec::H264));

    world.client(browser).change_codec(Codec::Vp8);
    world.run_ms(1_500);
    let witnessed = &world.client(witness).got;
    assert!(witnessed.len() > before + 40);
    assert_continuous(witnessed);
    assert!(witnessed[before].keyframe);
    assert_eq!(
        world.slots(witness)[0].1,
        Some(track(browser, Source::Camera))
    );
    let streams: Vec<u64> = world.recorded.iter().map(|packet| packet.stream).collect();
    assert_eq!(streams.first(), Some(&1));
    assert_eq!(
        streams.last(),
        Some(&3),
        "each codec is a stream of its own"
    );
}
