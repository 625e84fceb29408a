//! Another Rust library in the same C program, with a runtime of its own.

/// The sum of some integers, by way of an allocation and a thread.
///
/// # Safety
/// `values` points to `length` integers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn other_rust_library_sum(values: *const i32, length: usize) -> i32 {
    // SAFETY: the caller's word.
    let values = unsafe { std::slice::from_raw_parts(values, length) }.to_vec();
    std::thread::spawn(move || values.iter().sum()).join().unwrap_or(-1)
}
