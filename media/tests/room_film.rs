//! The room file of a short hearing, looked at by FFmpeg.

#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed"
)]

use otyrys_media::Codec;
use otyrys_media::film::{
    Chapter, FilmError, FilmInput, FilmNotice, FilmPerson, FilmPlan, FilmSource, Part, Stretch,
    Stretches, join, make_parts,
};
use otyrys_media::recorder::RecorderProgram;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The process that the tests start.
#[test]
#[ignore = "the process that the other tests start"]
fn film_process() {
    otyrys_media::film::run_film().unwrap();
}

fn program() -> RecorderProgram {
    RecorderProgram::this(&["--exact", "--ignored", "--nocapture", "film_process"])
}

/// Runs a tool that must succeed.
fn run(tool: &mut Command) -> Vec<u8> {
    let run = tool.output().unwrap();
    let complaint = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{complaint}");
    run.stdout
}

fn ffmpeg(arguments: &str) -> Vec<u8> {
    run(Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args(arguments.split_whitespace()))
}

fn probe(arguments: &str, file: &Path) -> String {
    let told = run(Command::new("ffprobe")
        .args(["-v", "error"])
        .args(arguments.split_whitespace())
        .arg(file));
    String::from_utf8(told).unwrap()
}

/// A hearing in a folder.
struct Hearing {
    dir: tempfile::TempDir,
    files: Vec<PathBuf>,
    plan: FilmPlan,
}

impl Hearing {
    fn new(people: &[&str], stretches: &[(u64, u64)]) -> Self {
        let stretches = stretches.iter().map(|(from_ms, to_ms)| Stretch {
            from_ms: *from_ms,
            to_ms: *to_ms,
        });
        let people = people.iter().map(|name| FilmPerson {
            name: (*name).to_owned(),
            role: "Судья".to_owned(),
        });
        Self {
            dir: tempfile::tempdir().unwrap(),
            files: Vec::new(),
            plan: FilmPlan {
                stretches: Stretches::new(stretches),
                people: people.collect(),
                inputs: Vec::new(),
            },
        }
    }

    /// A track that FFmpeg makes; `made` is its input.
    fn track(
        &mut self,
        person: usize,
        source: FilmSource,
        codec: Codec,
        ms: (u64, u64),
        made: &str,
    ) {
        let (encoder, ending) = match codec {
            Codec::Opus => ("-c:a libopus -b:a 32k -application voip", "webm"),
            Codec::Vp8 => (
                "-c:v libvpx -threads 1 -deadline realtime -cpu-used 8 -g 300 -b:v 500k",
                "webm",
            ),
            Codec::H264 => (
                "-c:v libx264 -profile:v baseline -preset ultrafast -pix_fmt yuv420p",
                "mp4",
            ),
        };
        let path = self
            .dir
            .path()
            .join(format!("{}.{ending}", self.files.len()));
        ffmpeg(&format!("-f lavfi -i {made} {encoder} {}", path.display()));
        self.add(person, source, codec, ms, path);
    }

    fn add(
        &mut self,
        person: usize,
        source: FilmSource,
        codec: Codec,
        ms: (u64, u64),
        path: PathBuf,
    ) {
        self.plan.inputs.push(FilmInput {
            person: Some(person),
            source,
            codec,
            starts_ms: ms.0,
            ends_ms: ms.1,
            bytes: fs::metadata(&path).unwrap().len(),
        });
        self.files.push(path);
    }

    fn make(
        &self,
        first: u32,
        tell: impl FnMut(FilmNotice) -> io::Result<()>,
    ) -> Result<(), FilmError> {
        let open = |input: usize| File::open(&self.files[input]);
        make_parts(&program(), &self.plan, first, open, tell)
    }

    fn keep(&self, number: u32, part: &Part) {
        let path = self.part(number);
        part.write(&mut File::create(path).unwrap()).unwrap();
    }

