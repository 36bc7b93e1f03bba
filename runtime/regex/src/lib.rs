//! regex-lite under the name of regex, for oci-spec, which matches one ASCII pattern (`process.execCPUAffinity`).
//!
//! The real crate brings tables of all of Unicode: 9,000 relocations that a static-pie program has to do, page fault
//! by page fault, each time it starts. skeg starts four times for each container.

pub use regex_lite::*;
