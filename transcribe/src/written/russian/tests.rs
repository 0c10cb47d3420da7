use super::NUMERALS;
use crate::recogniser::Language;
use crate::written::{tokens::tokens, written};
use proptest::prelude::*;

/// What is said, and what a protocol writes.
const CASES: &[(&str, &str)] = &[
    // Articles.
    ("статья сто пять часть вторая", "ст. 105 ч. 2"),
    ("Статья сто пять, часть вторая.", "Ст. 105, ч. 2."),
    ("статьи сто восемьдесят восьмой", "ст. 188"),
    ("по статье сто восемьдесят восемь", "по ст. 188"),
    (
        "пункт третий части второй статьи сто двадцатой",
        "п. 3 ч. 2 ст. 120",
    ),
    (
        "по второй части сто восемьдесят восьмой статьи",
        "по ч. 2 ст. 188",
    ),
    (
        "сто пятая статья Уголовного кодекса",
        "ст. 105 Уголовного кодекса",
    ),
    (
        "в соответствии со статьёй триста семьдесят первой",
        "в соответствии со ст. 371",
    ),
    ("статья триста шестьдесят один тире один", "ст. 361-1"),
    ("часть четвёртая УК", "ч. 4 УК"),
    (
        "подпунктом вторым пункта первого статьи десятой",
        "подп. 2 п. 1 ст. 10",
    ),
    ("статьями сто пять и сто шесть", "ст. 105 и 106"),
    ("абзац третий пункта два", "абз. 3 п. 2"),
    ("статья 105 часть 2", "ст. 105 ч. 2"),
    ("статьи 188-й", "ст. 188"),
    (
        "статья сто пять вторая часть статьи шесть",
        "ст. 105 ч. 2 ст. 6",
    ),
    (
        "статья двадцать вторая часть",
        "статья двадцать вторая часть",
    ),
    ("во второй части заседания", "во второй части заседания"),
    ("в части первой инстанции", "в части первой инстанции"),
    ("первый пункт плана", "первый пункт плана"),
    ("это хорошая статья", "это хорошая статья"),
    ("лист дела сорок пять", "л.д. 45"),
    ("на листе дела сто двадцать", "на л.д. 120"),
    // Dates.
    (
        "двенадцатого марта две тысячи двадцать четвёртого года",
        "12 марта 2024 года",
    ),
    ("Первого января было холодно", "1 января было холодно"),
    ("с первого по третье марта", "с 1 по 3 марта"),
    ("до двадцать пятого числа", "до 25 числа"),
    ("в тысяча девятьсот девяносто первом году", "в 1991 году"),
    ("две тысячи десятый год", "2010 год"),
    ("двадцать четвёртого года рождения", "24-го года рождения"),
    (
        "с две тысячи двадцатого по две тысячи двадцать второй год",
        "с 2020-го по 2022 год",
    ),
    // Times.
    ("в четырнадцать часов тридцать минут", "в 14 часов 30 минут"),
    ("через пять минут", "через 5 минут"),
    ("к трём годам лишения свободы", "к 3 годам лишения свободы"),
    ("в течение десяти суток", "в течение 10 суток"),
    ("в один день", "в один день"),
    ("в четырнадцать тридцать", "в четырнадцать тридцать"),
    // Money and shares.
    ("сто двадцать тысяч тенге", "120 000 тенге"),
    ("Ста двадцати тысяч тенге!", "120 000 тенге!"),
    ("пять миллионов двести тысяч тенге", "5 200 000 тенге"),
    ("миллион тенге", "1 000 000 тенге"),
    ("тысяча пятьсот рублей", "1500 рублей"),
    ("один доллар", "1 доллар"),
    ("двадцать пять процентов", "25 %"),
    ("двадцати пяти процентам", "25 %"),
    ("пять целых три десятых процента", "5,3 %"),
    ("ноль целых и пять сотых", "0,05"),
    ("два с половиной миллиона", "два с половиной миллиона"),
    ("двадцать с половиной тысяч", "двадцать с половиной тысяч"),
    // Numbers in cases.
    ("двадцать пять человек", "25 человек"),
    ("двадцатью двумя свидетелями", "22 свидетелями"),
    ("о трёхстах пятидесяти листах", "о 350 листах"),
    ("тремя тысячами шестьюстами", "3600"),
    ("около сорока", "около 40"),
    ("семьюдесятью восемью", "78"),
    ("двадцать пятого участка", "25-го участка"),
    ("в сто сорок третьей камере", "в 143-й камере"),
    ("двадцать первый век", "двадцать первый век"),
    ("дом двадцать дробь пять", "дом 20/5"),
    ("дело номер двести тридцать пять", "дело № 235"),
    (
        "номер семьдесят один дробь две тысячи двадцать четыре",
        "№ 71/2024",
    ),
    ("номер ноль ноль семь тире двенадцать", "№ 007-12"),
    ("дело номер 1234", "дело № 1234"),
    ("по статье 5 марта", "по статье 5 марта"),
    ("статьи сто первой пункт двадцать", "ст. 101 п. 20"),
    ("враг номер один", "враг номер один"),
    // What stays.
    ("один из них", "один из них"),
    ("два свидетеля", "два свидетеля"),
    ("тысяча извинений", "тысяча извинений"),
    ("в сотый раз", "в сотый раз"),
    ("первая инстанция", "первая инстанция"),
    ("два три дня", "два три дня"),
    ("пять-шесть человек", "пять-шесть человек"),
    ("восемь семьсот двадцать", "восемь семьсот двадцать"),
    ("120 тысяч тенге", "120 тысяч тенге"),
    ("двадцать пять 30", "двадцать пять 30"),
    ("столкновение со столом", "столкновение со столом"),
    ("", ""),
];

