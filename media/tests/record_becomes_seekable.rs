//! The copy for playback has a duration and an index, also when the recorded file was torn.

#![expect(
    clippy::unwrap_used,
    reason = "a test says by panicking that the machine it needs is not there"
)]

mod recording;

use otyrys_media::recorder::{RecorderError, make_seekable};
use recording::*;
use std::io::{self, Cursor, Read};

/// EBML id of Cues, the index.
const CUES: [u8; 4] = [0x1c, 0x53, 0xbb, 0x6b];

#[test]
fn a_recorded_track_gets_its_duration_and_an_index() {
    for (packets, length_ms, blocks) in [(sound(4), 4_000, 200), (picture(3), 2_967, 90)] {
        let recorded = record(packets);
        let folder = tempfile::tempdir().unwrap();
        let input = saved(&folder, &recorded.file.bytes());
        assert_eq!(header_duration_ms(&input), None);
        let output = folder.path().join("seekable.webm");
        let info = copied(&input, &output).unwrap();
        assert!(info.duration_ms.abs_diff(length_ms) <= 20, "{info:?}");
        assert_eq!(header_duration_ms(&output), Some(info.duration_ms));
        assert_eq!(block_times_ms(&output), block_times_ms(&input));
        assert!(block_times_ms(&output).len().abs_diff(blocks) <= 1);
        let bytes = std::fs::read(&output).unwrap();
        assert!(bytes.windows(4).any(|id| id == CUES));
    }
}

#[test]
fn a_file_torn_at_any_byte_gives_all_its_whole_blocks() {
    for packets in [sound(2), picture(2)] {
        let bytes = record(packets).file.bytes();
        let folder = tempfile::tempdir().unwrap();
        let whole = block_times_ms(&saved(&folder, &bytes));
        let mut before = 0;
        for cut in (3..9).map(|ninths| bytes.len() * ninths / 9 + ninths) {
            let input = saved(&folder, &bytes[..cut]);
            let output = folder.path().join("seekable.webm");
            copied(&input, &output).unwrap();
            let left = block_times_ms(&output);
            assert!(whole.starts_with(&left), "cut at {cut}");
            assert!(left.len() >= before, "cut at {cut}");
            before = left.len();
        }
        assert!(before * 5 >= whole.len() * 3, "{before} of {}", whole.len());
    }
}

#[test]
fn a_file_without_a_block_is_refused() {
    let header = &record(sound(1)).file.bytes()[..200];
    for bytes in [header, b"no webm at all", b""] {
        let result = make_seekable(bytes, &mut Cursor::new(Vec::new()));
        assert!(matches!(result, Err(RecorderError::Remux(_))), "{result:?}");
    }
}

/// What a reader of encrypted files says of bytes that are not what was written.
struct Damaged;

impl Read for Damaged {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::InvalidData.into())
    }
}

#[test]
fn a_file_that_cannot_be_read_or_written_is_said() {
    let bytes = record(sound(2)).file.bytes();
    let half = bytes.split_at(bytes.len() / 2).0;
    let read = make_seekable(half.chain(Damaged), &mut Cursor::new(Vec::new()));
    assert!(
        matches!(&read, Err(RecorderError::Io(error)) if error.kind() == io::ErrorKind::InvalidData),
        "{read:?}"
    );
    let mut full = [0; 1000];
    let written = make_seekable(bytes.as_slice(), &mut Cursor::new(full.as_mut_slice()));
    assert!(matches!(written, Err(RecorderError::Io(_))), "{written:?}");
}
