//! HTTP/2 with prior knowledge: requests and WebSockets over its streams, in mounts too, and peers that break its rules. The
//! conformance suite plays every scenario over HTTP/2 as well.

mod support;

mod http2 {
    mod beginning;
    mod clients;
    mod ending;
    mod floods;
    mod frames;
    mod mounts;
    mod requests;
    mod streams;
    mod websocket;
}
