//! What a library without std needs by the language's rules. No path leads here: a test shows that it is not linked.

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
