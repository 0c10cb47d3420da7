//! Recorded human speech and what is said in it.

use super::{RehearseError, g722};
use flate2::read::GzDecoder;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Samples a second of all speech here: what the recordings have and what recognition wants.
pub const SAMPLE_RATE: u32 = 16_000;

/// Texts of the prompts, in the package's documentation.
const PROMPT_TEXTS: &str = "core-sounds-ru.txt.gz";
/// Texts of the recorded sentences, in festvox form.
const SENTENCE_TEXTS: &str = "txt.done.data";
/// Octets of a canonical WAV header, before the samples.
const WAV_HEADER: u64 = 44;
/// Prompts shorter than this are single words; longer than [`LONGEST`] tire a listener.
const SHORTEST: Duration = Duration::from_secs(3);
/// See [`SHORTEST`].
const LONGEST: Duration = Duration::from_secs(16);

/// Who reads a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reader {
    /// The man of Debian's `festvox-ru`.
    Man,
    /// The woman of Debian's `asterisk-core-sounds-ru`.
    Woman,
}

/// One recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// The file.
    pub path: PathBuf,
    /// What is said in it, as written by its publisher, without stress marks.
    pub text: String,
    /// How long it is, from the size of the file.
    pub duration: Duration,
    /// Who reads it.
    pub reader: Reader,
}

/// The recordings of a folder.
#[derive(Debug, Clone, Default)]
pub struct ClipLibrary {
    man: Vec<Clip>,
    woman: Vec<Clip>,
}

impl ClipLibrary {
    /// Finds recordings with their texts anywhere under `folder`: festvox sentences (16 kHz WAV)
    /// and Asterisk prompts (16 kHz G.722 or WAV). Files without a text are left out, so that
    /// everything spoken can be compared with a draft.
    ///
    /// # Errors
    /// [`RehearseError::Speech`] when the folder cannot be read or holds no recordings with texts.
    pub fn load(folder: &Path) -> Result<Self, RehearseError> {
        let mut files = Vec::new();
        list(folder, &mut files)?;
        let mut library = Self::default();
        for file in files
            .iter()
            .filter(|f| f.ends_with(Path::new("etc").join(SENTENCE_TEXTS)))
        {
            let Some(voice) = file.parent().and_then(Path::parent) else {
                continue;
            };
            for (name, text) in sentences(&read(file)?) {
                let path = voice.join("wav").join(format!("{name}.wav"));
                library.man.extend(clip(path, text, Reader::Man));
            }
        }
        let texts = files
            .iter()
            .find(|f| f.file_name().is_some_and(|name| name == PROMPT_TEXTS))
            .map(|file| read_packed(file).map(|text| prompts(&text)))
            .transpose()?
            .unwrap_or_default();
        for file in &files {
            // The same prompts exist in other languages under the same names.
            if !file
                .iter()
                .any(|part| part.to_string_lossy().starts_with("ru"))
            {
                continue;
            }
            let named = file.with_extension("");
            let text = texts
                .iter()
                .find(|(name, _)| named.ends_with(name.as_str()));
            if let Some((_, text)) = text {
                library
                    .woman
                    .extend(clip(file.clone(), text.clone(), Reader::Woman));
            }
        }
        library.man.sort_by(|a, b| a.path.cmp(&b.path));
        library.woman.sort_by(|a, b| a.path.cmp(&b.path));
        if library.man.is_empty() && library.woman.is_empty() {
            return Err(RehearseError::Speech {
                path: folder.to_owned(),
                reason: "no recordings with texts in it; `make speech` fetches them".into(),
            });
        }
        Ok(library)
    }

    /// Recordings by `reader`; the other reader's when there are none.
    #[must_use]
    pub fn read_by(&self, reader: Reader) -> &[Clip] {
        match reader {
            Reader::Man if !self.man.is_empty() => &self.man,
            Reader::Woman if self.woman.is_empty() => &self.man,
            Reader::Man | Reader::Woman => &self.woman,
        }
    }
}

