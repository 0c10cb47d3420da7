//! `otyrys demo`: a whole hearing unattended, and a check of everything that it leaves behind.

use crate::{
    cli::muxing_program,
    cli::{CommandError, tell},
    config::Config,
    rehearse::{Cast, CastConfig, ClipLibrary, Spoken, Story, Summary, Trust, demo_invitations},
    serve::{Server, speech_dir},
};
use clap::Args;
use otyrys_storage::{DeliveryState, Verdict, ids::ParticipantId, verify};
use otyrys_transcribe::wer;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    process::{ExitCode, Stdio},
    time::Duration,
};
use tokio::{
    process::Command,
    sync::mpsc,
    task::JoinHandle,
    time::{self, Instant},
};

/// How long the registry may take to acknowledge after the hearing was closed: the draft catches up
/// and the record is packed first.
const DELIVERED_WITHIN: Duration = Duration::from_secs(180);
/// Word errors of the draft above which the demo has failed. Plain Whisper base has 16 to 18 % on
/// clean Russian speech; telephone prompts are harder.
const WORD_ERRORS: f64 = 0.35;
/// Events that may wait to be told.
const EVENTS: usize = 64;

/// How to play the demo.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// The folder of recorded speech [default: otyrys/speech in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    speech: Option<PathBuf>,
    /// Rounds of the hearing to play.
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: u32,
}

/// Plays a hearing from joining to the attached case file, and checks it.
///
/// # Errors
/// Whatever kept the hearing from being played; what fell short of expectation makes the exit
/// code non-zero.
pub async fn run(mut config: Config, args: DemoArgs) -> Result<ExitCode, CommandError> {
    let mut out = io::stdout();
    // Beside a server that may be running: ports of its own, and a folder of its own.
    config.server.listen.set_port(0);
    config.media.listen.set_port(0);
    let started = jiff::Zoned::now().strftime("%Y-%m-%d-%H%M%S").to_string();
    config.server.data_dir = config.server.data_dir.join("demo").join(started);
    let data_dir = config.server.data_dir.clone();

    let server = Server::start(config, muxing_program(), true).await?;
    let Some(demo) = server.demo.clone() else {
        return Err("the demo was not seeded".into());
    };
    tell(
        &mut out,
        &format!("A demo court is open at {}", server.public_url),
    );
    let (summary, names) = play(&server, args).await?;
    tell(
        &mut out,
        "The hearing is closed; the draft is completed and the package delivered.",
    );

    let hearing = demo.hearing.id;
    let delivery = delivered(&server, hearing).await?;
    let lines = server.stores.database.lines(hearing).await?;
    let segments = server.stores.spool.segments(hearing)?;
    let packages = server
        .stores
        .registry
        .packages_of(&demo.hearing.case_number)
        .await?
        .len();

    let mut checks = Checks::default();
    checks.expect(
        "every seat was filled and recorded with sound and picture",
        names.keys().all(|id| {
            ["microphone", "camera"].iter().all(|source| {
                segments
                    .iter()
                    .any(|s| s.facts.participant == *id && s.facts.source == *source && s.len > 0)
            })
        }),
        &format!("{} files", segments.len()),
    );
    let speakers: BTreeSet<ParticipantId> = summary.spoken.iter().map(|s| s.participant).collect();
    checks.expect(
        "everybody who spoke has lines in the draft",
        speakers
            .iter()
            .all(|id| lines.iter().any(|line| line.participant == *id)),
        &format!("{} lines of {} speakers", lines.len(), speakers.len()),
    );
    let drafted = lines
        .iter()
        .map(|line| (line.participant, line.start_ms, line.text.as_str()));
    let errors = word_errors(&summary, drafted.collect());
    checks.expect(
        "the draft has at most 35 % word errors",
        errors <= WORD_ERRORS,
        &format!("{:.1} %", errors * 100.0),
    );
    checks.expect(
        "the registry has the package once",
        packages == 1,
        &format!("{packages}"),
    );
    checks.expect("the delivery was acknowledged", delivery, "");
    let exported = data_dir.join("export");
    let (target, stores) = (exported.clone(), server.stores.clone());
    tokio::task::spawn_blocking(move || {
        let bundle = stores.bundle(hearing)?;
        bundle.export(stores.spool.keys(), &target)
    })
    .await??;
    let verdict = verify(&exported, None)?;
    match &verdict {
        Verdict::Holds(report) => checks.expect("the bundle verifies", true, &report.to_string()),
        Verdict::Broken(violations) => {
            let first = violations
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            checks.expect("the bundle verifies", false, &first);
        }
    }
    server.stop().await;
    tell(&mut out, &pace(&summary));
    tell(
        &mut out,
        &format!("Record, protocol and seal: {}", exported.display()),
    );
    tell(
        &mut out,
        &format!("Everything of this demo:   {}", data_dir.display()),
    );
    Ok(checks.tell(&mut out))
}

