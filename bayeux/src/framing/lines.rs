//! One message a line (NDJSON).

use super::TooLarge;

/// Takes lines apart that arrive in pieces.
#[derive(Debug)]
pub struct Unframer {
    limit: usize,
    begun: Vec<u8>,
}

impl Unframer {
    /// Refuses lines of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, begun: Vec::new() }
    }

    /// Takes what arrived, and hands out each line that is complete, without its end; empty lines are
    /// heartbeats and are left out.
    ///
    /// # Errors
    /// [`TooLarge`] at the first line past the limit; after that there is nothing to be had any more.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), TooLarge> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.check(line.len())?;
            if self.begun.is_empty() {
                hand_out(line, &mut each);
            } else {
                self.begun.extend_from_slice(line);
                hand_out(&self.begun, &mut each);
                self.begun.clear();
            }
            rest = &after[1..];
        }
        self.check(rest.len())?;
        self.begun.extend_from_slice(rest);
        Ok(())
    }

    fn check(&self, more: usize) -> Result<(), TooLarge> {
        let fits = self.begun.len() + more <= self.limit;
        if fits { Ok(()) } else { Err(TooLarge { limit: self.limit }) }
    }
}

fn hand_out(line: &[u8], each: &mut impl FnMut(&[u8])) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.is_empty() {
        each(line);
    }
}
