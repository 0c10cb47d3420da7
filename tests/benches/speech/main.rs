//! `make bench-speech`: words wrong, processor time and memory of the recogniser, beside
//! faster-whisper with the same weights on the same files.
//!
//! Each is a process of its own with one thread, and they take turns, utterance by utterance, so
//! that other work on the machine hits both alike. Both get the file as a recorder writes it (WebM
//! with Opus) and do everything from there: decode, find speech, recognise. The last line is
//! `speech: wer_ours=A wer_fw=B cpu_ours=X cpu_fw=Y rss_ours=M rss_fw=N`, with beam 5 over all
//! files: words wrong in percent, processor seconds for each second of sound, peak memory in MB.

#![expect(clippy::print_stdout, reason = "a program whose output is its report")]

mod corpus;
mod names;
mod ours;
mod system;

use clap::Parser;
use corpus::{Corpus, Group};
use otyrys_transcribe::models;
use otyrys_transcribe::wer::{normalised_words, wer};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use system::System;

/// What ends a bench: there is nothing that it could do about any of it but say so.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Compares the recogniser with faster-whisper.
#[derive(Debug, Parser)]
#[command(name = "bench-speech")]
struct Options {
    /// Read Russian sentences.
    #[arg(long, default_value_t = 100)]
    sentences: usize,
    /// Telephone prompts in each of two languages.
    #[arg(long, default_value_t = 40)]
    prompts: usize,
    /// Sentences of the long file, with pauses between them.
    #[arg(long, default_value_t = 20)]
    long: usize,
    /// Widths of the search, each measured; 1 is greedy.
    #[arg(long, value_delimiter = ',', default_value = "1,5")]
    beams: Vec<u8>,
    /// Only what the names of a case do for the words of its hearing, ours alone.
    #[arg(long)]
    names: bool,
    /// Ours with weights of eight bits, as `otyrys model quantize` makes them; theirs always are.
    #[arg(long)]
    eight_bits: bool,
    /// Models, speech, and the virtual environment with faster-whisper.
    #[arg(long, env = "OTYRYS_CACHE")]
    cache: Option<PathBuf>,
    /// Cargo gives it to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one system did with one group of files.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    words: usize,
    wrong: f64,
    sound: Duration,
    cpu: Duration,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.words += other.words;
        self.wrong += other.wrong;
        self.sound += other.sound;
        self.cpu += other.cpu;
    }

    fn wer(&self) -> f64 {
        100.0 * self.wrong / self.words.max(1) as f64
    }

    fn cpu(&self) -> f64 {
        self.cpu.as_secs_f64() / self.sound.as_secs_f64()
    }
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(ours::ARGUMENT) {
        return ours::serve(arguments);
    }
    let options = Options::parse();
    let cache = options.cache.clone().map_or_else(default_cache, Ok)?;
    let folder = tempfile::tempdir()?;
    let mut model = cache.join("models/ggml-base.bin");
    if options.eight_bits {
        let small = folder.path().join("ggml-base-q8_0.bin");
        models::quantize(&model, &small)?;
        model = small;
    }
    if options.names {
        return names::measure(&model, &cache, folder.path(), &options.beams);
    }
    let corpus = Corpus::prepare(&options, &cache, folder.path())?;
    println!(
        "beam  files               n  sound s  words | ours: WER %  cpu/s | faster-whisper: WER %  cpu/s"
    );
    let mut last = String::new();
    for &beam in &options.beams {
        let mut systems = [
            System::ours(&model, beam)?,
            System::faster_whisper(&cache, beam)?,
        ];
        let mut totals = [Tally::default(); 2];
        for group in &corpus.groups {
            let tallies = measure(&mut systems, group)?;
            row(beam, group.name, group.files.len(), tallies);
            for (total, tally) in totals.iter_mut().zip(tallies) {
                total.add(tally);
            }
        }
        row(
            beam,
            "all",
            corpus.groups.iter().map(|g| g.files.len()).sum(),
            totals,
        );
        let [ours, theirs] = totals;
        let [ours_mb, theirs_mb] = [systems[0].peak_mb()?, systems[1].peak_mb()?];
        println!("beam {beam}: peak {ours_mb:.0} MB ours, {theirs_mb:.0} MB faster-whisper");
        last = format!(
            "speech: wer_ours={:.1} wer_fw={:.1} cpu_ours={:.3} cpu_fw={:.3} rss_ours={ours_mb:.0} rss_fw={theirs_mb:.0}",
            ours.wer(),
            theirs.wer(),
            ours.cpu(),
            theirs.cpu(),
        );
    }
    println!("{last}");
    Ok(())
}

/// Both systems, one file after the other; who begins changes with each file.
fn measure(systems: &mut [System; 2], group: &Group) -> Outcome<[Tally; 2]> {
    let mut tallies = [Tally::default(); 2];
    for (index, file) in group.files.iter().enumerate() {
        for turn in 0..2 {
            let of = (index + turn) % 2;
            let (text, cpu) =
                systems[of].recognise(group.language, group.has_pauses, &file.path, "")?;
            let words = normalised_words(&file.said).len();
            tallies[of].add(Tally {
                words,
                wrong: wer(&file.said, &text) * words as f64,
                sound: file.sound,
                cpu,
            });
        }
    }
    Ok(tallies)
}

fn row(beam: u8, name: &str, files: usize, [ours, theirs]: [Tally; 2]) {
    println!(
        "{beam:>4}  {name:<16} {files:>4} {:>8.0} {:>6} | {:>11.1} {:>6.3} | {:>21.1} {:>6.3}",
        ours.sound.as_secs_f64(),
        ours.words,
        ours.wer(),
        ours.cpu(),
        theirs.wer(),
        theirs.cpu(),
    );
    // A run takes long; whoever waits sees how far it is.
    let _ = std::io::stdout().flush();
}

fn default_cache() -> Outcome<PathBuf> {
    let home = std::env::var_os("HOME").ok_or("neither OTYRYS_CACHE nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/otyrys"))
}
