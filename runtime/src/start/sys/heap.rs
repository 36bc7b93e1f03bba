//! The heap: small blocks side by side and never taken back, large ones from dlmalloc.
//!
//! A call of skeg makes some 1,500 small blocks, 40 KB in all, and is over a few milliseconds later: to find a place for
//! each and to take it back cost more than the memory. What a long-lived call does is bounded by the size of the arena:
//! when it is full, small blocks come from dlmalloc as well.
//!
//! musl's own allocator gives each page back as soon as it is free, and takes it again: a hundred system calls a start.

use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The largest small block, and how the arena's blocks are aligned, in bytes.
const SMALL: usize = 64;
const ALIGNMENT: usize = 8;
/// Bytes of the arena. Only what is used of it is ever there.
const ARENA: usize = 128 << 10;

/// The global allocator.
pub struct Allocator;

// Two, because the first has nothing but zeros and is no part of the program's file.
static SMALL_BLOCKS: Arena = Arena::new();
static LARGE_BLOCKS: Locked = Locked::new();

// SAFETY: both parts give out blocks that fit their layouts and that nobody else has; a block is given back to the part
// that it came from.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        SMALL_BLOCKS.take(layout).unwrap_or_else(|| {
            // SAFETY: the caller's promise.
            LARGE_BLOCKS.with(|heap| unsafe { heap.malloc(layout.size(), layout.align()) })
        })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // Of the arena nothing is given out twice.
        SMALL_BLOCKS.take(layout).unwrap_or_else(|| {
            // SAFETY: the caller's promise.
            LARGE_BLOCKS.with(|heap| unsafe { heap.calloc(layout.size(), layout.align()) })
        })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !SMALL_BLOCKS.has(block) {
            // SAFETY: the caller's promise, and the block is dlmalloc's.
            LARGE_BLOCKS.with(|heap| unsafe { heap.free(block, layout.size(), layout.align()) });
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !SMALL_BLOCKS.has(block) {
            // SAFETY: the caller's promise, and the block is dlmalloc's.
            return LARGE_BLOCKS
                .with(|heap| unsafe { heap.realloc(block, layout.size(), layout.align(), size) });
        }
        if size <= layout.size().next_multiple_of(ALIGNMENT) {
            return block;
        }
        // SAFETY: the caller's promise: the alignment is one, and the size is none that overflows.
        let larger = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !larger.is_null() {
            // SAFETY: the new block is the larger one, and another one.
            unsafe { ptr::copy_nonoverlapping(block, larger, layout.size()) };
        }
        larger
    }
}

/// Room for small blocks.
struct Arena {
    memory: UnsafeCell<[u64; ARENA / size_of::<u64>()]>,
    /// Bytes that were given out.
    taken: AtomicUsize,
}

// SAFETY: every byte of the memory is given out once, to one caller.
unsafe impl Sync for Arena {}

impl Arena {
    const fn new() -> Self {
        Self { memory: UnsafeCell::new([0; ARENA / size_of::<u64>()]), taken: AtomicUsize::new(0) }
    }

    /// A block of zeros; None if it is not a small one, or if there is no more room.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        if layout.size() > SMALL
            || layout.align() > ALIGNMENT
            || self.taken.load(Ordering::Relaxed) >= ARENA - SMALL
        {
            return None;
        }
        let size = layout.size().next_multiple_of(ALIGNMENT);
        let at = self.taken.fetch_add(size, Ordering::Relaxed);
        // Another thread may have been faster.
        (at <= ARENA - SMALL).then(|| self.memory.get().cast::<u8>().wrapping_add(at))
    }

    /// Whether a block came from here.
    fn has(&self, block: *mut u8) -> bool {
        block.addr().wrapping_sub(self.memory.get().addr()) < ARENA
    }
}

/// dlmalloc behind a lock that costs next to nothing where there is one thread, as here.
struct Locked {
    heap: UnsafeCell<Dlmalloc>,
    is_held: AtomicBool,
}

// SAFETY: the heap is only touched while the lock is held.
unsafe impl Sync for Locked {}

impl Locked {
    const fn new() -> Self {
        Self { heap: UnsafeCell::new(Dlmalloc::new()), is_held: AtomicBool::new(false) }
    }

    fn with<R>(&self, call: impl FnOnce(&mut Dlmalloc) -> R) -> R {
        while self.is_held.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        // SAFETY: only we hold the lock, and no call into the heap comes back here.
        let result = call(unsafe { &mut *self.heap.get() });
        self.is_held.store(false, Ordering::Release);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block that knows its layout, filled with a byte of its own.
    struct Block {
        at: *mut u8,
        layout: Layout,
        filling: u8,
    }

    impl Block {
        fn new(size: usize, align: usize, filling: u8) -> Self {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the sizes here are not 0.
            let at = unsafe { Allocator.alloc_zeroed(layout) };
            let block = Self { at, layout, filling };
            assert!(at.addr().is_multiple_of(align) && block.bytes().iter().all(|byte| *byte == 0));
            // SAFETY: it is as long.
            unsafe { at.write_bytes(filling, size) };
            block
        }

        fn bytes(&self) -> &[u8] {
            // SAFETY: it is as long, and ours.
            unsafe { std::slice::from_raw_parts(self.at, self.layout.size()) }
        }

        fn resize(&mut self, size: usize) {
            let kept = self.layout.size().min(size);
            // SAFETY: it came from there, with this layout.
            self.at = unsafe { Allocator.realloc(self.at, self.layout, size) };
            self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
            assert!(self.bytes()[..kept].iter().all(|byte| *byte == self.filling), "lost at {size} bytes");
            // SAFETY: it is as long.
            unsafe { self.at.write_bytes(self.filling, size) };
        }

        fn is_whole(&self) -> bool {
            self.at.addr().is_multiple_of(self.layout.align())
                && self.bytes().iter().all(|byte| *byte == self.filling)
        }
    }

    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: it came from there, with this layout.
            unsafe { Allocator.dealloc(self.at, self.layout) };
        }
    }

    /// More than fits into the arena, of all kinds, in one test: there is one heap.
    #[test]
    fn blocks_keep_what_is_written_to_them() {
        let mut blocks: Vec<Block> = Vec::new();
        for round in 0..12_000_usize {
            let (size, align) = (1 + round * 7 % 100, 1 << (round % 6));
            blocks.push(Block::new(size, align, (round % 251) as u8));
            if round % 3 == 0 {
                let at = round * 31 % blocks.len();
                blocks[at].resize(1 + round * 13 % 300);
            }
            if round % 5 == 0 {
                blocks.swap_remove(round * 17 % blocks.len());
            }
        }
        assert!(blocks.iter().all(Block::is_whole));
        let small = blocks.iter().filter(|block| SMALL_BLOCKS.has(block.at)).count();
        assert!(small > 0 && small < blocks.len(), "{small} of {} in the arena", blocks.len());
        assert!(
            Layout::from_size_align(1, 1).is_ok_and(|layout| SMALL_BLOCKS.take(layout).is_none()),
            "it is full"
        );
    }
}
