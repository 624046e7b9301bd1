//! The stream adapters.
