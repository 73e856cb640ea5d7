//! Hops.
