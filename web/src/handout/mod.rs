//! What goes with a bundle that is handed out: the room file, and a page that plays it without a
//! server. None of it is sealed; all of it is made from what is.

use crate::{
    protocol::{
        CourtTime, DraftText, Person, ProtocolDocument, ProtocolError,
        wording::{Roles, Sources, wording},
    },
    room_file::{DERIVED, ROOM_FACTS, ROOM_FILM, RoomFacts},
};
use askama::Template;
use otyrys_signaling::{Language, Role, TrackSource};
use otyrys_storage::{ArchivePath, Bundle, DerivedContent, HearingKeys, StorageError};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{io::Read, path::Path};

/// Words of the page in all languages.
const WORDS: &str = include_str!("words.json");

/// Why nothing is handed out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoutError {
    /// The bundle, or what was made from it.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What they say cannot be read.
    #[error("what the bundle says of the hearing cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The page.
    #[error("the page cannot be made: {0}")]
    Page(#[from] askama::Error),
    /// The protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

/// The files that go with a bundle: what lies in `derived`, if anything, and the page.
///
/// # Errors
/// See [`HandoutError`].
pub(crate) fn files(
    bundle: &Bundle,
    keys: &HearingKeys,
    derived: &Path,
) -> Result<Vec<(ArchivePath, DerivedContent)>, HandoutError> {
    let protocol = bundle.contents(&"documents/protocol.json".parse()?, keys)?;
    let document: ProtocolDocument = serde_json::from_slice(&protocol)?;
    let seal = bundle.contents(&"seal.txt".parse()?, keys)?;
    let mut files = Vec::new();
    let mut room = None;
    // The film is the last file that appears: without it there is nothing.
    if derived.join(ROOM_FILM).exists() {
        let hearing = bundle.manifest.hearing;
        let mut facts = Vec::new();
        let place = derived.join(ROOM_FACTS);
        keys.open_file(hearing, &place)?
            .read_to_end(&mut facts)
            .map_err(|error| StorageError::Corrupt {
                what: place.display().to_string(),
                reason: error.to_string(),
            })?;
        room = Some(serde_json::from_slice::<RoomFacts>(&facts)?);
        for name in DERIVED {
            let content = DerivedContent::AtRest(derived.join(name));
            files.push((format!("derived/{name}").parse()?, content));
        }
    }
    let page = page(&document, room.as_ref(), bundle, &seal)?;
    let page = DerivedContent::Bytes(page.into_bytes());
    files.push(("index.html".parse()?, page));
    Ok(files)
}

#[derive(Template)]
#[template(path = "handout.html")]
struct Page<'a> {
    language: &'static str,
    title: &'a str,
    subtitle: &'a str,
    data: &'a str,
}

/// What the page shows.
#[derive(Serialize)]
struct Data<'a> {
    language: Language,
    case_number: &'a str,
    case_title: &'a str,
    court: &'a str,
    courtroom: &'a str,
    opened_at: Option<String>,
    closed_at: Option<String>,
    /// Address of the film, if there is one.
    film: Option<String>,
    chapters: Value,
    lines: Vec<Line<'a>>,
    people: Vec<Someone<'a>>,
    links: Vec<&'a str>,
    manifest_sha256: String,
    seal: &'a str,
    words: Map<String, Value>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    /// Whom an interpreter interprets here.
    interprets: Option<&'a str>,
    text: String,
    language: Language,
    weak: bool,
    start_ms: u32,
    film_ms: Option<u64>,
    film_until_ms: Option<u64>,
}

#[derive(Serialize)]
struct Someone<'a> {
    name: &'a str,
    role: Role,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    source: TrackSource,
    path: &'a str,
    starts_ms: u32,
    ends_ms: u32,
}

