//! Hubs over one broker, in simulated time and without a network: clients, hubs and the broker fail in
//! every order that a seed can think of, and what clients are told is held against what was stored.
//!
//! One schedule once more, with all that happens in it:
//! `TIDINGS_SEED=123 cargo test -p tidings-core --test simulation`.

mod simulation {
    mod book;
    mod broker;
    mod check;
    mod client;
    mod history;
    mod hubs;
    mod publisher;
    mod schedules;
    mod tail;
    mod weather;
    mod world;
}
