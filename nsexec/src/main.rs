//! nsexec.
fn main() {}