    fn part(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("part{number}"))
    }

    /// The whole film, and which inputs were broken.
    fn film(&self, chapters: &[Chapter]) -> (PathBuf, Vec<usize>) {
        let mut broken = Vec::new();
        let made = self.make(0, |notice| {
            match notice {
                FilmNotice::Part(number, part) => self.keep(number, &part),
                FilmNotice::Broken { input, .. } => broken.push(input),
                FilmNotice::Second { .. } => {}
            }
            Ok(())
        });
        made.unwrap();
        (self.join(chapters), broken)
    }

    fn join(&self, chapters: &[Chapter]) -> PathBuf {
        let film = self.dir.path().join("film.mp4");
        let open = |number| File::open(self.part(number));
        join(
            self.plan.parts(),
            open,
            chapters,
            &mut File::create(&film).unwrap(),
        )
        .unwrap();
        film
    }
}

/// Red, green and blue in the middle of a tile of the film at a moment, `x` and `y` in pixels.
fn colour(film: &Path, seconds: f64, x: u32, y: u32) -> [u8; 3] {
    let pixel = ffmpeg(&format!(
        "-ss {seconds} -i {} -frames:v 1 -vf crop=16:16:{x}:{y},scale=1:1 -f rawvideo -pix_fmt rgb24 -",
        film.display()
    ));
    pixel[..3].try_into().unwrap()
}

/// The sound of the film, 48,000 samples a second, near a frequency.
fn sound(film: &Path, hertz: u32) -> Vec<f32> {
    let raw = ffmpeg(&format!(
        "-i {} -vn -af bandpass=f={hertz}:width_type=h:w=200 -f s16le -ac 1 -ar 48000 -",
        film.display()
    ));
    let samples = raw.as_chunks::<2>().0.iter();
    samples
        .map(|pair| f32::from(i16::from_le_bytes(*pair)).abs() / 32_768.0)
        .collect()
}

/// The first moment at which it is heard, in seconds.
fn heard_at(sound: &[f32]) -> Option<f64> {
    let loud = sound
        .windows(48)
        .position(|window| window.iter().copied().fold(0.0, f32::max) > 0.05)?;
    Some((loud + 47) as f64 / 48_000.0)
}

const RED: &str = "color=red:size=320x180:rate=30";

#[test]
fn two_people_are_heard_and_seen_at_their_places_and_times() {
    let mut hearing = Hearing::new(
        &["Әлия Нұрғалиқызы", "Broken", "Bob"],
        &[(0, 10_000), (15_000, 19_500)],
    );
    let beep = |hertz, from, to| {
        format!("aevalsrc=0.5*sin(2*PI*{hertz}*t)*between(t\\,{from}\\,{to}):s=48000:d=20")
    };
    let flash = "color=black:size=320x180:rate=30:d=20,drawbox=color=white:t=fill:enable='between(t\\,3\\,3.5)'";
    hearing.track(
        0,
        FilmSource::Microphone,
        Codec::Opus,
        (0, 20_000),
        &beep(500, 3, 3.5),
    );
    hearing.track(0, FilmSource::Camera, Codec::Vp8, (0, 20_000), flash);
    hearing.track(
        2,
        FilmSource::Microphone,
        Codec::Opus,
        (1_000, 21_000),
        &beep(1500, 16, 16.5),
    );
    hearing.track(
        2,
        FilmSource::Camera,
        Codec::H264,
        (5_000, 9_000),
        &format!("{RED}:d=4"),
    );
    let garbage = hearing.dir.path().join("garbage");
    fs::write(&garbage, vec![0x5a; 100_000]).unwrap();
    hearing.add(1, FilmSource::Camera, Codec::Vp8, (0, 20_000), garbage);
    let chapter = |at_ms, title: &str| Chapter {
        at_ms,
        title: title.to_owned(),
    };
    let (film, broken) = hearing.film(&[chapter(0, "Открыто"), chapter(10_000, "10:15:00")]);
    if let Some(kept) = std::env::var_os("KEEP_FILM") {
        fs::copy(&film, kept).unwrap();
    }

    assert_eq!(broken, [4]);
    let streams = probe(
        "-show_entries stream=codec_name,width,height,duration -of csv=p=0",
        &film,
    );
    assert_eq!(streams, "h264,1280,720,14.533333\naac,14.506667\n");
    let chapters = probe(
        "-show_chapters -show_entries chapter=start_time:chapter_tags=title -of csv=p=0",
        &film,
    );
    assert_eq!(chapters, "0.000000,Открыто\n10.000000,10:15:00\n");

    let low = sound(&film, 500);
    let beep = heard_at(&low).unwrap();
    let raw = ffmpeg(&format!(
        "-i {} -vf crop=16:16:312:150,scale=1:1 -f rawvideo -pix_fmt gray -",
        film.display()
    ));
    let flash = raw.iter().position(|pixel| *pixel > 128).unwrap() as f64 / 15.0;
    println!("beep {beep:.4} s, flash {flash:.4} s");
    assert!((beep - 3.0).abs() < 0.02, "{beep}");
    assert!((flash - beep).abs() <= 0.04, "{flash} {beep}");
    // Said at 17.0 s of the record: 2 s after its second stretch begins.
    let high = heard_at(&sound(&film, 1500)).unwrap();
    assert!((high - 12.0).abs() < 0.02, "{high}");

    let red = |seconds| {
        let [red, green, _] = colour(&film, seconds, 312, 520);
        red > 150 && green < 80
    };
    assert_eq!([4.5, 5.5, 8.5, 9.5].map(red), [false, true, true, false]);
}

