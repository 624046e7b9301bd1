//! Finding the matching filters of a topic.

use tidings_core::Topic;
use tidings_core::driver::FilterIndex;

use crate::Work;
use crate::material::ROUNDS;

/// The number of clients, each with the maximum number of filters.
const CLIENTS: usize = 50;
const FILTERS: usize = 64;

/// Looks up one topic after another among many filters with wildcards at a few positions. None of them matches. The
/// number of hash collisions of one topic depends on the seed of the process, but that of many topics is nearly
/// constant.
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
