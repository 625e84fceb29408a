//! The files in the making, as a signal handler can find and remove them.

use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The most files in the making at a time.
const MOST: usize = 8;

#[cfg(unix)]
type Name = std::ffi::CString;
#[cfg(not(unix))]
type Name = std::path::PathBuf;

/// Names that are never freed: a handler may just have read the pointer. They are few and short.
static NAMES: [AtomicPtr<Name>; MOST] = [const { AtomicPtr::new(ptr::null_mut()) }; MOST];

/// A file in the making. Until this is dropped, the end of the process by a signal or for want of memory removes it.
pub struct Unfinished(Option<&'static AtomicPtr<Name>>);

impl Unfinished {
    /// Takes note of a file that is about to be made.
    pub fn new(path: &Path) -> Self {
        let Some(name) = name(path) else { return Self(None) };
        let name = ptr::from_mut(Box::leak(Box::new(name)));
        let is_taken = |slot: &&AtomicPtr<Name>| {
            slot.compare_exchange(ptr::null_mut(), name, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        Self(NAMES.iter().find(is_taken))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(slot) = self.0 {
            slot.store(ptr::null_mut(), Ordering::Release);
        }
    }
}

#[cfg(unix)]
fn name(path: &Path) -> Option<Name> {
    // A handler must find it from wherever the process then stands.
    let path = std::path::absolute(path).ok()?;
    Name::new(std::os::unix::ffi::OsStringExt::into_vec(path.into_os_string())).ok()
}

#[cfg(not(unix))]
fn name(path: &Path) -> Option<Name> {
    std::path::absolute(path).ok()
}

/// Removes them all.
#[allow(unsafe_code, reason = "pointers are all that a handler can share")]
pub fn remove_all() {
    for slot in &NAMES {
        let name = slot.load(Ordering::Acquire);
        // SAFETY: the pointer is null or one of a name that lives for ever.
        if let Some(name) = unsafe { name.as_ref() } {
            #[cfg(unix)]
            // SAFETY: it points to bytes that end in 0.
            let _ = unsafe { libc::unlink(name.as_ptr()) };
            #[cfg(not(unix))]
            let _ = std::fs::remove_file(name);
        }
    }
}
