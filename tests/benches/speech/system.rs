//! A recogniser as a process: a file's path goes in, its text comes out.

use crate::{Outcome, ours};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// `USER_HZ`, the unit of processor times in `/proc`, is 100 on all platforms that we build for.
const TICK: Duration = Duration::from_millis(10);

/// A running recogniser.
pub(crate) struct System {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl System {
    /// Ours, with a model made of the one that `otyrys model fetch base` put into the cache.
    pub(crate) fn ours(model: &Path, beam: u8) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(ours::ARGUMENT).arg(model).arg(beam.to_string());
        Self::start(command)
    }

    /// faster-whisper, with the model that ours was converted from.
    pub(crate) fn faster_whisper(cache: &Path, beam: u8) -> Outcome<Self> {
        let folder = cache.join("faster-whisper");
        let mut command = Command::new(folder.join("bin/python"));
        command
            .arg(script("faster_whisper_process.py"))
            .arg(folder.join("model"))
            .arg(beam.to_string());
        Self::start(command)
    }

    fn start(mut command: Command) -> Outcome<Self> {
        let mut child = command
            .env("OMP_NUM_THREADS", "1")
            .env("OPENBLAS_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let asks = child.stdin.take().ok_or("no way in")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no way out")?);
        let mut system = Self {
            child,
            asks,
            answers,
        };
        // It says when its model is loaded, which is not counted.
        system.answer()?;
        Ok(system)
    }

    /// What it hears, and the processor time that this took, on all its threads.
    pub(crate) fn recognise(
        &mut self,
        language: &str,
        has_pauses: bool,
        path: &Path,
        names: &str,
    ) -> Outcome<(String, Duration)> {
        let before = self.cpu_time()?;
        let path = path.display();
        writeln!(self.asks, "{language}\t{has_pauses}\t{path}\t{names}")?;
        let text = self.answer()?;
        Ok((text, self.cpu_time()?.saturating_sub(before)))
    }

    fn answer(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(format!("a recogniser ended: {}", self.child.wait()?).into());
        }
        Ok(line)
    }

    /// Fields 14 and 15 of `/proc/PID/stat`: user and system time.
    fn cpu_time(&self) -> Outcome<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("an odd /proc/PID/stat")?;
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u32>)
            .sum::<Result<u32, _>>()?;
        Ok(TICK * ticks)
    }

    /// The most memory that was resident, in MB.
    pub(crate) fn peak_mb(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kibibytes: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|value| value.split_whitespace().next())
            .ok_or("no VmHWM in /proc/PID/status")?
            .parse()?;
        Ok(kibibytes * 1024.0 / 1e6)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // One that has ended already is none to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of this bench's Python files.
pub(crate) fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/speech")
        .join(name)
}
