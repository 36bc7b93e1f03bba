//! Tests of the wire from outside: its bytes against runc's, its reader against arbitrary bytes.

mod dump;
mod frames;
mod generate;
mod golden;
mod limits;
mod order;
mod raw;
mod refused;
mod roundtrip;
mod total;
