//! Empty until its first subject lands.
fn main() {}
