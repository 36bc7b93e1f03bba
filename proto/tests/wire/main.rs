//! Tests of the wire from outside: its bytes against runc's, its reader against arbitrary bytes.

mod generate;
mod golden;
mod raw;
mod roundtrip;
mod total;
