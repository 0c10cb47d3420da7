//! `otyrys rehearse`.

use super::{
    Cast, CastConfig, ClipLibrary, Invitation, LoadTest, RehearseError, SiteTest, Story, Trust,
    door::Door,
};
use crate::{
    bad_line::Conditions,
    cli::{language, tell},
};
use clap::Args;
use otyrys_signaling::Language;
use reqwest::Url;
use std::{io, path::PathBuf, process::ExitCode, time::Duration};
use tokio::sync::mpsc;

/// Events that may wait to be told.
const EVENTS: usize = 64;

/// Joins a hearing with native participants who speak recorded human speech and show a moving
/// picture: to rehearse, or to see the server work without anybody else. With --site it says
/// whether this line carries a hearing, with --load what a server bears; neither needs a hearing.
#[derive(Debug, Clone, Args)]
pub struct RehearseArgs {
    /// Address of the server, for --demo, --site and --load.
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:8443")]
    pub url: Url,
    /// Invitation link of a seat to take; can be given several times.
    #[arg(
        long,
        value_name = "LINK",
        required_unless_present_any = ["demo", "site", "load"],
        conflicts_with = "demo"
    )]
    pub link: Vec<Invitation>,
    /// Takes all seats of the server's demonstration hearing that no person has. A person who
    /// opens the link of a rehearsal participant's seat gets the seat.
    #[arg(long)]
    pub demo: bool,
    /// Folder of recorded speech with its texts [default: ~/.cache/otyrys/speech].
    #[arg(long, value_name = "DIR")]
    pub speech: Option<PathBuf>,
    /// Rounds of the hearing to play; then it is closed, if the participants conduct it. Without
    /// it they go on until somebody closes the hearing.
    #[arg(long, value_name = "N")]
    pub rounds: Option<u32>,
    /// After the last round: stay, and leave closing to others.
    #[arg(long)]
    pub leave_open: bool,
    /// Sound only.
    #[arg(long)]
    pub no_picture: bool,
    /// Certificate (PEM) to believe: an authority's, or the server's own. Without it the system's
    /// authorities decide, except for a server on this machine, which is believed as it is.
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Says whether the line from here to the server carries a hearing: TCP, TLS, UDP, round trip,
    /// loss, jitter and bitrate both ways. A link, when given, only names the server: no seat is
    /// taken. Exit code 0 good, 1 fair, 2 poor or blocked.
    #[arg(long, conflicts_with_all = ["demo", "load"])]
    pub site: bool,
    /// Loads a server with hearings and reports what came through. The server must allow it
    /// (media.line_tests).
    #[arg(long, conflicts_with = "demo")]
    pub load: bool,
    /// What --site and --load send.
    #[command(flatten)]
    pub line: LineArgs,
}

/// What a line test or a load sends, over which line.
#[derive(Debug, Clone, Args)]
pub struct LineArgs {
    /// People: of this site at once (--site, 1 without it), or in each hearing (--load, 2).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    pub people: Option<u32>,
    /// Hearings at once, for --load.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub hearings: u32,
    /// Bits a second of each one's picture: a browser's camera has 800000. 0: sound only.
    #[arg(long, value_name = "BITS", default_value_t = 800_000, value_parser = clap::value_parser!(u64).range(0..=20_000_000))]
    pub bitrate: u64,
    /// How long sound and picture are watched.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(2..=86_400))]
    pub seconds: u64,
    /// Language of the verdict: kk, ru or en.
    #[arg(long, value_name = "CODE", default_value = "ru", value_parser = language)]
    pub language: Language,
    /// JSON instead of words.
    #[arg(long)]
    pub json: bool,
    /// A process on this machine whose CPU time --load reports, too: the server.
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// Repeats the same chance of a bad line for the same number.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// A bad line to put before everybody, both ways.
    #[command(flatten)]
    pub conditions: Conditions,
}

impl LineArgs {
    /// The bad line that was asked for, if one was.
    fn bad_line(&self) -> Result<Option<Conditions>, RehearseError> {
        let conditions = self.conditions.checked()?;
        Ok((conditions != Conditions::default()).then_some(conditions))
    }
}

impl RehearseArgs {
    /// The cast that these arguments ask for.
    ///
    /// # Errors
    /// [`RehearseError::Trust`] when the certificates cannot be used; those of asking the server
    /// for its demonstration hearing.
    pub async fn cast(&self) -> Result<CastConfig, RehearseError> {
        let trust = self.trusted()?;
        let invitations = if self.demo {
            demo_invitations(&self.url, &trust).await?
        } else {
            self.link.clone()
        };
        Ok(CastConfig {
            invitations,
            trust,
            pictures: !self.no_picture,
            rounds: self.rounds,
            leave_open: self.leave_open,
        })
    }

    fn trusted(&self) -> Result<Trust, RehearseError> {
        let file = self.trust.as_deref().map(Trust::from_pem_file);
        Ok(file.transpose()?.unwrap_or_default())
    }

