//! The native peer against the server's own WebRTC stack, over real sockets on loopback.

use super::*;
use crate::rehearse::{outlet::Outlet, picture::Picture, reception::Reception, voice::Voice};
use otyrys_signaling::{TrackRef, wire::Slot};
use otyrys_storage::ids::ParticipantId;
use std::{
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, Output, Rtc,
    change::SdpOffer,
    crypto::from_feature_flags,
    media::{Direction, KeyframeRequestKind, MediaKind, Mid},
    net::{Protocol as Transport, Receive},
};
use tokio::time::timeout;

/// What the server stand-in saw.
#[derive(Debug, Default)]
struct Sight {
    sound: u64,
    levels: Vec<i8>,
    pictures: u64,
    key_frames: Vec<u64>,
}

/// An ICE-lite server that sends what it receives back into the first slot of each kind.
struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<Sight>>,
    asks: std::sync::mpsc::SyncSender<String>,
    answers: std::sync::mpsc::Receiver<String>,
}

impl Echo {
    fn start() -> Self {
        from_feature_flags().install_process_default();
        let stop = Arc::new(AtomicBool::new(false));
        let (asks, offers) = std::sync::mpsc::sync_channel(4);
        let (replies, answers) = std::sync::mpsc::sync_channel(4);
        let stopped = stop.clone();
        let thread = thread::spawn(move || echo(&stopped, &offers, &replies));
        Self {
            stop,
            thread: Some(thread),
            asks,
            answers,
        }
    }

    fn answer(&self, offer: &Offer) -> String {
        self.asks.send(offer.sdp.clone()).unwrap();
        self.answers.recv_timeout(Duration::from_secs(5)).unwrap()
    }

