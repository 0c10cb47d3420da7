//! A line test's verdict in the languages of the courts.

use super::line_test::{Direction, Fault, Verdict};
use otyrys_media::Cause;
use otyrys_signaling::Language;
use std::fmt::Write;

/// The words of one language.
pub(super) struct Words {
    server: &'static str,
    people: &'static str,
    tcp: &'static str,
    https: &'static str,
    udp: &'static str,
    up: &'static str,
    down: &'static str,
    /// Loss, bitrate, freezes of a direction.
    loss: &'static str,
    jitter: &'static str,
    carries: &'static str,
    at_least: &'static str,
    limited: &'static str,
    freezes: &'static str,
    round_trip: &'static str,
    sound_missing: &'static str,
    mbit: &'static str,
    ms: &'static str,
    works: &'static str,
    blocked: &'static str,
    unknown: &'static str,
    grades: [&'static str; 3],
    to_do: &'static str,
    /// By [`cause_place`]: the cause and what to do.
    causes: [&'static str; 7],
    /// By [`fault_place`].
    faults: [&'static str; 7],
}

impl Words {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::Kk => &KK,
            Language::Ru => &RU,
            Language::En => &EN,
        }
    }

    pub(super) fn verdict(&self, verdict: &Verdict) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: String| {
            // Padded by letters, not by octets.
            let gap = 34_usize.saturating_sub(label.chars().count());
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{label}{:gap$}{value}", "");
        };
        let ms = |value: Option<f64>| {
            let known = value.map(|ms| format!("{ms:.0} {}", self.ms));
            known.unwrap_or_else(|| self.unknown.to_owned())
        };
        let checks = &verdict.checks;
        line(self.server, verdict.server.clone());
        line(self.people, verdict.people.to_string());
        line(self.tcp, ms(checks.tcp_ms));
        line(self.https, ms(checks.https_ms));
        let udp = match checks.udp {
            Some(true) => format!("{} ({})", self.works, ms(checks.media_ms)),
            Some(false) => self.blocked.to_owned(),
            None => self.unknown.to_owned(),
        };
        line(self.udp, udp);
        for (label, direction) in [(self.up, &verdict.up), (self.down, &verdict.down)] {
            if let Some(direction) = direction {
                line(label, self.direction(direction));
            }
        }
        if verdict.round_trip_ms.is_some() {
            line(self.round_trip, ms(verdict.round_trip_ms));
        }
        if let Some(missing) = verdict.sound_missing {
            line(self.sound_missing, percent(missing));
        }
        let grade = self.grades[verdict.grade as usize];
        let advice = match verdict.fault {
            Some(fault) => self.faults[fault_place(fault)],
            None => self.causes[cause_place(verdict.cause)],
        };
        let _ = write!(text, "\n{grade}\n{}: {advice}", self.to_do);
        text
    }

