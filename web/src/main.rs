//! The `otyrys` command.
fn main() {}
