//! Finds out whether two filters can match the same topic.

use tidings_core::Filters;

/// Returns `true` if no topic is matched by two of the filters.
pub(crate) fn disjoint(filters: &Filters) -> bool {
    let filters: Vec<&str> = filters.iter().map(|filter| filter.as_str()).collect();
    let mut pairs = filters
        .iter()
        .enumerate()
        .flat_map(|(index, one)| filters[index + 1..].iter().map(move |other| (*one, *other)));
    pairs.all(|(one, other)| !overlap(one, other))
}

fn overlap(one: &str, other: &str) -> bool {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return true,
            (None, _) | (_, None) => return false,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(one), Some(other)) if one == other || one == "*" || other == "*" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidings_core::{Filter, Topic};

    proptest! {
        #[test]
        fn filters_that_match_one_topic_overlap(
            one in "([ab]|\\*)(\\.([ab]|\\*)){0,3}(\\.>)?|>",
            other in "([ab]|\\*)(\\.([ab]|\\*)){0,3}(\\.>)?|>",
            topic in "[ab](\\.[ab]){0,4}",
        ) {
            let topic: Topic = topic.parse().unwrap();
            let matches = |text: &str| text.parse::<Filter>().unwrap().matches(&topic);
            if matches(&one) && matches(&other) {
                prop_assert!(overlap(&one, &other));
                prop_assert!(overlap(&other, &one));
            }
        }
    }

    #[test]
    fn filters_without_a_topic_in_common_are_disjoint() {
        let verdict = |text: &str| disjoint(&text.parse().unwrap());
        assert!(verdict("a,b,c.*"));
        assert!(verdict("a.*,a.*.c"));
        assert!(!verdict("a.*,*.b"));
        assert!(!verdict("a,a"));
        assert!(!verdict("a.>,b,a.b.c"));
    }
}
