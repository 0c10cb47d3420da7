//! Where the clusters of a record file lie, while the file grows.
//!
//! A player that begins in the middle needs the file's header and whole clusters. Only as much of
//! EBML (RFC 8794) and Matroska (RFC 9559) is read as our own muxer writes: a segment and clusters
//! of unknown size, everything in them with its size. What is in the blocks was chosen by whoever
//! sent it and is stepped over unread.

/// `Segment` and `Cluster`: stepped into. `Timestamp` of a cluster. RFC 9559, section 5.1.
pub(crate) const SEGMENT: u32 = 0x1853_8067;
pub(crate) const CLUSTER: u32 = 0x1F43_B675;
const TIMESTAMP: u32 = 0xE7;
/// An element's id has at most 4 bytes here, its size 8, and a timestamp 8.
const LOOK_AHEAD: usize = 4 + 8 + 8;

/// Longer than any sitting. The muxer is C, and its times become sizes of what is kept about a file.
const LONGEST_MS: u64 = 48 * 60 * 60 * 1_000;

/// A cluster: about a second of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    /// Its first byte in the file.
    pub offset: u64,
    /// Its time in the file, in milliseconds (the muxer's `TimestampScale` is 1 ms).
    pub at_ms: u64,
}

/// The file is not one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file is not Matroska as the recorder writes it")]
pub struct NotOurs;

/// The clusters of one file as far as it has been read. Feed it the bytes from
/// [`position`](Self::position) on.
#[derive(Debug, Clone, Default)]
pub struct Clusters {
    found: Vec<Cluster>,
    /// Where the next element begins; everything before it is whole.
    position: u64,
}

impl Clusters {
    /// Where the next bytes are wanted from. May lie beyond what there is: contents are not read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Reads the elements that begin in `bytes`, which stand at [`position`](Self::position).
    ///
    /// # Errors
    /// [`NotOurs`]; what was found before stays.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), NotOurs> {
        let from = self.position;
        loop {
            let Some(rest) = usize::try_from(self.position - from)
                .ok()
                .and_then(|at| bytes.get(at..))
                .filter(|rest| rest.len() >= LOOK_AHEAD)
            else {
                return Ok(());
            };
            self.position += self.element(rest)?;
        }
    }

    /// Goes on behind damage, where an element begins. What follows there up to the next cluster belongs
    /// to one that may be lost.
    pub fn pass(&mut self, damaged_to: u64) {
        self.position = self.position.max(damaged_to);
    }

    /// How far to step for the element at the beginning of `rest`.
    fn element(&mut self, rest: &[u8]) -> Result<u64, NotOurs> {
        let (id, id_len) = id(rest).ok_or(NotOurs)?;
        let (size, size_len) = size(&rest[id_len..]).ok_or(NotOurs)?;
        let head = (id_len + size_len) as u64;
        match (id, size) {
            (SEGMENT, _) => Ok(head),
            (CLUSTER, _) => {
                let at_ms = timestamp(&rest[id_len + size_len..]);
                self.found.push(Cluster {
                    offset: self.position,
                    at_ms: at_ms.filter(|ms| *ms <= LONGEST_MS).ok_or(NotOurs)?,
                });
                Ok(head)
            }
            (_, Some(size)) => {
                let step = head.checked_add(size).ok_or(NotOurs)?;
                self.position.checked_add(step).ok_or(NotOurs)?;
                Ok(step)
            }
            (_, None) => Err(NotOurs),
        }
    }

    /// The header's length, once a cluster follows it.
    #[must_use]
    pub fn header_len(&self) -> Option<u64> {
        self.found.first().map(|first| first.offset)
    }

    /// The clusters, in order. The last one may still grow.
    #[must_use]
    pub fn found(&self) -> &[Cluster] {
        &self.found
    }

    /// Which cluster holds a moment of the file: the last one that does not begin after it, or the
    /// first one.
    #[must_use]
    pub fn at(&self, ms: u64) -> usize {
        self.found
            .partition_point(|cluster| cluster.at_ms <= ms)
            .saturating_sub(1)
    }
}

