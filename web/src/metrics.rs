//! What operators watch: figures in the text form of OpenMetrics, at an address of their own.

use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};
use jiff::Timestamp;
use otyrys_media::{FORWARDING_BOUNDS, ShardFigures, ShardHandle, recorder::RecorderHandle};
use otyrys_signaling::{
    RecordFault,
    wire::{ErrorCode, Perceived},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::{Registry, Unit},
};
use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often a page says what it perceived.
pub(crate) const PERCEIVED_EVERY: Duration = Duration::from_secs(2);

/// What people met with, in all hearings since the start.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeopleFigures {
    refused: Family<[(&'static str, &'static str); 1], Counter>,
    perceived: Counter,
    freezes: Counter,
    frozen_seconds: Counter<f64, AtomicU64>,
    concealed_seconds: Counter<f64, AtomicU64>,
    record_faults: Family<[(&'static str, &'static str); 1], Counter>,
    /// Times that the second copy of the sound could not be written.
    pub(crate) backup_failures: Counter,
    /// Records that went on without those who were to vouch for their seal.
    pub(crate) unattested_seals: Counter,
}

impl PeopleFigures {
    /// Somebody was not let in.
    pub(crate) fn refused(&self, why: ErrorCode) {
        let reason = match why {
            ErrorCode::HearingFull => "hearing_full",
            ErrorCode::AddressFull => "address_full",
            ErrorCode::Overloaded => "overloaded",
            _ => "other",
        };
        self.refused.get_or_create(&[("reason", reason)]).inc();
    }

    /// A session left the record because of a fault.
    pub(crate) fn record_failed(&self, fault: RecordFault) {
        let fault = match fault {
            RecordFault::Disk => "disk",
            RecordFault::TrackNotWritten => "track_not_written",
            RecordFault::Recorder => "recorder",
            RecordFault::Silence => "silence",
            RecordFault::Clock => "clock",
            RecordFault::Picture => "picture",
        };
        self.record_faults.get_or_create(&[("fault", fault)]).inc();
    }

    /// A page said what it perceived in the last [`PERCEIVED_EVERY`].
    pub(crate) fn perceived(&self, perceived: &Perceived) {
        self.perceived.inc();
        self.freezes.inc_by(perceived.freezes.into());
        self.frozen_seconds
            .inc_by(f64::from(perceived.frozen_ms) / 1_000.0);
        let concealed = f64::from(perceived.concealed_permille.unwrap_or_default()) / 1_000.0;
        self.concealed_seconds
            .inc_by(concealed * PERCEIVED_EVERY.as_secs_f64());
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "refused",
            "People who were not let in for want of room, by reason",
            self.refused.clone(),
        );
        registry.register(
            "perceived_reports",
            "Reports of pages about what came of sound and picture in 2 s",
            self.perceived.clone(),
        );
        registry.register(
            "perceived_freezes",
            "Freezes in these reports, each of the picture that froze most",
            self.freezes.clone(),
        );
        registry.register(
            "backup_failures",
            "Times that the backup of the sound could not be written",
            self.backup_failures.clone(),
        );
        registry.register(
            "unattested_seals",
            "Records that were archived without a time stamp or a witness that was to vouch for them",
            self.unattested_seals.clone(),
        );
        registry.register(
            "record_faults",
            "Times that a session left the record because it could not be written, by fault",
            self.record_faults.clone(),
        );
        registry.register_with_unit(
            "perceived_frozen",
            "Time that these pictures stood still",
            Unit::Seconds,
            self.frozen_seconds.clone(),
        );
        registry.register_with_unit(
            "perceived_concealed",
            "Time in which sound had to be made up",
            Unit::Seconds,
            self.concealed_seconds.clone(),
        );
    }
}

/// What did not match when a day was last reconciled. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct MismatchFigures {
    by_kind: Family<[(&'static str, &'static str); 1], Gauge>,
    at: Gauge,
}

