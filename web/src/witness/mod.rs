//! `otyrys witness`: a small server that signs the checkpoints of courts' hearings as far as they
//! contradict nothing that it saw before (<https://c2sp.org/tlog-witness>).

#[cfg(test)]
mod tests;

use crate::{
    cli::{CommandError, explain, tell},
    config::Config,
    serve::shutdown_signal,
    tls,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use axum_server::{Handle, tls_rustls::RustlsConfig};
use jiff::Timestamp;
use otyrys_storage::{
    NodeKey, PublicKey, WitnessLedger, WitnessRefusal, witness_ledger::MAX_REQUEST_BYTES,
};
use std::{io, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

/// Requests that are under way get so long when the witness stops: each takes some writes.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the witness until it is told to stop.
///
/// # Errors
/// Whatever keeps it from starting, in words for the operator.
pub async fn run(config: &Config) -> Result<ExitCode, CommandError> {
    let (own, dir) = (&config.witness, &config.server.data_dir);
    let courts = own.courts.iter().map(|key| key.parse::<PublicKey>());
    let courts = courts.collect::<Result<Vec<_>, _>>()?;
    let key = NodeKey::load_or_create(&dir.join("keys").join("witness.pem"))?;
    let ledger = WitnessLedger::open(&dir.join("witness"), &own.name, key, courts)?;
    let address = config.server.listen;
    let files = tls::certificate_files(&config.server, &[address.ip()])?;
    let tls = RustlsConfig::from_pem_file(&files.certificate, &files.private_key).await?;
    tell(
        &mut io::stdout(),
        &format!("The key of this witness: {}", ledger.public()),
    );
    let handle: Handle<SocketAddr> = Handle::new();
    let served = axum_server::bind_rustls(address, tls)
        .handle(handle.clone())
        .serve(router(ledger).into_make_service());
    tokio::select! {
        ended = served => ended?,
        told = shutdown_signal() => {
            told?;
            handle.graceful_shutdown(Some(GRACE));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn router(ledger: WitnessLedger) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(Arc::new(ledger))
}

async fn add_checkpoint(State(ledger): State<Arc<WitnessLedger>>, body: String) -> Response {
    let added = tokio::task::spawn_blocking(move || ledger.add(&body, Timestamp::now()));
    let Ok(added) = added.await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match added {
        Ok(line) => line.into_response(),
        Err(refusal) => refused(&refusal),
    }
}

/// The status codes that c2sp.org/tlog-witness names.
fn refused(refusal: &WitnessRefusal) -> Response {
    let size = |size: u64| {
        let kind = [(header::CONTENT_TYPE, "text/x.tlog.size")];
        (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response()
    };
    match refusal {
        WitnessRefusal::Malformed => StatusCode::BAD_REQUEST.into_response(),
        WitnessRefusal::UnknownLog => StatusCode::NOT_FOUND.into_response(),
        WitnessRefusal::UnknownKey => StatusCode::FORBIDDEN.into_response(),
        WitnessRefusal::OtherSize(seen) => size(*seen),
        // The court's own key has signed what contradicts it: only the court can have done it.
        WitnessRefusal::Forked(seen) => {
            tracing::error!(error = %refusal, "a court has signed two histories of a hearing");
            size(*seen)
        }
        WitnessRefusal::NotConsistent => {
            tracing::error!(error = %refusal, "a court has signed two histories of a hearing, or sent a wrong proof");
            StatusCode::UNPROCESSABLE_ENTITY.into_response()
        }
        WitnessRefusal::Storage(error) => {
            tracing::error!(
                error = explain(error),
                "what was seen cannot be read or kept"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
