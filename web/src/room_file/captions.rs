//! The lines of the draft as captions of the room file: WebVTT.

use crate::protocol::{DraftText, wording::wording};
use otyrys_media::film::Stretches;
use otyrys_signaling::Language;

/// A caption stands at least so long, in milliseconds: a word can be read.
const LEAST_MS: u64 = 700;

/// All lines with their speakers and languages, on the film's clock. Whom an interpreter interprets
/// stands behind their name, in the language of the proceedings.
pub(super) fn webvtt(lines: &[DraftText], proceedings: Language, stretches: &Stretches) -> String {
    let mut text = "WEBVTT\n".to_owned();
    let last = stretches.duration().as_millis() as u64;
    for line in lines {
        let Some(from) = stretches.film_ms(line.start_ms.into()) else {
            continue;
        };
        let until = stretches.film_ms(line.end_ms.into()).unwrap_or(last);
        let until = until.max(from + LEAST_MS);
        let (from, until) = (clock(from), clock(until));
        let name = match &line.interprets {
            Some(of) => {
                let interpretation = wording(proceedings).interpretation(&of.name);
                format!("{} ({interpretation})", line.name)
            }
            None => line.name.clone(),
        };
        let (name, language) = (escaped(&name), line.language.code());
        let said = escaped(&line.as_written());
        text.push_str(&format!(
            "\n{from} --> {until}\n<v {name}><lang {language}>{said}</lang></v>\n"
        ));
    }
    text
}

fn clock(ms: u64) -> String {
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!(
        "{:02}:{:02}:{seconds:02}.{ms:03}",
        minutes / 60,
        minutes % 60
    )
}

/// What is text and no mark, on one line: an empty one would end the caption.
fn escaped(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Interpreted;
    use otyrys_media::film::Stretch;
    use otyrys_signaling::Role;
    use otyrys_storage::ids::{LineId, ParticipantId};

    #[test]
    fn a_caption_names_the_speaker_and_whom_they_interpret_and_is_on_the_clock_of_the_film() {
        let line = |start_ms, end_ms, text: &str| DraftText {
            id: LineId::generate(),
            participant: ParticipantId::generate(),
            name: "А. <Б>".to_owned(),
            role: Role::Judge,
            start_ms,
            end_ms,
            text: text.to_owned(),
            language: Language::Kk,
            confidence: 1.0,
            weak: false,
            words: Vec::new(),
            written: Vec::new(),
            edited: None,
            interprets: None,
        };
        let stretch = |from_ms, to_ms| Stretch { from_ms, to_ms };
        let stretches = Stretches::new([stretch(0, 1_000), stretch(3_600_000, 7_200_000)]);
        let interpreted = DraftText {
            interprets: Some(Interpreted {
                participant: ParticipantId::generate(),
                name: "В. & Г.".to_owned(),
            }),
            ..line(3_661_500, 3_663_000, "ия")
        };
        let lines = [
            line(500, 600, "Сот\n\nотырысы & --> ашық"),
            interpreted,
            line(7_200_000, 7_200_001, "behind the end"),
        ];
        assert_eq!(
            webvtt(&lines, Language::Ru, &stretches),
            "WEBVTT\n\n\
             00:00:00.500 --> 00:00:01.200\n\
             <v А. &lt;Б&gt;><lang kk>Сот отырысы &amp; --&gt; ашық</lang></v>\n\n\
             00:01:02.500 --> 00:01:04.000\n\
             <v А. &lt;Б&gt; (перевод: В. &amp; Г.)><lang kk>ия</lang></v>\n"
        );
    }
}
