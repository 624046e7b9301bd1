//! What only hubs over a broker do. What depends on who is faster is played over a model of a broker that
//! waits where it is told to; the rest over real servers.

mod support;

mod many_hubs {
    mod ahead;
    mod below;
    mod history;
    mod latest;
    mod leaving;
    mod model;
    mod on_the_way;
    mod order;
    mod outage;
    mod plays;
    mod stage;
}
