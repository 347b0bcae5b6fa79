//! Our own records, in borsh.

use borsh::BorshDeserialize as _;
use bytes::BytesMut;
use pinaivu_auction::{BookEntry, OrderBook, Terms};
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::key_command::KeyCommand;
use pinaivu_protocol::proof::{NodeEvidence, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::{
    CoordinatorMessage, FrameReader, Goodbye, Hello, HelloReply, NodeMessage, TunnelMac,
};
use pinaivu_protocol::voucher::Voucher;

/// A receipt, and what everybody asks of one.
pub(crate) fn receipt(bytes: &[u8]) {
    let Ok(receipt) = Receipt::decode(bytes) else { return };
    assert_eq!(receipt.encode(), bytes, "a receipt has one encoding");
    let _ = receipt.check_consistency();
    let _ = receipt.leaf();
    if let Some(statement) = &receipt.body.statement {
        let _ = statement.evidence.verify(&statement.proof);
    }
}

/// A signed ask.
pub(crate) fn ask(bytes: &[u8]) {
    if let Ok(ask) = Signed::<Ask>::decode(bytes) {
        assert_eq!(ask.encode(), bytes, "an ask has one encoding");
    }
}

/// The coordinator's word for an ask.
pub(crate) fn acknowledgement(bytes: &[u8]) {
    if let Ok(word) = Signed::<AskAcknowledgement>::decode(bytes) {
        assert_eq!(word.encode(), bytes, "a word has one encoding");
    }
}

/// An entry of an order book, and the terms of a clearing.
pub(crate) fn book(bytes: &[u8]) {
    if let Some(entry) = BookEntry::decode(bytes) {
        assert_eq!(entry.encode(), bytes, "an entry has one encoding");
        // Whatever it is, a book takes it or says why not.
        let _ = OrderBook::replay([entry]);
    }
    if let Some(terms) = Terms::decode(bytes) {
        // Terms from before wishes are shorter than what is written now.
        assert!(terms.encode().starts_with(bytes), "terms have one encoding");
    }
}

/// A sealed ticket, and a ticket.
pub(crate) fn ticket(bytes: &[u8]) {
    let mac = TunnelMac::new(&[0x77; 32]);
    if let Ok(ticket) = mac.open(bytes) {
        assert_eq!(mac.open(&mac.seal(&ticket)), Ok(ticket));
    }
    if let Ok(ticket) = Ticket::try_from_slice(bytes) {
        assert_eq!(
            borsh::to_vec(&ticket).ok().as_deref(),
            Some(bytes),
            "a ticket has one encoding"
        );
        let _ = ticket.hash();
    }
}

/// A proof of inference, a signed root of proofs, and a node's evidence.
pub(crate) fn proof(bytes: &[u8]) {
    if let Ok(proof) = ProofOfInference::try_from_slice(bytes) {
        assert_eq!(borsh::to_vec(&proof).ok().as_deref(), Some(bytes), "a proof has one encoding");
        let _ = proof.leaf();
    }
    if let Ok(root) = Signed::<ProofRoot>::decode(bytes) {
        assert_eq!(root.encode(), bytes, "a root has one encoding");
    }
    if let Ok(evidence) = NodeEvidence::try_from_slice(bytes) {
        assert_eq!(borsh::to_vec(&evidence).ok().as_deref(), Some(bytes));
    }
}

/// The frames of a tunnel, in pieces of any size: what is accepted encodes to the bytes it came from.
pub(crate) fn tunnel_frames(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else { return };
    let (mut buffer, mut again) = (BytesMut::new(), Vec::new());
    for part in stream.chunks(usize::from(*piece).max(1)) {
        buffer.extend_from_slice(part);
        loop {
            match pinaivu_tunnel::decode(&mut buffer) {
                Ok(Some((stream, frame))) => pinaivu_tunnel::encode(&mut again, stream, &frame),
                Ok(None) => break,
                Err(_) => {
                    assert!(stream.starts_with(&again), "a frame has one encoding");
                    return;
                }
            }
        }
    }
    again.extend_from_slice(&buffer);
    assert_eq!(again, stream, "a frame has one encoding");
}

/// A tunnel: hello, its reply, goodbye, and messages of both directions in pieces of any size.
pub(crate) fn tunnel(bytes: &[u8]) {
    if let Ok(hello) = Signed::<Hello>::decode(bytes) {
        assert_eq!(hello.encode(), bytes, "a hello has one encoding");
    }
    let _ = HelloReply::try_from_slice(bytes);
    let _ = Goodbye::try_from_slice(bytes);
    let Some((piece, stream)) = bytes.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    let (mut node, mut coordinator) = (FrameReader::default(), FrameReader::default());
    let (mut from_node, mut from_coordinator) = (true, true);
    for part in stream.chunks(piece) {
        node.push(part);
        while from_node {
            match node.next_message::<NodeMessage>() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => from_node = false,
            }
        }
        coordinator.push(part);
        while from_coordinator {
            match coordinator.next_message::<CoordinatorMessage>() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => from_coordinator = false,
            }
        }
    }
}

/// A wallet's command about its keys, and a voucher.
pub(crate) fn command(bytes: &[u8]) {
    if let Ok(command) = Signed::<KeyCommand>::decode(bytes) {
        assert_eq!(command.encode(), bytes, "a command has one encoding");
    }
    if let Some(voucher) = Voucher::decode(bytes) {
        assert_eq!(voucher.signing_bytes(), bytes, "a voucher has one encoding");
    }
}