impl Clip {
    /// The sound: mono samples at [`SAMPLE_RATE`]. Blocks while it decodes.
    ///
    /// # Errors
    /// [`RehearseError::Speech`] when the file cannot be read or decoded.
    pub fn samples(&self) -> Result<Vec<i16>, RehearseError> {
        samples(&self.path)
    }
}

/// Mono samples at [`SAMPLE_RATE`] of any sound file that GStreamer or this module can decode.
///
/// # Errors
/// [`RehearseError::Speech`] when the file cannot be read or decoded.
pub(super) fn samples(path: &Path) -> Result<Vec<i16>, RehearseError> {
    if path
        .extension()
        .is_some_and(|extension| extension == "g722")
    {
        return fs::read(path)
            .map(|octets| g722::decode(&octets))
            .map_err(|e| fault(path, e));
    }
    let decoder = Decoder::start(path)?;
    let mut samples = Vec::new();
    // A file that cannot be decoded ends with an error on the bus and no end of stream.
    while !decoder.output.is_eos() {
        if let Some(reason) = decoder.fault() {
            return Err(fault(path, reason));
        }
        let sample = decoder
            .output
            .try_pull_sample(gst::ClockTime::from_mseconds(100));
        let Some(buffer) = sample.as_ref().and_then(|sample| sample.buffer()) else {
            continue;
        };
        let octets = buffer.map_readable().map_err(|e| fault(path, e))?;
        samples.extend(
            octets
                .chunks_exact(2)
                .map(|pair| i16::from_le_bytes([pair[0], pair[1]])),
        );
    }
    Ok(samples)
}

/// A GStreamer pipeline from a file to samples; stopped when dropped.
struct Decoder {
    pipeline: gst::Pipeline,
    output: gst_app::AppSink,
}

