//! The start of the `skeg` binary, without the standard library's: C's `main`, and the heap.

#[cfg(musl)]
mod beside_musl;
mod sys;

#[global_allocator]
static ALLOCATOR: sys::heap::Allocator = sys::heap::Allocator;
