//! One visitor of a line test: a connection, what it sends and what it receives.

use super::{
    super::{
        RehearseError, Trust,
        door::{Door, Line, LineTest},
        peer::{LineCount, LineCounters, Peer, PeerEvent, Reports, Sends, SlotCount},
    },
    meter::{Meter, Passed},
    traffic::{SOUND_BPS, Traffic},
};
use crate::bad_line::{Conditions, Relay};
use futures_util::{SinkExt, StreamExt};
use otyrys_media::LineSample;
use otyrys_signaling::wire::{ClientMessage, ServerMessage};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

/// How long ICE and DTLS may take: what a browser's user bears. Without UDP they never come up.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the server may take to answer an offer.
const ANSWER: Duration = Duration::from_secs(10);
/// Changes of a connection's state that may wait.
const PEER_EVENTS: usize = 8;

/// How a visitor joins.
#[derive(Clone)]
pub(super) struct VisitorConfig {
    pub(super) door: Door,
    pub(super) test: LineTest,
    /// Names it in its packets: no other visitor of this process has the number.
    pub(super) number: u32,
    /// Whose sound and picture it can receive: the others', or its own echo.
    pub(super) senders: u32,
    /// A bad line to put before it, and its seed.
    pub(super) bad_line: Option<(Conditions, u64)>,
}

impl VisitorConfig {
    /// The visitor `number`, one of `people` in a test. `bad_line`: put before each of them, with
    /// the seed of the whole run.
    pub(super) fn one_of(
        people: u32,
        door: &Door,
        test: &LineTest,
        number: u32,
        bad_line: Option<(Conditions, u64)>,
    ) -> Self {
        Self {
            door: door.clone(),
            test: test.clone(),
            number,
            senders: (people - 1).max(1),
            // No two lines lose the same packets.
            bad_line: bad_line
                .map(|(line, seed)| (line, seed.wrapping_add(u64::from(number) << 8))),
        }
    }
}

/// Somebody in a line test. Ends when dropped.
pub(super) struct Visitor {
    line: Line,
    peer: Arc<Peer>,
    counters: Arc<LineCounters>,
    meter: Arc<Meter>,
    picture_bps: watch::Sender<u64>,
    traffic: JoinHandle<()>,
    last: (Instant, LineCount),
    /// How long ICE and DTLS took.
    pub(super) connected_in: Duration,
    _relay: Option<Relay>,
}

/// What one visitor saw in an interval.
#[derive(Debug, Clone)]
pub(super) struct Interval {
    pub(super) took: Duration,
    /// Of the packets that the server reported on, the share that it did not get.
    pub(super) up_loss: Option<f32>,
    pub(super) down_loss: Option<f32>,
    /// Bits a second of payload that the server got, as far as is known.
    pub(super) up_bps: u64,
    /// And that came.
    pub(super) down_bps: u64,
    pub(super) passed: Passed,
}

impl Visitor {
    /// Joins, and waits until media flows.
    ///
    /// # Errors
    /// [`RehearseError::Unreachable`] when signalling fails, [`RehearseError::NoMedia`] when it
    /// works and no media comes through.
    pub(super) async fn join(config: VisitorConfig) -> Result<Self, RehearseError> {
        let mut line = config.door.enter_line_test(&config.test).await?;
        let (events, mut peer_events) = mpsc::channel(PEER_EVENTS);
        let (meter, counters) = (Arc::<Meter>::default(), Arc::<LineCounters>::default());
        let key_frame = Arc::new(Notify::new());
        let reports = Reports {
            events,
            key_frame: key_frame.clone(),
            line: counters.clone(),
        };
        let sends = Sends {
            microphone: true,
            camera: true,
        };
        let local = config.door.is_local() || config.bad_line.is_some();
        let mut peer = Peer::new(sends, local, meter.clone(), reports).await?;
        let slots = SlotCount {
            audio: config.senders,
            video: config.senders,
        };
        let offer = ClientMessage::Offer(peer.offer(slots).await?);
        let text = serde_json::to_string(&offer)
            .map_err(|_| RehearseError::Protocol("a message could not be written"))?;
        line.send(Message::text(text))
            .await
            .map_err(RehearseError::unreachable)?;
        let mut sdp = timeout(ANSWER, answer(&mut line))
            .await
            .map_err(|_| RehearseError::unreachable("it did not answer an offer in time"))??;
        let mut relay = None;
        if let Some((conditions, seed)) = config.bad_line {
            let server = candidate(&sdp).ok_or(RehearseError::Protocol("no UDP candidate"))?;
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let laid = Relay::start(any, server, seed, conditions, conditions).await?;
            sdp = by_way_of(&sdp, laid.address());
            relay = Some(laid);
        }
        let began = Instant::now();
        let wires = peer.accept(sdp).await?;
        if timeout(CONNECT, peer_events.recv()).await != Ok(Some(PeerEvent::Connected)) {
            peer.close().await;
            return Err(RehearseError::NoMedia);
        }
        let (picture_bps, rate) = watch::channel(0);
        let traffic = Traffic {
            sender: config.number,
            picture_bps: rate,
            key_frame,
        };
        Ok(Self {
            line,
            peer: Arc::new(peer),
            last: (Instant::now(), counters.count()),
            counters,
            meter,
            picture_bps,
            traffic: tokio::spawn(traffic.run(wires)),
            connected_in: began.elapsed(),
            _relay: relay,
        })
    }

