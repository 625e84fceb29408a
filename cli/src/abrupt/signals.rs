//! Signals: those that end the process remove the files in the making first, and then end it as they always do, so that whoever
//! started it sees which one it was.
#![allow(unsafe_code, reason = "signal handlers come from the system's interface alone")]

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use libc::{sigaction, siginfo_t};

use super::{Line, unfinished, write};
use crate::progress;

/// Signals that end nothing, that nobody can take, or that mean something else here: the standard library ignores a broken pipe,
/// which is an error of the write then.
const LEFT_ALONE: [c_int; 10] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGCHLD,
    libc::SIGCONT,
    libc::SIGURG,
    libc::SIGWINCH,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGPIPE,
];

/// Signals of which the standard library has a handler of its own, which tells a stack overflow.
const FAULTS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Its handlers.
static OF_FAULTS: [OnceLock<sigaction>; FAULTS.len()] = [const { OnceLock::new() }; FAULTS.len()];

type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// Takes every signal that would end the process.
pub fn watch() {
    #[cfg(target_os = "linux")]
    let last = libc::SIGRTMAX();
    #[cfg(not(target_os = "linux"))]
    let last = 31;
    for signal in (1..=last).filter(|signal| !LEFT_ALONE.contains(signal)) {
        // Some numbers are the C library's own: those cannot be asked about.
        let Some(old) = ask(signal) else { continue };
        let fault = FAULTS.iter().position(|fault| *fault == signal);
        if let Some(fault) = fault {
            let _ = OF_FAULTS[fault].set(old);
        } else if old.sa_sigaction != libc::SIG_DFL {
            // Ignored by whoever started the process, as nohup ignores SIGHUP.
            continue;
        }
        let handler: Handler = match signal {
            libc::SIGBUS => cut_short,
            // A file that grows beyond a limit is an error of the write then.
            libc::SIGXFSZ => nothing,
            // On Linux nothing but a number; elsewhere it is a question about the state that is not meant to end anything.
            #[cfg(not(target_os = "linux"))]
            libc::SIGINFO | libc::SIGIO => continue,
            _ => ended,
        };
        take(signal, handler);
    }
}

fn ask(signal: c_int) -> Option<sigaction> {
    let mut old = MaybeUninit::uninit();
    // SAFETY: the action is not changed, and the old one is written where 0 is returned.
    unsafe { (libc::sigaction(signal, ptr::null(), old.as_mut_ptr()) == 0).then(|| old.assume_init()) }
}

fn take(signal: c_int, handler: Handler) {
    // SAFETY: zeros are an action: the default one.
    let mut action: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as usize;
    // A stack that has overflowed has no room for a handler.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the handler is a function of the form that SA_SIGINFO asks for, and all that it does is safe in one.
    unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
}

extern "C" fn nothing(_: c_int, _: *mut siginfo_t, _: *mut c_void) {}

extern "C" fn ended(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    unfinished::remove_all();
    if progress::is_shown() {
        write(progress::CLEAR_LINE);
    }
    // SAFETY: the system hands over where it came from.
    let is_sent = unsafe { (*info).si_code } <= 0;
    // A fault comes again by itself when this returns, and then meets the standard library's handler, which tells a stack overflow.
    // What somebody has sent does not come again.
    let of_fault = FAULTS.iter().position(|fault| *fault == signal && !is_sent);
    let old = of_fault.and_then(|fault| OF_FAULTS.get(fault)?.get());
    // SAFETY: zeros are the default action.
    let default: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the action is the default one, or that of the standard library, as it was.
    unsafe { libc::sigaction(signal, old.unwrap_or(&default), ptr::null_mut()) };
    if old.is_none() {
        // SAFETY: the signal is one that was just taken. It comes when this handler returns.
        unsafe { libc::raise(signal) };
    }
}

