//! Which of two drafts of the same sound is kept: the one made while people spoke, or the one made
//! after the hearing.

/// A line of a draft, as far as the choice depends on it. Its times are in ms on the record clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) start_ms: u32,
    pub(super) end_ms: u32,
    pub(super) words: usize,
    /// Not to be relied on without listening.
    pub(super) weak: bool,
    /// A person has changed it.
    pub(super) edited: bool,
}

/// What of two drafts stays, by index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Of the later draft.
    pub(super) kept: Vec<usize>,
    /// Of the earlier draft: those that give way.
    pub(super) replaced: Vec<usize>,
}

/// Compares two drafts of one file, each in order and without overlaps.
///
/// Both cut where somebody is silent, so that lines stand in groups that share no sound with other
/// groups, mostly one of each. In each group the later draft wins as a whole or not at all: words are
/// neither lost nor there twice.
pub(super) fn compare_and_keep(earlier: &[Candidate], later: &[Candidate]) -> Choice {
    let mut choice = Choice::default();
    let (mut first_earlier, mut first_later) = (0, 0);
    while first_earlier < earlier.len() || first_later < later.len() {
        let (old, new) = group(&earlier[first_earlier..], &later[first_later..]);
        let (old, new) = (first_earlier + old, first_later + new);
        if is_better(&earlier[first_earlier..old], &later[first_later..new]) {
            choice.replaced.extend(first_earlier..old);
            choice.kept.extend(first_later..new);
        }
        (first_earlier, first_later) = (old, new);
    }
    choice
}

/// How many lines of each draft belong to the group that begins with their first ones.
fn group(earlier: &[Candidate], later: &[Candidate]) -> (usize, usize) {
    let (mut old, mut new, mut end_ms) = (0, 0, None);
    loop {
        let (line, is_old) = match (earlier.get(old), later.get(new)) {
            (None, None) => return (old, new),
            (Some(line), None) => (line, true),
            (None, Some(line)) => (line, false),
            (Some(of_old), Some(of_new)) if of_old.start_ms <= of_new.start_ms => (of_old, true),
            (Some(_), Some(of_new)) => (of_new, false),
        };
        if end_ms.is_some_and(|end_ms| line.start_ms >= end_ms) {
            return (old, new);
        }
        *(if is_old { &mut old } else { &mut new }) += 1;
        end_ms = end_ms.max(Some(line.end_ms));
    }
}

/// Whether the later draft of a group is to stand in place of the earlier one.
fn is_better(earlier: &[Candidate], later: &[Candidate]) -> bool {
    let words = |lines: &[Candidate]| lines.iter().map(|line| line.words).sum::<usize>();
    // What a person has put right is theirs. Where the later draft has nothing, or less than half,
    // words would be lost: whether they were said is for a person to hear.
    !earlier.iter().any(|line| line.edited)
        && !later.is_empty()
        && words(later) * 2 >= words(earlier)
        // Doubt comes in place of nothing but doubt.
        && (later.iter().all(|line| !line.weak)
            || earlier.is_empty()
            || earlier.iter().any(|line| line.weak))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(start_ms: u32, end_ms: u32, words: usize) -> Candidate {
        Candidate {
            start_ms,
            end_ms,
            words,
            weak: false,
            edited: false,
        }
    }

    fn choice(kept: &[usize], replaced: &[usize]) -> Choice {
        Choice {
            kept: kept.to_vec(),
            replaced: replaced.to_vec(),
        }
    }

    #[test]
    fn what_was_heard_again_comes_in_place_of_the_same_sound() {
        let earlier = [line(0, 5_000, 9), line(6_000, 9_000, 4)];
        let later = [line(10, 4_900, 10), line(6_100, 9_000, 4)];
        assert_eq!(compare_and_keep(&earlier, &later), choice(&[0, 1], &[0, 1]));
        // Cut elsewhere: all of the group.
        let later = [line(0, 7_000, 10), line(7_500, 9_000, 3)];
        assert_eq!(compare_and_keep(&earlier, &later), choice(&[0, 1], &[0, 1]));
    }

    #[test]
    fn what_a_person_has_changed_stays() {
        let mut earlier = [line(0, 5_000, 9), line(6_000, 9_000, 4)];
        earlier[1].edited = true;
        let later = [line(0, 5_000, 9), line(6_000, 9_000, 4)];
        assert_eq!(compare_and_keep(&earlier, &later), choice(&[0], &[0]));
    }

    #[test]
    fn nothing_that_was_heard_is_lost_and_no_doubt_comes_in() {
        let earlier = [line(0, 5_000, 9), line(6_000, 9_000, 8)];
        assert_eq!(compare_and_keep(&earlier, &[]), choice(&[], &[]));
        let mut later = [line(0, 5_000, 9), line(6_000, 9_000, 3)];
        later[0].weak = true;
        assert_eq!(compare_and_keep(&earlier, &later), choice(&[], &[]));
        assert_eq!(compare_and_keep(&[], &later), choice(&[0, 1], &[]));
    }

    fn draft() -> impl Strategy<Value = Vec<Candidate>> {
        let line = (
            0..2_000_u32,
            1..9_000_u32,
            0..20_usize,
            any::<bool>(),
            0..8_u8,
        );
        proptest::collection::vec(line, 0..12).prop_map(|lines| {
            let mut at = 0;
            let candidates = lines.into_iter().map(|(gap, length, words, weak, edited)| {
                let start_ms = at + gap;
                at = start_ms + length;
                Candidate {
                    start_ms,
                    end_ms: at,
                    words,
                    weak,
                    edited: edited == 0,
                }
            });
            candidates.collect()
        })
    }

    proptest! {
        #[test]
        fn nothing_is_there_twice_and_nothing_is_lost(earlier in draft(), later in draft()) {
            let later: Vec<_> = later
                .into_iter()
                .map(|line| Candidate { edited: false, ..line })
                .collect();
            let choice = compare_and_keep(&earlier, &later);
            let is_replaced = |index: &usize| choice.replaced.contains(index);
            let stays = (0..earlier.len()).filter(|index| !is_replaced(index));
            let mut result: Vec<_> = stays.map(|index| earlier[index]).collect();
            result.extend(choice.kept.iter().map(|index| later[*index]));
            result.sort_by_key(|line| line.start_ms);
            for pair in result.windows(2) {
                prop_assert!(pair[0].end_ms <= pair[1].start_ms, "{pair:?} overlap");
            }
            let overlaps = |one: &Candidate, other: &Candidate| {
                one.start_ms < other.end_ms && other.start_ms < one.end_ms
            };
            for (index, line) in earlier.iter().enumerate() {
                prop_assert!(result.iter().any(|other| overlaps(line, other)));
                prop_assert!(!(line.edited && is_replaced(&index)));
            }
            for (index, line) in later.iter().enumerate() {
                let alone = earlier.iter().all(|other| !overlaps(line, other));
                prop_assert!(!alone || choice.kept.contains(&index), "{line:?} was heard anew");
            }
        }
    }
}
