//! The witnesses (<https://c2sp.org/tlog-witness>), over HTTP.

use super::{client, words};
use crate::{
    bounded_body::bounded_body,
    cli::{CommandError, explain},
    config::WitnessConfig,
    stores::Stores,
};
use futures_util::future::join_all;
use otyrys_storage::{
    Bundle, StorageError, WitnessKey, WitnessQuestion, ids::HearingId, manifest::COSIGNED_NAME,
};
use reqwest::{Client, StatusCode};
use std::{fs, future::pending, io};
use tokio::sync::Notify;

/// Most bytes of an answer: a size, or a few signatures of 150 bytes.
const ANSWER_BYTES: usize = 4 << 10;

/// All witnesses of this server.
#[derive(Default)]
pub(crate) struct Witnesses(Vec<Witness>);

struct Witness {
    client: Client,
    url: String,
    key: WitnessKey,
}

impl Witnesses {
    pub(crate) fn new(config: &[WitnessConfig]) -> Result<Self, CommandError> {
        let witness = |config: &WitnessConfig| -> Result<Witness, CommandError> {
            let key = config.key.parse();
            let key = key.map_err(|reason| format!("seal.witness: the key: {reason}"))?;
            let trust = config.trust.as_ref().map(fs::read).transpose()?;
            Ok(Witness {
                client: client(trust.as_deref())?,
                url: format!("{}/add-checkpoint", config.url.trim_end_matches('/')),
                key,
            })
        };
        config
            .iter()
            .map(witness)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Sends the last checkpoint of an open hearing to every witness whenever there is a new one,
    /// without end. Those that came while a witness was slow or down are left out: the next one
    /// proves that it grew out of them.
    pub(crate) async fn follow(&self, stores: &Stores, hearing: HearingId, signed: &Notify) {
        if self.0.is_empty() {
            return pending().await;
        }
        loop {
            signed.notified().await;
            if let Err(error) = self.sign_checkpoint(stores, hearing).await {
                tracing::warn!(hearing.id = %hearing, error = explain(&error), "witnesses were not asked");
            }
        }
    }

    pub(super) async fn sign_checkpoint(
        &self,
        stores: &Stores,
        hearing: HearingId,
    ) -> Result<(), StorageError> {
        let Stores {
            database, spool, ..
        } = stores;
        let question = WitnessQuestion::of_log(database, spool, hearing).await?;
        let Some(question) = question else {
            return Ok(());
        };
        let asked = self
            .0
            .iter()
            .map(|witness| witness.ask(stores, hearing, &question));
        for (witness, answer) in self.0.iter().zip(join_all(asked).await) {
            let name = witness.key.name();
            match answer? {
                Ok(line) => {
                    let size = question.size();
                    database.add_cosignature(hearing, size, name, &line).await?;
                }
                Err(cause) => {
                    tracing::warn!(hearing.id = %hearing, witness = name, cause, "a witness did not sign a checkpoint");
                }
            }
        }
        Ok(())
    }

    /// Asks the witnesses that have not signed the seal of a bundle, and puts their signatures beside
    /// it; tells, in words, which are still missing.
    pub(super) async fn sign_seal(
        &self,
        stores: &Stores,
        bundle: &Bundle,
    ) -> Result<Vec<String>, StorageError> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let (there, keys) = (bundle.clone(), stores.spool.keys().clone());
        let question =
            tokio::task::spawn_blocking(move || WitnessQuestion::of_seal(&there, &keys)).await;
        let question = question.map_err(|error| StorageError::NotWritable {
            what: "the seal".to_owned(),
            source: io::Error::other(error),
        })??;
        let signed = bundle
            .attestation(COSIGNED_NAME)?
            .and_then(|note| String::from_utf8(note).ok());
        let mut note = signed.clone().unwrap_or_else(|| question.note().to_owned());
        let is_missing = |witness: &&Witness| question.answered(&note, &witness.key).is_err();
        let missing: Vec<&Witness> = self.0.iter().filter(is_missing).collect();
        let hearing = bundle.manifest.hearing;
        let asked = missing
            .iter()
            .map(|witness| witness.ask(stores, hearing, &question));
        let mut causes = Vec::new();
        for (witness, answer) in missing.iter().zip(join_all(asked).await) {
            match answer? {
                Ok(line) => note.push_str(&line),
                Err(cause) => causes.push(format!("the witness {}: {cause}", witness.key.name())),
            }
        }
        if note != signed.as_deref().unwrap_or(question.note()) {
            bundle.attest(COSIGNED_NAME, note.as_bytes())?;
        }
        Ok(causes)
    }
}

impl Witness {
    /// Its signature line; in words, why there is none.
    async fn ask(
        &self,
        stores: &Stores,
        hearing: HearingId,
        question: &WitnessQuestion,
    ) -> Result<Result<String, String>, StorageError> {
        let known = stores.database.witnessed(hearing, self.key.name()).await?;
        Ok(match self.send(question, known).await {
            // It has seen more than we know, for an answer was lost; or less, for it was set up anew.
            Ok(Answer::OtherSize(size)) => match self.send(question, size).await {
                Ok(Answer::Signed(line)) => Ok(line),
                Ok(Answer::OtherSize(size)) => Err(format!("it has seen {size} leaves")),
                Err(cause) => Err(cause),
            },
            Ok(Answer::Signed(line)) => Ok(line),
            Err(cause) => Err(cause),
        })
    }

    async fn send(&self, question: &WitnessQuestion, old: u64) -> Result<Answer, String> {
        let Some(body) = question.body(old) else {
            // Somebody has taken back a part of a hearing's log, or signed it twice.
            tracing::error!(
                witness = self.key.name(),
                size.witness = old,
                size.here = question.size(),
                "a witness has seen more of a log than there is: somebody must look"
            );
            return Err(format!("it has seen {old} leaves, and there are fewer"));
        };
        let sent = self.client.post(&self.url).body(body).send().await;
        let response = sent.map_err(words)?;
        let status = response.status();
        let body = bounded_body(response, ANSWER_BYTES).await;
        let body = body.and_then(|body| String::from_utf8(body).ok());
        let body = body.ok_or("its answer is too long or not whole")?;
        match status {
            StatusCode::OK => Ok(Answer::Signed(question.answered(&body, &self.key)?)),
            StatusCode::CONFLICT => match body.trim_end().parse() {
                Ok(size) => Ok(Answer::OtherSize(size)),
                Err(_) => Err(status.to_string()),
            },
            _ => Err(status.to_string()),
        }
    }
}

/// What a witness answers.
enum Answer {
    Signed(String),
    OtherSize(u64),
}
