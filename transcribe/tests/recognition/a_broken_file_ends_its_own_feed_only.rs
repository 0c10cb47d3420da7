//! A file that is empty, damaged or cut ends its own feed, and the others go on.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use otyrys_transcribe::RecogniserError;
use otyrys_transcribe::decode::{DecodeError, PcmSink, TailDecoder};

#[tokio::test]
async fn the_other_feed_still_gives_its_line() {
    let utterance = &crate::common::russian(1)[0];
    let mut sound = crate::common::silence(500);
    sound.extend(&utterance.samples);
    let file = crate::common::webm(&sound);

    let (recogniser, mut events) = crate::common::recogniser();
    let empty = recogniser.open_feed(crate::common::in_russian()).unwrap();
    empty.finish();
    let (lines, failures) = crate::common::to_the_end(&mut events, empty.id()).await;
    assert!(lines.is_empty() && failures.len() <= 1, "{failures:?}");
    let refused = empty.push(vec![0].into());
    assert!(matches!(refused, Err(RecogniserError::FeedEnded)));

    let damaged = recogniser.open_feed(crate::common::in_russian()).unwrap();
    damaged.push(vec![0x55; 100_000].into()).unwrap();
    damaged.finish();
    let (lines, failures) = crate::common::to_the_end(&mut events, damaged.id()).await;
    assert!(lines.is_empty());
    assert_eq!(failures.len(), 1);

    // The recorder was killed: the file ends within a block. What was said before is kept.
    let cut = recogniser.open_feed(crate::common::in_russian()).unwrap();
    cut.push(file[..file.len() - 100].to_vec().into()).unwrap();
    drop(cut);
    let whole = recogniser.open_feed(crate::common::in_russian()).unwrap();
    whole.push(file.into()).unwrap();
    whole.finish();
    let (lines, failures) = crate::common::to_the_end(&mut events, whole.id()).await;
    assert!(failures.is_empty(), "{failures:?}");
    // The cut feed came first, and its events with it.
    assert!(!lines.is_empty());
    recogniser.shutdown().await;
    assert!(matches!(
        whole.push(vec![0].into()),
        Err(RecogniserError::FeedEnded)
    ));
}

/// Where sound came, in samples: the pieces of the file without the gaps.
#[derive(Default, Clone)]
struct Pieces {
    spans: Arc<Mutex<Vec<(u64, u64)>>>,
    ended: Option<mpsc::SyncSender<bool>>,
}

impl PcmSink for Pieces {
    fn samples(&mut self, at: u64, samples: &[f32]) {
        let end = at + samples.len() as u64;
        let mut spans = self.spans.lock().unwrap();
        match spans.last_mut() {
            Some(last) if last.1 == at => last.1 = end,
            _ => spans.push((at, end)),
        }
    }

    fn ended(&mut self, outcome: Result<(), DecodeError>) {
        self.ended.take().unwrap().send(outcome.is_ok()).unwrap();
    }
}

fn decoded(file: &[u8]) -> (Vec<(u64, u64)>, bool) {
    let (sender, ended) = mpsc::sync_channel(1);
    let pieces = Pieces {
        ended: Some(sender),
        ..Pieces::default()
    };
    let decoder = TailDecoder::start(pieces.clone()).unwrap();
    for chunk in file.chunks(777) {
        decoder.push(chunk.to_vec().into()).unwrap();
    }
    decoder.finish();
    let sound = ended.recv_timeout(Duration::from_secs(20)).unwrap();
    (pieces.spans.lock().unwrap().clone(), sound)
}

#[test]
fn a_gap_in_the_file_keeps_its_length() {
    let sound = crate::common::russian(1).remove(0).samples;
    let length = sound.len() as u64;
    // Ten seconds in which nothing was sent, before the second half.
    let file = crate::common::webm_with_gap(&sound, sound.len() / 3_200 * 1_600, 10_000);
    let (spans, sound_end) = decoded(&file);
    assert!(sound_end);
    assert_eq!(spans.len(), 2, "{spans:?}");
    let gap_ms = (spans[1].0 - spans[0].1) / 16;
    assert!(gap_ms.abs_diff(10_000) <= 60, "{gap_ms}");
    let end = spans[1].1;
    assert!(end.abs_diff(length + 160_000) <= 16 * 60, "{end} {length}");
}