impl MismatchFigures {
    /// A day was looked at: how often each kind of mismatch was found.
    pub(crate) fn found(&self, counts: impl Iterator<Item = (&'static str, usize)>) {
        for (kind, count) in counts {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.by_kind.get_or_create(&[("kind", kind)]).set(count);
        }
        self.at.set(Timestamp::now().as_second());
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "reconcile_mismatches",
            "What did not match when the last day was reconciled, by kind",
            self.by_kind.clone(),
        );
        registry.register_with_unit(
            "reconcile_at",
            "When that was, since 1970; 0 when this process has not yet",
            Unit::Seconds,
            self.at.clone(),
        );
    }
}

/// Serves `GET /metrics` at `address` until `stop`. It is not behind TLS nor a password and tells
/// how busy the court is: the address must be one that only operators reach.
///
/// # Errors
/// If the address cannot be listened on.
pub(crate) async fn serve(
    address: SocketAddr,
    shard: ShardHandle,
    recorder: RecorderHandle,
    people: &PeopleFigures,
    mismatches: &MismatchFigures,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> io::Result<SocketAddr> {
    let mut registry = Registry::with_prefix("otyrys");
    people.register(&mut registry);
    mismatches.register(&mut registry);
    registry.register_collector(Box::new(Media { shard, recorder }));
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let app = Router::new()
        .route("/metrics", get(scrape))
        .with_state(Arc::new(registry));
    tasks.spawn(async move {
        let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the metrics are not served any more");
        }
    });
    Ok(bound)
}