    /// Sends pictures of so many bits a second from now on, beside the sound; 0 is none.
    pub(super) fn show(&self, picture_bps: u64) {
        self.picture_bps.send_replace(picture_bps);
    }

    /// What happened since the last time.
    pub(super) fn interval(&mut self) -> Interval {
        let (now, count) = (Instant::now(), self.counters.count());
        let (since, before) = std::mem::replace(&mut self.last, (now, count));
        let took = now.duration_since(since);
        let bps = |bytes: u64| (bytes as f64 * 8.0 / took.as_secs_f64().max(1e-3)) as u64;
        let share = |lost: u64, of: u64| (of > 0).then(|| lost as f32 / of as f32);
        let reported = count.reported - before.reported;
        let up_loss = share(count.reported_lost - before.reported_lost, reported);
        let expected = count.expected - before.expected;
        let missing = expected.saturating_sub(count.received - before.received);
        let sent_bps = bps(count.sent_bytes - before.sent_bytes);
        Interval {
            took,
            up_loss,
            down_loss: share(missing, expected),
            up_bps: (sent_bps as f64 * (1.0 - f64::from(up_loss.unwrap_or(0.0)))) as u64,
            down_bps: bps(count.received_bytes - before.received_bytes),
            passed: self.meter.take(),
        }
    }

    /// Reads what the server says meanwhile; it answers nothing that matters here, but a full
    /// socket would end the connection. Ends when the server does.
    pub(super) async fn listen(&mut self) {
        while let Some(Ok(message)) = self.line.next().await {
            if let Message::Close(_) = message {
                return;
            }
        }
    }

    /// Leaves.
    pub(super) async fn leave(mut self) {
        self.traffic.abort();
        // A server that is gone has forgotten the visitor already.
        let _ = self.line.close(None).await;
        self.peer.close().await;
    }
}

impl Interval {
    /// Both directions as the grade wants them: up, then down. `wanted_bps`: what this visitor
    /// would send; `others_bps`: what the server got for it to receive.
    pub(super) fn samples(&self, wanted_bps: u64, others_bps: u64) -> [LineSample; 2] {
        let round_trip = self.passed.transit.percentile(0.5);
        let up = LineSample {
            loss: self.up_loss,
            round_trip,
            jitter: None,
            bitrate_bps: self.up_bps,
            wanted_bps: Some(wanted_bps + SOUND_BPS),
            freezes: 0,
            silent: self.up_bps == 0 || (self.up_loss.is_none() && self.passed.packets == 0),
        };
        let down = LineSample {
            loss: self.down_loss,
            round_trip,
            jitter: Some(self.passed.jitter),
            bitrate_bps: self.down_bps,
            wanted_bps: Some(others_bps),
            freezes: self.passed.freezes,
            silent: self.down_bps == 0,
        };
        [up, down]
    }
}

/// Opens a test on a server.
///
/// # Errors
/// Those of [`Door::open_line_test`].
pub(super) async fn open(
    url: &reqwest::Url,
    trust: &Trust,
) -> Result<(Door, LineTest), RehearseError> {
    let door = Door::new(url, trust)?;
    let test = door.open_line_test().await?;
    Ok((door, test))
}

async fn answer(line: &mut Line) -> Result<String, RehearseError> {
    while let Some(message) = line.next().await {
        let Message::Text(text) = message.map_err(RehearseError::unreachable)? else {
            continue;
        };
        match serde_json::from_str(text.as_str()) {
            Ok(ServerMessage::Answer { sdp, .. }) => return Ok(sdp),
            Ok(ServerMessage::Error { error }) => return Err(RehearseError::Refused(error)),
            // Of a newer server, perhaps.
            Ok(_) | Err(_) => {}
        }
    }
    Err(RehearseError::unreachable("it closed the connection"))
}

/// The first UDP candidate of an answer.
fn candidate(sdp: &str) -> Option<SocketAddr> {
    let fields = |line: &str| {
        let mut fields = line.strip_prefix("a=candidate:")?.split(' ');
        let udp = fields.nth(2)?.eq_ignore_ascii_case("udp");
        let ip = fields.nth(1)?.parse().ok()?;
        let port = fields.next()?.parse().ok()?;
        udp.then_some(SocketAddr::new(ip, port))
    };
    sdp.lines().find_map(fields)
}

/// The answer with `relay` as its only candidate.
fn by_way_of(sdp: &str, relay: SocketAddr) -> String {
    let mut placed = false;
    let mut changed = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        if line.starts_with("a=candidate:") {
            if std::mem::replace(&mut placed, true) {
                continue;
            }
            let (ip, port) = (relay.ip(), relay.port());
            changed.push_str(&format!(
                "a=candidate:1 1 udp 2130706431 {ip} {port} typ host"
            ));
        } else {
            changed.push_str(line);
        }
        changed.push_str("\r\n");
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_candidates_become_the_relay() {
        let sdp = "v=0\r\na=candidate:1 1 tcp 9 10.0.0.1 443 typ host tcptype passive\r\n\
                   a=candidate:2 1 udp 8 10.0.0.1 8443 typ host\r\na=mid:0\r\n";
        assert_eq!(candidate(sdp), Some("10.0.0.1:8443".parse().unwrap()));
        let changed = by_way_of(sdp, "127.0.0.1:5".parse().unwrap());
        assert_eq!(
            changed,
            "v=0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 5 typ host\r\na=mid:0\r\n"
        );
    }
}
