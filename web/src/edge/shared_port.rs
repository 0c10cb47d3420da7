//! HTTPS and the media core's TCP connections at one port number.
//!
//! A network that blocks UDP often lets nothing out but one or two well-known TCP ports. The first
//! byte tells the two apart: TLS begins with a handshake record, 22 (RFC 8446, section 5.1); a
//! framed packet begins with the high byte of its length (RFC 4571, section 2), and 22 there would
//! mean more than 5,632 bytes, which nobody may send.

use axum_server::{
    accept::Accept,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use otyrys_media::ShardHandle;
use std::{io, pin::Pin, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// As long as the TLS handshake may take.
const FIRST_BYTE: Duration = Duration::from_secs(10);
const TLS_HANDSHAKE: u8 = 22;

/// Gives connections to whom they are for.
#[derive(Debug, Clone)]
pub(crate) struct SharedPort {
    tls: RustlsAcceptor,
    /// None: the media core listens for itself.
    shard: Option<ShardHandle>,
}

impl SharedPort {
    pub(crate) fn new(tls: RustlsConfig, shard: Option<ShardHandle>) -> Self {
        Self {
            tls: RustlsAcceptor::new(tls),
            shard,
        }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for SharedPort {
    type Stream = <RustlsAcceptor as Accept<TcpStream, S>>::Stream;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Self { tls, shard } = self.clone();
        Box::pin(async move {
            if let Some(shard) = shard {
                let mut first = [0];
                timeout(FIRST_BYTE, stream.peek(&mut first)).await??;
                if first != [TLS_HANDSHAKE] {
                    // Refused by a core that has too much to do: the client tries again.
                    let _ = shard.adopt(stream.into_std()?);
                    return Err(io::Error::other("a connection of the media core"));
                }
            }
            tls.accept(stream, service).await
        })
    }
}
