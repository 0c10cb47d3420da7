//! Janus with its video room, as Debian packages it.

use crate::Outcome;
use crate::load::{ClientId, Load};
use crate::process::Process;
use crate::sender::Sender;
use crate::server::{Publisher, Room, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::{Direction, MediaKind};
use tempfile::TempDir;
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

/// A Janus process with its WebSocket.
pub(crate) struct Janus {
    child: Child,
    /// Its configuration, which goes with it.
    _folder: TempDir,
    socket: WebSocket<TcpStream>,
    session: u64,
    requests: u64,
    rooms: Vec<Room>,
    /// What the video room calls each publisher.
    feeds: BTreeMap<Publisher, u64>,
}

impl Janus {
    /// Starts `janus` with a configuration of its own. It finds its addresses itself.
    pub(crate) fn start() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        configure(&folder, port)?;
        let child = Command::new("janus")
            .arg("--configs-folder")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("janus does not start ({error}); apt-get install janus"))?;
        let stream = connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let mut request = format!("ws://127.0.0.1:{port}/").into_client_request()?;
        request.headers_mut().insert(
            "Sec-WebSocket-Protocol",
            HeaderValue::from_static("janus-protocol"),
        );
        let (socket, _) = tungstenite::client(request, stream)
            .map_err(|error| format!("janus takes no WebSocket: {error}"))?;
        let mut janus = Self {
            child,
            _folder: folder,
            socket,
            session: 0,
            requests: 0,
            rooms: Vec::new(),
            feeds: BTreeMap::new(),
        };
        let created = janus.ask(json!({ "janus": "create" }), "success")?;
        janus.session = id(&created["data"]["id"])?;
        Ok(janus)
    }

    /// Sends a request and waits for the response of `kind` to it; what else comes is passed over.
    fn ask(&mut self, mut request: Value, kind: &str) -> Outcome<Value> {
        self.requests += 1;
        let transaction = self.requests.to_string();
        request["transaction"] = json!(transaction);
        if self.session != 0 {
            request["session_id"] = json!(self.session);
        }
        self.socket.send(Message::text(request.to_string()))?;
        loop {
            let Message::Text(text) = self.socket.read()? else {
                continue;
            };
            let response: Value = serde_json::from_str(&text)?;
            if response["transaction"] != transaction {
                continue;
            }
            let failed =
                response["janus"] == "error" || response["plugindata"]["data"]["error"].is_string();
            if failed {
                return Err(format!("janus refuses {request}: {response}").into());
            }
            if response["janus"] == kind {
                return Ok(response);
            }
        }
    }

    fn attach(&mut self) -> Outcome<u64> {
        let attach = json!({ "janus": "attach", "plugin": "janus.plugin.videoroom" });
        let attached = self.ask(attach, "success")?;
        id(&attached["data"]["id"])
    }

    /// A message to the video room that is answered later, by an event.
    fn message(&mut self, handle: u64, body: Value, jsep: Option<Value>) -> Outcome<Value> {
        let mut request = json!({ "janus": "message", "handle_id": handle, "body": body });
        if let Some(jsep) = jsep {
            request["jsep"] = jsep;
        }
        self.ask(request, "event")
    }

    fn all_candidates_told(&mut self, handle: u64) -> Outcome<()> {
        let completed =
            json!({ "janus": "trickle", "handle_id": handle, "candidate": { "completed": true } });
        self.ask(completed, "ack")?;
        Ok(())
    }

    fn ensure_room(&mut self, handle: u64, room: Room) -> Outcome<()> {
        if self.rooms.contains(&room) {
            return Ok(());
        }
        // Everything else is as Janus has it by default; without a limit of its own on what a
        // publisher sends.
        let create =
            json!({ "request": "create", "room": room + 1, "publishers": 100, "bitrate": 0 });
        let request = json!({ "janus": "message", "handle_id": handle, "body": create });
        self.ask(request, "success")?;
        self.rooms.push(room);
        Ok(())
    }
}