#[test]
fn a_shared_screen_is_large_and_everybody_is_beside_it_while_it_is_shared() {
    let mut hearing = Hearing::new(&["A", "B"], &[(0, 9_000)]);
    let plain = |colour: &str, seconds| format!("color={colour}:size=320x180:rate=30:d={seconds}");
    let (camera, screen, whole) = (FilmSource::Camera, FilmSource::Screen, (0, 9_000));
    hearing.track(0, camera, Codec::Vp8, whole, &plain("red", 9));
    hearing.track(1, camera, Codec::Vp8, whole, &plain("blue", 9));
    hearing.track(1, screen, Codec::Vp8, (3_000, 6_000), &plain("lime", 3));
    let (film, broken) = hearing.film(&[]);
    assert!(broken.is_empty(), "{broken:?}");
    // Which of red, green and blue is most of it.
    let mostly = |seconds, x, y| {
        let colour = colour(&film, seconds, x, y);
        (0..3).max_by_key(|channel| colour[*channel])
    };
    // Side by side; then the screen at the left, and both above each other in the strip beside it.
    for seconds in [1.5, 7.5] {
        assert_eq!(mostly(seconds, 312, 340), Some(0), "{seconds}");
        assert_eq!(mostly(seconds, 952, 340), Some(2), "{seconds}");
    }
    assert_eq!(mostly(4.5, 504, 352), Some(1));
    assert_eq!(mostly(4.5, 1_144, 160), Some(0));
    assert_eq!(mostly(4.5, 1_144, 520), Some(2));
}

/// A file that begins as a film and goes on for ever with nothing.
struct Endless {
    head: Vec<u8>,
    at: u64,
}

impl Endless {
    const LENGTH: u64 = 1 << 40;
    /// `Void` without content (RFC 9559, section 5.1.1).
    const NOTHING: [u8; 2] = [0xec, 0x80];
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for byte in into.iter_mut() {
            let place = usize::try_from(self.at).unwrap();
            let beyond = place.wrapping_sub(self.head.len()) % 2;
            *byte = *self.head.get(place).unwrap_or(&Self::NOTHING[beyond]);
            self.at += 1;
        }
        Ok(into.len())
    }
}

impl Seek for Endless {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let io::SeekFrom::Start(at) = to else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        self.at = at;
        Ok(at)
    }
}

