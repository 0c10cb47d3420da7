//! What the names of a case do for the words of its hearing: the same sentences without and with the
//! names of the people in them, as a case has them: in the nominative, and most of them not in the
//! sentence.

use crate::Outcome;
use crate::corpus::{Recording, Spoken, encode_alone, sentences};
use crate::system::System;
use otyrys_transcribe::wer::{normalised_words, wer};
use std::path::Path;
use std::time::Duration;

/// The people and places of the books that festvox-ru was read from; of each name, how its forms
/// begin.
const CASES: [&[(&str, &str)]; 4] = [
    &[
        ("Гусев", "гусев"),
        ("Мстислав Сергеевич Лось", "лос"),
        ("Арчибальд Скайльс", "скай"),
        ("Аэлита", "аэлит"),
        ("Тускуб", "тускуб"),
        ("Магацитл", "магацитл"),
        ("Катя", "кат"),
        ("Марс", "марс"),
        ("Алексей Иванович", "алексе"),
    ],
    &[
        ("Генрих Фемель", "фемел"),
        ("Шрелла", "шрелл"),
        ("Ферди", "ферди"),
        ("Эдит", "эдит"),
        ("Дришка", "дришк"),
        ("Кильб", "кильб"),
        ("Леонора", "леонор"),
        ("Хериберт", "херибер"),
        ("Модестгассе", "модестгасс"),
        ("Святой Северин", "северин"),
    ],
    &[
        ("Эмма Бовари", "эмм"),
        ("Шарль Бовари", "шарл"),
        ("Руо", "руо"),
        ("Омэ", "омэ"),
        ("Бинэ", "бинэ"),
        ("Родольф", "родольф"),
        ("Ипполит", "ипполит"),
        ("Фелисите", "фелисит"),
        ("Ионвиль", "ионвил"),
    ],
    &[
        ("Шульга", "шульг"),
        ("Кондратович", "кондратович"),
        ("Любовь Шевцова", "шевцов"),
        ("Евгений Стахович", "стахович"),
        ("Олег", "олег"),
        ("Ваня Земнухов", "земнухов"),
        ("Серёжка Тюленин", "тюленин"),
    ],
];

/// A way to recognise.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    words: usize,
    wrong: f64,
    heard: usize,
    /// Names that were said.
    names: usize,
    /// How many of those were not heard, letter by letter.
    missed: usize,
    /// Names that were heard and not said.
    invented: usize,
    /// Sentences of which less than four fifths as much was heard as without names.
    short: usize,
    cpu: Duration,
    sound: Duration,
}

/// Prints what was heard, first without and then with names.
pub(crate) fn measure(model: &Path, cache: &Path, folder: &Path, beams: &[u8]) -> Outcome<()> {
    let speech = cache.join("speech");
    let mut files: [Vec<(usize, Spoken)>; 2] = Default::default();
    let mut unnamed = sentences(&speech)?.into_iter().filter(|recording| {
        CASES
            .iter()
            .all(|case| names_in(&recording.said, case).is_empty())
    });
    for (index, case) in CASES.iter().enumerate() {
        let mut named = sentences(&speech)?;
        named.retain(|recording| !names_in(&recording.said, case).is_empty());
        let others: Vec<Recording> = unnamed.by_ref().take(named.len()).collect();
        for (kind, recordings) in [named, others].iter().enumerate() {
            let encoded = encode_alone(cache, folder, 2 * index + kind, recordings)?;
            files[kind].extend(encoded.into_iter().map(|file| (index, file)));
        }
    }
    println!(
        "beam  sentences that         n  words | given     WER %  heard  names  missed %  invented  short  cpu/s"
    );
    for &beam in beams {
        let mut system = System::ours(model, beam)?;
        for (kind, files) in ["say names", "say none"].iter().zip(&files) {
            let mut tallies = [Tally::default(); 2];
            for (case, file) in files {
                add(&mut tallies, &mut system, CASES[*case], file)?;
            }
            for (given, tally) in ["nothing", "names"].iter().zip(tallies) {
                println!(
                    "{beam:>4}  {kind:<18} {:>6} {:>6} | {given:<8} {:>6.1} {:>6} {:>6} {:>9.1} {:>9} {:>6} {:>6.3}",
                    files.len(),
                    tally.words,
                    100.0 * tally.wrong / tally.words.max(1) as f64,
                    tally.heard,
                    tally.names,
                    100.0 * tally.missed as f64 / tally.names.max(1) as f64,
                    tally.invented,
                    tally.short,
                    tally.cpu.as_secs_f64() / tally.sound.as_secs_f64(),
                );
            }
        }
        println!("beam {beam}: peak {:.0} MB", system.peak_mb()?);
    }
    Ok(())
}

/// One sentence, without names and with those of its case.
fn add(
    tallies: &mut [Tally; 2],
    system: &mut System,
    case: &[(&str, &str)],
    file: &Spoken,
) -> Outcome<()> {
    let given: Vec<_> = case.iter().map(|(name, _)| *name).collect();
    let words = normalised_words(&file.said).len();
    let mut without = 0;
    for (tally, names) in tallies.iter_mut().zip(["", &given.join(", ")]) {
        let (text, cpu) = system.recognise("ru", false, &file.path, names)?;
        let heard = normalised_words(&text).len();
        if names.is_empty() {
            without = heard;
        }
        let said = names_in(&file.said, case);
        let mut of_case = names_in(&text, case);
        for name in &said {
            match of_case.iter().position(|other| other == name) {
                Some(index) => drop(of_case.remove(index)),
                None => tally.missed += 1,
            }
        }
        // A wrong form of a name that was said is a word wrong, and none invented.
        let begins = |name: &str| case.iter().find(|(_, begins)| name.starts_with(begins));
        of_case.retain(|name| said.iter().all(|other| begins(other) != begins(name)));
        tally.invented += of_case.len();
        tally.names += said.len();
        tally.words += words;
        tally.heard += heard;
        tally.short += usize::from(heard * 5 < without * 4);
        tally.wrong += wer(&file.said, &text) * words as f64;
        tally.cpu += cpu;
        tally.sound += file.sound;
    }
    Ok(())
}

/// The words of a sentence that are names of a case, normalised.
fn names_in(said: &str, case: &[(&str, &str)]) -> Vec<String> {
    said.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.starts_with(char::is_uppercase))
        .flat_map(normalised_words)
        .filter(|word| case.iter().any(|(_, begins)| word.starts_with(begins)))
        .collect()
}
