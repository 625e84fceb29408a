//! Prints few digests of the core set through semihosting, one line `NAME DIGEST` each; the host compares them
//! (`preflane-conformance --compare-stdin`). `tests/platforms.sh` builds and runs it under QEMU.
#![no_std]
#![no_main]

use cortex_m_semihosting::{debug, hprintln};
use preflane::{Backend, Level};
use preflane_conformance::inputs::Set;
use preflane_conformance::{Blocks, Brief, digests};

/// Formatting the library's own error would pull float formatting into the image; its place in the list is enough.
fn run() -> Result<(), &'static str> {
    let backend = Backend::new(Level::Scalar).map_err(|_| "the scalar level is not available")?;
    let outcome =
        digests(Set::Core, &mut Brief(&mut Blocks(backend)), &mut |name, digest| hprintln!("{} {:016x}", name, digest));
    outcome.map_err(|refused| {
        hprintln!("refused: {}", refused.name);
        "the library refused an input"
    })
}

fn stop(status: debug::ExitStatus) -> ! {
    loop {
        debug::exit(status);
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    stop(match run() {
        Ok(()) => debug::EXIT_SUCCESS,
        Err(reason) => {
            hprintln!("failed: {}", reason);
            debug::EXIT_FAILURE
        }
    })
}

/// The default handler would spin, and only the host's time limit would end the run.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    if let Some(place) = info.location() {
        hprintln!("panic at {}:{}", place.file(), place.line());
    }
    stop(debug::EXIT_FAILURE)
}
