//! What a line test says, for people and for programs.

use super::super::line_words::Words;
use otyrys_media::{Cause, Grade};
use otyrys_signaling::Language;
use serde::{Serialize, Serializer};
use std::process::ExitCode;

/// What was tried before sound and picture; nothing where it did not come to that.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checks {
    /// A TCP connection to the server's port, in milliseconds.
    pub tcp_ms: Option<f64>,
    /// TLS and an answer of the server.
    pub https_ms: Option<f64>,
    /// Whether sound and picture (UDP) get through.
    pub udp: Option<bool>,
    /// Until they flowed.
    pub media_ms: Option<f64>,
}

/// Why nothing could be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// No TCP connection to the server.
    Unreachable,
    /// No TLS connection, or a certificate that is not believed.
    Tls,
    /// Something else answers there.
    NotOtyrys,
    /// The signalling connection (WebSocket) is cut.
    Signalling,
    /// Too many line tests at this moment.
    Busy,
    /// The server has no line tests.
    NoTests,
    /// Signalling works, sound and picture do not come through.
    NoUdp,
}

/// One direction of a line, all people of the site together.
#[derive(Debug, Clone, Serialize)]
pub struct Direction {
    /// Share lost, before any repair.
    pub loss: Option<f32>,
    /// Largest jitter of the sound, from sender to receiver.
    pub jitter_ms: Option<f64>,
    /// Bits a second of sound and picture while the hearing was played.
    pub bitrate_bps: u64,
    /// Most bits a second that came through while rates were tried.
    pub carried_bps: u64,
    /// Whether the line did not carry a higher rate; else it was not asked for more.
    pub limited: bool,
    /// Freezes of all pictures.
    pub freezes: u32,
    /// How good.
    #[serde(serialize_with = "grade_word")]
    pub grade: Grade,
    /// What makes it worse than good.
    #[serde(serialize_with = "cause_word")]
    pub cause: Cause,
}

/// The outcome of a line test.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The server.
    pub server: String,
    /// People of this site.
    pub people: u32,
    /// What was tried first.
    pub checks: Checks,
    /// Why nothing could be measured.
    pub fault: Option<Fault>,
    /// From here to the server.
    pub up: Option<Direction>,
    /// From the server.
    pub down: Option<Direction>,
    /// Of the sound, to the server and back.
    pub round_trip_ms: Option<f64>,
    /// Share of the sound that did not come back at all.
    pub sound_missing: Option<f64>,
    /// How good the line is for a hearing.
    #[serde(serialize_with = "grade_word")]
    pub grade: Grade,
    /// What makes it worse than good.
    #[serde(serialize_with = "cause_word")]
    pub cause: Cause,
}

impl Verdict {
    pub(super) fn new(server: &str, people: u32) -> Self {
        Self {
            server: server.to_owned(),
            people,
            checks: Checks::default(),
            fault: None,
            up: None,
            down: None,
            round_trip_ms: None,
            sound_missing: None,
            grade: Grade::Poor,
            cause: Cause::Silent,
        }
    }

    /// A line is as good as its worse direction.
    pub(super) fn conclude(&mut self, up: Direction, down: Direction) {
        let worse = if down.grade > up.grade { &down } else { &up };
        (self.grade, self.cause) = (worse.grade, worse.cause);
        (self.up, self.down) = (Some(up), Some(down));
    }

    /// 0 good, 1 fair, 2 poor or not measured.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.grade {
            Grade::Good => 0,
            Grade::Fair => 1,
            Grade::Poor => 2,
        })
    }

    /// For people.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        Words::of(language).verdict(self)
    }
}

fn grade_word<S: Serializer>(grade: &Grade, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match grade {
        Grade::Good => "good",
        Grade::Fair => "fair",
        Grade::Poor => "poor",
    })
}

fn cause_word<S: Serializer>(cause: &Cause, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match cause {
        Cause::None => "none",
        Cause::Silent => "silent",
        Cause::Bandwidth => "bandwidth",
        Cause::Loss => "loss",
        Cause::Delay => "delay",
        Cause::Jitter => "jitter",
        Cause::Freezes => "freezes",
    })
}
