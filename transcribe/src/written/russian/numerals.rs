//! Russian numerals in all their forms, made from stems.

use std::sync::LazyLock;

use crate::written::number::Part;
use crate::written::reading::{Numeral, Numerals};

/// Every form of every numeral, with е for ё.
pub(super) static NUMERALS: LazyLock<Numerals> = LazyLock::new(|| {
    let mut forms = Forms(Numerals::new());
    forms.cardinals();
    forms.ordinals();
    forms.0
});

/// Endings of adjectives after a hard stem.
const ENDINGS: [&str; 13] = [
    "ый", "ой", "ого", "ому", "ым", "ом", "ая", "ую", "ою", "ое", "ые", "ых", "ыми",
];
/// Endings of «третий» as they are written, and the hard ones in whose place they stand.
const SOFT_ENDINGS: [(&str, &str); 13] = [
    ("ий", "ый"),
    ("ьего", "ого"),
    ("ьему", "ому"),
    ("ьим", "ым"),
    ("ьем", "ом"),
    ("ья", "ая"),
    ("ьей", "ой"),
    ("ью", "ую"),
    ("ьею", "ою"),
    ("ье", "ое"),
    ("ьи", "ые"),
    ("ьих", "ых"),
    ("ьими", "ыми"),
];

/// Two, three, four, and five to nine: nominative, genitive, dative, instrumental, prepositional.
const DIGITS: [(u64, [&str; 5]); 8] = [
    (2, ["два", "двух", "двум", "двумя", "двух"]),
    (3, ["три", "трех", "трем", "тремя", "трех"]),
    (4, ["четыре", "четырех", "четырем", "четырьмя", "четырех"]),
    (5, ["пять", "пяти", "пяти", "пятью", "пяти"]),
    (6, ["шесть", "шести", "шести", "шестью", "шести"]),
    (7, ["семь", "семи", "семи", "семью", "семи"]),
    (8, ["восемь", "восьми", "восьми", "восемью", "восьми"]),
    (9, ["девять", "девяти", "девяти", "девятью", "девяти"]),
];
/// Those that end in -ь and have nothing inside, without it.
const TEENS: [(u64, &str); 12] = [
    (10, "десят"),
    (11, "одиннадцат"),
    (12, "двенадцат"),
    (13, "тринадцат"),
    (14, "четырнадцат"),
    (15, "пятнадцат"),
    (16, "шестнадцат"),
    (17, "семнадцат"),
    (18, "восемнадцат"),
    (19, "девятнадцат"),
    (20, "двадцат"),
    (30, "тридцат"),
];
/// Ordinals below ten; the others follow from the cardinals.
const FIRST_ORDINALS: [(u64, &str); 8] = [
    (1, "перв"),
    (2, "втор"),
    (4, "четверт"),
    (5, "пят"),
    (6, "шест"),
    (7, "седьм"),
    (8, "восьм"),
    (9, "девят"),
];

struct Forms(Numerals);

impl Forms {
    fn put(&mut self, form: String, part: Part, counted: bool) {
        let numeral = Numeral {
            part,
            ordinal: false,
            ending: String::new(),
            ends: false,
            counted,
        };
        self.0.insert(form, numeral);
    }

