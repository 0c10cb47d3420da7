//! Listens to and looks at samples of the record: what was written may be a file that grows well
//! and holds nothing.
//!
//! Decoders are C, and work on what strangers chose. They run in a process of their own that can do
//! nothing else ([`process`]). When it dies or hangs over a sample, the sample does not decode.

mod messages;
mod process;

pub(super) use process::serve;

use super::driven::plugin_path;
use super::program::{RecorderProgram, Task};
use super::wire;
use crate::Codec;
use bytes::BytesMut;
use messages::{Answer, Sample, SampleCodec};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Child;

/// The decoders, each with the Debian package that brings it.
const OPUS: (&str, &str) = ("opusdec", "gstreamer1.0-plugins-base");
const VP8: (&str, &str) = ("vp8dec", "gstreamer1.0-plugins-good");
const H264: (&str, &str) = ("openh264dec", "gstreamer1.0-plugins-bad");

/// A sample is decoded in milliseconds, and a process starts in a tenth of a second: this is for a
/// machine that is busy with all else.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a stretch of sound holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// Its loudest sample, from 0 to 1 (full scale). Nought also when nothing of it decodes.
    pub peak: f32,
}

/// What became of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It was decoded.
    Picture,
    /// It does not decode.
    Nothing,
    /// The chunk has no picture that stands by itself, or there is no decoder.
    Unknown,
}

/// Why nothing can be said of a sample.
#[derive(Debug, thiserror::Error)]
#[error("the checking process does not work: {0}")]
pub struct CheckError(#[from] io::Error);

/// The way to the checking process, which is started when it is first needed and again after it
/// died. It takes one sample after the other.
#[derive(Debug)]
pub struct Checker {
    program: RecorderProgram,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    /// Killed when it is dropped.
    _child: Child,
    socket: UnixStream,
}

impl Checker {
    /// Samples are given to `program`.
    #[must_use]
    pub fn new(program: RecorderProgram) -> Self {
        Self {
            program,
            process: None,
        }
    }

    /// Listens to a chunk of a recorded Opus file.
    ///
    /// # Errors
    /// [`CheckError`] when the process does not start or cannot decode Opus.
    pub async fn listen(&mut self, chunk: &[u8]) -> Result<Heard, CheckError> {
        match self
            .ask(&Sample {
                codec: SampleCodec::Opus,
                chunk,
            })
            .await?
        {
            Some(Answer::Heard { peak }) => Ok(Heard { peak }),
            Some(Answer::Unable(error)) => Err(io::Error::other(error).into()),
            Some(Answer::Seen { .. }) | None => Ok(Heard { peak: 0.0 }),
        }
    }

    /// Looks at the last picture in a chunk of a recorded file that stands by itself.
    ///
    /// # Errors
    /// [`CheckError`] when the process does not start.
    pub async fn look(&mut self, codec: Codec, chunk: &[u8]) -> Result<Seen, CheckError> {
        let codec = match codec {
            Codec::Opus => return Ok(Seen::Unknown),
            Codec::Vp8 => SampleCodec::Vp8,
            Codec::H264 => SampleCodec::H264,
        };
        Ok(match self.ask(&Sample { codec, chunk }).await? {
            Some(Answer::Seen { decoded: true }) => Seen::Picture,
            Some(Answer::Unable(_)) => Seen::Unknown,
            Some(Answer::Seen { .. } | Answer::Heard { .. }) | None => Seen::Nothing,
        })
    }

    /// Nothing: the process died of the sample, or hangs.
    async fn ask(&mut self, sample: &Sample<'_>) -> io::Result<Option<Answer>> {
        let mut process = match self.process.take() {
            Some(process) => process,
            None => Process::start(&self.program).await?,
        };
        let answer = tokio::time::timeout(PATIENCE, process.ask(sample)).await;
        match answer {
            Ok(Ok(answer)) => {
                self.process = Some(process);
                Ok(Some(answer))
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the checking process died; the next sample gets another one");
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }
}

impl Process {
    /// A process that answers.
    async fn start(program: &RecorderProgram) -> io::Result<Self> {
        gstreamer::init().map_err(io::Error::other)?;
        // What is not installed is told when it is asked for.
        let mut plugins: Vec<_> = [OPUS, VP8, H264]
            .map(plugin_path)
            .into_iter()
            .flatten()
            .collect();
        plugins.sort_unstable();
        plugins.dedup();
        let (child, socket) = program.start(Task::Checking, &plugins)?;
        let mut process = Self {
            _child: child,
            socket,
        };
        let nothing = Sample {
            codec: SampleCodec::Opus,
            chunk: &[],
        };
        match tokio::time::timeout(PATIENCE, process.ask(&nothing)).await {
            Ok(answered) => answered.map(|_| process),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn ask(&mut self, sample: &Sample<'_>) -> io::Result<Answer> {
        let mut message = BytesMut::new();
        wire::write(sample, &mut message)?;
        self.socket.write_all(&message).await?;
        message.clear();
        loop {
            if let Some((answer, _)) = wire::read::<Answer>(&message)? {
                return Ok(answer);
            }
            if self.socket.read_buf(&mut message).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
