//! The server: opens everything, connects it, and closes it again in the right order.

use crate::{
    attesting::Attestors,
    cli::{CommandError, ServeArgs, explain, film_program, muxing_program, tell},
    config::{Config, RetentionConfig, cache_dir},
    demo,
    draft::Draft,
    edge::{self, AppState, DemoSeats, SharedPort},
    hub::Hub,
    jobs::{self, Jobs},
    links::Links,
    metrics::{self, MismatchFigures, PeopleFigures},
    record_health,
    recording::{Backup, Recording, SpoolSink},
    registry::{
        self, RegistryState,
        delivery::{CaseRegistry, HttpRegistry},
    },
    secrets::hash_of,
    stores::Stores,
    tls,
    turn::Turn,
};
use axum_server::{Handle, tls_rustls::RustlsConfig};
use jiff::{Timestamp, Zoned};
use otyrys_media::{
    Shard, ShardConfig, ShardHandle, ShardOutputs,
    recorder::{Checker, Recorder, RecorderConfig, RecorderEvents, RecorderProgram},
};
use otyrys_storage::{Database, RecordSpool, ids::HearingId};
use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{signal, sync::mpsc, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A running server.
pub struct Server {
    /// Where the pages are: TCP.
    pub address: SocketAddr,
    /// How people reach it.
    pub public_url: String,
    /// The demo's hearing and links, if it is a demo server.
    pub demo: Option<DemoSeats>,
    /// What it keeps.
    pub stores: Stores,
    /// A part without which nothing works has ended by itself.
    failed: CancellationToken,
    stop: CancellationToken,
    parts: Parts,
}

struct Parts {
    hub: Hub,
    shard: ShardHandle,
    recorder: Recorder,
    backup_recorder: Option<Recorder>,
    draft: Draft,
    pumps: TaskTracker,
    http: JoinHandle<io::Result<()>>,
    handle: Handle<SocketAddr>,
    grace: Duration,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// Whatever keeps it from starting, in words for the operator.
pub async fn serve(config: Config, args: ServeArgs) -> Result<ExitCode, CommandError> {
    let server = Server::start(config, muxing_program(), args.demo).await?;
    announce(&server);
    let rehearsal = args
        .rehearse
        .then(|| crate::demo_run::spawn_rehearsal(&server, args.speech));
    let code = tokio::select! {
        outcome = shutdown_signal() => {
            outcome?;
            tracing::info!("stopping");
            ExitCode::SUCCESS
        }
        // Whoever watches this process starts it again, and the hearings come back.
        () = server.failed.cancelled() => {
            tracing::error!("a part of the server has ended by itself; stopping to be started again");
            ExitCode::FAILURE
        }
    };
    if let Some(rehearsal) = rehearsal {
        rehearsal.abort();
    }
    server.stop().await;
    Ok(code)
}

/// Brings the database to this version's schema.
///
/// # Errors
/// Those of the database.
pub async fn migrate(config: &Config) -> Result<(), CommandError> {
    let database = Database::open(&config.server.data_dir).await?;
    database.migrate().await?;
    database.close().await;
    tell(&mut io::stdout(), "The database is up to date.");
    Ok(())
}

impl Server {
    /// Opens the stores, mends what a crash left, starts media, recorder, recogniser and jobs, and
    /// listens. `muxing` is to be started as the recorder's own process.
    ///
    /// # Errors
    /// Whatever keeps it from starting, in words for the operator.
    pub async fn start(
        config: Config,
        muxing: RecorderProgram,
        demo: bool,
    ) -> Result<Self, CommandError> {
        let config = Arc::new(config);
        let stop = CancellationToken::new();
        let failed = CancellationToken::new();
        let listener = listen(config.server.listen)?;
        let address = listener.local_addr()?;
        let addresses = advertised(&config)?;
        let public_url = public_url(&config, address, &addresses);
        let corrections = config.draft.corrections()?;
        let stores = Stores::open(&config.server.data_dir, &config.record).await?;
        mend(&stores)?;

        let certificate = tls::certificate_files(&config.server, &addresses)?;
        let tls =
            RustlsConfig::from_pem_file(&certificate.certificate, &certificate.private_key).await?;
        let turn = Turn::new(&config.turn)?;
        let shared = is_shared(address, config.media.listen);
        let spawn = match shared {
            true => Shard::spawn_without_listener,
            false => Shard::spawn,
        };
        let (shard, outputs) = spawn(ShardConfig {
            bind: config.media.listen,
            advertised: addresses,
            limits: config.limits.media_limits(),
        })
        .map_err(|error| {
            format!(
                "sound and picture cannot use UDP and TCP {}: {error}",
                config.media.listen
            )
        })?;
        let (draft, draft_notices) =
            Draft::start(&config.draft, corrections, stores.clone(), stop.clone()).await;
        let spool = SpoolSink::new(stores.spool.clone());
        let pumps = TaskTracker::new();
        let program = muxing.clone();
        let checker = Checker::new(muxing.clone());
        let (recorder, recorder_events) =
            Recorder::spawn(RecorderConfig::new(muxing), Arc::new(spool.clone()))?;
        let fault_after = config.record.fault_after();
        let people = PeopleFigures::default();
        let (backup_recorder, backup) = match &stores.backup {
            Some(spool) => {
                let (recorder, events, backup) = start_backup(spool, program, &people)?;
                pump_backup(&pumps, &backup, events);
                (Some(recorder), Some(backup))
            }
            None => (None, None),
        };
        let (samples, to_check) = mpsc::channel(record_health::SAMPLES);
        let recording = Recording::new(
            recorder.handle(),
            spool,
            stores.clone(),
            draft.clone(),
            fault_after,
            samples,
            backup,
        );
        let attestors = Attestors::new(&config.seal)?;
        let links = Links::new(stores.database.clone(), &public_url);
        let mismatches = MismatchFigures::default();
        let hub = Hub::new(
            stores.clone(),
            shard.clone(),
            recording.clone(),
            draft.clone(),
            Arc::clone(&attestors.witnesses),
            links.clone(),
            turn,
            config.media.line_test_limits(),
            config.limits.participants,
            people.clone(),
            stop.clone(),
        );
        if let Some(address) = config.server.metrics {
            let bound = metrics::serve(
                address,
                shard.clone(),
                recorder.handle(),
                &people,
                &mismatches,
                &pumps,
                stop.clone(),
            )
            .await
            .map_err(|error| format!("metrics cannot be served at {address}: {error}"))?;
            tracing::info!(metrics.address = %bound, "metrics");
        }
        pump_media(&pumps, &hub, &recording, outputs, failed.clone());
        pump_recorder(&pumps, &hub, &recording, &shard, recorder_events);
        pump_draft(&pumps, &hub, draft_notices, stop.clone());
        pumps.spawn(record_health::watch(
            recording.clone(),
            stores.spool.clone(),
            shard.clone(),
            checker,
            to_check,
            stop.clone(),
        ));

        let delivery_token = match config.registry.token.as_str() {
            "" if !config.registry.url.is_empty() => {
                return Err(
                    "registry.url is set and registry.token is not: ask the registry's \
                            operator for the delivery token"
                        .into(),
                );
            }
            "" => stores.own_secret("registry-delivery")?,
            token => token.to_owned(),
        };
        let reader_key = stores.reader_key()?;
        let (registry_routes, _openapi) = registry::router(RegistryState::new(
            stores.registry.clone(),
            stores.films(),
            hash_of(&reader_key),
            hash_of(&delivery_token),
        ));
        let registry = case_registry(&config, address, &public_url, delivery_token, &certificate)?;

        resume(&stores, &hub, &draft, &config.retention).await?;
        let today = Zoned::now().date();
        jobs::reconcile_at(&stores.database, &config.reconcile, today).await?;
        let demo = match demo {
            true => Some(DemoSeats {
                hearing: demo::seed(&stores, &links).await?,
                registry_link: format!("{public_url}/registry#key={reader_key}"),
            }),
            false => None,
        };
        let jobs = Jobs {
            stores: stores.clone(),
            recording,
            draft: draft.clone(),
            registry,
            config: Arc::clone(&config),
            mismatches,
            attestors,
            people: people.clone(),
            film: film_program(),
        };
        let jobs = Arc::new(jobs);
        for kinds in [jobs::PROMPT, jobs::BEFORE_SEAL, jobs::LONG] {
            pumps.spawn(Arc::clone(&jobs).run(kinds, stop.clone()));
        }

        let state = AppState::new(
            Arc::clone(&config),
            stores.clone(),
            hub.clone(),
            links,
            people,
            demo.clone(),
        );
        let app = edge::router(state, registry_routes)
            .into_make_service_with_connect_info::<SocketAddr>();
        let handle = Handle::new();
        let port = SharedPort::new(tls, shared.then(|| shard.clone()));
        let serving = axum_server::from_tcp(listener)?
            .acceptor(port)
            .handle(handle.clone())
            .serve(app);
        let ended = failed.clone();
        let http = tokio::spawn(async move {
            let outcome = serving.await;
            ended.cancel();
            outcome
        });
        tracing::info!(server.address = %address, media.address = %shard.local_addr(), "listening");
        Ok(Self {
            address,
            public_url,
            demo,
            stores,
            failed,
            stop,
            parts: Parts {
                hub,
                shard,
                recorder,
                backup_recorder,
                draft,
                pumps,
                http,
                handle,
                grace: Duration::from_secs(config.server.shutdown_seconds),
            },
        })
    }

    /// Says goodbye to everybody, finishes the files of the record, and closes everything.
    pub async fn stop(self) {
        let Parts {
            hub,
            shard,
            recorder,
            backup_recorder,
            draft,
            pumps,
            http,
            handle,
            grace,
        } = self.parts;
        self.stop.cancel();
        hub.stopped().await;
        if let Err(error) = shard.shutdown().await {
            tracing::error!(%error, "the media core did not end well");
        }
        // After the media core, so that the last packets are in the files.
        let shut_down = move || {
            recorder.shutdown();
            backup_recorder.into_iter().for_each(Recorder::shutdown);
        };
        if tokio::task::spawn_blocking(shut_down).await.is_err() {
            tracing::error!("the recorder did not end well");
        }
        draft.stopped().await;
        drop((hub, draft));
        handle.graceful_shutdown(Some(grace));
        if !matches!(http.await, Ok(Ok(()))) {
            tracing::error!("the web server did not end well");
        }
        pumps.close();
        pumps.wait().await;
        self.stores.database.close().await;
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, CommandError> {
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "TCP port {} is taken by another program; stop it, or set server.listen",
            address.port()
        ),
        io::ErrorKind::PermissionDenied => format!(
            "TCP port {} may not be used by this user; set server.listen to a port above 1023",
            address.port()
        ),
        _ => format!("{address} cannot be listened on: {error}"),
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The addresses under which people reach sound and picture.
fn advertised(config: &Config) -> io::Result<Vec<IpAddr>> {
    if !config.media.advertise.is_empty() {
        return Ok(config.media.advertise.clone());
    }
    let bound = config.media.listen.ip();
    if !bound.is_unspecified() {
        return Ok(vec![bound]);
    }
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()?
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|address| bound.is_ipv6() || address.is_ipv4())
        .filter(|address| !address.is_loopback() && !is_link_local(*address))
        .collect();
    // For a browser on this very machine, also when it has no network.
    addresses.push(Ipv4Addr::LOCALHOST.into());
    Ok(addresses)
}

/// Whether the media core's TCP connections come to the port of the pages.
fn is_shared(pages: SocketAddr, media: SocketAddr) -> bool {
    let overlap =
        pages.ip() == media.ip() || pages.ip().is_unspecified() || media.ip().is_unspecified();
    pages.port() == media.port() && overlap
}

/// Link-local addresses need a zone, which an ICE candidate cannot carry.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn public_url(config: &Config, address: SocketAddr, addresses: &[IpAddr]) -> String {
    if !config.server.public_url.is_empty() {
        return config.server.public_url.trim_end_matches('/').to_owned();
    }
    let host = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        _ => addresses
            .first()
            .copied()
            .unwrap_or(Ipv4Addr::LOCALHOST.into()),
    };
    format!("https://{}", SocketAddr::new(host, address.port()))
}

/// Ends what a crash left open in the record.
fn mend(stores: &Stores) -> Result<(), CommandError> {
    let recovery = stores.spool.recover()?;
    for mended in &recovery.mended {
        tracing::warn!(hearing.id = %mended.facts.hearing, segment.id = %mended.facts.segment, bytes.kept = mended.kept, bytes.cut = mended.cut, "a file of the record was closed after a crash");
    }
    for error in &recovery.damaged {
        tracing::error!(%error, "a file of the record does not hold: somebody must look");
    }
    if let Some(Err(error)) = stores.backup.as_ref().map(RecordSpool::recover) {
        tracing::warn!(%error, "the backup of the sound cannot be written");
    }
    Ok(())
}

/// Brings back the hearings that were open, reads what of their record was not yet drafted, and
/// asks again for what a crash interrupted. A hearing that cannot be brought back is logged and
/// left as it is; the others live.
async fn resume(
    stores: &Stores,
    hub: &Hub,
    draft: &Draft,
    retention: &RetentionConfig,
) -> Result<(), CommandError> {
    stores.database.release_leases(&jobs::of_server()).await?;
    for row in stores.database.hearings().await? {
        let closed = row.closed_at.is_some();
        if let Err(error) = resume_one(stores, hub, draft, retention, row.id, closed).await {
            tracing::error!(hearing.id = %row.id, error = explain(error.as_ref()), "a hearing cannot be brought back: somebody must look");
        }
    }
    Ok(())
}

async fn resume_one(
    stores: &Stores,
    hub: &Hub,
    draft: &Draft,
    retention: &RetentionConfig,
    hearing: HearingId,
    closed: bool,
) -> Result<(), CommandError> {
    if closed && stores.archive.has(hearing).await? {
        return Ok(jobs::remove_copies_when_due(&stores.database, retention, hearing).await?);
    }
    crate::resume::draft_what_is_missing(stores, draft, hearing).await?;
    if closed {
        jobs::attach_when_settled(&stores.database, hearing, Timestamp::now()).await?;
    } else {
        hub.resume(hearing).await?;
    }
    Ok(())
}

fn case_registry(
    config: &Config,
    address: SocketAddr,
    public_url: &str,
    token: String,
    certificate: &tls::CertificateFiles,
) -> Result<Arc<dyn CaseRegistry>, CommandError> {
    let registry = if config.registry.url.is_empty() {
        // A certificate that the operator gave names the public address, one of our own `localhost`.
        let base = match &config.server.certificate {
            Some(_) => public_url.to_owned(),
            None => format!("https://localhost:{}", address.port()),
        };
        let own = fs::read(&certificate.certificate)?;
        HttpRegistry::new(&format!("{base}{}", registry::API_ROOT), token, Some(&own))?
    } else {
        let trust = config.registry.trust.as_deref().map(fs::read).transpose()?;
        HttpRegistry::new(&config.registry.url, token, trust.as_deref())?
    };
    Ok(Arc::new(registry))
}

fn pump_media(
    pumps: &TaskTracker,
    hub: &Hub,
    recording: &Recording,
    outputs: ShardOutputs,
    ended: CancellationToken,
) {
    let ShardOutputs {
        mut events,
        mut recorded,
    } = outputs;
    let hub = hub.clone();
    pumps.spawn(async move {
        while let Some(event) = events.recv().await {
            hub.media_event(event).await;
        }
        // Told to stop, or dead: whoever waits for it knows which.
        ended.cancel();
    });
    let recording = recording.clone();
    pumps.spawn(async move {
        while let Some(packet) = recorded.recv().await {
            recording.packet(packet);
        }
    });
}

fn pump_recorder(
    pumps: &TaskTracker,
    hub: &Hub,
    recording: &Recording,
    shard: &ShardHandle,
    mut events: RecorderEvents,
) {
    let (hub, recording, shard) = (hub.clone(), recording.clone(), shard.clone());
    pumps.spawn(async move {
        while let Some(event) = events.recv().await {
            for (hearing, notice) in recording.event(event, &shard) {
                hub.record_notice(hearing, notice).await;
            }
        }
    });
}

fn start_backup(
    spool: &RecordSpool,
    program: RecorderProgram,
    people: &PeopleFigures,
) -> Result<(Recorder, RecorderEvents, Backup), CommandError> {
    let sink = SpoolSink::new(spool.clone());
    let config = RecorderConfig {
        // Sound alone, and whoever waits for this disk is this recorder.
        threads: 1,
        ..RecorderConfig::new(program)
    };
    let (recorder, events) = Recorder::spawn(config, Arc::new(sink.clone()))?;
    let backup = Backup::new(recorder.handle(), sink, people.backup_failures.clone());
    Ok((recorder, events, backup))
}

fn pump_backup(pumps: &TaskTracker, backup: &Backup, mut events: RecorderEvents) {
    let backup = backup.clone();
    pumps.spawn(async move {
        while let Some(event) = events.recv().await {
            backup.event(event);
        }
    });
}

fn pump_draft(
    pumps: &TaskTracker,
    hub: &Hub,
    mut notices: crate::draft::DraftNotices,
    stop: CancellationToken,
) {
    let hub = hub.clone();
    pumps.spawn(async move {
        // The hub holds the sender, so the channel never closes by itself.
        while let Some(Some((hearing, notice))) = stop.run_until_cancelled(notices.recv()).await {
            hub.draft_notice(hearing, notice).await;
        }
    });
}

/// What an operator sees in the terminal.
fn announce(server: &Server) {
    let mut out = io::stdout();
    tell(&mut out, &format!("\nOtyrys is at {}", server.public_url));
    let Some(demo) = &server.demo else { return };
    tell(
        &mut out,
        &format!(
            "Open it in a browser (the certificate is this machine's own: accept it once).\n\
             The page has a link for each seat of the hearing in case {}.\n\
             The case registry: {}\n",
            demo.hearing.case_number, demo.registry_link
        ),
    );
}

/// Waits until this process is told to end.
pub(crate) async fn shutdown_signal() -> io::Result<()> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    tokio::select! {
        outcome = signal::ctrl_c() => outcome,
        _ = terminate.recv() => Ok(()),
    }
}

/// The folder of recorded speech for rehearsals.
#[must_use]
pub fn speech_dir() -> std::path::PathBuf {
    cache_dir().join("speech")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_media_share_a_port_where_both_would_listen() {
        let shared = |pages: &str, media: &str| {
            is_shared(
                pages.parse().expect("an address"),
                media.parse().expect("an address"),
            )
        };
        assert!(shared("0.0.0.0:443", "0.0.0.0:443"));
        assert!(shared("0.0.0.0:443", "192.0.2.1:443"));
        assert!(!shared("0.0.0.0:443", "0.0.0.0:8443"));
        assert!(!shared("192.0.2.1:443", "192.0.2.2:443"));
    }
}
