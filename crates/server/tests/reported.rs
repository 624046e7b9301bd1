//! Public bug reports as rows of one table. A row contains what is sent and what must hold.
//!
//! Each row names its report. It is run by lanes with io_uring, by lanes with plain sends, and by the general path. A
//! failure names the row, its report and the mover.
//!
//! To add a report, add a row to the area that it belongs to:
//!
//! ```text
//! row("a body of a GET is not the next request", "hyperium/hyper#309")
//!     .send("GET /healthz HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\n")
//!     .later("hi")                          // in a later segment
//!     .answers(&[200])                      // the status of each response, in order
//!     .stays_open()                         // or .closes()
//!     .holds(|seen| assert_eq!(seen.published, 0))
//! ```
//!
//! `.config(|config| …)` changes the hub's settings. A report that needs more than one connection is a
//! `.scenario(|hub| async move { … }.boxed_local())`. A new area is a file in `reported/` and a line below.

mod support;

mod reported {
    mod connections;
    mod filters;
    mod framing;
    mod methods;
    mod policy;
    mod rejections;
    mod row;

    macro_rules! areas {
        ($($area:ident),* $(,)?) => {$(
            #[test]
            fn $area() {
                row::run(&$area::rows());
            }
        )*};
    }

    areas!(connections, filters, framing, methods, policy, rejections);
}
