//! How often one address may ask for what costs nothing.
//!
//! Paid routes have the limits of their keys; this is for everything else, and for keys that open nothing.
//! Behind a proxy the address is the one the proxy names, and only a proxy that the operator names is
//! believed.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use parking_lot::Mutex;
use tokio::time::Instant;

/// What proxies add the address of their peer to.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A limit holds over a minute, all of which may be used at once.
const WINDOW: Duration = Duration::from_secs(60);

/// Most addresses remembered by themselves. Further ones share the limits of a crowd until some are
/// forgotten.
const MAX_ADDRESSES: usize = 65_536;

/// Crowds that further addresses fall into, which of them nobody outside can know.
const CROWDS: usize = 4_096;

/// Between two searches for addresses that can be forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// What addresses have used.
#[derive(Debug)]
pub struct Addresses {
    /// Between two requests in the long run; nothing: there is no limit.
    interval: Option<Duration>,
    proxies: Vec<IpAddr>,
    used: Mutex<Used>,
}

/// When all requests so far will have been made up for.
#[derive(Debug, Default)]
struct Used {
    by_address: HashMap<IpAddr, Instant>,
    /// Empty until there is a crowd.
    by_crowd: Vec<Instant>,
    /// When addresses were last forgotten.
    swept: Option<Instant>,
}

impl Used {
    /// Of one address, or of the crowd it is in.
    fn of(&mut self, client: IpAddr, now: Instant) -> Option<&mut Instant> {
        let known = self.by_address.contains_key(&client);
        if !known
            && self.by_address.len() >= MAX_ADDRESSES
            && self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP)
        {
            self.by_address.retain(|_, until| *until > now);
            self.swept = Some(now);
        }
        if known || self.by_address.len() < MAX_ADDRESSES {
            return Some(self.by_address.entry(client).or_insert(now));
        }
        self.by_crowd.resize(CROWDS, now);
        let hash = self.by_address.hasher().hash_one(client);
        let at = usize::try_from(hash).unwrap_or(0).checked_rem(CROWDS)?;
        self.by_crowd.get_mut(at)
    }
}

impl Addresses {
    /// So many requests a minute for each address; 0: as many as they like.
    #[must_use]
    pub fn new(per_minute: u32, proxies: Vec<IpAddr>) -> Self {
        let interval = WINDOW.checked_div(per_minute);
        Self { interval, proxies, used: Mutex::default() }
    }

    /// Whose request this is: the peer's, or the address that a proxy we know names.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let named = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let named: Vec<&str> = named.flat_map(|value| value.split(',')).collect();
        // From the nearest outwards: what stands before a stranger is the stranger's word.
        for name in named.iter().rev() {
            if !self.proxies.contains(&client) {
                break;
            }
            let Ok(address) = name.trim().parse() else { break };
            client = address;
        }
        client
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How long to wait, when the address has none left.
    pub(super) fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let Some(interval) = self.interval else { return Ok(()) };
        let mut used = self.used.lock();
        let Some(until) = used.of(network(client), now) else { return Ok(()) };
        let next = (*until).max(now) + interval;
        let ahead = next.saturating_duration_since(now);
        if ahead > WINDOW {
            return Err(ahead.saturating_sub(WINDOW));
        }
        *until = next;
        Ok(())
    }
}

/// Of IPv6 the network: one household has as many addresses in it as it likes.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn named(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(FORWARDED_FOR, text.parse().unwrap())])
    }

    #[test]
    fn address_has_its_minute_at_once_and_then_one_by_one() {
        let addresses = Addresses::new(3, Vec::new());
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..3 {
            assert_eq!(addresses.take(one, now), Ok(()));
        }
        assert_eq!(addresses.take(one, now), Err(20 * second));
        assert_eq!(addresses.take(other, now), Ok(()));
        assert_eq!(addresses.take(one, now + 19 * second), Err(second));
        assert_eq!(addresses.take(one, now + 20 * second), Ok(()));
        assert_eq!(addresses.take(one, now + 20 * second), Err(20 * second));
    }

    #[test]
    fn no_limit_is_none() {
        let addresses = Addresses::new(0, Vec::new());
        let now = Instant::now();
        assert!((0..10_000).all(|_| addresses.take(address("192.0.2.1"), now).is_ok()));
        assert!(addresses.used.lock().by_address.is_empty());
    }

    #[test]
    fn ipv6_network_shares_one_limit() {
        let addresses = Addresses::new(1, Vec::new());
        let now = Instant::now();
        assert_eq!(addresses.take(address("2001:db8:1:2::1"), now), Ok(()));
        assert!(addresses.take(address("2001:db8:1:2:ffff::9"), now).is_err());
        assert_eq!(addresses.take(address("2001:db8:1:3::1"), now), Ok(()));
    }

    #[test]
    fn address_is_believed_only_from_a_known_proxy() {
        let addresses = Addresses::new(1, vec![address("10.0.0.1"), address("10.0.0.2")]);
        let client = |peer, text| addresses.client(address(peer), &named(text)).to_string();
        assert_eq!(client("192.0.2.9", "198.51.100.1"), "192.0.2.9");
        assert_eq!(client("10.0.0.1", "198.51.100.1"), "198.51.100.1");
        // The client made the first one up; the second proxy is one of ours.
        assert_eq!(client("10.0.0.1", "203.0.113.5, 198.51.100.1, 10.0.0.2"), "198.51.100.1");
        assert_eq!(client("10.0.0.1", "nonsense"), "10.0.0.1");
    }

    #[test]
    fn memory_is_bounded_and_freed_when_limits_are_over() {
        let addresses = Addresses::new(60, Vec::new());
        let now = Instant::now();
        let take = |number: u32| addresses.take(IpAddr::from(number.to_be_bytes()), now).is_ok();
        assert!((0..65_536).all(take));
        // Those that do not fit are limited all the same, together.
        let taken = (65_536..1_000_000).filter(|number| take(*number)).count();
        assert_eq!(taken, CROWDS * 60);
        assert!(take(7));
        assert_eq!(addresses.used.lock().by_address.len(), MAX_ADDRESSES);
        let later = now + Duration::from_secs(3);
        assert_eq!(addresses.take(address("192.0.2.1"), later), Ok(()));
        assert_eq!(addresses.used.lock().by_address.len(), 1);
    }
}
