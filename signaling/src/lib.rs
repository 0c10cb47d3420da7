//! What a hearing is: its state machine, who receives what, rights, and the wire protocol.
//!
//! Pure: no clock, no socket, no database. [`Hearing`] takes a [`Command`] of an [`Actor`] and
//! answers with the [`HearingEvent`]s that follow from it, or with a [`Refusal`]. Applying the
//! events changes the state; replaying all of them restores it after a crash. The forwarding
//! graph of any state is computed by [`who_receives_what`], and by nothing else.

mod graph;
mod hearing;
mod people;
mod view;
pub mod wire;

pub use graph::{
    Graph, Sink, favoured_pictures, is_drafted, sees_lines, what_is_played_back, who_receives_what,
};
pub use hearing::{
    Actor, Command, Hearing, HearingEvent, HearingState, HearingSubject, Participant, Person,
    Presence, RecordFault, Refusal, Stage,
};
pub use people::{Language, Place, Role, TrackRef, TrackSource};
pub use view::hearing_view;
