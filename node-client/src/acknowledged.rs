//! The coordinators' signed words that this node's asks are in their books, on disk: what the node shows
//! when it was passed over.
//!
//! One file a coordinator and day below `acknowledged`, of frames as on the tunnel; appended to and made
//! durable before the coordinator is answered. A record that a crash cut off is cut away at the next
//! start. Readable while the node runs.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};
use parking_lot::Mutex;
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::ids::CoordinatorId;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::tunnel::{FrameReader, encode_frame};

/// How long they are kept.
pub const DAYS_KEPT: u64 = 30;

const DAY: u64 = 24 * 60 * 60 * 1_000;

/// An ask with the word for it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Acknowledged {
    /// What the node signed.
    pub ask: Signed<Ask>,
    /// What the coordinator signed.
    pub acknowledgement: Signed<AskAcknowledgement>,
}

/// Where they are kept.
#[derive(Debug)]
pub(crate) struct Acknowledgements {
    folder: PathBuf,
    open: Mutex<HashMap<CoordinatorId, (u64, fs::File)>>,
}

impl Acknowledgements {
    /// Those of a node whose data is in `folder`. Touches nothing yet.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.join("acknowledged"), open: Mutex::default() }
    }

    /// Adds some of one coordinator's; durable when this returns. Blocks.
    pub(crate) fn add(&self, coordinator: CoordinatorId, all: &[Acknowledged]) -> io::Result<()> {
        let Some(newest) = all.iter().map(|one| one.acknowledgement.record.at.0).max() else {
            return Ok(());
        };
        let day = newest / DAY;
        let mut open = self.open.lock();
        let known = open.remove(&coordinator).filter(|(of, _)| *of == day);
        let mut file = match known {
            Some((_, file)) => file,
            None => self.begin(coordinator, day)?,
        };
        let frames: Vec<u8> = all.iter().flat_map(encode_frame).collect();
        // When this fails the file is opened again next time, and what was cut off is cut away.
        file.write_all(&frames)?;
        file.sync_data()?;
        open.insert(coordinator, (day, file));
        Ok(())
    }

    /// Opens a day's file behind its last whole record, and lets go of days that are long over.
    fn begin(&self, coordinator: CoordinatorId, day: u64) -> io::Result<fs::File> {
        let folder = self.folder.join(coordinator.to_string());
        fs::create_dir_all(&folder)?;
        for (number, path) in days(&folder)? {
            if number.saturating_add(DAYS_KEPT) < day {
                fs::remove_file(path)?;
            }
        }
        let path = folder.join(day.to_string());
        let mut file = fs::File::options().create(true).append(true).open(&path)?;
        let whole: usize = parse(&fs::read(&path)?).iter().map(|one| encode_frame(one).len()).sum();
        file.set_len(whole as u64)?;
        file.flush()?;
        for directory in [&folder, &self.folder] {
            fs::File::open(directory)?.sync_all()?;
        }
        Ok(file)
    }
}

/// All that a node keeps of a coordinator's words, oldest first. `folder` is the node's `data_dir`.
///
/// # Errors
/// When files are there and cannot be read.
pub fn read(folder: &Path, coordinator: CoordinatorId) -> io::Result<Vec<Acknowledged>> {
    let folder = folder.join("acknowledged").join(coordinator.to_string());
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for (_, path) in days(&folder)? {
        all.extend(parse(&fs::read(path)?));
    }
    Ok(all)
}

fn days(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(day) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            found.push((day, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Up to the first that is not whole.
fn parse(bytes: &[u8]) -> Vec<Acknowledged> {
    let mut frames = FrameReader::default();
    frames.push(bytes);
    std::iter::from_fn(|| frames.next_message().ok().flatten()).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use pinaivu_protocol::ask::Features;
    use pinaivu_protocol::hash::Hash32;
    use pinaivu_protocol::signed::SigningKey;
    use pinaivu_protocol::units::{TokenPrice, UnixMillis};

    use super::*;
    use crate::fixtures::{COORDINATOR, NODE, deployment};

    fn acknowledged(sequence: u64, at: u64) -> Acknowledged {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let ask = Ask {
            deployment: deployment(),
            coordinator: COORDINATOR,
            node: NODE,
            model: "model".to_owned(),
            price: TokenPrice(1),
            context_length: 1,
            features: Features::CHAT,
            sequence,
            expires: UnixMillis(u64::MAX),
        };
        let acknowledgement = key.sign(AskAcknowledgement {
            deployment: deployment(),
            coordinator: COORDINATOR,
            node: NODE,
            ask: ask.hash(),
            book: Hash32::ZERO,
            version: sequence,
            head: Hash32::ZERO,
            at: UnixMillis(at),
        });
        Acknowledged { ask: key.sign(ask), acknowledgement }
    }

    #[test]
    fn words_outlive_the_process_and_a_torn_one_is_cut_away() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Acknowledgements::of(folder.path());
        assert_eq!(read(folder.path(), COORDINATOR).unwrap(), []);
        let all = [acknowledged(1, DAY), acknowledged(2, DAY + 1), acknowledged(3, 2 * DAY)];
        kept.add(COORDINATOR, &all[..1]).unwrap();
        kept.add(COORDINATOR, &all[1..2]).unwrap();
        kept.add(COORDINATOR, &all[2..]).unwrap();
        assert_eq!(read(folder.path(), COORDINATOR).unwrap(), all);
        assert_eq!(read(folder.path(), CoordinatorId([9; 32])).unwrap(), []);

        let path = folder.path().join("acknowledged").join(COORDINATOR.to_string()).join("2");
        let whole = fs::read(&path).unwrap();
        for torn in [1, 5, whole.len() - 1] {
            fs::write(&path, [&whole[..], &whole[..torn]].concat()).unwrap();
            let again = Acknowledgements::of(folder.path());
            again.add(COORDINATOR, &[acknowledged(4, 2 * DAY + 5)]).unwrap();
            let read = read(folder.path(), COORDINATOR).unwrap();
            assert_eq!(read[..3], all);
            assert_eq!(read[3..], [acknowledged(4, 2 * DAY + 5)], "{torn} bytes of a torn one");
        }
    }

    #[test]
    fn words_of_long_ago_are_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Acknowledgements::of(folder.path());
        kept.add(COORDINATOR, &[acknowledged(1, DAY)]).unwrap();
        let last = acknowledged(2, (DAYS_KEPT + 1) * DAY);
        kept.add(COORDINATOR, std::slice::from_ref(&last)).unwrap();
        assert_eq!(read(folder.path(), COORDINATOR).unwrap().len(), 2);
        let next = acknowledged(3, (DAYS_KEPT + 2) * DAY);
        kept.add(COORDINATOR, std::slice::from_ref(&next)).unwrap();
        assert_eq!(read(folder.path(), COORDINATOR).unwrap(), [last, next]);
    }
}
