//! Numbers made of several words, in any language that says the larger part first.

/// What a word adds to the number it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Nought, which stands alone.
    Nought,
    /// Is added. Only parts below `room` may follow within the same thousand: after twenty those
    /// below ten, after twelve none.
    Add { value: u64, room: u64 },
    /// A hundred that is counted by the digit before it, or stands for one (жүз).
    Hundred,
    /// A thousand or more: multiplies what came before, or stands for one of it.
    Scale(u64),
}

impl Part {
    /// A part below a thousand whose `room` follows from its value.
    pub(super) const fn add(value: u64) -> Self {
        let room = match value {
            0..=9 => 1,
            10..=99 => 10,
            _ => 100,
        };
        Self::Add { value, room }
    }

    /// A part after which nothing is added below a thousand, such as twelve.
    pub(super) const fn last(value: u64) -> Self {
        Self::Add { value, room: 1 }
    }
}

/// A number while its parts come.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    /// The thousands that are complete.
    whole: u64,
    /// What has come below a thousand.
    below: u64,
    /// What may still be added below the thousand is smaller than this.
    room: u64,
    /// The next scale is smaller than this.
    scale: u64,
}

impl Sum {
    pub(super) const fn new() -> Self {
        Self {
            whole: 0,
            below: 0,
            room: 1_000,
            scale: u64::MAX,
        }
    }

    pub(super) const fn value(&self) -> u64 {
        self.whole + self.below
    }

    /// Whether there is something that a scale would multiply.
    pub(super) const fn awaits_scale(&self) -> bool {
        self.below > 0
    }

    /// Takes the next part; `false` where it cannot be of the same number.
    pub(super) fn take(&mut self, part: Part) -> bool {
        match part {
            Part::Nought if self.room == 1_000 && self.scale == u64::MAX => {
                (self.room, self.scale) = (0, 0);
            }
            Part::Add { value, room } if value < self.room => {
                self.below += value;
                self.room = room;
            }
            Part::Hundred if self.room == 1_000 => (self.below, self.room) = (100, 100),
            Part::Hundred if (1..10).contains(&self.below) => {
                (self.below, self.room) = (self.below * 100, 100);
            }
            Part::Scale(scale) if scale < self.scale => {
                self.whole += self.below.max(1) * scale;
                (self.below, self.room, self.scale) = (0, 1_000, scale);
            }
            _ => return false,
        }
        true
    }
}

/// A value in digits, in groups of three from five digits on: 2024, 120 000.
pub(super) fn digits(value: u64) -> String {
    let plain = value.to_string();
    if plain.len() < 5 {
        return plain;
    }
    let mut grouped = String::new();
    for (index, digit) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(parts: &[Part]) -> Option<u64> {
        let mut sum = Sum::new();
        parts
            .iter()
            .all(|part| sum.take(*part))
            .then(|| sum.value())
    }

    #[test]
    fn parts_come_from_the_largest_to_the_smallest() {
        let (add, thousand, million) = (Part::add, Part::Scale(1_000), Part::Scale(1_000_000));
        assert_eq!(sum(&[add(100), add(20), add(5)]), Some(125));
        assert_eq!(sum(&[add(2), thousand, add(20), add(4)]), Some(2_024));
        assert_eq!(
            sum(&[million, add(200), thousand, Part::last(15)]),
            Some(1_200_015)
        );
        assert_eq!(sum(&[add(5), Part::Hundred, add(7)]), Some(507));
        assert_eq!(sum(&[thousand, Part::Hundred]), Some(1_100));
        assert_eq!(sum(&[add(5), add(20)]), None);
        assert_eq!(sum(&[Part::last(12), add(5)]), None);
        assert_eq!(sum(&[thousand, million]), None);
        assert_eq!(sum(&[Part::Nought, add(5)]), None);
        assert_eq!(sum(&[add(20), Part::Nought]), None);
        assert_eq!(sum(&[add(20), Part::Hundred]), None);
    }

    #[test]
    fn digits_are_grouped_where_they_are_many() {
        assert_eq!(digits(2_024), "2024");
        assert_eq!(digits(120_000), "120 000");
        assert_eq!(digits(5_000_000), "5 000 000");
    }
}
