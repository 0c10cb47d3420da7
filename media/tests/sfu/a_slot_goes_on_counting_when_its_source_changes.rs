use crate::client::Got;
use crate::world::{World, edge, track};
use otyrys_media::Source;

#[test]
fn one_picture_follows_the_other_without_a_jump() {
    let mut world = World::new(7);
    let judge = world.join(1, &[Source::Camera], 0, 0);
    let witness = world.join(2, &[Source::Camera], 0, 0);
    let clerk = world.join(3, &[], 0, 1);
    let now = world.now;
    world.client(judge).start(Source::Camera, now);
    world.client(witness).start(Source::Camera, now);
    world.connect(&[edge(judge, Source::Camera, clerk)]);
    world.run_ms(1_010);
    let before = world.slot_of(clerk, track(judge, Source::Camera));
    let asked = world.clients[&witness].asked;

    world.connect(&[edge(witness, Source::Camera, clerk)]);
    assert_eq!(world.slot_of(clerk, track(witness, Source::Camera)), before);
    world.run_ms(1_000);
    assert_eq!(
        world.clients[&witness].asked,
        asked + 1,
        "one request is enough"
    );

    let got: Vec<Got> = world.clients[&clerk].got.clone();
    let switch = got
        .iter()
        .position(|got| got.from == witness)
        .expect("the witness is seen");
    assert!(switch > 20 && got.len() - switch > 20);
    assert!(got[..switch].iter().all(|got| got.from == judge));
    assert!(got[switch..].iter().all(|got| got.from == witness));
    assert!(
        got[0].keyframe && got[switch].keyframe,
        "a picture begins with a key frame"
    );

    let first = got[0].seq;
    assert!(
        got.iter()
            .map(|got| got.seq)
            .eq(first..first + got.len() as u64),
        "no number is left out"
    );
    for pair in got.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        let ids = [&pair[0], &pair[1]].map(|got| got.picture_id.expect("VP8"));
        assert!(step < 90_000 / 2, "the clock jumped by {step} ticks");
        assert!(
            ids[1] == ids[0] || ids[1] == (ids[0] + 1) & 0x7fff,
            "pictures {ids:?}"
        );
    }
}

#[test]
fn a_sender_that_counts_anew_is_a_new_source() {
    let mut world = World::new(8);
    let judge = world.join(1, &[Source::Camera], 0, 0);
    let clerk = world.join(2, &[], 0, 1);
    let now = world.now;
    world.connect(&[edge(judge, Source::Camera, clerk)]);
    world.client(judge).start(Source::Camera, now);
    world.run_ms(500);
    world.client(judge).restart_stream(Source::Camera);
    world.run_ms(500);

    let got = &world.clients[&clerk].got;
    assert!(got.len() > 40, "{}", got.len());
    let first = got[0].seq;
    assert!(
        got.iter()
            .map(|got| got.seq)
            .eq(first..first + got.len() as u64)
    );
}
