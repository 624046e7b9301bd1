//! Finds the matching filters of a topic among many filters that do not match.

use std::cell::OnceCell;
use std::hint::black_box;

use criterion::Criterion;
use tidings_core::driver::FilterIndex;
use tidings_core::{Filters, MAX_FILTER_TOKENS, MAX_STARS, Topic};

const CLIENTS: usize = 5000;

/// The most filters of one client.
const FILTERS: usize = 64;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("match a topic");
    let indices = [
        ("1 exact filter", "orders.new", one as fn() -> FilterIndex<usize>),
        ("320000 filters of one shape", "c7.x.x8.y", of_one_shape),
        ("320000 filters of all shapes", LONG, of_every_shape),
    ];
    for (name, topic, make) in indices {
        let index = OnceCell::new();
        let topic: Topic = topic.parse().expect("a topic");
        group.bench_function(name, |bencher| {
            let index = index.get_or_init(make);
            bencher.iter(|| {
                let mut found = 0;
                index.visit_matches(black_box(&topic), |_| found += 1);
                found
            });
        });
    }
    // A subscriber on the general path or one that catches up compares its own filters.
    let topic: Topic = LONG.parse().expect("a topic");
    group.bench_function("64 filters of one subscriber", |bencher| {
        let filters = of_one_reader();
        bencher.iter(|| black_box(&filters).matches(black_box(&topic)));
    });
    group.finish();
}

/// A topic with as many tokens as a filter with wildcards may have.
const LONG: &str = "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a";

fn one() -> FilterIndex<usize> {
    let mut index = FilterIndex::default();
    index.insert("orders.new".parse().expect("a filter"), 0);
    index
}

/// Filters of the form `c{client}.*.x{filter}.z.>`. None of them matches.
fn of_one_shape() -> FilterIndex<usize> {
    let mut index = FilterIndex::default();
    for number in 0..CLIENTS * FILTERS {
        let (client, filter) = (number / FILTERS, number % FILTERS);
        let filter = format!("c{client}.*.x{filter}.z.>");
        index.insert(filter.parse().expect("a filter"), number);
    }
    index
}

/// As many filters with all possible positions of wildcards. Each of them differs from the topic in one token.
fn of_every_shape() -> FilterIndex<usize> {
    let mut index = FilterIndex::default();
    let shapes = shapes();
    for number in 0..CLIENTS * FILTERS {
        let (tokens, stars, is_open) = shapes[number % shapes.len()];
        let mut filter: Vec<String> = (0..tokens)
            .map(|place| if stars >> place & 1 == 1 { "*".into() } else { "a".into() })
            .collect();
        match filter.iter_mut().rev().find(|token| *token != "*") {
            Some(last) => *last = format!("z{}", number / shapes.len()),
            None => continue,
        }
        if is_open {
            filter.push(">".into());
        }
        index.insert(filter.join(".").parse().expect("a filter"), number);
    }
    index
}

/// All positions of wildcards for a topic of [`MAX_FILTER_TOKENS`] tokens.
fn shapes() -> Vec<(usize, u32, bool)> {
    let stars = |tokens: usize| {
        (0_u32..1 << tokens).filter(|stars| stars.count_ones() as usize <= MAX_STARS)
    };
    let open = (0..MAX_FILTER_TOKENS)
        .flat_map(|tokens| stars(tokens).map(move |stars| (tokens, stars, true)));
    let closed = stars(MAX_FILTER_TOKENS).skip(1).map(|stars| (MAX_FILTER_TOKENS, stars, false));
    open.chain(closed).collect()
}

fn of_one_reader() -> Filters {
    let filter = |number: usize| format!("a.*.a.*.a.*.a.*.a.a.a.a.a.a.a.z{number}");
    (0..FILTERS).map(filter).collect::<Vec<_>>().join(",").parse().expect("filters")
}
