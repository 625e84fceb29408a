//! Start-up alone: what the other images are compared with.
#![no_std]
#![no_main]

#[preflane_example_footprint::entry]
fn main() -> ! {
    loop {
        core::hint::black_box(());
    }
}
