//! WebTransport: what only its sessions have. The scenarios of all transports are in the conformance suite.

mod support;

mod webtransport {
    mod certificates;
    mod client;
    mod ends;
    mod messages;
    mod rejections;
}
