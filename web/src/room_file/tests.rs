//! Room files of tracks that do harm.

use super::*;
use crate::test_court::TestCourt;
use jiff::Timestamp;
use otyrys_media::{
    Codec,
    film::{FilmInput, FilmPerson, FilmSource, Stretch, Stretches},
};
use std::{fs::File, path::Path, process::Command};

/// The process that the tests start.
#[test]
#[ignore = "the process that the other test starts"]
fn film_process() {
    film::run_film().expect("a film");
}

fn program() -> RecorderProgram {
    let test = concat!(module_path!(), "::film_process");
    let (_, test) = test.split_once("::").unwrap_or_default();
    RecorderProgram::this(&["--exact", "--ignored", "--nocapture", test])
}

fn run(command: &mut Command) {
    assert!(command.status().expect("a command").success());
}

/// Two seconds of a picture of this colour.
fn camera(dir: &Path, colour: &str) -> FilmFile {
    let path = dir.join(format!("{colour}.webm"));
    let picture = format!("color={colour}:size=320x180:rate=30:d=2");
    let ffmpeg = [
        "-v", "error", "-f", "lavfi", "-i", &picture, "-c:v", "libvpx",
    ];
    run(Command::new("ffmpeg").args(ffmpeg).arg(&path));
    let bytes = path.metadata().expect("a film").len();
    FilmFile { path, bytes }
}

struct FilmFile {
    path: std::path::PathBuf,
    bytes: u64,
}

/// A file; whoever decodes it dies, as of a fault in a decoder.
struct Input {
    file: File,
    kills: bool,
}

impl io::Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.kills {
            let children = std::fs::read_to_string("/proc/thread-self/children")?;
            for child in children.split_whitespace() {
                run(Command::new("kill").args(["-9", child]));
            }
        }
        self.file.read(into)
    }
}

impl io::Seek for Input {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[tokio::test]
async fn a_track_that_kills_its_decoder_is_left_out_and_the_film_is_made() {
    const KILLER: usize = 1;
    let court = TestCourt::open().await;
    let hearing = court.hearing(Timestamp::UNIX_EPOCH).await;
    let dir = tempfile::tempdir().expect("a folder");
    let files = ["red", "blue"].map(|colour| camera(dir.path(), colour));
    let (starts_ms, ends_ms) = (0, 2_000);
    let person = |name: &str| FilmPerson {
        name: name.to_owned(),
        role: "Судья".to_owned(),
    };
    let inputs = files.iter().enumerate().map(|(person, file)| FilmInput {
        person: Some(person),
        source: FilmSource::Camera,
        codec: Codec::Vp8,
        starts_ms,
        ends_ms,
        bytes: file.bytes,
    });
    let stretch = Stretch {
        from_ms: starts_ms,
        to_ms: ends_ms,
    };
    let mut plan = FilmPlan {
        stretches: Stretches::new([stretch]),
        people: vec![person("A"), person("B")],
        inputs: inputs.collect(),
    };
    let shelf = Shelf::open(&court.stores, hearing, &plan).expect("a shelf");
    let open = |input: usize| {
        let file = File::open(&files[input].path)?;
        let kills = input == KILLER;
        Ok(Input { file, kills })
    };

    let made = make_parts(&program(), &shelf, &mut plan, open, &mut |_| Ok(()));
    made.expect("the film is made");

    let is_left_out = |input: &FilmInput| input.ends_ms == input.starts_ms;
    let left_out: Vec<_> = plan.inputs.iter().map(is_left_out).collect();
    assert_eq!(left_out, [false, true]);
    shelf.join(plan.parts(), &[]).expect("a film");
    assert!(shelf.is_made());
}
