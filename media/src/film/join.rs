//! All parts become one MP4 (ISO/IEC 14496-12 and -14), its index first, so that it plays while it
//! is still being read.

use super::part::{PartIndex, Second};
use super::{FRAME_RATE, FilmError, HEIGHT, SAMPLE_RATE, SOUND_FRAME, WIDTH, refused};
use mp4_atom::{
    Audio, Avc1, Avcc, Chpl, ChplEntry, Co64, Codec, Colr, Dinf, Dref, DrefEntry, Encode, Esds,
    FourCC, Ftyp, Hdlr, Mdhd, Mdia, Minf, Moov, Mp4a, Mvhd, Smhd, Stbl, Stsc, StscEntry, Stsd,
    Stss, Stsz, StszSamples, Stts, SttsEntry, Tkhd, Trak, Udta, Url, Visual, Vmhd,
    esds::{DecoderConfig, DecoderSpecific, EsDescriptor, SLConfig},
};
use std::io::{self, Read, Write};

/// Units of time of the file: a sample of sound.
const TIMESCALE: u64 = SAMPLE_RATE;
/// So long is a picture.
const PICTURE: u64 = TIMESCALE / FRAME_RATE;
/// The format has one byte for the number of chapters.
const MOST_CHAPTERS: usize = 255;
/// ... and one for the length of a title.
const MOST_TITLE_BYTES: usize = 255;
/// Before the media data: an `mdat` box with a length of 64 bits.
const MDAT_HEADER: u64 = 16;

/// A place of the film that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// Milliseconds of the film.
    pub at_ms: u64,
    /// Its name.
    pub title: String,
}

/// Writes the film from its parts, which `open` gives in their order, each twice.
///
/// # Errors
/// [`FilmError::Refused`] if a part is not one that [`Part::write`](super::Part::write) wrote, or
/// there is none; [`FilmError::Io`] of parts and `to`.
pub fn join<P: Read>(
    parts: u32,
    mut open: impl FnMut(u32) -> io::Result<P>,
    chapters: &[Chapter],
    to: &mut impl Write,
) -> Result<(), FilmError> {
    let mut indices = Vec::new();
    for number in 0..parts {
        indices.push(PartIndex::read(&mut open(number)?)?);
    }
    let Some(first) = indices.first() else {
        return Err(refused("there is no part"));
    };
    let parameters = first.parameters.clone();
    if indices.iter().any(|index| index.parameters != parameters) {
        return Err(refused("the parts are not of one film"));
    }
    let seconds: Vec<&Second> = indices.iter().flat_map(|index| &index.seconds).collect();

    let mut head = Vec::new();
    let brands: [&[u8; 4]; 3] = [b"isom", b"iso2", b"mp41"];
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"isom"),
        minor_version: 0x200,
        compatible_brands: brands.into_iter().map(FourCC::new).collect(),
    };
    ftyp.encode(&mut head).map_err(refused)?;
    // The index tells where the media lie, which lie behind it: its length does not depend on
    // what it tells.
    let mut measured = Vec::new();
    moov(&seconds, &parameters, chapters, 0)?
        .encode(&mut measured)
        .map_err(refused)?;
    let media = (head.len() + measured.len()) as u64 + MDAT_HEADER;
    moov(&seconds, &parameters, chapters, media)?
        .encode(&mut head)
        .map_err(refused)?;
    let bytes: u64 = indices.iter().map(PartIndex::body_bytes).sum();
    head.extend(1_u32.to_be_bytes());
    head.extend(b"mdat");
    head.extend((bytes + MDAT_HEADER).to_be_bytes());
    to.write_all(&head)?;
    for (number, index) in (0..).zip(&indices) {
        let mut part = open(number)?;
        PartIndex::read(&mut part)?;
        let copied = io::copy(&mut part.take(index.body_bytes()), to)?;
        if copied != index.body_bytes() {
            return Err(refused(format!("part {number} is cut short")));
        }
    }
    Ok(())
}

fn moov(
    seconds: &[&Second],
    (sequence, picture): &(Vec<u8>, Vec<u8>),
    chapters: &[Chapter],
    media: u64,
) -> Result<Moov, FilmError> {
    let &[_, profile, compatibility, level, ..] = sequence.as_slice() else {
        return Err(refused("the pictures have no parameters"));
    };
    let (mut pictures, mut sound) = (Samples::default(), Samples::default());
    let mut at = media;
    for second in seconds {
        let (picture_bytes, sound_bytes) = second.bytes();
        pictures.chunk(at, second.pictures.iter().map(|(bytes, _)| *bytes));
        sound.chunk(at + picture_bytes, second.sound.iter().copied());
        at += picture_bytes + sound_bytes;
    }
    let keys = seconds.iter().flat_map(|second| &second.pictures);
    let keys = (1..).zip(keys).filter(|(_, (_, key))| *key);
    let keys = keys.map(|(number, _)| number).collect();
    let avc1 = Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width: WIDTH as u16,
            height: HEIGHT as u16,
            ..Visual::default()
        },
        avcc: Avcc {
            configuration_version: 1,
            avc_profile_indication: profile,
            profile_compatibility: compatibility,
            avc_level_indication: level,
            length_size: 4,
            sequence_parameter_sets: vec![sequence.clone()],
            picture_parameter_sets: vec![picture.clone()],
            ext: None,
        },
        // ITU-R BT.601 (ITU-T H.273), as it was drawn.
        colr: Some(Colr::Nclx {
            colour_primaries: 6,
            transfer_characteristics: 6,
            matrix_coefficients: 6,
            full_range_flag: false,
        }),
        ..Avc1::default()
    };
    let pictures_media = Minf {
        vmhd: Some(Vmhd::default()),
        dinf: in_this_file(),
        stbl: Stbl {
            stss: Some(Stss { entries: keys }),
            ..pictures.table(avc1.into(), PICTURE)
        },
        ..Minf::default()
    };
    let sound_media = Minf {
        smhd: Some(Smhd::default()),
        dinf: in_this_file(),
        stbl: sound.table(mp4a().into(), SOUND_FRAME),
        ..Minf::default()
    };
    let (pictures_last, sound_last) = (pictures.count() * PICTURE, sound.count() * SOUND_FRAME);
    let mut picture_track = track(1, b"vide", pictures_last, pictures_media);
    picture_track.tkhd.width = (WIDTH as u16).into();
    picture_track.tkhd.height = (HEIGHT as u16).into();
    let mut sound_track = track(2, b"soun", sound_last, sound_media);
    sound_track.tkhd.volume = 1.into();
    Ok(Moov {
        mvhd: Mvhd {
            timescale: TIMESCALE as u32,
            duration: pictures_last.max(sound_last),
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: 3,
            ..Mvhd::default()
        },
        trak: vec![picture_track, sound_track],
        udta: Some(Udta {
            chpl: Some(chapter_list(chapters)),
            ..Udta::default()
        }),
        ..Moov::default()
    })
}