/// Fills all seats, plays the hearing, tells the story.
async fn play(
    server: &Server,
    args: DemoArgs,
) -> Result<(Summary, BTreeMap<ParticipantId, String>), CommandError> {
    let folder = args.speech.unwrap_or_else(speech_dir);
    let library = tokio::task::spawn_blocking(move || ClipLibrary::load(&folder)).await??;
    let url = format!("https://127.0.0.1:{}", server.address.port()).parse()?;
    let trust = Trust::default();
    let config = CastConfig {
        invitations: demo_invitations(&url, &trust).await?,
        trust,
        pictures: true,
        rounds: Some(args.rounds),
        leave_open: false,
    };
    let (events, mut happened) = mpsc::channel(EVENTS);
    let telling = tokio::spawn(async move {
        let mut story = Story::new(io::stdout());
        while let Some(event) = happened.recv().await {
            story.tell(&event)?;
        }
        Ok::<(), io::Error>(())
    });
    let cast = Cast::gather(config, &library, events).await?;
    let names = cast
        .participants()
        .map(|p| (p.id(), p.name().to_owned()))
        .collect();
    let summary = cast.play().await?;
    telling.await??;
    Ok((summary, names))
}

/// Waits until the registry has acknowledged; `false` when it has not in time, or refuses.
async fn delivered(
    server: &Server,
    hearing: otyrys_storage::ids::HearingId,
) -> Result<bool, CommandError> {
    let deadline = Instant::now() + DELIVERED_WITHIN;
    while Instant::now() < deadline {
        match server
            .stores
            .database
            .delivery(hearing)
            .await?
            .map(|delivery| delivery.state)
        {
            Some(DeliveryState::Acknowledged { .. }) => return Ok(true),
            Some(DeliveryState::Rejected { .. }) => return Ok(false),
            _ => time::sleep(Duration::from_millis(500)).await,
        }
    }
    Ok(false)
}

/// Word error rate of the draft over everything that was said on record, by speaker.
fn word_errors(summary: &Summary, drafted: Vec<(ParticipantId, u32, &str)>) -> f64 {
    let mut said: BTreeMap<ParticipantId, String> = BTreeMap::new();
    for Spoken {
        participant, text, ..
    } in summary
        .spoken
        .iter()
        .filter(|spoken| spoken.started_ms.is_some())
    {
        let all = said.entry(*participant).or_default();
        all.push(' ');
        all.push_str(text);
    }
    let (mut errors, mut words) = (0.0, 0.0);
    for (participant, reference) in said {
        let mut lines: Vec<_> = drafted
            .iter()
            .filter(|line| line.0 == participant)
            .collect();
        lines.sort_by_key(|line| line.1);
        let text: Vec<&str> = lines.iter().map(|line| line.2).collect();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a hearing has fewer than 2^52 words"
        )]
        let count = reference.split_whitespace().count() as f64;
        errors += wer(&reference, &text.join(" ")) * count;
        words += count;
    }
    if words > 0.0 { errors / words } else { 1.0 }
}

/// How far the draft was behind what was said, in seconds: of half of the lines, of 95 % of them,
/// and how much speech waited at most.
fn pace(summary: &Summary) -> String {
    let mut delays = summary.line_delays_ms.clone();
    delays.sort_unstable();
    let seconds = |ms: u64| format!("{}.{:02}", ms / 1_000, ms % 1_000 / 10);
    let quantile = |percent: usize| {
        let at = (delays.len() * percent).div_ceil(100).saturating_sub(1);
        delays.get(at).map_or("none".to_owned(), |ms| seconds(*ms))
    };
    format!(
        "live: p50={} p95={} behind_max={}",
        quantile(50),
        quantile(95),
        seconds(summary.behind_max_ms.into())
    )
}

/// What was expected, and whether it was so.
#[derive(Default)]
struct Checks {
    lines: Vec<String>,
    failed: usize,
}

impl Checks {
    fn expect(&mut self, what: &str, holds: bool, detail: &str) {
        let mark = if holds { "yes" } else { "NO " };
        self.failed += usize::from(!holds);
        let detail = if detail.is_empty() {
            String::new()
        } else {
            format!(" ({detail})")
        };
        self.lines.push(format!("  {mark}  {what}{detail}"));
    }

    fn tell(&self, out: &mut impl io::Write) -> ExitCode {
        for line in &self.lines {
            tell(out, line);
        }
        tell(
            out,
            &format!(
                "demo: {} passed, {} failed",
                self.lines.len() - self.failed,
                self.failed
            ),
        );
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Starts `otyrys rehearse --demo` beside a demo server; it ends with the task.
pub(crate) fn spawn_rehearsal(server: &Server, speech: Option<PathBuf>) -> JoinHandle<()> {
    let url = format!("https://127.0.0.1:{}", server.address.port());
    tokio::spawn(async move {
        let started = std::env::current_exe().and_then(|program| {
            let mut command = Command::new(program);
            command
                .args(["rehearse", "--demo", "--url", &url])
                .stdin(Stdio::null());
            if let Some(speech) = speech {
                command.arg("--speech").arg(speech);
            }
            command.kill_on_drop(true).spawn()
        });
        let outcome = match started {
            Ok(mut child) => child.wait().await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(status) if status.success() => tracing::info!("the rehearsal is over"),
            Ok(status) => tracing::error!(%status, "the rehearsal ended early"),
            Err(error) => tracing::error!(%error, "the rehearsal did not start"),
        }
    })
}
