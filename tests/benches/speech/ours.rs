//! Our recogniser as a process: as `otyrys serve` runs it, one feed at a time.

use crate::Outcome;
use otyrys_transcribe::{FeedInfo, Language, Recogniser, RecogniserConfig, RecogniserEvent};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::num::NonZeroUsize;

/// What the bench calls its own program with.
pub(crate) const ARGUMENT: &str = "ours";

/// Recognises what it is asked for, until nobody asks.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> Outcome<()> {
    let mut argument = || arguments.next().ok_or("too few arguments");
    let (recogniser, mut events) = Recogniser::start(RecogniserConfig {
        default_model: argument()?.into(),
        language_models: BTreeMap::new(),
        languages: Vec::new(),
        workers: NonZeroUsize::MIN,
        beam: argument()?.parse()?,
        guesses: false,
    })?;
    let mut answers = std::io::stdout().lock();
    writeln!(answers, "ready")?;
    for ask in std::io::stdin().lock().lines() {
        let ask = ask?;
        let mut parts = ask.split('\t');
        let (Some(language), Some(_), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("a line is language, pauses, path, and names if there are any".into());
        };
        let feed = recogniser.open_feed(FeedInfo {
            language: Language::parse(language)?,
            names: parts
                .next()
                .into_iter()
                .flat_map(|names| names.split(", "))
                .map(str::to_owned)
                .collect(),
            starts_ms: 0,
            known_until_ms: 0,
        })?;
        feed.push(std::fs::read(path)?.into())?;
        feed.finish();
        let mut texts = Vec::new();
        loop {
            match events.blocking_recv().ok_or("the recogniser ended")? {
                RecogniserEvent::Line(line) => texts.push(line.text),
                RecogniserEvent::FeedFinished { .. } => break,
                RecogniserEvent::Failed { reason, .. } => return Err(reason.into()),
                RecogniserEvent::Guess(_)
                | RecogniserEvent::GuessOver { .. }
                | RecogniserEvent::Behind { .. } => {}
            }
        }
        writeln!(answers, "{}", texts.join(" "))?;
    }
    Ok(())
}
