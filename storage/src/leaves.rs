//! The leaves of a sealed log, as a bundle carries them: `log/leaves.txt`, and the checkpoints over
//! them, `log/checkpoints.txt`.

use crate::{
    checkpoint::Checkpoint,
    digest::Digest,
    log_runs::{LogRun, LogSource},
    merkle::{Tree, leaf_hash},
    note::VerifierKey,
};
use std::{collections::BTreeMap, fmt::Write};

/// A place in a text and what does not hold there.
pub(crate) type Fault = (u64, &'static str);

/// The leaves of a log in their order, and those of each source in the order of its lines.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    order: Vec<(Digest, LogSource)>,
    by_source: BTreeMap<LogSource, Vec<Digest>>,
}

/// How far the lines of a file are those that were logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Logged {
    /// Bytes of the file that are.
    pub(crate) bytes: usize,
    /// Why the file does not go on like that; nothing if it ends there as it should.
    pub(crate) fault: Option<&'static str>,
}

impl Leaves {
    /// The leaves of these lines in the order of the runs.
    ///
    /// # Errors
    /// In words, if a line has no leaf or a leaf no line.
    pub(crate) fn of(
        runs: &[LogRun],
        mut lines: BTreeMap<LogSource, Vec<Digest>>,
    ) -> Result<Self, &'static str> {
        let mut leaves = Self::default();
        for run in runs {
            let logged = lines.get(&run.source).and_then(|lines| run.of(lines));
            for leaf in logged.ok_or("a leaf is without its line")? {
                leaves.push(*leaf, run.source);
            }
        }
        // A source without lines has no leaves.
        lines.retain(|_, lines| !lines.is_empty());
        if leaves.by_source != lines {
            return Err("a line is without its leaf");
        }
        Ok(leaves)
    }

    /// All, in their order.
    pub(crate) fn hashes(&self) -> Vec<Digest> {
        self.order.iter().map(|(leaf, _)| *leaf).collect()
    }

    /// Those of this source.
    pub(crate) fn lines(&self, source: LogSource) -> &[Digest] {
        self.by_source.get(&source).map_or(&[], Vec::as_slice)
    }

    /// Whose lines are leaves.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &LogSource> {
        self.by_source.keys()
    }

    /// `log/leaves.txt`: for each leaf its hash, whose line it is, and which.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut lines: BTreeMap<LogSource, u64> = BTreeMap::new();
        for (leaf, source) in &self.order {
            let line = lines.entry(*source).or_default();
            *line += 1;
            // Writing to a text cannot fail.
            let _written = writeln!(text, "{leaf} {source} {line}");
        }
        text
    }

    /// Reads what [`Leaves::to_text`] wrote, in its one spelling.
    pub(crate) fn from_text(bytes: &[u8]) -> Result<Self, Fault> {
        let mut leaves = Self::default();
        let mut offset = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (leaf, source) = std::str::from_utf8(line)
                .ok()
                .and_then(|line| leaves.parse(line))
                .ok_or((offset, "the line is not the next leaf of its source"))?;
            leaves.push(leaf, source);
            offset += line.len() as u64;
        }
        Ok(leaves)
    }

    fn parse(&self, line: &str) -> Option<(Digest, LogSource)> {
        let mut words = line.split(' ');
        let (leaf, source): (Digest, LogSource) =
            (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let number = self.lines(source).len() + 1;
        (line == format!("{leaf} {source} {number}\n")).then_some((leaf, source))
    }

    fn push(&mut self, leaf: Digest, source: LogSource) {
        self.order.push((leaf, source));
        self.by_source.entry(source).or_default().push(leaf);
    }

    /// Compares the lines of a file with the leaves of their source.
    pub(crate) fn logged(&self, source: LogSource, file: &[u8]) -> Logged {
        let leaves = self.lines(source);
        let (mut bytes, mut count) = (0, 0);
        for line in file.split_inclusive(|byte| *byte == b'\n') {
            let entry = line.strip_suffix(b"\n").unwrap_or(line);
            let fault = match leaves.get(count) {
                None => "the line is not in the log",
                Some(leaf) if *leaf != leaf_hash(entry) || entry.len() == line.len() => {
                    "the line is not the one that was logged"
                }
                Some(_) => {
                    bytes += line.len();
                    count += 1;
                    continue;
                }
            };
            return Logged {
                bytes,
                fault: Some(fault),
            };
        }
        let fault = (count != leaves.len()).then_some("lines that were logged are missing");
        Logged { bytes, fault }
    }

    /// The tree of all leaves, after each checkpoint was found to be signed and to have the root of
    /// as many of the first leaves as it says: that makes each consistent with the one before.
    /// Tells how many checkpoints there are.
    pub(crate) fn check(&self, checkpoints: &str, by: &VerifierKey) -> Result<(Tree, u64), Fault> {
        let mut tree = Tree::default();
        let mut leaves = self.order.iter();
        let (mut offset, mut count) = (0, 0);
        for note in notes(checkpoints) {
            let fault = |reason| (offset, reason);
            let (checkpoint, _) = Checkpoint::open_cosigned(note, by).map_err(fault)?;
            if count > 0 && checkpoint.size <= tree.size() {
                return Err(fault("the checkpoint is not larger than the one before"));
            }
            while tree.size() < checkpoint.size {
                let (leaf, _) = leaves.next().ok_or(fault("the log has fewer leaves"))?;
                tree.push(*leaf);
            }
            if Checkpoint::of(&tree) != checkpoint {
                return Err(fault("the checkpoint is not that of the leaves before it"));
            }
            offset += note.len() as u64 + 1;
            count += 1;
        }
        leaves.for_each(|(leaf, _)| tree.push(*leaf));
        Ok((tree, count))
    }
}

/// `log/checkpoints.txt`: the notes with an empty line between two.
pub(crate) fn checkpoints_text(notes: &[String]) -> String {
    notes.join("\n")
}

/// The notes of `log/checkpoints.txt`. Each is a text and signatures with an empty line between.
pub(crate) fn notes(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .match_indices("\n\n")
            .nth(1)
            .map_or(rest.len(), |(at, _)| at + 1);
        let (note, after) = rest.split_at(end);
        rest = after.strip_prefix('\n').unwrap_or(after);
        Some(note)
    })
}
