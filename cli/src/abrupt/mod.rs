//! How the command ends where no error can be returned: by a signal, or because memory was refused. One line is said where
//! anything is, and the files in the making go away. All of it runs in signal handlers and in the allocator: nothing here
//! allocates, takes a lock or may panic.

mod memory;
#[cfg(unix)]
mod signals;
mod streams;
mod unfinished;

use std::sync::atomic::{AtomicBool, Ordering};

pub use streams::is_stdout_closed;
pub use unfinished::Unfinished;

use crate::{FAILED, progress};

/// Takes the signals that end the process, so that none leaves a file in the making behind.
pub fn watch() {
    #[cfg(unix)]
    signals::watch();
    // Elsewhere an interrupt comes in a thread of its own. If it cannot be taken, it leaves a temporary file, never a partial result.
    #[cfg(not(unix))]
    let _ = ctrlc::set_handler(|| {
        unfinished::remove_all();
        std::process::exit(130)
    });
}

/// A line that is written without an allocation.
struct Line {
    bytes: [u8; Self::LONGEST],
    length: usize,
}

impl Line {
    /// Every line of an error is shorter than 500 characters.
    const LONGEST: usize = 480;

    fn new() -> Self {
        let mut line = Self { bytes: [0; Self::LONGEST], length: 0 };
        line.text(b"preflane: ");
        line
    }

    /// Appends what there is room for; what might end the line or move the cursor does not go into it.
    fn text(&mut self, text: &[u8]) {
        // The last place is the line end's.
        let room = self.bytes.get_mut(self.length..Self::LONGEST - 1).unwrap_or_default();
        for (to, byte) in room.iter_mut().zip(text) {
            *to = if byte.is_ascii_control() { b'?' } else { *byte };
            self.length += 1;
        }
    }

    /// Appends a number in decimal.
    fn number(&mut self, mut number: usize) {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        while first > 0 {
            first -= 1;
            if let Some(digit) = digits.get_mut(first) {
                *digit += (number % 10) as u8;
            }
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.text(digits.get(first..).unwrap_or_default());
    }

    /// Says the line and ends the process with the status of a failure. Whoever comes second says nothing.
    fn end(mut self) -> ! {
        static IS_ENDING: AtomicBool = AtomicBool::new(false);
        if IS_ENDING.swap(true, Ordering::AcqRel) {
            wait();
        }
        unfinished::remove_all();
        if let Some(end) = self.bytes.get_mut(self.length) {
            *end = b'\n';
            self.length += 1;
        }
        if progress::is_shown() {
            write(progress::CLEAR_LINE);
        }
        write(self.bytes.get(..self.length).unwrap_or_default());
        exit()
    }
}

/// To standard error; where nobody can be told, the status has to do.
#[cfg(unix)]
#[allow(unsafe_code, reason = "the standard library's own takes a lock")]
fn write(bytes: &[u8]) {
    // SAFETY: the pointer and the length are those of a slice.
    let _ = unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "the standard library's own runs what others have left for the exit")]
fn exit() -> ! {
    // SAFETY: it may be called at any time.
    unsafe { libc::_exit(FAILED.into()) }
}

/// Until another thread has ended the process.
#[cfg(unix)]
#[allow(unsafe_code, reason = "a handler may not sleep by the standard library")]
fn wait() -> ! {
    loop {
        // SAFETY: it may be called at any time.
        unsafe { libc::pause() };
    }
}

#[cfg(not(unix))]
fn write(bytes: &[u8]) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), bytes);
}

#[cfg(not(unix))]
fn exit() -> ! {
    std::process::exit(FAILED.into())
}

#[cfg(not(unix))]
fn wait() -> ! {
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mut line = Line::new();
        line.text(b"a\nb ");
        line.number(0);
        line.text(b" ");
        line.number(usize::MAX);
        let said = format!("preflane: a?b 0 {}", usize::MAX);
        assert_eq!(&line.bytes[..line.length], said.as_bytes());
        line.text(&[b'x'; 1000]);
        assert_eq!(line.length, Line::LONGEST - 1, "one byte is left for the line end");
        line.text(b"x");
        assert_eq!(line.length, Line::LONGEST - 1);
    }
}
