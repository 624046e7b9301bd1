//! A map from filters to values that finds all filters that match a topic.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::pattern::{MAX_FILTER_TOKENS, Pattern, Shape, TokenHashes};
use crate::{Filter, Topic};

/// A map from filters to values, which finds the values of all filters that match a topic.
///
/// The time of a search does not depend on the number of filters, and clients that choose the filters cannot make it
/// long. Filters with wildcards are in one hash table. A search takes one look-up for each *shape*, the places of a
/// filter's wildcards, that occurs in the index and fits the topic. A filter has at most
/// [`MAX_STARS`](crate::MAX_STARS) `*` among at most [`MAX_FILTER_TOKENS`] tokens, so the number of shapes is
/// limited. Let `c(d)` be the number of ways to place at most four `*` in `d` tokens. A topic of `n` tokens takes at
/// most `c(n) + c(0) + … + c(n - 1)` look-ups: 15 for 3 tokens, 62 for 5, 381 for 8, 9,401 for 16 and 6,885 for more.
/// Besides, each value found is visited.
///
/// A trie would have the same bound only if it had nodes for all tokens of each filter. This index has one row for each
/// filter, whatever its number of tokens.
///
/// ```
/// use tidings_core::driver::FilterIndex;
///
/// let mut index = FilterIndex::default();
/// index.insert("orders.*".parse()?, "all orders");
/// index.insert("alerts.>".parse()?, "alerts");
/// let mut found = Vec::new();
/// index.visit_matches(&"orders.new".parse()?, |value| found.push(*value));
/// assert_eq!(found, ["all orders"]);
/// # Ok::<(), tidings_core::ParseTopicError>(())
/// ```
pub struct FilterIndex<V> {
    /// Filters without wildcards.
    exact: HashMap<Arc<str>, V, RandomState>,
    wild: HashTable<Row<V>>,
    /// The shapes that occur without a final `>`, by their number of tokens.
    closed: [Shapes; MAX_FILTER_TOKENS + 1],
    /// The shapes that occur with a final `>`, by their number of tokens before it.
    open: [Shapes; MAX_FILTER_TOKENS],
}

struct Row<V> {
    filter: Filter,
    value: V,
}

/// The places of `*` that occur, sorted, each with the number of its filters.
type Shapes = Vec<(u16, u32)>;

impl<V> FilterIndex<V> {
    /// Returns the number of filters.
    pub fn len(&self) -> usize {
        self.exact.len() + self.wild.len()
    }

    /// Returns `true` if there are no filters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of a filter.
    pub fn get_mut(&mut self, filter: &Filter) -> Option<&mut V> {
        let Pattern { shape, key } = filter.pattern();
        if !shape.has_wildcard() {
            return self.exact.get_mut(filter.as_str());
        }
        let found = self.wild.find_mut(key, |row| row.filter == *filter);
        found.map(|row| &mut row.value)
    }

    /// Adds a filter, and returns the value that it had before.
    pub fn insert(&mut self, filter: Filter, value: V) -> Option<V> {
        if let Some(before) = self.get_mut(&filter) {
            return Some(std::mem::replace(before, value));
        }
        let Pattern { shape, key } = filter.pattern();
        if !shape.has_wildcard() {
            return self.exact.insert(filter.into_text(), value);
        }
        self.wild.insert_unique(key, Row { filter, value }, row_key);
        let shapes = self.shapes_of(shape);
        match shapes.binary_search_by_key(&shape.stars, |&(stars, _)| stars) {
            Ok(place) => shapes[place].1 += 1,
            Err(place) => shapes.insert(place, (shape.stars, 1)),
        }
        None
    }

    /// Removes a filter, and returns its value.
    pub fn remove(&mut self, filter: &Filter) -> Option<V> {
        let Pattern { shape, key } = filter.pattern();
        if !shape.has_wildcard() {
            let value = self.exact.remove(filter.as_str());
            if is_sparse(self.exact.len(), self.exact.capacity()) {
                self.exact.shrink_to(2 * self.exact.len());
            }
            return value;
        }
        let row = self.wild.find_entry(key, |row| row.filter == *filter).ok()?;
        let (Row { value, .. }, _) = row.remove();
        if is_sparse(self.wild.len(), self.wild.capacity()) {
            self.wild.shrink_to(2 * self.wild.len(), row_key);
        }
        let shapes = self.shapes_of(shape);
        if let Ok(place) = shapes.binary_search_by_key(&shape.stars, |&(stars, _)| stars) {
            shapes[place].1 -= 1;
            if shapes[place].1 == 0 {
                shapes.remove(place);
            }
        }
        Some(value)
    }

    /// Calls `visit` with the value of each filter that matches the topic, in no particular order.
    pub fn visit_matches(&self, topic: &Topic, mut visit: impl FnMut(&V)) {
        if let Some(value) = self.exact.get(topic.as_str()) {
            visit(value);
        }
        if self.wild.is_empty() {
            return;
        }
        let hashes = TokenHashes::of(topic);
        let tokens = hashes.tokens();
        if let Some(shapes) = self.closed.get(tokens) {
            self.visit_shapes(topic, &hashes, (tokens, false), shapes, &mut visit);
        }
        for (tokens, shapes) in self.open.iter().enumerate().take(tokens) {
            self.visit_shapes(topic, &hashes, (tokens, true), shapes, &mut visit);
        }
    }

