//! How long one clearing takes.
fn main() {}
