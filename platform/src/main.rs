//! The platform.
fn main() {}
