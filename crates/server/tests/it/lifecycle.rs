//! Recall, doubt, overload, failing records, and the end.

use std::cell::Cell;
use std::io;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use server::inference::{Error, Hooks, Limits, PredictionRecord, RecalledHook, Serving};
use trust::{Code, Reason};

use crate::client::Answer;
use crate::fixture::{JSON, Running, classify_body, hooks, infer_body, limits, picture, serving};

const NO_MODEL: &str = "Model not loaded. Cannot perform classification.";

/// Asks until the status comes, for two seconds at most.
fn within_two_seconds(status: u16, ask: impl Fn() -> Answer) -> Answer {
    let started = Instant::now();
    loop {
        let answer = ask();
        if answer.status == status {
            return answer;
        }
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "still {}",
            answer.status
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a test lets the hook say.
type Told = Arc<Mutex<Result<Option<Reason>, String>>>;

/// An answer to "was it recalled?" that a test can change.
fn asked() -> (Box<RecalledHook>, Told) {
    let answer = Arc::new(Mutex::new(Ok(None)));
    let told = Arc::clone(&answer);
    (Box::new(move || told.lock().unwrap().clone()), answer)
}

fn recall() -> Reason {
    Reason::new(
        Code::Recalled,
        "the data set `mnist` was recalled",
        "retrain without it",
    )
}

#[test]
fn a_recall_ends_all_predictions() {
    let (recalled, answer) = asked();
    let (kept, records) = hooks();
    let serving = serving();
    let model = Arc::downgrade(&serving.model);
    // The default interval: what is promised is a second.
    let limits = Limits {
        recall_interval: Limits::default().recall_interval,
        ..limits()
    };
    let running = Running::start(serving, Hooks { recalled, ..kept }, limits);
    assert_eq!(running.classify(1).status, 200);
    assert_eq!(running.get("/v2/health/ready").status, 200);
    *answer.lock().unwrap() = Ok(Some(recall()));
    let refused = within_two_seconds(503, || running.classify(1));
    assert_eq!(
        (refused.code().as_str(), refused.error().as_str()),
        ("recalled", NO_MODEL)
    );
    assert_eq!(
        refused.json()["hint"],
        "the data set `mnist` was recalled; retrain without it"
    );
    let count = records.lock().unwrap().len();
    for answer in [
        running.classify(1),
        running.infer(&[JSON], &infer_body(&[1])),
        running.get("/v2/models/digits"),
        running.get("/v2/models/digits/ready"),
        running.get("/v2/health/ready"),
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (503, "recalled"));
    }
    assert_eq!(running.get("/v2/health/live").status, 200);
    let index = running.post("/v2/repository/index", &[], b"").json();
    assert_eq!(
        (&index[0]["state"], &index[0]["reason"]),
        (
            &"UNAVAILABLE".into(),
            &"the data set `mnist` was recalled".into()
        )
    );
    // There is no way back, nothing is computed, and the model is gone.
    *answer.lock().unwrap() = Ok(None);
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(running.classify(1).status, 503);
    assert_eq!(records.lock().unwrap().len(), count);
    assert_eq!(model.strong_count(), 0);
}

#[test]
fn a_model_that_was_recalled_before_is_never_served() {
    let (recalled, answer) = asked();
    *answer.lock().unwrap() = Ok(Some(recall()));
    let running = Running::start(
        serving(),
        Hooks {
            recalled,
            ..hooks().0
        },
        limits(),
    );
    assert_eq!(
        (
            running.classify(1).status,
            running.classify(1).code().as_str()
        ),
        (503, "recalled")
    );
    assert_eq!(running.get("/v2/health/live").status, 200);
}

/// Not every end is a recall: the answer has the code of what ended it, and still the status of a lost model.
#[test]
fn a_model_that_lost_its_admission_is_told_by_its_own_code() {
    let (recalled, answer) = asked();
    let (message, way) = ("the admission is not believed any more", "admit it again");
    *answer.lock().unwrap() = Ok(Some(Reason::new(Code::AdmissionMissing, message, way)));
    let (kept, _) = hooks();
    let running = Running::start(serving(), Hooks { recalled, ..kept }, limits());
    for answer in [
        running.classify(1),
        running.infer(&[JSON], &infer_body(&[1])),
        running.get("/v2/health/ready"),
    ] {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "admission_missing")
        );
    }
    assert_eq!(running.get("/v2/health/live").status, 200);
}

