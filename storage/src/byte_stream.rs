//! Files as streams, for those who send them on.

use bytes::Bytes;
use futures_util::{Stream, stream};
use std::io::{self, Read};

/// Bytes that are read at once.
const PIECE: u64 = 256 << 10;

/// What there is to read, piece by piece, read beside the tasks of the runtime.
pub fn stream_of(
    reader: impl Read + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(reader, |mut reader| async {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::new();
            reader.by_ref().take(PIECE).read_to_end(&mut piece)?;
            Ok::<_, io::Error>((piece, reader))
        });
        let (piece, reader) = read.await.map_err(io::Error::other)??;
        Ok((!piece.is_empty()).then(|| (Bytes::from(piece), reader)))
    })
}
