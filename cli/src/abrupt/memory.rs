//! Memory that is refused ends the command with one line and the status of a failure, where the standard library would end it by
//! a signal.
#![allow(unsafe_code, reason = "an allocator is unsafe by its nature")]

use std::alloc::{GlobalAlloc, Layout, System};

use super::Line;

#[global_allocator]
static MEMORY: Memory = Memory;

/// The system's allocator, but it never returns null.
struct Memory;

/// Not null, or the end.
fn given(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() {
        refused(bytes);
    }
    memory
}

#[cold]
fn refused(bytes: usize) -> ! {
    let mut line = Line::new();
    line.text(b"out of memory: ");
    line.number(bytes);
    line.text(
        b" bytes more are needed, which the machine or a limit (ulimit -v) does not give; fewer --threads need less",
    );
    line.end()
}

// SAFETY: all of it is the system's allocator, under the same contract.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is that of the system's allocator.
        given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: likewise.
        given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: likewise.
        given(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: likewise.
        unsafe { System.dealloc(memory, layout) }
    }
}
