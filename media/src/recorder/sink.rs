use std::io;

use super::{FeedId, SegmentKey};

/// Where the recorder's files go. The archive implements it (append, hash, fsync);
/// the recorder knows nothing of paths or hashes.
///
/// Called on a recorder thread. A call that blocks holds up every feed of that thread
/// ([`super::RecorderHandle::stalled_for`] shows it), an error ends only the one feed.
pub trait ChunkSink: Send + Sync {
    /// Creates the file of a feed's next segment and names it; its time 0 lies `starts_ms`
    /// milliseconds after the zero of the record clock.
    ///
    /// # Errors
    /// Any error ends the feed with [`super::Fault::Disk`].
    fn open(&self, feed: FeedId, starts_ms: u64) -> io::Result<(SegmentKey, Box<dyn ChunkWriter>)>;
}

/// One open file of the archive.
pub trait ChunkWriter: Send {
    /// Appends whole WebM blocks and returns once they are safe on disk. What has been
    /// appended so far is a playable file that ends `ends_ms` milliseconds after its own
    /// zero; the first chunk begins with the WebM header.
    ///
    /// # Errors
    /// Any error ends the feed with [`super::Fault::Disk`].
    fn append(&mut self, bytes: &[u8], ends_ms: u64) -> io::Result<()>;

    /// Says that nothing will be appended any more.
    ///
    /// # Errors
    /// Any error ends the feed with [`super::Fault::Disk`].
    fn finish(&mut self) -> io::Result<()>;
}
