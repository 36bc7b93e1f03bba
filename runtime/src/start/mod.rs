//! The start of the `skeg` binary, without the standard library's: C's `main`, and the heap.

#[cfg(musl)]
mod beside_musl;
mod heap;
// Without optimization, what they are made of is calls of them.
#[cfg(all(musl, target_arch = "x86_64", any(test, not(debug_assertions))))]
mod memory;
mod sys;

#[global_allocator]
static ALLOCATOR: heap::Allocator = heap::Allocator;
