//! Simulates hubs on one broker, in simulated time and without a network. Clients, hubs and the broker fail in a random
//! order, and the events of the clients are checked against the stream that the broker has stored.
//!
//! To repeat one schedule with a trace of all that happens:
//! `TIDINGS_SEED=123 cargo test -p tidings-core --test simulation`.

mod simulation {
    mod broker;
    mod check;
    mod client;
    mod faults;
    mod history;
    mod hubs;
    mod publisher;
    mod record;
    mod schedules;
    mod tail;
    mod world;
}
