//! Whether standard output was there when the process began. The standard library opens /dev/null in the place of a stream that is
//! closed, before `main`: what is written there seems to have arrived.

/// Whether standard output was closed when the process began.
pub fn is_stdout_closed() -> bool {
    #[cfg(target_os = "linux")]
    return at_start::IS_STDOUT_CLOSED.load(std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(target_os = "linux"))]
    false
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "only what the loader calls comes before the standard library")]
mod at_start {
    use std::sync::atomic::{AtomicBool, Ordering};

    pub static IS_STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

    extern "C" fn look() {
        // SAFETY: it asks for the flags of a descriptor, which need not be open.
        let is_open = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } != -1;
        IS_STDOUT_CLOSED.store(!is_open, Ordering::Relaxed);
    }

    // SAFETY: the section holds functions that the loader calls before `main`; this one needs nothing of the standard library.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;
}