fn page(
    document: &ProtocolDocument,
    room: Option<&RoomFacts>,
    bundle: &Bundle,
    seal: &[u8],
) -> Result<String, HandoutError> {
    let hearing = &document.hearing;
    let time =
        |at: Option<CourtTime>| at.map(|at| at.local().strftime("%d.%m.%Y %H:%M").to_string());
    let opened_at = time(hearing.opened_at);
    let links = bundle.manifest.files.iter().map(|file| file.path.as_str());
    let links = links.filter(|path| path.starts_with("documents/"));
    let data = Data {
        language: hearing.language,
        case_number: &hearing.case_number,
        case_title: &hearing.case_title,
        court: &hearing.court,
        courtroom: &hearing.courtroom,
        closed_at: time(hearing.closed_at),
        film: room.map(|_| format!("derived/{ROOM_FILM}")),
        chapters: serde_json::to_value(room.map_or(&[][..], |room| &room.chapters))?,
        lines: document
            .lines
            .iter()
            .map(|line| self::line(line, room))
            .collect(),
        people: document
            .present
            .iter()
            .map(|person| someone(person, document))
            .collect(),
        links: links
            .chain(["manifest.json", "seal.txt", "events.jsonl"])
            .collect(),
        manifest_sha256: bundle.manifest_sha256.to_string(),
        seal: std::str::from_utf8(seal).unwrap_or_default(),
        words: words()?,
        opened_at: opened_at.clone(),
    };
    let when = opened_at.map_or_else(String::new, |at| format!(", {at}"));
    // The page's script is ended by nothing that was said.
    let json = serde_json::to_string(&data)?.replace('<', "\\u003c");
    let page = Page {
        language: hearing.language.code(),
        title: &format!("{} — {}", hearing.case_number, hearing.case_title),
        subtitle: &format!("{}, {}{when}", hearing.court, hearing.courtroom),
        data: &json,
    };
    Ok(page.render()?)
}

fn line<'a>(line: &'a DraftText, room: Option<&RoomFacts>) -> Line<'a> {
    let film_ms = |at: u32| room.and_then(|room| room.stretches.film_ms(at.into()));
    Line {
        name: &line.name,
        interprets: line.interprets.as_ref().map(|of| of.name.as_str()),
        text: line.as_written(),
        language: line.language,
        weak: line.weak,
        start_ms: line.start_ms,
        film_ms: film_ms(line.start_ms),
        film_until_ms: film_ms(line.end_ms).or(room.map(|room| room.duration_ms)),
    }
}

fn someone<'a>(person: &'a Person, document: &'a ProtocolDocument) -> Someone<'a> {
    let files = document
        .record
        .iter()
        .filter(|file| file.participant == person.id);
    let files = files.filter_map(|file| {
        Some(File {
            source: file.source,
            path: file.playback.as_deref()?,
            starts_ms: file.starts_ms,
            ends_ms: file.ends_ms,
        })
    });
    Someone {
        name: &person.name,
        role: person.role,
        files: files.collect(),
    }
}

/// The words of the page, and of the protocol what it needs, by language.
fn words() -> Result<Map<String, Value>, serde_json::Error> {
    #[derive(Serialize)]
    struct Shared<'a> {
        roles: &'a Roles,
        sources: &'a Sources,
        interpretation: &'a str,
    }
    let mut words: Map<String, Value> = serde_json::from_str(WORDS)?;
    for language in [Language::Kk, Language::Ru, Language::En] {
        let of_protocol = wording(language);
        let shared = serde_json::to_value(Shared {
            roles: &of_protocol.roles,
            sources: &of_protocol.sources,
            interpretation: of_protocol.course.interpretation,
        })?;
        let (Some(Value::Object(words)), Value::Object(shared)) =
            (words.get_mut(language.code()), shared)
        else {
            continue;
        };
        words.extend(shared);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_the_same_in_each_language() {
        let words = words().unwrap();
        let keys = |code: &str| -> Vec<String> {
            let words = words.get(code).and_then(Value::as_object).unwrap();
            words.keys().cloned().collect()
        };
        assert_eq!(words.len(), 3);
        assert_eq!(keys("kk"), keys("en"));
        assert_eq!(keys("ru"), keys("en"));
    }
}