    fn direction(&self, direction: &Direction) -> String {
        let bound = if direction.limited {
            self.limited
        } else {
            self.at_least
        };
        let loss = direction.loss.map(|loss| percent(loss.into()));
        let mut parts = vec![
            format!(
                "{} {bound} {:.2} {}",
                self.carries,
                direction.carried_bps as f64 / 1e6,
                self.mbit
            ),
            format!("{} {}", self.loss, loss.as_deref().unwrap_or(self.unknown)),
        ];
        if let Some(jitter) = direction.jitter_ms {
            parts.push(format!("{} {jitter:.0} {}", self.jitter, self.ms));
        }
        if direction.freezes > 0 {
            parts.push(format!("{} {}", self.freezes, direction.freezes));
        }
        parts.join(", ")
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn cause_place(cause: Cause) -> usize {
    match cause {
        Cause::None => 0,
        Cause::Silent => 1,
        Cause::Bandwidth => 2,
        Cause::Loss => 3,
        Cause::Delay => 4,
        Cause::Jitter => 5,
        Cause::Freezes => 6,
    }
}

fn fault_place(fault: Fault) -> usize {
    match fault {
        Fault::Unreachable => 0,
        Fault::Tls => 1,
        Fault::NotOtyrys => 2,
        Fault::Signalling => 3,
        Fault::Busy => 4,
        Fault::NoTests => 5,
        Fault::NoUdp => 6,
    }
}

static EN: Words = Words {
    server: "Server",
    people: "People of this site",
    tcp: "TCP connection",
    https: "HTTPS answer",
    udp: "Sound and picture (UDP)",
    up: "From here to the server",
    down: "From the server to here",
    loss: "loss",
    jitter: "jitter",
    carries: "carries",
    at_least: "at least",
    limited: "no more than",
    freezes: "freezes",
    round_trip: "There and back",
    sound_missing: "Sound that did not come back",
    mbit: "Mbit/s",
    ms: "ms",
    works: "works",
    blocked: "BLOCKED",
    unknown: "not known",
    grades: [
        "GOOD: this line carries a hearing.",
        "FAIR: a hearing works over this line, and people will notice the line.",
        "POOR: this line does not carry a hearing with sound and picture.",
    ],
    to_do: "What to do",
    causes: [
        "nothing.",
        "nothing comes through for seconds at a time: check the cable, the modem and the provider's line.",
        "the line is too narrow: use a cable instead of Wi-Fi, stop other downloads, let fewer people join from here with a picture, or order a faster line.",
        "packets are lost: use a cable instead of Wi-Fi, move closer to the access point, have the provider check the line.",
        "packets take too long: avoid satellite links and VPNs to far places; check whether something else fills the line.",
        "packets come unevenly: use a cable instead of Wi-Fi, stop other traffic, or give sound and picture precedence in the router (DSCP).",
        "pictures stand still though the line is good: the computer is too busy; close other programs.",
    ],
    faults: [
        "the server cannot be reached: check the address and that the firewall lets TCP out to its port.",
        "no secure connection: check the clock of this computer, and whether a proxy or antivirus replaces certificates; give the server's certificate with --trust if it is the server's own.",
        "something else than Otyrys answers at this address: check it, and whether a login page of the network stands between.",
        "the signalling connection is cut: a proxy between may not let WebSockets through.",
        "the server has as many line tests as it takes at once: try again in two minutes.",
        "the server has no line tests: its operator switches them on with media.line_tests.",
        "sound and picture do not come through: have the firewall let UDP out to the server's port, and the answers in. Until then browsers try TCP, which stutters on a line that loses packets.",
    ],
};

static RU: Words = Words {
    server: "Сервер",
    people: "Участников с этого места",
    tcp: "Соединение TCP",
    https: "Ответ HTTPS",
    udp: "Звук и изображение (UDP)",
    up: "Отсюда на сервер",
    down: "С сервера сюда",
    loss: "потери",
    jitter: "дрожание",
    carries: "пропускает",
    at_least: "не менее",
    limited: "не более",
    freezes: "замираний",
    round_trip: "Туда и обратно",
    sound_missing: "Не вернулось звука",
    mbit: "Мбит/с",
    ms: "мс",
    works: "работает",
    blocked: "ЗАБЛОКИРОВАНО",
    unknown: "неизвестно",
    grades: [
        "ХОРОШО: линия подходит для заседания.",
        "УДОВЛЕТВОРИТЕЛЬНО: заседание возможно, но участники заметят помехи.",
        "ПЛОХО: линия не подходит для заседания со звуком и изображением.",
    ],
    to_do: "Что делать",
    causes: [
        "ничего.",
        "по несколько секунд ничего не проходит: проверьте кабель, модем и линию провайдера.",
        "линия слишком узкая: используйте кабель вместо Wi-Fi, остановите другие загрузки, подключайте меньше участников с изображением или закажите более быструю линию.",
        "пакеты теряются: используйте кабель вместо Wi-Fi, подойдите ближе к точке доступа, попросите провайдера проверить линию.",
        "пакеты идут слишком долго: избегайте спутниковых каналов и VPN через дальние узлы; проверьте, не занята ли линия чем-то ещё.",
        "пакеты приходят неравномерно: используйте кабель вместо Wi-Fi, остановите другой обмен или дайте звуку и изображению приоритет в маршрутизаторе (DSCP).",
        "изображение замирает, хотя линия хорошая: компьютер перегружен, закройте другие программы.",
    ],
    faults: [
        "сервер недоступен: проверьте адрес и разрешён ли в межсетевом экране исходящий TCP на его порт.",
        "нет защищённого соединения: проверьте часы компьютера и не подменяет ли сертификаты прокси или антивирус; если сертификат у сервера собственный, укажите его в --trust.",
        "по этому адресу отвечает не Otyrys: проверьте адрес и нет ли по пути страницы входа в сеть.",
        "соединение сигнализации обрывается: прокси по пути может не пропускать WebSocket.",
        "на сервере сейчас идёт предельное число проверок: повторите через две минуты.",
        "на сервере нет проверки линии: её включает администратор параметром media.line_tests.",
        "звук и изображение не проходят: разрешите в межсетевом экране исходящий UDP на порт сервера и ответы на него. До тех пор браузеры пробуют TCP, который заикается на линии с потерями.",
    ],
};

static KK: Words = Words {
    server: "Сервер",
    people: "Осы жерден қатысушылар",
    tcp: "TCP қосылымы",
    https: "HTTPS жауабы",
    udp: "Дыбыс пен бейне (UDP)",
    up: "Осы жерден серверге",
    down: "Серверден осы жерге",
    loss: "жоғалту",
    jitter: "діріл",
    carries: "өткізеді",
    at_least: "кемінде",
    limited: "ең көбі",
    freezes: "қатып қалу",
    round_trip: "Барып қайту уақыты",
    sound_missing: "Қайтып келмеген дыбыс",
    mbit: "Мбит/с",
    ms: "мс",
    works: "жұмыс істейді",
    blocked: "БҰҒАТТАЛҒАН",
    unknown: "белгісіз",
    grades: [
        "ЖАҚСЫ: желі сот отырысына жарайды.",
        "ҚАНАҒАТТАНАРЛЫҚ: отырыс өткізуге болады, бірақ қатысушылар кедергілерді байқайды.",
        "НАШАР: желі дыбысы мен бейнесі бар отырысқа жарамайды.",
    ],
    to_do: "Не істеу керек",
    causes: [
        "ештеңе.",
        "бірнеше секунд бойы ештеңе өтпейді: кабельді, модемді және провайдердің желісін тексеріңіз.",
        "желі тым тар: Wi-Fi орнына кабель қолданыңыз, басқа жүктеулерді тоқтатыңыз, бейнемен аз адам қосыңыз немесе жылдамырақ желіге тапсырыс беріңіз.",
        "пакеттер жоғалады: Wi-Fi орнына кабель қолданыңыз, кіру нүктесіне жақындаңыз, провайдерден желіні тексеруді сұраңыз.",
        "пакеттер тым ұзақ жүреді: спутниктік арналар мен алыс VPN-нен аулақ болыңыз; желіні басқа нәрсе толтырып тұрмағанын тексеріңіз.",
        "пакеттер біркелкі келмейді: Wi-Fi орнына кабель қолданыңыз, басқа алмасуды тоқтатыңыз немесе маршрутизаторда дыбыс пен бейнеге басымдық беріңіз (DSCP).",
        "желі жақсы болса да, бейне қатып қалады: компьютер тым бос емес, басқа бағдарламаларды жабыңыз.",
    ],
    faults: [
        "сервер қолжетімсіз: мекенжайды және желіаралық экран оның портына шығыс TCP-ге рұқсат беретінін тексеріңіз.",
        "қорғалған қосылым жоқ: компьютер сағатын және прокси немесе антивирус сертификаттарды алмастырмайтынын тексеріңіз; сервердің сертификаты өзінікі болса, оны --trust арқылы көрсетіңіз.",
        "бұл мекенжайда Otyrys жауап бермейді: мекенжайды және жолда желіге кіру беті жоқ екенін тексеріңіз.",
        "сигнал беру қосылымы үзіледі: жолдағы прокси WebSocket өткізбеуі мүмкін.",
        "серверде қазір тексерулер саны шегіне жетті: екі минуттан кейін қайталаңыз.",
        "серверде желіні тексеру жоқ: оны әкімші media.line_tests параметрімен қосады.",
        "дыбыс пен бейне өтпейді: желіаралық экранда сервер портына шығыс UDP-ге және оның жауаптарына рұқсат беріңіз. Оған дейін браузерлер TCP-ді қолданып көреді, ол пакет жоғалтатын желіде үзіліп тұрады.",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_something_different_of_every_cause_and_fault() {
        for words in [&KK, &RU, &EN] {
            let all: Vec<&str> = [&words.causes[..], &words.faults[..], &words.grades[..]].concat();
            let different: std::collections::BTreeSet<&&str> = all.iter().collect();
            assert_eq!(different.len(), all.len());
        }
        assert_ne!(RU.causes, KK.causes);
        assert_ne!(RU.faults, EN.faults);
    }
}
