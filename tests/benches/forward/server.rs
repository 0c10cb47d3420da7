//! What the bench asks of a server, whichever it is.

use crate::Outcome;
use crate::load::{ClientId, Load};
use crate::process::Process;

/// A number that a publisher was given, from 0.
pub(crate) type Publisher = u32;

/// A meeting: publishers and receivers of different rooms have nothing to do with each other.
pub(crate) type Room = u32;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Otyrys,
    Janus,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Otyrys => "otyrys",
            Self::Janus => "janus",
        }
    }
}

/// A server that runs in a process of its own, which ends with the value.
pub(crate) trait Server {
    /// Whose time and memory are measured.
    fn process(&self) -> Process;

    /// Connects somebody who sends sound and a picture in `room`, and will receive `receives`
    /// others. Publishers are numbered in the order in which they come.
    fn publish(
        &mut self,
        load: &mut Load,
        room: Room,
        publisher: Publisher,
        receives: usize,
    ) -> Outcome<ClientId>;

    /// Lets somebody receive `feeds`: the publisher `own`, or else a newcomer. Returns the client
    /// that receives.
    fn receive(
        &mut self,
        load: &mut Load,
        room: Room,
        own: Option<Publisher>,
        feeds: &[Publisher],
    ) -> Outcome<ClientId>;
}