/// Where a file that is mapped has lost its end, reading on raises this.
extern "C" fn cut_short(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    #[cfg(target_os = "linux")]
    // SAFETY: the system hands over where it came from; the address is set for these codes.
    if let (libc::BUS_ADRERR | libc::BUS_OBJERR, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) } {
        let mut line = Line::new();
        maps::name_file_at(address, &mut line);
        line.text(b": was cut short while it was read, or its disk failed; it must stay as it is until the end");
        line.end();
    }
    ended(signal, info, context);
}

/// The files in memory, as the system lists them: `start-end permissions offset device inode path`.
#[cfg(target_os = "linux")]
mod maps {
    use super::Line;

    /// What is read at a time: little, for a handler's stack is small.
    const PIECE: usize = 512;

    /// Says which file an address is of.
    pub fn name_file_at(address: usize, line: &mut Line) {
        if !find(address, line) {
            line.text(b"an input file");
        }
    }

    fn find(address: usize, line: &mut Line) -> bool {
        // SAFETY: the path ends in 0.
        let file = unsafe { libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        if file < 0 {
            return false;
        }
        let (mut search, mut piece) = (Search::new(address), [0_u8; PIECE]);
        loop {
            // SAFETY: the pointer and the length are those of an array.
            let read = unsafe { libc::read(file, piece.as_mut_ptr().cast(), PIECE) };
            let bytes = usize::try_from(read).ok().and_then(|length| piece.get(..length)).unwrap_or_default();
            // The process is about to end: the file stays open.
            if bytes.is_empty() || bytes.iter().any(|byte| search.next(*byte, line)) {
                return search.has_named;
            }
        }
    }

    /// A walk through the list, byte by byte.
    pub struct Search {
        address: usize,
        field: usize,
        was_space: bool,
        bounds: [usize; 2],
        bound: usize,
        pub has_named: bool,
    }

    /// Fields before the path.
    const BEFORE_PATH: usize = 5;

    impl Search {
        pub fn new(address: usize) -> Self {
            Self { address, field: 0, was_space: false, bounds: [0; 2], bound: 0, has_named: false }
        }

        /// Takes a byte; whether the file is named.
        pub fn next(&mut self, byte: u8, line: &mut Line) -> bool {
            if byte == b'\n' {
                let has_named = self.has_named;
                *self = Self { has_named, ..Self::new(self.address) };
                return has_named;
            }
            let is_space = byte == b' ' && self.field < BEFORE_PATH;
            self.field += usize::from(self.was_space && !is_space);
            self.was_space = is_space;
            match (self.field, byte) {
                _ if is_space => {}
                (0, b'-') => self.bound = 1,
                (0, digit) => {
                    let digit = (digit as char).to_digit(16).unwrap_or(0) as usize;
                    if let Some(bound) = self.bounds.get_mut(self.bound) {
                        *bound = bound.wrapping_mul(16).wrapping_add(digit);
                    }
                }
                (BEFORE_PATH, byte) if (self.bounds[0]..self.bounds[1]).contains(&self.address) => {
                    line.text(&[byte]);
                    self.has_named = true;
                }
                _ => {}
            }
            false
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_file_at_an_address() {
            let list = "5500-5600 r-xp 00000000 fd:00 1 /usr/bin/preflane\n\
                        7f00-7f80 rw-p 00000000 00:00 0 \n\
                        7f80-8000 r--p 00001000 fd:00 99                 /data/my logits.safetensors\n\
                        8000-8100 r--p 00000000 fd:00 98                 /data/other\n";
            let name = |address: usize| {
                let (mut line, mut search) = (Line::new(), Search::new(address));
                let found = list.bytes().any(|byte| search.next(byte, &mut line));
                (found, String::from_utf8_lossy(&line.bytes["preflane: ".len()..line.length]).into_owned())
            };
            assert_eq!(name(0x7f80), (true, "/data/my logits.safetensors".to_owned()));
            assert_eq!(name(0x7fff), (true, "/data/my logits.safetensors".to_owned()));
            assert_eq!(name(0x8000), (true, "/data/other".to_owned()));
            assert_eq!(name(0x7f00), (false, String::new()));
            assert_eq!(name(0x9000), (false, String::new()));
        }
    }
}
