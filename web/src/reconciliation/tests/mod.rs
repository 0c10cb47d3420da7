//! What a day is found to have left.

mod a_clerk_is_told_what_to_do;
mod a_day_is_looked_at_as_it_lies_on_the_disk;
mod each_kind_of_mismatch_is_found;
mod the_record_must_hold_what_the_log_says;
