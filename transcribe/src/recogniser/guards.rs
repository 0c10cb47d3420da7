//! What whisper invents, told from what was said.
//!
//! A recogniser writes fluent sentences over noise. In a court's record that is worse than a
//! gap, so every line passes here; what is only suspicious is kept and marked, for dropping
//! what a person said would be as bad.

use super::words::{Word, text_of};
use crate::wer::normalised_words;

/// Why a line that was kept must be listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// The recogniser was unsure of most words.
    Unsure,
    /// The same words come again and again.
    Repetition,
    /// More text than anybody can say in the time.
    TooFast,
    /// The text is the list of names and terms that the recogniser was given.
    PromptEcho,
}

/// What to do with the recognised text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    Doubt(Doubt),
    /// Nobody said it.
    Invented,
}

/// Mean logarithm of the tokens' probabilities: speech has more than this...
const UNSURE_BELOW: f32 = -1.0;
/// ...and so few words as whisper hears in a cough, steps or a door (-0.6 to -1.3 there) more than
/// this.
const SHORT_UNSURE_BELOW: f32 = -0.5;
/// See [`SHORT_UNSURE_BELOW`].
const SHORT_WORDS: usize = 3;
/// ...and noise gave -5.8.
const INVENTED_BELOW: f32 = -3.0;

/// The fastest speakers reach about 20 characters a second.
const MAX_CHARS_PER_S: f64 = 25.0;

/// Whole lines that the training data (film subtitles) left behind, normalised.
const INVENTED_LINES: [&str; 12] = [
    "продолжение следует",
    "субтитры",
    "спасибо за просмотр",
    "спасибо за внимание до свидания",
    "подписывайтесь на канал",
    "ставьте лайки",
    "thank you for watching",
    "thanks for watching",
    "please subscribe",
    "subtitles by the amara org community",
    "blank_audio",
    "жалғасы бар",
];

/// Beginnings of subtitle credits, normalised.
const INVENTED_BEGINNINGS: [&str; 7] = [
    "субтитры сделал",
    "субтитры создавал",
    "субтитры делал",
    "субтитры и перевод",
    "редактор субтитров",
    "корректор субтитров",
    "subtitles by",
];

/// Sounds that subtitles describe in capitals ("ТРЕВОЖНАЯ МУЗЫКА"), by the beginning of the word.
const DESCRIBED_SOUNDS: [&str; 14] = [
    "МУЗЫК",
    "АПЛОДИСМЕНТ",
    "СМЕХ",
    "ШУМ",
    "ЗВОНО",
    "СТУК",
    "СИГНАЛ",
    "ПЕСН",
    "КРИК",
    "ПЛАЧ",
    "ТИШИН",
    "MUSIC",
    "APPLAUSE",
    "LAUGHTER",
];

/// Takes from the end of the words what is a known invention of several words, or a sound
/// described in brackets. Speech before it stays.
pub(super) fn strip_inventions(words: &mut Vec<Word>) {
    // "[музыка]", "(applause)": whisper describes sounds so; nobody says a bracket.
    let mut inside = false;
    words.retain(|word| {
        let opens = word.text.starts_with(['[', '(', '*', '♪']);
        let closes = word
            .text
            .trim_end_matches(['.', ',', '!', '?'])
            .ends_with([']', ')', '*', '♪']);
        let described = inside || opens;
        inside = described && !closes;
        !described
    });
    for invention in INVENTED_LINES.iter().filter(|line| line.contains(' ')) {
        let length = invention.split(' ').count();
        if words.len() > length {
            let tail = text_of(&words[words.len() - length..]);
            if normalised_words(&tail).join(" ") == *invention {
                words.truncate(words.len() - length);
            }
        }
    }
}

/// Judges a line. `mean_logprob` is the mean natural logarithm of its tokens' probabilities.
pub(super) fn judge(
    words: &[Word],
    mean_logprob: f32,
    duration_ms: u64,
    prompt: Option<&str>,
) -> Verdict {
    let text = text_of(words);
    let spoken = normalised_words(&text);
    let line = spoken.join(" ");
    if spoken.is_empty()
        || mean_logprob < INVENTED_BELOW
        || INVENTED_LINES.contains(&line.as_str())
        || INVENTED_BEGINNINGS.iter().any(|b| line.starts_with(b))
        || describes_a_sound(&text)
        || drones(&text)
    {
        Verdict::Invented
    } else if prompt.is_some_and(|prompt| echoes(&spoken, prompt)) {
        Verdict::Doubt(Doubt::PromptEcho)
    } else if repeats(&spoken) || stammers(&spoken) {
        Verdict::Doubt(Doubt::Repetition)
    } else if text.chars().count() as f64
        > MAX_CHARS_PER_S * (duration_ms as f64 / 1_000.0).max(0.5)
    {
        Verdict::Doubt(Doubt::TooFast)
    } else if mean_logprob < UNSURE_BELOW
        || (spoken.len() <= SHORT_WORDS && mean_logprob < SHORT_UNSURE_BELOW)
    {
        Verdict::Doubt(Doubt::Unsure)
    } else {
        Verdict::Keep
    }
}

/// Whether the text is all in capitals and names a sound. Whisper writes speech in sentence case.
fn describes_a_sound(text: &str) -> bool {
    !text.chars().any(char::is_lowercase)
        && text
            .split_whitespace()
            .any(|word| DESCRIBED_SOUNDS.iter().any(|sound| word.starts_with(sound)))
}