/// An element's id with its length marker, and how many bytes it has. RFC 8794, section 5.
pub(crate) fn id(bytes: &[u8]) -> Option<(u32, usize)> {
    let len = bytes.first()?.leading_zeros() as usize + 1;
    (len <= 4).then(|| Some((number(bytes.get(..len)?) as u32, len)))?
}

/// An element's size, `None` if it is unknown, and how many bytes tell it. RFC 8794, section 6.
pub(crate) fn size(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let len = bytes.first()?.leading_zeros() as usize + 1;
    let marked = number(bytes.get(..len).filter(|_| len <= 8)?);
    let all_ones = (1u64 << (7 * len)) - 1;
    let size = marked & all_ones;
    Some(((size != all_ones).then_some(size), len))
}

/// The timestamp of a cluster: the first element in it.
fn timestamp(bytes: &[u8]) -> Option<u64> {
    let (TIMESTAMP, 1) = id(bytes)? else {
        return None;
    };
    let (size, size_len) = size(&bytes[1..])?;
    let len = usize::try_from(size?).ok().filter(|len| *len <= 8)?;
    let value = bytes.get(1 + size_len..1 + size_len + len)?;
    Some(number(value))
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, and clusters of unknown size at 0 s, 1 s and 300 s with one block each.
    fn file() -> Vec<u8> {
        let mut bytes = vec![0x1A, 0x45, 0xDF, 0xA3, 0x84, 1, 2, 3, 4];
        bytes.extend([0x18, 0x53, 0x80, 0x67, 0x01]);
        bytes.extend([0xFF; 7]);
        for at_ms in [0u32, 1_000, 300_000] {
            bytes.extend([0x1F, 0x43, 0xB6, 0x75, 0x01]);
            bytes.extend([0xFF; 7]);
            bytes.extend([0xE7, 0x84]);
            bytes.extend(at_ms.to_be_bytes());
            // What a person sends may look like a cluster.
            bytes.extend([0xA3, 0x90]);
            bytes.extend([
                0x1F, 0x43, 0xB6, 0x75, 0x01, 255, 255, 255, 255, 255, 255, 255, 0xE7, 0x81, 9, 9,
            ]);
        }
        bytes
    }

    fn read_in_steps_of(step: usize) -> Clusters {
        let file = file();
        let mut clusters = Clusters::default();
        for end in (0..=file.len()).step_by(step).chain([file.len()]) {
            let from = usize::try_from(clusters.position()).unwrap();
            if from < end {
                clusters.read(&file[from..end]).unwrap();
            }
        }
        clusters
    }

    #[test]
    fn clusters_are_found_however_the_file_grows_and_whatever_is_in_their_blocks() {
        for step in [1, 7, 20, 1_000] {
            let clusters = read_in_steps_of(step);
            let times: Vec<u64> = clusters.found().iter().map(|c| c.at_ms).collect();
            assert_eq!(times, [0, 1_000, 300_000], "in steps of {step}");
            assert_eq!(clusters.header_len(), Some(21));
            let second = clusters.found()[1].offset;
            assert_eq!(second, 21 + 12 + 6 + 18);
        }
    }

    #[test]
    fn a_moment_is_in_the_last_cluster_that_begins_before_it() {
        let clusters = read_in_steps_of(1_000);
        assert_eq!(clusters.at(0), 0);
        assert_eq!(clusters.at(999), 0);
        assert_eq!(clusters.at(1_000), 1);
        assert_eq!(clusters.at(299_999), 1);
        assert_eq!(clusters.at(u64::MAX), 2);
    }

    #[test]
    fn other_bytes_are_refused_and_end_nothing_else() {
        assert_eq!(Clusters::default().read(&[0; 64]), Err(NotOurs));
        assert_eq!(Clusters::default().read(&[0xFF; 64]), Err(NotOurs));
        let mut endless = vec![0x1F, 0x43, 0xB6, 0x75, 0xFF, 0xE7, 0x88];
        endless.extend([0x7F; 32]);
        assert_eq!(Clusters::default().read(&endless), Err(NotOurs));
        let mut huge = vec![0xA3, 0x01];
        huge.extend([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE]);
        huge.extend([0; 32]);
        let mut clusters = Clusters::default();
        clusters.read(&huge).unwrap();
        clusters.read(&[0; 8]).unwrap();
        assert!(clusters.found().is_empty());
    }
}
