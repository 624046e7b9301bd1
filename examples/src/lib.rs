//! Examples of tidings; see the files beside `src`.