    /// The server to test: a link's, when there is one.
    fn server(&self) -> Url {
        let link = self.link.first().map(Invitation::base_url);
        link.unwrap_or(&self.url).clone()
    }

    async fn test_site(&self) -> Result<ExitCode, RehearseError> {
        let line = &self.line;
        let test = SiteTest {
            url: self.server(),
            trust: self.trusted()?,
            people: line.people.unwrap_or(1),
            picture_bps: line.bitrate,
            duration: Duration::from_secs(line.seconds),
            bad_line: line.bad_line()?,
            seed: line.seed,
        };
        let verdict = test.run().await;
        let text = match line.json {
            true => serde_json::to_string_pretty(&verdict).map_err(io::Error::from)?,
            false => verdict.text(line.language),
        };
        tell(&mut io::stdout(), &text);
        Ok(verdict.exit_code())
    }

    async fn load(&self) -> Result<ExitCode, RehearseError> {
        let line = &self.line;
        let test = LoadTest {
            url: self.server(),
            trust: self.trusted()?,
            hearings: line.hearings,
            people: line.people.unwrap_or(2),
            picture_bps: line.bitrate,
            duration: Duration::from_secs(line.seconds),
            bad_line: line.bad_line()?,
            seed: line.seed,
            server_pid: line.server_pid,
        };
        let report = test.run().await?;
        let text = match line.json {
            true => serde_json::to_string_pretty(&report).map_err(io::Error::from)?,
            false => report.to_string(),
        };
        tell(&mut io::stdout(), &text);
        Ok(match report.refused {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }

    /// Where the recordings are.
    #[must_use]
    pub fn speech_folder(&self) -> PathBuf {
        self.speech.clone().unwrap_or_else(|| {
            let cache = std::env::var_os("OTYRYS_CACHE").map(PathBuf::from);
            let home = || {
                std::env::home_dir()
                    .unwrap_or_default()
                    .join(".cache/otyrys")
            };
            cache.unwrap_or_else(home).join("speech")
        })
    }
}

/// The seats of a server's demonstration hearing.
///
/// # Errors
/// [`RehearseError::Unreachable`], or [`RehearseError::Refused`] when it has none.
pub async fn demo_invitations(url: &Url, trust: &Trust) -> Result<Vec<Invitation>, RehearseError> {
    let seats = Door::new(url, trust)?.demo().await?;
    Ok(seats.into_iter().map(|seat| seat.invitation).collect())
}

/// Runs the command to its end, telling the story, the verdict or the report on standard output.
///
/// # Errors
/// Those of [`Cast::gather`], [`Cast::play`] and [`LoadTest::run`]; [`RehearseError::Speech`] when
/// there are no recordings, [`RehearseError::BadLine`] for a bad line that cannot be.
pub async fn run(args: RehearseArgs) -> Result<ExitCode, RehearseError> {
    if args.site {
        return args.test_site().await;
    }
    if args.load {
        return args.load().await;
    }
    let folder = args.speech_folder();
    let loading = tokio::task::spawn_blocking(move || ClipLibrary::load(&folder));
    let library = loading.await.map_err(RehearseError::encoder)??;
    let cast = args.cast().await?;
    let (events, mut happened) = mpsc::channel(EVENTS);
    let telling = tokio::spawn(async move {
        let mut story = Story::new(io::stdout());
        while let Some(event) = happened.recv().await {
            story.tell(&event)?;
        }
        Ok::<(), io::Error>(())
    });
    Cast::gather(cast, &library, events).await?.play().await?;
    telling.await.map_err(RehearseError::encoder)??;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: RehearseArgs,
    }

    fn parse(arguments: &[&str]) -> Result<RehearseArgs, clap::Error> {
        Command::try_parse_from([&["otyrys"], arguments].concat()).map(|command| command.args)
    }

    #[test]
    fn either_links_or_the_demo_hearing_are_asked_for() {
        assert!(parse(&[]).is_err());
        assert!(parse(&["--demo"]).unwrap().link.is_empty());
        assert!(parse(&["--site"]).unwrap().link.is_empty());
        assert!(parse(&["--site", "--load"]).is_err());
        let links = [
            "--link",
            "https://c.example/j/a",
            "--link",
            "https://c.example/j/b",
        ];
        assert_eq!(parse(&links).unwrap().link.len(), 2);
        assert!(parse(&["--demo", "--link", "https://c.example/j/a"]).is_err());
        assert!(parse(&["--link", "https://c.example/nothing"]).is_err());
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_an_error_in_words() {
        // Port 9 (discard) is closed on a machine of this kind.
        let args = parse(&["--demo", "--url", "https://127.0.0.1:9"]).unwrap();
        let error = args.cast().await.unwrap_err();
        assert!(
            matches!(error, RehearseError::Unreachable { .. }),
            "{error}"
        );
    }
}
