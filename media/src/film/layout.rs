//! Who is where in the picture.

use super::{HEIGHT, WIDTH};

/// A rectangle of the picture, in pixels. All its numbers are even: colours have half the
/// resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Area {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Of the name under a picture.
pub(super) const NAME_HEIGHT: u32 = 32;
/// Beside a screen that is shared.
const STRIP_WIDTH: u32 = 256;

pub(super) const WHOLE: Area = Area {
    x: 0,
    y: 0,
    width: WIDTH,
    height: HEIGHT,
};

/// Where a screen is shown.
pub(super) const SCREEN: Area = Area {
    width: WIDTH - STRIP_WIDTH,
    ..WHOLE
};

/// The places of so many people, names included; beside a screen if one is shared.
pub(super) fn places(people: usize, beside_screen: bool) -> Vec<Area> {
    let room = match beside_screen {
        true => Area {
            x: SCREEN.width,
            width: STRIP_WIDTH,
            ..WHOLE
        },
        false => WHOLE,
    };
    let people = people as u32;
    // The number of columns in which a picture of 16:9 is largest.
    let columns = (1..=people).max_by_key(|columns| {
        let place = place(room, *columns, people, 0);
        (place.width * 9).min(place.height.saturating_sub(NAME_HEIGHT) * 16)
    });
    let columns = columns.unwrap_or(1);
    (0..people)
        .map(|number| place(room, columns, people, number))
        .collect()
}

fn place(room: Area, columns: u32, people: u32, number: u32) -> Area {
    let rows = people.div_ceil(columns);
    let (width, height) = (even(room.width / columns), even(room.height / rows));
    Area {
        x: room.x + number % columns * width,
        y: room.y + number / columns * height,
        width,
        height,
    }
}

impl Area {
    /// Where the picture goes, and the name right under it.
    pub(super) fn split(self) -> (Self, Self) {
        let above = self.height.saturating_sub(NAME_HEIGHT);
        let fitted = Self {
            height: above,
            ..self
        }
        .fit(16, 9);
        let picture = Self {
            y: self.y + even((above - fitted.height) / 2),
            ..fitted
        };
        let name = Self {
            y: picture.y + picture.height,
            height: NAME_HEIGHT,
            ..self
        };
        (picture, name)
    }

    /// The largest area in the middle of this one that has the shape of a picture.
    pub(super) fn fit(self, width: u32, height: u32) -> Self {
        let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let (across, down) = (u64::from(self.width), u64::from(self.height));
        let (fitted_width, fitted_height) = match across * height <= down * width {
            true => (across, across * height / width),
            false => (down * width / height, down),
        };
        let (fitted_width, fitted_height) = (
            even(fitted_width as u32).max(2),
            even(fitted_height as u32).max(2),
        );
        Self {
            x: self.x + even(self.width.saturating_sub(fitted_width) / 2),
            y: self.y + even(self.height.saturating_sub(fitted_height) / 2),
            width: fitted_width,
            height: fitted_height,
        }
    }
}

fn even(pixels: u32) -> u32 {
    pixels & !1
}

#[cfg(test)]
mod tests {
    use super::super::MOST_PEOPLE;
    use super::*;

    #[test]
    fn everybody_has_a_place_of_their_own_in_the_picture() {
        for people in 1..=MOST_PEOPLE {
            for beside_screen in [false, true] {
                let places = places(people, beside_screen);
                assert_eq!(places.len(), people);
                for (number, place) in places.iter().enumerate() {
                    let (picture, name) = place.split();
                    assert!(
                        picture.width >= 64 && picture.height >= 36,
                        "{people}: {picture:?}"
                    );
                    assert_eq!(name.height, NAME_HEIGHT);
                    assert!(place.x + place.width <= WIDTH && place.y + place.height <= HEIGHT);
                    assert!(!beside_screen || place.x >= SCREEN.width);
                    assert!(
                        [place.x, place.y, place.width, place.height]
                            .iter()
                            .all(|n| n % 2 == 0)
                    );
                    let apart = |other: &Area| {
                        other.x + other.width <= place.x
                            || place.x + place.width <= other.x
                            || other.y + other.height <= place.y
                            || place.y + place.height <= other.y
                    };
                    assert!(places[..number].iter().all(apart), "{people}: {places:?}");
                }
            }
        }
    }

    #[test]
    fn four_people_sit_two_by_two() {
        let places = places(4, false);
        let corners: Vec<_> = places.iter().map(|place| (place.x, place.y)).collect();
        assert_eq!(corners, [(0, 0), (640, 0), (0, 360), (640, 360)]);
    }

    #[test]
    fn a_picture_keeps_its_shape() {
        let area = Area {
            x: 10,
            y: 20,
            width: 640,
            height: 328,
        };
        let portrait = area.fit(360, 640);
        assert_eq!((portrait.width, portrait.height), (184, 328));
        assert_eq!((portrait.x, portrait.y), (10 + 228, 20));
        let wide = area.fit(1280, 360);
        assert_eq!((wide.width, wide.height), (640, 180));
        assert!(area.fit(u32::MAX, 1).height >= 2);
    }
}
