//! `otyrys relay`.

use super::{BadLineError, Conditions, Relay, RelayHandle};
use crate::cli::tell;
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use std::{io, net::SocketAddr};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

/// Puts a bad line between people and a server's UDP port, to try what it does to a hearing. The
/// server must advertise the relay's address (media.advertise).
///
/// Standard input changes the line while it runs, one JSON object a line: `up`, `down` or `both`
/// with what is to hold from now on, as {"both":{"loss":0.05,"cut":false}}, or {"traffic":true}.
/// What is not named is perfect. Each line is answered by one. It ends with standard input.
#[derive(Debug, Clone, Args)]
pub struct RelayArgs {
    /// Where people reach the relay.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The server's UDP port.
    #[arg(long, value_name = "ADDRESS")]
    pub to: SocketAddr,
    /// Repeats the same chance for the same number.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// What the line does at first, both ways.
    #[command(flatten)]
    pub conditions: Conditions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Order {
    up: Option<Conditions>,
    down: Option<Conditions>,
    both: Option<Conditions>,
    traffic: bool,
}

/// Runs the relay until standard input ends.
///
/// # Errors
/// [`BadLineError::Socket`], [`BadLineError::Conditions`]. An order that is not understood is
/// answered, and the relay goes on.
pub async fn run(args: RelayArgs) -> Result<(), BadLineError> {
    let conditions = args.conditions.checked()?;
    let relay = Relay::start(args.listen, args.to, args.seed, conditions, conditions).await?;
    say(&json!({ "listening": relay.address() }));
    let handle = relay.handle();
    let mut orders = BufReader::new(stdin()).lines();
    while let Some(line) = orders.next_line().await? {
        match obey(&handle, &line).await {
            Ok(answer) => say(&answer),
            Err(BadLineError::Ended) => return Err(BadLineError::Ended),
            Err(error) => say(&json!({ "error": error.to_string() })),
        }
    }
    Ok(())
}

async fn obey(relay: &RelayHandle, line: &str) -> Result<serde_json::Value, BadLineError> {
    let order: Order = serde_json::from_str(line)?;
    let checked = |one: Option<Conditions>| one.or(order.both).map(Conditions::checked).transpose();
    let (up, down) = (checked(order.up)?, checked(order.down)?);
    relay.set(up, down).await?;
    if order.traffic {
        return Ok(json!({ "traffic": relay.traffic().await? }));
    }
    Ok(json!({ "ok": true }))
}

fn say(answer: &serde_json::Value) {
    tell(&mut io::stdout(), &answer.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn orders_are_obeyed_or_refused_in_words() {
        let any = "127.0.0.1:0".parse().unwrap();
        let perfect = Conditions::default();
        let relay = Relay::start(any, any, 1, perfect, perfect).await.unwrap();
        let handle = relay.handle();
        let answer = obey(&handle, r#"{"both":{"loss":0.2},"up":{"cut":true}}"#).await;
        assert_eq!(answer.unwrap(), json!({ "ok": true }));
        let answer = obey(&handle, r#"{"traffic":true}"#).await.unwrap();
        assert_eq!(answer["traffic"]["up"], 0);
        for nonsense in ["", "{\"lose\":1}", r#"{"both":{"loss":2}}"#] {
            assert!(obey(&handle, nonsense).await.is_err(), "{nonsense}");
        }
    }
}
