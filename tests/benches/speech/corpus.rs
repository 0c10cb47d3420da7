//! The recorded speech of the bench, and what is said in it (`tests/speech/fetch.sh`).

use crate::system::script;
use crate::{Options, Outcome};
use otyrys_transcribe::wer::normalised_words;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Silence before and after each sentence, as a recorder would have it.
const MARGIN_MS: u64 = 500;
/// Pauses of the long file, in turn.
const PAUSES_MS: [u64; 4] = [2_000, 8_000, 4_000, 20_000];
/// Prompts shorter than this are mostly a single name or number.
const PROMPT_WORDS: usize = 4;

/// All files, encoded.
pub(crate) struct Corpus {
    pub(crate) groups: Vec<Group>,
}

/// Files of one kind.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) language: &'static str,
    /// Longer silence is in it, which a recogniser should not spend time on.
    pub(crate) has_pauses: bool,
    pub(crate) files: Vec<Spoken>,
}

/// A file.
pub(crate) struct Spoken {
    pub(crate) path: PathBuf,
    pub(crate) said: String,
    pub(crate) sound: Duration,
}

/// A recording as it was published.
pub(crate) struct Recording {
    pub(crate) path: PathBuf,
    pub(crate) said: String,
}

impl Corpus {
    /// Encodes into `folder`.
    pub(crate) fn prepare(options: &Options, cache: &Path, folder: &Path) -> Outcome<Self> {
        let speech = cache.join("speech");
        let sentences = sentences(&speech)?;
        let read = sentences
            .iter()
            .take(options.sentences)
            .map(alone)
            .collect();
        let russian = prompts(&speech, "ru-g722", "ru_RU_f_IvrvoiceRU", "g722")?;
        let english = prompts(&speech, "en-wav", "en_US_f_Allison", "wav")?;
        let of =
            |recordings: &[Recording]| recordings.iter().take(options.prompts).map(alone).collect();
        let long = sentences
            .iter()
            .rev()
            .take(options.long)
            .zip(PAUSES_MS.iter().cycle());
        let mut said = String::new();
        let mut parts = vec![json!(MARGIN_MS)];
        for (sentence, pause_ms) in long {
            said.push_str(&sentence.said);
            said.push(' ');
            parts.extend([json!(sentence.path), json!(pause_ms)]);
        }
        let kinds: [(_, _, _, Vec<Said>); 4] = [
            ("sentences, ru", "ru", false, read),
            ("telephone, ru", "ru", false, of(&russian)),
            ("telephone, en", "en", false, of(&english)),
            ("with pauses, ru", "ru", true, vec![(said, parts)]),
        ];
        let groups = kinds
            .into_iter()
            .enumerate()
            .map(|(index, (name, language, has_pauses, files))| {
                Ok(Group {
                    name,
                    language,
                    has_pauses,
                    files: encode(cache, folder, index, files)?,
                })
            })
            .collect::<Outcome<_>>()?;
        Ok(Self { groups })
    }
}

/// What is said in a file, and what the file is made of.
type Said = (String, Vec<Value>);

/// A file of each recording, the files numbered as those of a group.
pub(crate) fn encode_alone(
    cache: &Path,
    folder: &Path,
    group: usize,
    recordings: &[Recording],
) -> Outcome<Vec<Spoken>> {
    encode(cache, folder, group, recordings.iter().map(alone).collect())
}

/// A file of one recording.
fn alone(recording: &Recording) -> Said {
    let parts = vec![json!(MARGIN_MS), json!(recording.path), json!(MARGIN_MS)];
    (recording.said.clone(), parts)
}

fn encode(
    cache: &Path,
    folder: &Path,
    group: usize,
    files: Vec<(String, Vec<Value>)>,
) -> Outcome<Vec<Spoken>> {
    let path = |index: usize| folder.join(format!("{group}-{index}.webm"));
    let wanted: Vec<Value> = files
        .iter()
        .enumerate()
        .map(|(index, (_, parts))| json!({"target": path(index), "parts": parts}))
        .collect();
    let mut child = Command::new(cache.join("faster-whisper/bin/python"))
        .arg(script("encode.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no way in")?;
    input.write_all(serde_json::to_string(&wanted)?.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("the speech was not encoded: {}", output.status).into());
    }
    let seconds: Vec<f64> = serde_json::from_slice(&output.stdout)?;
    Ok(files
        .into_iter()
        .zip(seconds)
        .enumerate()
        .map(|(index, ((said, _), seconds))| Spoken {
            path: path(index),
            said,
            sound: Duration::from_secs_f64(seconds),
        })
        .collect())
}

/// One man reading Russian (festvox-ru), 16 kHz.
pub(crate) fn sentences(speech: &Path) -> Outcome<Vec<Recording>> {
    let folder = speech.join("festvox-ru/usr/share/festival/voices/russian/msu_ru_nsh_clunits");
    let list = fs::read_to_string(folder.join("etc/txt.done.data"))?;
    let recordings = list.lines().filter_map(|line| {
        let (name, said) = line.trim_start_matches("( ").split_once(' ')?;
        Some(Recording {
            path: folder.join(format!("wav/{name}.wav")),
            // `+` marks the stressed vowel.
            said: said.trim_end_matches(" )").replace('+', ""),
        })
    });
    Ok(recordings.collect())
}

/// Prompts of a telephone exchange (asterisk-core-sounds) whose text is plain words.
fn prompts(speech: &Path, package: &str, voice: &str, form: &str) -> Outcome<Vec<Recording>> {
    let language = package.split('-').next().unwrap_or(package);
    let folder = speech
        .join(format!(
            "asterisk-core-sounds-{package}/usr/share/asterisk/sounds"
        ))
        .join(voice);
    let text = Command::new("zcat")
        .arg(speech.join(format!(
            "asterisk-core-sounds-{language}/usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
        )))
        .output()?;
    let recordings = String::from_utf8(text.stdout)?
        .lines()
        .filter(|line| !line.starts_with(';'))
        .filter_map(|line| line.split_once(": "))
        .filter(|(_, said)| !said.contains(|c: char| c.is_numeric() || "[](){}<>*#".contains(c)))
        .filter(|(_, said)| normalised_words(said).len() >= PROMPT_WORDS)
        .map(|(name, said)| Recording {
            path: folder.join(format!("{name}.{form}")),
            said: said.to_owned(),
        })
        .filter(|recording| recording.path.exists())
        .collect();
    Ok(recordings)
}
