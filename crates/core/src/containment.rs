//! Containment of filters, with which access checks compare permitted and requested filters.

use std::iter::repeat_n;

use crate::{Filter, Filters};

impl Filter {
    /// Returns `true` if this filter matches every topic that `other` matches.
    ///
    /// ```
    /// use tidings_core::Filter;
    /// let own: Filter = "users.ann.>".parse()?;
    /// assert!(own.contains(&"users.ann.orders.*".parse()?));
    /// assert!(!own.contains(&"users.*.orders".parse()?));
    /// # Ok::<(), tidings_core::ParseTopicError>(())
    /// ```
    pub fn contains(&self, other: &Self) -> bool {
        covers(self, other.tokens())
    }

    fn tokens(&self) -> impl Iterator<Item = &str> {
        self.as_str().split('.')
    }
}

impl Filters {
    /// Returns `true` if every topic that one of the `other` filters matches is matched by one of these. An
    /// access check compares the filters that a client may follow with those of its request.
    ///
    /// ```
    /// use tidings_core::Filters;
    /// let allowed: Filters = "public.>,users.ann.>".parse()?;
    /// assert!(allowed.contains(&"users.ann.inbox,public.*".parse()?));
    /// assert!(!allowed.contains(&"users.ann.inbox,users.bob.inbox".parse()?));
    /// # Ok::<(), tidings_core::ParseTopicError>(())
    /// ```
    pub fn contains(&self, other: &Self) -> bool {
        other.iter().all(|filter| self.contain(filter))
    }

    fn contain(&self, filter: &Filter) -> bool {
        if self.iter().any(|one| one.contains(filter)) {
            return true;
        }
        let Some(start) = filter.as_str().strip_suffix('>') else { return false };
        // `>` matches one token, or two, or more. Each number of `*` in its place may be contained in another filter.
        // Numbers that make it longer than the longest of these filters all give the same result, so one is enough.
        let start = || start.split_terminator('.');
        let longest = self.iter().map(|one| one.tokens().count()).max().unwrap_or_default();
        let most = (longest + 1).saturating_sub(start().count()).max(1);
        (1..=most)
            .all(|count| self.iter().any(|one| covers(one, start().chain(repeat_n("*", count)))))
    }
}

/// Whether the filter matches every topic that a filter of these tokens matches. There are infinitely many tokens, so
/// only a wildcard covers a wildcard.
fn covers<'a>(filter: &Filter, mut tokens: impl Iterator<Item = &'a str>) -> bool {
    for wanted in filter.tokens() {
        match (wanted, tokens.next()) {
            (">", Some(_)) => return true,
            (_, None | Some(">")) => return false,
            (wanted, Some(token)) if wanted != "*" && wanted != token => return false,
            _ => {}
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topic;
    use proptest::prelude::*;

    /// All topics of up to five tokens, which is longer than any filter here, with one token, `c`, that no filter has.
    fn topics() -> Vec<Topic> {
        let mut topics = vec![String::new()];
        let mut all = Vec::new();
        for _ in 0..5 {
            let longer = |topic: &String| ["a", "b", "c"].map(|token| format!("{topic}.{token}"));
            topics = topics.iter().flat_map(longer).collect();
            all.extend(topics.iter().map(|topic| topic[1..].parse().unwrap()));
        }
        all
    }

    fn filters() -> impl Strategy<Value = String> {
        let filter = "([ab*](\\.[ab*]){0,2}|([ab*]\\.){0,3}>)";
        prop::collection::vec(filter, 1..4).prop_map(|filters| filters.join(","))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn filters_contain_others_if_and_only_if_they_match_all_their_topics(
            ours in filters(),
            theirs in filters(),
        ) {
            let (ours, theirs): (Filters, Filters) = (ours.parse().unwrap(), theirs.parse().unwrap());
            let expected =
                topics().iter().all(|topic| ours.matches(topic) || !theirs.matches(topic));
            prop_assert_eq!(ours.contains(&theirs), expected);
        }
    }

    #[test]
    fn several_filters_can_contain_a_filter_that_none_of_them_contains() {
        let contains = |ours: &str, theirs: &str| {
            ours.parse::<Filters>().unwrap().contains(&theirs.parse().unwrap())
        };
        assert!(contains("*,*.>", ">"));
        assert!(contains("a.*,a.*.*,a.*.*.>", "a.>"));
        assert!(!contains("a.*,a.*.*.>", "a.>"));
        assert!(!contains("a,a.b.>", "a.>"));
    }
}