/// One kind of what the file holds, in chunks of a second.
#[derive(Default)]
struct Samples {
    sizes: Vec<u32>,
    chunks: Vec<u64>,
    /// From which chunk on how many samples are in each.
    runs: Vec<StscEntry>,
}

impl Samples {
    fn chunk(&mut self, at: u64, sizes: impl Iterator<Item = u32>) {
        let before = self.sizes.len();
        self.sizes.extend(sizes);
        let count = (self.sizes.len() - before) as u32;
        if count == 0 {
            return;
        }
        self.chunks.push(at);
        if self
            .runs
            .last()
            .is_none_or(|run| run.samples_per_chunk != count)
        {
            self.runs.push(StscEntry {
                first_chunk: self.chunks.len() as u32,
                samples_per_chunk: count,
                sample_description_index: 1,
            });
        }
    }

    fn count(&self) -> u64 {
        self.sizes.len() as u64
    }

    fn table(&self, codec: Codec, length: u64) -> Stbl {
        Stbl {
            stsd: Stsd {
                codecs: vec![codec],
            },
            stts: Stts {
                entries: vec![SttsEntry {
                    sample_count: self.sizes.len() as u32,
                    sample_delta: length as u32,
                }],
            },
            stsc: Stsc {
                entries: self.runs.clone(),
            },
            stsz: Stsz {
                samples: StszSamples::Different {
                    sizes: self.sizes.clone(),
                },
            },
            co64: Some(Co64 {
                entries: self.chunks.clone(),
            }),
            ..Stbl::default()
        }
    }
}

fn track(number: u32, handler: &[u8; 4], duration: u64, media: Minf) -> Trak {
    Trak {
        tkhd: Tkhd {
            track_id: number,
            duration,
            enabled: true,
            in_movie: true,
            ..Tkhd::default()
        },
        mdia: Mdia {
            mdhd: Mdhd {
                timescale: TIMESCALE as u32,
                duration,
                language: "und".to_owned(),
                ..Mdhd::default()
            },
            hdlr: Hdlr {
                handler: FourCC::new(handler),
                name: "otyrys".to_owned(),
            },
            minf: media,
        },
        ..Trak::default()
    }
}

/// Where the media are: an address without a word (ISO/IEC 14496-12, section 8.7.2).
fn in_this_file() -> Dinf {
    let here = DrefEntry::Url(Url::default());
    Dinf {
        dref: Dref {
            entries: vec![here],
        },
    }
}

fn mp4a() -> Mp4a {
    // ISO/IEC 14496-1, tables 5 and 6; ISO/IEC 14496-3, tables 1.16 and 1.18.
    const MPEG4_AUDIO: u8 = 0x40;
    const AUDIO_STREAM: u8 = 0x05;
    const LOW_COMPLEXITY: u8 = 2;
    const KHZ_48: u8 = 3;
    const MONO: u8 = 1;
    Mp4a {
        audio: Audio {
            data_reference_index: 1,
            channel_count: 1,
            sample_size: 16,
            sample_rate: (SAMPLE_RATE as u16).into(),
        },
        esds: Esds {
            es_desc: EsDescriptor {
                es_id: 2,
                dec_config: DecoderConfig {
                    object_type_indication: MPEG4_AUDIO,
                    stream_type: AUDIO_STREAM,
                    dec_specific: Some(DecoderSpecific {
                        profile: LOW_COMPLEXITY,
                        freq_index: KHZ_48,
                        chan_conf: MONO,
                        raw: Vec::new(),
                    }),
                    ..DecoderConfig::default()
                },
                sl_config: SLConfig::default(),
                ..EsDescriptor::default()
            },
        },
        btrt: None,
        taic: None,
    }
}

fn chapter_list(chapters: &[Chapter]) -> Chpl {
    /// A chapter's time has units of 100 ns.
    const PER_MS: u64 = 10_000;
    let entries = chapters
        .iter()
        .take(MOST_CHAPTERS)
        .map(|chapter| ChplEntry {
            start: chapter.at_ms * PER_MS,
            title: chapter.title[..chapter.title.floor_char_boundary(MOST_TITLE_BYTES)].to_owned(),
        });
    Chpl {
        entries: entries.collect(),
    }
}
