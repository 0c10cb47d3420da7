//! What storage promises, a file for each promise. One binary, because linking costs more than
//! running it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed"
)]

mod a_court_learns_of_its_own_edits_only;
mod a_damaged_record_is_sealed_with_its_damage_named;
mod a_file_is_read_by_one_worker_at_a_time;
mod a_lost_database_or_disk_is_said_clearly;
mod a_package_is_received_exactly_once;
mod a_seat_belongs_to_one_browser;
mod a_witness_signs_one_history_only;
mod authority;
mod common;
mod edits_of_lines_are_kept_beside_the_machines_text;
mod jobs_and_deliveries_outlive_the_process;
mod one_flipped_byte_in_a_bundle_is_found;
mod the_event_chain_cannot_be_rewritten;
mod the_key_of_a_hearing_is_destroyed_by_two_persons;
mod the_log_of_a_hearing_has_no_hole;
mod the_published_seal_can_be_checked;
mod the_record_survives_kill_9_at_any_byte;
mod the_time_of_a_seal_is_stamped;
mod what_lies_on_the_disk_cannot_be_read;