/// Whether one letter follows itself as in no word of any language ("КПППППП").
fn drones(text: &str) -> bool {
    let (mut run, mut last) = (0, ' ');
    text.chars().any(|letter| {
        run = if letter == last { run + 1 } else { 1 };
        last = letter;
        run >= 6 && letter.is_alphabetic()
    })
}

/// Whether the line has at least four words and three quarters of them are of the prompt: over a
/// noise whisper reads it out, in any order. A party who gives their own name says two or three.
fn echoes(spoken: &[String], prompt: &str) -> bool {
    let prompt = normalised_words(prompt);
    let of_prompt = spoken.iter().filter(|word| prompt.contains(word)).count();
    spoken.len() >= 4 && of_prompt * 4 >= spoken.len() * 3
}

/// Whether a group of one to eight words follows itself so often that nobody speaks so: at
/// least four times in a row, at least five words, and most of the line.
fn repeats(spoken: &[String]) -> bool {
    (1..=8).any(|group| {
        let mut run = 0;
        let mut longest = 0;
        for (word, next) in spoken.iter().zip(spoken.iter().skip(group)) {
            run = if word == next { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        // `longest` words each equal the one a group later; the last group comes on top.
        let repeated = longest + group;
        let is_all = repeated == spoken.len() && repeated >= 4 * group;
        longest > 0 && (is_all || repeated >= (4 * group).max(5)) && 2 * repeated > spoken.len()
    })
}

/// Whether two or three letters follow themselves within a word as in no word of any language
/// ("ахахахахаха", "үлүлүлүлү").
fn stammers(spoken: &[String]) -> bool {
    spoken.iter().any(|word| {
        let letters: Vec<char> = word.chars().collect();
        (2..=3).any(|group| {
            let pairs = letters.iter().zip(letters.iter().skip(group));
            let (mut run, mut longest) = (0, 0);
            for (letter, later) in pairs {
                run = if letter == later { run + 1 } else { 0 };
                longest = longest.max(run);
            }
            longest >= 4 * group
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ')
            .map(|word| Word {
                text: word.to_owned(),
                start_ms: 0,
                end_ms: 0,
                confidence: 1.0,
            })
            .collect()
    }

    fn judged(text: &str, mean_logprob: f32) -> Verdict {
        judge(
            &words(text),
            mean_logprob,
            5_000,
            Some("Иванов Иван Иванович прокурор Ахметов"),
        )
    }

    #[test]
    fn what_a_person_says_is_kept() {
        assert_eq!(judged("Я ничего не видел.", -0.3), Verdict::Keep);
        assert_eq!(judged("Да, да, да.", -0.3), Verdict::Keep);
        assert_eq!(judged("Иванов Иван Иванович.", -0.3), Verdict::Keep);
    }

    #[test]
    fn known_inventions_go() {
        assert_eq!(judged("Продолжение следует...", -0.2), Verdict::Invented);
        assert_eq!(
            judged("Субтитры сделал DimaTorzok", -0.2),
            Verdict::Invented
        );
        assert_eq!(judged("обычные слова", -5.8), Verdict::Invented);
        assert_eq!(
            judged("СПОКОЙНАЯ МУЗЫКА СПОКОЙНАЯ МУЗЫКА", -0.2),
            Verdict::Invented
        );
        assert_eq!(judged("УК РК.", -0.2), Verdict::Keep);
        assert_eq!(judged("КПППППППП", -0.2), Verdict::Invented);
        assert_eq!(judged("Музыка играла громко.", -0.2), Verdict::Keep);
    }

    #[test]
    fn an_invention_after_speech_goes_alone() {
        let mut line = words("Я согласен. Продолжение следует...");
        strip_inventions(&mut line);
        assert_eq!(text_of(&line), "Я согласен.");
        let mut line = words("[ Музыка ] Встать, суд идёт (аплодисменты).");
        strip_inventions(&mut line);
        assert_eq!(text_of(&line), "Встать, суд идёт");
    }

    #[test]
    fn what_is_suspicious_is_marked() {
        let doubt = |text: &str, logprob| match judged(text, logprob) {
            Verdict::Doubt(doubt) => Some(doubt),
            _ => None,
        };
        assert_eq!(doubt("я не знаю", -1.5), Some(Doubt::Unsure));
        assert_eq!(
            doubt("ну вот ну вот ну вот ну вот ну вот", -0.1),
            Some(Doubt::Repetition)
        );
        assert_eq!(doubt("да да да да да да", -0.1), Some(Doubt::Repetition));
        assert_eq!(doubt("Ах, ах, ах, ах.", -0.1), Some(Doubt::Repetition));
        assert_eq!(doubt("Ахахахахаха...", -0.1), Some(Doubt::Repetition));
        assert_eq!(doubt("Ха-ха, да.", -0.6), Some(Doubt::Unsure));
        assert_eq!(doubt("Я этого не видел.", -0.6), None);
        assert_eq!(
            doubt("Ахметов, Иван Иванович, прокурор суд Ахметов", -0.1),
            Some(Doubt::PromptEcho)
        );
        assert_eq!(doubt("Прокурор Ахметов спросил Иванова", -0.1), None);
        let varied: Vec<String> = (100..140).map(|n| format!("с{n}")).collect();
        assert_eq!(doubt(&varied.join(" "), -0.1), Some(Doubt::TooFast));
    }
}