    fn cardinals(&mut self) {
        for nought in ["ноль", "нуль", "ноля", "нуля"] {
            self.put(nought.to_owned(), Part::Nought, false);
        }
        for ending in [
            "ин", "на", "но", "ного", "ному", "ним", "ном", "ной", "ну", "ною",
        ] {
            self.put(format!("од{ending}"), Part::add(1), false);
        }
        self.put("две".to_owned(), Part::add(2), false);
        for (value, cases) in DIGITS {
            let [one, of, to, with, on] = cases;
            for form in cases {
                self.put(form.to_owned(), Part::add(value), false);
            }
            if value >= 5 {
                let forms = [
                    format!("{one}десят"),
                    format!("{of}десяти"),
                    format!("{with}десятью"),
                ];
                for form in forms.into_iter().filter(|_| value != 9) {
                    self.put(form, Part::add(value * 10), false);
                }
            }
            let one = match value {
                2 => "двести".to_owned(),
                3 | 4 => format!("{one}ста"),
                _ => format!("{one}сот"),
            };
            let forms = [
                one,
                format!("{of}сот"),
                format!("{to}стам"),
                format!("{with}стами"),
                format!("{on}стах"),
            ];
            for form in forms {
                self.put(form, Part::add(value * 100), false);
            }
        }
        self.put("восьмью".to_owned(), Part::add(8), false);
        for (value, stem) in TEENS {
            for ending in ["ь", "и", "ью"] {
                self.put(format!("{stem}{ending}"), part(value), false);
            }
        }
        for (value, stem, endings) in [
            (40, "сорок", ["", "а"]),
            (90, "девяност", ["о", "а"]),
            (100, "ст", ["о", "а"]),
        ] {
            for ending in endings {
                self.put(format!("{stem}{ending}"), Part::add(value), false);
            }
        }
        let plural = ["ам", "ами", "ах"];
        for ending in ["а", "у"]
            .into_iter()
            .chain(["и", "е", "ей", "ью", ""])
            .chain(plural)
        {
            let counted = !matches!(ending, "а" | "у");
            self.put(format!("тысяч{ending}"), Part::Scale(1_000), counted);
        }
        for (scale, stem) in [(1_000_000, "миллион"), (1_000_000_000, "миллиард")] {
            for ending in ["", "а", "у", "ом", "е", "ы", "ов"]
                .into_iter()
                .chain(plural)
            {
                self.put(
                    format!("{stem}{ending}"),
                    Part::Scale(scale),
                    !ending.is_empty(),
                );
            }
        }
    }

    fn ordinals(&mut self) {
        let tens = [
            (40, "сороков".to_owned()),
            (90, "девяност".to_owned()),
            (100, "сот".to_owned()),
        ];
        let counted = DIGITS.into_iter().flat_map(|(value, [_, of, ..])| {
            let ten = (value >= 5 && value != 9).then(|| (value * 10, format!("{of}десят")));
            ten.into_iter().chain([(value * 100, format!("{of}сот"))])
        });
        let stems = FIRST_ORDINALS
            .into_iter()
            .chain(TEENS)
            .map(|(value, stem)| (value, stem.to_owned()))
            .chain(tens)
            .chain(counted);
        for (value, stem) in stems {
            for ending in ENDINGS {
                self.put_ordinal(format!("{stem}{ending}"), value, ending);
            }
        }
        for (soft, ending) in SOFT_ENDINGS {
            self.put_ordinal(format!("трет{soft}"), 3, ending);
        }
    }

    fn put_ordinal(&mut self, form: String, value: u64, ending: &str) {
        let numeral = Numeral {
            part: part(value),
            ordinal: true,
            ending: ending.to_owned(),
            ends: true,
            counted: false,
        };
        self.0.insert(form, numeral);
    }
}

/// After ten, and after eleven to nineteen, no digit follows.
const fn part(value: u64) -> Part {
    match value {
        10..=19 => Part::last(value),
        _ => Part::add(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_made_as_the_grammar_has_them() {
        for form in [
            "пятьюдесятью",
            "восьмидесяти",
            "трехсот",
            "четыремстам",
            "шестьюстами",
            "девятистах",
            "девяноста",
            "сороковую",
            "третьего",
            "двухсотый",
            "пятидесятом",
        ] {
            assert!(NUMERALS.contains_key(form), "{form}");
        }
        for word in [
            "стол",
            "пятно",
            "сотня",
            "девятьдесят",
            "двадцатка",
            "один-два",
        ] {
            assert!(!NUMERALS.contains_key(word), "{word}");
        }
    }
}
