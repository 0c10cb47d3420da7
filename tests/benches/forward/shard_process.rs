//! The server under test, ours: a media shard in a process of its own.
//!
//! It is the very code that forwards in `otyrys serve`, with the same socket, thread and limits.
//! The other parts of `otyrys serve` sleep while packets flow: no signalling happens. Here the
//! signalling is a line of JSON for each request on standard input, and one for each answer on
//! standard output.

use crate::Outcome;
use otyrys_media::{
    Graph, MediaLimits, Mid, Offer, RoomId, SessionId, Shard, ShardConfig, ShardHandle,
    ShardOutputs, Sink, Source, TrackKey,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::net::{IpAddr, SocketAddr};

/// What the bench calls its own program with.
pub(crate) const ARGUMENT: &str = "media-shard";

/// One line to the shard.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The first one: where to listen.
    Listen { ip: IpAddr },
    Offer {
        room: u32,
        session: u64,
        sdp: String,
        /// By section.
        sound: Option<String>,
        picture: Option<String>,
    },
    /// Who receives everything of whom, in a room.
    Graph { room: u32, edges: Vec<(u64, u64)> },
}

/// One line from it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Response {
    Done,
    Answer { sdp: String },
}

/// Runs until standard input ends.
pub(crate) fn run() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut lines = std::io::stdin().lock().lines();
    let Some(Request::Listen { ip }) = lines
        .next()
        .transpose()?
        .map(|line| serde_json::from_str(&line))
        .transpose()?
    else {
        return Err("the first request is not where to listen".into());
    };
    let (shard, outputs) = Shard::spawn(ShardConfig {
        bind: SocketAddr::new(ip, 0),
        advertised: vec![ip],
        limits: MediaLimits::default(),
    })?;
    let reader = tokio::runtime::Builder::new_current_thread().build()?;
    let reader = std::thread::spawn(move || reader.block_on(read_all(outputs)));
    answer(&Response::Done)?;
    for line in lines {
        let response = runtime.block_on(handle(&shard, serde_json::from_str(&line?)?))?;
        answer(&response)?;
    }
    runtime.block_on(shard.shutdown())?;
    Ok(reader.join().map_err(|_| "the reader of events panicked")?)
}

fn answer(response: &Response) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, response)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Reads what comes out of the shard, as it must be.
async fn read_all(mut outputs: ShardOutputs) {
    loop {
        let more = tokio::select! {
            event = outputs.events.recv() => event.is_some(),
            packet = outputs.recorded.recv() => packet.is_some(),
        };
        if !more {
            return;
        }
    }
}

async fn handle(shard: &ShardHandle, request: Request) -> Outcome<Response> {
    match request {
        Request::Listen { .. } => Err("it listens already".into()),
        Request::Offer {
            room,
            session,
            sdp,
            sound,
            picture,
        } => {
            let sound = sound.map(|mid| (Mid::new(mid), Source::Microphone));
            let picture = picture.map(|mid| (Mid::new(mid), Source::Camera));
            let offer = Offer {
                room: RoomId(room.into()),
                session: SessionId(session),
                sdp,
                // However busy the shard is: it is measured under load.
                comes_back: true,
                sources: sound
                    .into_iter()
                    .chain(picture)
                    .collect::<BTreeMap<Mid, Source>>(),
            };
            let sdp = shard.offer(offer).await?;
            Ok(Response::Answer { sdp })
        }
        Request::Graph { room, edges } => {
            let graph: Graph = edges
                .into_iter()
                .flat_map(|(from, to)| {
                    [Source::Microphone, Source::Camera].map(|source| {
                        let session = SessionId(from);
                        (TrackKey { session, source }, Sink::Session(SessionId(to)))
                    })
                })
                .collect();
            shard.set_graph(RoomId(room.into()), graph)?;
            Ok(Response::Done)
        }
    }
}
