//! Line tests against a whole server on this machine.

use super::{super::Trust, Fault, LoadTest, SiteTest, Verdict};
use crate::{bad_line::Conditions, config::Config, recording::muxing_process, serve::Server};
use otyrys_media::{Cause, Grade};
use std::time::Duration;
use tempfile::TempDir;

struct Court {
    server: Server,
    _folder: TempDir,
}

impl Court {
    async fn open(line_tests: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.data_dir = folder.path().to_owned();
        config.media.listen = "127.0.0.1:0".parse().unwrap();
        config.media.line_tests = line_tests;
        config.draft.enabled = false;
        Self {
            server: Server::start(config, muxing_process::program(), false)
                .await
                .unwrap(),
            _folder: folder,
        }
    }

    fn url(&self) -> reqwest::Url {
        let port = self.server.address.port();
        format!("https://127.0.0.1:{port}").parse().unwrap()
    }

    fn site(&self, people: u32, bad_line: Option<Conditions>) -> SiteTest {
        SiteTest {
            url: self.url(),
            trust: Trust::default(),
            people,
            picture_bps: 800_000,
            duration: Duration::from_secs(6),
            bad_line,
            seed: 3,
        }
    }

    async fn verdict(self, people: u32, bad_line: Option<Conditions>) -> Verdict {
        let verdict = self.site(people, bad_line).run().await;
        self.server.stop().await;
        verdict
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_line_is_called_good() {
    let verdict = Court::open(8).await.verdict(1, None).await;
    let seen = format!("{verdict:#?}");
    assert_eq!(
        (verdict.fault, verdict.checks.udp),
        (None, Some(true)),
        "{seen}"
    );
    assert_eq!(
        (verdict.grade, verdict.cause),
        (Grade::Good, Cause::None),
        "{seen}"
    );
    let (up, down) = (verdict.up.unwrap(), verdict.down.unwrap());
    assert!(!up.limited && !down.limited, "{seen}");
    assert_eq!((up.loss, down.loss), (Some(0.0), Some(0.0)), "{seen}");
    assert!(
        up.carried_bps > 800_000 && down.carried_bps > 800_000,
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loss_is_measured_each_way_and_named() {
    let line = Conditions {
        loss: 0.06,
        delay_ms: 10,
        ..Conditions::default()
    };
    let verdict = Court::open(8).await.verdict(1, Some(line)).await;
    let seen = format!("{verdict:#?}");
    assert_eq!(verdict.cause, Cause::Loss, "{seen}");
    for direction in [verdict.up.unwrap(), verdict.down.unwrap()] {
        let loss = direction.loss.unwrap();
        assert!((0.03..0.10).contains(&loss), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrow_line_is_called_narrow() {
    let line = Conditions {
        rate_bps: Some(300_000),
        delay_ms: 10,
        ..Conditions::default()
    };
    let verdict = Court::open(8).await.verdict(1, Some(line)).await;
    let seen = format!("{verdict:#?}");
    assert_eq!(
        (verdict.grade, verdict.cause),
        (Grade::Poor, Cause::Bandwidth),
        "{seen}"
    );
    assert!(verdict.up.unwrap().carried_bps < 320_000, "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_udp_is_named() {
    let blocked = Conditions {
        loss: 1.0,
        ..Conditions::default()
    };
    let verdict = Court::open(8).await.verdict(1, Some(blocked)).await;
    assert_eq!(verdict.fault, Some(Fault::NoUdp));
    assert_eq!(
        (verdict.checks.udp, verdict.grade),
        (Some(false), Grade::Poor)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_bears_as_many_line_tests_as_it_is_allowed() {
    let court = Court::open(2).await;
    let load = LoadTest {
        url: court.url(),
        trust: Trust::default(),
        hearings: 1,
        people: 2,
        picture_bps: 200_000,
        duration: Duration::from_secs(4),
        bad_line: None,
        seed: 1,
        server_pid: None,
    };
    let report = load.run().await.unwrap();
    assert_eq!((report.visitors, report.refused), (2, 0), "{report:#?}");
    assert_eq!(report.sound_missing, 0.0, "{report:#?}");
    // Two times 50 packets of sound and 25 of picture.
    assert!(report.delivered_per_second > 140.0, "{report:#?}");
    let verdict = court.site(3, None).run().await;
    assert_eq!(verdict.fault, Some(Fault::Busy));
    court.server.stop().await;
    let closed = Court::open(0).await.verdict(1, None).await;
    assert_eq!(closed.fault, Some(Fault::NoTests));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let test = SiteTest {
        // Port 9 (discard) is closed on a machine of this kind.
        url: "https://127.0.0.1:9".parse().unwrap(),
        trust: Trust::default(),
        people: 1,
        picture_bps: 800_000,
        duration: Duration::from_secs(2),
        bad_line: None,
        seed: 1,
    };
    assert_eq!(test.run().await.fault, Some(Fault::Unreachable));
}
