//! The conformance suite: every scenario for every listed transport, by every mover, over real sockets. A further
//! transport is one line in the list of transports, and none here.

mod support;

mod conformance {
    mod access;
    mod clients;
    mod compression;
    mod delivery;
    mod errors;
    mod exactly_once;
    mod gaps;
    mod headers;
    mod heartbeats;
    mod hosts;
    mod idempotency;
    mod inbound;
    mod latest;
    mod limits;
    mod live_page;
    mod metrics;
    mod negotiation;
    mod other_origins;
    mod payloads;
    mod pipelined;
    mod publish_many;
    mod published;
    mod sessions;
    mod shutdown;
    mod slow;
    mod slow_compressed;
    mod websocket;
}
