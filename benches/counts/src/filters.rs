//! From a topic to the filters that it matches.

use tidings_core::Topic;
use tidings_core::driver::FilterIndex;

use crate::Work;
use crate::material::ROUNDS;

/// Clients, each with as many filters as one may name.
const CLIENTS: usize = 50;
const FILTERS: usize = 64;

/// Looks up one topic after the other among many filters with wildcards of some shapes. None of them matches. Whether
/// the hashes of one topic collide with others depends on the seed of the process; those of many come to an average.
pub(crate) fn wildcards() -> Work {
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
    let topic = |number| format!("orders{number}.eu{number}.new{number}.{number}");
    let topics = (0..ROUNDS).map(|number| topic(number).parse().expect("a topic"));
    let topics: Vec<Topic> = topics.collect();
    Box::new(move || {
        let mut found = 0;
        topics.iter().for_each(|topic| index.visit_matches(topic, |_| found += 1));
        found
    })
}
