//! A file of the record as players and recognisers can take it, also where a piece of it is damaged.
//!
//! A file is cut into chunks between its blocks, and a block tells its time from the cluster that it
//! is in. So what follows a damaged chunk is taken from the next cluster on, at most a second later:
//! what is heard then is heard at its time.

use otyrys_media::Clusters;
use otyrys_storage::{Piece, SegmentReader};
use std::io::{self, Read};

/// The bytes of a file of the record without what is damaged.
#[derive(Debug)]
pub(crate) struct Playable {
    reader: SegmentReader,
    piece: io::Cursor<Vec<u8>>,
    behind_damage: bool,
}

impl Playable {
    /// Of a file that is read from its beginning.
    pub(crate) fn new(reader: SegmentReader) -> Self {
        Self {
            reader,
            piece: io::Cursor::default(),
            behind_damage: false,
        }
    }
}

impl Read for Playable {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let mut bytes = match self.reader.piece()? {
                None => return Ok(0),
                Some(Piece::Damaged(_)) => {
                    self.behind_damage = true;
                    continue;
                }
                Some(Piece::Whole(bytes)) => bytes,
            };
            if self.behind_damage {
                let Some(cluster) = first_cluster(&bytes) else {
                    continue;
                };
                bytes.drain(..cluster);
                self.behind_damage = false;
            }
            self.piece = io::Cursor::new(bytes);
        }
    }
}

/// Where the first cluster is in bytes that begin where a chunk does.
pub(crate) fn first_cluster(bytes: &[u8]) -> Option<usize> {
    let mut clusters = Clusters::default();
    // One that was found before the bytes became unreadable is one.
    let _unreadable = clusters.read(bytes);
    clusters
        .header_len()
        .and_then(|at| usize::try_from(at).ok())
}