#[test]
fn doubt_is_borne_for_a_while_only() {
    let (recalled, answer) = asked();
    let limits = Limits {
        recall_age_max: Duration::from_millis(500),
        ..limits()
    };
    let running = Running::start(
        serving(),
        Hooks {
            recalled,
            ..hooks().0
        },
        limits,
    );
    assert_eq!(running.classify(1).status, 200);
    *answer.lock().unwrap() = Err("the store is locked".into());
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(
        running.classify(1).status,
        200,
        "one bad answer is not enough"
    );
    let refused = within_two_seconds(503, || running.infer(&[JSON], &infer_body(&[1])));
    assert_eq!(refused.code(), "not_serving");
    assert!(refused.error().contains("the store is locked"));
    assert_eq!(running.classify(1).error(), NO_MODEL);
    *answer.lock().unwrap() = Ok(None);
    within_two_seconds(200, || running.classify(1));
}

#[test]
fn a_question_that_never_returns_is_doubt_too() {
    let (release, held) = channel::<()>();
    let first = Mutex::new(true);
    let held = Mutex::new(held);
    let recalled = move || {
        if !std::mem::take(&mut *first.lock().unwrap()) {
            let _ = held.lock().unwrap().recv();
        }
        Ok(None)
    };
    let limits = Limits {
        recall_age_max: Duration::from_millis(300),
        ..limits()
    };
    let running = Running::start(
        serving(),
        Hooks {
            recalled: Box::new(recalled),
            ..hooks().0
        },
        limits,
    );
    assert_eq!(running.classify(1).status, 200);
    let refused = within_two_seconds(503, || running.classify(1));
    assert_eq!(refused.code(), "not_serving");
    drop(release);
}

#[test]
fn what_is_not_recorded_is_not_given() {
    for (kind, code) in [
        (io::ErrorKind::StorageFull, "store_full"),
        (io::ErrorKind::ReadOnlyFilesystem, "store_read_only"),
        (io::ErrorKind::Other, "io"),
    ] {
        let record = move |_: &PredictionRecord| Err(io::Error::new(kind, "/secret/path"));
        let running = Running::start(
            serving(),
            Hooks {
                record: Box::new(record),
                ..hooks().0
            },
            limits(),
        );
        for answer in [
            running.classify(1),
            running.infer(&[JSON], &infer_body(&[1])),
        ] {
            assert_eq!((answer.status, answer.code().as_str()), (503, code));
            assert!(answer.error().contains("could not be recorded"));
            assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
            assert!(answer.header("modelward-prediction").is_none());
        }
    }
}

#[test]
fn a_panic_costs_one_answer() {
    let record = |record: &PredictionRecord| match record.classes[..] {
        [4] => panic!("on purpose"),
        _ => Ok(()),
    };
    let running = Running::start(
        serving(),
        Hooks {
            record: Box::new(record),
            ..hooks().0
        },
        limits(),
    );
    for _ in 0..3 {
        let answer = running.classify(4);
        assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
        assert!(
            answer
                .error()
                .starts_with("An internal server error occurred: ")
        );
        assert_eq!(running.classify(5).json()["predicted_digit"], 5);
    }
}

/// Hooks whose record waits: it says when a prediction is there, and goes on when it is told.
pub(crate) fn held() -> (Hooks, Receiver<()>, Sender<()>) {
    let (entered, there) = channel();
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let record = move |_: &PredictionRecord| {
        entered.send(()).unwrap();
        wait.lock().unwrap().recv().map_err(io::Error::other)
    };
    (
        Hooks {
            record: Box::new(record),
            ..hooks().0
        },
        there,
        go,
    )
}

