//! Start-up, and the critical sections that defmt's transport asks for: of the one core there is.

#[cfg(target_arch = "arm")]
use cortex_m as _;
#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;

#[cfg(target_arch = "riscv32")]
use riscv as _;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;