    fn visit_shapes(
        &self,
        topic: &Topic,
        hashes: &TokenHashes,
        (tokens, is_open): (usize, bool),
        shapes: &Shapes,
        visit: &mut impl FnMut(&V),
    ) {
        for &(stars, _) in shapes {
            let shape = Shape { stars, tokens: tokens as u8, is_open };
            let pattern = Pattern { shape, key: hashes.key(shape) };
            // No two filters of one shape match the same topic, so there is at most one such row.
            let is_match =
                |row: &Row<V>| row.filter.pattern() == pattern && row.filter.matches(topic);
            if let Some(row) = self.wild.find(pattern.key, is_match) {
                visit(&row.value);
            }
        }
    }

    fn shapes_of(&mut self, shape: Shape) -> &mut Shapes {
        let tokens = usize::from(shape.tokens);
        if shape.is_open { &mut self.open[tokens] } else { &mut self.closed[tokens] }
    }
}

fn row_key<V>(row: &Row<V>) -> u64 {
    row.filter.pattern().key
}

/// Whether so much of a table is unused that it should shrink.
fn is_sparse(len: usize, capacity: usize) -> bool {
    capacity > 64 && len < capacity / 8
}

impl<V> Default for FilterIndex<V> {
    fn default() -> Self {
        Self {
            exact: HashMap::default(),
            wild: HashTable::new(),
            closed: Default::default(),
            open: Default::default(),
        }
    }
}

impl<V> fmt::Debug for FilterIndex<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilterIndex({} filters)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{Filters, MAX_STARS};

    /// Few different tokens, so that many filters match and many have the same shape.
    fn a_filter() -> impl Strategy<Value = String> {
        "([ab]|\\*)(\\.([ab]|\\*)){0,3}(\\.>)?|>|[ab](\\.[ab]){0,17}|a(\\.[ab]){10,14}(\\.>)?"
    }

    proptest! {
        /// The model is a map whose filters are matched one by one.
        #[test]
        fn the_index_finds_the_filters_that_match(
            changes in proptest::collection::vec((a_filter(), any::<bool>()), 1..60),
            topics in proptest::collection::vec("[ab](\\.[ab]){0,17}", 1..20),
        ) {
            let (mut index, mut model) = (FilterIndex::default(), BTreeMap::new());
            for (number, (text, is_added)) in changes.iter().enumerate() {
                let filter: Filter = text.parse().unwrap();
                if *is_added {
                    prop_assert_eq!(index.insert(filter, number), model.insert(text, number));
                } else {
                    prop_assert_eq!(index.remove(&filter), model.remove(text));
                }
            }
            prop_assert_eq!(index.len(), model.len());
            for topic in &topics {
                let topic: Topic = topic.parse().unwrap();
                let matching = model.iter().filter(|(text, _)| {
                    text.parse::<Filter>().unwrap().matches(&topic)
                });
                let mut expected: Vec<usize> = matching.map(|(_, &number)| number).collect();
                expected.sort_unstable();
                let mut found = Vec::new();
                index.visit_matches(&topic, |&number| found.push(number));
                found.sort_unstable();
                prop_assert_eq!(&found, &expected, "{} in {:?}", topic, model.keys());
                let several = model.keys().map(|text| text.as_str()).collect::<Vec<_>>().join(",");
                if let Ok(filters) = several.parse::<Filters>() {
                    prop_assert_eq!(filters.matches(&topic), !expected.is_empty());
                }
            }
            for text in model.keys() {
                index.remove(&text.parse().unwrap());
            }
            prop_assert!(index.is_empty());
            prop_assert!(index.closed.iter().chain(&index.open).all(Vec::is_empty));
        }
    }

    /// All ways to place at most [`MAX_STARS`] `*` in this number of tokens.
    fn all_shapes(tokens: usize) -> impl Iterator<Item = Vec<&'static str>> {
        let within = |stars: &u32| stars.count_ones() as usize <= MAX_STARS;
        (0_u32..1 << tokens).filter(within).map(move |stars| {
            let token = |place: usize| if stars >> place & 1 == 1 { "*" } else { "a" };
            (0..tokens).map(token).collect()
        })
    }

    #[test]
    fn no_search_takes_more_look_ups_than_documented() {
        let mut index = FilterIndex::default();
        for tokens in 1..=MAX_FILTER_TOKENS {
            for shape in all_shapes(tokens) {
                index.insert(shape.join(".").parse().unwrap(), ());
            }
            for mut shape in all_shapes(tokens - 1) {
                shape.push(">");
                index.insert(shape.join(".").parse().unwrap(), ());
            }
        }
        let searches = |tokens: usize| {
            let closed = index.closed.get(tokens).map_or(0, Vec::len);
            closed + index.open.iter().take(tokens).map(Vec::len).sum::<usize>()
        };
        // A filter without wildcards takes one look-up, too.
        let with_exact = |tokens| 1 + searches(tokens);
        assert_eq!([3, 5, 8, 16].map(with_exact), [15, 62, 381, 9401]);
        assert_eq!(with_exact(17), 6885);
        for tokens in [3, 16, 17] {
            let mut found = 0;
            let topic = vec!["a"; tokens].join(".");
            index.visit_matches(&topic.parse().unwrap(), |()| found += 1);
            assert_eq!(found, searches(tokens) + usize::from(tokens <= MAX_FILTER_TOKENS));
        }
    }

    #[test]
    fn the_memory_of_removed_filters_is_freed() {
        let mut index = FilterIndex::default();
        let filters = |number: usize| -> [Filter; 2] {
            [format!("c{number}.*").parse().unwrap(), format!("c{number}").parse().unwrap()]
        };
        for filter in (0..10_000).flat_map(filters) {
            index.insert(filter, ());
        }
        for filter in (10..10_000).flat_map(filters) {
            index.remove(&filter);
        }
        assert!(index.wild.capacity() < 256 && index.exact.capacity() < 256);
        assert_eq!(index.len(), 20);
    }
}
