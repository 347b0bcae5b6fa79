//! Requests that are under way: the capacity of the pipeline, and who may not be receipted from
//! elsewhere meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pinaivu_protocol::ids::RequestId;

use super::Busy;

/// A request that is being served or waits for its receipts: proofs for it are not taken from elsewhere
/// meanwhile, and it counts against the capacity. Clones are the same flight; it ends with the last one.
#[derive(Clone, Debug)]
pub struct Flight(Arc<Open>);

#[derive(Debug)]
struct Open {
    request: RequestId,
    flights: Arc<Flights>,
}

impl Flight {
    /// Which request.
    #[must_use]
    pub fn request(&self) -> RequestId {
        self.0.request
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.flights.open.lock().remove(&self.request);
    }
}

/// Every open flight.
#[derive(Debug)]
pub(super) struct Flights {
    capacity: usize,
    open: Mutex<HashMap<RequestId, Weak<Open>>>,
}

impl Flights {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity, open: Mutex::default() })
    }

    /// Opens a flight. Refuses when there are too many, or one for this request: the random part of
    /// two ids was the same, and another id will do.
    pub(super) fn begin(self: &Arc<Self>, request: RequestId) -> Result<Flight, Busy> {
        let mut open = self.open.lock();
        if open.len() >= self.capacity || open.contains_key(&request) {
            return Err(Busy);
        }
        let flight = Arc::new(Open { request, flights: Arc::clone(self) });
        open.insert(request, Arc::downgrade(&flight));
        Ok(Flight(flight))
    }

    /// The open flight of a request.
    pub(super) fn get(&self, request: &RequestId) -> Option<Flight> {
        self.open.lock().get(request).and_then(Weak::upgrade).map(Flight)
    }

    pub(super) fn is_open(&self, request: &RequestId) -> bool {
        self.open.lock().contains_key(request)
    }
}
