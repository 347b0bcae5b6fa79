//! Finds ids that come twice, in bounded memory.
//!
//! Ids are gathered in runs; a full run is sorted and written to a file without a name, and at the end
//! all runs are merged. An id takes thirty bytes of disk; memory is one run of 32 MB, and in the end a buffer
//! of 8 KB for each run that was written, which is one for every million ids.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};

use pinaivu_protocol::ids::{RequestId, Segment};

/// Ids of one run: 32 MB of memory.
const RUN: usize = 1 << 20;

const RECORD: usize = 16 + 2 + 4 + 8;

/// A segment of a request and where its receipt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) request: RequestId,
    pub(super) segment: Segment,
    pub(super) epoch: u32,
    pub(super) index: u64,
}

impl Key {
    fn write(&self, to: &mut impl io::Write) -> io::Result<()> {
        to.write_all(&self.request.0)?;
        to.write_all(&self.segment.0.to_be_bytes())?;
        to.write_all(&self.epoch.to_be_bytes())?;
        to.write_all(&self.index.to_be_bytes())
    }

    /// The next key; nothing at the end of the run.
    fn read(from: &mut impl io::Read) -> io::Result<Option<Self>> {
        let mut record = [0; RECORD];
        match from.read_exact(&mut record) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut rest = record.as_slice();
        let (mut request, mut segment, mut epoch, mut index) = ([0; 16], [0; 2], [0; 4], [0; 8]);
        rest.read_exact(&mut request)?;
        rest.read_exact(&mut segment)?;
        rest.read_exact(&mut epoch)?;
        rest.read_exact(&mut index)?;
        Ok(Some(Self {
            request: RequestId(request),
            segment: Segment(u16::from_be_bytes(segment)),
            epoch: u32::from_be_bytes(epoch),
            index: u64::from_be_bytes(index),
        }))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Keys {
    run: Vec<Key>,
    spilled: Vec<File>,
    limit: usize,
}

impl Default for Keys {
    fn default() -> Self {
        Self::with_runs_of(RUN)
    }
}

impl Keys {
    fn with_runs_of(limit: usize) -> Self {
        Self { run: Vec::new(), spilled: Vec::new(), limit }
    }

    pub(super) fn add(&mut self, key: Key) -> io::Result<()> {
        self.run.push(key);
        if self.run.len() < self.limit {
            return Ok(());
        }
        self.run.sort_unstable();
        let mut file = BufWriter::new(tempfile::tempfile()?);
        for key in self.run.drain(..) {
            key.write(&mut file)?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.flush()?;
        self.spilled.push(file);
        Ok(())
    }

    /// Hands over every key in order.
    pub(super) fn sorted(mut self, mut visit: impl FnMut(Key)) -> io::Result<()> {
        self.run.sort_unstable();
        let mut runs = Vec::with_capacity(self.spilled.len());
        for mut file in self.spilled {
            file.seek(SeekFrom::Start(0))?;
            runs.push(BufReader::new(file));
        }
        let mut heap = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            if let Some(key) = Key::read(run)? {
                heap.push(Reverse((key, number)));
            }
        }
        let mut last = self.run.into_iter().peekable();
        loop {
            let spilled = heap.peek().map(|Reverse((key, _))| *key);
            match (spilled, last.peek().copied()) {
                (Some(spilled), in_memory) if in_memory.is_none_or(|key| spilled <= key) => {
                    let Some(Reverse((key, number))) = heap.pop() else { break };
                    visit(key);
                    if let Some(run) = runs.get_mut(number)
                        && let Some(next) = Key::read(run)?
                    {
                        heap.push(Reverse((next, number)));
                    }
                }
                (_, Some(_)) => {
                    if let Some(key) = last.next() {
                        visit(key);
                    }
                }
                (_, None) => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::integer_division, reason = "tests")]

    use super::*;

    fn key(number: u64) -> Key {
        let mut request = [0; 16];
        request[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        Key { request: RequestId(request), segment: Segment(0), epoch: 1, index: number }
    }

    #[test]
    fn keys_beyond_one_run_come_back_sorted_and_complete() {
        for count in [0, 1, 6, 7, 8, 50, 70] {
            let mut keys = Keys::with_runs_of(7);
            let mut expected: Vec<Key> = (0..count).map(key).collect();
            for key in &expected {
                keys.add(*key).unwrap();
            }
            assert!(keys.run.len() < 7);
            assert_eq!(keys.spilled.len(), usize::try_from(count / 7).unwrap());
            expected.sort_unstable();
            let mut sorted = Vec::new();
            keys.sorted(|key| sorted.push(key)).unwrap();
            assert_eq!(sorted, expected);
        }
    }
}
