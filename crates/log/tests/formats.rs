//! The C2SP formats against their specifications' own words and against what the rest of the world does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::HashSet;

use pinaivu_log::checkpoint::{Checkpoint, CheckpointError};
use pinaivu_log::cosignature::{cosign, verify, verify_line, witness_key};
use pinaivu_log::entry::{self, EntryError};
use pinaivu_log::note::{Note, NoteError, NoteKey, SignatureType};
use pinaivu_log::proof::{LogProof, LogProofError};
use pinaivu_log::tile::{Resource, Span, hashes_at, tiles_of};
use pinaivu_log::witness::{AddCheckpoint, Inconsistent, Observed};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{
    MemoryTree, MerkleError, consistency_proof, empty_root, inclusion_proof, leaf_hash, tree_root,
};
use pinaivu_protocol::signed::SigningKey;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn tree(size: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for leaf in 0..size {
        tree.push(leaf_hash(&leaf.to_le_bytes())).unwrap();
    }
    tree
}

fn head(size: u64) -> Checkpoint {
    Checkpoint { origin: "pinaivu/log/x/0".to_owned(), size, root: tree(size).root() }
}

/// The example of Go's `golang.org/x/mod/sumdb/note`, made by another implementation.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
     then you don't know what your problem is.\n\
     \n\
     — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn note_that_go_signed_verifies_under_the_key_that_go_wrote() {
    let key = NoteKey::parse(GO_KEY).unwrap();
    assert_eq!(key.to_string(), GO_KEY);
    let note = Note::parse(GO_NOTE).unwrap();
    note.verify(&key).unwrap();
    assert_eq!(note.to_string(), GO_NOTE);
    let edited = Note::parse(&GO_NOTE.replace("answer", "Answer")).unwrap();
    assert_eq!(edited.verify(&key), Err(NoteError::Signature("PeterNeumann".into())));
    let other = NoteKey::new("PeterNeumann", self::key(1).public(), SignatureType::Ed25519);
    assert_eq!(note.verify(&other.unwrap()), Err(NoteError::Unsigned("PeterNeumann".into())));
}

#[test]
fn text_that_is_not_a_note_is_refused() {
    for broken in [
        "",
        "text\n",
        "text\n\n",
        "text\n\n— name\n",
        "text\n\n— name AAAA\n",
        "text\n\n- name AAAAAAAA\n",
        "text\n\n— na+me AAAAAAAA\n",
        "text\n\n—  AAAAAAAA\n",
        "text\n\n— name AAAAAAAA",
        "te\txt\n\n— name AAAAAAAA\n",
        "text\n\n— name AAAAAAAA\ntrailing\n",
    ] {
        assert_eq!(Note::parse(broken).unwrap_err(), NoteError::Format, "{broken:?}");
    }
    let many = format!("text\n\n{}", "— name AAAAAAAA\n".repeat(65));
    assert_eq!(Note::parse(&many).unwrap_err(), NoteError::TooManySignatures);
    let long = format!("{}\n\n— name AAAAAAAA\n", "x".repeat(70_000));
    assert_eq!(Note::parse(&long).unwrap_err(), NoteError::TooLong);
    assert!(Note::parse("text\n\nmore\n\n— name AAAAAAAA\n").unwrap().text().ends_with("more\n"));
}

#[test]
fn checkpoint_opens_for_its_origin_and_key_only() {
    let checkpoint = head(7);
    let note = checkpoint.sign(&key(1)).unwrap();
    let read = Note::parse(&note.to_string()).unwrap();
    let origin = checkpoint.origin.as_str();
    assert_eq!(Checkpoint::open(&read, origin, key(1).public()).unwrap(), checkpoint);
    assert!(matches!(
        Checkpoint::open(&read, "pinaivu/log/x/1", key(1).public()),
        Err(CheckpointError::Origin { .. })
    ));
    assert!(matches!(
        Checkpoint::open(&read, origin, key(2).public()),
        Err(CheckpointError::Note(NoteError::Unsigned(_)))
    ));
    let larger = note.to_string().replacen("\n7\n", "\n8\n", 1);
    assert!(matches!(
        Checkpoint::open(&Note::parse(&larger).unwrap(), origin, key(1).public()),
        Err(CheckpointError::Note(NoteError::Signature(_)))
    ));
}

