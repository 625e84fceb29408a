//! From the bytes that a device sent to lines of text.

use anyhow::{Context, Result, bail};
use defmt_decoder::{DecodeError, Table};

/// All lines. The decoder writes floating-point numbers with as many digits as tell them apart, so that no bit is lost.
pub fn lines(elf: &[u8], log: &[u8]) -> Result<Vec<String>> {
    let table = Table::parse(elf)?.context("the ELF file has no defmt section")?;
    let mut decoder = table.new_stream_decoder();
    decoder.received(log);
    let mut lines = Vec::new();
    loop {
        match decoder.decode() {
            Ok(frame) => lines.push(frame.display_message().to_string()),
            Err(DecodeError::UnexpectedEof) => return Ok(lines),
            Err(DecodeError::Malformed) => bail!("malformed after {} lines", lines.len()),
        }
    }
}
