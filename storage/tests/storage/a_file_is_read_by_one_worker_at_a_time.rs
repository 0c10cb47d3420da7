//! What recognisers of several processes store: only who holds a file writes its lines.

use crate::common::{self, Court, at};
use otyrys_storage::{
    GuessRow, Job, LineRow, NewJob, StorageError, WorkerRow,
    ids::{SegmentId, WorkerId},
};
use serde_json::json;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(15);

fn line(court: &Court, segment: SegmentId, start_ms: u32) -> LineRow {
    LineRow {
        segment,
        ..common::line(court.judge, start_ms, "суд идёт")
    }
}

async fn queued(court: &Court, segment: SegmentId) {
    let job = NewJob {
        kind: "draft".to_owned(),
        key: segment.to_string(),
        hearing: Some(court.hearing),
        payload: json!({}),
        due: at(0),
    };
    court.database.enqueue(&job).await.unwrap();
}

async fn leased(court: &Court, second: i64) -> Option<Job> {
    let leased = court.database.lease(&["draft"], LEASE, at(second)).await;
    leased.unwrap()
}

#[tokio::test]
async fn who_lost_a_file_stores_nothing_of_it_any_more() {
    let court = Court::open().await;
    let (database, hearing) = (&court.database, court.hearing);
    let segment = SegmentId::generate();
    queued(&court, segment).await;
    let first = leased(&court, 0).await.unwrap();
    let lines = [0, 1_000, 2_000].map(|start_ms| line(&court, segment, start_ms));
    // Each line keeps the file: 10 s later it is still the first one's.
    let put = |job: Job, line: LineRow, second| async move {
        database
            .put_line_of_job(&job, hearing, &line, LEASE, at(second))
            .await
    };
    put(first.clone(), lines[0].clone(), 10).await.unwrap();
    put(first.clone(), lines[0].clone(), 10)
        .await
        .expect("twice is once");
    assert_eq!(leased(&court, 20).await, None);
    let second = leased(&court, 30).await.expect("the lease is over");
    let late = put(first.clone(), lines[1].clone(), 31).await;
    assert!(matches!(late, Err(StorageError::Conflict(_))), "{late:?}");
    let guess = GuessRow {
        hearing,
        participant: court.judge,
        guess: json!("суд"),
        guessed_at: at(31),
    };
    let late = database
        .put_guess_of_job(&first, segment, Some(&guess), LEASE, at(31))
        .await;
    assert!(matches!(late, Err(StorageError::Conflict(_))), "{late:?}");
    assert_eq!(database.guesses().await.unwrap(), []);
    put(second.clone(), lines[2].clone(), 31).await.unwrap();
    let stored = database.lines(hearing).await.unwrap();
    assert_eq!(stored, [lines[0].clone(), lines[2].clone()]);

    // The start of a server that runs other kinds of work takes nothing from a worker.
    database.release_leases(&["attach"]).await.unwrap();
    assert_eq!(leased(&court, 32).await, None);
    database.complete(&second).await.unwrap();
    assert_eq!(database.open_jobs("draft").await.unwrap(), []);
}

#[tokio::test]
async fn the_server_sees_what_is_new_and_who_is_there() {
    let court = Court::open().await;
    let (database, hearing) = (&court.database, court.hearing);
    let (one, other, third) = (
        SegmentId::generate(),
        SegmentId::generate(),
        SegmentId::generate(),
    );
    for (segment, start_ms) in [(one, 0), (one, 1_000), (other, 0), (third, 0)] {
        let line = line(&court, segment, start_ms);
        database.put_line(hearing, &line).await.unwrap();
    }
    let new = database
        .lines_after(&[(one, Some(0)), (other, None)])
        .await
        .unwrap();
    let mut told: Vec<_> = new
        .iter()
        .map(|(of, line)| (*of, line.segment, line.start_ms))
        .collect();
    told.sort_by_key(|(_, _, start_ms)| *start_ms);
    assert_eq!(told, [(hearing, other, 0), (hearing, one, 1_000)]);
    // More segments than fit into one question.
    let many: Vec<_> = (0..450)
        .map(|_| (SegmentId::generate(), None))
        .chain([(third, None)])
        .collect();
    assert_eq!(database.lines_after(&many).await.unwrap().len(), 1);
    assert!(database.lines_after(&[]).await.unwrap().is_empty());

    queued(&court, one).await;
    let job = leased(&court, 0).await.unwrap();
    let guess = |text: &str| GuessRow {
        hearing,
        participant: court.judge,
        guess: json!(text),
        guessed_at: at(1),
    };
    for said in [Some(guess("суд")), Some(guess("суд идёт")), None] {
        let stored = database.put_guess_of_job(&job, one, said.as_ref(), LEASE, at(1));
        stored.await.unwrap();
        assert_eq!(
            database.guesses().await.unwrap(),
            said.into_iter().collect::<Vec<_>>()
        );
    }

    let worker = |waiting_ms, second| WorkerRow {
        id: WorkerId::from_u128(1),
        model: "ggml-base.bin".to_owned(),
        model_sha256: "00".to_owned(),
        waiting_ms,
        seen_at: at(second),
    };
    let newer = WorkerRow {
        id: WorkerId::from_u128(2),
        ..worker(0, 5)
    };
    for row in [worker(7, 1), newer.clone(), worker(9, 3)] {
        database.note_worker(&row).await.unwrap();
    }
    assert_eq!(database.workers().await.unwrap(), [newer, worker(9, 3)]);
    let tomorrow = worker(0, 25 * 60 * 60);
    database.note_worker(&tomorrow).await.unwrap();
    assert_eq!(database.workers().await.unwrap(), [tomorrow]);
}
