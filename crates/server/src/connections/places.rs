//! Places for connections. When all are taken, a newcomer gets that of a client for which the server is waiting: whoever
//! opens many connections and sends little on them shuts nobody out for long, least of all those of other networks.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// One place in so many is left to those that were never answered: an honest newcomer has sent nothing yet either.
const STRANGERS_PART: usize = 4;
/// Whoever has one IPv6 address has all that begin with the same 64 bits.
const NETWORK_V6_MASK: u128 = !0 << 64;

pub(crate) struct Places {
    max: usize,
    table: Mutex<Table>,
    changed: Notify,
}

/// One connection's place; it is free again when this is dropped.
pub(crate) struct Place {
    id: u64,
    places: Arc<Places>,
    leave: Arc<Notify>,
}

impl Places {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            table: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Takes a place, if need be another's. While all clients have an answer coming, it waits. One task at a time may.
    pub(crate) async fn take(self: &Arc<Self>, peer: IpAddr) -> Arc<Place> {
        loop {
            let taken = self.table().take(network(peer), self.max);
            if let Some((id, leave)) = taken {
                let places = Arc::clone(self);
                return Arc::new(Place { id, places, leave });
            }
            self.changed.notified().await;
        }
    }

    /// Waits until all are free, once nobody takes any more.
    pub(crate) async fn all_free(&self) {
        while !self.table().seats.is_empty() {
            self.changed.notified().await;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Resolves when the connection is to be closed for another's sake.
    pub(crate) async fn is_wanted(&self) {
        self.leave.notified().await;
    }

    /// The head of a request is here: the client has sent something of use, and the wait for its body begins.
    pub(crate) fn head_came(&self) {
        self.places.table().step(self.id, Turn::Client);
    }

    /// A request is here to its end.
    pub(crate) fn request_came(&self) {
        self.places.table().step(self.id, |_| Turn::Server);
    }

    /// There is an answer, and it will be written next.
    pub(crate) fn answer_goes(&self) {
        self.places.table().answer(self.id);
    }

    /// All that was written has left, or the client does not take it.
    pub(crate) fn writing_rests(&self) {
        if self.places.table().rest(self.id) {
            self.places.changed.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table().seats.remove(&self.id);
        self.places.changed.notify_one();
    }
}

/// Who is taken for one client.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & NETWORK_V6_MASK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[derive(Default)]
struct Table {
    /// Counts all that happens: what has the smaller number was earlier.
    count: u64,
    seats: HashMap<u64, Seat>,
}

struct Seat {
    network: IpAddr,
    turn: Turn,
    /// Whether a request of this connection was ever answered.
    was_answered: bool,
    leave: Arc<Notify>,
}

/// Whom a connection waits for.
enum Turn {
    /// The client, since then: for a request, the rest of one, or that it reads an answer.
    Client(u64),
    /// The server, which has a request to answer.
    Server,
    /// The server, which has an answer to write.
    Answer,
    /// Nobody: it was told to close.
    Nobody,
}

impl Table {
    /// A free place, or none yet; then one is on its way, unless no client may be sent off.
    fn take(&mut self, network: IpAddr, max: usize) -> Option<(u64, Arc<Notify>)> {
        if self.seats.len() >= max.max(1) {
            self.free();
            return None;
        }
        let id = self.next();
        let leave = Arc::new(Notify::new());
        let seat = Seat {
            network,
            turn: Turn::Client(id),
            was_answered: false,
            leave: Arc::clone(&leave),
        };
        self.seats.insert(id, seat);
        Some((id, leave))
    }

    /// Tells one connection to close, unless one was told already.
    fn free(&mut self) {
        let is_leaving = |seat: &Seat| matches!(seat.turn, Turn::Nobody);
        if self.seats.values().any(is_leaving) {
            return;
        }
        if let Some(seat) = self.longest().and_then(|id| self.seats.get_mut(&id)) {
            seat.turn = Turn::Nobody;
            seat.leave.notify_one();
        }
    }

    /// The one that has kept the server waiting longest, of the network that keeps it waiting most often. While connections
    /// that were never answered have more than their part, it is one of them, and only they are counted: those that came and
    /// sent nothing don't push out who keeps a connection for the next request.
    fn longest(&self) -> Option<u64> {
        let waiting: Vec<(u64, &Seat, u64)> = (self.seats.iter())
            .filter_map(|(id, seat)| match seat.turn {
                Turn::Client(since) => Some((*id, seat, since)),
                _ => None,
            })
            .collect();
        let is_stranger = |(_, seat, _): &&(u64, &Seat, u64)| !seat.was_answered;
        let strangers = waiting.iter().filter(is_stranger).count();
        let is_crowded = strangers > self.seats.len() / STRANGERS_PART;
        let of_them = || (waiting.iter()).filter(|one| !is_crowded || is_stranger(one));
        let mut crowds: HashMap<IpAddr, usize> = HashMap::new();
        for (_, seat, _) in of_them() {
            *crowds.entry(seat.network).or_default() += 1;
        }
        of_them()
            .max_by_key(|(_, seat, since)| (crowds.get(&seat.network), Reverse(*since)))
            .map(|(id, ..)| *id)
    }

    fn answer(&mut self, id: u64) {
        self.step(id, |_| Turn::Answer);
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.was_answered = true;
        }
    }

    fn step(&mut self, id: u64, turn: impl FnOnce(u64) -> Turn) {
        let count = self.next();
        if let Some(seat) = self.seats.get_mut(&id)
            && !matches!(seat.turn, Turn::Nobody)
        {
            seat.turn = turn(count);
        }
    }

    /// It is the client's turn after an answer; whether that is news.
    fn rest(&mut self, id: u64) -> bool {
        let is_answered = self
            .seats
            .get(&id)
            .is_some_and(|seat| matches!(seat.turn, Turn::Answer));
        if is_answered {
            self.step(id, Turn::Client);
        }
        is_answered
    }

    const fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full table with one place for each address, in this order, all waiting for their clients.
    fn table(peers: &[&str]) -> (Table, Vec<u64>) {
        let mut table = Table::default();
        let mut take = |peer: &&str| table.take(network(peer.parse().unwrap()), peers.len());
        let ids = peers.iter().map(|peer| take(peer).unwrap().0).collect();
        (table, ids)
    }

    #[test]
    fn who_waits_longest_goes_first() {
        let (mut table, ids) = table(&["10.0.0.1"; 4]);
        assert_eq!(table.longest(), Some(ids[0]));
        table.step(ids[0], Turn::Client);
        assert_eq!(table.longest(), Some(ids[1]));
        table.step(ids[1], |_| Turn::Server);
        assert_eq!(table.longest(), Some(ids[2]), "it has a request to answer");
        table.answer(ids[2]);
        assert_eq!(table.longest(), Some(ids[3]), "it has an answer to write");
        assert!(table.rest(ids[2]));
        table.step(ids[3], |_| Turn::Server);
        assert_eq!(table.longest(), Some(ids[0]));
        assert!(
            !table.rest(ids[1]),
            "what is written meanwhile says nothing"
        );
        table.step(ids[0], |_| Turn::Server);
        table.step(ids[2], |_| Turn::Server);
        assert_eq!(table.longest(), None);
    }

    #[test]
    fn the_largest_crowd_loses_a_place() {
        for crowd in [
            ["10.0.0.2", "10.0.0.2", "::ffff:10.0.0.2"],
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"],
        ] {
            let peers = [&["10.0.0.1", "2001:db8:0:1::1"][..], &crowd].concat();
            let (table, ids) = table(&peers);
            assert_eq!(table.longest(), Some(ids[2]), "{crowd:?}");
        }
    }

    /// Many clients behind one address that were answered, against one from each of many addresses that sends nothing.
    #[test]
    fn who_was_never_answered_goes_before_who_was() {
        let honest = ["10.0.0.1"; 12];
        let silent: Vec<String> = (1..=8).map(|n| format!("192.0.2.{n}")).collect();
        let silent: Vec<&str> = silent.iter().map(String::as_str).collect();
        let (mut table, ids) = table(&[&honest[..], &silent].concat());
        for id in &ids[..12] {
            table.answer(*id);
            assert!(table.rest(*id));
        }
        for id in &ids[12..15] {
            assert_eq!(table.longest(), Some(*id));
            table.seats.remove(id);
            let newcomer = table.take(network([198, 51, 100, 1].into()), 20).unwrap();
            // One that is answered is a stranger no more.
            table.answer(newcomer.0);
            assert!(table.rest(newcomer.0));
        }
        // Within their part the crowd counts, and who opens many connections can't win by one request on each.
        assert_eq!(table.longest(), Some(ids[0]));
    }

    #[test]
    fn one_place_is_freed_for_one_newcomer() {
        let (mut table, ids) = table(&["10.0.0.1"; 2]);
        for _ in 0..3 {
            assert!(table.take(network([10, 0, 0, 2].into()), 2).is_none());
        }
        assert!(matches!(table.seats[&ids[0]].turn, Turn::Nobody));
        assert!(matches!(table.seats[&ids[1]].turn, Turn::Client(_)));
        table.step(ids[0], Turn::Client);
        assert!(matches!(table.seats[&ids[0]].turn, Turn::Nobody), "it goes");
        table.seats.remove(&ids[0]);
        assert!(table.take(network([10, 0, 0, 2].into()), 2).is_some());
    }
}