#[test]
fn text_that_is_not_a_checkpoint_is_refused() {
    let text = head(7).text();
    assert_eq!(Checkpoint::from_text(&text).unwrap(), head(7));
    let root = text.lines().last().unwrap();
    for broken in [
        "o\n7\n".to_owned(),
        format!("o\n07\n{root}\n"),
        format!("o\n+7\n{root}\n"),
        format!("o\n18446744073709551616\n{root}\n"),
        format!("\n7\n{root}\n"),
        format!("o\n7\n{root}\nextension\n"),
        format!("o\n7\n{}\n", &root[1..]),
        format!("o\n7\n{root}"),
    ] {
        assert_eq!(Checkpoint::from_text(&broken), Err(CheckpointError::Format), "{broken:?}");
    }
    assert_eq!(Checkpoint::from_text(&format!("o\n0\n{root}\n")), Err(CheckpointError::EmptyRoot));
}

#[test]
fn tile_paths_are_those_of_the_specification() {
    let span = |index, width| Span { index, width };
    for (resource, path) in [
        (Resource::Tile { level: 0, span: span(0, 256) }, "tile/0/000"),
        (Resource::Tile { level: 3, span: span(1_234_067, 256) }, "tile/3/x001/x234/067"),
        (Resource::Tile { level: 0, span: span(273, 112) }, "tile/0/273.p/112"),
        (Resource::Entries(span(1_000, 1)), "tile/entries/x001/000.p/1"),
        (Resource::Entries(span(999, 256)), "tile/entries/999"),
        (
            Resource::Tile { level: 63, span: span(u64::MAX, 255) },
            "tile/63/x018/x446/x744/x073/x709/x551/615.p/255",
        ),
    ] {
        assert_eq!(resource.to_string(), path);
        assert_eq!(path.parse(), Ok(resource));
    }
}

#[test]
fn other_spellings_of_a_tile_path_are_refused() {
    for path in [
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/entries/",
        "tile/data/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "/tile/0/000",
        "",
    ] {
        assert!(path.parse::<Resource>().is_err(), "{path}");
    }
}

#[test]
fn tree_of_seventy_thousand_has_the_tiles_the_specification_counts() {
    let tiles: Vec<_> = tiles_of(70_000)
        .map(|resource| match resource {
            Resource::Tile { level, span } => (level, span.width),
            Resource::Entries(_) => panic!("not a tile"),
        })
        .collect();
    let count = |level, full: bool| {
        tiles.iter().filter(|(l, width)| *l == level && (*width == 256) == full).count()
    };
    assert_eq!((count(0, true), count(0, false)), (273, 1));
    assert_eq!((count(1, true), count(1, false)), (1, 1));
    assert_eq!((count(2, true), count(2, false)), (0, 1));
    for tile in [(0, 112), (1, 17), (2, 1)] {
        assert!(tiles.contains(&tile), "{tile:?}");
    }
    assert_eq!(
        tiles_of(256).map(|t| t.to_string()).collect::<Vec<_>>(),
        ["tile/0/000", "tile/1/000.p/1"]
    );
    assert_eq!(tiles_of(0).count(), 0);
    assert_eq!(hashes_at(7, u64::MAX), 255);
    assert_eq!(hashes_at(63, u64::MAX), 0);
    let all: HashSet<_> = tiles_of(70_000).collect();
    assert_eq!(all.len(), tiles.len());
}

#[test]
fn bundles_give_back_their_entries_and_refuse_cut_ones() {
    let mut bundle = Vec::new();
    for entry in [b"a".as_slice(), b"", &[7; 65_535]] {
        entry::push(&mut bundle, entry).unwrap();
    }
    assert_eq!(&bundle[..3], [0, 1, b'a']);
    let read: Result<Vec<_>, _> = entry::entries(&bundle).collect();
    assert_eq!(read.unwrap(), [b"a".as_slice(), b"", &[7; 65_535]]);
    assert_eq!(entry::push(&mut bundle, &[0; 65_536]), Err(EntryError::TooLong(65_536)));
    for cut in [1, 2, 4, bundle.len() - 1] {
        let last = entry::entries(&bundle[..cut]).last().unwrap();
        if cut != 3 {
            assert_eq!(last.is_err(), ![3, 5].contains(&cut), "{cut}");
        }
    }
}

#[test]
fn proof_files_lead_from_the_leaf_to_the_signed_head_and_nowhere_else() {
    let tree = tree(70);
    let checkpoint = head(70);
    let leaf = leaf_hash(&41_u64.to_le_bytes());
    for extra in [None, Some(b"hello".to_vec())] {
        let proof = LogProof {
            extra,
            index: 41,
            path: inclusion_proof(&tree, 41, 70).unwrap(),
            checkpoint: checkpoint.sign(&key(1)).unwrap(),
        };
        let text = proof.to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\n"));
        let read = LogProof::parse(&text).unwrap();
        assert_eq!(read, proof);
        let origin = checkpoint.origin.as_str();
        assert_eq!(read.verify(&leaf, origin, key(1).public()).unwrap(), checkpoint);
        let other = leaf_hash(b"other");
        assert_eq!(
            read.verify(&other, origin, key(1).public()),
            Err(LogProofError::Inclusion(MerkleError::RootMismatch))
        );
        let mut moved = read.clone();
        moved.index = 42;
        assert!(moved.verify(&leaf, origin, key(1).public()).is_err());
    }
    let single = LogProof {
        extra: None,
        index: 0,
        path: Vec::new(),
        checkpoint: head(1).sign(&key(1)).unwrap(),
    };
    assert_eq!(LogProof::parse(&single.to_string()).unwrap(), single);
    for broken in ["", "c2sp.org/tlog-proof@v1\n\n", "c2sp.org/tlog-proof@v2\nindex 0\n\nx"] {
        assert!(LogProof::parse(broken).is_err(), "{broken:?}");
    }
}

