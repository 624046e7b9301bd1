//! Our clients over TLS when something fails: a certificate that is not valid now, and a connection that ends without
//! `close_notify`.

mod support;

mod tls_clients {
    mod truncation;
    mod validity;
}
