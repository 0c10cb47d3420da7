//! What the media core does, seen from outside: clients join it over a network that loses, delays
//! and reorders, on virtual time.

mod allocations;
mod client;
mod peer;
mod watched;
mod world;

mod a_bug_ends_one_hearing_only;
mod a_busy_shard_shrinks_pictures_and_leaves_sound_alone;
mod a_client_that_offers_again_keeps_its_place;
mod a_client_without_udp_is_served_over_tcp;
mod a_clock_that_jumps_breaks_nothing;
mod a_handshake_that_never_ends_is_given_up;
mod a_picture_in_h264_reaches_those_who_can_show_it;
mod a_replayed_check_steals_nothing;
mod a_session_without_an_edge_gets_no_packet;
mod a_shard_forwards_over_a_real_socket;
mod a_slot_goes_on_counting_when_its_source_changes;
mod garbage_is_survived;
mod hostile_datagrams_are_bounded;
mod key_frames_are_asked_for_sparingly;
mod layers_follow_line_and_page;
mod lost_pictures_are_repaired;
mod nobody_sends_more_than_the_limits;
mod one_port_serves_ipv4_and_ipv6;
mod somebody_who_vanished_comes_back;
mod sound_and_picture_reach_the_others;
mod sound_in_red_survives_loss;
mod the_loudest_are_named;
mod the_recorder_gets_every_packet;
mod what_is_forwarded_costs_no_memory;
