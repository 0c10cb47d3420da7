//! The record as it is found when it is to be sealed: read to its last byte, with what is damaged.

use super::{AttachError, source_of};
use crate::{hub::new_event, stores::Stores};
use jiff::Timestamp;
use otyrys_signaling::HearingEvent;
use otyrys_storage::{
    Damage, Digest, NewEvent, SegmentRecord, StorageError, StoredEvent, ids::HearingId,
};

/// A segment whose every byte was read.
#[derive(Debug, Clone)]
pub(super) struct Examined {
    pub(super) record: SegmentRecord,
    /// Of its bytes, with zeros for what is damaged.
    pub(super) sha256: Digest,
    pub(super) damage: Vec<Damage>,
}

impl Examined {
    /// Reads the segments of a hearing. Blocks on the disk.
    pub(super) fn all(stores: &Stores, hearing: HearingId) -> Result<Vec<Self>, StorageError> {
        let records = stores.spool.segments(hearing)?.into_iter();
        let examine = |record| {
            let (sha256, damage) = stores.spool.reader(&record)?.examine()?;
            Ok(Self {
                record,
                sha256,
                damage,
            })
        };
        records.map(examine).collect()
    }

    /// Whether its first bytes are damaged, without which no player knows what the others are.
    pub(super) fn has_no_beginning(&self) -> bool {
        self.damage.first().is_some_and(|damage| damage.offset == 0)
    }
}

/// Writes what is damaged into the log of the hearing, before the log ends. Once: what an interrupted
/// attempt has written is found.
pub(super) async fn note_damage(
    stores: &Stores,
    hearing: HearingId,
    segments: &[Examined],
) -> Result<(), AttachError> {
    let mut found = Vec::new();
    for segment in segments {
        for damage in &segment.damage {
            found.push(event(segment, damage)?);
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let known = stores.database.events(hearing).await?;
    let is_known = |event: &NewEvent| {
        let same = |known: &StoredEvent| known.kind == event.kind && known.data == event.data;
        known.iter().any(same)
    };
    found.retain(|event| !is_known(event));
    for event in &found {
        tracing::error!(hearing.id = %hearing, damage = %event.data, "a piece of the record is damaged: the rest is sealed");
    }
    stores.database.append_events(hearing, found).await?;
    Ok(())
}

fn event(segment: &Examined, damage: &Damage) -> Result<NewEvent, StorageError> {
    let facts = &segment.record.facts;
    let damaged = HearingEvent::RecordDamaged {
        participant: facts.participant,
        source: source_of(facts)?,
        segment: facts.segment,
        from_ms: damage.from_ms,
        to_ms: damage.to_ms,
    };
    new_event(Timestamp::now(), None, None, &damaged)
}