#[test]
fn a_track_of_which_nothing_comes_is_left_out() {
    let mut hearing = Hearing::new(&["A", "Endless"], &[(0, 4_000)]);
    let red = format!("{RED}:d=4");
    for person in 0..2 {
        let camera = FilmSource::Camera;
        hearing.track(person, camera, Codec::Vp8, (0, 4_000), &red);
    }
    hearing.plan.inputs[1].bytes = Endless::LENGTH;
    let head = fs::read(&hearing.files[1]).unwrap();
    const CLUSTER: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];
    let cluster = head.windows(4).position(|id| *id == CLUSTER).unwrap();
    let mut broken = Vec::new();
    let open = |input: usize| -> io::Result<Box<dyn Source>> {
        Ok(match input {
            1 => Box::new(Endless {
                head: head[..cluster].to_vec(),
                at: 0,
            }),
            _ => Box::new(File::open(&hearing.files[input])?),
        })
    };
    let made = make_parts(&program(), &hearing.plan, 0, open, |notice| {
        match notice {
            FilmNotice::Part(number, part) => hearing.keep(number, &part),
            FilmNotice::Broken { input, reason } => broken.push((input, reason)),
            FilmNotice::Second { .. } => {}
        }
        Ok(())
    });
    made.unwrap();
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!(broken[0].0, 1);
    assert!(broken[0].1.contains("nothing came"), "{broken:?}");
    assert!(colour(&hearing.join(&[]), 2.0, 312, 340)[0] > 150);
}

/// What an input is read from.
trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

#[test]
fn what_was_made_before_the_process_died_is_not_made_again() {
    let mut hearing = Hearing::new(&["A"], &[(0, 70_000)]);
    hearing.track(
        0,
        FilmSource::Microphone,
        Codec::Opus,
        (0, 70_000),
        "sine=440:d=70",
    );
    hearing.track(
        0,
        FilmSource::Camera,
        Codec::Vp8,
        (0, 70_000),
        &format!("{RED}:d=70"),
    );
    let mut made = Vec::new();
    let died = hearing.make(0, |notice| match notice {
        FilmNotice::Part(number, part) => {
            made.push(number);
            hearing.keep(number, &part);
            Ok(())
        }
        FilmNotice::Second { seconds: 66 } => {
            let children = fs::read_to_string("/proc/thread-self/children").unwrap();
            let children = children.split_whitespace();
            for child in children {
                let killed = Command::new("kill").args(["-9", child]).status().unwrap();
                assert!(killed.success());
            }
            Ok(())
        }
        _ => Ok(()),
    });
    assert!(matches!(died, Err(FilmError::Died(_))), "{died:?}");
    assert_eq!(made, [0]);
    let mut seconds = Vec::new();
    let went_on = hearing.make(1, |notice| {
        match notice {
            FilmNotice::Part(number, part) => hearing.keep(number, &part),
            FilmNotice::Second { seconds: second } => seconds.push(second),
            FilmNotice::Broken { input, reason } => panic!("{input}: {reason}"),
        }
        Ok(())
    });
    went_on.unwrap();
    assert_eq!(seconds, (65..=70).collect::<Vec<_>>());
    let film = hearing.join(&[]);
    let streams = probe(
        "-show_entries stream=codec_name,nb_frames,duration -of csv=p=0",
        &film,
    );
    assert_eq!(streams, "h264,70.000000,1050\naac,70.016000,3282\n");
    // The tone goes on through the seam as if there were none.
    let tone = sound(&film, 440);
    let around = &tone[63 * 48_000..65 * 48_000];
    let quietest = around
        .chunks_exact(480)
        .map(|chunk| chunk.iter().copied().fold(0.0, f32::max));
    let (least, most) = quietest.fold((1.0_f32, 0.0_f32), |(least, most), peak| {
        (least.min(peak), most.max(peak))
    });
    println!("peaks around the seam: {least:.4} to {most:.4}");
    assert!(least > 0.9 * most, "{least} {most}");
    assert!(colour(&film, 64.1, 632, 340)[0] > 150);
}
