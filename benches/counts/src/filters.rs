//! From a topic to the filters that it matches.

use tidings_core::{FilterIndex, Topic};

use crate::mark::counted;
use crate::material::ROUNDS;

/// Clients, each with as many filters as one may name.
const CLIENTS: usize = 50;
const FILTERS: usize = 64;

/// One topic after the other, among many filters with wildcards of some shapes. None of them matches. The hashes
/// of one topic collide with others or not, by the seed of the process; those of many come to an average.
pub(crate) fn wildcards() {
    let mut index = FilterIndex::default();
    for number in 0..CLIENTS * FILTERS {
        let (client, filter) = (number / FILTERS, number % FILTERS);
        let filter = match filter % 4 {
            0 => format!("orders.*.x{client}.{filter}"),
            1 => format!("*.eu.x{client}.{filter}"),
            2 => format!("orders.*.*.x{client}-{filter}"),
            _ => format!("*.*.x{client}-{filter}.>"),
        };
        index.insert(filter.parse().expect("a filter"), number);
    }
    let topics: Vec<Topic> = (0..ROUNDS)
        .map(|number| {
            format!("orders{number}.eu{number}.new{number}.{number}").parse().expect("a topic")
        })
        .collect();
    let mut found = 0;
    counted(|| {
        topics.iter().for_each(|topic| index.visit_matches(topic, |_| found += 1));
    });
    assert_eq!(found, 0);
}
