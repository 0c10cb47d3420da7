//! Recognition with real speech and the real model. One program, for linking whisper takes
//! longer than most of the tests.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helper that unwraps says where it failed"
)]

mod common;

mod a_broken_file_ends_its_own_feed_only;
mod a_damaged_model_is_refused;
mod a_model_of_eight_bits_reads_the_same_words;
mod an_imported_model_has_the_published_bytes;
mod silence_is_not_written_down;
mod the_noises_of_a_room_are_not_written_down;
mod what_a_person_says_is_written_down;
mod who_changes_the_language_is_followed;
mod who_speaks_at_once_has_lines_of_their_own;
mod words_are_read_while_they_are_spoken;