async fn scrape(State(registry): State<Arc<Registry>>) -> impl IntoResponse {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    let mut body = String::new();
    match text::encode(&mut body, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The media core's figures, and the recorder's.
#[derive(Debug)]
struct Media {
    shard: ShardHandle,
    recorder: RecorderHandle,
}

impl Collector for Media {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let ShardFigures {
            sessions,
            counters,
            unsent,
            unrecorded,
            tcp_refused,
            tcp_dropped,
            load,
            busy,
            wait,
            forwarding,
        } = self.shard.figures();
        let at_present = ConstGauge::new(i64::try_from(sessions).unwrap_or(i64::MAX));
        at_present.encode(encoder.encode_descriptor(
            "media_sessions",
            "Peer connections at present",
            None,
            MetricType::Gauge,
        )?)?;
        ConstGauge::new(load as i64).encode(encoder.encode_descriptor(
            "media_load",
            "0 normal, 1 and 2 pictures are made smaller, 3 nobody new is let in",
            None,
            MetricType::Gauge,
        )?)?;
        ConstGauge::new(busy).encode(encoder.encode_descriptor(
            "media_busy",
            "Share of the last second in which the media thread was at work",
            Some(&Unit::Ratios),
            MetricType::Gauge,
        )?)?;
        ConstGauge::new(wait.as_secs_f64()).encode(encoder.encode_descriptor(
            "media_wait",
            "Mean time in the last second until the media thread took a packet",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?)?;
        for (name, help, count) in [
            ("media_datagrams", "Packets received", counters.datagrams),
            (
                "media_garbage",
                "Of these: of no protocol in use or from nobody known",
                counters.garbage,
            ),
            (
                "media_over_rate",
                "Of these: dropped, from an address that sent too many",
                counters.over_rate,
            ),
            (
                "media_over_bitrate",
                "RTP packets dropped because their track had too many bits",
                counters.over_bitrate,
            ),
            (
                "media_forwarded",
                "RTP packets sent to receivers, without repairs",
                counters.forwarded,
            ),
            (
                "media_recorded",
                "RTP packets handed to the recorder",
                counters.recorded,
            ),
            (
                "media_failed_sessions",
                "Peer connections that the WebRTC stack gave up",
                counters.failed_sessions,
            ),
            (
                "media_failed_rooms",
                "Hearings whose media a fault of the server ended: report it with the log",
                counters.failed_rooms,
            ),
            (
                "media_unsent",
                "Datagrams that the network card or the socket did not take",
                unsent,
            ),
            (
                "media_unrecorded",
                "Packets that the recorder did not take in time: the record has gaps",
                unrecorded,
            ),
            (
                "recorder_restarts",
                "Times that the recorder's own process died and was started anew",
                self.recorder.restarts(),
            ),
            (
                "media_tcp_refused",
                "TCP connections beyond the limits",
                tcp_refused,
            ),
            (
                "media_tcp_dropped",
                "Packets that a TCP connection did not take in time",
                tcp_dropped,
            ),
        ] {
            ConstCounter::new(count).encode(encoder.encode_descriptor(
                name,
                help,
                None,
                MetricType::Counter,
            )?)?;
        }
        let mut times: MetricEncoder<'_> = encoder.encode_descriptor(
            "media_forwarding",
            "Time that forwarded packets were in the server, at most",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        let bounds = FORWARDING_BOUNDS
            .iter()
            .map(|bound| bound.as_secs_f64())
            .chain([f64::INFINITY]);
        let classes: Vec<(f64, u64)> = bounds.zip(forwarding.classes).collect();
        times.encode_histogram::<NoLabelSet>(
            forwarding.sum.as_secs_f64(),
            forwarding.classes.iter().sum(),
            &classes,
            None,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::muxing_process;
    use otyrys_media::recorder::{
        ChunkSink, ChunkWriter, FeedId, Recorder, RecorderConfig, SegmentKey,
    };
    use otyrys_media::{MediaLimits, Shard, ShardConfig};
    use std::net::Ipv4Addr;

    struct NoDisk;

    impl ChunkSink for NoDisk {
        fn open(&self, _: FeedId, _: u64) -> io::Result<(SegmentKey, Box<dyn ChunkWriter>)> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    #[tokio::test]
    async fn a_scrape_tells_every_figure_of_the_media_core() {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (shard, _outputs) = Shard::spawn(ShardConfig {
            bind: loopback,
            advertised: vec![loopback.ip()],
            limits: MediaLimits::default(),
        })
        .unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let people = PeopleFigures::default();
        people.refused(ErrorCode::AddressFull);
        people.record_failed(RecordFault::Silence);
        people.perceived(&Perceived {
            freezes: 2,
            frozen_ms: 750,
            concealed_permille: Some(250),
        });
        let mismatches = MismatchFigures::default();
        mismatches.found([("not_sealed", 2), ("not_closed", 0)].into_iter());
        let (recorder, _events) = Recorder::spawn(
            RecorderConfig::new(muxing_process::program()),
            Arc::new(NoDisk),
        )
        .unwrap();
        let handle = recorder.handle();
        let address = serve(
            loopback,
            shard.clone(),
            handle,
            &people,
            &mismatches,
            &tasks,
            stop.clone(),
        )
        .await
        .unwrap();

        let garbage = tokio::net::UdpSocket::bind(loopback).await.unwrap();
        garbage.send_to(b"?", shard.local_addr()).await.unwrap();
        let counted = async {
            while shard.figures().counters.garbage == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), counted)
            .await
            .expect("the datagram is counted");
        let response = reqwest::get(format!("http://{address}/metrics"))
            .await
            .unwrap();
        assert!(
            response.headers()[header::CONTENT_TYPE]
                .to_str()
                .unwrap()
                .starts_with("application/openmetrics-text")
        );
        let text = response.text().await.unwrap();
        for line in [
            "otyrys_media_sessions 0",
            "otyrys_media_datagrams_total 1",
            "otyrys_media_garbage_total 1",
            "otyrys_media_over_rate_total 0",
            "otyrys_media_over_bitrate_total 0",
            "otyrys_media_load 0",
            "otyrys_media_unsent_total 0",
            "otyrys_recorder_restarts_total 0",
            "otyrys_refused_total{reason=\"address_full\"} 1",
            "otyrys_record_faults_total{fault=\"silence\"} 1",
            "otyrys_backup_failures_total 0",
            "otyrys_unattested_seals_total 0",
            "otyrys_perceived_reports_total 1",
            "otyrys_perceived_freezes_total 2",
            "otyrys_perceived_frozen_seconds_total 0.75",
            "otyrys_perceived_concealed_seconds_total 0.5",
            "otyrys_reconcile_mismatches{kind=\"not_sealed\"} 2",
            "otyrys_reconcile_mismatches{kind=\"not_closed\"} 0",
            "otyrys_media_forwarding_seconds_count 0",
            "otyrys_media_forwarding_seconds_bucket{le=\"+Inf\"} 0",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        recorder.shutdown();
        shard.shutdown().await.unwrap();
    }
}