#[test]
fn overload_is_refused_at_once() {
    let (hooks, there, go) = held();
    let limits = Limits {
        workers: NonZeroUsize::MIN,
        queue_max: 1,
        ..limits()
    };
    let running = Running::start(serving(), hooks, limits);
    let body = classify_body(&picture(1));
    let ask = || {
        let (mut connection, body) = (running.connect(), body.clone());
        std::thread::spawn(move || connection.ask("POST", "/classify/v0", &[JSON], &body))
    };
    let first = ask();
    there.recv().unwrap();
    let others: Vec<_> = (0..5).map(|_| ask()).collect();
    // One is computed and one waits; the others are told so while nothing moves.
    let started = Instant::now();
    while others.iter().filter(|other| other.is_finished()).count() < 4 {
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(running.get("/v2/health/live").status, 200);
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(first.join().unwrap().status, 200);
    let mut statuses = Vec::new();
    for other in others {
        let answer = other.join().unwrap();
        if answer.status == 429 {
            assert_eq!(
                (answer.code().as_str(), answer.header("retry-after")),
                ("overloaded", Some("1"))
            );
        }
        statuses.push(answer.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 429, 429, 429, 429]);
}

#[test]
fn memory_is_limited_over_all_connections() {
    let limits = Limits {
        v2_body_bytes_max: 4 << 20,
        memory_bytes_max: 4 << 20,
        ..limits()
    };
    let running = Running::start(serving(), hooks().0, limits);
    let size = (4 << 20) - 10;
    let head = format!(
        "POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n"
    );
    // Which of the two is refused is a matter of who comes last; in the end it is the small one.
    let greedy = Cell::new(running.connect());
    let refused = within_two_seconds(429, || {
        let mut connection = running.connect();
        connection.send(head.as_bytes());
        // A promise alone costs nothing.
        assert_eq!(running.classify(1).status, 200);
        connection.send(&vec![b' '; size - 1]);
        std::thread::sleep(Duration::from_millis(100));
        drop(greedy.replace(connection));
        running.classify(1)
    });
    assert_eq!(refused.code(), "overloaded");
    drop(greedy);
    within_two_seconds(200, || running.classify(1));
}

#[test]
fn what_was_begun_is_ended_at_shutdown() {
    let (hooks, there, go) = held();
    let mut running = Running::start(serving(), hooks, limits());
    let (mut connection, mut idle) = (running.connect(), running.connect());
    assert_eq!(idle.ask("GET", "/v2", &[], b"").status, 200);
    let body = classify_body(&picture(7));
    let asking = std::thread::spawn(move || {
        let answer = connection.ask("POST", "/classify/v0", &[JSON], &body);
        (answer, connection.receive().is_none())
    });
    there.recv().unwrap();
    running.stop();
    assert!(idle.receive().is_none(), "idle connections are closed");
    let started = Instant::now();
    while TcpStream::connect(running.address).is_ok() {
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "still listening"
        );
    }
    go.send(()).unwrap();
    let (answer, is_closed) = asking.join().unwrap();
    assert_eq!(
        (answer.status, &answer.json()["predicted_digit"], is_closed),
        (200, &7.into(), true)
    );
    assert!(running.join().is_ok());
}

#[test]
fn requests_that_do_not_end_are_cut_at_shutdown() {
    let (hooks, there, go) = held();
    let limits = Limits {
        drain_timeout: Duration::from_millis(300),
        ..limits()
    };
    let mut running = Running::start(serving(), hooks, limits);
    let mut connection = running.connect();
    connection.send(&crate::client::request(
        "POST",
        "/classify/v0",
        &[JSON],
        &classify_body(&picture(7)),
    ));
    there.recv().unwrap();
    running.stop();
    let started = Instant::now();
    assert!(running.join().is_ok());
    assert!(started.elapsed() < Duration::from_secs(5));
    drop(go);
}

#[test]
fn a_session_that_is_no_id_does_not_start() {
    for session in ["", "a b", "a\r\nset-cookie: x", "é"] {
        let serving = Serving {
            session: session.into(),
            ..serving()
        };
        let mut running = Running::start(serving, hooks().0, limits());
        assert!(
            matches!(running.join(), Err(Error::Session(_))),
            "{session:?}"
        );
    }
}