#[test]
fn a_protocol_writes_what_was_said() {
    assert!(CASES.len() >= 60);
    for (said, expected) in CASES {
        assert_eq!(written(Language::RUSSIAN, said).text(), *expected, "{said}");
    }
}

#[test]
fn what_was_said_is_known_of_each_place() {
    let said = "Прошу по статье сто пять, часть вторая.";
    let written = written(Language::RUSSIAN, said);
    let places: Vec<(&str, &str)> = written
        .changes()
        .iter()
        .map(|change| {
            (
                &said[change.spoken.clone()],
                &written.text()[change.written.clone()],
            )
        })
        .collect();
    assert_eq!(
        places,
        [("статье сто пять", "ст. 105"), ("часть вторая", "ч. 2")]
    );
}

/// Words that the grammar knows, and some that it does not, in any order.
fn speech() -> impl Strategy<Value = String> {
    let words: Vec<&str> = CASES
        .iter()
        .flat_map(|(said, _)| said.split(' '))
        .filter(|word| !word.is_empty())
        .collect();
    prop::collection::vec(prop::sample::select(words), 0..14).prop_map(|words| words.join(" "))
}

/// Phrases that somebody may say, one after the other.
fn phrases() -> impl Strategy<Value = String> {
    let phrases: Vec<&str> = CASES.iter().map(|(said, _)| *said).collect();
    prop::collection::vec(prop::sample::select(phrases), 0..4)
        .prop_map(|phrases| phrases.join(", "))
}

proptest! {
    // Of words in any order it need not hold: what "part 300 %" was before, nobody knows.
    #[test]
    fn what_is_written_stays_as_it_is(said in phrases()) {
        let once = written(Language::RUSSIAN, &said);
        let twice = written(Language::RUSSIAN, once.text());
        prop_assert_eq!(twice.text(), once.text());
    }

    #[test]
    fn what_has_no_numbers_is_not_touched(said in speech(), other in any::<String>()) {
        let mut said = format!("{said}{other}");
        let of_numbers: Vec<_> = tokens(&said)
            .iter()
            .filter(|token| token.has_digits() || NUMERALS.contains_key(&token.key))
            .map(|token| token.range.clone())
            .collect();
        for range in of_numbers.into_iter().rev() {
            said.replace_range(range, "да");
        }
        let written = written(Language::RUSSIAN, &said);
        prop_assert_eq!(written.text(), &said);
    }

    #[test]
    fn any_text_can_be_looked_at(said in any::<String>(), known in speech()) {
        for text in [said.clone(), format!("{known}{said} {known}")] {
            let written = written(Language::RUSSIAN, &text);
            let mut end = 0;
            for change in written.changes() {
                prop_assert!(change.spoken.start >= end);
                prop_assert!(text.is_char_boundary(change.spoken.start));
                prop_assert!(written.text().is_char_boundary(change.written.end));
                end = change.spoken.end;
            }
        }
    }
}
