use super::NUMERALS;
use crate::recogniser::Language;
use crate::written::{tokens::tokens, written};
use proptest::prelude::*;

/// What is said, and what a protocol writes.
const CASES: &[(&str, &str)] = &[
    // Articles.
    ("жүз бесінші баптың екінші бөлігі", "105-баптың 2-бөлігі"),
    ("Жүз бесінші баптың екінші бөлігі.", "105-баптың 2-бөлігі."),
    ("жүз сексен сегізінші бап", "188-бап"),
    ("үшінші тармақ", "3-тармақ"),
    ("бірінші бөліктің бірінші тармағы", "1-бөліктің 1-тармағы"),
    ("жүз жиырмасыншы бабында", "120-бабында"),
    ("он бірінші тараудың", "11-тараудың"),
    ("екінші тармақшасына сәйкес", "2-тармақшасына сәйкес"),
    ("төртінші абзацта", "4-абзацта"),
    ("үш жүз жетпіс бірінші бапқа", "371-бапқа"),
    ("алтыншы баппен", "6-баппен"),
    ("105-ші баптың", "105-баптың"),
    ("188-бап", "188-бап"),
    ("бірінші бап, екінші бөлік", "1-бап, 2-бөлік"),
    ("қырқыншы бап", "40-бап"),
    ("елуінші баптан", "50-баптан"),
    // Dates.
    ("жиырмасыншы наурыз", "20 наурыз"),
    ("он екінші наурызда", "12 наурызда"),
    ("бірінші мамыр", "1 мамыр"),
    ("отыз бірінші желтоқсан", "31 желтоқсан"),
    (
        "екі мың жиырма төртінші жылғы он екінші наурыз",
        "2024 жылғы 12 наурыз",
    ),
    ("екі мың жиырма төртінші жылы", "2024 жылы"),
    ("мың тоғыз жүз тоқсан бірінші жылдың", "1991 жылдың"),
    ("наурыздың он екісі", "наурыздың 12-сі"),
    ("наурыз айының бесінде", "наурыз айының 5-інде"),
    ("тамыздың отызында", "тамыздың 30-ында"),
    ("отыз бесінші наурыз", "отыз бесінші наурыз"),
    // Times.
    ("он төрт сағат отыз минут", "14 сағат 30 минут"),
    ("сағат он төртте", "сағат 14-те"),
    ("сағат үште", "сағат 3-те"),
    ("он төрт сағат отыз минутта", "14 сағат 30 минутта"),
    (
        "үш жылға бас бостандығынан айыру",
        "3 жылға бас бостандығынан айыру",
    ),
    ("екі ай", "2 ай"),
    ("он бес тәулікке", "15 тәулікке"),
    ("бес күн ішінде", "5 күн ішінде"),
    ("сағат он төрт отызда", "сағат он төрт отызда"),
    // Money and shares.
    ("жүз жиырма мың теңге", "120 000 теңге"),
    ("бес миллион екі жүз мың теңгені", "5 200 000 теңгені"),
    ("миллион теңге", "1 000 000 теңге"),
    ("мың бес жүз теңгеге", "1500 теңгеге"),
    ("бір теңге", "1 теңге"),
    ("жиырма бес пайыз", "25 пайыз"),
    ("елу пайызы", "50 пайызы"),
    ("бес бүтін оннан үш пайыз", "5,3 пайыз"),
    ("жеті бүтін жүзден жиырма бес", "7,25"),
    ("екі жарым мың", "екі жарым мың"),
    // Numbers with suffixes.
    ("жиырма бес адам", "25 адам"),
    ("жиырмаға дейін", "20-ға дейін"),
    ("онға жуық", "10-ға жуық"),
    ("отыздан астам", "30-дан астам"),
    ("қырыққа толды", "40-қа толды"),
    ("жүз елуден", "150-ден"),
    ("алпыс бестің", "65-тің"),
    ("сексен төртпен", "84-пен"),
    ("екі жүз он куә", "210 куә"),
    ("жиырма бесінші кабинет", "25-кабинет"),
    ("он екінші бетте", "12-бетте"),
    ("іс нөмірі жүз жиырма бес", "іс № 125"),
    ("нөмірі жетпіс бір бөлшек екі мың жиырма төрт", "№ 71/2024"),
    ("нөмірі нөл нөл жеті тире он екі", "№ 007-12"),
    // What stays.
    ("бір күні", "бір күні"),
    ("екінің бірі", "екінің бірі"),
    ("үш куә келді", "үш куә келді"),
    ("онда болды", "онда болды"),
    ("оның алтыны", "оның алтыны"),
    ("мың алғыс", "мың алғыс"),
    ("жүзі жылы", "жүзі жылы"),
    ("бірінші рет", "бірінші рет"),
    ("жиырма бесінші келді", "жиырма бесінші келді"),
    ("бес алты адам", "бес алты адам"),
    ("екі-үш адам", "екі-үш адам"),
    ("жүзінші рет айттым", "жүзінші рет айттым"),
    ("120 мың теңге", "120 мың теңге"),
    ("", ""),
];

#[test]
fn a_protocol_writes_what_was_said() {
    assert!(CASES.len() >= 60);
    for (said, expected) in CASES {
        assert_eq!(written(Language::KAZAKH, said).text(), *expected, "{said}");
    }
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

proptest! {
    #[test]
    fn what_is_written_stays_as_it_is(said in speech()) {
        let once = written(Language::KAZAKH, &said);
        let twice = written(Language::KAZAKH, once.text());
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
            said.replace_range(range, "иә");
        }
        let written = written(Language::KAZAKH, &said);
        prop_assert_eq!(written.text(), &said);
    }

    #[test]
    fn any_text_can_be_looked_at(said in any::<String>(), known in speech()) {
        for text in [said.clone(), format!("{known}{said} {known}")] {
            let written = written(Language::KAZAKH, &text);
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
