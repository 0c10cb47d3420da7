//! Our server, as the bench drives it.

use crate::Outcome;
use crate::load::{ClientId, Load};
use crate::process::Process;
use crate::sender::Sender;
use crate::server::{Publisher, Room, Server};
use crate::shard_process::{self, Request, Response};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind};

/// A child process with a media shard.
pub(crate) struct Otyrys {
    child: Child,
    requests: Option<ChildStdin>,
    responses: BufReader<ChildStdout>,
    sessions: u64,
    /// The session and client of each publisher.
    publishers: BTreeMap<Publisher, (u64, ClientId)>,
    /// By room: who receives whom.
    edges: BTreeMap<Room, Vec<(u64, u64)>>,
}

impl Otyrys {
    /// Starts the process. Its shard listens at `ip`.
    pub(crate) fn start(ip: IpAddr) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(shard_process::ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take();
        let responses = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut server = Self {
            child,
            requests,
            responses,
            sessions: 0,
            publishers: BTreeMap::new(),
            edges: BTreeMap::new(),
        };
        server.ask(&Request::Listen { ip })?;
        Ok(server)
    }

    fn ask(&mut self, request: &Request) -> Outcome<Response> {
        let requests = self.requests.as_mut().ok_or("the shard has ended")?;
        serde_json::to_writer(&mut *requests, request)?;
        writeln!(requests)?;
        requests.flush()?;
        let mut line = String::new();
        self.responses.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    /// A client with a session of its own that sends if it is a publisher, and has room for the
    /// sound and picture of `receives` others.
    fn join(
        &mut self,
        load: &mut Load,
        room: Room,
        publisher: Option<Publisher>,
        receives: usize,
    ) -> Outcome<(u64, ClientId)> {
        self.sessions += 1;
        let session = self.sessions;
        let id = load.add(|client| {
            let mut change = client.rtc.sdp_api();
            let own = publisher.map(|publisher| {
                let mut add = |kind| change.add_media(kind, Direction::SendOnly, None, None, None);
                (publisher, add(MediaKind::Audio), add(MediaKind::Video))
            });
            for kind in [MediaKind::Audio, MediaKind::Video] {
                for _ in 0..receives {
                    change.add_media(kind, Direction::RecvOnly, None, None, None);
                }
            }
            let (offer, pending) = change.apply().ok_or("an offer of nothing")?;
            let response = self.ask(&Request::Offer {
                room,
                session,
                sdp: offer.to_sdp_string(),
                sound: own.map(|(_, sound, _)| sound.to_string()),
                picture: own.map(|(_, _, picture)| picture.to_string()),
            })?;
            let Response::Answer { sdp } = response else {
                return Err("no answer to an offer".into());
            };
            let answer = SdpAnswer::from_sdp_string(&sdp)?;
            client.rtc.sdp_api().accept_answer(pending, answer)?;
            client.sender = own.map(|(publisher, sound, picture)| {
                Sender::new(publisher, sound, picture, Instant::now())
            });
            Ok(())
        })?;
        Ok((session, id))
    }
}

impl Server for Otyrys {
    fn process(&self) -> Process {
        Process::new(self.child.id())
    }

    fn publish(
        &mut self,
        load: &mut Load,
        room: Room,
        publisher: Publisher,
        receives: usize,
    ) -> Outcome<ClientId> {
        let (session, client) = self.join(load, room, Some(publisher), receives)?;
        self.publishers.insert(publisher, (session, client));
        Ok(client)
    }

    fn receive(
        &mut self,
        load: &mut Load,
        room: Room,
        own: Option<Publisher>,
        feeds: &[Publisher],
    ) -> Outcome<ClientId> {
        let (session, client) = match own {
            Some(own) => self.publishers[&own],
            None => self.join(load, room, None, feeds.len())?,
        };
        let froms: Vec<u64> = feeds.iter().map(|feed| self.publishers[feed].0).collect();
        let edges = self.edges.entry(room).or_default();
        edges.extend(froms.into_iter().map(|from| (from, session)));
        let edges = edges.clone();
        self.ask(&Request::Graph { room, edges })?;
        Ok(client)
    }
}

impl Drop for Otyrys {
    fn drop(&mut self) {
        // It ends when its standard input does; if it hangs, it is ended.
        self.requests = None;
        let mut line = String::new();
        while self
            .responses
            .read_line(&mut line)
            .is_ok_and(|read| read > 0)
        {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