    fn stop(mut self) -> Sight {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn echo(
    stop: &AtomicBool,
    offers: &std::sync::mpsc::Receiver<String>,
    answers: &std::sync::mpsc::SyncSender<String>,
) -> Sight {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut rtc = Rtc::builder()
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
        .set_ice_lite(true)
        .build(Instant::now());
    rtc.add_local_candidate(Candidate::host(address, "udp").unwrap())
        .unwrap();
    let mut slots: HashMap<MediaKind, Mid> = HashMap::new();
    let mut sight = Sight::default();
    let mut octets = vec![0_u8; 2000];
    while !stop.load(Ordering::Relaxed) {
        if let Ok(offer) = offers.try_recv() {
            let offer = SdpOffer::from_sdp_string(&offer).unwrap();
            let answer = rtc.sdp_api().accept_offer(offer).unwrap();
            answers.send(answer.to_sdp_string()).unwrap();
        }
        let until = match rtc.poll_output().unwrap() {
            Output::Timeout(until) => until,
            Output::Transmit(datagram) => {
                socket
                    .send_to(&datagram.contents, datagram.destination)
                    .unwrap();
                continue;
            }
            Output::Event(Event::MediaAdded(added)) => {
                if added.direction == Direction::SendOnly {
                    slots.entry(added.kind).or_insert(added.mid);
                }
                continue;
            }
            Output::Event(Event::MediaData(data)) => {
                let kind = if data.params.spec().codec.is_audio() {
                    sight.sound += 1;
                    sight.levels.extend(data.ext_vals.audio_level);
                    MediaKind::Audio
                } else {
                    sight.pictures += 1;
                    if data.data[0] & 1 == 0 {
                        sight.key_frames.push(sight.pictures);
                    }
                    if sight.pictures == 20 {
                        let mut writer = rtc.writer(data.mid).unwrap();
                        writer
                            .request_keyframe(None, KeyframeRequestKind::Pli)
                            .unwrap();
                    }
                    MediaKind::Video
                };
                if let Some(writer) = slots.get(&kind).and_then(|mid| rtc.writer(*mid)) {
                    let pt = writer.match_params(data.params).unwrap();
                    writer
                        .write(pt, data.network_time, data.time, data.data)
                        .unwrap();
                }
                continue;
            }
            Output::Event(_) => continue,
        };
        let wait = until.saturating_duration_since(Instant::now());
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(20));
        socket.set_read_timeout(Some(wait)).unwrap();
        let input = match socket.recv_from(&mut octets) {
            Ok((length, source)) => Input::Receive(
                Instant::now(),
                Receive {
                    proto: Transport::Udp,
                    source,
                    destination: address,
                    contents: octets[..length].try_into().unwrap(),
                },
            ),
            Err(_) => Input::Timeout(Instant::now()),
        };
        rtc.handle_input(input).unwrap();
    }
    sight
}

const BOTH: Sends = Sends {
    microphone: true,
    camera: true,
};

async fn peer(sends: Sends) -> (Peer, Arc<Reception>, mpsc::Receiver<PeerEvent>, Arc<Notify>) {
    let (events, happened) = mpsc::channel(8);
    let (reception, key_frame) = (Arc::new(Reception::default()), Arc::new(Notify::new()));
    let reports = Reports {
        events,
        key_frame: key_frame.clone(),
        line: Arc::default(),
    };
    let peer = Peer::new(sends, true, reception.clone(), reports)
        .await
        .unwrap();
    (peer, reception, happened, key_frame)
}

/// `(kind, mid, direction)` of each section.
fn sections(sdp: &str) -> Vec<(String, String, String)> {
    sdp.split("\nm=")
        .skip(1)
        .map(|section| {
            let line = |prefix: &str| {
                section
                    .lines()
                    .find_map(|l| l.trim().strip_prefix(prefix))
                    .map(str::to_owned)
            };
            let direction = ["sendonly", "recvonly", "sendrecv", "inactive"]
                .into_iter()
                .find(|d| section.lines().any(|l| l.trim() == format!("a={d}")))
                .unwrap_or_default();
            let kind = section.split(' ').next().unwrap_or_default().to_owned();
            (
                kind,
                line("a=mid:").unwrap_or_default(),
                direction.to_owned(),
            )
        })
        .collect()
}

fn count(sections: &[(String, String, String)], kind: &str, direction: &str) -> usize {
    sections
        .iter()
        .filter(|(k, _, d)| k == kind && d == direction)
        .count()
}

#[tokio::test]
async fn an_offer_names_what_it_sends_and_has_the_slots_that_were_asked_for() {
    let (mut peer, ..) = peer(BOTH).await;
    let offer = peer.offer(SlotCount { audio: 8, video: 8 }).await.unwrap();
    let offered = sections(&offer.sdp);
    assert_eq!(offered.len(), 18, "{offered:?}");
    assert_eq!(count(&offered, "audio", "sendonly"), 1);
    assert_eq!(count(&offered, "video", "sendonly"), 1);
    assert_eq!(count(&offered, "audio", "recvonly"), 8);
    assert_eq!(count(&offered, "video", "recvonly"), 8);
    assert_eq!(offer.sources.len(), 2);
    for (mid, source) in &offer.sources {
        let (kind, _, direction) = offered.iter().find(|(_, m, _)| m == mid).unwrap();
        let expected = if *source == TrackSource::Microphone {
            "audio"
        } else {
            "video"
        };
        assert_eq!((kind.as_str(), direction.as_str()), (expected, "sendonly"));
    }
    assert!(offer.sdp.contains(AUDIO_LEVEL_URI), "{}", offer.sdp);
    assert!(offer.sdp.contains("a=group:BUNDLE"));
    peer.close().await;
}

#[tokio::test]
async fn who_sends_nothing_offers_slots_only_and_never_more_than_a_hearing_can_need() {
    let (mut peer, ..) = peer(Sends {
        microphone: false,
        camera: false,
    })
    .await;
    let offer = peer
        .offer(SlotCount {
            audio: 1_000_000,
            video: 0,
        })
        .await
        .unwrap();
    assert!(offer.sources.is_empty());
    assert_eq!(sections(&offer.sdp).len(), MOST_SLOTS as usize);
    peer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_picture_and_key_frame_requests_pass_both_ways_and_slots_can_be_added() {
    let echo = Echo::start();
    let (mut peer, reception, mut happened, key_frame) = peer(BOTH).await;
    let offer = peer.offer(SlotCount { audio: 2, video: 2 }).await.unwrap();
    let answer = echo.answer(&offer);
    let me = ParticipantId::generate();
    let slot = |kind: &str, source| {
        let sent = offer.sources.keys().collect::<Vec<_>>();
        let (_, mid, _) = sections(&offer.sdp)
            .into_iter()
            .find(|(k, mid, _)| k == kind && !sent.contains(&mid))
            .unwrap();
        Slot {
            mid,
            track: Some(TrackRef {
                participant: me,
                source,
            }),
        }
    };
    reception.slots(vec![
        slot("audio", TrackSource::Microphone),
        slot("video", TrackSource::Camera),
    ]);

    let (voice, sound) = Voice::start().unwrap();
    let (picture, pictures) = Picture::start("test").unwrap();
    let (microphone, camera) = (Outlet::default(), Outlet::default());
    tokio::spawn(microphone.clone().run(sound, Some(voice.level())));
    tokio::spawn(camera.clone().run(pictures, None));
    for (source, wire) in peer.accept(answer).await.unwrap() {
        assert!(wire.mid.is_some(), "{source:?}");
        assert_eq!(wire.level.is_some(), source == TrackSource::Microphone);
        let outlet = if source == TrackSource::Camera {
            &camera
        } else {
            &microphone
        };
        outlet.connect(Some(wire));
    }
    let connected = timeout(Duration::from_secs(10), happened.recv())
        .await
        .unwrap();
    assert_eq!(connected, Some(PeerEvent::Connected));

    let loud: Vec<i16> = (0..16_000).map(|n| ((n % 32 - 16) * 900) as i16).collect();
    voice.speak(loud).await.unwrap();
    timeout(Duration::from_secs(10), key_frame.notified())
        .await
        .expect("no request came");
    picture.key_frame();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let before = reception.stats();
    let offer = peer.offer(SlotCount { audio: 3, video: 3 }).await.unwrap();
    assert_eq!(sections(&offer.sdp).len(), 8);
    for (source, wire) in peer.accept(echo.answer(&offer)).await.unwrap() {
        let outlet = if source == TrackSource::Camera {
            &camera
        } else {
            &microphone
        };
        outlet.connect(Some(wire));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = reception.stats();
    peer.close().await;

    let sight = echo.stop();
    assert!(sight.sound > 100, "{sight:?}");
    assert!(
        sight.levels.iter().any(|level| level.abs() < 20),
        "no loud frame: {sight:?}"
    );
    assert!(
        sight.levels.iter().any(|level| level.abs() == 127),
        "no silent frame: {sight:?}"
    );
    assert!(
        sight.key_frames.iter().any(|at| (20..35).contains(at)),
        "{sight:?}"
    );
    for source in [TrackSource::Microphone, TrackSource::Camera] {
        let track = TrackRef {
            participant: me,
            source,
        };
        assert!(before[&track].packets > 20, "{source:?}: {before:?}");
        assert!(
            after[&track].packets > before[&track].packets + 10,
            "{source:?}: {after:?}"
        );
    }
    let camera = TrackRef {
        participant: me,
        source: TrackSource::Camera,
    };
    assert!(after[&camera].key_frames >= 1, "{after:?}");
}
