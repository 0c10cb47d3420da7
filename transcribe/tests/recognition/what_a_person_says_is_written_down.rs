//! Ten sentences read aloud in Russian become text, at the times at which they were said.

use otyrys_transcribe::{FeedInfo, Language, wer};

/// Where the file begins on the record clock.
const STARTS_MS: u64 = 60_000;

#[tokio::test]
async fn ten_sentences_become_lines_with_their_times() {
    let utterances = crate::common::russian(10);
    let mut sound = crate::common::silence(1_500);
    let mut said = Vec::new();
    for utterance in &utterances {
        let at_ms = STARTS_MS + sound.len() as u64 / 16;
        said.push((
            at_ms + utterance.speech_start_ms,
            at_ms + utterance.speech_end_ms,
        ));
        sound.extend(&utterance.samples);
        sound.extend(crate::common::silence(1_500));
    }
    let file = crate::common::webm(&sound);
    let seconds = sound.len() as f64 / 16_000.0;

    let (recogniser, mut events) = crate::common::recogniser();
    let feed = recogniser
        .open_feed(FeedInfo {
            language: Language::RUSSIAN,
            names: Vec::new(),
            starts_ms: STARTS_MS,
            known_until_ms: 0,
        })
        .unwrap();
    let cpu_before = cpu_seconds();
    let clock = std::time::Instant::now();
    // In the pieces in which a recorder acknowledges them: about a second each.
    for chunk in file.chunks((file.len() as f64 / seconds) as usize) {
        feed.push(chunk.to_vec().into()).unwrap();
    }
    feed.finish();
    let (lines, failures) = crate::common::to_the_end(&mut events, feed.id()).await;
    let cpu = cpu_seconds() - cpu_before;

    // Whoever goes on after somebody else passes over what is known, at the cost of decoding it.
    let middle = lines.len() / 2;
    let rest = recogniser
        .open_feed(FeedInfo {
            language: Language::RUSSIAN,
            names: Vec::new(),
            starts_ms: STARTS_MS,
            known_until_ms: lines[middle - 1].end_ms,
        })
        .unwrap();
    let cpu_before = cpu_seconds();
    rest.push(file.into()).unwrap();
    rest.finish();
    let (again, _) = crate::common::to_the_end(&mut events, rest.id()).await;
    let cpu_of_rest = cpu_seconds() - cpu_before;
    recogniser.shutdown().await;
    let told = |lines: &[otyrys_transcribe::Line]| {
        let told = lines.iter().map(|line| (line.start_ms, line.end_ms));
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(&again), told(&lines[middle..]));
    assert!(cpu_of_rest < cpu * 0.8, "{cpu_of_rest:.1} s of {cpu:.1} s");

    assert_eq!(failures, [""; 0]);
    let text = |lines: &[otyrys_transcribe::Line]| {
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        texts.join(" ")
    };
    let truth: Vec<&str> = utterances.iter().map(|u| u.text.as_str()).collect();
    let wer = wer(&truth.join(" "), &text(&lines));
    println!(
        "{} lines of {seconds:.0} s: WER {:.1} %, cpuRTF {:.3}, wall {:.1} s",
        lines.len(),
        wer * 100.0,
        cpu / seconds,
        clock.elapsed().as_secs_f64(),
    );
    assert!(wer <= 0.25, "WER {wer}: {}", text(&lines));

    for (index, &(start, end)) in said.iter().enumerate() {
        let middle = |line: &&otyrys_transcribe::Line| {
            let middle = u64::midpoint(line.start_ms, line.end_ms);
            (start..end).contains(&middle)
        };
        let of: Vec<_> = lines.iter().filter(middle).collect();
        let (first, last) = (of.first().unwrap(), of.last().unwrap());
        eprintln!(
            "{index}: starts {:+} ms, ends {:+} ms",
            first.start_ms as i64 - start as i64,
            last.end_ms as i64 - end as i64
        );
        assert!(first.start_ms.abs_diff(start) <= 300, "start of {index}");
        assert!(last.end_ms.abs_diff(end) <= 300, "end of {index}");
    }
    for line in &lines {
        assert!(!line.weak && line.language == Language::RUSSIAN);
        assert!((0.3..=1.0).contains(&line.confidence));
        let joined: Vec<&str> = line.words.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(joined.join(" "), line.text);
        assert!(line.words.is_sorted_by_key(|word| word.start_ms));
        let (first, last) = (&line.words[0], line.words.last().unwrap());
        assert!(first.start_ms + 300 >= line.start_ms && last.end_ms <= line.end_ms + 300);
    }
}

/// CPU time of this process so far, user and system.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    // Fields 14 and 15 of proc(5), in ticks of 10 ms; three stand before the closing bracket.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