#[test]
fn cosignature_holds_for_its_checkpoint_time_and_key_only() {
    let checkpoint = head(9);
    let witness = witness_key("witness.example/w1", key(5).public()).unwrap();
    let line = cosign(&checkpoint, "witness.example/w1", &key(5), 1_679_315_147).unwrap();
    assert_eq!(line.signature.len(), 72);
    assert_eq!(verify_line(&line, &checkpoint, &witness), Ok(1_679_315_147));
    let broken = Err(NoteError::Signature("witness.example/w1".into()));
    assert_eq!(verify_line(&line, &head(10), &witness), broken);
    let mut later = line.clone();
    later.signature[7] ^= 1;
    assert_eq!(verify_line(&later, &checkpoint, &witness), broken);
    // The same key under another type or name is another key.
    let as_log = NoteKey::new("witness.example/w1", key(5).public(), SignatureType::Ed25519);
    assert!(matches!(
        verify_line(&line, &checkpoint, &as_log.unwrap()),
        Err(NoteError::Unsigned(_))
    ));

    let mut note = checkpoint.sign(&key(1)).unwrap();
    assert!(matches!(verify(&note, &checkpoint, &witness), Err(NoteError::Unsigned(_))));
    note.signatures.push(line);
    let note = Note::parse(&note.to_string()).unwrap();
    assert_eq!(verify(&note, &checkpoint, &witness), Ok(1_679_315_147));
    // The log's own signature still stands beside it.
    Checkpoint::open(&note, &checkpoint.origin, key(1).public()).unwrap();
}

#[test]
fn witness_takes_heads_that_extend_the_last_one_and_no_others() {
    let full = tree(40);
    let mut observed = Observed::default();
    assert_eq!(observed.root, empty_root());
    let proof = |from, to| consistency_proof(&full, from, to).unwrap();
    observed.advance(&head(5), &[]).unwrap();
    observed.advance(&head(40), &proof(5, 40)).unwrap();
    observed.advance(&head(40), &[]).unwrap();
    let before = observed;
    assert_eq!(observed.advance(&head(39), &[]), Err(Inconsistent::Shrunk { before: 40, now: 39 }));
    let split = Checkpoint { root: Hash32([1; 32]), ..head(40) };
    assert_eq!(observed.advance(&split, &[]), Err(Inconsistent::Split(40)));
    let mut longer = tree(40);
    longer.push(leaf_hash(b"new")).unwrap();
    let next = Checkpoint { origin: "x".into(), size: 41, root: longer.root() };
    let wrong = vec![Hash32([2; 32]); consistency_proof(&longer, 40, 41).unwrap().len()];
    assert_eq!(
        observed.advance(&next, &wrong),
        Err(Inconsistent::Proof(MerkleError::RootMismatch))
    );
    assert_eq!(observed, before);
    observed.advance(&next, &consistency_proof(&longer, 40, 41).unwrap()).unwrap();
    assert_eq!(tree_root(&longer, 40).unwrap(), head(40).root);
}

#[test]
fn add_checkpoint_bodies_round_trip_and_broken_ones_are_refused() {
    let full = tree(40);
    for (old_size, proof) in [(0, Vec::new()), (5, consistency_proof(&full, 5, 40).unwrap())] {
        let add = AddCheckpoint { old_size, proof, checkpoint: head(40).sign(&key(1)).unwrap() };
        assert_eq!(AddCheckpoint::parse(&add.to_string()).unwrap(), add);
    }
    let note = head(40).sign(&key(1)).unwrap().to_string();
    for broken in [
        format!("old 05\n\n{note}"),
        format!("new 5\n\n{note}"),
        format!("old 5\nxyz\n\n{note}"),
        format!("old 5\n{}\n{note}", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n".repeat(64)),
        "old 5\n\n".to_owned(),
    ] {
        assert_eq!(AddCheckpoint::parse(&broken), Err(NoteError::Format), "{broken:.30}");
    }
}
