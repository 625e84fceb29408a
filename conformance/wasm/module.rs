//! The core set as a WebAssembly module without any runtime: `run` computes the digests of one level and gives each
//! line to the imported `line`. `host.mjs` beside it prints them.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "the only way in and out of a WebAssembly module")]
mod module {
    use core::fmt::Write as _;

    use preflane::{Backend, Level};
    use preflane_conformance::inputs::Set;
    use preflane_conformance::{Blocks, Brief, digests};

    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        /// Prints `len` bytes at `text`.
        fn line(text: *const u8, len: usize);
    }

    struct Line {
        text: [u8; 128],
        len: usize,
    }

    impl core::fmt::Write for Line {
        fn write_str(&mut self, part: &str) -> core::fmt::Result {
            let end = self.len + part.len();
            self.text.get_mut(self.len..end).ok_or(core::fmt::Error)?.copy_from_slice(part.as_bytes());
            self.len = end;
            Ok(())
        }
    }

    /// Computes the digests at `Level::ALL[level]`. Returns 0 when all were computed.
    // SAFETY: the name is this module's own, and nothing else is linked that could have it.
    #[unsafe(no_mangle)]
    pub extern "C" fn run(level: usize) -> i32 {
        let Some(backend) = Level::ALL.get(level).and_then(|&level| Backend::new(level).ok()) else { return 2 };
        let mut whole = true;
        let outcome = digests(Set::Core, &mut Brief(&mut Blocks(backend)), &mut |name, digest| {
            let mut out = Line { text: [0; 128], len: 0 };
            whole &= write!(out, "{name} {digest:016x}").is_ok();
            // SAFETY: pointer and length are those of a live array; the host copies the bytes before it returns.
            unsafe { line(out.text.as_ptr(), out.len) };
        });
        i32::from(outcome.is_err() || !whole)
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        core::arch::wasm32::unreachable()
    }
}
