//! Several servers over one broker. Scenarios that depend on the order of events use a model of a broker, which waits
//! until the scenario allows it to continue. The others use real brokers.

mod support;

mod many_servers {
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
