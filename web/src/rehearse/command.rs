//! `otyrys rehearse`.

use super::{
    Cast, CastConfig, ClipLibrary, Invitation, RehearseError, Story, Summary, Trust, door::Door,
};
use clap::Args;
use reqwest::Url;
use std::{io, path::PathBuf};
use tokio::sync::mpsc;

/// Events that may wait to be told.
const EVENTS: usize = 64;

/// Joins a hearing with native participants who speak recorded human speech and show a moving
/// picture: to rehearse, to test a line, or to see the server work without anybody else.
#[derive(Debug, Clone, Args)]
pub struct RehearseArgs {
    /// Address of the server, for --demo.
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:8443")]
    pub url: Url,
    /// Invitation link of a seat to take; can be given several times.
    #[arg(
        long,
        value_name = "LINK",
        required_unless_present = "demo",
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
}

impl RehearseArgs {
    /// The cast that these arguments ask for.
    ///
    /// # Errors
    /// [`RehearseError::Trust`] when the certificates cannot be used; those of asking the server
    /// for its demonstration hearing.
    pub async fn cast(&self) -> Result<CastConfig, RehearseError> {
        let trust = self
            .trust
            .as_deref()
            .map(Trust::from_pem_file)
            .transpose()?;
        let trust = trust.unwrap_or_default();
        let invitations = if self.demo {
            let seats = Door::new(&self.url, &trust)?.demo().await?;
            seats.into_iter().map(|seat| seat.invitation).collect()
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

/// Runs the command to its end, telling the story on standard output.
///
/// # Errors
/// Those of [`Cast::gather`] and [`Cast::play`]; [`RehearseError::Speech`] when there are no
/// recordings.
pub async fn run(args: RehearseArgs) -> Result<Summary, RehearseError> {
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
    let summary = Cast::gather(cast, &library, events).await?.play().await?;
    telling.await.map_err(RehearseError::encoder)??;
    Ok(summary)
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
