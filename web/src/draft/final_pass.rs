//! After the hearing: the record is heard again, with a larger model than keeps up with speech.

#[cfg(test)]
mod tests;

use super::{
    Draft, ModelFiles, ModelUsed,
    compare::{Candidate, Choice, compare_and_keep},
    reading::{DraftError, Pace, read_record},
    row_of,
    speech::Speech,
    start_recogniser,
};
use crate::{
    config::DraftConfig, hub, hub::HubError, jobs::Progress, recording::source_named,
    stores::Stores,
};
use otyrys_signaling::is_drafted;
use otyrys_storage::{
    FinalPass, LineRow, SegmentFacts, SegmentRecord, StorageError,
    ids::{HearingId, LineId},
};
use otyrys_transcribe::{Feed, Line, Recogniser, RecogniserError, RecogniserEvent};
use std::{collections::HashSet, time::Duration};
use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;

/// With so much decoded speech before it the larger model is given no more: what is given cannot be
/// taken back when somebody begins to speak.
const AHEAD_MS: u64 = 30_000;
/// How often it is looked whether there is time.
const LOOK: Duration = Duration::from_millis(250);

/// Why a record was not heard again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FinalPassError {
    /// The model does not load: somebody must look.
    #[error(transparent)]
    Model(RecogniserError),
    /// The record or the recogniser.
    #[error(transparent)]
    Reading(#[from] DraftError),
    /// The database or the disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The hearing could not be read.
    #[error(transparent)]
    Hearing(#[from] HubError),
    /// The work was interrupted.
    #[error("the work was interrupted")]
    Interrupted,
}

/// Hears the voices of a closed hearing again with the models of `files`, file by file, and keeps of
/// both drafts what is better. What was heard again stays so: done a second time, it goes on where it
/// was. `progress` is told the percentage of the record that is done.
pub(crate) async fn hear_again(
    stores: &Stores,
    draft: &Draft,
    config: &DraftConfig,
    files: ModelFiles,
    hearing: HearingId,
    stop: &CancellationToken,
    progress: &Progress<'_>,
) -> Result<(), FinalPassError> {
    let spool = stores.spool.clone();
    let segments = tokio::task::spawn_blocking(move || spool.segments(hearing));
    let segments = segments.await.map_err(|_| FinalPassError::Interrupted)??;
    let heard = stores.database.final_passes(hearing).await?;
    let length = |record: &SegmentRecord| record.ends_ms - record.facts.starts_ms;
    let (mut all_ms, mut done_ms, mut left) = (1, 0, Vec::new());
    for record in segments {
        if source_named(&record.facts.source).is_some_and(is_drafted) {
            all_ms += length(&record);
            match heard
                .iter()
                .any(|pass| pass.segment == record.facts.segment)
            {
                true => done_ms += length(&record),
                false => left.push(record),
            }
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    let state = hub::load(&stores.database, hearing).await?;
    let (recogniser, events, model) = start_recogniser(config, files, false)
        .await
        .map_err(FinalPassError::Model)?;
    let mut again = Again {
        stores,
        draft,
        recogniser: &recogniser,
        events,
        model,
        stop,
    };
    let mut outcome = Ok(());
    for record in left {
        let speech = Speech::of(&state, record.facts.participant);
        outcome = again.hear(&record.facts, speech).await;
        done_ms += length(&record);
        if outcome.is_ok() {
            outcome = progress
                .tell(done_ms * 100 / all_ms)
                .await
                .map_err(Into::into);
        }
        if outcome.is_err() {
            break;
        }
    }
    // The larger model takes gigabytes: it goes before anything else is done.
    recogniser.shutdown().await;
    outcome
}

/// The work on one hearing.
struct Again<'a> {
    stores: &'a Stores,
    draft: &'a Draft,
    recogniser: &'a Recogniser,
    events: mpsc::Receiver<RecogniserEvent>,
    model: ModelUsed,
    stop: &'a CancellationToken,
}

impl Again<'_> {
    async fn hear(&mut self, facts: &SegmentFacts, speech: Speech) -> Result<(), FinalPassError> {
        let hearing = facts.hearing;
        let lines = match self.lines(facts, speech).await {
            // Nothing more can be heard of it than was.
            Err(FinalPassError::Reading(
                error @ (DraftError::NoBeginning
                | DraftError::Recogniser(RecogniserError::EnglishOnly { .. })),
            )) => {
                tracing::error!(hearing.id = %hearing, segment.id = %facts.segment, %error, "a file of the record cannot be heard again");
                Vec::new()
            }
            lines => lines?,
        };
        let of_segment = |line: &LineRow| line.segment == facts.segment;
        let mut earlier = self.stores.database.lines(hearing).await?;
        earlier.retain(of_segment);
        let model = &self.model.sha256;
        let corrections = self.draft.corrections(hearing).await?;
        let later: Vec<_> = lines
            .into_iter()
            .map(|line| row_of(line, facts, model, &corrections))
            .collect();
        let edits = self.stores.database.line_edits(hearing).await?;
        let edited = edits.iter().map(|row| row.edit.line).collect();
        let (kept, replaced) = chosen(&earlier, later, &edited);
        let pass = FinalPass {
            segment: facts.segment,
            model: self.model.name.clone(),
            model_sha256: self.model.sha256.clone(),
        };
        tracing::info!(hearing.id = %hearing, segment.id = %facts.segment, lines = kept.len(), lines.replaced = replaced.len(), lines.before = earlier.len(), "a file of the record was heard again");
        let database = &self.stores.database;
        Ok(database
            .put_final_pass(hearing, &pass, &kept, &replaced)
            .await?)
    }

    /// What the larger model hears in a file.
    async fn lines(
        &mut self,
        facts: &SegmentFacts,
        speech: Speech,
    ) -> Result<Vec<Line>, FinalPassError> {
        let (recogniser, draft) = (self.recogniser, self.draft);
        let feed = recogniser
            .open_feed(speech.feed(facts.starts_ms, 0))
            .map_err(DraftError::from)?;
        let pace = WhenNobodySpeaks {
            feed: &feed,
            recogniser,
            draft,
        };
        let reading = read_record(&self.stores.spool, facts, &feed, self.stop, &pace);
        let events = &mut self.events;
        let listening = async {
            let mut lines = Vec::new();
            loop {
                let event = self.stop.run_until_cancelled(events.recv()).await;
                match event.flatten().ok_or(FinalPassError::Interrupted)? {
                    RecogniserEvent::Line(line) if line.feed == feed.id() => lines.push(line),
                    RecogniserEvent::FeedFinished { feed: of } if of == feed.id() => {
                        return Ok(lines);
                    }
                    RecogniserEvent::Failed { feed: of, reason } if of == feed.id() => {
                        tracing::error!(hearing.id = %facts.hearing, segment.id = %facts.segment, reason, "speech was not recognised again");
                    }
                    // Of a file before, which could not be read to its end.
                    RecogniserEvent::Line(_)
                    | RecogniserEvent::FeedFinished { .. }
                    | RecogniserEvent::Failed { .. }
                    | RecogniserEvent::Guess(_)
                    | RecogniserEvent::GuessOver { .. }
                    | RecogniserEvent::Behind { .. } => {}
                }
            }
        };
        tokio::pin!(listening);
        let read = tokio::select! {
            // Of a file that cannot be decoded to its end no more is taken.
            lines = &mut listening => return lines,
            read = reading => read,
        };
        match read {
            Ok(true) | Err(DraftError::Recogniser(RecogniserError::FeedEnded)) => listening.await,
            Ok(false) => Err(FinalPassError::Interrupted),
            Err(error) => Err(error.into()),
        }
    }
}

/// Who is heard at this moment comes first.
struct WhenNobodySpeaks<'a> {
    feed: &'a Feed,
    recogniser: &'a Recogniser,
    draft: &'a Draft,
}

