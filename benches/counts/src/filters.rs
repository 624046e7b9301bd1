//! From a topic to the filters that it matches.

use tidings_core::{FilterIndex, Topic};

use crate::mark::counted;
use crate::material::ROUNDS;

/// Clients, each with as many filters as one may name.
const CLIENTS: usize = 50;
const FILTERS: usize = 64;

/// The same topic again and again, among many filters with wildcards of some shapes. None of them matches.
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
    let topic: Topic = "orders.eu.new.7".parse().expect("a topic");
    let mut found = 0;
    counted(|| (0..ROUNDS).for_each(|_| index.visit_matches(&topic, |_| found += 1)));
    assert_eq!(found, 0);
}