impl Decoder {
    fn start(path: &Path) -> Result<Self, RehearseError> {
        gst::init().map_err(|e| fault(path, e))?;
        let pipeline = gst::parse::launch(&format!(
            "filesrc name=file ! decodebin ! audioconvert ! audioresample \
             ! audio/x-raw,format=S16LE,rate={SAMPLE_RATE},channels=1 \
             ! appsink name=samples sync=false max-buffers=16",
        ))
        .map_err(|e| fault(path, e))?
        .downcast::<gst::Pipeline>()
        .map_err(|_| fault(path, "GStreamer made no pipeline"))?;
        if let Some(file) = pipeline.by_name("file") {
            file.set_property("location", path);
        }
        let output = pipeline
            .by_name("samples")
            .and_then(|element| element.downcast::<gst_app::AppSink>().ok())
            .ok_or_else(|| fault(path, "GStreamer made no sink"))?;
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|e| fault(path, e))?;
        Ok(Self { pipeline, output })
    }

    fn fault(&self) -> Option<String> {
        let message = self
            .pipeline
            .bus()?
            .pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // A pipeline that does not stop has nothing that a caller could still do about it.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn fault(path: &Path, reason: impl ToString) -> RehearseError {
    RehearseError::Speech {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn read(path: &Path) -> Result<String, RehearseError> {
    fs::read_to_string(path).map_err(|e| fault(path, e))
}

fn read_packed(path: &Path) -> Result<String, RehearseError> {
    let file = fs::File::open(path).map_err(|e| fault(path, e))?;
    io::read_to_string(GzDecoder::new(file)).map_err(|e| fault(path, e))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), RehearseError> {
    for entry in fs::read_dir(folder).map_err(|e| fault(folder, e))? {
        let path = entry.map_err(|e| fault(folder, e))?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The clip, if the file is there and of a length that is good to listen to.
fn clip(path: PathBuf, text: String, reader: Reader) -> Option<Clip> {
    let octets = fs::metadata(&path).ok()?.len();
    let samples = match path.extension()?.to_str()? {
        "g722" => octets * 2,
        "wav" => octets.saturating_sub(WAV_HEADER) / 2,
        _ => return None,
    };
    let duration = Duration::from_millis(samples * 1000 / u64::from(SAMPLE_RATE));
    (SHORTEST..=LONGEST).contains(&duration).then_some(Clip {
        path,
        text,
        duration,
        reader,
    })
}

/// Parses `( name "text" )` lines. The `+` before a stressed vowel is for synthesis, not speech.
fn sentences(file: &str) -> BTreeMap<String, String> {
    file.lines()
        .filter_map(|line| {
            let (name, text) = line.trim().strip_prefix('(')?.trim().split_once(' ')?;
            let text = text.trim().strip_suffix(')')?.trim();
            let text = text.strip_prefix('"')?.strip_suffix('"')?.replace('+', "");
            Some((name.to_owned(), text))
        })
        .collect()
}

/// Parses `name: text` lines. Texts with digits or Latin letters say something other than what is
/// spelled, and texts in brackets describe tones: both are left out.
fn prompts(file: &str) -> BTreeMap<String, String> {
    file.lines()
        .filter(|line| !line.starts_with(';'))
        .filter_map(|line| {
            let (name, text) = line.split_once(": ")?;
            let text = text.trim();
            let spelled = !text.contains(|c: char| c.is_ascii_alphanumeric() || c == '[');
            (spelled && !text.is_empty()).then(|| (name.to_owned(), text.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stress_marks_are_dropped_from_a_sentence() {
        let parsed =
            sentences("( ru_0002 \"Она завела, прядь волнистых вол+ос за ухо.\" )\nnoise\n");
        assert_eq!(
            parsed["ru_0002"],
            "Она завела, прядь волнистых волос за ухо."
        );
        assert_eq!(parsed.len(), 1);
    }

    #[test]
    fn prompts_that_spell_something_else_than_is_said_are_left_out() {
        let parsed = prompts(
            "; Core sounds\n\nauth-thankyou: Спасибо.\nbeep: [a tone]\nvm: Нажмите 1 для записи.\n",
        );
        assert_eq!(
            parsed.into_iter().collect::<Vec<_>>(),
            [("auth-thankyou".to_owned(), "Спасибо.".to_owned())]
        );
    }

    #[test]
    fn a_folder_gives_only_recordings_with_texts_and_of_a_fitting_length() {
        let folder = tempfile::tempdir().unwrap();
        let voice = folder.path().join("voice");
        fs::create_dir_all(voice.join("etc")).unwrap();
        fs::create_dir_all(voice.join("wav")).unwrap();
        fs::write(
            voice.join("etc/txt.done.data"),
            "( a \"Один.\" )\n( short \"Два.\" )\n( missing \"Три.\" )\n",
        )
        .unwrap();
        fs::write(voice.join("wav/a.wav"), tone_wav(5 * 16_000)).unwrap();
        fs::write(voice.join("wav/short.wav"), tone_wav(16_000)).unwrap();
        fs::write(voice.join("wav/untold.wav"), tone_wav(5 * 16_000)).unwrap();

        let library = ClipLibrary::load(folder.path()).unwrap();
        let clips = library.read_by(Reader::Woman);
        assert_eq!(clips.len(), 1, "one reader stands in for the other");
        assert_eq!(
            (clips[0].text.as_str(), clips[0].duration),
            ("Один.", Duration::from_secs(5))
        );
        assert_eq!(clips[0].samples().unwrap().len(), 5 * 16_000);
    }

    #[test]
    fn an_empty_folder_says_how_to_get_recordings() {
        let folder = tempfile::tempdir().unwrap();
        let error = ClipLibrary::load(folder.path()).unwrap_err();
        assert!(error.to_string().contains("make speech"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.wav");
        fs::write(&path, b"RIFF not really").unwrap();
        assert!(matches!(samples(&path), Err(RehearseError::Speech { .. })));
    }

    fn tone_wav(samples: u32) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(b"RIFF");
        file.extend((36 + samples * 2).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        file.extend(SAMPLE_RATE.to_le_bytes());
        file.extend((SAMPLE_RATE * 2).to_le_bytes());
        file.extend(b"\x02\0\x10\0data");
        file.extend((samples * 2).to_le_bytes());
        for n in 0..samples {
            file.extend((((n % 64) as i16 - 32) * 200).to_le_bytes());
        }
        file
    }
}