impl Pace for WhenNobodySpeaks<'_> {
    async fn time_to_read(&self) {
        // Speech that is not decoded yet is in no queue that can be asked for its length.
        while self.feed.waiting_bytes() > 0
            || self.recogniser.waiting_ms() > AHEAD_MS
            || self.draft.is_busy()
        {
            time::sleep(LOOK).await;
        }
    }
}

/// The lines that are new, and those that give way to them.
fn chosen(
    earlier: &[LineRow],
    later: Vec<LineRow>,
    edited: &HashSet<LineId>,
) -> (Vec<LineRow>, Vec<LineId>) {
    let candidate = |line: &LineRow| Candidate {
        start_ms: line.start_ms,
        end_ms: line.end_ms,
        words: line.text.split_whitespace().count(),
        weak: line.weak,
        edited: edited.contains(&line.id),
    };
    let candidates = |lines: &[LineRow]| lines.iter().map(candidate).collect::<Vec<_>>();
    let Choice { kept, replaced } = compare_and_keep(&candidates(earlier), &candidates(&later));
    let replaced = replaced.into_iter().map(|index| earlier[index].id);
    let later = later.into_iter().enumerate();
    let kept = later.filter(|(index, _)| kept.contains(index));
    (kept.map(|(_, line)| line).collect(), replaced.collect())
}
