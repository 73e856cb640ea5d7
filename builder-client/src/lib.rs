//! builder-client
