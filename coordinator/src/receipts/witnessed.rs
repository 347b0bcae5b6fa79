//! Cosignatures of the log's heads by witnesses that the operator lists.
//!
//! A cosignature is the witness's word, not ours, so it is kept in memory only: after a restart the
//! witnesses, who go on watching, bring newer ones. What is kept is bounded by the list.

use std::collections::HashMap;

use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::cosignature::verify_line;
use pinaivu_log::note::{Note, NoteKey, NoteSignature};

/// The newest line of each witness, by epoch and name.
#[derive(Debug, Default)]
pub(super) struct Cosignatures {
    lines: HashMap<(u32, String), Cosigned>,
}

#[derive(Clone, Debug)]
struct Cosigned {
    size: u64,
    time: u64,
    line: NoteSignature,
}

impl Cosignatures {
    /// Takes the lines of listed witnesses over a head of ours; gives how many there were. Whoever else
    /// signed is passed over, and an older line never replaces a newer one.
    pub(super) fn take(
        &mut self,
        epoch: u32,
        note: &Note,
        checkpoint: &Checkpoint,
        witnesses: &[NoteKey],
    ) -> usize {
        let mut taken: usize = 0;
        for witness in witnesses {
            for line in note.signatures_of(witness) {
                let Ok(time) = verify_line(line, checkpoint, witness) else { continue };
                taken = taken.saturating_add(1);
                let new = Cosigned { size: checkpoint.size, time, line: line.clone() };
                self.lines
                    .entry((epoch, witness.name().to_owned()))
                    .and_modify(|known| {
                        if (known.size, known.time) < (new.size, new.time) {
                            *known = new.clone();
                        }
                    })
                    .or_insert(new);
            }
        }
        taken
    }

    /// The lines over a head of this size, by name.
    pub(super) fn over(&self, epoch: u32, size: u64) -> Vec<NoteSignature> {
        let mut lines: Vec<NoteSignature> = self
            .lines
            .iter()
            .filter(|((of, _), known)| *of == epoch && known.size == size)
            .map(|(_, known)| known.line.clone())
            .collect();
        lines.sort_by(|a, b| a.name.cmp(&b.name));
        lines
    }

    /// The largest size that any witness has cosigned, with the lines over it.
    pub(super) fn largest(&self, epoch: u32) -> Option<(u64, Vec<NoteSignature>)> {
        let of = self.lines.iter().filter(|((of, _), _)| *of == epoch);
        let size = of.map(|(_, known)| known.size).max()?;
        Some((size, self.over(epoch, size)))
    }
}
