//! A bad line that can be repeated: loss, bursts, delay, jitter, reordering, duplicates, a narrow
//! rate, a cut.
//!
//! [`Conditions`] say what a line does to datagrams, [`Wire`] does it to one direction of one
//! line, without a clock, a socket or chance of its own, and [`Relay`] puts such wires between
//! UDP clients and a server. The load tool and the browser tests all make their bad lines here;
//! [`RelayArgs`] is the `otyrys relay` command.

mod command;
mod conditions;
mod dice;
mod relay;
mod wire;

pub use command::{RelayArgs, run};
pub use conditions::Conditions;
pub use relay::{Relay, RelayHandle, Traffic};
pub use wire::Wire;

/// Why a bad line cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BadLineError {
    /// A share that is not between 0 and 1, or a rate of nothing.
    #[error("these conditions cannot be: {0}")]
    Conditions(&'static str),
    /// A socket cannot be bound or used.
    #[error("the relay's socket: {0}")]
    Socket(#[from] std::io::Error),
    /// A line on standard input was not understood.
    #[error("this is no order to the relay: {0}")]
    Order(#[from] serde_json::Error),
    /// The relay has ended.
    #[error("the relay has ended")]
    Ended,
}