impl Server for Janus {
    fn process(&self) -> Process {
        Process::new(self.child.id())
    }

    fn publish(
        &mut self,
        load: &mut Load,
        room: Room,
        publisher: Publisher,
        _receives: usize,
    ) -> Outcome<ClientId> {
        let handle = self.attach()?;
        self.ensure_room(handle, room)?;
        let join = json!({ "request": "join", "ptype": "publisher", "room": room + 1 });
        let joined = self.message(handle, join, None)?;
        let feed = id(&joined["plugindata"]["data"]["id"])?;
        self.feeds.insert(publisher, feed);
        load.add(|client| {
            let mut change = client.rtc.sdp_api();
            let mut add = |kind| change.add_media(kind, Direction::SendOnly, None, None, None);
            let (sound, picture) = (add(MediaKind::Audio), add(MediaKind::Video));
            let (offer, pending) = change.apply().ok_or("an offer of nothing")?;
            let jsep = json!({ "type": "offer", "sdp": offer.to_sdp_string() });
            let answered = self.message(handle, json!({ "request": "publish" }), Some(jsep))?;
            let answer = SdpAnswer::from_sdp_string(text(&answered["jsep"]["sdp"])?)?;
            client.rtc.sdp_api().accept_answer(pending, answer)?;
            client.sender = Some(Sender::new(publisher, sound, picture, Instant::now()));
            self.all_candidates_told(handle)
        })
    }

    /// In Janus whoever receives has a peer connection for that alone, also if it publishes.
    fn receive(
        &mut self,
        load: &mut Load,
        room: Room,
        _own: Option<Publisher>,
        feeds: &[Publisher],
    ) -> Outcome<ClientId> {
        let handle = self.attach()?;
        let streams: Vec<Value> = feeds
            .iter()
            .map(|feed| json!({ "feed": self.feeds[feed] }))
            .collect();
        let join = json!({ "request": "join", "ptype": "subscriber", "room": room + 1, "streams": streams });
        let attached = self.message(handle, join, None)?;
        load.add(|client| {
            let offer = SdpOffer::from_sdp_string(text(&attached["jsep"]["sdp"])?)?;
            let answer = client.rtc.sdp_api().accept_offer(offer)?;
            let jsep = json!({ "type": "answer", "sdp": answer.to_sdp_string() });
            self.message(handle, json!({ "request": "start" }), Some(jsep))?;
            self.all_candidates_told(handle)
        })
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Only what it needs to be told: where it listens, and to log and load no more than it must.
fn configure(folder: &TempDir, port: u16) -> Outcome<()> {
    let files = [
        (
            "janus.jcfg",
            "general: {
                debug_level = 2
                session_timeout = 0
            }
            plugins: {
                disable = \"libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so\"
            }
            transports: {
                disable = \"libjanus_http.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so\"
            }"
            .to_owned(),
        ),
        (
            "janus.transport.websockets.jcfg",
            format!(
                "general: {{
                    ws = true
                    ws_port = {port}
                    ws_ip = \"127.0.0.1\"
                }}"
            ),
        ),
        ("janus.plugin.videoroom.jcfg", "general: {}".to_owned()),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text)?;
    }
    Ok(())
}

/// Connects as soon as somebody listens.
fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    const TRIES: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(100);
    /// An answer of Janus that takes so long does not come.
    const PATIENCE: Duration = Duration::from_secs(10);

    for _ in 0..TRIES {
        if let Ok(stream) = TcpStream::connect(address) {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            return Ok(stream);
        }
        std::thread::park_timeout(PAUSE);
    }
    Err("janus does not listen".into())
}

fn id(value: &Value) -> Outcome<u64> {
    value
        .as_u64()
        .ok_or_else(|| format!("janus gave no id but {value}").into())
}

fn text(value: &Value) -> Outcome<&str> {
    value
        .as_str()
        .ok_or_else(|| format!("janus gave no SDP but {value}").into())
}
