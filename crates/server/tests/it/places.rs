//! More clients than there are places, and what each of them may expect.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use server::inference::Limits;

use crate::client::{Connection, request};
use crate::fixture::{JSON, Running, classify_body, hooks, limits, picture, serving};
use crate::lifecycle::held;

const PLACES: usize = 16;
/// Far less than the fifteen seconds after which a head that does not come ends a connection.
const PROMPT: Duration = Duration::from_secs(3);
/// What clients send who keep a place and ask for nothing.
const HALVES: [&str; 5] = [
    "",
    "POST /cla",
    "GET /v2 HTTP/1.1\r\nhost: x\r\n",
    "POST /classify/v0 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n",
    "POST /classify/v0 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
];

fn of_places(connections_max: usize) -> Running {
    let limits = Limits {
        connections_max,
        ..limits()
    };
    Running::start(serving(), hooks().0, limits)
}

fn half_open(running: &Running, half: &str) -> Connection {
    let mut connection = running.connect();
    connection.send(half.as_bytes());
    connection
}

/// Whether the server has closed it.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0; 1]);
    stream.set_nonblocking(false).unwrap();
    !matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn closed(connections: &mut [Connection]) -> usize {
    let is_closed = |connection: &mut Connection| usize::from(is_closed(&mut connection.0));
    connections.iter_mut().map(is_closed).sum()
}

#[test]
fn half_open_connections_keep_nobody_out() {
    for half in HALVES {
        let running = of_places(PLACES);
        let mut idlers: Vec<Connection> =
            (0..PLACES * 3).map(|_| half_open(&running, half)).collect();
        let started = Instant::now();
        for digit in 0..5 {
            let answer = running.classify(digit);
            assert_eq!(answer.json()["predicted_digit"], digit, "{half:?}");
        }
        assert!(started.elapsed() < PROMPT, "{half:?}");
        // No more than it takes are sent off.
        let left = idlers.len() - closed(&mut idlers);
        assert!((PLACES - 5..PLACES).contains(&left), "{half:?}: {left}");
    }
}

/// It is the idle that go, so a client that asks again and again keeps its connection, whoever comes.
#[test]
fn a_client_that_keeps_asking_keeps_its_connection() {
    let running = of_places(PLACES);
    let idlers = (0..PLACES).map(|_| half_open(&running, ""));
    let mut idlers: Vec<Connection> = idlers.collect();
    let mut busy = running.connect();
    for round in 0..20 {
        let half = HALVES[round % HALVES.len()];
        idlers.extend((0..PLACES / 4).map(|_| half_open(&running, half)));
        // All have come in when all the places are taken, one of them by the busy client.
        let too_many = idlers.len() + 1 - PLACES;
        let started = Instant::now();
        while closed(&mut idlers) < too_many {
            assert!(started.elapsed() < PROMPT, "{round}");
            std::thread::sleep(Duration::from_millis(5));
        }
        let body = classify_body(&picture(3));
        let answer = busy.ask("POST", "/classify/v0", &[JSON], &body);
        assert_eq!(answer.status, 200, "{round}");
    }
}

/// As many as there are places come back to the same connections for long; one more costs one of them its own.
#[test]
fn clients_that_fit_are_left_alone() {
    let running = of_places(PLACES);
    let mut clients: Vec<Connection> = (0..PLACES).map(|_| running.connect()).collect();
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.ask("GET", "/v2", &[], b"").status, 200);
        }
    }
    assert_eq!(closed(&mut clients), 0);
    assert_eq!(running.get("/v2").status, 200);
    assert_eq!(closed(&mut clients), 1);
    assert!(is_closed(&mut clients[0].0), "it was idle longest");
}

#[test]
fn who_has_an_answer_coming_gets_it_first() {
    let (hooks, there, go) = held();
    let limits = Limits {
        connections_max: 1,
        ..limits()
    };
    let running = Running::start(serving(), hooks, limits);
    for _ in 0..10 {
        let mut asking = running.connect();
        let whole = request("POST", "/classify/v0", &[JSON], &classify_body(&picture(7)));
        asking.send(&whole);
        there.recv().unwrap();
        let mut newcomer = running.connect();
        newcomer.send(&request("GET", "/v2", &[], b""));
        std::thread::sleep(Duration::from_millis(20));
        go.send(()).unwrap();
        let answer = asking.receive().expect("its answer comes first");
        assert_eq!(answer.json()["predicted_digit"], 7);
        assert!(asking.receive().is_none(), "its place is another's now");
        assert_eq!(newcomer.receive().unwrap().status, 200);
    }
}
